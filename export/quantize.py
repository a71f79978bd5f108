"""Networks to integers: a step per group of tensors, found by what it costs in distortion and real bits."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch

from ..models.method import Tensors
from ..runtime.coder import Meter
from ..runtime.context import ContextModel
from ..runtime.entropy import SCALE_INDICES, SYMBOL_MAX, EntropyModel, Half, Laplace, Zeros, code_model
from ..runtime.network import EXACT, SUM_BITS, WEIGHT_BITS
from ..runtime.profile import Manifest
from ..runtime.segment import Group, context_model
from ..runtime.tables import SCALE_ZERO, SCALES_PER_OCTAVE

Cost = Callable[[Tensors], float]
COARSEST, FINEST = 1, 14  # exponents tried: steps from 1/2 to 2**-14
PATIENCE = 3  # coarser steps tried after the best
NEAR = 6  # scale indices tried on either side of the moment estimate
# The groups that the integer context model may have, and their finest step's exponent.
CONTEXT_BITS = {
    "context.weight": WEIGHT_BITS,
    "context.bias": SUM_BITS,
    "inter.weight": WEIGHT_BITS,
    "inter.bias": SUM_BITS,
}


def cheapest_model(symbols: np.ndarray) -> tuple[EntropyModel, float]:
    """The entropy model that codes `symbols` (n,) in the fewest bits, its own record included; and those bits."""
    if not symbols.any():
        return Zeros(), coded_bits(Zeros(), symbols)
    fitted = SCALE_ZERO + SCALES_PER_OCTAVE * np.log2(np.abs(symbols).mean())
    middle = int(np.clip(fitted, NEAR, SCALE_INDICES - NEAR - 1))
    near = range(middle - NEAR, middle + NEAR + 1)
    return min(((Laplace(scale), coded_bits(Laplace(scale), symbols)) for scale in near), key=lambda pair: pair[1])


def coded_bits(model: EntropyModel, symbols: np.ndarray) -> float:
    """Bits of the model's record and the symbols."""
    meter = Meter()
    code_model(meter, model)
    model.code(meter, len(symbols), symbols)
    return meter.bits


def symbols_of(tensors: Tensors, names: list[str], exponent: int) -> dict[str, np.ndarray]:
    """Integers nearest to `tensors` in steps of 2**-exponent."""
    scaled = {name: np.rint(tensors[name].detach().cpu().numpy().astype(np.float64) * 2.0**exponent) for name in names}
    return {name: np.clip(values, -SYMBOL_MAX, SYMBOL_MAX).astype(np.int64) for name, values in scaled.items()}


def group_of(tensors: Tensors, names: list[str], exponent: int) -> tuple[Group, float]:
    """The group in steps of 2**-exponent with its cheapest entropy model, and its bits."""
    symbols = symbols_of(tensors, names, exponent)
    model, bits = cheapest_model(np.concatenate([s.ravel() for s in symbols.values()]))
    return Group(exponent, model, symbols), bits


def quantized(group: Group, like: Tensors) -> Tensors:
    """The tensors that a decoder will have, on the devices of `like`."""
    return {name: torch.from_numpy(values).to(like[name].device) for name, values in group.values().items()}


def half_group(tensors: Tensors, names: list[str]) -> Group:
    """The group as half floats; those beyond their range are clipped to it."""
    most = float(np.finfo(np.float16).max)
    halves = {name: tensors[name].detach().clamp(-most, most).cpu().numpy().astype(np.float16) for name in names}
    return Group(0, Half(), {name: values.view(np.uint16).astype(np.int64) for name, values in halves.items()})


def quantize_networks(
    tensors: Tensors,
    manifest: Manifest,
    distortion: Cost,
    rate: Cost,
    bit_price: float,
    coding: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, Group], Tensors]:
    """Choose each group's step greedily, in the manifest's order, for the least distortion + rate + bit_price * bits.

    `coding` names groups that are coded otherwise, as `Architecture.coding`.

    `distortion` and `rate` are costs of tensors, in the loss's unit: the groups of the context model change the latents'
    rate alone, all others the distortion alone. `bit_price` is what one bit of a network adds to the loss. Returns the
    groups and the tensors as decoded.
    """
    groups: dict[str, Group] = {}
    decoded = dict(tensors)
    for name, members in manifest.groups.items():
        names = [tensor for tensor, _ in members]
        if name in coding:
            groups[name] = CODINGS[coding[name]](tensors, names)
            decoded |= quantized(groups[name], tensors)
            continue
        cost = rate if name in CONTEXT_BITS else distortion
        best: tuple[float, Group] | None = None
        rising = 0
        for exponent in range(CONTEXT_BITS.get(name, FINEST), COARSEST - 1, -1):
            group, bits = group_of(tensors, names, exponent)
            loss = cost({**decoded, **quantized(group, tensors)}) + bit_price * bits
            if best is None or loss < best[0]:
                best, rising = (loss, group), 0
            elif (rising := rising + 1) == PATIENCE:
                break
        assert best is not None
        groups[name] = best[1]
        decoded |= quantized(best[1], tensors)
    return groups, decoded


CODINGS = {"half": half_group}


def keep_exact(tensors: Tensors, manifest: Manifest) -> Tensors:
    """`tensors`, the context network shrunk where its integer sums could leave 32 bits."""
    tensors = dict(tensors)
    names = [name for name, _, group in manifest.tensors if group in CONTEXT_BITS]
    while names and _finest_context(tensors, manifest).largest_sum() >= EXACT // 2:  # the rest is for rounding
        tensors |= {name: tensors[name] * 0.9 for name in names}
    return tensors


def _finest_context(tensors: Tensors, manifest: Manifest) -> ContextModel:
    groups = {}
    for name, members in manifest.groups.items():
        if name in CONTEXT_BITS:
            names = [tensor for tensor, _ in members]
            groups[name] = Group(CONTEXT_BITS[name], Zeros(), symbols_of(tensors, names, CONTEXT_BITS[name]))
    return context_model(manifest.order, groups, bound=False)
