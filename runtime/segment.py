"""A segment: everything that one INR's payload carries, coded by one walk for both directions.

A clip's segments but the first say of each group of tensors whether it is whole, or differences to the first segment's group
of that name. The first is read once; so each of the others can be had without those between.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from .coder import Coder, decoder
from .context import ContextModel, code_grids
from .entropy import Counts, EntropyModel, code_model
from .network import EXACT, SUM_BITS, WEIGHT_BITS, Network
from .orders import ORDERS
from .partial import PartialDecoder
from .profile import Manifest
from .syntax import Signal
from .wire import BitstreamError, Reader, Wire, Writer

EXPONENTS = 32  # a step is 2**-exponent
WEIGHTS_MAX = 2**24  # values over all tensors of a segment
STREAM_MAX = 2**28  # bytes of one of its streams, where there are several


@dataclass(frozen=True)
class Group:
    """Tensors that share a step, 2**-`exponent`, and an entropy model; `symbols` by tensor name, integers.

    `differences`, if they are written as such to the group of a clip's first segment: what those are coded with. Step and
    model are then that group's.
    """

    exponent: int
    model: EntropyModel
    symbols: dict[str, np.ndarray]
    differences: EntropyModel | None = None

    @property
    def flat(self) -> np.ndarray:
        """(n,) int64, the symbols of all tensors in a row."""
        return np.concatenate([symbols.ravel() for symbols in self.symbols.values()]).astype(np.int64)

    @property
    def step(self) -> float:
        """What a symbol of 1 stands for."""
        return float(self.model.values(np.ones(1, np.int64), self.exponent)[0])

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: symbols.shape for name, symbols in self.symbols.items()}

    def values(self) -> dict[str, np.ndarray]:
        """float32 tensors."""
        return {name: self.model.values(symbols, self.exponent) for name, symbols in self.symbols.items()}


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


def grid_shapes(signal: Signal, levels: int) -> list[tuple[int, int]]:
    """(h, w) of each latent level, finest first: the sizes halve, rounded up."""
    return [(-(-signal.height // 2**k), -(-signal.width // 2**k)) for k in range(levels)]


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
    sizes = {name: coder.integer(most, given.sizes[name] - 1 if given else None) + 1 for name, most in manifest.sizes}
    shapes = {
        group: {name: manifest.shape(dimensions, {**signal.sizes, **sizes}) for name, dimensions in tensors}
        for group, tensors in (manifest.groups | manifest.alone).items()
    }
    if (n := sum(int(np.prod(shape)) for tensors in shapes.values() for shape in tensors.values())) > WEIGHTS_MAX:
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
        grids += code_grids(coder, models[kind.prefix], kind.shapes, kind.hyper, there)
    return Segment(sizes, groups, grids)


@dataclass(frozen=True)
class Kind:
    """Grids that are coded in a row: `shapes` and `hyper` as `code_grids`', by the context model whose tensors' names have
    the `prefix`."""

    prefix: str
    shapes: list[tuple[int, int]]
    hyper: list[tuple[int, int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.shapes) + len(self.hyper)


FIELDS = 5  # of motion: see `prediction`


def kinds(manifest: Manifest, signal: Signal) -> list[Kind]:
    """A segment's grids in coding order: the first frame's; then, in the order of their hierarchy, what is added to each
    other frame, and its motion."""
    shapes, motion = grid_shapes(signal, manifest.levels), manifest.motion
    first = Kind("", shapes, shapes[len(shapes) - manifest.hyper :])
    if motion is None:
        return [first]
    frame = [Kind("added.", shapes[motion.added :]), *[Kind("flow.", shapes[motion.flow :])] * FIELDS]
    return [first, *frame * (signal.frames - 1)]


def code_group(
    coder: Coder,
    shapes: dict[str, tuple[int, ...]],
    given: Group | None = None,
    histograms: Counts = (),
    base: Callable[[], Group] | None = None,
) -> Group:
    """Where there is a `base`, whether these are differences to it; if not, a step exponent; an entropy model's record, and
    the symbols of all tensors in a row."""
    if base and coder.integer(2, given.differences is not None if given else None):
        return code_differences(coder, shapes, base(), given)
    exponent, model = code_record(coder, given, histograms)
    flat = model.code(coder, _count(shapes), None if given is None else given.flat)
    return Group(exponent, model, _shaped(flat, shapes))


def code_record(coder: Coder, given: Group | None = None, histograms: Counts = ()) -> tuple[int, EntropyModel]:
    """A group's step exponent and entropy model."""
    exponent = coder.integer(EXPONENTS, given.exponent if given else None)
    return exponent, code_model(coder, given.model if given else None, histograms)


