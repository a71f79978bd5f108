"""RGB to planes and back: by the formula, and each the other's inverse."""

import numpy as np
import pytest

from inrcodec.runtime.clip import ClipFacts
from inrcodec.runtime.planes import to_planes, to_rgb

BLACK, WHITE, RED, BLUE = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255)


@pytest.mark.parametrize(
    ("facts", "rgb", "expected"),
    [
        ({}, BLACK, (16, 128, 128)),
        ({}, WHITE, (235, 128, 128)),
        ({"full_range": True}, WHITE, (255, 128, 128)),
        ({"bit_depth": 10}, WHITE, (940, 512, 512)),
        ({}, RED, (81, 90, 240)),  # BT.601, as of colour bars
        ({"matrix": 1}, RED, (63, 102, 240)),
        ({"matrix": 1}, BLUE, (32, 240, 118)),
        ({"matrix": 9, "bit_depth": 10}, RED, (294, 387, 960)),
    ],
)
def test_known_colours(facts, rgb, expected):
    facts = ClipFacts(1, 1, 1, chroma="444", **facts)
    planes = to_planes(np.uint8([[rgb]]), facts)
    assert tuple(int(plane[0, 0]) for plane in planes) == expected
    assert np.abs(to_rgb(planes, facts) / np.iinfo(to_rgb(planes, facts).dtype).max * 255 - rgb).max() < 1.2


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("depth", [8, 10, 16])
@pytest.mark.parametrize("matrix", [0, 1, 2, 7, 9])
def test_one_sample_a_pixel_comes_back(full, depth, matrix):
    dtype = np.uint8 if depth == 8 else np.uint16
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (13, 17, 3), dtype, endpoint=True)
    facts = ClipFacts(1, 13, 17, bit_depth=depth, chroma="444", full_range=full, matrix=matrix)
    back = to_rgb(to_planes(pixels, facts), facts)
    error = np.abs(back.astype(int) - pixels).max() / np.iinfo(dtype).max
    assert error <= (1 if full else 2) * 1.5 / (2**depth - 1)


@pytest.mark.parametrize("size", [(1, 1), (4, 6), (5, 7)])
@pytest.mark.parametrize(("chroma", "down", "across"), [("420", 2, 2), ("422", 1, 2)])
def test_chroma_that_pixels_share_comes_back(size, chroma, down, across):
    height, width = size
    facts = ClipFacts(1, *size, chroma=chroma, bit_depth=10)
    small = (-(-height // down), -(-width // across))
    random = np.random.default_rng(1)
    planes = (random.integers(400, 600, size), *random.integers(480, 540, (2, *small)))
    back = to_planes(to_rgb(tuple(plane.astype(np.uint16) for plane in planes), facts), facts)
    for before, after in zip(planes, back):
        np.testing.assert_array_equal(before, after)


def test_grey():
    facts = ClipFacts(1, 2, 3, chroma="grey", full_range=True)
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    (luma,) = to_planes(grey, facts)
    np.testing.assert_array_equal(luma, grey[..., 0])
    np.testing.assert_array_equal(to_rgb((luma,), facts), np.repeat(grey, 3, axis=2))
    assert [int(plane.max()) for plane in to_planes(grey, ClipFacts(1, 2, 3))[1:]] == [128, 128]
