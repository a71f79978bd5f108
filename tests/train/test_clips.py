"""Clips in: every frame as it was stored, whichever way it is reached; what is lost is noted, what is broken refused."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from inrcodec.runtime.clip import ClipError, ClipFacts
from inrcodec.runtime.footage import write_clip
from inrcodec.runtime.pixels import write_image
from inrcodec.runtime.planes import to_planes, to_rgb
from inrcodec.train import scan as module
from inrcodec.train.clips import clip_from_array, open_clip
from inrcodec.train.pictures import PictureError


def noise(*shape: int, peak: int = 255) -> np.ndarray:
    return np.random.default_rng(0).integers(0, peak, shape, np.uint8 if peak == 255 else np.uint16, endpoint=True)


def frame_of(format: str, planes: Sequence[np.ndarray]) -> av.VideoFrame:
    """An FFmpeg frame that holds these samples."""
    height, width = planes[0].shape[:2]
    frame = av.VideoFrame(width, height, format)
    for plane, samples in zip(frame.planes, map(np.ascontiguousarray, planes), strict=True):
        strides = (plane.line_size, *samples.strides[1:])
        np.ndarray(samples.shape, samples.dtype, memoryview(plane), strides=strides)[:] = samples
    return frame


def film(path, frames: list[av.VideoFrame], codec="ffv1", format=None, times=None, rate=Fraction(25), options=None, **tags):
    """Write a video; `tags` are the codec context's."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        stream.codec_context.time_base = Fraction(1, 1000) if times else 1 / rate
        for k, frame in enumerate(frames):
            frame.pts, frame.time_base = times[k] if times else k, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def moving(frames: int = 24, height: int = 48, width: int = 64) -> list[av.VideoFrame]:
    """4:2:0 frames, each other than all the others."""
    ramp = np.add.outer(np.arange(height), 2 * np.arange(width))
    lumas = [(ramp + 9 * k) % 200 for k in range(frames)]
    chroma = np.full((-(-height // 2), -(-width // 2)), 90)
    return [frame_of("yuv420p", [plane.astype(np.uint8) for plane in (luma, chroma, chroma + 50)]) for luma in lumas]


X264 = {"preset": "ultrafast", "x264-params": "keyint=6:min-keyint=6:bframes=2:scenecut=0"}


def x264(path, frames=None, **rest):
    return film(path, frames or moving(), "libx264", options=X264, **rest)


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 1)])
@pytest.mark.parametrize(
    ("format", "chroma", "depth"),
    [
        *(("yuv420p", "420", 8), ("yuv422p", "422", 8), ("yuv444p", "444", 8), ("gray", "grey", 8)),
        *(("yuv420p10le", "420", 10), ("yuv444p10le", "444", 10), ("yuv422p12le", "422", 12)),
        *(("gray10le", "grey", 10), ("yuv420p16le", "420", 16), ("yuv440p", "444", 8)),
    ],
)
def test_stored_samples_are_exact(tmp_path, format, chroma, depth, size):
    height, width = size
    facts = ClipFacts(3, height, width, bit_depth=depth, chroma=chroma, full_range=True, matrix=1, primaries=1, transfer=1)
    shapes = [plane.shape for plane in to_planes(np.zeros((*size, 3), np.uint8), facts)]
    if format == "yuv440p":
        shapes[1:] = [(-(-height // 2), width)] * 2
    planes = [noise(3, *shape, peak=2**depth - 1) for shape in shapes]
    tags = {"color_range": 2, "colorspace": 1, "color_primaries": 1, "color_trc": 1}
    path = film(tmp_path / "a.mkv", [frame_of(format, [plane[k] for plane in planes]) for k in range(3)], **tags)
    clip = open_clip(path)
    assert clip.facts == facts and clip.notes == ()
    for read, plane in zip(clip.read_yuv(0, 3), planes, strict=True):
        if read.shape == plane.shape:
            np.testing.assert_array_equal(read, plane)
    pixels = clip.read(0, 3)
    assert pixels.shape == (3, *size, 3) and pixels.dtype == (np.uint8 if depth == 8 else np.uint16)
    if chroma in ("444", "grey") or depth > 8:
        stored = clip.read_yuv(0, 3)
        np.testing.assert_array_equal(pixels, [to_rgb(tuple(plane[k] for plane in stored), facts) for k in range(3)])


@pytest.mark.parametrize(("format", "depth"), [("bgr0", 8), ("gbrp10le", 10), ("gbrp16le", 16), ("bgra", 8)])
def test_rgb_is_exact(tmp_path, format, depth):
    pixels = noise(2, 6, 8, 3, peak=2**depth - 1)
    if depth == 8:
        stored = [[np.concatenate([frame[..., ::-1], np.full((6, 8, 1), 9, np.uint8)], axis=2)] for frame in pixels]
    else:
        stored = [[frame[..., 1], frame[..., 2], frame[..., 0]] for frame in pixels]
    clip = open_clip(film(tmp_path / "a.mkv", [frame_of(format, planes) for planes in stored]))
    assert (clip.facts.chroma, clip.facts.bit_depth, clip.facts.matrix, clip.facts.full_range) == ("444", depth, 0, True)
    assert clip.notes == (("alpha is dropped",) if format == "bgra" else ())
    scale = 1 if depth == 8 else 65_535 / (2**depth - 1)
    assert np.abs(clip.read(0, 2) - pixels * scale).max() < 1
    assert [plane.shape for plane in clip.read_yuv(0, 2)] == [(2, 6, 8)] * 3


@pytest.mark.parametrize("matrix", [2, 1, 9])
@pytest.mark.parametrize("full", [False, True])
def test_8_bit_420_is_converted_as_ffmpeg_does_by_its_matrix_and_range(tmp_path, matrix, full):
    tags = {"colorspace": matrix, "color_range": 1 + full}
    clip = open_clip(film(tmp_path / "a.mkv", moving(2), **tags))
    with av.open(tmp_path / "a.mkv") as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    pixels = clip.read(0, 2)
    np.testing.assert_array_equal(pixels, expected)
    exact = to_rgb(tuple(plane[0] for plane in clip.read_yuv(0, 1)), clip.facts)
    assert (clip.facts.matrix, clip.facts.full_range) == (matrix, full)
    assert np.abs(exact.astype(int) - pixels[0]).max() <= 3  # it truncates, twice


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.264", "a.y4m"])
def test_any_order_reads_the_same(tmp_path, name):
    if name == "a.y4m":
        path = film(tmp_path / name, moving(), "wrapped_avframe", format="yuv4mpegpipe")
    else:
        path = x264(tmp_path / name, format="h264" if name == "a.264" else None)
    clip = open_clip(path)
    assert (clip.facts.frames, clip.facts.rate, clip.facts.timestamps, clip.notes) == (24, 25, (), ())
    whole, planes = clip.read(0, 24), clip.read_yuv(0, 24)
    assert len({frame.tobytes() for frame in whole}) == 24
    for first, last in [(13, 15), (15, 16), (0, 2), (23, 24), (5, 7), (6, 7), (11, 14)]:
        np.testing.assert_array_equal(clip.read(first, last), whole[first:last])
        np.testing.assert_array_equal(clip.read_yuv(first, last)[0], planes[0][first:last])


def test_pictures_that_are_renewed_by_parts_are_decoded_from_the_start(tmp_path):
    options = {"x264-params": "intra-refresh=1:keyint=6:bframes=0"}
    clip = open_clip(film(tmp_path / "a.mp4", moving(), "libx264", options=options))
    whole = clip.read(0, 24)
    for k in (20, 3, 13):
        np.testing.assert_array_equal(clip.read(k, k + 1)[0], whole[k])


def test_no_more_is_decoded_than_is_needed(tmp_path, monkeypatch):
    clip, decoded = open_clip(x264(tmp_path / "a.mp4")), []
    decode = clip.source._decoded
    monkeypatch.setattr(clip.source, "_decoded", lambda key: (decoded.append(key) or frame for frame in decode(key)))
    clip.read(19, 21)
    clip.read(21, 23)  # goes on
    assert decoded == [18] * 5


@pytest.mark.parametrize("bounds", [(0, 25), (-1, 2), (3, 3), (5, 4)])
def test_frames_that_are_not_there(tmp_path, bounds):
    with pytest.raises(ClipError, match=f"wanted frames within 0:24, got {bounds[0]}:{bounds[1]}"):
        open_clip(x264(tmp_path / "a.mp4")).read(*bounds)


def test_uneven_times_are_kept(tmp_path):
    times = [500 + t for t in (0, 40, 80, 250, 251, 900)]
    for name in ("a.mkv", "a.mp4"):
        clip = open_clip(x264(tmp_path / name, moving(6), times=times))
        assert [clip.facts.time(k) for k in range(6)] == [Fraction(t - 500, 1000) for t in times]
        assert clip.facts.rate == Fraction(50, 9)
        write_clip(tmp_path / f"b{name}", clip.read(0, 6), clip.facts)
        again = open_clip(tmp_path / f"b{name}").facts
        assert [again.time(k) for k in range(6)] == [clip.facts.time(k) for k in range(6)]


@pytest.mark.parametrize("rate", [Fraction(24_000, 1001), Fraction(30_000, 1001), Fraction(60), Fraction(15, 2)])
def test_even_times_are_a_rate_though_milliseconds_round_them(tmp_path, rate):
    clip = open_clip(film(tmp_path / "a.mkv", moving(), rate=rate))
    assert (clip.facts.rate, clip.facts.timestamps) == (rate, ())


def test_one_frame(tmp_path):
    clip = open_clip(x264(tmp_path / "a.mp4", moving(1)))
    assert (clip.facts.frames, clip.facts.rate, clip.facts.timestamps) == (1, 25, ()) and clip.read(0, 1).shape[0] == 1


def test_turns_and_aspect_are_carried(tmp_path):
    facts = ClipFacts(4, 48, 64, pixel_aspect=Fraction(16, 11), turns=3, full_range=True)
    for name in ("a.mp4", "a.mov", "a.mkv"):
        write_clip(tmp_path / name, noise(4, 48, 64, 3), facts)
        assert open_clip(tmp_path / name).facts == facts


def test_interlaced_is_noted(tmp_path):
    clip = open_clip(film(tmp_path / "a.mkv", moving(4), "libx264", options={"x264-params": "interlaced=1"}))
    assert clip.notes == (module.WOVEN,)


def beep(path, codec: str, frames: Sequence[av.VideoFrame] = (), late: int = 0) -> Path:
    """A file of ten packets of sound and, `late` frames later, pictures."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=25) if frames else None
        sound = container.add_stream(codec, rate=48_000, layout="mono")
        if picture:
            picture.width, picture.height, picture.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
            for k, frame in enumerate(frames):
                frame.pts, frame.time_base = k + late, Fraction(1, 25)
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        for k in range(10):
            wave = np.random.default_rng(k).normal(0, 0.1, (1, 1024)).astype(np.float32)
            samples = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            samples.sample_rate, samples.pts, samples.time_base = 48_000, 1024 * k, Fraction(1, 48_000)
            container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    return path


def packets(source) -> tuple[list[bytes], Fraction]:
    """The audio packets, and when the second of them is heard (the first may be cut)."""
    with av.open(source) as container:
        found = [packet for packet in container.demux(container.streams.audio) if packet.size]
        return [bytes(packet) for packet in found], found[1].pts * found[1].time_base


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "flac"), ("a.mkv", "libopus"), ("a.mov", "aac")])
@pytest.mark.parametrize("late", [0, 2])
def test_audio_is_carried_untouched_and_in_time(tmp_path, name, codec, late):
    path = beep(tmp_path / name, codec, moving(6), late)
    clip = open_clip(path)
    data, heard = packets(path)
    heard -= clip.source.scan.start
    sound = clip.audio()
    assert packets(BytesIO(sound))[0] == data and clip.audio() == sound
    out = tmp_path / f"out{name}"
    write_clip(out, clip.read(0, 6), clip.facts, sound)
    again = open_clip(out)
    assert packets(out)[0] == data and again.facts == clip.facts
    assert abs(packets(out)[1] - again.source.scan.start - heard) <= Fraction(1, 1000)


def test_audio_that_the_container_cannot_hold_is_named(tmp_path):
    clip = open_clip(beep(tmp_path / "a.mp4", "aac", moving(2)))
    with pytest.raises(ClipError, match=r"wanted audio that webm can hold, got aac; write \.mkv"):
        write_clip(tmp_path / "a.webm", clip.read(0, 2), clip.facts, clip.audio())
    with pytest.raises(ClipError, match="wanted to write"):
        write_clip(tmp_path / "b.mp4", clip.read(0, 2), clip.facts, b"no audio")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert open_clip(x264(tmp_path / "b.mp4")).audio() == b""


def folder_of(path: Path, **pictures: np.ndarray) -> Path:
    path.mkdir()
    for name, pixels in pictures.items():
        write_image(path / f"{name}.png", pixels)
    return path


@pytest.mark.parametrize("peak", [255, 65_535])
def test_a_folder_is_read_in_the_order_that_people_count(tmp_path, peak):
    frames = noise(3, 5, 7, 3, peak=peak)
    path = folder_of(tmp_path / "clip", f10=frames[2], f9=frames[1], f1=frames[0])
    (path / "readme.txt").write_text("mine")
    (path / ".hidden.png").write_text("mine")
    clip = open_clip(path, Fraction(10))
    np.testing.assert_array_equal(clip.read(0, 3), frames)
    np.testing.assert_array_equal(clip.read(2, 3), frames[2:])
    assert (clip.facts.frames, clip.facts.rate, clip.facts.bit_depth) == (3, 10, 8 if peak == 255 else 16)
    assert clip.notes == ("files that are no pictures are left out",) and clip.audio() == b""
    assert [plane.shape for plane in clip.read_yuv(0, 2)] == [(2, 5, 7)] * 3
    write_clip(f"{tmp_path}/again/", clip.read(0, 3), clip.facts)
    np.testing.assert_array_equal(open_clip(tmp_path / "again").read(0, 3), frames)


def test_a_folder_of_grey_and_alpha(tmp_path):
    colour, grey = noise(5, 7, 4), noise(5, 7, 1)
    clip = open_clip(folder_of(tmp_path / "clip", a=grey, b=colour))
    np.testing.assert_array_equal(clip.read(0, 2), [np.repeat(grey, 3, axis=2), colour[..., :3]])
    assert "alpha is dropped" in open_clip(folder_of(tmp_path / "more", a=colour)).notes


def test_a_folder_of_unlike_pictures_is_refused(tmp_path):
    clip = open_clip(folder_of(tmp_path / "clip", a=noise(5, 7, 3), b=noise(5, 8, 3), c=noise(5, 7, 3, peak=65_535)))
    with pytest.raises(ClipError, match="picture 1: wanted 7x5 of 8 bits as the first one's, got 8x5 of 8"):
        clip.read(0, 3)
    with pytest.raises(ClipError, match=r"picture 2: .* got 7x5 of 16"):
        clip.read(2, 3)
    (tmp_path / "clip" / "a.png").write_bytes(b"nonsense")
    with pytest.raises(PictureError, match=r"a\.png"):
        open_clip(tmp_path / "clip")
    (tmp_path / "none").mkdir()
    with pytest.raises(ClipError, match=r"in a folder of pictures, got 0 other files"):
        open_clip(tmp_path / "none")


@pytest.mark.parametrize("shape", [(3, 5, 7), (3, 5, 7, 1), (3, 5, 7, 3)])
def test_an_array_is_a_clip(shape):
    frames = noise(*shape)
    clip = clip_from_array(frames)
    np.testing.assert_array_equal(clip.read(1, 3), np.broadcast_to(frames.reshape(3, 5, 7, -1), (3, 5, 7, 3))[1:])
    assert (clip.facts.frames, clip.facts.height, clip.facts.width) == (3, 5, 7)
    for bad in (np.zeros((5, 7), np.uint8), np.zeros((0, 5, 7), np.uint8)):
        with pytest.raises(ClipError, match=r"wanted \(T, H, W\)"):
            clip_from_array(bad)
    with pytest.raises(PictureError, match="got float64"):
        clip_from_array(np.zeros((2, 3, 4)))


def test_foreign_files_are_refused_in_one_line(tmp_path):
    path = tmp_path / "a"
    good = x264(tmp_path / "good.mp4").read_bytes()
    Image.fromarray(noise(32, 32, 3)).save(tmp_path / "cover.png")
    broken = {
        "a.mp4": (b"", "got an empty file"),
        "a.txt": (b"a line of text\n" * 50, "wanted a video stream, got text alone"),
        "a.md": (b"# some text\n" * 99, "wanted a whole file that FFmpeg can open, got: Invalid data"),
        "a.mov": (good[: len(good) // 2], "got: Invalid data"),  # its index is at the end
        "a.m3u8": (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n", "wanted"),
        "a.y4m": (b"YUV4MPEG2 W8 H8 F25:1\n", "wanted"),
        "b.y4m": (b"YUV4MPEG2 W8 H8 F25:1 C420jpeg\nFRAME\n" + bytes(50), "wanted"),
    }
    for name, (data, said) in broken.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ClipError, match=said) as caught:
            open_clip(path)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    for path, said in ((tmp_path / "none.mp4", "got no file"), (beep(tmp_path / "s.mp4", "aac"), "got audio alone")):
        with pytest.raises(ClipError, match=said):
            open_clip(path)


def test_damage_is_refused_by_the_frames_before_it(tmp_path):
    path = x264(tmp_path / "a.mkv", [frame_of("yuv420p", [noise(48, 64), noise(24, 32), noise(24, 32)]) for _ in range(24)])
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(ClipError, match=r"its first \d+ frames can be read, then: wanted a whole frame") as caught:
        open_clip(path)
    assert str(path) in str(caught.value)


def test_a_file_that_ends_early_is_refused_or_noted(tmp_path):
    path = x264(tmp_path / "a.mp4", moving(60))
    with av.open(path) as source, av.open(str(tmp_path / "fast.mp4"), "w", options={"movflags": "faststart"}) as fast:
        stream = fast.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                fast.mux(packet)
    data = (tmp_path / "fast.mp4").read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(
        ClipError, match=r"its first \d+ frames can be read, then: wanted a whole packet, got a damaged or cut"
    ):
        open_clip(path)
    data = x264(tmp_path / "a.mkv", moving(60)).read_bytes()
    (tmp_path / "b.mkv").write_bytes(data[: len(data) // 3])
    assert "is it cut?" in open_clip(tmp_path / "b.mkv").notes[0] and open_clip(tmp_path / "a.mkv").notes == ()


def test_one_size_and_the_limits(tmp_path, monkeypatch):
    two = [x264(tmp_path / f"{k}.264", moving(6, 48, width), format="h264").read_bytes() for k, width in enumerate((64, 80))]
    (tmp_path / "a.264").write_bytes(b"".join(two))
    with pytest.raises(ClipError, match="its first 6 frames can be read, then: wanted 64x48 as before, got 80x48"):
        open_clip(tmp_path / "a.264")
    monkeypatch.setattr(module, "SIDE_MAX", 63)
    with pytest.raises(ClipError, match=r"wanted sides up to 63 .* got 64x48"):
        open_clip(tmp_path / "0.264")


def test_a_file_that_changes_is_noticed(tmp_path):
    clip = open_clip(x264(tmp_path / "a.mp4"))
    x264(tmp_path / "a.mp4", moving(12))
    with pytest.raises(ClipError, match="wanted frame 12 as it was scanned, got another"):
        clip.read(0, 24)


def test_what_is_known_survives_a_pass_through_the_codec(tmp_path):
    """A 10-bit HDR clip: facts in, facts out."""
    facts = ClipFacts(4, 48, 64, Fraction(60_000, 1001), bit_depth=10, matrix=9, primaries=9, transfer=16)
    write_clip(tmp_path / "a.mp4", noise(4, 48, 64, 3, peak=65_535), facts)
    clip = open_clip(tmp_path / "a.mp4")
    assert clip.facts == replace(facts, full_range=False) and clip.read(0, 4).dtype == np.uint16
