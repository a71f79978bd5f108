"""From grids to features of the finest one's size: x2 after x2, by fixed kernels, or by learned ones and filters.

Learned ones are separable, one of each kind per level (Cool-chic 3.1, Ladune et al. 2024). A kernel has 8 taps and is
symmetric. The output's even samples lie a quarter step before the input's, the odd ones behind: even[i] =
sum_k taps[k] x[i - 2 + k], odd mirrored. The finer grid, before it joins the upsampled ones, passes a symmetric 7-tap filter:
x[i] + side[0] x[i] + sum_k side[k] (x[i-k] + x[i+k]). Others of its level, for colour, join as they are. Some stacks
get features (`mixing`) before they are doubled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from ...runtime.profile import Dimension, Entry
from .. import fused
from ..method import Graph, Tensors
from .mixing import Mixing

TAPS = 4  # free ones, of either kind


@dataclass(frozen=True)
class Upsampling:
    """`features(stacks, tensors)` makes (grids, height, width) of each level's (n, h, w), finest first; `graphs` are a step,
    and that of `mixed`, if some levels are.

    `entries` are its tensors on the wire, if it learns any, and `start(number, generator)` fresh ones, `number` saying what a
    size is.
    """

    features: Callable[[list[Tensor], Tensors], Tensor]
    graphs: tuple[Graph, ...]
    entries: tuple[Entry, ...]
    start: Callable[[Callable[[Dimension], int], torch.Generator], Tensors]
    mixed: Mixing | None = None


def learned(levels: int, several: bool = False, mixed: Mixing | None = None) -> Upsampling:
    """Kernels and filters of the picture's own, which start as bicubic interpolation and as nothing; levels may have
    `several` grids, and some be `mixed`."""
    kernels, filters = "upsampling.kernels", "upsampling.filters"
    tensors = {"kernel": bicubic_taps(), "filter": torch.zeros(TAPS)}
    graph = step("upsampling_stacks", stacks_graph, tensors, 3) if several else step("upsampling", upsampling_graph, tensors)
    entries = tuple((name, (levels - 1, TAPS), "upsampling") for name in (kernels, filters))

    def features(stacks: list[Tensor], tensors: Tensors) -> Tensor:
        def more(stack: Tensor, level: int) -> Tensor:
            return mixed.mixed(stack, level, tensors) if mixed else stack

        return pyramid_features(stacks, tensors[kernels], tensors[filters], more)

    def start(number: Callable[[Dimension], int], generator: torch.Generator) -> Tensors:
        fresh = {kernels: bicubic_taps().repeat(levels - 1, 1), filters: torch.zeros(levels - 1, TAPS)}
        return fresh | (mixed.start(number, generator) if mixed else {})

    if not mixed:
        return Upsampling(features, (graph,), entries, start)
    return Upsampling(features, (graph, mixed.graph), (*entries, *mixed.entries), start, mixed)


def fixed(name: str, taps: Tensor) -> Upsampling:
    """The same kernel (TAPS,) everywhere, and no filters: nothing is sent. As a graph it is called `name`."""

    def features(stacks: list[Tensor], tensors: Tensors) -> Tensor:
        kernel, features = taps.to(stacks[0]), stacks[-1]
        for finer in stacks[-2::-1]:
            features = torch.cat([finer, upsample(features, kernel, *finer.shape[1:])])
        return features

    both = phases(taps)
    graph = step(name, lambda tensors: stacked(tensors["finer"], tensors["features"], both), {})
    return Upsampling(features, (graph,), (), lambda number, generator: {})


def step(name: str, function: Callable[[Tensors], Tensor], tensors: Tensors, most: int = 1) -> Graph:
    """The graph that doubles a stack of grids and puts the next finer level's on top, at `most` so many, given `tensors`."""
    inputs = {"features": torch.zeros(1, 3, 24, 40), "finer": torch.zeros(1, most, 48, 80), **tensors}
    finer = {2: "finer_height", 3: "finer_width"} | ({1: "grids"} if most > 1 else {})
    dynamic = {"features": {1: "levels", 2: "height", 3: "width"}, "finer": finer}
    return Graph(name, function, inputs, dynamic, "doubled")


def bilinear_taps() -> Tensor:
    """As `bicubic_taps`, of a line."""
    return torch.tensor([0.0, 0.25, 0.75, 0.0])


def bicubic_taps() -> Tensor:
    """Keys' cubic (a = -3/4) at a quarter step: the weights of x[i - 2] ... x[i + 1] for the sample at i - 1/4."""
    a = -0.75
    distance = torch.tensor([1.75, 0.75, 0.25, 1.25])
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return torch.where(distance < 1, near, far)


