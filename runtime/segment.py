"""A segment: everything that one INR's payload carries, coded by one walk for both directions."""

from dataclasses import dataclass, field

import numpy as np

from .coder import Coder, decoder
from .context import ContextModel, code_grids
from .entropy import Counts, EntropyModel, code_model
from .network import EXACT, SUM_BITS, WEIGHT_BITS, Network
from .orders import ORDERS
from .partial import PartialDecoder
from .profile import Manifest
from .syntax import Signal
from .wire import BitstreamError

EXPONENTS = 32  # a step is 2**-exponent
WEIGHTS_MAX = 2**24  # values over all tensors of a segment


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
    """`sizes` chosen for this picture, `groups` of network tensors, `grids` of latents in coding order."""

    sizes: dict[str, int]
    groups: dict[str, Group]
    grids: list[np.ndarray] = field(default_factory=list)


def grid_shapes(signal: Signal, levels: int) -> list[tuple[int, int]]:
    """(h, w) of each latent level, finest first: the sizes halve, rounded up."""
    return [(-(-signal.height // 2**k), -(-signal.width // 2**k)) for k in range(levels)]


def code_segment(
    coder: Coder, manifest: Manifest, signal: Signal, given: Segment | None = None, latents: bool = True
) -> Segment:
    """Write `given`, or read a segment: sizes, network tensors by groups, and, if wanted, latents."""
    if manifest.levels and signal.frames > 1 and not manifest.motion:
        raise BitstreamError(f"wanted one frame with {manifest.name}, got {signal.frames}")
    sizes = {name: coder.integer(most, given.sizes[name] - 1 if given else None) + 1 for name, most in manifest.sizes}
    shapes = {
        group: {name: manifest.shape(dimensions, {**signal.sizes, **sizes}) for name, dimensions in tensors}
        for group, tensors in manifest.groups.items()
    }
    if (n := sum(int(np.prod(shape)) for tensors in shapes.values() for shape in tensors.values())) > WEIGHTS_MAX:
        raise BitstreamError(f"wanted at most {WEIGHTS_MAX} network parameters, got {n}")
    groups = {
        group: code_group(coder, tensors, given.groups[group] if given else None, manifest.counts.get(group, ()))
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
    coder: Coder, shapes: dict[str, tuple[int, ...]], given: Group | None = None, histograms: Counts = ()
) -> Group:
    """A step exponent, an entropy model's record, and the symbols of all tensors in a row."""
    exponent = coder.integer(EXPONENTS, given.exponent if given else None)
    model = code_model(coder, given.model if given else None, histograms)
    counts = [int(np.prod(shape)) for shape in shapes.values()]
    flat = None if given is None else np.concatenate([given.symbols[name].ravel() for name in shapes])
    flat = model.code(coder, sum(counts), flat)
    parts = np.split(flat, np.cumsum(counts)[:-1])
    return Group(exponent, model, {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts)})


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


def write_segment(manifest: Manifest, signal: Signal, segment: Segment) -> bytes:
    from .range_coder import Encoder  # constriction's: a machine that only decodes may do without

    coder = Encoder()
    code_segment(coder, manifest, signal, segment)
    return coder.finish()


def read_segment(manifest: Manifest, signal: Signal, payload: bytes, partial: bool = False) -> Segment:
    """Of a `partial` payload the rest is guessed. Raises BitstreamError where the payload is no segment of this profile."""
    try:
        return code_segment(PartialDecoder(payload) if partial else decoder(payload), manifest, signal)
    except (BitstreamError, MemoryError):
        raise
    except Exception as error:  # the coder's, or of a manifest that the file itself brings
        raise BitstreamError(f"wanted a payload of profile {manifest.name}, got data that does not decode: {error}") from None
