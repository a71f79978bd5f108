"""Bits of latents by the context model, and all gradients: a network forward and backward in one kernel."""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .tiles import PROGRAMS, SAMPLES, matrix, put, rough, side_of, vector


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
    # (out, in): the hidden layer, and the linear path as two more outputs
    head_weights = matrix(w1, width, inputs, 1, width, P, P)
    out = row[:, None]
    past = (out >= width) & (out < width + 2) & (row[None, :] < inputs)
    head_weights += tl.load(skip + row[None, :] * 2 + out - width, mask=past, other=0.0)
    second = matrix(w2, width, width, width, 1, P, P)  # (in, out)
    bias1, bias2 = vector(b1, width, 1, P), vector(b2, width, 1, P)
    centre, scale = vector(w3, width, 2, P), vector(w3 + 1, width, 2, P)
    bias_centre, bias_scale = tl.load(b3), tl.load(b3 + 1)
    offset = tl.load(offsets + row, mask=row < n_near, other=0)[:, None]
    is_near = (row < n_near)[:, None]
    feature = tl.minimum(row, inputs - 1)[:, None] - n_near  # rows beyond the inputs meet weights of zero
    source = tl.where(is_near, near + offset, features + feature * feature_size)
    total = tl.zeros((B,), tl.float32)
    g_head_weights, g_second = tl.zeros((P, P), tl.float32), tl.zeros((P, P), tl.float32)
    g_bias1, g_bias2 = tl.zeros((P,), tl.float32), tl.zeros((P,), tl.float32)
    g_centre, g_scale = tl.zeros((P,), tl.float32), tl.zeros((P,), tl.float32)
    g_bias_centre, g_bias_scale = tl.zeros((B,), tl.float32), tl.zeros((B,), tl.float32)
    pieces = tl.cdiv(columns, B)
    for piece in range(tl.program_id(0), (bottom - top) * pieces, tl.num_programs(0)):
        r, c = top + piece // pieces, piece % pieces * B + tl.arange(0, B)
        inside, c = c < columns, tl.minimum(c, columns - 1)
        place = r * columns + c
        i = plane + place
        at = (r // CELL) * feature_columns + c // CELL
        x = tl.load(source + tl.where(is_near, i[None, :], at[None, :]))
        head = rough(head_weights, x)
        h1 = tl.where(out < width, tl.maximum(head + bias1[:, None], 0.0), 0.0)
        h2 = tl.maximum(rough(tl.trans(second), h1) + bias2[:, None], 0.0)
        mu = tl.sum(centre[:, None] * h2 + tl.where(out == width, head, 0.0), 0) + bias_centre
        log2_scale = tl.sum(scale[:, None] * h2 + tl.where(out == width + 1, head, 0.0), 0) + bias_scale
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
            g_centre += tl.sum(h2 * g0[None, :], 1)
            g_scale += tl.sum(h2 * g1[None, :], 1)
            g_bias_centre += g0
            g_bias_scale += g1
            g_h2 = tl.where(h2 > 0, centre[:, None] * g0[None, :] + scale[:, None] * g1[None, :], 0.0)
            g_bias2 += tl.sum(g_h2, 1)
            g_second += rough(h1, tl.trans(g_h2))
            g_head = tl.where(h1 > 0, rough(second, g_h2), 0.0)
            g_bias1 += tl.sum(g_head, 1)
            g_head = tl.where(out == width, g0[None, :], tl.where(out == width + 1, g1[None, :], g_head))
            g_head_weights += rough(g_head, tl.trans(x))
            g_x = rough(tl.trans(head_weights), g_head)
            tl.store(g_inputs + row[:, None] * size + place[None, :], g_x, mask=(row < inputs)[:, None] & inside[None, :])
            tl.store(g_inputs + inputs * size + place, by_residual, mask=inside)
    to = partial + tl.program_id(0) * stride
    tl.store(to, tl.sum(total, 0))
    if NEEDS:
        tl.store(to + 1, tl.sum(g_bias_centre, 0))
        tl.store(to + 2, tl.sum(g_bias_scale, 0))
        put(to + 4, g_head_weights, P, P)
        put(to + 4 + P * P, g_second, P, P)
        rest = to + 4 + 2 * P * P + row
        tl.store(rest, g_bias1)
        tl.store(rest + P, g_bias2)
        tl.store(rest + 2 * P, g_centre)
        tl.store(rest + 3 * P, g_scale)


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
    side, count = side_of(inputs, width + 2), min(PROGRAMS, (rows[1] - rows[0]) * triton.cdiv(columns, SAMPLES))
    where = _constant(tuple(offsets), latents.device)
    g_inputs = latents.new_empty(inputs + 1, size) if gradients else latents
    partial = latents.new_empty(count, 4 + 2 * side * side + 4 * side)
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
        wide = g_inputs[n_near:inputs].view(len(features), -1, columns)
        wide[:, : rows[0]], wide[:, rows[1] :] = 0, 0
        cells = wide.view(len(features), features.shape[1], cell, features.shape[2], cell)
        g_features.add_(cells.sum((2, 4)))
    square = side * side
    head, second = (each.view(side, side) for each in total[4:].split([square, square, 4 * side])[:2])
    g_b1, g_b2, g_centre, g_scale = total[4 + 2 * square :].view(4, side)[:, :width]
    head = head[:, :inputs].t()
    g_w3 = torch.stack([g_centre, g_scale], 1)
    return total[0], [head[:, :width], g_b1, second[:width, :width], g_b2, g_w3, total[1:3], head[:, width : width + 2]]


_constants: dict[tuple[tuple[int, ...], torch.device], Tensor] = {}


def _constant(values: tuple[int, ...], device: torch.device) -> Tensor:
    """Kept, for it must not be copied to the device within a step that is recorded."""
    if (key := (values, device)) not in _constants:
        _constants[key] = torch.tensor(values, dtype=torch.int32, device=device)
    return _constants[key]
