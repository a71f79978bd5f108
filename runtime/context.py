"""The context model: an integer network that reads decoded latents and says how the next ones are distributed.

Every latent is Laplace with a centre (in sixteenths) and a scale index (see `tables`) that a small network computes from
its causal neighbours and, on the finest grids, from inter-grid features: linear maps of all grids decoded before, on the
lattice one octave coarser (Cool-chic 5.0, Ladune et al. 2026). All sums are of integers, fit 32 bits, and are exact in
float64, so every machine and every order of summation gives the same. Fixed point: inputs and hidden units in 1/64,
weights in 1/256, sums and biases in 1/16384.

Latents are coded in raster wavefronts: all (r, c) with slope * r + c = t are independent given the wavefronts before.
"""

from dataclasses import dataclass

import numpy as np

from .coder import Coder
from .entropy import code_laplace
from .native import NativeDecoder, Network, Seen
from .tables import FRACTIONS, SCALE_ZERO, SCALES, SCALES_PER_OCTAVE
from .wire import BitstreamError

Array = np.ndarray

# Causal neighbours (row, column); a model uses the first few. Nearest first, but those that would make the wavefronts
# steeper come last: with 14 of them two rows at a time are under way, and a grid takes 2 h + w steps.
NEIGHBOURS = (
    *((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-2, -1)),
    *((-2, 1), (-2, -2), (-2, 2), (0, -3), (-3, 0), (-2, 3), (-1, 2), (-1, -3)),
    *((-1, 3), (-3, -1), (-3, 1), (-2, -3), (-3, -2), (-3, 2), (0, -4), (-4, 0)),
)
MARGIN = 4  # rows and columns that the neighbours reach
BLOCK = 1 << 16  # latents whose inter-grid features are made at a time
INTER_GRIDS = 3  # the finest grids have inter-grid features

UNIT_BITS, WEIGHT_BITS = 6, 8  # fractional bits of inputs and hidden units, and of weights
SUM_BITS = UNIT_BITS + WEIGHT_BITS
LIMIT = 64  # inputs and hidden units are clipped to +-64
EXACT = 2**31  # sums stay below, so that 32-bit accumulators serve as well as float64
CENTRE_BITS, SCALE_BITS = 4, 3  # a centre is in 1/16, a scale index in 1/8 octave
TOP = float(LIMIT << UNIT_BITS)
LOWEST = np.array([[-LIMIT * FRACTIONS], [0.0]])  # of centre and scale index
HIGHEST = np.array([[LIMIT * FRACTIONS], [SCALES + 3 * SCALES_PER_OCTAVE - 1.0]])
assert (1 << CENTRE_BITS, 1 << SCALE_BITS) == (FRACTIONS, SCALES_PER_OCTAVE)


