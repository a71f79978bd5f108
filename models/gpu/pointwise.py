"""The synthesis's hidden layer and its linear path, and their gradients."""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .tiles import LEAST, SAMPLES, dot, matrix, programs_for, put, rough, side_of, vector


@triton.jit
def _pointwise_kernel(
    x, w1, b1, w2, b2, skip, out, line, samples, levels, hidden, channels, L: tl.constexpr, H: tl.constexpr, B: tl.constexpr
):
    at = tl.program_id(0) * B + tl.arange(0, B)[None, :]
    level, channel = tl.arange(0, L)[:, None], tl.arange(0, 16)[:, None]
    here = tl.load(x + level * samples + at, mask=(level < levels) & (at < samples), other=0.0)
    h = dot(matrix(w1, hidden, levels, levels, 1, H, L), here) + vector(b1, hidden, 1, H)[:, None]
    made = dot(matrix(w2, channels, hidden, hidden, 1, 16, H), tl.maximum(h, 0.0)) + vector(b2, channels, 1, 16)[:, None]
    there = (channel < channels) & (at < samples)
    tl.store(out + channel * samples + at, made, mask=there)
    past = dot(matrix(skip, channels, levels, levels, 1, 16, L), here)
    tl.store(line + channel * samples + at, past, mask=there)


@triton.jit
def _pointwise_back_kernel(
    x,
    w1,
    b1,
    w2,
    skip,
    grad,
    grad_line,
    g_x,
    partial,
    samples,
    levels,
    hidden,
    channels,
    stride,
    L: tl.constexpr,
    H: tl.constexpr,
    B: tl.constexpr,
):
    level, channel = tl.arange(0, L)[:, None], tl.arange(0, 16)[:, None]
    first, bias = matrix(w1, hidden, levels, levels, 1, H, L), vector(b1, hidden, 1, H)[:, None]
    last, past = matrix(w2, channels, hidden, hidden, 1, 16, H), matrix(skip, channels, levels, levels, 1, 16, L)
    g_first, g_bias = tl.zeros((H, L), tl.float32), tl.zeros((H,), tl.float32)
    g_last, g_past = tl.zeros((16, H), tl.float32), tl.zeros((16, L), tl.float32)
    for begin in range(tl.program_id(0) * B, samples, tl.num_programs(0) * B):
        at = begin + tl.arange(0, B)[None, :]
        there = (level < levels) & (at < samples)
        here = tl.load(x + level * samples + at, mask=there, other=0.0)
        g = tl.load(grad + channel * samples + at, mask=(channel < channels) & (at < samples), other=0.0)
        g_line = tl.load(grad_line + channel * samples + at, mask=(channel < channels) & (at < samples), other=0.0)
        h = tl.maximum(rough(first, here) + bias, 0.0)
        g_last += rough(g, tl.trans(h))
        g_h = tl.where(h > 0, rough(tl.trans(last), g), 0.0)
        g_bias += tl.sum(g_h, 1)
        g_first += rough(g_h, tl.trans(here))
        g_past += rough(g_line, tl.trans(here))
        tl.store(g_x + level * samples + at, rough(tl.trans(first), g_h) + rough(tl.trans(past), g_line), mask=there)
    to = partial + tl.program_id(0) * stride
    put(to, g_first, H, L)
    put(to + H * L, g_last, 16, H)
    put(to + H * L + 16 * H, g_past, 16, L)
    tl.store(to + H * L + 16 * H + 16 * L + tl.arange(0, H), g_bias)


def pointwise(x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """As `fused.pointwise`."""
    x, weights = x.contiguous(), [weight.contiguous() for weight in weights]
    (levels, samples), hidden, channels = x.shape, len(weights[0]), len(weights[2])
    out, line = (x.new_empty(channels, samples) for _ in range(2))
    sizes = samples, levels, hidden, channels
    grid = (triton.cdiv(samples, SAMPLES),)
    _pointwise_kernel[grid](x, *weights, out, line, *sizes, L=side_of(levels), H=side_of(hidden), B=SAMPLES)
    return out, line


def pointwise_back(x: Tensor, weights: Sequence[Tensor], grad: Tensor, grad_line: Tensor) -> list[Tensor]:
    """As `fused.pointwise_back`."""
    x, grad, grad_line = x.contiguous(), grad.contiguous(), grad_line.contiguous()
    w1, b1, w2, _, skip = (weight.contiguous() for weight in weights)
    (levels, samples), hidden, channels = x.shape, len(w1), len(w2)
    h, l, count = side_of(hidden), side_of(levels), programs_for(samples)  # noqa: E741
    parts = [h * l, LEAST * h, LEAST * l, h]
    g_x, partial = torch.empty_like(x), x.new_empty(count, sum(parts))
    sizes = samples, levels, hidden, channels, partial.stride(0)
    _pointwise_back_kernel[(count,)](x, w1, b1, w2, skip, grad, grad_line, g_x, partial, *sizes, L=l, H=h, B=SAMPLES)
    g_first, g_last, g_past, g_bias = partial.sum(0).split(parts)
    g_w1, g_w2 = g_first.view(h, l)[:hidden, :levels], g_last.view(-1, h)[:channels, :hidden]
    return [g_x, g_w1, g_bias[:hidden], g_w2, grad.sum(1), g_past.view(-1, l)[:channels, :levels]]