def upsample(x: Tensor, taps: Tensor, height: int, width: int) -> Tensor:
    """(c, h, w) -> (c, height, width): twice the size, less a last row or column where the size is odd; edges repeat."""
    return doubled(x, phases(taps), height, width)


def doubled(x: Tensor, both: Tensor, height: int, width: int) -> Tensor:
    """The same, given its `phases`."""
    tall: Tensor = _Along.apply(x, both, 1)  # pyright: ignore[reportAssignmentType]
    wide: Tensor = _Along.apply(tall[:, :height], both, 2)  # pyright: ignore[reportAssignmentType]
    return wide[:, :, :width]


def phases(taps: Tensor) -> Tensor:
    """(..., TAPS) -> (..., 2, 5): the weights of x[i - 2] ... x[i + 2] in the even and the odd sample i."""
    last, none = taps.dim() - 1, taps.new_zeros(*taps.shape[:-1], 1)
    return torch.stack([torch.cat([taps, none], last), torch.cat([none, taps.flip(last)], last)], last)


def doubling_matrix(taps: Tensor, n: int) -> Tensor:
    """(2 n, n): what doubles n samples in a row."""
    return _Along.apply(torch.eye(n, device=taps.device)[None], phases(taps), 1)[0]  # pyright: ignore[reportIndexIssue]


def smooth(x: Tensor, line: Tensor) -> Tensor:
    """(c, h, w) -> (c, h, w): the finer grid's filter, as `mirrored` makes it, along rows and columns; edges repeat."""
    if fused.takes(x, line):
        return _Both.apply(x, line)  # pyright: ignore[reportReturnType]
    return _Along.apply(_Along.apply(x, line, 1), line, 2)  # pyright: ignore[reportReturnType]


def mirrored(side: Tensor) -> Tensor:
    """(..., TAPS) -> (..., 1, 7): the weights of x[i - 3] ... x[i + 3]."""
    return torch.cat([side[..., 1:].flip(-1), 1 + side[..., :1], side[..., 1:]], -1)[..., None, :]


