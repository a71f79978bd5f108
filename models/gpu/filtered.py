"""Filters along rows or columns, some of which double them, and their gradients; edges repeat."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .tiles import PIECE, PROGRAMS


@triton.jit
def _line(line, v, n, inner, count, ROWS: tl.constexpr):
    """Of places `v` of a line where the filter goes along: (outer, index along it, the line's place within) of `count`
    samples."""
    if ROWS:
        return line // count, line % count + 0 * v, v, v < inner
    return line, v, 0 * v, v < count


@triton.jit(do_not_specialize=("n", "inner"))
def _filtered_kernel(x, phases, out, n, inner, ROWS: tl.constexpr, P: tl.constexpr, T: tl.constexpr, B: tl.constexpr):
    v = tl.program_id(1) * B + tl.arange(0, B)
    outer, m, within, there = _line(tl.program_id(0), v, n, inner, n * P, ROWS)
    made = tl.zeros((B,), tl.float32)
    for t in tl.static_range(T):
        i = tl.minimum(tl.maximum(m // P + t - T // 2, 0), n - 1)
        value = tl.load(x + (outer * n + i) * inner + within, mask=there, other=0.0)
        made += tl.load(phases + m % P * T + t) * value
    tl.store(out + (outer * n * P + m) * inner + within, made, mask=there)


@triton.jit(do_not_specialize=("n", "inner"))
def _filtered_input_kernel(
    grad, phases, g_x, n, inner, ROWS: tl.constexpr, P: tl.constexpr, T: tl.constexpr, B: tl.constexpr
):
    v = tl.program_id(1) * B + tl.arange(0, B)
    outer, j, within, there = _line(tl.program_id(0), v, n, inner, n, ROWS)
    R: tl.constexpr = T // 2
    made = tl.zeros((B,), tl.float32)
    for p in tl.static_range(P):
        base = grad + (outer * n * P + p) * inner + within
        for t in tl.static_range(T):
            weight, i = tl.load(phases + p * T + t), j - t + R
            made += weight * tl.load(base + i * P * inner, mask=there & (i >= 0) & (i < n), other=0.0)
            for e in tl.static_range(R):  # samples whose tap lies beyond the edge
                if e < R - t:
                    there_too = there & (j == 0) & (j + e < n)
                    made += weight * tl.load(base + e * P * inner, mask=there_too, other=0.0)
                if e < t - R:
                    there_too = there & (j == n - 1) & (j >= e)
                    made += weight * tl.load(base + (n - 1 - e) * P * inner, mask=there_too, other=0.0)
    tl.store(g_x + (outer * n + j) * inner + within, made, mask=there)


@triton.jit(do_not_specialize=("lines", "n", "inner"))
def _filtered_weight_kernel(
    x, grad, partial, lines, n, inner, ROWS: tl.constexpr, P: tl.constexpr, T: tl.constexpr, B: tl.constexpr
):
    tap = tl.arange(0, 8)[:, None]
    even, odd = tl.zeros((8, B), tl.float32), tl.zeros((8, B), tl.float32)
    pieces = tl.cdiv(inner if ROWS else n, B)
    for piece in range(tl.program_id(0), lines * pieces, tl.num_programs(0)):
        v = piece % pieces * B + tl.arange(0, B)
        outer, i, within, there = _line(piece // pieces, v, n, inner, n, ROWS)
        seen = tl.minimum(tl.maximum(i[None, :] + tap - T // 2, 0), n - 1)
        value = tl.load(x + (outer * n + seen) * inner + within[None, :], mask=there[None, :] & (tap < T), other=0.0)
        place = grad + (outer * n + i) * P * inner + within
        even += value * tl.load(place, mask=there, other=0.0)[None, :]
        if P > 1:
            odd += value * tl.load(place + inner, mask=there, other=0.0)[None, :]
    to = partial + tl.program_id(0) * 16 + tl.arange(0, 8)
    tl.store(to, tl.sum(even, 1))
    tl.store(to + 8, tl.sum(odd, 1))


def filtered(x: Tensor, phases: Tensor, dim: int, out: Tensor | None = None) -> Tensor:
    """As `fused.filtered`."""
    x, phases, (count, taps), (channels, n, columns) = x.contiguous(), phases.contiguous(), phases.shape, x.shape
    shape = (channels, count * n, columns) if dim == 1 else (channels, n, count * columns)
    made, grid = x.new_empty(shape) if out is None else out, (channels * shape[1], triton.cdiv(shape[2], PIECE))
    along = (n, columns) if dim == 1 else (columns, 1)
    _filtered_kernel[grid](x, phases, made, *along, ROWS=dim == 1, P=count, T=taps, B=PIECE, num_warps=2)
    return made


def filtered_back(x: Tensor, phases: Tensor, dim: int, grad: Tensor) -> tuple[Tensor, Tensor]:
    """As `fused.filtered_back`."""
    partial = x.new_empty(_programs(x), 2, 8)
    return _back(x, phases, dim, grad, partial), partial.sum(0)[: len(phases), : phases.shape[1]]


def filtered_back_both(x: Tensor, tall: Tensor, phases: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """As `fused.filtered_back_both`."""
    partial = x.new_empty(_programs(x) + _programs(tall), 2, 8)
    g_tall = _back(tall, phases, 2, grad, partial[_programs(x) :])
    return _back(x, phases, 1, g_tall, partial), partial.sum(0)[: len(phases), : phases.shape[1]]


def _programs(x: Tensor) -> int:
    return min(4 * PROGRAMS, x.shape[0] * x.shape[1] * triton.cdiv(x.shape[2], PIECE))


def _back(x: Tensor, phases: Tensor, dim: int, grad: Tensor, partial: Tensor) -> Tensor:
    """The gradient of x; what each program has of that of the phases goes to `partial`."""
    x, phases, grad, (count, taps) = x.contiguous(), phases.contiguous(), grad.contiguous(), phases.shape
    (channels, n, columns), g_x = x.shape, torch.empty_like(x)
    along = (n, columns) if dim == 1 else (columns, 1)
    kind, lines, pieces = {"ROWS": dim == 1, "P": count, "T": taps, "B": PIECE}, channels * n, triton.cdiv(columns, PIECE)
    _filtered_input_kernel[(lines, pieces)](grad, phases, g_x, *along, **kind, num_warps=2)
    _filtered_weight_kernel[(_programs(x),)](x, grad, partial, lines, *along, **kind, num_warps=4)
    return g_x
