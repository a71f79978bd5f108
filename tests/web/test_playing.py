"""Clips that play in headless Chromium: one of 1280x720, and sound in step with the picture."""

import hashlib
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import playback
import pytest
from drivers import as_rgba, in_browser, needs_browser
from soundtracks import carried

import inrcodec
from inrcodec.runtime.clip import code_facts
from inrcodec.runtime.syntax import write_segments
from inrcodec.runtime.wire import Writer
from inrcodec.train.clips import clip_from_array
from inrcodec.train.segments import encode_clip

BURSTS = (0.3, 0.7, 1.3, 2.3)  # seconds at which the sound is loud, for BURST
BURST = 0.02
PHASES = [{"from": 0, "until": 1.5, "bursts": 3}, {"from": 2, "until": 2.6, "bursts": 1}]  # that are played, in seconds
STEP = 0.05  # seconds that sound and picture may be apart, beside the frame's own length
CODECS = {"opus": ("libopus", "matroska", 48_000), "aac": ("aac", "mp4", 44_100)}
TOGETHER = [50, 51, 52, 1]  # frames that are read at once
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # that a page may use
SEGMENTS, FRAMES, SOUGHT = 3, 75, 30  # of the wide clip; the frame that is sought lies in its second segment
pytestmark = needs_browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("playing")


@pytest.fixture(scope="module")
def large(folder) -> Path:
    """Three segments of a second, as a fit of player begins."""
    y, x = np.mgrid[: playback.HEIGHT, : playback.WIDTH]
    moving = [np.stack([x / 8 + 8 * k, y / 4 - k, (x + y) / 10], -1) % 256 for k in range(playback.DISTINCT)]
    path = folder / "large.inr"
    path.write_bytes(playback.made("small", np.stack(moving).astype(np.uint8), SEGMENTS, 1))
    return path


