"""Networks to integers: steps of groups of tensors, or of each, found by what they cost in distortion and real bits."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ..models.method import Curvature, Tensors
from ..models.weights import STEP, learned_step, levels, symmetric_step, with_steps
from ..runtime.coder import Meter
from ..runtime.context import ContextModel, context_model
from ..runtime.entropy import (
    HALF_OCTAVE,
    SCALE_INDICES,
    SYMBOL_MAX,
    Apart,
    Bits,
    Counts,
    EntropyModel,
    Half,
    Laplace,
    SparseHalf,
    SparseStepped,
    Static,
    Stepped,
    Zeros,
    code_model,
)
from ..runtime.grids import kinds
from ..runtime.group import Group, code_group
from ..runtime.network import EXACT, SUM_BITS, WEIGHT_BITS
from ..runtime.profile import Manifest
from ..runtime.syntax import Signal
from ..runtime.tables import SCALE_ZERO, SCALES, SCALES_PER_OCTAVE
from .compensation import Rounded, compensated

Cost = Callable[[Tensors], float]
Rounding = Callable[[Mapping[str, float]], Rounded]
Tried = tuple[float, Group, Tensors]  # what it costs, the group, and the tensors that moved
COARSEST, FINEST = 0, 14  # exponents tried: steps from 1 to 2**-14
SAMPLE = 2000  # symbols that tell how many are zero
PATIENCE = 3  # coarser steps tried after the best
FORETOLD = 1.3  # times as much as the quadratic form foretells is what a cost is likely to rise where steps are coarse
ROUNDS = 2  # through all tensors of a group
FEW = 2.0**-10  # the mean of what are zeros, where a scale is wanted for them
NEAR = 6  # scale indices tried on either side of the moment estimate
# The groups that the integer context model may have, and their finest step's exponent.
CONTEXT_BITS = {
    "context.weight": WEIGHT_BITS,
    "context.bias": SUM_BITS,
    "inter.weight": WEIGHT_BITS,
    "inter.bias": SUM_BITS,
}


def cheapest_model(symbols: np.ndarray) -> EntropyModel:
    """That which codes `symbols` (n,) in the fewest bits, its own record included."""
    if not symbols.any():
        return Zeros()
    fitted = SCALE_ZERO + SCALES_PER_OCTAVE * np.log2(np.abs(symbols).mean())
    middle = int(np.clip(fitted, NEAR, SCALE_INDICES - NEAR - 1))
    near = range(middle - NEAR, middle + NEAR + 1)
    return min(map(Laplace, near), key=lambda model: coded_bits(model, symbols))


def coded_bits(model: EntropyModel, symbols: np.ndarray) -> float:
    """Bits of the model's record and the symbols."""
    meter = Meter()
    code_model(meter, model)
    model.code(meter, len(symbols), symbols)
    return meter.bits


