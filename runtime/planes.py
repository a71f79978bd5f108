"""Planes: RGB to Y'CbCr and back by the formulae of ITU-T H.273, 8.3.

A chroma sample is the mean of the pixels that it covers, and covers them again on the way back, wherever it was sited.
"""

import numpy as np

from .clip import ClipFacts
from .pixels import quantize

BT601 = (0.299, 0.114)  # also of matrices that say nothing or are not here: FFmpeg takes them so
LUMA = {  # matrix -> weights of red and blue, H.273 table 4
    **{1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: BT601, 6: BT601, 7: (0.212, 0.087)},
    **{9: (0.2627, 0.0593), 10: (0.2627, 0.0593)},
}
COVERED = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}  # pixels (down, across) of a chroma sample

Planes = tuple[np.ndarray, ...]  # Y (h, w) alone, or Y and Cb, Cr (rounded up); uint8 of 8 bits, else uint16


def _transform(facts: ClipFacts) -> tuple[np.ndarray, np.ndarray]:
    """M (3, 3) and b (3,): M @ rgb + b = Y'CbCr as stored, for rgb in [0, 1]."""
    red, blue = LUMA.get(facts.matrix, BT601)
    y = np.array([red, 1 - red - blue, blue])
    rows = np.stack([y, (np.eye(3)[2] - y) / (2 - 2 * blue), (np.eye(3)[0] - y) / (2 - 2 * red)])
    unit = 2.0 ** (facts.bit_depth - 8)
    peak = 256 * unit - 1
    spans = np.array([peak] * 3 if facts.full_range else [219 * unit, 224 * unit, 224 * unit])
    return rows * spans[:, None], np.array([0 if facts.full_range else 16 * unit, 128 * unit, 128 * unit])


def to_planes(pixels: np.ndarray, facts: ClipFacts) -> Planes:
    """(H, W, 3 or 1) of uint8 or uint16, full range, as the samples that `facts` ask for; of one channel all are equal."""
    rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.float32)
    matrix, offset = _transform(facts)
    matrix = (matrix / np.iinfo(pixels.dtype).max).astype(np.float32)
    y = _stored(rgb @ matrix[0] + np.float32(offset[0]), facts.bit_depth)
    if facts.chroma == "grey":
        return (y,)
    chroma = _mean(rgb, COVERED[facts.chroma]) @ matrix[1:].T + offset[1:].astype(np.float32)
    return y, *(_stored(chroma[..., k], facts.bit_depth) for k in (0, 1))


def to_rgb(planes: Planes, facts: ClipFacts) -> np.ndarray:
    """(H, W, 3), uint8 if the planes are of 8 bits, else uint16; full range."""
    height, width = planes[0].shape
    matrix, offset = _transform(facts)
    inverse, offset = np.linalg.inv(matrix).T.astype(np.float32), offset.astype(np.float32)
    y = np.multiply.outer(planes[0] - offset[0], inverse[0])
    depth = 8 if facts.bit_depth == 8 else 16
    if len(planes) == 1:
        return quantize(y, depth)
    down, across = COVERED[facts.chroma]
    chroma = (np.stack(planes[1:], axis=-1) - offset[1:]) @ inverse[1:]
    return quantize(y + chroma.repeat(down, axis=0)[:height].repeat(across, axis=1)[:, :width], depth)


def _mean(pixels: np.ndarray, covered: tuple[int, int]) -> np.ndarray:
    """(H, W, C) -> means of blocks, edges repeated."""
    for axis, size in enumerate(covered):
        if size == 2:
            odd = [(0, pixels.shape[axis] % 2 if a == axis else 0) for a in range(3)]
            pairs = np.moveaxis(np.pad(pixels, odd, mode="edge"), axis, 0)
            pixels = np.moveaxis((pairs[::2] + pairs[1::2]) / 2, 0, axis)
    return pixels


def _stored(samples: np.ndarray, bit_depth: int) -> np.ndarray:
    whole = np.rint(samples, out=samples).clip(0, 2**bit_depth - 1, out=samples)
    return whole.astype(np.uint8 if bit_depth == 8 else np.uint16)
