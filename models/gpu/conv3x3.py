"""A 3x3 convolution of few channels, whose edges repeat, and its gradients."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .tiles import PIECE, PROGRAMS, SAMPLES

CHUNK = 32  # rows of the unfolded input at a time


@triton.jit
def _conv3x3_kernel(
    x, weight, bias, out, inputs, rows, columns, BIASED: tl.constexpr, OUTPUTS: tl.constexpr, B: tl.constexpr
):
    """A piece of a row, all outputs."""
    r, c = tl.program_id(0), tl.program_id(1) * B + tl.arange(0, B)
    there, size = c < columns, rows * columns
    made0, made1, made2, made3 = (
        tl.zeros((B,), tl.float32),
        tl.zeros((B,), tl.float32),
        tl.zeros((B,), tl.float32),
        tl.zeros((B,), tl.float32),
    )
    for i in range(inputs):
        for dy in tl.static_range(3):
            line = x + (i * rows + tl.minimum(tl.maximum(r + dy - 1, 0), rows - 1)) * columns
            for dx in tl.static_range(3):
                value = tl.load(line + tl.minimum(tl.maximum(c + dx - 1, 0), columns - 1), mask=there, other=0.0)
                w = weight + i * 9 + dy * 3 + dx
                made0 += tl.load(w) * value
                if OUTPUTS > 1:
                    made1 += tl.load(w + inputs * 9) * value
                if OUTPUTS > 2:
                    made2 += tl.load(w + 2 * inputs * 9) * value
                if OUTPUTS > 3:
                    made3 += tl.load(w + 3 * inputs * 9) * value
    to = out + r * columns + c
    for o in tl.static_range(OUTPUTS):
        made = made0 if o == 0 else made1 if o == 1 else made2 if o == 2 else made3
        if BIASED:
            made += tl.load(bias + o)
        tl.store(to + o * size, made, mask=there)


@triton.jit
def _conv3x3_input_kernel(
    weight, grad, g_x, inputs, rows, columns, OUTPUTS: tl.constexpr, SIDE: tl.constexpr, B: tl.constexpr
):
    """A piece of a row, all inputs: what the filter's taps, and at an edge those beyond it, bring back."""
    c = tl.program_id(1) * B + tl.arange(0, B)
    r = tl.program_id(0) + 0 * c
    there, channel = c < columns, tl.arange(0, SIDE)
    made = tl.zeros((SIDE, B), tl.float32)
    for o in tl.static_range(OUTPUTS):
        for y in tl.static_range(3):
            line, from_row = grad + o * rows * columns, r + 1 - y
            inside, last = (from_row >= 0) & (from_row < rows), rows - 1 if y == 2 else 0
            for z in tl.static_range(3):
                column = c + 1 - z
                within = there & (column >= 0) & (column < columns)
                g = tl.load(line + from_row * columns + column, mask=within & inside, other=0.0)
                if z != 1:
                    edge = there & (c == (columns - 1 if z == 2 else 0))
                    g += tl.load(line + from_row * columns + c, mask=edge & inside, other=0.0)
                if y != 1:
                    beyond = r == last
                    g += tl.load(line + r * columns + column, mask=within & beyond, other=0.0)
                    if z != 1:
                        edge = there & (c == (columns - 1 if z == 2 else 0))
                        g += tl.load(line + r * columns + c, mask=edge & beyond, other=0.0)
                w = tl.load(weight + (o * inputs + channel) * 9 + y * 3 + z, mask=channel < inputs, other=0.0)
                made += w[:, None] * g[None, :]
    to = g_x + channel[:, None] * rows * columns + (r * columns + c)[None, :]
    tl.store(to, made, mask=(channel < inputs)[:, None] & there[None, :])


@triton.jit
def _conv3x3_weight_kernel(x, grad, partial, inputs, rows, columns, OUTPUTS: tl.constexpr, K: tl.constexpr, B: tl.constexpr):
    """Rows of the unfolded input are (input, tap), and one more of ones, for the bias."""
    k = tl.program_id(1) * K + tl.arange(0, K)
    i, dy, dx = k // 9, k % 9 // 3 - 1, (k % 3 - 1)[:, None]
    size, known, one = rows * columns, (i < inputs)[:, None], (k == 9 * inputs)[:, None]
    made0, made1 = tl.zeros((K, B), tl.float32), tl.zeros((K, B), tl.float32)
    made2, made3 = tl.zeros((K, B), tl.float32), tl.zeros((K, B), tl.float32)
    for r in range(tl.program_id(0), rows, tl.num_programs(0)):
        line = x + ((i * rows + tl.minimum(tl.maximum(r + dy, 0), rows - 1)) * columns)[:, None]
        for begin in range(0, columns, B):
            c = begin + tl.arange(0, B)
            there, seen = c < columns, tl.minimum(tl.maximum(c[None, :] + dx, 0), columns - 1)
            value = tl.where(one, 1.0, tl.load(line + seen, mask=known & there[None, :], other=0.0))
            to = grad + r * columns + c
            made0 += value * tl.load(to, mask=there, other=0.0)[None, :]
            if OUTPUTS > 1:
                made1 += value * tl.load(to + size, mask=there, other=0.0)[None, :]
            if OUTPUTS > 2:
                made2 += value * tl.load(to + 2 * size, mask=there, other=0.0)[None, :]
            if OUTPUTS > 3:
                made3 += value * tl.load(to + 3 * size, mask=there, other=0.0)[None, :]
    at = partial + tl.program_id(0) * OUTPUTS * tl.num_programs(1) * K + k
    for o in tl.static_range(OUTPUTS):
        made = made0 if o == 0 else made1 if o == 1 else made2 if o == 2 else made3
        tl.store(at + o * tl.num_programs(1) * K, tl.sum(made, 1))


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As `fused.conv3x3`."""
    x, weight, (rows, columns) = x.contiguous(), weight.contiguous(), x.shape[2:]
    out, grid = x.new_empty(1, len(weight), rows, columns), (rows, triton.cdiv(columns, PIECE))
    given, sizes = x if bias is None else bias, (weight.shape[1], rows, columns)
    _conv3x3_kernel[grid](x, weight, given, out, *sizes, BIASED=bias is not None, OUTPUTS=len(weight), B=PIECE)
    return out


def conv3x3_back(x: Tensor, weight: Tensor, grad: Tensor, biased: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """As `fused.conv3x3_back`."""
    x, weight, grad, (rows, columns) = x.contiguous(), weight.contiguous(), grad.contiguous(), x.shape[2:]
    (outputs, inputs), g_x = weight.shape[:2], torch.empty_like(x)
    grid, side = (rows, triton.cdiv(columns, PIECE)), triton.next_power_of_2(inputs)
    _conv3x3_input_kernel[grid](weight, grad, g_x, inputs, rows, columns, OUTPUTS=outputs, SIDE=side, B=PIECE)
    count, chunks = min(4 * PROGRAMS, rows), triton.cdiv(9 * inputs + 1, CHUNK)
    partial, sizes = x.new_empty(count, outputs, chunks * CHUNK), (inputs, rows, columns)
    _conv3x3_weight_kernel[(count, chunks)](x, grad, partial, *sizes, OUTPUTS=outputs, K=CHUNK, B=SAMPLES)
    total = partial.sum(0)
    return g_x, total[:, : 9 * inputs].view(weight.shape), total[:, 9 * inputs] if biased else None
