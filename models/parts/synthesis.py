"""Convolutional synthesis: features of the upsampled pyramid to pixels.

`beside`, in a fast form: a 1x1 network with one hidden layer, then 3x3 residual convolutions in pixel space (COOL-CHIC v2,
Leguay et al. 2023), and a linear path from the features past both (Cool-chic 5.0). `convolutions`: any layers in a row.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from ...runtime.profile import Dimension, Entry
from .. import fused
from ..method import Graph, Tensors

PIECE = 16384  # pixels that a CPU takes at a time
RESIDUALS = 2  # 3x3 convolutions
# What grids for colour add to red, green and blue at first: BT.601's weights of Cb and Cr, as large as others' random ones.
CHROMA = 0.0774 * torch.tensor([[-0.17, -0.33, 0.5], [0.5, -0.42, -0.08]])
MIXED = 0.3  # what mixed features add to their channel at first


@dataclass(frozen=True)
class Synthesis:
    """`image(features, tensors)` makes (channels, height, width), near [0, 1] but not clipped, of (levels, height, width).

    `entries` are its tensors on the wire, and `start(number, generator)` fresh ones, `number` saying what a size is. Of them
    "synthesis.pixel" is the layer that first has pixels. `halo`: rows that a band needs beyond its own.
    """

    image: Callable[[Tensor, Tensors], Tensor]
    graph: Graph
    entries: tuple[Entry, ...]
    start: Callable[[Callable[[Dimension], int], torch.Generator], Tensors]
    halo: int


def as_it_is(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class Conv:
    """A layer of as many `channels`, of 1x1 filters or `side` 3, then a function; a `residual` one adds what it was given."""

    name: str
    channels: Dimension
    side: int = 1
    after: Callable[[Tensor], Tensor] = as_it_is
    residual: bool = False

    def __call__(self, x: Tensor, tensors: Tensors) -> Tensor:
        """(1, c, height, width) -> (1, c', height, width); edges repeat."""
        weight, bias = (tensors[f"synthesis.{self.name}.{kind}"] for kind in ("weight", "bias"))
        y = F.conv2d(x, weight[:, :, None, None], bias) if self.side == 1 else conv3x3(x, weight, bias)
        return self.after(x + y if self.residual else y)


def convolutions(name: str, levels: int, *layers: Conv) -> Synthesis:
    """Layers in a row; as a graph they are called `name`. Residual ones start as zeros."""
    weights: list[Entry] = []
    before: Dimension = levels
    for layer in layers:
        sides = () if layer.side == 1 else (layer.side, layer.side)
        weights.append((f"synthesis.{layer.name}.weight", (layer.channels, before, *sides), "synthesis.weight"))
        before = layer.channels
    biases = [(f"synthesis.{layer.name}.bias", (layer.channels,), "synthesis.bias") for layer in layers]
    entries = (*weights, *biases)

    def start(number: Callable[[Dimension], int], generator: torch.Generator) -> Tensors:
        tensors = {}
        for layer, (weight, dimensions, _), (bias, _, _) in zip(layers, weights, biases):
            shape = [number(dimension) for dimension in dimensions]
            bound = 0.0 if layer.residual else (shape[1] * layer.side**2) ** -0.5
            tensors |= {weight: (torch.rand(shape, generator=generator) * 2 - 1) * bound, bias: torch.zeros(shape[0])}
        tensors["synthesis.pixel.weight"] /= number("channels") ** 2
        return tensors

    def run(tensors: Tensors) -> Tensor:
        x = tensors["features"]
        for layer in layers:
            x = layer(x, tensors)
        return x

    return Synthesis(
        lambda features, tensors: run({**tensors, "features": features[None]})[0],
        graph_of(name, run, levels, start(lambda d: 3 if d == "channels" else int(d), torch.Generator()), entries),
        entries,
        start,
        sum(layer.side // 2 for layer in layers),
    )


def beside(levels: int, hidden: Dimension, colour: tuple[int, ...] = (), mixed: int = 0) -> Synthesis:
    """One hidden layer, residual convolutions, and the linear path; one graph for all numbers of levels, or of grids, where
    those at the places `colour` are for it, and the last so many are `mixed`; the path is a group of its own then."""
    entries: tuple[Entry, ...] = (
        ("synthesis.hidden.weight", (hidden, levels), "synthesis.weight"),
        ("synthesis.pixel.weight", ("channels", hidden), "synthesis.weight"),
        ("synthesis.skip.weight", ("channels", levels), "synthesis.skip" if mixed else "synthesis.weight"),
        *((f"synthesis.residual{i}.weight", ("channels", "channels", 3, 3), "synthesis.weight") for i in range(RESIDUALS)),
        ("synthesis.hidden.bias", (hidden,), "synthesis.bias"),
        ("synthesis.pixel.bias", ("channels",), "synthesis.bias"),
        *((f"synthesis.residual{i}.bias", ("channels",), "synthesis.bias") for i in range(RESIDUALS)),
    )
    graph = graph_of("synthesis", synthesis_graph, levels, init_synthesis(levels, 12, 3, torch.Generator()), entries)
    for name, axis in (("features", 1), ("synthesis.hidden.weight", 1), ("synthesis.skip.weight", 1)):
        graph.dynamic[name][axis] = "levels"

    def start(number: Callable[[Dimension], int], generator: torch.Generator) -> Tensors:
        return init_synthesis(levels, number(hidden), number("channels"), generator, colour, mixed)

    return Synthesis(synthesize, graph, entries, start, RESIDUALS)


def graph_of(
    name: str, function: Callable[[Tensors], Tensor], levels: int, tensors: Tensors, entries: Iterable[Entry]
) -> Graph:
    """A decoder graph of features (1, levels, height, width) and `tensors`, to (1, channels, height, width)."""
    dynamic = {entry: {i: d for i, d in enumerate(dimensions) if isinstance(d, str)} for entry, dimensions, _ in entries}
    features = torch.zeros(1, levels, 48, 80)
    return Graph(
        name, function, {"features": features, **tensors}, dynamic | {"features": {2: "height", 3: "width"}}, "image"
    )


def init_synthesis(
    levels: int,
    hidden: int,
    channels: int,
    generator: torch.Generator,
    colour: tuple[int, ...] = (),
    mixed: int = 0,
) -> dict[str, Tensor]:
    """Fresh tensors by their names on the wire. Grids for colour begin as Cb and Cr, in turn, on the linear path alone, and
    mixed features as the channels."""

    def uniform(rows: int, columns: int) -> Tensor:
        bound = columns**-0.5
        return (torch.rand(rows, columns, generator=generator) * 2 - 1) * bound

    own = [k for k in range(levels - mixed) if k not in colour]

    def spread(weights: Tensor) -> Tensor:
        """Each column at its grid's place, zeros at the others."""
        return weights.new_zeros(len(weights), levels).index_copy(1, torch.tensor(own), weights)

    tensors = {
        "synthesis.hidden.weight": spread(uniform(hidden, len(own)) / hidden**0.5),
        "synthesis.hidden.bias": torch.zeros(hidden),
        "synthesis.pixel.weight": uniform(channels, hidden) / channels**2,
        "synthesis.pixel.bias": torch.zeros(channels),
        "synthesis.skip.weight": spread(uniform(channels, len(own)) / channels**2),
    }
    for k, place in enumerate(colour):
        tensors["synthesis.skip.weight"][:3, place] = CHROMA[k % 2, :channels]
    for k in range(mixed):
        tensors["synthesis.skip.weight"][k % channels, levels - mixed + k] = MIXED
    for i in range(RESIDUALS):
        tensors[f"synthesis.residual{i}.weight"] = torch.zeros(channels, channels, 3, 3)
        tensors[f"synthesis.residual{i}.bias"] = torch.zeros(channels)
    return tensors


class _Pointwise(Function):
    """w2 relu(w1 x + b1) + b2 and skip x over (levels, n), in pieces that stay in cache; the hidden layer is not kept."""

    @staticmethod
    def forward(ctx, x, w1, b1, w2, b2, skip, piece):
        ctx.save_for_backward(x, w1, b1, w2, b2, skip)
        ctx.piece = piece
        if _fits(x, w1, w2):
            return fused.pointwise(x, (w1, b1, w2, b2, skip))
        out, line = (x.new_empty(len(w2), x.shape[1]) for _ in range(2))
        for i in range(0, x.shape[1], piece):
            here = x[:, i : i + piece]
            hidden = torch.relu_(torch.addmm(b1[:, None], w1, here))
            out[:, i : i + piece] = torch.addmm(b2[:, None], w2, hidden)
            line[:, i : i + piece] = skip @ here
        return out, line

    @staticmethod
    def backward(ctx, grad, grad_line):  # pyright: ignore[reportIncompatibleMethodOverride]
        x, w1, b1, w2, b2, skip = ctx.saved_tensors
        if _fits(x, w1, w2):
            return *fused.pointwise_back(x, (w1, b1, w2, b2, skip), grad, grad_line), None
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


def _fits(x: Tensor, w1: Tensor, w2: Tensor) -> bool:
    return max(w1.shape) <= fused.SIDE and len(w2) <= fused.CHANNELS and fused.takes(x, w1)


def synthesize(features: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """(levels, height, width) -> (channels, height, width), near [0, 1] but not clipped."""
    get = lambda name: tensors[f"synthesis.{name}"]  # noqa: E731
    piece = PIECE if features.device.type == "cpu" else features[0].numel()
    weights = (get("hidden.weight"), get("hidden.bias"), get("pixel.weight"), get("pixel.bias"), get("skip.weight"))
    both: tuple[Tensor, Tensor] = _Pointwise.apply(features.flatten(1), *weights, piece)  # pyright: ignore[reportAssignmentType]
    x, line = (flat.view(-1, *features.shape[1:]) for flat in both)
    return residuals(x[None], tensors).squeeze(0) + line


class _Conv3x3(Function):
    """`conv3x3`, with a backward pass for few channels.

    For three channels it takes a fifth of oneDNN's: the input's gradient is a convolution again, the weights' are nine
    products of shifted flat views.
    """

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        if _is_narrow(x, weight):
            return fused.conv3x3(x, weight, bias)
        return F.conv2d(_widened(x), weight, bias)

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight = ctx.saved_tensors
        if _is_narrow(x, weight):
            return fused.conv3x3_back(x, weight, grad, ctx.biased)
        padded, columns = _widened(x), x.shape[3] + 2
        g_padded = F.conv2d(F.pad(grad, (2, 2, 2, 2)), weight.flip(2, 3).transpose(0, 1))
        flat, g = padded[0].flatten(1), F.pad(grad[0], (0, 2)).flatten(1)[:, :-2]  # rows as long as the padded ones
        n = g.shape[1]
        shifts = [row * columns + column for row in range(3) for column in range(3)]
        g_weight = torch.stack([g @ flat[:, shift : shift + n].t() for shift in shifts], -1)
        g_bias = grad.sum((0, 2, 3)) if ctx.biased else None
        return torch.ops.aten.replication_pad2d_backward(g_padded, x, (1, 1, 1, 1)), g_weight.view(weight.shape), g_bias


def _is_narrow(x: Tensor, weight: Tensor) -> bool:
    return len(weight) <= fused.CHANNELS and weight.shape[1] <= fused.SIDE and fused.takes(x, weight)


def _widened(x: Tensor) -> Tensor:
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


def residuals(x: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """The 3x3 convolutions on (1, channels, height, width): x + conv(x) twice, with a ReLU between."""
    for i in range(RESIDUALS):
        x = x + conv3x3(x, tensors[f"synthesis.residual{i}.weight"], tensors[f"synthesis.residual{i}.bias"])
        x = torch.relu(x) if i < RESIDUALS - 1 else x
    return x


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(1, c, h, w) -> (1, c', h, w), edges repeat; a graph gets torch's operations, and so does what `fused.plain` is for."""
    if fused.is_plain():
        return F.conv2d(_widened(x), weight, bias)
    return _Conv3x3.apply(x, weight, bias)  # pyright: ignore[reportReturnType]


def synthesis_graph(tensors: dict[str, Tensor]) -> Tensor:
    """`synthesize` as a decoder graph: features (1, levels, height, width) -> (1, channels, height, width)."""
    get = lambda name: tensors[f"synthesis.{name}"]  # noqa: E731
    one_by_one = lambda x, weight, bias=None: F.conv2d(x, weight[:, :, None, None], bias)  # noqa: E731
    features = tensors["features"]
    hidden = torch.relu(one_by_one(features, get("hidden.weight"), get("hidden.bias")))
    x = one_by_one(hidden, get("pixel.weight"), get("pixel.bias"))
    return residuals(x, tensors) + one_by_one(features, get("skip.weight"))
