"""PSNR and MS-SSIM of known errors."""

import math

import numpy as np
import pytest

from inrcodec.train.metrics import SHORTEST_SIDE, in_db, ms_ssim, psnr


def picture(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    waves = [127 + 60 * np.sin(rows / period) + 60 * np.cos(columns / (period + 3)) for period in (5, 9, 14)]
    return np.stack(waves, axis=2).astype(np.uint8)


@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255), (np.uint16, 65535)])
def test_psnr_of_a_known_error(dtype, peak):
    a = np.full((4, 5, 3), 7, dtype)
    assert psnr(a, a) == math.inf
    assert psnr(a, a - dtype(3)) == psnr(a - dtype(3), a) == pytest.approx(20 * math.log10(peak / 3))
    assert psnr(np.zeros_like(a), np.full_like(a, peak)) == 0


def test_psnr_wants_integers_alike():
    a = np.zeros((4, 4, 3), np.uint8)
    for b in (a[:2], a.astype(np.uint16), a.astype(np.float32)):
        with pytest.raises(ValueError, match="wanted"):
            psnr(a, b)


def test_ms_ssim_of_equal_pictures_is_one():
    assert ms_ssim(picture(161, 203), picture(161, 203)) == pytest.approx(1, abs=1e-12)


def test_ms_ssim_falls_with_noise():
    a, noise = picture(176, 192), np.random.default_rng(0).normal(size=(176, 192, 3))
    noisy = [np.clip(a + sigma * noise, 0, 255).astype(np.uint8) for sigma in (2, 10, 40)]
    values = [ms_ssim(a, b) for b in noisy]
    assert 1 > values[0] > values[1] > values[2] > 0


def test_ms_ssim_of_flat_pictures_is_their_luminance():
    """Without structure only the luminance term of the coarsest scale is left."""
    a, b = np.full((161, 161, 3), 100, np.uint8), np.full((161, 161, 3), 120, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ms_ssim(a, b) == pytest.approx(((2 * 100 * 120 + c1) / (100**2 + 120**2 + c1)) ** 0.1333)


def test_ms_ssim_needs_161_pixels():
    assert SHORTEST_SIDE == 161
    assert ms_ssim(picture(160, 300), picture(160, 300)) is None


def test_in_db():
    assert in_db(0.99) == pytest.approx(20)
    assert in_db(1.0) == math.inf
