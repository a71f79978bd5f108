"""Clips: segments that are fitted one after the other, and decode each alone."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import inrcodec
from inrcodec.export.standalone import export_tensors
from inrcodec.runtime.clip import ClipFacts
from inrcodec.runtime.footage import write_clip
from inrcodec.runtime.synthesis import network_tensors
from inrcodec.runtime.wire import BitstreamError
from inrcodec.train.cli import main
from inrcodec.train.clips import clip_from_array, open_clip
from inrcodec.train.options import EncodeError
from inrcodec.train.segments import ClipResult, encode_clip

Y, X = np.mgrid[:48, :64]
RAMPS = np.stack([127 + 100 * np.sin(Y / 9 + X / 13), 2 * X + Y, 40 + 3 * Y], -1)
FRAMES = np.stack([np.roll(RAMPS, 3 * k, axis=1) for k in range(5)]).astype(np.uint8)
OPTIONS = {"first_frames": [0, 2, 4], "method": "hnerv", "iterations": 3, "threads": 1}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> ClipResult:
    return encode_clip(clip_from_array(FRAMES), tmp_path_factory.mktemp("whole") / "x", **OPTIONS)


def test_segments_decode_alone(whole, tmp_path):
    file = inrcodec.open(whole.data)
    frames = list(file)
    assert [entry.frames for entry in file.index] == [2, 2, 1] and whole.segments == 3 and len(frames) == 5
    for k in (4, 1, 3, 0, 2):
        np.testing.assert_array_equal(inrcodec.open(whole.data)[k], frames[k])
    assert whole.bpp == 8 * len(whole.data) / FRAMES[..., 0].size
    mse = np.mean((np.stack(frames).astype(float) - FRAMES) ** 2) / 255**2
    assert whole.psnr == pytest.approx(-10 * np.log10(mse), abs=1e-4)
    facts = file.facts
    assert facts is not None and (facts.frames, facts.rate, facts.chroma) == (5, Fraction(25), "444")
    path = tmp_path / "x.inr"
    path.write_bytes(whole.data + b"")
    np.testing.assert_array_equal(inrcodec.open(path)[3], frames[3])


def test_a_frame_of_any_segment_is_exported(whole):
    file = inrcodec.open(whole.data)
    tensors = export_tensors(file, 3)
    assert tensors["frame"] == 1 and len(tensors["embedding"]) == 2
    for name, values in network_tensors(file.segment(1)).items():
        np.testing.assert_array_equal(tensors[name], values)


def test_a_damaged_segment_is_refused_by_name_and_the_others_decode(whole):
    file = inrcodec.open(whole.data)
    at = len(whole.data) - file.index[2].size - 5
    damaged = inrcodec.open(whole.data[:at] + bytes([whole.data[at] ^ 1]) + whole.data[at + 1 :])
    for k in (0, 1, 4):
        np.testing.assert_array_equal(damaged[k], file[k])
    for k in (2, 3):
        with pytest.raises(BitstreamError, match=r"damaged segment 1 \(frames 2 to 3\): wanted checksum"):
            damaged[k]


def test_of_a_cut_clip_whole_segments_decode(whole):
    file = inrcodec.open(whole.data)
    cut = whole.data[: len(whole.data) - file.index[2].size - 1]
    with pytest.raises(BitstreamError, match=f"wanted {len(whole.data)} bytes, got {len(cut)}"):
        inrcodec.open(cut)
    part = inrcodec.open(cut, allow_partial=True)
    assert part.partial and len(part) == 2 and part.facts is not None and part.facts.frames == 2
    np.testing.assert_array_equal(part[1], file[1])
    with pytest.raises(IndexError, match="wanted a frame below 2"):
        part[2]


def test_an_interruption_keeps_segments_and_resuming_goes_on(whole, tmp_path):
    folder, clip = tmp_path / "x", clip_from_array(FRAMES)

    def stop(progress):
        if "segment 2" in progress.stage:
            raise KeyboardInterrupt

    first = encode_clip(clip, folder, watch=stop, **OPTIONS)
    assert first.interrupted and first.segments == 1 and len(inrcodec.open(first.data)) == 2
    with pytest.raises(EncodeError, match="of another clip or other options"):
        encode_clip(clip, folder, resume=True, **OPTIONS | {"iterations": 4})
    rest = encode_clip(clip, folder, resume=True, device="cpu", **OPTIONS)
    assert rest.data == whole.data and not folder.exists()


@pytest.mark.parametrize("method", ["hnerv", "gomes", "nirvana"])
def test_what_hardly_changes_is_written_as_differences(tmp_path, method):
    """In segments of equal frames; resumed or not, the same."""
    frames = np.concatenate([FRAMES[:2]] * 3)
    options = OPTIONS | {"method": method, "iterations": 12}

    def stop(progress):
        if "segment 3" in progress.stage:
            raise KeyboardInterrupt

    assert encode_clip(clip_from_array(frames), tmp_path / "x", watch=stop, **options).interrupted
    data = encode_clip(clip_from_array(frames), tmp_path / "x", resume=True, **options).data
    assert data == encode_clip(clip_from_array(frames), tmp_path / "y", **options).data
    file = inrcodec.open(data)
    assert all(group.differences is None for group in file.segment(0).groups.values())
    for k in (1, 2):
        assert any(group.differences for group in file.segment(k).groups.values())
        assert file.index[k].size < file.index[0].size


def test_networks_begin_where_the_segment_before_ended(tmp_path):
    """After one step the second of two equal segments is better than the first."""
    frames = np.concatenate([FRAMES[:2], FRAMES[:2]])
    options = OPTIONS | {"first_frames": [0, 2], "iterations": 30}
    first, second = (
        np.square(frame.astype(float) - FRAMES[0]).mean()
        for frame in list(inrcodec.open(encode_clip(clip_from_array(frames), tmp_path / "x", **options).data))[::2]
    )
    assert second < 0.9 * first


def test_from_file_to_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    facts = ClipFacts(5, 48, 64, rate=Fraction(30000, 1001), chroma="444", matrix=1)
    write_clip("in.y4m", iter(FRAMES), facts)
    quick = ("--method", "nerv", "--iterations", "3", "--threads", "1")
    assert main(["encode", "in.y4m", "x.inr", *quick, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["segments"] == 1 and printed["bytes"] == Path("x.inr").stat().st_size
    assert main(["info", "x.inr"]) == 0 and "5 frames in 1 segments, 29.97 a second" in capsys.readouterr().out
    assert main(["bench", "x.inr", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["fps"] > 0 and 0 < row["seek_ms"] <= row["longest_seek_ms"] and row["all_threads"]["macs_per_pixel"] > 100
    assert main(["bench", "x.inr"]) == 0 and "frames a second; a seek" in capsys.readouterr().out
    assert inrcodec.encode("in.y4m", method="nerv", iterations=3, threads=1) == Path("x.inr").read_bytes()
    frames = list(inrcodec.open("x.inr"))
    for name in ("out.y4m", "out.mkv"):
        assert main(["decode", "x.inr", name]) == 0
        again = open_clip(name)
        assert (again.facts.frames, again.facts.rate) == (5, Fraction(30000, 1001))
        assert np.abs(again.read(0, 5).astype(int) - frames).mean() < 4
    assert main(["decode", "x.inr", "some/", "--frames", "1:3"]) == 0 and len(list(Path("some").iterdir())) == 2
    assert main(["decode", "x.inr", "one.npy", "--frame", "4"]) == 0
    np.testing.assert_array_equal(np.load("one.npy"), frames[4])
    assert main(["decode", "x.inr", "y.png", "--frame", "1", "--size", "2x"]) == 1
    assert "wanted a scale of 1: nerv_small makes whole frames; got 2" in capsys.readouterr().err
    assert main(["decode", "x.inr", "y.y4m", "--frames", "3:6"]) == 1
    assert capsys.readouterr().err == "inrc decode: --frames: wanted frames within 0:5, got 3:6\n"
    assert main(["encode", "in.y4m", "y.inr", "--seconds", "5"]) == 2
    assert "wanted --iterations or a preset with a clip" in capsys.readouterr().err
    assert main(["encode", "in.y4m", "y.inr", "--method", "coin"]) == 1
    assert capsys.readouterr().err == "inrc encode: method coin: wanted a picture, got a clip\n"
    assert not Path("y.inr").exists() and not Path("y.inr.segments").exists()
