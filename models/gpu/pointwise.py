"""The synthesis's hidden layer and its linear path, and their gradients."""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .tiles import LEAST, SAMPLES, dot, full, matrix, programs_for, put, rounded, side_of, vector


@triton.jit
def _seen(x, level, levels, at, samples):
    """A tile of the inputs, and below them a row of ones, whose weights are the hidden layer's biases."""
    here = tl.load(x + level * samples + at, mask=(level < levels) & (at < samples), other=0.0)
    return tl.where(level == levels, 1.0, here)


@triton.jit
def _first(w1, b1, hidden, levels, L: tl.constexpr, H: tl.constexpr):
    """(hidden, level), the biases behind the weights."""
    i, j = tl.arange(0, H)[:, None], tl.arange(0, L)[None, :]
    biases = tl.load(b1 + i + 0 * j, mask=(i < hidden) & (j == levels), other=0.0)
    return matrix(w1, hidden, levels, levels, 1, H, L) + biases


@triton.jit
def _pointwise_kernel(
    x, w1, b1, w2, b2, skip, out, line, samples, levels, hidden, channels, L: tl.constexpr, H: tl.constexpr, B: tl.constexpr
):
    at = tl.program_id(0) * B + tl.arange(0, B)[None, :]
    channel = tl.arange(0, 16)[:, None]
    here = _seen(x, tl.arange(0, L)[:, None], levels, at, samples)
    h = tl.maximum(full(_first(w1, b1, hidden, levels, L, H), here), 0.0)
    made = full(matrix(w2, channels, hidden, hidden, 1, 16, H), h) + vector(b2, channels, 1, 16)[:, None]
    there = (channel < channels) & (at < samples)
    tl.store(out + channel * samples + at, made, mask=there)
    tl.store(line + channel * samples + at, full(matrix(skip, channels, levels, levels, 1, 16, L), here), mask=there)


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
    first = rounded(_first(w1, b1, hidden, levels, L, H))
    last = rounded(matrix(w2, channels, hidden, hidden, 1, 16, H))
    past = rounded(matrix(skip, channels, levels, levels, 1, 16, L))
    g_first, g_last = tl.zeros((H, L), tl.float32), tl.zeros((16, H), tl.float32)
    g_past, g_bias = tl.zeros((16, L), tl.float32), tl.zeros((16, B), tl.float32)
    for begin in range(tl.program_id(0) * B, samples, tl.num_programs(0) * B):
        at = begin + tl.arange(0, B)[None, :]
        inside = (channel < channels) & (at < samples)
        here = rounded(_seen(x, level, levels, at, samples))
        g = tl.load(grad + channel * samples + at, mask=inside, other=0.0)
        g_bias += g
        g = rounded(g)
        g_line = rounded(tl.load(grad_line + channel * samples + at, mask=inside, other=0.0))
        h = rounded(tl.maximum(dot(first, here), 0.0))
        g_last += dot(g, tl.trans(h))
        g_h = rounded(tl.where(h > 0, dot(tl.trans(last), g), 0.0))
        g_first += dot(g_h, tl.trans(here))
        g_past += dot(g_line, tl.trans(here))
        made = dot(tl.trans(first), g_h) + dot(tl.trans(past), g_line)
        tl.store(g_x + level * samples + at, made, mask=(level < levels) & (at < samples))
    to = partial + tl.program_id(0) * stride
    put(to, g_first, H, L)
    put(to + H * L, g_last, 16, H)
    put(to + H * L + 16 * H, g_past, 16, L)
    tl.store(to + H * L + 16 * H + 16 * L + tl.arange(0, 16), tl.sum(g_bias, 1))


def pointwise(x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """As `fused.pointwise`."""
    x, weights = x.contiguous(), [weight.contiguous() for weight in weights]
    (levels, samples), hidden, channels = x.shape, len(weights[0]), len(weights[2])
    out, line = (x.new_empty(channels, samples) for _ in range(2))
    sizes = samples, levels, hidden, channels
    grid = (triton.cdiv(samples, SAMPLES),)
    _pointwise_kernel[grid](x, *weights, out, line, *sizes, L=side_of(levels + 1), H=side_of(hidden), B=SAMPLES)
    return out, line


def pointwise_back(x: Tensor, weights: Sequence[Tensor], grad: Tensor, grad_line: Tensor) -> list[Tensor]:
    """As `fused.pointwise_back`."""
    x, grad, grad_line = x.contiguous(), grad.contiguous(), grad_line.contiguous()
    w1, b1, w2, _, skip = (weight.contiguous() for weight in weights)
    (levels, samples), hidden, channels = x.shape, len(w1), len(w2)
    h, l, count = side_of(hidden), side_of(levels + 1), programs_for(samples)  # noqa: E741
    parts = [h * l, LEAST * h, LEAST * l, LEAST]
    g_x, partial = torch.empty_like(x), x.new_empty(count, sum(parts))
    sizes = samples, levels, hidden, channels, partial.stride(0)
    tensors = x, w1, b1, w2, skip, grad, grad_line, g_x, partial
    _pointwise_back_kernel[(count,)](*tensors, *sizes, L=l, H=h, B=SAMPLES)
    g_first, g_last, g_past, g_bias = partial.sum(0).split(parts)
    g_first, g_past = g_first.view(h, l)[:hidden], g_past.view(-1, l)[:channels, :levels]
    g_last = g_last.view(-1, h)[:channels, :hidden]
    return [g_x, g_first[:, :levels], g_first[:, levels], g_last, g_bias[:channels], g_past]
