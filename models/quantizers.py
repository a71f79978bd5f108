"""Stand-ins for rounding and clipping that gradients can pass: noise, soft rounding, straight-through, sampling.

Those of type `Relax` are what a phase of a fit makes of its latents.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import Function

from . import fused

Relax = Callable[[Tensor, float, float, torch.Generator], Tensor]  # (latents, temperature, noise, generator)
INSIDE = 1e-6  # how far arguments of atanh stay away from 1


class _SoftRoundNoise(Function):
    @staticmethod
    def forward(ctx, x: Tensor, noise: Tensor, temperature: float) -> Tensor:
        if fused.takes(x, noise):
            twice, slope = fused.soft_round_noise(x, noise, temperature)
            ctx.save_for_backward(slope)
            return twice
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


def soft_round_gaussian(latents: Tensor, temperature: float, noise: float, generator: torch.Generator) -> Tensor:
    """`soft_round_noise` with Gaussian noise of this standard deviation."""
    return soft_round_noise(latents, torch.empty_like(latents).normal_(generator=generator).mul_(noise), temperature)


def soft_round_kumaraswamy(latents: Tensor, temperature: float, noise: float, generator: torch.Generator) -> Tensor:
    """r(s(x) + u) with s = `soft_round` and r = `conditional_mean` (Kim et al. 2024, section 3.2).

    u = v - 1/2, v from Kumaraswamy's distribution of a = `noise` and mode 1/2: 1 is uniform, 2 is narrower.
    """
    b = (2**noise * (noise - 1) + 1) / noise
    v = (1 - torch.rand(latents.shape, generator=generator, device=latents.device) ** (1 / b)) ** (1 / noise)
    return conditional_mean(soft_round(latents, temperature) + (v - 0.5), temperature)


def conditional_mean(z: Tensor, temperature: float) -> Tensor:
    """E[x | s(x) + u = z] = 1/2 + the x of which s(x) = z - 1/2, u uniform (Agustsson & Theis 2020, section 4.1)."""
    middle = torch.floor(z - 0.5) + 0.5
    wave = 2 * math.tanh(0.5 / temperature) * (z - 0.5 - middle)
    return middle + 0.5 + temperature * torch.atanh(wave.clamp(INSIDE - 1, 1 - INSIDE))


def uniform_noise(latents: Tensor, temperature: float, noise: float, generator: torch.Generator) -> Tensor:
    """With noise from an interval of length `noise` around 0 (Ballé et al. 2017)."""
    return latents + noise * (torch.rand(latents.shape, generator=generator, device=latents.device) - 0.5)


def round_softly(latents: Tensor, temperature: float, noise: float, generator: torch.Generator) -> Tensor:
    """Rounded; the gradient is that of `soft_round`."""
    soft = soft_round(latents, temperature)
    return soft + (torch.round(latents) - soft).detach()


def gumbel(latents: Tensor, temperature: float, noise: float, generator: torch.Generator) -> Tensor:
    """Between floor and ceiling, sampled: stochastic Gumbel annealing (Yang et al. 2020, section 3.2).

    Their logits are -atanh(distance) / temperature, and so is the softmax's temperature; of two classes it is a sigmoid, and
    the difference of two Gumbel variables is logistic.
    """
    floor = torch.floor(latents.detach())
    up = (latents - floor).clamp(INSIDE, 1 - INSIDE)
    u = torch.rand(latents.shape, generator=generator, device=latents.device).clamp_(INSIDE, 1 - INSIDE)
    logit = (torch.atanh(up) - torch.atanh(1 - up)) / temperature
    return floor + torch.sigmoid((logit + torch.logit(u)) / temperature)


def through_clamp(image: Tensor) -> Tensor:
    """Clamped to [0, 1] with the gradient of the identity."""
    return image + (image.detach().clamp(0, 1) - image.detach())
