"""Clips out: what is written is read back, whole or not at all, and what cannot be written says so."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av
import imagecodecs
import numpy as np
import pytest

from inrcodec.runtime.clip import ClipError, ClipFacts
from inrcodec.runtime.footage import write_clip
from inrcodec.runtime.mux import CONTAINERS
from inrcodec.runtime.pixels import PixelError
from inrcodec.runtime.planes import to_planes

VIDEO = (".y4m", *CONTAINERS)


def scene(frames: int = 4, height: int = 48, width: int = 64, dtype=np.uint8) -> np.ndarray:
    """Smooth and moving: (T, H, W, 3)."""
    t, y, x = np.mgrid[:frames, :height, :width]
    waves = [np.sin((x + 2 * t) / 9), np.sin((y - t) / 7), np.sin((x + y + t) / 11)]
    return ((np.stack(waves, -1) * 0.4 + 0.5) * np.iinfo(dtype).max).astype(dtype)


def facts_of(frames: np.ndarray, **rest) -> ClipFacts:
    return ClipFacts(*frames.shape[:3], **rest)


def stored(path) -> Iterator[tuple[av.VideoFrame, list[np.ndarray]]]:
    """What FFmpeg finds in the file: each frame and its planes."""
    with av.open(path) as container:
        for frame in container.decode(video=0):
            dtype = np.dtype("<u2" if frame.format.components[0].bits > 8 else np.uint8)
            rows = [(plane, (plane.line_size, dtype.itemsize)) for plane in frame.planes]
            yield frame, [np.ndarray((p.height, p.width), dtype, memoryview(p), strides=s) for p, s in rows]


@pytest.mark.parametrize("chroma", ["420", "422", "444", "grey"])
@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("size", [(1, 1), (6, 8), (5, 7)])
def test_y4m_holds_the_planes(tmp_path, chroma, depth, size):
    frames = scene(2, *size)
    facts = facts_of(frames, rate=Fraction(30_000, 1001), bit_depth=depth, chroma=chroma, pixel_aspect=Fraction(16, 15))
    write_clip(tmp_path / "a.y4m", iter(frames), facts)
    read = list(stored(tmp_path / "a.y4m"))
    assert len(read) == 2
    for pixels, (_, planes) in zip(frames, read):
        for wanted, plane in zip(to_planes(pixels, facts), planes, strict=True):
            np.testing.assert_array_equal(plane, wanted)
    with av.open(tmp_path / "a.y4m") as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.sample_aspect_ratio) == (facts.rate, facts.pixel_aspect)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("extension", VIDEO)
def test_the_range_is_told(tmp_path, full, extension):
    frames = scene()
    write_clip(tmp_path / f"a{extension}", frames, facts_of(frames, full_range=full))
    frame, planes = next(stored(tmp_path / f"a{extension}"))
    assert (frame.color_range == 2) == full and len(planes) == 3


@pytest.mark.parametrize("extension", CONTAINERS)
def test_containers_keep_frames_and_colours(tmp_path, extension):
    frames = scene()
    facts = facts_of(frames, rate=Fraction(24_000, 1001), matrix=1, primaries=1, transfer=13, pixel_aspect=Fraction(4, 3))
    write_clip(tmp_path / f"a{extension}", iter(frames), facts)
    read = list(stored(tmp_path / f"a{extension}"))
    assert len(read) == len(frames)
    for pixels, (frame, planes) in zip(frames, read):
        assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 13)
        worst = max(np.abs(a.astype(int) - b).max() for a, b in zip(planes, to_planes(pixels, facts)))
        assert worst <= 12  # crf 12
    with av.open(tmp_path / f"a{extension}") as container:
        stream = container.streams.video[0]
        assert abs(stream.average_rate - facts.rate) < 0.1
        assert stream.sample_aspect_ratio == (1 if extension == ".webm" else Fraction(4, 3))


@pytest.mark.parametrize(
    ("extension", "size", "chroma", "depth", "name"),
    [
        (".mp4", (6, 8), "420", 10, "yuv420p10le"),
        (".mkv", (6, 8), "422", 8, "yuv422p"),
        (".mkv", (6, 8), "grey", 8, "yuv420p"),
        (".mkv", (5, 8), "grey", 10, "yuv444p10le"),
        (".mp4", (5, 7), "420", 8, "yuv444p"),
        (".mp4", (5, 7), "444", 10, "yuv444p10le"),
        (".webm", (5, 7), "420", 8, "yuv420p"),
        (".webm", (6, 8), "444", 8, "yuv444p"),
        (".webm", (6, 8), "grey", 8, "yuv420p"),
    ],
)
def test_any_size_chroma_and_depth(tmp_path, extension, size, chroma, depth, name):
    frames = scene(2, *size)
    write_clip(tmp_path / f"a{extension}", frames, facts_of(frames, chroma=chroma, bit_depth=depth))
    frame, _ = next(stored(tmp_path / f"a{extension}"))
    assert (frame.format.name, frame.height, frame.width) == (name, *size)


def test_rgb_is_stored_as_what_it_is_said_to_be(tmp_path):
    frames = scene()
    write_clip(tmp_path / "a.mkv", frames, facts_of(frames, chroma="444", matrix=0, full_range=True))
    assert next(stored(tmp_path / "a.mkv"))[0].colorspace == 6


@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_uneven_times_and_turns_are_kept(tmp_path, extension):
    frames = scene(4)
    facts = facts_of(frames, timestamps=(0, 30, 100, 110), time_base=Fraction(1, 1000), rate=Fraction(300, 11), turns=1)
    write_clip(tmp_path / f"a{extension}", frames, facts)
    read = [frame for frame, _ in stored(tmp_path / f"a{extension}")]
    assert [round(1000 * (frame.time - read[0].time)) for frame in read] == [0, 30, 100, 110]
    assert read[0].rotation == 90


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_folder_holds_the_pixels(tmp_path, channels, dtype):
    frames = np.random.default_rng(0).integers(0, 255, (3, 5, 7, channels)).astype(dtype)
    write_clip(f"{tmp_path}/out/", frames[..., 0] if channels == 1 else frames, facts_of(frames))
    assert sorted(os.listdir(tmp_path / "out")) == ["000000.png", "000001.png", "000002.png"]
    for k, pixels in enumerate(frames):
        read = imagecodecs.png_decode((tmp_path / "out" / f"{k:06}.png").read_bytes())
        np.testing.assert_array_equal(np.atleast_3d(read), pixels)
    write_clip(tmp_path / "out", frames[:1], facts_of(frames[:1]))  # in its place
    assert os.listdir(tmp_path / "out") == ["000000.png"] and os.listdir(tmp_path) == ["out"]


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ClipError, match=r"got one that holds notes\.txt"):
        write_clip(tmp_path, scene(), facts_of(scene()))
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize("name", ["a.y4m", "a.mp4", "a/"])
@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (scene(3), "wanted 4 frames, got 3"),
        (scene(5), "wanted 4 frames, got 5"),
        (scene(4, 48, 62), r"frame 0: wanted \(48, 64\) uint8 or uint16, got \(48, 62, 3\) uint8"),
        (scene(4) / 255, "got .* float64"),
    ],
)
def test_refusals_leave_what_was_there(tmp_path, name, frames, said):
    path = f"{tmp_path}/{name}"
    write_clip(path, scene(), facts_of(scene()))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()}
    with pytest.raises(ClipError, match=said) as caught:
        write_clip(path, iter(frames), facts_of(scene()))
    assert str(tmp_path) in str(caught.value)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()} == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["a.y4m", "a.mkv", "a/"])
def test_a_failing_source_leaves_nothing(tmp_path, name):
    def frames():
        yield scene()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_clip(f"{tmp_path}/{name}", frames(), facts_of(scene()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "frames", "rest", "said"),
    [
        ("a.avi", scene(), {}, r"wanted one of \.y4m \.mp4 \.mov \.mkv \.webm or a folder/, got \.avi"),
        ("a", scene(), {}, "got no extension"),
        ("a.mp4", scene(), {"bit_depth": 12}, "wanted a depth that libx264 knows, got 12 bits"),
        ("a.webm", scene(), {"bit_depth": 10}, "wanted a depth that libvpx-vp9 knows, got 10 bits"),
        ("a.y4m", scene()[..., :2], {}, "wanted frames of 1 or 3 channels, got 2; write a folder/ of PNGs"),
        ("none/a.y4m", scene(), {}, "wanted to write it, got: No such file"),
        ("none/a.mp4", scene(), {}, "No such file"),
    ],
)
def test_refusals(tmp_path, name, frames, rest, said):
    with pytest.raises(ClipError, match=said):
        write_clip(tmp_path / name, frames, replace(facts_of(frames), **rest))
    assert list(tmp_path.iterdir()) == []


def test_a_png_that_cannot_be_says_so(tmp_path):
    with pytest.raises(PixelError, match=r"got \(48, 64, 5\)"):
        write_clip(f"{tmp_path}/a/", np.zeros((4, 48, 64, 5), np.uint8), facts_of(scene()))


def test_without_pyav_there_are_y4m_and_folders(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    for name in ("a.y4m", "a/"):
        write_clip(f"{tmp_path}/{name}", scene(), facts_of(scene()))
    with pytest.raises(ClipError, match=r"mp4 wants PyAV: pip install 'inrcodec\[train\]', or write \.y4m or a folder/"):
        write_clip(tmp_path / "a.mp4", scene(), facts_of(scene()))


def test_the_writer_loads_no_pyav():
    script = "import sys, inrcodec.runtime.footage; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_frames_are_not_gathered(tmp_path):
    """Of 60 frames, few are alive at once."""
    alive, most = 0, 0

    class Frame(np.ndarray):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def frames():
        nonlocal alive, most
        for _ in range(60):
            alive += 1
            most = max(most, alive)
            yield np.zeros((16, 16, 3), np.uint8).view(Frame)

    for name in ("a.y4m", "a.mp4", "a/"):
        write_clip(f"{tmp_path}/{name}", frames(), ClipFacts(60, 16, 16))
    assert most <= 3