def slope(neighbours: int) -> int:
    """The least slope at which the first `neighbours` of NEIGHBOURS lie in earlier wavefronts."""
    return max((dx // -dy + 1 for dy, dx in NEIGHBOURS[:neighbours] if dy < 0), default=1)


@dataclass(frozen=True)
class ContextModel:
    """The network, with integer weights; inputs are `neighbours` latents, then the inter-grid features.

    `first` (inputs, width), `second` (width, width) and `last` (width, 2) with their biases are a ReLU network, the
    second layer residual; `skip` (inputs, 2) is linear, beside it. `inter` holds (grids, features) and (features,) for
    each of the finest grids. Outputs: centre and base-2 logarithm of the scale, in quantization steps.
    """

    first: Array
    first_bias: Array
    second: Array
    second_bias: Array
    last: Array
    last_bias: Array
    skip: Array
    inter: tuple[tuple[Array, Array], ...]

    def __post_init__(self) -> None:
        """Raises BitstreamError for shapes that make no network: the kernel in C relies on them."""
        inputs, width, features = len(self.first), len(self.second), {len(bias) for _, bias in self.inter}
        wanted = (inputs, width), (width,), (width, width), (width,), (width, 2), (2,), (inputs, 2)
        arrays = self.first, self.first_bias, self.second, self.second_bias, self.last, self.last_bias, self.skip
        linear = all(weights.ndim == 2 and weights.shape[1] == len(bias) for weights, bias in self.inter)
        if tuple(array.shape for array in arrays) != wanted or len(features) != 1 or not linear:
            raise BitstreamError("wanted a context network whose layers fit each other")
        if not 1 <= self.neighbours <= len(NEIGHBOURS):
            raise BitstreamError(f"wanted 1 to {len(NEIGHBOURS)} neighbours, got {self.neighbours}")

    @property
    def features(self) -> int:
        return len(self.inter[0][1])

    @property
    def neighbours(self) -> int:
        return len(self.first) - self.features

    def layers(self) -> "Layers":
        """The weights as floats, scaled so that outputs need no more than `floor`."""
        weight, out = 2.0**-WEIGHT_BITS, np.array([2.0 ** (CENTRE_BITS - SUM_BITS), 2.0 ** (SCALE_BITS - SUM_BITS)])
        last_bias = self.last_bias * out + [0.5, SCALE_ZERO + 0.5]
        return Layers(
            np.concatenate([self.first * weight, self.skip * out], axis=1).T.copy(),
            np.concatenate([self.first_bias * weight, last_bias])[:, None],
            (self.second * weight + np.eye(len(self.second))).T.copy(),
            self.second_bias[:, None] * weight,
            (self.last * out).T.copy(),
        )

    def kernel(self) -> Network:
        """The same for `native`."""
        return Network(
            self.features,
            NEIGHBOURS[: self.neighbours],
            head=np.concatenate([self.first, self.skip], axis=1).T,
            head_bias=np.concatenate([self.first_bias, self.last_bias]),
            second=(self.second + (np.eye(len(self.second), dtype=np.int64) << WEIGHT_BITS)).T,
            second_bias=self.second_bias,
            last=self.last.T,
        )


@dataclass(frozen=True)
class Layers:
    """A ContextModel to be multiplied from the left with (inputs, n); `head` is `first` and, below it, `skip`."""

    head: Array  # (width + 2, inputs)
    head_bias: Array
    second: Array
    second_bias: Array
    last: Array  # (2, width)


def code_grids(
    coder: Coder,
    model: ContextModel,
    shapes: list[tuple[int, int]],
    hyper: list[tuple[int, int]],
    given: list[Array] | None = None,
) -> list[Array]:
    """Code hyper-latents, then latents, both coarse to fine; returns all in that order, (h, w) int32 each.

    `shapes` are the latent grids' (h, w), finest first; `hyper` the coarsest of those that have a hyper-latent grid,
    finest first. `given`: in the coding order.
    """
    order, layers = [*hyper[::-1], *shapes[::-1]], model.layers()
    kernel = model.kernel() if isinstance(coder, NativeDecoder) else None
    grids: list[Array] = []
    for i, shape in enumerate(order):
        symbols = None if given is None else given[i]
        if not coder.integer(2, None if symbols is None else int(symbols.any())):
            grids.append(np.zeros(shape, np.int32))
            continue
        level = len(order) - 1 - i
        fine = level < min(INTER_GRIDS, len(shapes) - 1)
        seen = coarser_grids(grids, len(shapes), len(hyper), level) if fine else []
        if fine and len(model.inter[level][0]) != len(seen):
            raise BitstreamError(f"wanted inter-grid features of {len(seen)} grids, got {len(model.inter[level][0])}")
        if isinstance(coder, NativeDecoder) and kernel and kernel.small:
            inter = coder.inter(model.inter[level], shapes[level + 1], seen) if fine else None
            grids.append(coder.grid(kernel, shape, slope(model.neighbours), inter))
        else:
            inter = inter_features(model.inter[level], shapes[level + 1], seen) if fine else None
            grids.append(code_grid(coder, layers, model.neighbours, shape, inter, symbols))
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


def inter_features(layer: tuple[Array, Array], shape: tuple[int, int], seen: Seen) -> Array:
    """Linear maps of the grids `seen`, repeated up to (h, w) = `shape`, in 1/64: (features, h, w) float32, integers."""
    weights, bias = layer[0].T * 2.0 ** (UNIT_BITS - WEIGHT_BITS), layer[1][:, None] * 2.0**-WEIGHT_BITS
    features = np.empty((len(bias), *shape), np.float32)
    coarsest = max(1 << octaves for _, octaves in seen)
    rows = max(1, BLOCK // shape[1] // coarsest) * coarsest  # so that a block starts where a sample of every grid does
    for top in range(0, shape[0], rows):
        here = features[:, top : top + rows]
        height = here.shape[1]
        values = np.empty((len(seen), height, shape[1]))
        for k, (grid, octaves) in enumerate(seen):
            part = np.clip(grid[top >> octaves : top + rows >> octaves], -LIMIT, LIMIT)
            values[k] = part.repeat(1 << octaves, 0).repeat(1 << octaves, 1)[:height, : shape[1]]
        sums = weights @ values.reshape(len(seen), -1) + bias
        here[:] = np.clip(np.floor(sums), -TOP, TOP).reshape(here.shape)
    return features


def code_grid(
    coder: Coder,
    layers: Layers,
    neighbours: int,
    shape: tuple[int, int],
    inter: Array | None = None,
    given: Array | None = None,
) -> Array:
    """Code one grid (h, w) by wavefronts; `inter` (features, h / 2, w / 2) as `inter_features` gives them, or None for zeros.

    The network's inputs live in a skewed array, (r, c) at row slope * r + c and column r, so that a wavefront is part of a
    row and a neighbour lies at a constant distance. Rows are as short as leaves every latent and its margins a place of
    their own; what lies beyond a row's end lies in the next.
    """
    h, w = shape
    lean = slope(neighbours)
    rows = min(h + MARGIN, (w + MARGIN) // lean + 1)
    steps = lean * (h - 1) + w
    top = (lean + 1) * MARGIN
    inputs = np.zeros((steps + 2 * top) * rows + h, np.float32)  # clipped latents in 1/64
    origin = top * rows + MARGIN  # where (0, 0) lies
    grid = np.empty(shape, np.int32) if given is None else np.ascontiguousarray(given, np.int32)
    flat, stride = grid.reshape(-1), max(1, w - lean)  # along a wavefront; where it is not w - lean, they have one latent
    offsets = np.array([(lean * dy + dx) * rows + dy for dy, dx in NEIGHBOURS[:neighbours]])
    reach = -offsets.min()
    near = (offsets + reach)[:, None] + np.arange(h)  # (neighbours, h) into inputs[first - reach:]
    head, below = layers.head[:, :neighbours].copy(), layers.head[:, neighbours:].copy()
    width, r = len(layers.second), np.arange(h)
    features, parents = (None, r) if inter is None else (inter.reshape(len(inter), -1), (r >> 1) * inter.shape[2])
    for t in range(steps):
        r0, r1 = max(0, -((w - 1 - t) // lean)), min(h - 1, t // lean) + 1
        here = slice(origin + t * rows + r0, origin + t * rows + r1)
        first = t + r0 * (w - lean)
        symbols = flat[first : first + (r1 - r0 - 1) * stride + 1 : stride]
        sums = head @ inputs[here.start - reach :].take(near[:, : r1 - r0])
        sums += layers.head_bias
        if features is not None:
            sums += below @ features.take(parents[r0:r1] + (t - lean * r[r0:r1] >> 1), axis=1)
        hidden = _relu(sums[:width])
        hidden = layers.second @ hidden
        hidden += layers.second_bias
        out = layers.last @ _relu(hidden)
        out += sums[width:]
        np.maximum(out, LOWEST, out=out)
        np.minimum(out, HIGHEST, out=out)
        centre, scale = np.floor(out, out=out).astype(np.int64)
        symbols[:] = code_laplace(coder, scale, centre, None if given is None else symbols)
        units = symbols * np.float32(1 << UNIT_BITS)
        np.maximum(units, -TOP, out=units)
        np.minimum(units, TOP, out=inputs[here])
    return grid


def _relu(sums: Array) -> Array:
    """ReLU in fixed point, in place: clipped to 0 ... TOP and rounded down."""
    np.maximum(sums, 0, out=sums)
    np.minimum(sums, TOP, out=sums)
    return np.floor(sums, out=sums)
