"""Differentiable rates in bits, and the fitting of an entropy model's parameters to symbols."""

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

PROBABILITY_MIN = 2.0**-16  # of one symbol, as in Cool-chic: keeps gradients finite
LN2 = math.log(2)


def laplace_bits(residual: Tensor, log2_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bits of a discretized Laplace, and their derivatives, all of the shape of `residual`.

    P = F(residual + 1/2) - F(residual - 1/2); derivatives by the residual and by the base-2 logarithm of the scale.
    """
    scale = torch.exp2(log2_scale)
    right, left = residual + 0.5, residual - 0.5
    upper, lower = torch.exp(-right.abs() / scale), torch.exp(-left.abs() / scale)
    probability = torch.where(right > 0, 1 - 0.5 * upper, 0.5 * upper) - torch.where(left > 0, 1 - 0.5 * lower, 0.5 * lower)
    probability = probability.clamp(min=PROBABILITY_MIN)
    per_bit = -0.5 / (LN2 * scale * probability)  # d bits / dP times the density's 1 / (2 scale)
    by_residual = per_bit * (upper - lower)
    by_log2_scale = per_bit * (left * lower - right * upper) * LN2
    return -torch.log2(probability), by_residual, by_log2_scale


def self_laplace_bits(values: Tensor, step: float) -> Tensor:
    """Total bits of `values` / step under the zero-mean Laplace fitted to themselves; differentiable.

    h = log2(2 e b / step), b = mean |value|: the differential entropy, softened so that b >= step / 8.
    """
    b = values.abs().mean() + step / 8
    return values.numel() * torch.log2(2 * math.e * b / step).clamp(min=0)


def laplace_bits_of_each(tensors: Sequence[Tensor], steps: Sequence[float]) -> Tensor:
    """The sum of `self_laplace_bits` of them all, in a few calls."""
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    averaging, sizes = _averaging(tuple(tensor.numel() for tensor in tensors), tuple(steps), flat.device)
    return sizes @ torch.log2(2 * math.e * (averaging @ flat.abs() + 1 / 8)).clamp(min=0)


@cache
def _averaging(sizes: tuple[int, ...], steps: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """The matrix that makes each tensor's mean, in its steps, of the values of them all; the sizes."""
    rows = [torch.full((1, size), 1 / (size * step)) for size, step in zip(sizes, steps)]
    return torch.block_diag(*rows).to(device), torch.tensor(sizes, dtype=torch.float32, device=device)


def self_gaussian_bits(symbols: Tensor) -> Tensor:
    """Total bits of `symbols` under the Gaussian of their own mean and deviation; differentiable.

    h = log2(2 pi e (variance + 1/12)) / 2, of the Gaussian and a uniform step: 0.25 bit where all are equal.
    """
    variance = symbols.var(correction=0) + 1 / 12
    return symbols.numel() * 0.5 * torch.log2(2 * math.pi * math.e * variance)
