"""Bits of latents by the context model, and all gradients: a network forward and backward in one kernel."""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .tiles import LEAST, PROGRAMS, SAMPLES, dot, matrix, put, rounded, side_of, vector


@triton.jit
def _rate_kernel(
    latents,
    near,
    features,
    mask,
    offsets,
    w1,
    b1,
    w2,
    b2,
    w3,
    b3,
    skip,
    g_inputs,
    partial,
    plane,
    top,
    bottom,
    size,
    columns,
    feature_columns,
    feature_size,
    n_near,
    inputs,
    width,
    scale_min,
    scale_max,
    stride,
    NEEDS: tl.constexpr,
    CELL: tl.constexpr,
    P: tl.constexpr,
    B: tl.constexpr,
):
    row = tl.arange(0, P)
    # (out, in): the hidden layer, and the linear path as two more outputs; biases are weights of one more input, which is 1
    head_weights = matrix(w1, width, inputs, 1, width, P, P)
    out, into = row[:, None], row[None, :]
    past, one = (out >= width) & (out < width + 2), into == inputs
    head_weights += tl.load(skip + into * 2 + out - width, mask=past & (into < inputs), other=0.0)
    head_weights += tl.load(b1 + out + 0 * into, mask=(out < width) & one, other=0.0)
    head_weights += tl.load(b3 + out - width + 0 * into, mask=past & one, other=0.0)
    second = matrix(w2, width, width, width, 1, P, P)  # (in, out)
    second += tl.load(b2 + into + 0 * out, mask=(out == width) & (into < width), other=0.0)
    head_weights, second = rounded(head_weights), rounded(second)
    centre, scale = vector(w3, width, 2, P), vector(w3 + 1, width, 2, P)
    offset = tl.load(offsets + row, mask=row < n_near, other=0)[:, None]
    is_near = (row < n_near)[:, None]
    feature = tl.minimum(row, inputs - 1)[:, None] - n_near  # rows beyond the inputs meet weights of zero
    source = tl.where(is_near, near + offset, features + feature * feature_size)
    total = tl.zeros((B,), tl.float32)
    g_head_weights, g_second = tl.zeros((P, P), tl.float32), tl.zeros((P, P), tl.float32)
    g_last, last = tl.zeros((16, P), tl.float32), tl.arange(0, 16)[:, None]
    pieces = tl.cdiv(columns, B)
    for piece in range(tl.program_id(0), (bottom - top) * pieces, tl.num_programs(0)):
        r, c = top + piece // pieces, piece % pieces * B + tl.arange(0, B)
        inside, c = c < columns, tl.minimum(c, columns - 1)
        place = r * columns + c
        i = plane + place
        at = (r // CELL) * feature_columns + c // CELL
        x = rounded(tl.where(out == inputs, 1.0, tl.load(source + tl.where(is_near, i[None, :], at[None, :]))))
        head = dot(head_weights, x)
        h1 = rounded(tl.where(out < width, tl.maximum(head, 0.0), tl.where(out == width, 1.0, 0.0)))
        h2 = tl.maximum(dot(tl.trans(second), h1), 0.0)
        mu = tl.sum(centre[:, None] * h2 + tl.where(out == width, head, 0.0), 0)
        log2_scale = tl.sum(scale[:, None] * h2 + tl.where(out == width + 1, head, 0.0), 0)
        log2_scale = tl.minimum(tl.maximum(log2_scale, scale_min), scale_max)
        weight = tl.load(mask + i, mask=inside, other=0.0)
        residual = tl.load(latents + i) - mu
        b = tl.exp2(log2_scale)
        right, left = tl.abs(residual) + 0.5, tl.abs(residual) - 0.5
        upper, lower = tl.exp(-right / b), tl.exp(-tl.abs(left) / b)
        p = tl.where(left > 0, 0.5 * (lower - upper), 1 - 0.5 * (lower + upper))
        p = tl.maximum(p, 1.52587890625e-05)  # rates.PROBABILITY_MIN
        total -= tl.log2(p) * weight
        if NEEDS:
            per_bit = -0.7213475204444817 / (b * p) * weight  # -1 / (2 ln 2)
            by_residual = per_bit * (upper - lower) * tl.where(residual > 0, 1.0, -1.0)
            g1 = per_bit * (left * lower - right * upper) * 0.6931471805599453
            g0 = -by_residual
            g_out = tl.where(last == 0, g0[None, :], tl.where(last == 1, g1[None, :], 0.0))
            g_last += dot(rounded(g_out), tl.trans(rounded(h2)))
            g_h2 = rounded(tl.where(h2 > 0, centre[:, None] * g0[None, :] + scale[:, None] * g1[None, :], 0.0))
            g_second += dot(h1, tl.trans(g_h2))
            g_head = tl.where(h1 > 0, dot(second, g_h2), 0.0)
            g_head = rounded(tl.where(out == width, g0[None, :], tl.where(out == width + 1, g1[None, :], g_head)))
            g_head_weights += dot(g_head, tl.trans(x))
            g_x = dot(tl.trans(head_weights), g_head)
            tl.store(g_inputs + row[:, None] * size + place[None, :], g_x, mask=(row < inputs)[:, None] & inside[None, :])
            tl.store(g_inputs + inputs * size + place, by_residual, mask=inside)
    to = partial + tl.program_id(0) * stride
    tl.store(to, tl.sum(total, 0))
    if NEEDS:
        put(to + 4, g_head_weights, P, P)
        put(to + 4 + P * P, g_second, P, P)
        put(to + 4 + 2 * P * P, g_last, 16, P)


@triton.jit
def _gather_kernel(g_latents, g_inputs, offsets, total, plane, start, stop, size, n_near, inputs, B: tl.constexpr):
    """What each latent gets as itself, and as a neighbour."""
    j = tl.program_id(0) * B + tl.arange(0, B)
    there = j < total
    summed = tl.load(g_latents + j, mask=there, other=0.0)
    summed += tl.load(g_inputs + inputs * size + j - plane, mask=there & (j >= start) & (j < stop), other=0.0)
    for k in range(n_near):
        i = j - tl.load(offsets + k)
        summed += tl.load(g_inputs + k * size + i - plane, mask=there & (i >= start) & (i < stop), other=0.0)
    tl.store(g_latents + j, summed, mask=there)


@triton.jit
def _cells_kernel(g_features, g_inputs, cells, columns, top, bottom, size, n_near, CELL: tl.constexpr, B: tl.constexpr):
    """What each cell's feature gets from the latents within."""
    at, feature = tl.program_id(0) * B + tl.arange(0, B), tl.program_id(1)
    there, row, column = at < cells, at // columns, at % columns
    summed = tl.load(g_features + feature * cells + at, mask=there, other=0.0)
    for dy in tl.static_range(CELL):
        r = CELL * row + dy
        for dx in tl.static_range(CELL):
            place = (n_near + feature) * size + (r * columns + column) * CELL + dx
            summed += tl.load(g_inputs + place, mask=there & (r >= top) & (r < bottom), other=0.0)
    tl.store(g_features + feature * cells + at, summed, mask=there)


def rate(
    latents: Tensor,
    near: Tensor,
    features: Tensor,
    cell: int,
    mask: Tensor,
    plane: int,
    rows: tuple[int, int],
    offsets: Sequence[int],
    weights: Sequence[Tensor],
    log2_scales: tuple[float, float],
    gradients: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, list[Tensor]]:
    """As `fused.rate`; the bits are a tensor, so that nothing waits for them."""
    features, weights = features.contiguous(), [weight.contiguous() for weight in weights]
    (inputs, width), n_near, columns = weights[0].shape, len(offsets), cell * features.shape[2]
    start, stop, size = plane + rows[0] * columns, plane + rows[1] * columns, columns * cell * features.shape[1]
    side, count = side_of(inputs + 1, width + 2), min(PROGRAMS, (rows[1] - rows[0]) * triton.cdiv(columns, SAMPLES))
    where = _constant(tuple(offsets), latents.device)
    g_inputs = latents.new_empty(inputs + 1, size) if gradients else latents
    partial = latents.new_empty(count, 4 + (2 * side + LEAST) * side)
    _rate_kernel[(count,)](
        *(latents, near, features if len(features) else near, mask, where, *weights, g_inputs, partial),
        *(plane, *rows, size, columns, features.shape[2], features.shape[1] * features.shape[2] if len(features) else 0),
        *(n_near, inputs, width, *log2_scales, partial.stride(0)),
        NEEDS=gradients is not None,
        CELL=cell,
        P=side,
        B=SAMPLES,
    )
    if not gradients:
        return partial[:, 0].sum(), []
    total = partial.sum(0)
    g_latents, g_features = gradients
    grid = (triton.cdiv(len(latents), 512),)
    _gather_kernel[grid](
        g_latents, g_inputs, where, len(latents), plane, start, stop, size, n_near, inputs, B=512, num_warps=4
    )
    if len(features):
        cells = features[0].numel()
        grid = (triton.cdiv(cells, 512), len(features))
        _cells_kernel[grid](g_features, g_inputs, cells, features.shape[2], *rows, size, n_near, CELL=cell, B=512)
    head, second, last = total[4:].view(-1, side).split([side, side, LEAST])
    g_w1, g_skip = head[: width + 2, :inputs].t().split([width, 2], 1)
    g_b1, g_b3 = head[: width + 2, inputs].split([width, 2])
    return total[0], [g_w1, g_b1, second[:width, :width], second[width, :width], last[:2, :width].t(), g_b3, g_skip]


_constants: dict[tuple[tuple[int, ...], torch.device], Tensor] = {}


def _constant(values: tuple[int, ...], device: torch.device) -> Tensor:
    """Kept, for it must not be copied to the device within a step that is recorded."""
    if (key := (values, device)) not in _constants:
        _constants[key] = torch.tensor(values, dtype=torch.int32, device=device)
    return _constants[key]
