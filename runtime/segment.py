"""A segment: everything that one INR's payload carries, coded by one walk for both directions.

A clip's segments but the first say of each group of tensors whether it is whole, or differences to the first segment's group
of that name. The first is read once; so each of the others can be had without those between.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from .coder import Coder, decoder
from .context import code_grids, context_model
from .framewise import code_frame, code_streams
from .grids import kinds
from .group import Group, code_group, code_record
from .partial import PartialDecoder
from .profile import WEIGHTS_MAX, Manifest
from .syntax import PIXELS_MAX, Signal
from .wire import BitstreamError, Reader, Writer

FRAME_MIN = 2**14  # pixels that a frame counts at least: it has many grids


@dataclass(frozen=True)
class Segment:
    """`sizes` chosen for this picture, `groups` of network tensors, `grids` of latents in coding order.

    Of a framewise profile what was read lacks the symbols that travel frame by frame: `streams` are the frames' own.
    """

    sizes: dict[str, int]
    groups: dict[str, Group]
    grids: list[np.ndarray] = field(default_factory=list)
    streams: tuple[bytes, ...] = ()


Base = Callable[[], Segment]  # a clip's first segment, read where it is needed


def code_segment(
    coder: Coder,
    manifest: Manifest,
    signal: Signal,
    given: Segment | None = None,
    latents: bool = True,
    base: Base | None = None,
) -> Segment:
    """Write `given`, or read a segment: sizes, network tensors by groups, and, if wanted, latents. Those after a clip's first
    have a `base`."""
    if manifest.levels and signal.frames > 1 and not manifest.motion:
        raise BitstreamError(f"wanted one frame with {manifest.name}, got {signal.frames}")
    if manifest.levels and signal.frames * max(FRAME_MIN, signal.height * signal.width) > PIXELS_MAX:
        raise BitstreamError(f"wanted latents of at most {PIXELS_MAX} pixels, got {signal.frames} frames")
    sizes = {name: coder.integer(most, given.sizes[name] - 1 if given else None) + 1 for name, most in manifest.sizes}
    shapes = {
        group: {name: manifest.shape(dimensions, {**signal.sizes, **sizes}) for name, dimensions in tensors}
        for group, tensors in (manifest.groups | manifest.alone).items()
    }
    if (n := sum(math.prod(shape) for tensors in shapes.values() for shape in tensors.values())) > WEIGHTS_MAX:
        raise BitstreamError(f"wanted at most {WEIGHTS_MAX} network parameters, got {n}")
    counts, alone = manifest.counts, manifest.alone
    groups = {
        group: Group(*code_record(coder, given and given.groups[group], counts.get(group, ())), {})
        if group in alone
        else code_group(coder, tensors, given and given.groups[group], counts.get(group, ()), _group_of(base, group))
        for group, tensors in shapes.items()
    }
    if isinstance(coder, PartialDecoder):
        coder.guess()
    if not manifest.levels or not latents:
        return Segment(sizes, groups)
    coded = kinds(manifest, signal)
    models = {prefix: context_model(manifest.order, groups, prefix) for prefix in {kind.prefix for kind in coded}}
    grids: list[np.ndarray] = []
    for kind in coded:
        there = given.grids[len(grids) : len(grids) + kind.count] if given else None
        grids += code_grids(coder, models[kind.prefix], kind.shapes, kind.hyper, there, kind.alone)
    return Segment(sizes, groups, grids)


def _group_of(base: Base | None, name: str) -> Callable[[], Group] | None:
    return (lambda: base().groups[name]) if base else None


def write_segment(manifest: Manifest, signal: Signal, segment: Segment, base: Base | None = None) -> bytes:
    from .range_coder import Encoder  # constriction's: a machine that only decodes may do without

    coder = Encoder()
    code_segment(coder, manifest, signal, segment, base=base)
    if not manifest.framewise:
        return coder.finish()
    streams = [coder.finish()]
    for frame in range(signal.frames):
        coder = Encoder()
        code_frame(coder, manifest, segment.sizes, segment.groups, frame)
        streams.append(coder.finish())
    wire = Writer()
    code_streams(wire, len(streams), streams)
    return bytes(wire.data)


def read_frame(manifest: Manifest, segment: Segment, frame: int) -> Segment:
    """The segment as a graph takes it, with this frame's symbols where they travel alone. Raises BitstreamError."""
    if not manifest.framewise:
        return segment

    def code() -> Segment:
        groups = code_frame(decoder(segment.streams[frame]), manifest, segment.sizes, segment.groups)
        return replace(segment, groups=groups)

    return _read(manifest, code)


def read_segment(
    manifest: Manifest, signal: Signal, payload: bytes, partial: bool = False, base: Base | None = None
) -> Segment:
    """Of a `partial` payload the rest is guessed. Raises BitstreamError where the payload is no segment of this profile."""
    streams: list[bytes] = []
    if manifest.framewise:
        wire = Reader(payload)
        payload, *streams = code_streams(wire, 1 + signal.frames)
        if wire.position != len(wire.data):
            raise BitstreamError(f"wanted {wire.position} bytes of streams, got {len(wire.data)}")

    def code() -> Segment:
        return code_segment(PartialDecoder(payload) if partial else decoder(payload), manifest, signal, base=base)

    return replace(_read(manifest, code), streams=tuple(streams))


def _read(manifest: Manifest, code: Callable[[], Segment]) -> Segment:
    try:
        return code()
    except (BitstreamError, MemoryError):
        raise
    except Exception as error:  # the coder's, or of a manifest that the file itself brings
        raise BitstreamError(f"wanted a payload of profile {manifest.name}, got data that does not decode: {error}") from None
