"""One of a grid's four cosets, coded in batches of rows: its latents are independent given the cosets before."""

import numpy as np

from .coder import Coder
from .entropy import code_laplace
from .native import NativeDecoder, with_slack
from .network import Array, Network, units
from .orders import COSETS, MARGIN, Offsets, across

BATCH = 1 << 14  # latents: rows are coded as many at a time as fit in here, but at least one


def code_coset(
    coder: Coder,
    network: Network,
    coset: int,
    neighbours: Offsets,
    planes: Array,
    shape: tuple[int, int],
    inter: Array | None = None,
    given: Array | None = None,
) -> Array:
    """Code the latents (h, w) of COSETS[coset], which see `neighbours`, if any, and `inter` (features, h', w'), if any.

    `planes` (4, h' + 2 MARGIN, w' + 2 MARGIN) hold the cosets as the network's inputs, those coded so far.
    """
    h, w = shape
    places = [across(coset, neighbour) for neighbour in neighbours]
    views = [planes[k, MARGIN + dy :, MARGIN + dx :] for k, dy, dx in places]
    views += [] if inter is None else list(inter)
    if not h * w:
        return np.empty(shape, np.int32)
    if isinstance(coder, NativeDecoder) and network.kernel.small:
        return coder.coset(network.kernel, views, shape)
    symbols = np.empty(shape, np.int32) if given is None else np.ascontiguousarray(given, np.int32)
    peaks = [_peak(planes)] * len(places) + ([] if inter is None else [_peak(feature) for feature in inter])
    layers = network.layers(np.array(peaks + [0] * (len(network.first) - len(peaks))))
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


def empty_planes(shape: tuple[int, int]) -> Array:
    """Zeros for the cosets of a grid (h, w), as their networks' inputs: (4, h / 2 + 2 MARGIN, w / 2 + 2 MARGIN) int32."""
    return with_slack((len(COSETS), *(-(-side // 2) + 2 * MARGIN for side in shape)))


def place(symbols: Array, plane: Array) -> None:
    """Put a coset's latents (h, w) on its plane, as inputs of the network."""
    h, w = symbols.shape
    units(symbols, plane[MARGIN : MARGIN + h, MARGIN : MARGIN + w])


def _peak(values: Array) -> int:
    """The largest magnitude."""
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))
