"""What `fused.py` does in C on a CPU, in Triton on a GPU: a layer, or a network forward and backward, in one kernel. The sums
of gradients come out the same from run to run.

Tiles are (rows, samples), and products of small matrices: sides are padded to powers of two. Programs walk over the samples
and keep gradients of the weights to themselves; torch adds them up.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

SAMPLES = 64  # of a tile
PIECE = 256  # of a line
PROGRAMS = 264  # that walk, at most: two for each multiprocessor of an H100
RATE: dict[str, int] = {}
RATE_PROGRAMS = PROGRAMS
LEAST = 16  # rows or columns that a product takes
CHUNK = 32  # rows of a 3x3 convolution's unfolded input at a time


def _side(*sizes: int) -> int:
    return max(LEAST, triton.next_power_of_2(max(sizes)))


def _programs(samples: int) -> int:
    return min(PROGRAMS, triton.cdiv(samples, SAMPLES))


@triton.jit
def _dot(a, b):
    """Three products of the matrix units, which make it nearly float32's."""
    return tl.dot(a, b, input_precision="tf32x3")


@triton.jit
def _rough(a, b):
    """One product: ten bits of each factor, which do for gradients."""
    return tl.dot(a, b, input_precision="tf32")


@triton.jit
def _matrix(address, rows, columns, row_stride, column_stride, R: tl.constexpr, C: tl.constexpr):
    """(R, C), zeros beyond rows and columns."""
    i, j = tl.arange(0, R)[:, None], tl.arange(0, C)[None, :]
    return tl.load(address + i * row_stride + j * column_stride, mask=(i < rows) & (j < columns), other=0.0)


@triton.jit
def _vector(address, size, stride, S: tl.constexpr):
    i = tl.arange(0, S)
    return tl.load(address + i * stride, mask=i < size, other=0.0)


@triton.jit
def _put(address, tile, R: tl.constexpr, C: tl.constexpr):
    tl.store(address + tl.arange(0, R)[:, None] * C + tl.arange(0, C)[None, :], tile)


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
    head_weights = _matrix(w1, width, inputs, 1, width, P, P)
    out = row[:, None]
    past = (out >= width) & (out < width + 2) & (row[None, :] < inputs)
    head_weights += tl.load(skip + row[None, :] * 2 + out - width, mask=past, other=0.0)
    second = _matrix(w2, width, width, width, 1, P, P)  # (in, out)
    bias1, bias2 = _vector(b1, width, 1, P), _vector(b2, width, 1, P)
    centre, scale = _vector(w3, width, 2, P), _vector(w3 + 1, width, 2, P)
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
        head = _rough(head_weights, x)
        h1 = tl.where(out < width, tl.maximum(head + bias1[:, None], 0.0), 0.0)
        h2 = tl.maximum(_rough(tl.trans(second), h1) + bias2[:, None], 0.0)
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
            g_second += _rough(h1, tl.trans(g_h2))
            g_head = tl.where(h1 > 0, _rough(second, g_h2), 0.0)
            g_bias1 += tl.sum(g_head, 1)
            g_head = tl.where(out == width, g0[None, :], tl.where(out == width + 1, g1[None, :], g_head))
            g_head_weights += _rough(g_head, tl.trans(x))
            g_x = _rough(tl.trans(head_weights), g_head)
            tl.store(g_inputs + row[:, None] * size + place[None, :], g_x, mask=(row < inputs)[:, None] & inside[None, :])
            tl.store(g_inputs + inputs * size + place, by_residual, mask=inside)
    to = partial + tl.program_id(0) * stride
    tl.store(to, tl.sum(total, 0))
    if NEEDS:
        tl.store(to + 1, tl.sum(g_bias_centre, 0))
        tl.store(to + 2, tl.sum(g_bias_scale, 0))
        _put(to + 4, g_head_weights, P, P)
        _put(to + 4 + P * P, g_second, P, P)
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
    side, count = _side(inputs, width + 2), min(RATE_PROGRAMS, (rows[1] - rows[0]) * triton.cdiv(columns, SAMPLES))
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
        **RATE,
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


