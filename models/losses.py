"""Distortions that papers train with, and what we tune for eyes; all of (..., channels, height, width) in [0, 1]."""

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

WINDOW, SIGMA = 11, 1.5  # pixels
FIDELITY = 60.0  # of the fusion beside the Fourier transform
BOOSTED = 2e-4  # of the whole: near the squared error, so that a lambda means what it does elsewhere
C1, C2 = 0.01**2, 0.03**2
SCALES, HALF = 5, 4  # of the structure: scales, each half as fine as the one before; pixels of half a block's side
STRUCTURE, SQUARES = 0.02, 0.6  # of what is tuned for eyes, so that a lambda spends about what it does on the MSE


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


def structure(a: Tensor, b: Tensor) -> Tensor:
    """What `a` lacks of the contrast and structure of `b`, from 0 to 2: the mean of 1 - SSIM's second factor over SCALES, at
    the coarsest one of both.

    MS-SSIM's terms (Wang et al. 2003), without its weights and its product: the finest detail counts as much as the rest.
    Blocks of 8x8, each half upon the next, stand for its window; scales that have no room for one are left out."""
    total, scales = a.new_zeros(()), max(1, min(SCALES, (min(a.shape[-2:]) // (2 * HALF)).bit_length()))
    for scale in range(scales):
        moments = (*_Moments.apply(a, b), _means(b, HALF), _means(b * b, HALF))
        mean_a, aa, ab, mean_b, bb = map(_overlapping, moments)
        similar = (2 * (ab - mean_a * mean_b) + C2) / (aa - mean_a**2 + bb - mean_b**2 + C2)
        if scale == scales - 1:
            similar = similar * (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
        total = total + 1 - similar.mean()
        a, b = _means(a, 2), _means(b, 2)
    return total / scales


class _Moments(Function):
    """Means over squares of HALF a side of `a`, of its squares and of its products with `b`, which gets no gradient; in half
    the time of what autograd makes of it."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return _means(a, HALF), _means(a * a, HALF), _means(a * b, HALF)

    @staticmethod
    def backward(ctx, *gradients):  # pyright: ignore[reportIncompatibleMethodOverride]
        a, b = (_squares(x, HALF) for x in ctx.saved_tensors)
        mean, square, product = (each[..., :, None, :, None] / (a.shape[-3] * a.shape[-1]) for each in gradients)
        inside = (2 * square * a).add_(mean).addcmul_(product, b).flatten(-4, -3).flatten(-2)
        height, width = ctx.saved_tensors[0].shape[-2:]
        return F.pad(inside, (0, width - inside.shape[-1], 0, height - inside.shape[-2])), None


def _squares(x: Tensor, side: int) -> Tensor:
    """(..., h, w) -> (..., rows, side, columns, side): squares side by side, or less of a side that is shorter; rows and
    columns that are left over are left out."""
    rows, columns = (max(1, size // side) for size in x.shape[-2:])
    x = x[..., : rows * side, : columns * side]
    return x.unflatten(-1, (columns, -1)).unflatten(-3, (rows, -1))


def _means(x: Tensor, side: int) -> Tensor:
    squares = _squares(x, side)
    return squares.sum(-3).sum(-1) / (squares.shape[-3] * squares.shape[-1])


def _overlapping(x: Tensor) -> Tensor:
    """Means of each two rows and columns, where there are two."""
    x = (x[..., 1:, :] + x[..., :-1, :]) / 2 if x.shape[-2] > 1 else x
    return (x[..., 1:] + x[..., :-1]) / 2 if x.shape[-1] > 1 else x


class _Inward(Function):
    """As it is, of pixels clamped straight through: at black and at white gradients pass that lead back, no others. Those of
    a squared error do; a structure may ask for more than white for ever, and the fit runs away."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return gradient.masked_fill(((x >= 1) & (gradient < 0)) | ((x <= 0) & (gradient > 0)), 0)


def seen(a: Tensor, b: Tensor) -> Tensor:
    """What eyes miss more than the MSE tells: the structure, and some of the MSE, which holds colours and means. `a` is
    clamped straight through."""
    a = _Inward.apply(a)  # pyright: ignore[reportAssignmentType]
    return STRUCTURE * structure(a, b) + SQUARES * F.mse_loss(a, b)


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