def bursts(codec: str, format: str, rate: int) -> bytes:
    """The section of a clip: three seconds of a tone that is heard at times alone."""
    times = np.arange(3 * rate) / rate
    loud = np.any([(begin <= times) & (times < begin + BURST) for begin in BURSTS], axis=0)
    wave = (0.8 * loud * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    return carried(wave[None], codec, format, rate, Fraction(0))


@pytest.fixture(scope="module")
def sounds(folder) -> dict[str, Path]:
    """A clip with each sound, with one that no browser decodes, and one to be turned."""
    y, x = np.mgrid[:48, :64]
    moving = np.stack([np.stack([4 * x - k, 5 * y + k, 2 * x + 2 * y], -1) % 256 for k in range(FRAMES)]).astype(np.uint8)
    options = {"method": "player", "iterations": 2, "threads": 1}
    file = inrcodec.open(encode_clip(clip_from_array(moving), folder / "segments", **options).data)
    ends = np.cumsum([len(file.data) - sum(entry.size for entry in file.index), *(entry.size for entry in file.index)])
    segments = [(entry.frames, bytes(file.data[ends[k] : ends[k + 1]])) for k, entry in enumerate(file.index)]
    paths = {}
    for name, audio in {**CODECS, "ac3": ("ac3", "matroska", 48_000)}.items():
        paths[name] = folder / f"{name}.inr"
        sections = file.header.sections | {"audio": bursts(*audio)}
        paths[name].write_bytes(write_segments(replace(file.header, sections=sections), segments))
    assert file.facts
    facts, wire = replace(file.facts, turns=1, pixel_aspect=Fraction(4, 3)), Writer()
    code_facts(wire, (FRAMES, 48, 64), facts)
    paths["turned"] = folder / "turned.inr"
    paths["turned"].write_bytes(write_segments(replace(file.header, sections={"clip": bytes(wire.data)}), segments))
    return paths


@pytest.fixture(scope="module")
def seen(folder, large, sounds) -> dict:
    with_sound = {"sounds": [str(sounds[name]) for name in CODECS], "phases": PHASES, "unknown": str(sounds["ac3"])}
    wide = {"clip": str(large), "large": str(large), "sought": SOUGHT, "together": TOGETHER}
    return in_browser(folder, only=["large", "sound", "turned"], turned=str(sounds["turned"]), **wide, **with_sound)


def test_a_clip_of_720_rows_plays_and_is_sought(seen, large):
    found, file = seen["large"], inrcodec.open(large)
    assert found["size"] == [playback.WIDTH, playback.HEIGHT] and found["duration"] == pytest.approx(FRAMES / 25)
    for shown, frame in ((found["first"], 0), (found["sought"], SOUGHT)):
        assert shown == {"frame": frame, "time": pytest.approx(frame / 25), "pixels": digest(file[frame])}
    frames = [frame for frame, _ in found["drawn"]]
    assert frames[0] == SOUGHT and frames == sorted(frames) and frames[-1] == FRAMES - 1
    assert all(time == pytest.approx(frame / 25) for frame, time in found["drawn"])
    assert found["seconds"] > (FRAMES - SOUGHT) / 25 - 0.1
    assert not [line for line in found["lines"] if "willReadFrequently" not in line]


def digest(frame: np.ndarray) -> str:
    return hashlib.sha256(as_rgba(frame).tobytes()).hexdigest()


def test_a_clip_is_turned_and_stretched(seen, sounds):
    """A quarter counterclockwise; its pixels, once wide, are high then."""
    found, frame = seen["turned"], inrcodec.open(sounds["turned"])[3]
    assert found["size"] == [48, 64] and found["box"] == pytest.approx([48, 64 * 4 / 3], abs=0.1)
    assert found["pixels"] == digest(np.rot90(frame))


def test_frames_that_travel_alone_are_decoded_by_two_workers(seen, large):
    """Where there are two cores; nothing is fetched twice."""
    found, file = seen["large"], inrcodec.open(large)
    assert found["together"] == [digest(file[frame]) for frame in TOGETHER]
    assert found["workers"] == min(2, CORES)
    assert len(found["asked"]) == len({*map(tuple, found["asked"])}) == 1 + 2


@pytest.mark.parametrize("name", CODECS)
def test_sound_is_in_step(name, seen, capsys):
    """Where the context's clock is when a frame is shown, against when it lets bursts of known times be heard."""
    found = seen["sound"][f"{name}.inr"]
    if any("does not decode" in line for line in found["lines"]):
        pytest.skip(f"this browser does not decode {name}")
    for phase, wanted in zip(found["phases"], (BURSTS[:3], BURSTS[3:]), strict=True):
        heard = phase["bursts"][: len(wanted)]
        assert len(heard) == len(wanted)
        offsets = np.subtract(heard, wanted)  # of the context's clock to the clip's
        assert np.ptp(offsets) < STEP / 5
        late = [now - offsets[0] - time for time, now in phase["frames"][1:]]
        spread = np.percentile(late, [0, 25, 50, 75, 100])
        with capsys.disabled():
            print(f"\n{name}: frames later than their sound by {np.round(1000 * spread)} ms (least, quartiles, most)")
        assert -STEP / 5 < np.median(late) < STEP
        assert phase["left"] == 0 and phase["still"]
    assert found["levels"] == [[True, 0], [False, 1], [False, pytest.approx(0.9)]]
    assert found["lines"] == []


def test_a_header_with_sound_is_fetched_in_two_parts(seen, sounds):
    file = inrcodec.open(sounds["opus"])
    begin = len(file.data) - sum(entry.size for entry in file.index)
    (_, first), (start, end), (segment, _), *_ = seen["sound"]["ranges"]
    assert first < begin <= end < begin + first and (start, segment) == (0, begin)


def test_a_clip_plays_on_without_its_sound(seen):
    for name, reason in (("unknown", "does not decode A_AC3"), ("without", "wanted a browser with AudioDecoder")):
        found = seen["sound"][name]
        said = [line for line in found["lines"] if "willReadFrequently" not in line]
        assert len(said) == 1 and said[0].startswith("info: inr-video: ") and reason in said[0] and found["mute"]