def code_frame(coder: Coder, manifest: Manifest, segment: Segment, given: int | None = None) -> Segment:
    """What travels frame by frame: write the `given` frame's, or read the frame that the coder has."""
    groups = dict(segment.groups)
    for name, members in manifest.alone.items():
        group, shapes = groups[name], {tensor: manifest.shape(dimensions, segment.sizes) for tensor, dimensions in members}
        flat = None if given is None else np.concatenate([group.symbols[tensor][given].ravel() for tensor in shapes])
        groups[name] = replace(group, symbols=_shaped(group.model.code(coder, _count(shapes), flat), shapes))
    return replace(segment, groups=groups)


def _group_of(base: Base | None, name: str) -> Callable[[], Group] | None:
    return (lambda: base().groups[name]) if base else None


def code_differences(coder: Coder, shapes: dict[str, tuple[int, ...]], base: Group, given: Group | None = None) -> Group:
    """An entropy model's record, and by how much symbols differ from those of `base`, whose step and model they have."""
    if shapes != base.shapes:
        raise BitstreamError(f"wanted differences of tensors {base.shapes} as the first segment has them, got {shapes}")
    model = code_model(coder, given.differences if given else None)
    flat = base.flat + model.code(coder, _count(shapes), given.flat - base.flat if given else None)
    least, most = base.model.range
    if flat.size and not least <= flat.min() <= flat.max() <= most:
        raise BitstreamError(f"wanted differences to symbols from {least} to {most}, got up to {np.abs(flat).max()}")
    return Group(base.exponent, base.model, _shaped(flat, shapes), model)


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(int(np.prod(shape)) for shape in shapes.values())


def _shaped(flat: np.ndarray, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """By name what `Group.flat` has in a row."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), np.split(flat, ends[:-1]))}


def context_model(order: str, groups: dict[str, Group], prefix: str = "", bound: bool = True) -> ContextModel:
    """The integer context model of a segment's tensors, whose names begin with `prefix`; a profile without `skip` has
    networks without a linear path.

    Raises BitstreamError where its sums could leave 32 bits, unless `bound` is off.
    """
    begins = len(prefix)
    group_of = {n[begins:]: group for group in groups.values() for n in group.symbols if n.startswith(prefix)}

    def fixed(name: str) -> np.ndarray:
        bits = SUM_BITS if name.endswith("bias") else WEIGHT_BITS
        group = group_of[name]
        if group.exponent > bits:
            raise BitstreamError(f"wanted {name} in steps of at least 2**-{bits}, got 2**-{group.exponent}")
        return group.symbols[prefix + name].astype(np.int64) << (bits - group.exponent)

    def network(name: str) -> Network:
        *layers, skip = (f"{name}.{tensor}" for tensor in NETWORK_TENSORS)
        weights = [fixed(layer) for layer in layers]
        weights.append(fixed(skip) if skip in group_of else np.zeros((len(weights[0]), 2), np.int64))
        return Network(*weights)

    grids = [name.removesuffix(".weight") for name in group_of if name.startswith("inter.") and name.endswith(".weight")]
    model = ContextModel(
        order,
        tuple(network(f"context.{i}") for i in range(ORDERS[order])),
        tuple((fixed(f"{grid}.weight"), fixed(f"{grid}.bias")) for grid in grids),
    )
    if bound and (most := model.largest_sum()) >= EXACT:
        raise BitstreamError(f"wanted context sums below {EXACT}, got up to {most}")
    return model


NETWORK_TENSORS = (
    *("first.weight", "first.bias", "second.weight", "second.bias", "last.weight", "last.bias"),
    "skip.weight",
)


def write_segment(manifest: Manifest, signal: Signal, segment: Segment, base: Base | None = None) -> bytes:
    from .range_coder import Encoder  # constriction's: a machine that only decodes may do without

    coder = Encoder()
    code_segment(coder, manifest, signal, segment, base=base)
    if not manifest.framewise:
        return coder.finish()
    streams = [coder.finish()]
    for frame in range(signal.frames):
        coder = Encoder()
        code_frame(coder, manifest, segment, frame)
        streams.append(coder.finish())
    wire = Writer()
    code_streams(wire, len(streams), streams)
    return bytes(wire.data)


def code_streams(wire: Wire, count: int, given: list[bytes] | None = None) -> list[bytes]:
    """That of all frames, then each frame's."""
    return [wire.blob(given[k] if given else b"", STREAM_MAX) for k in range(count)]


def read_frame(manifest: Manifest, segment: Segment, frame: int) -> Segment:
    """The segment as a graph takes it, with this frame's symbols where they travel alone. Raises BitstreamError."""
    if not manifest.framewise:
        return segment
    return _read(manifest, lambda: code_frame(decoder(segment.streams[frame]), manifest, segment))


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
