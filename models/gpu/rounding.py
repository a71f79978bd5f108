"""Soft rounding, noise, soft rounding."""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _soft_round(x, temperature):
    """s(x), and its derivative."""
    height = 0.5 / _tanh(0.5 / temperature)
    middle = tl.floor(x) + 0.5
    wave = _tanh((x - middle) / temperature)
    return middle + height * wave, height / temperature * (1 - wave * wave)


@triton.jit
def _tanh(x):
    """Of arguments that are not tiny."""
    return 1 - 2 / (tl.exp(2 * x) + 1)


@triton.jit
def _soft_round_noise_kernel(x, noise, temperature, out, slope, total, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    there, t = i < total, tl.load(temperature)
    once, first = _soft_round(tl.load(x + i, mask=there, other=0.0), t)
    twice, second = _soft_round(once + tl.load(noise + i, mask=there, other=0.0), t)
    tl.store(out + i, twice, mask=there)
    tl.store(slope + i, first * second, mask=there)


def soft_round_noise(x: Tensor, noise: Tensor, temperature: float | Tensor) -> tuple[Tensor, Tensor]:
    """As `fused.soft_round_noise`."""
    x, noise, out, slope = x.contiguous(), noise.contiguous(), torch.empty_like(x), torch.empty_like(x)
    t = temperature if isinstance(temperature, Tensor) else x.new_full((), temperature)
    _soft_round_noise_kernel[(triton.cdiv(x.numel(), 512),)](x, noise, t, out, slope, x.numel(), B=512)
    return out, slope
