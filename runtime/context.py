"""The context model: integer networks that read decoded latents and say how the next ones are distributed.

Every latent is Laplace with a centre (in sixteenths) and a scale index (see `tables`) that a small network (`network`)
computes from its neighbours, by the profile's order (`orders`), and, if the profile has them, on the finest grids from
inter-grid features: linear maps of all grids decoded before, on the lattice one octave coarser (Cool-chic 5.0, Ladune et al.
2026).
"""

from dataclasses import dataclass

import numpy as np

from .coder import Coder
from .cosets import code_cosets
from .group import Group
from .native import INPUTS_MAX, NativeDecoder, Seen, with_slack
from .network import EXACT, EXACT_FLOAT32, LIMIT, SUM_BITS, TOP, UNIT_BITS, WEIGHT_BITS, Array, Network
from .orders import CAUSAL, ORDERS
from .wavefronts import code_wavefronts
from .wire import BitstreamError

BLOCK = 1 << 15  # latents whose inter-grid features are made at a time
INTER_GRIDS = 3  # the finest grids have inter-grid features
NETWORK_TENSORS = (
    *("first.weight", "first.bias", "second.weight", "second.bias", "last.weight", "last.bias"),
    "skip.weight",
)


@dataclass(frozen=True)
class ContextModel:
    """A network for each stride of `order`. `inter` holds integer weights (grids, features) and biases (features,) for
    each of the finest grids, in the networks' fixed point; or there are no inter-grid features."""

    order: str
    networks: tuple[Network, ...]
    inter: tuple[tuple[Array, Array], ...]

    def __post_init__(self) -> None:
        """Raises BitstreamError for parts that do not fit each other: the kernel in C relies on them."""
        linear = all(weights.ndim == 2 and weights.shape[1] == len(bias) for weights, bias in self.inter)
        if len({len(bias) for _, bias in self.inter}) > 1 or not linear:
            raise BitstreamError("wanted a context network whose layers fit each other")
        if (self.order, len(self.networks)) not in ORDERS.items():
            raise BitstreamError(f"wanted networks of an order of {ORDERS}, got {len(self.networks)} for {self.order}")
        if len({network.neighbours(self.features) for network in self.networks}) > 1:
            raise BitstreamError("wanted context networks of equally many inputs")

    @property
    def features(self) -> int:
        return len(self.inter[0][1]) if self.inter else 0

    @property
    def neighbours(self) -> int:
        return self.networks[0].neighbours(self.features)

    def largest_sum(self) -> int:
        """The largest magnitude that any sum of the networks can reach, in their fixed point."""
        return max([*map(_largest_sum, self.inter), *(network.largest_sum() for network in self.networks)])


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
        exponent = group.exponents[prefix + name]
        if exponent > bits:
            raise BitstreamError(f"wanted {name} in steps of at least 2**-{bits}, got 2**-{exponent}")
        return group.symbols[prefix + name].astype(np.int64) << (bits - exponent)

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


@np.errstate(all="ignore")  # the sums are exact; BLAS may raise flags for what it reads beside a matrix and ignores
def code_grids(
    coder: Coder,
    model: ContextModel,
    shapes: list[tuple[int, int]],
    hyper: list[tuple[int, int]],
    given: list[Array] | None = None,
    alone: bool = False,
) -> list[Array]:
    """Code hyper-latents, then latents, both coarse to fine; returns all in that order, (h, w) int32 each.

    `shapes` are the latent grids' (h, w), finest first; `hyper` the coarsest of those that have a hyper-latent grid,
    finest first. `given`: in the coding order. Grids that are `alone` see nothing of each other.
    """
    order = [*hyper[::-1], *shapes[::-1]]
    grids: list[Array] = []
    for i, shape in enumerate(order):
        symbols = None if given is None else given[i]
        if not coder.integer(2, None if symbols is None else int(symbols.any())):
            grids.append(np.zeros(shape, np.int32))
            continue
        level = len(order) - 1 - i
        fine = bool(model.inter) and not alone and level < min(INTER_GRIDS, len(shapes) - 1)
        seen = coarser_grids(grids, len(shapes), len(hyper), level) if fine else []
        if fine and len(model.inter[level][0]) != len(seen):
            raise BitstreamError(f"wanted inter-grid features of {len(seen)} grids, got {len(model.inter[level][0])}")
        inter = inter_features(coder, model.inter[level], shapes[level + 1], seen) if fine else None
        if model.order == "raster":
            near = CAUSAL[: model.neighbours]
            grids.append(code_wavefronts(coder, model.networks[0], near, shape, inter, symbols))
        else:
            parent = None if alone or i in (0, len(hyper)) else grids[-1]  # the coarsest of each kind have none
            grids.append(code_cosets(coder, model.networks, model.neighbours, shape, parent, inter, symbols))
    return grids


def coarser_grids(grids: list[Array], levels: int, hyper: int, level: int) -> Seen:
    """Of `grids` in coding order those coarser than `level`, finest first, the latent before the hyper-latent, each with
    the octaves between it and level + 1."""
    seen: Seen = []
    for k in range(level + 1, levels):
        seen.append((grids[hyper + levels - 1 - k], k - level - 1))
        if k >= levels - hyper:
            seen.append((grids[levels - 1 - k], k - level - 1))
    return seen


def inter_features(coder: Coder, layer: tuple[Array, Array], shape: tuple[int, int], seen: Seen) -> Array:
    """Linear maps of the grids `seen`, repeated up to (h, w) = `shape`, in 1/64: (features, h, w) int32."""
    if isinstance(coder, NativeDecoder) and max(layer[0].shape) <= INPUTS_MAX:
        return coder.inter(layer, shape, seen)
    dtype = np.float32 if _largest_sum(layer) < EXACT_FLOAT32 else np.float64
    weights = (layer[0].T * 2.0 ** (UNIT_BITS - WEIGHT_BITS)).astype(dtype)
    bias = (layer[1][:, None] * 2.0**-WEIGHT_BITS).astype(dtype)
    features = with_slack((len(bias), *shape))
    coarsest = max(1 << octaves for _, octaves in seen)
    rows = max(1, BLOCK // shape[1] // coarsest) * coarsest  # so that a block starts where a sample of every grid does
    for top in range(0, shape[0], rows):
        here = features[:, top : top + rows]
        height = here.shape[1]
        values = np.empty((len(seen), height, shape[1]), dtype)
        for k, (grid, octaves) in enumerate(seen):
            part = np.clip(grid[top >> octaves : top + rows >> octaves], -LIMIT, LIMIT)
            values[k] = part.repeat(1 << octaves, 0).repeat(1 << octaves, 1)[:height, : shape[1]]
        sums = weights @ values.reshape(len(seen), -1)
        sums += bias
        np.floor(sums, out=sums)
        here[:] = np.clip(sums, -TOP, TOP, out=sums).reshape(here.shape)
    return features


def _largest_sum(layer: tuple[Array, Array]) -> int:
    """The largest magnitude that an inter-grid feature can reach before it is clipped."""
    return int((TOP * np.abs(layer[0]).sum(0) + np.abs(layer[1])).max(initial=0))
