"""A picture's latent grids: in which order they are coded, and which are of one level."""

from dataclasses import replace

import numpy as np
import pytest

from inrcodec.runtime.grids import grid_shapes, kinds, stacks
from inrcodec.runtime.profile import Manifest, load
from inrcodec.runtime.syntax import Signal
from inrcodec.runtime.wire import BitstreamError

MANIFEST = load("pyramid7_chroma").manifest


def test_grids_for_colour_are_coded_first_and_belong_to_their_levels():
    signal = Signal(67, 99)
    shapes = [shape for kind in kinds(MANIFEST, signal) for shape in [*kind.hyper[::-1], *kind.shapes[::-1]]]
    assert len(shapes) == 2 * 2 + 3 + 7 and shapes[:4] == [(9, 13), (9, 13), (17, 25), (17, 25)]
    levels = stacks(MANIFEST, [np.full(shape, k) for k, shape in enumerate(shapes)])
    assert [stack.shape[1:] for stack in levels] == grid_shapes(signal, 7)
    assert [stack[:, 0, 0].tolist() for stack in levels] == [[13], [12], [11, 3, 2], [10, 1, 0], [9], [8], [7]]


@pytest.mark.parametrize("wrong", [(7,), (-1,), (3, 2), (2, 2)])
def test_levels_for_colour_out_of_bounds_are_refused(wrong):
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    with pytest.raises(BitstreamError, match="chroma out of bounds"):
        Manifest.from_json(replace(MANIFEST, chroma=wrong).to_json())


@pytest.mark.parametrize("wrong", [(6,), (-1,), (2, 1)])
def test_levels_that_are_mixed_out_of_bounds_are_refused(wrong):
    """The coarsest is doubled as it is."""
    with pytest.raises(BitstreamError, match="mixed out of bounds"):
        Manifest.from_json(replace(MANIFEST, mixed=wrong).to_json())


def test_levels_that_are_mixed_by_no_network_are_refused():
    with pytest.raises(BitstreamError, match=r"mixed levels without mixing1\.last\.weight, mixing2\.last\.weight"):
        Manifest.from_json(replace(MANIFEST, mixed=(1, 2)).to_json())


def test_frames_that_are_predicted_have_none():
    motion = load("reel7").manifest.motion
    with pytest.raises(BitstreamError, match="chroma out of bounds"):
        Manifest.from_json(replace(MANIFEST, motion=motion).to_json())