@triton.jit
def _pointwise_kernel(
    x, w1, b1, w2, b2, skip, out, line, samples, levels, hidden, channels, L: tl.constexpr, H: tl.constexpr, B: tl.constexpr
):
    at = tl.program_id(0) * B + tl.arange(0, B)[None, :]
    level, channel = tl.arange(0, L)[:, None], tl.arange(0, 16)[:, None]
    here = tl.load(x + level * samples + at, mask=(level < levels) & (at < samples), other=0.0)
    h = _dot(_matrix(w1, hidden, levels, levels, 1, H, L), here) + _vector(b1, hidden, 1, H)[:, None]
    made = _dot(_matrix(w2, channels, hidden, hidden, 1, 16, H), tl.maximum(h, 0.0)) + _vector(b2, channels, 1, 16)[:, None]
    there = (channel < channels) & (at < samples)
    tl.store(out + channel * samples + at, made, mask=there)
    past = _dot(_matrix(skip, channels, levels, levels, 1, 16, L), here)
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
    first, bias = _matrix(w1, hidden, levels, levels, 1, H, L), _vector(b1, hidden, 1, H)[:, None]
    last, past = _matrix(w2, channels, hidden, hidden, 1, 16, H), _matrix(skip, channels, levels, levels, 1, 16, L)
    g_first, g_bias = tl.zeros((H, L), tl.float32), tl.zeros((H,), tl.float32)
    g_last, g_past = tl.zeros((16, H), tl.float32), tl.zeros((16, L), tl.float32)
    for begin in range(tl.program_id(0) * B, samples, tl.num_programs(0) * B):
        at = begin + tl.arange(0, B)[None, :]
        there = (level < levels) & (at < samples)
        here = tl.load(x + level * samples + at, mask=there, other=0.0)
        g = tl.load(grad + channel * samples + at, mask=(channel < channels) & (at < samples), other=0.0)
        g_line = tl.load(grad_line + channel * samples + at, mask=(channel < channels) & (at < samples), other=0.0)
        h = tl.maximum(_rough(first, here) + bias, 0.0)
        g_last += _rough(g, tl.trans(h))
        g_h = tl.where(h > 0, _rough(tl.trans(last), g), 0.0)
        g_bias += tl.sum(g_h, 1)
        g_first += _rough(g_h, tl.trans(here))
        g_past += _rough(g_line, tl.trans(here))
        tl.store(g_x + level * samples + at, _rough(tl.trans(first), g_h) + _rough(tl.trans(past), g_line), mask=there)
    to = partial + tl.program_id(0) * stride
    _put(to, g_first, H, L)
    _put(to + H * L, g_last, 16, H)
    _put(to + H * L + 16 * H, g_past, 16, L)
    tl.store(to + H * L + 16 * H + 16 * L + tl.arange(0, H), g_bias)