class _Along(Function):
    """(c, h, w), as many times as long along `dim` (1 or 2) as there are rows of `weights` (count, taps), which weigh the
    samples around: sums of shifted views, as one matrix product."""

    @staticmethod
    def forward(ctx, x, weights, dim):
        ctx.fused, ctx.dim, ctx.shape = fused.takes(x, weights), dim, x.shape
        if ctx.fused:
            ctx.save_for_backward(x, weights)
            return fused.filtered(x, weights, dim)
        (count, taps), n = weights.shape, x.shape[dim]
        head, tail = x.narrow(dim, 0, 1), x.narrow(dim, n - 1, 1)
        padded = torch.cat([*[head] * (taps // 2), x, *[tail] * (taps // 2)], dim)
        shifted = torch.stack([padded.narrow(dim, k, n) for k in range(taps)]).flatten(1)  # (taps, all)
        ctx.save_for_backward(shifted, weights)
        return torch.stack((weights @ shifted).view(count, *x.shape).unbind(), dim + 1).flatten(dim, dim + 1)

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        shifted, weights = ctx.saved_tensors
        if ctx.fused:
            return *fused.filtered_back(shifted, weights, ctx.dim, grad), None
        (count, taps), n = weights.shape, ctx.shape[ctx.dim]
        samples = torch.stack(grad.unflatten(ctx.dim, (n, count)).unbind(ctx.dim + 1)).flatten(1)  # (count, all)
        g_shifted = (weights.t() @ samples).view(taps, *ctx.shape)
        g_x = g_shifted[taps // 2].clone()
        for k in range(taps):
            if offset := k - taps // 2:
                _add_shifted(g_x, g_shifted[k], offset, ctx.dim)
        return g_x, samples @ shifted.t(), None


class _Both(Function):
    """`_Along` rows, then columns."""

    @staticmethod
    def forward(ctx, x, weights):
        tall = fused.filtered(x, weights, 1)
        ctx.save_for_backward(x, tall, weights)
        return fused.filtered(tall, weights, 2)

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        return fused.filtered_back_both(*ctx.saved_tensors, grad)


class _Stacked(Function):
    """x (c, h, w) doubled below grids (1, 2 h, 2 w), in one piece of memory from the start."""

    @staticmethod
    def forward(ctx, x, both, *grids):
        tall = fused.filtered(x, both, 1)
        ctx.save_for_backward(x, tall, both)
        stack = x.new_empty(len(grids) + len(x), *grids[0].shape[1:])
        fused.filtered(tall, both, 2, stack[len(grids) :])
        for place, grid in zip(stack.split(1), grids):
            place.copy_(grid)
        return stack

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        x, tall, both = ctx.saved_tensors
        above = len(grad) - len(x)
        return *fused.filtered_back_both(x, tall, both, grad[above:]), *grad[:above].split(1)


def stack_of(x: Tensor, both: Tensor, grids: list[Tensor]) -> Tensor:
    """x (c, h, w) doubled, by its `phases`, below the next finer level's grids (1, height, width)."""
    height, width = grids[0].shape[1:]
    if fused.takes(x, both, *grids) and (height, width) == (2 * x.shape[1], 2 * x.shape[2]):
        return _Stacked.apply(x, both, *grids)  # pyright: ignore[reportReturnType]
    return torch.cat([*grids, doubled(x, both, height, width)])


def _add_shifted(total: Tensor, part: Tensor, offset: int, dim: int) -> None:
    """total[min(max(i + offset, 0), n - 1)] += part[i] along `dim`: what fell on repeated edges goes to the edge."""
    n, reach = total.shape[dim], min(abs(offset), total.shape[dim])
    start, edge = (reach, 0) if offset < 0 else (0, n - 1)
    total.narrow(dim, max(offset, 0) if n > reach else 0, n - reach).add_(part.narrow(dim, start, n - reach))
    beyond = part.narrow(dim, 0 if offset < 0 else n - reach, reach)
    total.narrow(dim, edge, 1).add_(beyond.sum(dim, keepdim=True))


def pyramid_features(
    stacks: list[Tensor],
    kernels: Tensor,
    filters: Tensor,
    mixed: Callable[[Tensor, int], Tensor] = lambda stack, level: stack,
) -> Tensor:
    """Each level's grids (n, h, w), finest first, to features (grids, height, width).

    `kernels` and `filters` (levels - 1, TAPS), finest first: of the upsampling to each level, and of its own grid.
    `mixed(stack, level)` is a level's whole stack as the next finer one has it.
    """
    features, both, lines = stacks[-1], phases(kernels).unbind(), mirrored(filters).unbind()
    for level in range(len(stacks) - 2, -1, -1):
        features = mixed(stack_of(features, both[level], smoothed(stacks[level], lines[level])), level)
    return features


def smoothed(stack: Tensor, line: Tensor) -> list[Tensor]:
    """A level's own grids, (1, h, w) each, the first filtered by what `mirrored` makes."""
    first, *others = stack.split(1)
    return [smooth(first, line), *others]


def above(stacks: list[Tensor], kernels: Tensor, filters: Tensor, level: int) -> list[Tensor]:
    """What is doubled onto each other, finest first: the grids of levels above `level`, smoothed, and its whole stack."""
    whole = pyramid_features(stacks[level:], kernels[level:], filters[level:])
    return [*(torch.cat(smoothed(*each)) for each in zip(stacks[:level], mirrored(filters))), whole]


def upsampling_graph(tensors: dict[str, Tensor]) -> Tensor:
    """One step of `pyramid_features` as a decoder graph: the x2 is two convolutions with two outputs each, interleaved.

    features (1, c, h, w), finer (1, 1, H, W), kernel and filter (TAPS,) -> (1, c + 1, H, W), the finer grid first.
    """
    both = phases(tensors["kernel"])
    return stacked(filtered(tensors["finer"], tensors["filter"]), tensors["features"], both)


def stacks_graph(tensors: dict[str, Tensor]) -> Tensor:
    """The same of several grids: features (1, c, h, w), finer (1, n, H, W) -> (1, n + c, H, W)."""
    finer = tensors["finer"]
    finer = torch.cat([filtered(finer[:, :1], tensors["filter"]), finer[:, 1:]], 1)
    return stacked(finer, tensors["features"], phases(tensors["kernel"]))


def filtered(grid: Tensor, side: Tensor) -> Tensor:
    """(1, 1, h, w), `smooth` as a graph does it."""
    line = torch.cat([side[1:].flip(0), 1 + side[:1], side[1:]])
    around = F.pad(grid, (TAPS - 1,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(around, line.reshape(1, 1, 1, -1)), line.reshape(1, 1, -1, 1))


def stacked(finer: Tensor, features: Tensor, both: Tensor) -> Tensor:
    """(1, n, H, W) on top of the doubled (1, c, h, w), given its `phases`."""
    return torch.cat([finer, interleaved(features, both)[:, :, : finer.shape[2], : finer.shape[3]]], 1)


def interleaved(features: Tensor, both: Tensor) -> Tensor:
    """(1, c, h, w) -> (1, c, 2 h, 2 w), as a graph does it.

    Interleaving columns is what costs most: it comes first, while there are but half as many rows.
    """
    padded = F.pad(features, (2, 2, 2, 2), mode="replicate").transpose(0, 1)  # channels as a batch
    wide = F.conv2d(padded, both.reshape(2, 1, 1, -1)).permute(0, 2, 3, 1).flatten(2)[:, None]
    return F.conv2d(wide, both.reshape(2, 1, -1, 1)).transpose(1, 2).flatten(1, 2)[None]
