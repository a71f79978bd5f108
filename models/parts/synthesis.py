"""Convolutional synthesis: features of the upsampled pyramid to pixels.

A 1x1 network with one hidden layer, then 3x3 residual convolutions in pixel space (COOL-CHIC v2, Leguay et al. 2023), and a
linear path from the features past both (Cool-chic 5.0).
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
    """w2 relu(w1 x + b1) + b2 and skip x over (levels, n), in pieces that stay in cache; the hidden layer is not kept."""

    @staticmethod
    def forward(ctx, x, w1, b1, w2, b2, skip, piece):
        ctx.save_for_backward(x, w1, b1, w2, skip)
        ctx.piece = piece
        out, line = (x.new_empty(len(w2), x.shape[1]) for _ in range(2))
        for i in range(0, x.shape[1], piece):
            here = x[:, i : i + piece]
            hidden = torch.relu_(torch.addmm(b1[:, None], w1, here))
            out[:, i : i + piece] = torch.addmm(b2[:, None], w2, hidden)
            line[:, i : i + piece] = skip @ here
        return out, line

    @staticmethod
    def backward(ctx, grad, grad_line):  # pyright: ignore[reportIncompatibleMethodOverride]
        x, w1, b1, w2, skip = ctx.saved_tensors
        g_x, g_w1, g_b1, g_w2, g_skip = (torch.zeros_like(t) for t in (x, w1, b1, w2, skip))
        ones = x.new_ones(ctx.piece)
        for i in range(0, x.shape[1], ctx.piece):
            here, g, g_line = (t[:, i : i + ctx.piece] for t in (x, grad, grad_line))
            hidden = torch.relu_(torch.addmm(b1[:, None], w1, here))
            g_w2.addmm_(g, hidden.t())
            g_hidden = w2.t() @ g
            torch.ops.aten.threshold_backward.grad_input(g_hidden, hidden, 0, grad_input=g_hidden)
            g_w1.addmm_(g_hidden, here.t())
            g_b1.addmv_(g_hidden, ones[: here.shape[1]])
            g_skip.addmm_(g_line, here.t())
            g_x[:, i : i + ctx.piece] = torch.addmm(skip.t() @ g_line, w1.t(), g_hidden)
        return g_x, g_w1, g_b1, g_w2, grad.sum(1), g_skip, None


def synthesize(features: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """(levels, height, width) -> (channels, height, width), near [0, 1] but not clipped."""
    get = lambda name: tensors[f"synthesis.{name}"]  # noqa: E731
    piece = PIECE if features.device.type == "cpu" else features[0].numel()
    weights = (get("hidden.weight"), get("hidden.bias"), get("pixel.weight"), get("pixel.bias"), get("skip.weight"))
    both: tuple[Tensor, Tensor] = _Pointwise.apply(features.flatten(1), *weights, piece)  # pyright: ignore[reportAssignmentType]
    x, line = (flat.view(-1, *features.shape[1:]) for flat in both)
    return residuals(x[None], tensors)[0] + line


class _Conv3x3(Function):
    """`conv2d` of the padded (1, c, h + 2, w + 2) with (c', c, 3, 3), with a backward pass for few channels.

    For three channels it takes a fifth of oneDNN's: the input's gradient is a convolution again, the weights' are nine
    products of shifted flat views.
    """

    @staticmethod
    def forward(ctx, padded, weight, bias):
        ctx.save_for_backward(padded, weight)
        return F.conv2d(padded, weight, bias)

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        padded, weight = ctx.saved_tensors
        columns = padded.shape[3]
        g_padded = F.conv2d(F.pad(grad, (2, 2, 2, 2)), weight.flip(2, 3).transpose(0, 1))
        flat, g = padded[0].flatten(1), F.pad(grad[0], (0, 2)).flatten(1)[:, :-2]  # rows as long as the padded ones
        n = g.shape[1]
        shifts = [row * columns + column for row in range(3) for column in range(3)]
        g_weight = torch.stack([g @ flat[:, shift : shift + n].t() for shift in shifts], -1)
        return g_padded, g_weight.view(weight.shape), grad.sum((0, 2, 3))


def residuals(x: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """The 3x3 convolutions on (1, channels, height, width): x + conv(x) twice, with a ReLU between."""
    for i in range(RESIDUALS):
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        x = x + conv3x3(padded, tensors[f"synthesis.residual{i}.weight"], tensors[f"synthesis.residual{i}.bias"])
        x = torch.relu(x) if i < RESIDUALS - 1 else x
    return x


def conv3x3(padded: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`conv2d`; a graph gets the plain one."""
    if torch.compiler.is_exporting():
        return F.conv2d(padded, weight, bias)
    return _Conv3x3.apply(padded, weight, bias)  # pyright: ignore[reportReturnType]


def synthesis_graph(tensors: dict[str, Tensor]) -> Tensor:
    """`synthesize` as a decoder graph: features (1, levels, height, width) -> (1, channels, height, width)."""
    get = lambda name: tensors[f"synthesis.{name}"]  # noqa: E731
    one_by_one = lambda x, weight, bias=None: F.conv2d(x, weight[:, :, None, None], bias)  # noqa: E731
    features = tensors["features"]
    hidden = torch.relu(one_by_one(features, get("hidden.weight"), get("hidden.bias")))
    x = one_by_one(hidden, get("pixel.weight"), get("pixel.bias"))
    return residuals(x, tensors) + one_by_one(features, get("skip.weight"))