def symbols_of(tensors: Tensors, steps: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Integers nearest to those `tensors` that have steps, in these."""
    scaled = {name: np.rint(tensors[name].detach().cpu().numpy().astype(np.float64) / step) for name, step in steps.items()}
    return {name: np.clip(values, -SYMBOL_MAX, SYMBOL_MAX).astype(np.int64) for name, values in scaled.items()}


def group_of(tensors: Tensors, names: list[str], exponent: int) -> Group:
    """The group in steps of 2**-exponent with its cheapest entropy model."""
    symbols = symbols_of(tensors, dict.fromkeys(names, 2.0**-exponent))
    return Group(exponent, cheapest_model(np.concatenate([s.ravel() for s in symbols.values()])), symbols)


def apart_group(tensors: Tensors, exponents: Mapping[str, int]) -> Group:
    """The group in steps of 2**-exponent for each tensor, by Laplaces of their own."""
    symbols = symbols_of(tensors, {name: 2.0**-exponent for name, exponent in exponents.items()})
    middle = int(np.median(list(exponents.values())))
    means = np.array([max(np.abs(each).mean(), FEW) for each in symbols.values()])
    # A Laplace of scale b, rounded, has the mean magnitude 1 / (2 sinh(1 / 2b)).
    scales = np.clip(SCALE_ZERO - SCALES_PER_OCTAVE * np.log2(2 * np.arcsinh(0.5 / means)), 0, SCALE_INDICES - HALF_OCTAVE)
    scale = int(np.median(scales))
    larger = tuple(int(each) for each in np.rint((scales - scale) / HALF_OCTAVE))
    larger = tuple(each + (scale + HALF_OCTAVE * each < 0) for each in larger)
    finer = tuple(exponent - middle for exponent in exponents.values())
    return Group(middle, Apart(scale, finer, larger, tuple(each.size for each in symbols.values())), symbols)


def quantized(group: Group, like: Tensors) -> Tensors:
    """The tensors that a decoder will have, on the devices of `like`."""
    return {name: torch.from_numpy(values).to(like[name].device) for name, values in group.values().items()}


def half_group(tensors: Tensors, names: list[str]) -> Group:
    """The group as half floats; those beyond their range are clipped to it."""
    most = float(np.finfo(np.float16).max)
    halves = {name: tensors[name].detach().clamp(-most, most).cpu().numpy().astype(np.float16) for name in names}
    return Group(0, Half(), {name: values.view(np.uint16).astype(np.int64) for name, values in halves.items()})


def sparse_half_group(tensors: Tensors, names: list[str]) -> Group:
    """The same, most of them zero."""
    group = half_group(tensors, names)
    symbols = np.concatenate([values.ravel() for values in group.symbols.values()])
    models = [SparseHalf(scale) for scale in range(SCALES)]
    return replace(group, model=min(models, key=lambda model: coded_bits(model, symbols)))


def symmetric_group(tensors: Tensors, names: list[str], bits: int) -> Group:
    """One tensor in `bits`-bit symbols up to its largest weight."""
    return stepped_group(tensors, names, symmetric_step(tensors[names[0]], bits), levels(bits))


def learned_group(tensors: Tensors, names: list[str]) -> Group:
    """One tensor in steps that the fit has learned, or would have begun with where it did not come so far."""
    if STEP + names[0] not in tensors:
        tensors = with_steps(tensors)
    return stepped_group(tensors, names, learned_step(tensors, names[0]), SYMBOL_MAX)


def stepped_group(tensors: Tensors, names: list[str], step: Tensor, most: int) -> Group:
    (name,) = names
    symbols = torch.round(tensors[name].detach() / step).clamp(-most, most).cpu().numpy().astype(np.int64)
    model = cheapest_model(symbols.ravel())
    if isinstance(model, Zeros):
        return Group(0, model, {name: symbols})
    assert isinstance(model, Laplace)
    bits, there = int(np.float16(step.item()).view(np.uint16)), symbols[symbols != 0]
    nonzero = cheapest_model(there)
    assert isinstance(nonzero, Laplace)
    models: list[EntropyModel] = [Stepped(model.scale, bits)]
    if 2 * there.size < symbols.size:
        sample = np.sort(symbols.ravel())[:: max(1, symbols.size // SAMPLE)]  # has as large a share of zeros
        sparse = [SparseStepped(nonzero.scale, bits, scale) for scale in range(0, SCALES, 2)]
        models.append(min(sparse, key=lambda model: coded_bits(model, sample)))
    return Group(0, min(models, key=lambda model: coded_bits(model, symbols.ravel())), {name: symbols})


def quantize_networks(
    tensors: Tensors,
    manifest: Manifest,
    distortion: Cost,
    rate: Cost,
    bit_price: float,
    coding: Mapping[str, str] = MappingProxyType({}),
    best: bool = False,
    base: Mapping[str, Group] = MappingProxyType({}),
    curvatures: Sequence[Curvature] = (),
) -> tuple[dict[str, Group], Tensors]:
    """Choose each group's step greedily, in the manifest's order, for the least distortion + rate + bit_price * bits.

    `coding` names groups that are coded otherwise, as `Architecture.coding`; or if `best`, where nothing else costs less.
    Groups of `base`, a clip's first segment, are those to which others are written as differences where that costs less.

    `distortion` and `rate` are costs of tensors, in the loss's unit: the groups of the context model change the latents'
    rate alone, all others the distortion alone. `bit_price` is what one bit of a network adds to the loss. Where one of
    `curvatures` knows a group, weights that are rounded later make up for those before; but not in the context model if its
    sums would then leave 32 bits. Returns the groups and the tensors as decoded.
    """
    groups: dict[str, Group] = {}
    decoded = dict(tensors)
    for name, members in manifest.groups.items():
        names = [tensor for tensor, _ in members]
        decoding = rate if name in CONTEXT_BITS else distortion
        written = manifest.counts.get(name, ()), base.get(name)

        def price(group: Group, written=written) -> float:
            return bit_price * bits_of(group, *written)

        def cost(group: Group, moved: Tensors, decoding=decoding, price=price, before: Tensors = decoded) -> float:
            return decoding({**before, **moved, **quantized(group, tensors)}) + price(group)

        moved: Tensors = {}
        if name in coding:
            groups[name] = CODINGS[coding[name]](decoded, names)
        if best or name not in coding:
            exponents = range(CONTEXT_BITS.get(name, FINEST), COARSEST - 1, -1)
            rounded = _rounding(decoded, names, groups, bit_price, curvatures)
            loss, searched, others = cheapest(in_steps(decoded, rounded, names, exponents), cost)
            if rounded and (nearest := cost(plain := group_of(decoded, names, searched.exponent), {})) < loss:
                loss, searched, others = nearest, plain, {}
            if rounded and len(names) > 1:
                begin = dict.fromkeys(names, searched.exponent)
                ways = apart(decoded, rounded, begin, exponents[0], price)
                found = [(loss, searched, others), *((cost(*way), *way) for way in ways)]
                loss, searched, others = min(found, key=itemgetter(0))
            if name not in coding or loss < cost(groups[name], {}):
                groups[name], moved = searched, others
        other = difference_group(decoded, names, base.get(name))
        fewer = other and bits_of(other, *written) < bits_of(groups[name], *written)
        if other and fewer and cost(other, {}) < cost(groups[name], moved):
            groups[name], moved = other, {}
        decoded |= {**moved, **quantized(groups[name], tensors)}
    if any(each.rate for each in curvatures) and not _fits(decoded, manifest):
        others = [each for each in curvatures if not each.rate]
        return quantize_networks(tensors, manifest, distortion, rate, bit_price, coding, best, base, others)
    return groups, decoded


def _rounding(
    tensors: Tensors, names: list[str], done: dict[str, Group], bit_price: float, curvatures: Sequence[Curvature]
) -> Rounding | None:
    """As `compensated`, where a curvature knows them all; those of groups that are `done` stay."""
    for curvature in curvatures:
        if set(names) <= set(curvature.names):
            fixed = {*names, *(name for group in done.values() for name in group.symbols)}
            free = [name for name in curvature.names if name not in fixed]
            return compensated(curvature, tensors, names, free, bit_price)
    return None


def in_steps(
    tensors: Tensors, rounded: Rounding | None, names: list[str], exponents: Iterable[int]
) -> Iterator[tuple[Group, Tensors]]:
    """The group in steps of 2**-exponent, and what `rounded` made of the tensors."""
    for exponent in exponents:
        moved = rounded(dict.fromkeys(names, 2.0**-exponent)).tensors if rounded else {}
        yield group_of({**tensors, **moved}, names, exponent), moved


def cheapest(groups: Iterable[tuple[Group, Tensors]], cost: Callable[[Group, Tensors], float]) -> Tried:
    """Of ever coarser groups and what moved for each, the best before PATIENCE in a row that cost more."""
    best: Tried | None = None
    rising = 0
    for group, moved in groups:
        loss = cost(group, moved)
        if best is None or loss < best[0]:
            best, rising = (loss, group, moved), 0
        elif (rising := rising + 1) == PATIENCE:
            break
    assert best is not None
    return best


def apart(
    tensors: Tensors, rounded: Rounding, begin: dict[str, int], finest: int, price: Callable[[Group], float]
) -> Iterator[tuple[Group, Tensors]]:
    """The group in steps of each tensor's own, and what moved: from the exponents `begin` on each in turn finer, or coarser,
    as long as what the quadratic form foretells and the price of the bits fall together. It is true of small moves alone, so
    the last need not be the best."""

    def tried(exponents: dict[str, int]) -> Tried:
        moved = rounded({name: 2.0**-exponent for name, exponent in exponents.items()})
        group = apart_group({**tensors, **moved.tensors}, exponents)
        return FORETOLD * moved.rise + price(group), group, moved.tensors

    exponents, best = begin, tried(begin)
    yield best[1:]
    for _ in range(ROUNDS):
        before = best[0]
        for name in sorted(begin, key=lambda name: -tensors[name].numel()):
            for by in (1, -1):
                while 0 <= exponents[name] + by <= finest:
                    others = exponents | {name: exponents[name] + by}
                    if (other := tried(others))[0] >= best[0]:
                        break
                    exponents, best = others, other
                    yield best[1:]
        if best[0] == before:
            break


def bits_of(group: Group, counts: Counts, base: Group | None = None) -> float:
    """Of the records and the symbols; `counts` as in `entropy.code_model`."""
    meter = Meter()
    code_group(meter, group.shapes, group, counts, (lambda: base) if base else None)
    return meter.bits


def difference_group(tensors: Tensors, names: list[str], base: Group | None) -> Group | None:
    """The group as differences to `base`; None where there is none of these shapes."""
    if base is None or base.shapes != {name: tuple(tensors[name].shape) for name in names}:
        return None
    half = isinstance(base.model, Half)
    symbols = half_group(tensors, names).symbols if half else symbols_of(tensors, base.steps)
    group = Group(base.exponent, base.model, {name: np.clip(each, *base.model.range) for name, each in symbols.items()})
    return replace(group, differences=cheapest_model(group.flat - base.flat))


def static_group(tensors: Tensors, names: list[str]) -> Group:
    """Whole numbers as they are, by the profile's histograms."""
    return Group(0, Static(), symbols_of(tensors, dict.fromkeys(names, 1)))


def indices_group(tensors: Tensors, names: list[str]) -> Group:
    """Whole numbers as they are, none below zero, in as many bits as the largest takes."""
    symbols = symbols_of(tensors, dict.fromkeys(names, 1))
    return Group(0, Bits(max(int(values.max()) for values in symbols.values()).bit_length()), symbols)


def integers_group(tensors: Tensors, names: list[str]) -> Group:
    """Whole numbers as they are."""
    return group_of(tensors, names, 0)


CODINGS: dict[str, Callable[[Tensors, list[str]], Group]] = {
    "half": half_group,
    "sparse half": sparse_half_group,
    "6 bits": partial(symmetric_group, bits=6),
    "7 bits": partial(symmetric_group, bits=7),
    "8 bits": partial(symmetric_group, bits=8),
    "learned": learned_group,
    "static": static_group,
    "indices": indices_group,
    "integers": integers_group,
}


def keep_exact(tensors: Tensors, manifest: Manifest) -> Tensors:
    """`tensors`, the context network shrunk where its integer sums could leave 32 bits."""
    tensors = dict(tensors)
    names = [name for name, _, group in manifest.tensors if group in CONTEXT_BITS]
    while not _fits(tensors, manifest, EXACT // 2):  # for rounding
        tensors |= {name: tensors[name] * 0.9 for name in names}
    return tensors


def _fits(tensors: Tensors, manifest: Manifest, most: int = EXACT) -> bool:
    """Whether the context network's integer sums stay below `most`."""
    names = [name for name, _, group in manifest.tensors if group in CONTEXT_BITS]
    return not names or max(model.largest_sum() for model in _finest_contexts(tensors, manifest)) < most


def _finest_contexts(tensors: Tensors, manifest: Manifest) -> list[ContextModel]:
    groups = {}
    for name, members in manifest.groups.items():
        if name in CONTEXT_BITS:
            names = [tensor for tensor, _ in members]
            groups[name] = Group(
                CONTEXT_BITS[name], Zeros(), symbols_of(tensors, dict.fromkeys(names, 2.0 ** -CONTEXT_BITS[name]))
            )
    prefixes = {kind.prefix for kind in kinds(manifest, Signal(1, 1, frames=2))}
    return [context_model(manifest.order, groups, prefix, bound=False) for prefix in prefixes]