def pointwise(x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """As `fused.pointwise`."""
    x, weights = x.contiguous(), [weight.contiguous() for weight in weights]
    (levels, samples), hidden, channels = x.shape, len(weights[0]), len(weights[2])
    out, line = (x.new_empty(channels, samples) for _ in range(2))
    sizes = samples, levels, hidden, channels
    grid = (triton.cdiv(samples, SAMPLES),)
    _pointwise_kernel[grid](x, *weights, out, line, *sizes, L=_side(levels), H=_side(hidden), B=SAMPLES)
    return out, line


def pointwise_back(x: Tensor, weights: Sequence[Tensor], grad: Tensor, grad_line: Tensor) -> list[Tensor]:
    """As `fused.pointwise_back`."""
    x, grad, grad_line = x.contiguous(), grad.contiguous(), grad_line.contiguous()
    w1, b1, w2, _, skip = (weight.contiguous() for weight in weights)
    (levels, samples), hidden, channels = x.shape, len(w1), len(w2)
    h, l, count = _side(hidden), _side(levels), _programs(samples)  # noqa: E741
    parts = [h * l, LEAST * h, LEAST * l, h]
    g_x, partial = torch.empty_like(x), x.new_empty(count, sum(parts))
    sizes = samples, levels, hidden, channels, partial.stride(0)
    _pointwise_back_kernel[(count,)](x, w1, b1, w2, skip, grad, grad_line, g_x, partial, *sizes, L=l, H=h, B=SAMPLES)
    g_first, g_last, g_past, g_bias = partial.sum(0).split(parts)
    g_w1, g_w2 = g_first.view(h, l)[:hidden, :levels], g_last.view(-1, h)[:channels, :hidden]
    return [g_x, g_w1, g_bias[:hidden], g_w2, grad.sum(1), g_past.view(-1, l)[:channels, :levels]]


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
def _conv3x3_weight_kernel(x, grad, partial, inputs, outputs, rows, columns, K: tl.constexpr, B: tl.constexpr):
    """Rows of the unfolded input are (input, tap)."""
    channel, k = tl.arange(0, 16)[:, None], tl.program_id(1) * K + tl.arange(0, K)
    i, dy, dx = k // 9, k % 9 // 3 - 1, k % 3 - 1
    summed, size, known = tl.zeros((16, K), tl.float32), rows * columns, (i < inputs)[:, None]
    for r in range(tl.program_id(0), rows, tl.num_programs(0)):
        line = ((i * rows + tl.minimum(tl.maximum(r + dy, 0), rows - 1)) * columns)[:, None]
        for begin in range(0, columns, B):
            c = begin + tl.arange(0, B)[None, :]
            g = tl.load(grad + channel * size + r * columns + c, mask=(channel < outputs) & (c < columns), other=0.0)
            seen = tl.minimum(tl.maximum(c + dx[:, None], 0), columns - 1)
            summed += _rough(g, tl.trans(tl.load(x + line + seen, mask=known & (c < columns), other=0.0)))
    _put(partial + (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)) * 16 * K, summed, 16, K)


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As `fused.conv3x3`."""
    x, weight, (rows, columns) = x.contiguous(), weight.contiguous(), x.shape[2:]
    out, grid = x.new_empty(1, len(weight), rows, columns), (rows, triton.cdiv(columns, PIECE))
    given, sizes = x if bias is None else bias, (weight.shape[1], rows, columns)
    _conv3x3_kernel[grid](x, weight, given, out, *sizes, BIASED=bias is not None, OUTPUTS=len(weight), B=PIECE)
    return out


def conv3x3_back(x: Tensor, weight: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """As `fused.conv3x3_back`."""
    x, weight, grad, (rows, columns) = x.contiguous(), weight.contiguous(), grad.contiguous(), x.shape[2:]
    (outputs, inputs), g_x = weight.shape[:2], torch.empty_like(x)
    grid, side = (rows, triton.cdiv(columns, PIECE)), triton.next_power_of_2(inputs)
    _conv3x3_input_kernel[grid](weight, grad, g_x, inputs, rows, columns, OUTPUTS=outputs, SIDE=side, B=PIECE)
    count, chunks = min(2 * PROGRAMS, rows), triton.cdiv(9 * inputs, CHUNK)
    partial = x.new_empty(count, chunks, LEAST, CHUNK)
    _conv3x3_weight_kernel[(count, chunks)](x, grad, partial, inputs, outputs, rows, columns, K=CHUNK, B=SAMPLES)
    g_weight = partial.sum(0).transpose(0, 1).flatten(1)[:outputs, : 9 * inputs]
    return g_x, g_weight.reshape(weight.shape)


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
    x, phases, grad, (count, taps) = x.contiguous(), phases.contiguous(), grad.contiguous(), phases.shape
    (channels, n, columns), g_x = x.shape, torch.empty_like(x)
    along = (n, columns) if dim == 1 else (columns, 1)
    kind, lines, pieces = {"ROWS": dim == 1, "P": count, "T": taps, "B": PIECE}, channels * n, triton.cdiv(columns, PIECE)
    _filtered_input_kernel[(lines, pieces)](grad, phases, g_x, *along, **kind, num_warps=2)
    programs = min(4 * PROGRAMS, lines * pieces)
    partial = x.new_empty(programs, 2, 8)
    _filtered_weight_kernel[(programs,)](x, grad, partial, lines, *along, **kind, num_warps=4)
    return g_x, partial.sum(0)[:count, :taps]


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


@triton.jit
def _orthonormal_kernel(x, out, n, S: tl.constexpr):
    """Householder's reflections, of columns scaled by their largest value."""
    i, j = tl.arange(0, S)[:, None], tl.arange(0, S)[None, :]
    row = tl.arange(0, S)
    place = tl.program_id(0) * n * n + i * n + j
    inside = (i < n) & (j < n)
    a = tl.load(x + place, mask=inside, other=0.0)
    largest = tl.max(tl.abs(a), 0)[None, :]
    a = a / tl.where(largest > 0, largest, 1.0)
    q = tl.where(i == j, 1.0, 0.0)
    for k in range(n):
        v = tl.sum(tl.where((j == k) & (i >= k), a, 0.0), 1)
        head = tl.sum(tl.where(row == k, v, 0.0), 0)
        norm = tl.sqrt(tl.sum(v * v, 0))
        v += tl.where(row == k, tl.where(head < 0, -norm, norm), 0.0)
        square = tl.sum(v * v, 0)
        twice = tl.where(square > 0, 2 / tl.where(square > 0, square, 1.0), 0.0)
        a -= v[:, None] * (twice * tl.sum(v[:, None] * a, 0))[None, :]
        q -= (twice * tl.sum(q * v[None, :], 1))[:, None] * v[None, :]
    tl.store(out + place, q, mask=inside)


def orthonormal(x: Tensor) -> Tensor:
    """As `fused.orthonormal`, (count, n, n)."""
    x, out = x.contiguous(), torch.empty_like(x)
    _orthonormal_kernel[(len(x),)](x, out, x.shape[1], S=_side(x.shape[1]), num_warps=8)
    return out
