"""What a decoded picture is worth: PSNR, and MS-SSIM as in Wang, Simoncelli & Bovik, 2003."""

import math

import numpy as np
from scipy.ndimage import correlate1d

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest first
TAPS = 11
SIGMA = 1.5  # pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SHORTEST_SIDE = 2 ** (len(SCALE_WEIGHTS) - 1) * (TAPS - 1) + 1  # pixels: the window still fits at the coarsest scale


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """In dB over all samples at once, against the peak of the integer type (255, 65535); inf for equal pictures."""
    if a.shape != b.shape or a.dtype != b.dtype or a.dtype.kind != "u":
        raise ValueError(f"psnr: wanted unsigned integers alike, got {a.dtype} {a.shape} and {b.dtype} {b.shape}")
    mse = np.mean(np.square(np.subtract(a, b, dtype=np.float64)))
    return 10 * math.log10(np.iinfo(a.dtype).max ** 2 / mse) if mse else math.inf


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Of two (height, width, 3) uint8 pictures, the mean over channels; None where a side has less than 161 pixels."""
    if a.shape != b.shape or a.ndim != 3 or a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"ms_ssim: wanted uint8 pictures alike, got {a.dtype} {a.shape} and {b.dtype} {b.shape}")
    if min(a.shape[:2]) < SHORTEST_SIDE:
        return None
    x, y = a.astype(np.float64), b.astype(np.float64)
    product = np.ones(a.shape[2])
    for weight in SCALE_WEIGHTS[:-1]:
        product *= _ssim_terms(x, y)[1] ** weight
        x, y = _half(x), _half(y)
    return float(np.mean(product * _ssim_terms(x, y)[0] ** SCALE_WEIGHTS[-1]))


def in_db(ms_ssim: float) -> float:
    """MS-SSIM on the scale where its differences show: -10 log10(1 - x); inf for 1."""
    return -10 * math.log10(1 - ms_ssim) if ms_ssim < 1 else math.inf


def _ssim_terms(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(SSIM, its contrast-structure factor) of each channel; negative means count as 0, for they have no real power."""
    mu_x, mu_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mu_x**2, _blur(y * y) - mu_y**2
    structure = (2 * (_blur(x * y) - mu_x * mu_y) + C2) / (var_x + var_y + C2)
    luminance = (2 * mu_x * mu_y + C1) / (mu_x**2 + mu_y**2 + C1)
    return np.maximum((luminance * structure).mean((0, 1)), 0), np.maximum(structure.mean((0, 1)), 0)


def _blur(x: np.ndarray) -> np.ndarray:
    """Gaussian window over the first two axes, only where it lies wholly inside: each side loses 10 pixels."""
    offset = np.arange(TAPS) - TAPS // 2
    window = np.exp(-(offset**2) / (2 * SIGMA**2))
    window /= window.sum()
    inside = slice(TAPS // 2, -(TAPS // 2))
    return correlate1d(correlate1d(x, window, axis=0)[inside], window, axis=1)[:, inside]


def _half(x: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; an odd side repeats its last row or column, so that 161 pixels last for five scales."""
    height, width = x.shape[:2]
    x = np.pad(x, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (x[0::2, 0::2] + x[1::2, 0::2] + x[0::2, 1::2] + x[1::2, 1::2]) / 4
