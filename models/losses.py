"""Distortions that papers train with; all of (..., channels, height, width) in [0, 1]."""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA = 11, 1.5  # pixels
FIDELITY = 60.0  # of the fusion beside the Fourier transform
BOOSTED = 2e-4  # of the whole: near the squared error, so that a lambda means what it does elsewhere
C1, C2 = 0.01**2, 0.03**2


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Wang et al. 2004, the mean over all pixels and channels; edges repeat."""
    offset = torch.arange(WINDOW, device=a.device) - WINDOW // 2
    window = torch.exp(-(offset**2) / (2 * SIGMA**2))
    window = window / window.sum()
    maps = torch.stack([a, b, a * a, b * b, a * b]).flatten(0, -3)[:, None]
    padded = F.pad(maps, (WINDOW // 2,) * 4, mode="replicate")
    blurred = F.conv2d(F.conv2d(padded, window.view(1, 1, 1, -1)), window.view(1, 1, -1, 1))
    mu_a, mu_b, aa, bb, ab = blurred.view(5, *a.shape)
    structure = (2 * (ab - mu_a * mu_b) + C2) / (aa - mu_a**2 + bb - mu_b**2 + C2)
    return (structure * (2 * mu_a * mu_b + C1) / (mu_a**2 + mu_b**2 + C1)).mean()


def fusion(a: Tensor, b: Tensor) -> Tensor:
    """NeRV's: 0.7 of the mean magnitude, 0.3 of what SSIM lacks (Chen et al. 2021)."""
    return 0.7 * (a - b).abs().mean() + 0.3 * (1 - ssim(a, b))


def log_cosh_ssim(a: Tensor, b: Tensor) -> Tensor:
    """NIF's: log cosh of the error, and a hundredth of what SSIM lacks (Catania & Allegra 2023)."""
    return torch.log(torch.cosh(a - b)).mean() + 0.01 * (1 - ssim(a, b))


def boosted(a: Tensor, b: Tensor) -> Tensor:
    """Boosting-NeRV's: 60 of the fusion, and the mean magnitude in the Fourier transform's real and imaginary parts."""
    spectrum = torch.view_as_real(torch.fft.fft2(a - b)).abs().mean()
    return BOOSTED * (FIDELITY * fusion(a, b) + spectrum)
