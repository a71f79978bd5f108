"""A grid in four cosets, each coded in batches of rows: its latents are independent given the cosets before."""

import numpy as np

from .coder import Coder
from .entropy import code_laplace
from .native import NativeDecoder, with_slack
from .network import Array, Network, units
from .orders import COSETS, MARGIN, PARENT, around

BATCH = 1 << 14  # latents: rows are coded as many at a time as fit in here, but at least one


def code_cosets(
    coder: Coder,
    networks: tuple[Network, ...],
    neighbours: int,
    shape: tuple[int, int],
    parent: Array | None = None,
    inter: Array | None = None,
    given: Array | None = None,
) -> Array:
    """Code one grid (h, w) int32. `parent` (h', w') is the next coarser, `inter` (features, h', w') int32; None for zeros."""
    grid = np.empty(shape, np.int32)
    # What the networks see: a plane for each coset and one for the parent, with margins.
    planes = with_slack((len(COSETS) + 1, *(-(-side // 2) + 2 * MARGIN for side in shape)))
    if parent is not None:
        place(parent, planes[PARENT])
    for i, (row, column) in enumerate(COSETS):
        part = grid[row::2, column::2]
        views = [planes[plane, MARGIN + dy :, MARGIN + dx :] for plane, dy, dx in around(i, neighbours)]
        views += [] if inter is None else list(inter)
        symbols = None if given is None else np.ascontiguousarray(given[row::2, column::2], np.int32)
        symbols = code_coset(coder, networks[i], views, part.shape, symbols)
        part[:] = symbols
        place(symbols, planes[i])
    return grid


def code_coset(
    coder: Coder, network: Network, views: list[Array], shape: tuple[int, int], given: Array | None = None
) -> Array:
    """Code latents (h, w) int32 that are independent of each other. The network's inputs for latent (r, c) are view[r, c] of
    each of the `views` int32, and zeros where there are fewer than it has."""
    h, w = shape
    if not h * w:
        return np.empty(shape, np.int32)
    if isinstance(coder, NativeDecoder) and network.kernel.small:
        return coder.coset(network.kernel, views, shape)
    symbols = np.empty(shape, np.int32) if given is None else given
    peaks = [max(int(view.max()), -int(view.min())) for view in views]
    layers = network.layers(np.array(peaks + [0] * (len(network.first) - len(views))))
    rows, head = max(1, BATCH // w), layers.head[:, : len(views)].copy()
    inputs = np.empty((len(views), min(rows, h), w), head.dtype)
    for top in range(0, h, rows):
        bottom = min(top + rows, h)
        seen = inputs[:, : bottom - top]
        for k, view in enumerate(views):
            seen[k] = view[top:bottom, :w]
        sums = head @ seen.reshape(len(views), -1)
        sums += layers.head_bias
        centre, scale = layers.after(sums)
        here = symbols[top:bottom].reshape(-1)
        here[:] = code_laplace(coder, scale, centre, None if given is None else here)
    return symbols


def place(symbols: Array, plane: Array) -> None:
    """Put a coset's latents (h, w) on its plane, as inputs of the network."""
    h, w = symbols.shape
    units(symbols, plane[MARGIN : MARGIN + h, MARGIN : MARGIN + w])
