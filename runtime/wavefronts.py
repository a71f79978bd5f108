"""A grid in raster order, by wavefronts: all (r, c) with slope * r + c = t are independent given the wavefronts before."""

import numpy as np

from .coder import Coder
from .entropy import code_laplace
from .native import NativeDecoder
from .network import Array, Network, units
from .orders import MARGIN, Offsets, slope


def code_wavefronts(
    coder: Coder,
    network: Network,
    neighbours: Offsets,
    shape: tuple[int, int],
    inter: Array | None = None,
    given: Array | None = None,
) -> Array:
    """Code one grid (h, w) int32; `inter` (features, h', w') int32 is an octave coarser, or None for zeros.

    The network's inputs live in a skewed array, (r, c) at row slope * r + c and column r, so that a wavefront is part of a
    row and a neighbour lies at a constant distance. Rows are as short as leaves every latent and its margins a place of
    their own; what lies beyond a row's end lies in the next.
    """
    lean = slope(neighbours)
    if isinstance(coder, NativeDecoder) and network.kernel.small:
        return coder.wavefronts(network.kernel, neighbours, shape, lean, inter)
    h, w = shape
    rows = min(h + MARGIN, (w + MARGIN) // lean + 1)
    steps = lean * (h - 1) + w
    top = (lean + 1) * MARGIN
    origin = top * rows + MARGIN  # where (0, 0) lies
    grid = np.empty(shape, np.int32) if given is None else np.ascontiguousarray(given, np.int32)
    flat, stride = grid.reshape(-1), max(1, w - lean)  # along a wavefront; where it is not w - lean, they have one latent
    offsets = np.array([(lean * dy + dx) * rows + dy for dy, dx in neighbours])
    reach = -offsets.min()
    near = (offsets + reach)[:, None] + np.arange(h)  # (neighbours, h) into inputs[first - reach:]
    layers = network.layers()
    inputs = np.zeros((steps + 2 * top) * rows + h, layers.head.dtype)  # clipped latents in 1/64
    head, below = layers.head[:, : len(offsets)].copy(), layers.head[:, len(offsets) :].copy()
    r = np.arange(h)
    features, parents = None, r
    if inter is not None:
        features, parents = inter.reshape(len(inter), -1), (r >> 1) * inter.shape[2]
    for t in range(steps):
        r0, r1 = max(0, -((w - 1 - t) // lean)), min(h - 1, t // lean) + 1
        here = slice(origin + t * rows + r0, origin + t * rows + r1)
        first = t + r0 * (w - lean)
        symbols = flat[first : first + (r1 - r0 - 1) * stride + 1 : stride]
        sums = head @ inputs[here.start - reach :].take(near[:, : r1 - r0])
        sums += layers.head_bias
        if features is not None:
            coarser = features.take(parents[r0:r1] + (t - lean * r[r0:r1] >> 1), axis=1)
            sums += below @ coarser.astype(below.dtype)
        centre, scale = layers.after(sums)
        symbols[:] = code_laplace(coder, scale, centre, None if given is None else symbols)
        units(symbols, inputs[here])
    return grid
