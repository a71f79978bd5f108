"""Where a clip is cut: at changes of scene, not at motion, and never late."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from inrcodec.runtime.clip import ClipFacts
from inrcodec.train.clips import Clip, Stills, clip_from_array
from inrcodec.train.cuts import cuts
from inrcodec.train.pictures import from_array


def pan(frames: int, seed: int, speed: int = 1, height: int = 48, width: int = 64) -> np.ndarray:
    """A view that moves over a picture of large shapes: (T, H, W)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, (width + speed * frames) // 8 + 2))
    picture = np.kron(coarse, np.ones((8, 8))).astype(np.uint8)
    return np.stack([picture[:height, speed * k : speed * k + width] for k in range(frames)])


@pytest.mark.parametrize("speed", [0, 1, 4])
def test_motion_is_no_cut(speed):
    assert cuts(clip_from_array(pan(60, 0, speed))) == [0]


@pytest.mark.parametrize("speeds", [(1, 1, 1), (0, 1, 0)])
def test_other_scenes_are_cuts(speeds):
    scenes = [pan(length, seed, speed) for seed, (length, speed) in enumerate(zip((40, 25, 30), speeds))]
    assert cuts(clip_from_array(np.concatenate(scenes))) == [0, 40, 65]


def test_a_flash_starts_one_segment_only():
    frames = pan(60, 0)
    frames[30] = 255
    assert cuts(clip_from_array(frames)) == [0, 30]


def test_noise_and_slow_fades_are_no_cuts():
    frames = pan(60, 0) // 2 + np.random.default_rng(0).integers(0, 20, (60, 48, 64), np.uint8)
    assert cuts(clip_from_array(frames)) == [0]
    fade = np.linspace(0, 1, 60)[:, None, None]
    assert cuts(clip_from_array((pan(60, 0) * fade + pan(60, 1) * (1 - fade)).astype(np.uint8))) == [0]


@pytest.mark.parametrize(("frames", "most", "expected"), [(50, 10, [0]), (51, 2, [0, 26]), (100, 1, [0, 25, 50, 75])])
def test_no_segment_is_long_and_all_are_about_as_long(frames, most, expected):
    assert cuts(clip_from_array(np.zeros((frames, 8, 8), np.uint8)), most) == expected


def test_no_segment_is_long_where_the_rate_varies():
    times = tuple(np.cumsum([0, *[1] * 40, *[30] * 9]).tolist())
    facts = ClipFacts(50, 8, 8, Fraction(490, 310), Fraction(1, 10), times, chroma="444", full_range=True, matrix=0)
    still = from_array(np.zeros((8, 8, 3), np.uint8))
    firsts = cuts(Clip(facts, (), Stills(facts, lambda k: still)), 10)
    assert firsts[0] == 0 and all(facts.time(b - 1) - facts.time(a) <= 10 for a, b in pairwise([*firsts, 50]))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 9), (3, 9, 17)])
def test_small_clips(shape):
    assert cuts(clip_from_array(np.zeros(shape, np.uint8))) == [0]
