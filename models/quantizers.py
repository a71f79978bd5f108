"""Stand-ins for rounding that gradients can pass: soft rounding with noise, and straight-through."""

import math

import torch
from torch import Tensor
from torch.autograd import Function


class _SoftRoundNoise(Function):
    @staticmethod
    def forward(ctx, x: Tensor, noise: Tensor, temperature: float) -> Tensor:
        once, slope = _soft_round(x, temperature)
        twice, slope_again = _soft_round(once.add_(noise), temperature)
        ctx.save_for_backward(slope.mul_(slope_again))
        return twice

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        return grad * ctx.saved_tensors[0], None, None


def _soft_round(x: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """s(x) = floor(x) + 1/2 + tanh(r / T) / (2 tanh(1 / 2T)), r = x - floor(x) - 1/2, and its derivative."""
    floor = torch.floor(x)
    middle = floor + 0.5
    wave = torch.tanh((x - middle).mul_(1 / temperature))
    height = 0.5 / math.tanh(0.5 / temperature)
    slope = wave.square().mul_(-height / temperature).add_(height / temperature)
    return middle.add_(wave, alpha=height), slope


def soft_round(x: Tensor, temperature: float) -> Tensor:
    """Agustsson & Theis 2020, eq. 8; temperature -> 0 is rounding, -> infinity the identity."""
    return _soft_round(x, temperature)[0]


def soft_round_noise(x: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """s(s(x) + noise) with s = `soft_round`, as Cool-chic trains its latents (Kim et al. 2024, section 3.2)."""
    return _SoftRoundNoise.apply(x, noise, temperature)  # pyright: ignore[reportReturnType]


def round_ste(x: Tensor) -> Tensor:
    """Rounding whose gradient is the identity."""
    return x + (torch.round(x) - x).detach()
