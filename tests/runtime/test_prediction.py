"""Frames predicted from others: their hierarchy, and the coding of all their latents."""

from dataclasses import replace

import numpy as np
import pytest

from inrcodec.runtime.entropy import Laplace
from inrcodec.runtime.grids import kinds
from inrcodec.runtime.group import Group
from inrcodec.runtime.hierarchy import hierarchy, needed
from inrcodec.runtime.native import NativeDecoder, library
from inrcodec.runtime.profile import Manifest, Motion, standard
from inrcodec.runtime.pure import PureDecoder
from inrcodec.runtime.range_coder import Decoder, Encoder
from inrcodec.runtime.segment import Segment, code_segment, read_segment
from inrcodec.runtime.syntax import Signal
from inrcodec.runtime.tables import SCALE_ZERO
from inrcodec.runtime.wire import BitstreamError

DECODERS = [Decoder, PureDecoder, NativeDecoder] if library() else [Decoder, PureDecoder]
REEL = 80


@pytest.mark.parametrize("period", [1, 2, 8, 16])
@pytest.mark.parametrize("frames", [1, 2, 3, 16, 17, 33, 40])
def test_frames_follow_what_they_are_predicted_from(frames, period):
    there = {0}
    for each in hierarchy(frames, period):
        assert {each.before, each.after} <= there and each.number not in there
        assert each.before == each.after or (each.before < each.number < each.after and 0 < each.place < 1)
        there.add(each.number)
    assert there == set(range(frames))


def test_a_frame_needs_few_others():
    chain = [each.number for each in needed([13], 64, 16)]
    assert chain == [16, 8, 12, 14, 13]
    assert needed([0], 64, 16) == [] and needed(range(64), 64, 16) == list(hierarchy(64, 16))


def a_segment(signal: Signal, scale: float = 1.0) -> tuple[Manifest, Segment]:
    """Of random latents, and random networks of small weights."""
    manifest, rng = standard(REEL).manifest, np.random.default_rng(5)
    sizes = {name: min(most, 6) for name, most in manifest.sizes}
    groups = {}
    for group, tensors in manifest.groups.items():
        shapes = {name: manifest.shape(dimensions, {**signal.sizes, **sizes}) for name, dimensions in tensors}
        groups[group] = Group(8, Laplace(SCALE_ZERO), {name: rng.integers(-50, 50, shape) for name, shape in shapes.items()})
    shapes = [shape for kind in kinds(manifest, signal) for shape in [*kind.hyper[::-1], *kind.shapes[::-1]]]
    grids = [np.rint(rng.laplace(0, scale, shape)).astype(np.int32) for shape in shapes]
    return manifest, Segment(sizes, groups, grids)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 1, 1), (3, 33, 47), (5, 90, 41)])
def test_every_decoder_reads_the_latents_of_all_frames(size):
    frames, height, width = size
    signal = Signal(height, width, frames=frames)
    manifest, segment = a_segment(signal)
    coder = Encoder()
    code_segment(coder, manifest, signal, segment)
    data = coder.finish()
    for decoder in DECODERS:
        read = code_segment(decoder(data), manifest, signal)
        assert len(read.grids) == len(segment.grids)
        for mine, theirs in zip(segment.grids, read.grids):
            np.testing.assert_array_equal(mine, theirs, str(decoder))


def test_frames_without_latents_are_nearly_free():
    signal = Signal(64, 64, frames=9)
    manifest, segment = a_segment(signal)
    empty = replace(segment, grids=[np.zeros_like(grid) for grid in segment.grids])
    sizes = []
    for frames in (1, 9):
        coder = Encoder()
        code_segment(coder, manifest, replace(signal, frames=frames), empty)
        sizes.append(len(coder.finish()))
    grids = sum(kind.count for kind in kinds(manifest, signal))
    assert sizes[1] - sizes[0] <= grids / 8 + 1


def test_what_no_encoder_writes_is_refused():
    signal = Signal(33, 47, frames=3)
    with pytest.raises(BitstreamError):
        read_segment(standard(REEL).manifest, signal, b"\xff" * 64)


@pytest.mark.parametrize("wrong", [{"added": 7}, {"flow": -1}, {"period": 0}, {"period": 2**20}])
def test_motion_out_of_bounds_is_refused(wrong):
    manifest = standard(REEL).manifest
    assert Manifest.from_json(manifest.to_json()) == manifest
    bad = replace(manifest, motion=Motion(**{"added": 1, "flow": 3, "period": 16, **wrong}))
    with pytest.raises(BitstreamError, match="motion out of bounds"):
        Manifest.from_json(bad.to_json())


def test_latents_of_several_frames_need_motion():
    signal = Signal(8, 8, frames=2)
    with pytest.raises(BitstreamError, match="wanted one frame"):
        code_segment(Encoder(), replace(standard(REEL).manifest, motion=None), signal, a_segment(signal)[1])
