"""Bytes of 4:2:0 to RGB: each 2x2 square of pixels has four luma samples and shares two of chroma.

Full range, the matrix of ITU-R BT.601 in 64ths (as JFIF has it), rounded down after half is added:

    R = Y + (90 V + 32 >> 6)    G = Y + (-22 U - 46 V + 32 >> 6)    B = Y + (113 U + 32 >> 6), U = Cb - 128, V = Cr - 128

Whole numbers alone: the kernel in C gives the same bytes.
"""

import numpy as np

from . import native

SHIFT, HALF = 6, 32
TO_RGB = ((0, 90), (-22, -46), (113, 0))  # of U and V
PLANES = 6


def linear() -> tuple[np.ndarray, np.ndarray]:
    """The same as float32 (12, 6) and (12,), exact, to be rounded down and clipped: each colour's four pixels."""
    chroma = np.repeat(np.array(TO_RGB), 4, axis=0)
    weights = np.concatenate([np.tile(np.eye(4), (3, 1)), chroma / 2**SHIFT], 1)
    return weights.astype(np.float32), ((HALF - 128 * chroma.sum(1)) / 2**SHIFT).astype(np.float32)


def to_rgb(squares: np.ndarray, height: int, width: int) -> np.ndarray:
    """(6, h, w) uint8, luma row by row of a square, then chroma -> (height, width, 3) uint8; at most (2h, 2w) of it."""
    if native.wanted():
        return native.squares_to_rgb(squares, height, width)
    _, rows, columns = squares.shape
    luma = squares[:4].astype(np.int16)
    u, v = squares[4:].astype(np.int16) - np.int16(128)
    out = np.empty((rows, 2, columns, 2, 3), np.uint8)
    for k, (by_u, by_v) in enumerate(TO_RGB):
        shift = (by_u * u + by_v * v + np.int16(HALF)) >> SHIFT
        colours = np.clip(luma + shift, 0, 255).reshape(2, 2, rows, columns)
        out[..., k] = colours.transpose(2, 0, 3, 1)
    return out.reshape(2 * rows, 2 * columns, 3)[:height, :width]
