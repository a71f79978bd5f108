"""A segment: everything that one INR's payload carries, coded by one walk for both directions."""

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
    """Tensors that share a step, 2**-`exponent`, and an entropy model; `symbols` by tensor name, integers."""

    exponent: int
    model: EntropyModel
    symbols: dict[str, np.ndarray]

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


def grid_shapes(signal: Signal, levels: int) -> list[tuple[int, int]]:
    """(h, w) of each latent level, finest first: the sizes halve, rounded up."""
    return [(-(-signal.height // 2**k), -(-signal.width // 2**k)) for k in range(levels)]


def code_segment(
    coder: Coder, manifest: Manifest, signal: Signal, given: Segment | None = None, latents: bool = True
) -> Segment:
    """Write `given`, or read a segment: sizes, network tensors by groups, and, if wanted, latents."""
    if manifest.levels and signal.frames > 1:
        raise BitstreamError(f"wanted one frame with {manifest.name}, got {signal.frames}")
    sizes = {name: coder.integer(most, given.sizes[name] - 1 if given else None) + 1 for name, most in manifest.sizes}
    shapes = {
        group: {name: manifest.shape(dimensions, {**signal.sizes, **sizes}) for name, dimensions in tensors}
        for group, tensors in (manifest.groups | manifest.alone).items()
    }
    if (n := sum(int(np.prod(shape)) for tensors in shapes.values() for shape in tensors.values())) > WEIGHTS_MAX:
        raise BitstreamError(f"wanted at most {WEIGHTS_MAX} network parameters, got {n}")
    groups = {
        group: code_group(
            coder,
            {} if group in manifest.alone else tensors,
            given.groups[group] if given else None,
            manifest.counts.get(group, ()),
        )
        for group, tensors in shapes.items()
    }
    if isinstance(coder, PartialDecoder):
        coder.guess()
    if not manifest.levels or not latents:
        return Segment(sizes, groups)
    grids = grid_shapes(signal, manifest.levels)
    hyper = grids[len(grids) - manifest.hyper :]
    return Segment(
        sizes, groups, code_grids(coder, context_model(manifest.order, groups), grids, hyper, given.grids if given else None)
    )


def code_group(
    coder: Coder, shapes: dict[str, tuple[int, ...]], given: Group | None = None, histograms: Counts = ()
) -> Group:
    """A step exponent, an entropy model's record, and the symbols of all tensors in a row."""
    exponent = coder.integer(EXPONENTS, given.exponent if given else None)
    model = code_model(coder, given.model if given else None, histograms)
    return Group(exponent, model, code_symbols(coder, model, shapes, given.symbols if given else None))


def code_symbols(
    coder: Coder, model: EntropyModel, shapes: dict[str, tuple[int, ...]], given: dict[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    if not shapes:
        return {}
    counts = [int(np.prod(shape)) for shape in shapes.values()]
    flat = None if given is None else np.concatenate([given[name].ravel() for name in shapes])
    flat = model.code(coder, sum(counts), flat)
    parts = np.split(flat, np.cumsum(counts)[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts)}


def code_frame(coder: Coder, manifest: Manifest, segment: Segment, given: int | None = None) -> Segment:
    """What travels frame by frame: write the `given` frame's, or read the frame that the coder has."""
    groups = dict(segment.groups)
    for name, members in manifest.alone.items():
        shapes = {tensor: manifest.shape(dimensions, segment.sizes) for tensor, dimensions in members}
        symbols = None if given is None else {t: groups[name].symbols[t][given : given + 1] for t in shapes}
        groups[name] = replace(groups[name], symbols=code_symbols(coder, groups[name].model, shapes, symbols))
    return replace(segment, groups=groups)


def context_model(order: str, groups: dict[str, Group], bound: bool = True) -> ContextModel:
    """The integer context model of a segment's tensors; a profile without `skip` has networks without a linear path.

    Raises BitstreamError where its sums could leave 32 bits, unless `bound` is off.
    """
    group_of = {name: group for group in groups.values() for name in group.symbols}

    def fixed(name: str) -> np.ndarray:
        bits = SUM_BITS if name.endswith("bias") else WEIGHT_BITS
        group = group_of[name]
        if group.exponent > bits:
            raise BitstreamError(f"wanted {name} in steps of at least 2**-{bits}, got 2**-{group.exponent}")
        return group.symbols[name].astype(np.int64) << (bits - group.exponent)

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


def write_segment(manifest: Manifest, signal: Signal, segment: Segment) -> bytes:
    from .range_coder import Encoder  # constriction's: a machine that only decodes may do without

    coder = Encoder()
    code_segment(coder, manifest, signal, segment)
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


def read_segment(manifest: Manifest, signal: Signal, payload: bytes, partial: bool = False) -> Segment:
    """Of a `partial` payload the rest is guessed. Raises BitstreamError where the payload is no segment of this profile."""
    if not manifest.framewise:
        return _read(
            manifest, lambda: code_segment(PartialDecoder(payload) if partial else decoder(payload), manifest, signal)
        )
    wire = Reader(payload)
    shared, *streams = code_streams(wire, 1 + signal.frames)
    if wire.position != len(payload):
        raise BitstreamError(f"wanted {wire.position} bytes of streams, got {len(payload)}")
    segment = _read(manifest, lambda: code_segment(decoder(shared), manifest, signal))
    return replace(segment, streams=tuple(streams))


def _read(manifest: Manifest, code: Callable[[], Segment]) -> Segment:
    try:
        return code()
    except (BitstreamError, MemoryError):
        raise
    except Exception as error:  # the coder's, or of a manifest that the file itself brings
        raise BitstreamError(f"wanted a payload of profile {manifest.name}, got data that does not decode: {error}") from None
