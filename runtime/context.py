"""The context model: an integer network that reads decoded latents and says how the next ones are distributed.

Every latent is Laplace with a centre (in sixteenths) and a scale index (see `tables`) that a small network computes from
its causal neighbours and, on the finest grids, from inter-grid features: linear maps of all grids decoded before, on the
lattice one octave coarser (Cool-chic 5.0, Ladune et al. 2026). All numbers are integers that float64 holds exactly
and that fit 32-bit accumulators, so every machine and every order of summation gives the same. Fixed point: inputs and hidden units in
1/64, weights in 1/256, sums and biases in 1/16384.

Latents are coded in raster wavefronts: all (r, c) with slope * r + c = t are independent given the wavefronts before.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .coder import Coder
from .entropy import code_laplace
from .tables import FRACTIONS, SCALE_ZERO, SCALES, SCALES_PER_OCTAVE

Array = np.ndarray

# Causal neighbours (row, column), nearest first; a model uses the first few.
NEIGHBOURS = (
    *((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2)),
    *((-2, -1), (-2, 1), (-2, -2), (-2, 2), (0, -3), (-3, 0), (-1, -3), (-1, 3)),
    *((-3, -1), (-3, 1), (-2, -3), (-2, 3), (-3, -2), (-3, 2), (0, -4), (-4, 0)),
)
MARGIN = 4  # rows and columns that the neighbours reach
INTER_GRIDS = 3  # the finest grids have inter-grid features

UNIT_BITS, WEIGHT_BITS = 6, 8  # fractional bits of inputs and hidden units, and of weights
SUM_BITS = UNIT_BITS + WEIGHT_BITS
LIMIT = 64  # inputs and hidden units are clipped to +-64
EXACT = 2**31  # sums stay below, so that 32-bit accumulators serve as well as float64
CENTRE_BITS, SCALE_BITS = 4, 3  # a centre is in 1/16, a scale index in 1/8 octave
LOWEST = np.array([-LIMIT * FRACTIONS, 0], np.float64)
HIGHEST = np.array([LIMIT * FRACTIONS, SCALES + 3 * SCALES_PER_OCTAVE - 1], np.float64)
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

    @property
    def features(self) -> int:
        return len(self.inter[0][1])

    @property
    def neighbours(self) -> int:
        return len(self.first) - self.features

    def head(self) -> tuple[Array, Array]:
        """(inputs, width + 2), (width + 2,): `first` and `skip` side by side, scaled so that outputs need only `floor`."""
        weights = np.concatenate([self.first * 2.0**-WEIGHT_BITS, self.skip * _OUT_SHIFT], axis=1)
        bias = np.concatenate([self.first_bias * 2.0**-WEIGHT_BITS, self.last_bias * _OUT_SHIFT + [0.5, SCALE_ZERO + 0.5]])
        return weights.astype(np.float64), bias.astype(np.float64)


_OUT_SHIFT = np.array([2.0 ** (CENTRE_BITS - SUM_BITS), 2.0 ** (SCALE_BITS - SUM_BITS)])


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
    order = [*hyper[::-1], *shapes[::-1]]
    grids: list[Array] = []
    for i, shape in enumerate(order):
        level = len(order) - 1 - i
        inter = level < min(INTER_GRIDS, len(shapes) - 1) and i >= len(hyper)
        base = _inter_base(model, level, pyramid_stack(grids, shapes, hyper, level + 1)) if inter else None
        symbols = None if given is None else given[i]
        if coder.integer(2, None if symbols is None else int(symbols.any())):
            grids.append(code_grid(coder, model, shape, base, symbols))
        else:
            grids.append(np.zeros(shape, np.int32))
    return grids


def pyramid_stack(grids: list[Array], shapes: list[tuple[int, int]], hyper: list[tuple[int, int]], level: int) -> Array:
    """All grids of `level` and coarser, repeated up to its lattice: (grids, h, w), finest latent first.

    `grids` in coding order; at one level the latent comes before the hyper-latent.
    """
    first_hyper = len(shapes) - len(hyper)
    stack = np.zeros((0, 1, 1), np.int32)
    for k in range(len(shapes) - 1, level - 1, -1):
        h, w = shapes[k]
        here = [grids[len(hyper) + len(shapes) - 1 - k]]
        if k >= first_hyper:
            here.append(grids[len(shapes) - 1 - k])
        up = stack.repeat(2, axis=1).repeat(2, axis=2)[:, :h, :w] if len(stack) else np.zeros((0, h, w), np.int32)
        stack = np.concatenate([np.stack(here), up])
    return stack


def _inter_base(model: ContextModel, level: int, stack: Array) -> tuple[Array, int]:
    """What the features of `stack` (grids, h, w) add to the head's sums: (h * w, width + 2) with the bias, and w."""
    weights, bias = model.inter[level]
    values = np.clip(stack, -LIMIT, LIMIT).reshape(len(stack), -1).T.astype(np.float64)
    sums = values @ (weights * 2.0 ** (UNIT_BITS - WEIGHT_BITS)).astype(np.float64) + (bias * 2.0**-WEIGHT_BITS).astype(
        np.float64
    )
    features = np.clip(np.floor(sums), -LIMIT << UNIT_BITS, LIMIT << UNIT_BITS)
    head, head_bias = model.head()
    return features @ head[model.neighbours :] + head_bias, stack.shape[2]


