"""Convolutional synthesis: features of the upsampled pyramid to pixels.

A 1x1 network with one hidden layer and a linear path beside it, then 3x3 residual convolutions in pixel space (COOL-CHIC
v2, Leguay et al. 2023; the linear path: Cool-chic 5.0).
"""

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

PIECE = 16384  # pixels that a CPU takes at a time
RESIDUALS = 2  # 3x3 convolutions
HALO = RESIDUALS  # rows that a band needs beyond its own


def init_synthesis(levels: int, hidden: int, channels: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Fresh tensors by their names on the wire."""

    def uniform(rows: int, columns: int) -> Tensor:
        bound = columns**-0.5
        return (torch.rand(rows, columns, generator=generator) * 2 - 1) * bound

    tensors = {
        "synthesis.hidden.weight": uniform(hidden, levels) / hidden**0.5,
        "synthesis.hidden.bias": torch.zeros(hidden),
        "synthesis.pixel.weight": uniform(channels, hidden) / channels**2,
        "synthesis.pixel.bias": torch.zeros(channels),
        "synthesis.skip.weight": uniform(channels, levels) / channels**2,
    }
    for i in range(RESIDUALS):
        tensors[f"synthesis.residual{i}.weight"] = torch.zeros(channels, channels, 3, 3)
        tensors[f"synthesis.residual{i}.bias"] = torch.zeros(channels)
    return tensors


class _Pointwise(Function):
    """w2 relu(w1 x + b1) + b2 + skip x over (levels, n), in pieces that stay in cache; the hidden layer is not kept."""

    @staticmethod
    def forward(ctx, x, w1, b1, w2, b2, skip, piece):
        ctx.save_for_backward(x, w1, b1, w2, skip)
        ctx.piece = piece
        out = x.new_empty(len(w2), x.shape[1])
        for i in range(0, x.shape[1], piece):
            here = x[:, i : i + piece]
            hidden = torch.relu_(torch.addmm(b1[:, None], w1, here))
            out[:, i : i + piece] = torch.addmm(b2[:, None], w2, hidden).addmm_(skip, here)
        return out

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        x, w1, b1, w2, skip = ctx.saved_tensors
        g_x, g_w1, g_b1, g_w2, g_skip = (torch.zeros_like(t) for t in (x, w1, b1, w2, skip))
        ones = x.new_ones(ctx.piece)
        for i in range(0, x.shape[1], ctx.piece):
            here, g = x[:, i : i + ctx.piece], grad[:, i : i + ctx.piece]
            hidden = torch.relu_(torch.addmm(b1[:, None], w1, here))
            g_w2.addmm_(g, hidden.t())
            g_hidden = w2.t() @ g
            torch.ops.aten.threshold_backward.grad_input(g_hidden, hidden, 0, grad_input=g_hidden)
            g_w1.addmm_(g_hidden, here.t())
            g_b1.addmv_(g_hidden, ones[: here.shape[1]])
            g_skip.addmm_(g, here.t())
            g_x[:, i : i + ctx.piece] = torch.addmm(skip.t() @ g, w1.t(), g_hidden)
        return g_x, g_w1, g_b1, g_w2, grad.sum(1), g_skip, None


def synthesize(features: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """(levels, height, width) -> (channels, height, width), near [0, 1] but not clipped."""
    get = lambda name: tensors[f"synthesis.{name}"]  # noqa: E731
    piece = PIECE if features.device.type == "cpu" else features[0].numel()
    weights = (get("hidden.weight"), get("hidden.bias"), get("pixel.weight"), get("pixel.bias"), get("skip.weight"))
    flat = _Pointwise.apply(features.flatten(1), *weights, piece)
    x: Tensor = flat.view(-1, *features.shape[1:])  # pyright: ignore[reportAttributeAccessIssue]
    return residuals(x, tensors)


class _Conv3x3(Function):
    """`conv2d` of the padded (c, h + 2, w + 2) with (c', c, 3, 3), as one matrix product per piece that stays in cache.

    For three channels this takes a fifth of oneDNN's time. The last two columns of each padded row are computed in vain.
    """

    @staticmethod
    def forward(ctx, padded, weight, bias, piece):
        c, rows, columns = padded.shape
        n = (rows - 2) * columns - 2  # from the first output to the last, in the padded layout
        flat, matrix = padded.reshape(c, -1), weight.flatten(1)
        out = padded.new_zeros(len(weight), (rows - 2) * columns)
        for i in range(0, n, piece):
            j = min(i + piece, n)
            out[:, i:j] = torch.addmm(bias[:, None], matrix, _windows(flat, i, j, columns))
        ctx.save_for_backward(flat, matrix)
        ctx.geometry = (rows, columns, n, piece)
        return out.view(len(weight), rows - 2, columns)[:, :, :-2]

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        flat, matrix = ctx.saved_tensors
        rows, columns, n, piece = ctx.geometry
        g = F.pad(grad, (0, 2)).flatten(1)
        g_flat, g_matrix = torch.zeros_like(flat), torch.zeros_like(matrix)
        for i in range(0, n, piece):
            j = min(i + piece, n)
            g_matrix.addmm_(g[:, i:j], _windows(flat, i, j, columns).t())
            g_x = (matrix.t() @ g[:, i:j]).view(len(flat), 9, -1)
            for k in range(9):
                at = i + k // 3 * columns + k % 3
                g_flat[:, at : at + j - i] += g_x[:, k]
        g_weight = g_matrix.view(-1, len(flat), 3, 3)
        return g_flat.view(len(flat), rows, columns), g_weight, grad.sum((1, 2)), None


def _windows(flat: Tensor, i: int, j: int, columns: int) -> Tensor:
    """The 3x3 neighbourhoods (9 c, j - i) of positions i ... j of `flat` (c, rows * columns)."""
    view = flat.as_strided((len(flat), 3, 3, j - i), (flat.stride(0), columns, 1, 1), flat.storage_offset() + i)
    return view.reshape(9 * len(flat), j - i)


def residuals(x: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """The 3x3 convolutions on (channels, height, width): x + conv(x) twice, with a ReLU between."""
    piece = PIECE if x.device.type == "cpu" else x[0].numel()
    for i in range(RESIDUALS):
        padded = F.pad(x[None], (1, 1, 1, 1), mode="replicate")[0]
        weight, bias = tensors[f"synthesis.residual{i}.weight"], tensors[f"synthesis.residual{i}.bias"]
        x = x + _Conv3x3.apply(padded, weight, bias, piece)  # pyright: ignore[reportOperatorIssue]
        x = torch.relu(x) if i < RESIDUALS - 1 else x
    return x


def synthesis_graph(tensors: dict[str, Tensor]) -> Tensor:
    """`synthesize` as a decoder graph: features (1, levels, height, width) -> (1, channels, height, width)."""
    get = lambda name: tensors[f"synthesis.{name}"]  # noqa: E731
    one_by_one = lambda x, weight, bias=None: F.conv2d(x, weight[:, :, None, None], bias)  # noqa: E731
    features = tensors["features"]
    hidden = torch.relu(one_by_one(features, get("hidden.weight"), get("hidden.bias")))
    x = one_by_one(hidden, get("pixel.weight"), get("pixel.bias")) + one_by_one(features, get("skip.weight"))
    for i in range(RESIDUALS):
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        x = x + F.conv2d(padded, get(f"residual{i}.weight"), get(f"residual{i}.bias"))
        x = torch.relu(x) if i < RESIDUALS - 1 else x
    return x