def code_grid(
    coder: Coder,
    model: ContextModel,
    shape: tuple[int, int],
    base: tuple[Array, int] | None,
    given: Array | None = None,
) -> Array:
    """Code one grid (h, w) by wavefronts.

    Latents live in a skewed array, (r, c) at row slope * r + c and column r, so that a wavefront is part of a row and a
    neighbour lies at a constant distance. Rows are as short as leaves every latent and its margins a place of their own;
    what lies beyond a row's end lies in the next.
    """
    h, w = shape
    lean = slope(model.neighbours)
    rows = min(h + MARGIN, (w + MARGIN) // lean + 1)
    steps = lean * (h - 1) + w
    top = (lean + 1) * MARGIN
    inputs = np.zeros((steps + 2 * top) * rows + h, np.float64)  # clipped latents in 1/64
    symbols = np.zeros_like(inputs, np.int32)
    origin = top * rows + MARGIN  # where (0, 0) lies
    straight = as_strided(symbols[origin:], shape, (4 * (lean * rows + 1), 4 * rows))  # (r, c) view of `symbols`
    if given is not None:
        straight[:] = given
    offsets = np.array([(lean * dy + dx) * rows + dy for dy, dx in NEIGHBOURS[: model.neighbours]])
    reach = -offsets.min()
    near = np.arange(h)[:, None] + (offsets + reach)  # (h, neighbours) into inputs[origin + t * rows - reach:]
    head, head_bias = model.head()
    head = head[: model.neighbours]
    width = head.shape[1] - 2
    second = (model.second * 2.0**-WEIGHT_BITS + np.eye(width)).astype(np.float64)
    second_bias = (model.second_bias * 2.0**-WEIGHT_BITS).astype(np.float64)
    last = (model.last * _OUT_SHIFT).astype(np.float64)
    top_unit = np.float64(LIMIT << UNIT_BITS)
    for t in range(steps):
        r0, r1 = max(0, -((w - 1 - t) // lean)), min(h - 1, t // lean) + 1
        start = origin + t * rows
        sums = inputs[start - reach :].take(near[r0:r1]) @ head
        sums += head_bias if base is None else base[0].take(_parents(r0, r1, t, lean, base[1]), axis=0)
        hidden = _floor_clip(sums[:, :width], top_unit)
        hidden = _floor_clip(hidden @ second + second_bias, top_unit)
        out = hidden @ last
        out += sums[:, width:]
        out = np.minimum(np.maximum(out, LOWEST), HIGHEST)
        centre, scale = np.floor(out.T).astype(np.int64)
        here = slice(start + r0, start + r1)
        symbols[here] = code_laplace(coder, scale, centre, None if given is None else symbols[here])
        inputs[here] = np.minimum(np.maximum(symbols[here], -LIMIT), LIMIT) << UNIT_BITS
    return straight.copy()


def _parents(r0: int, r1: int, t: int, lean: int, width: int) -> Array:
    """Flat indices, on the coarser lattice `width` wide, of the wavefront's parents."""
    r = np.arange(r0, r1)
    return (r >> 1) * width + (t - lean * r >> 1)


def _floor_clip(sums: Array, top: np.float64) -> Array:
    """ReLU in fixed point: floor, then clip to 0 ... top; in place where it can."""
    np.maximum(sums, 0, out=sums)
    np.minimum(sums, top, out=sums)
    return np.floor(sums, out=sums)
