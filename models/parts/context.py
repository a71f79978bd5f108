"""The context model in training: the rate of a canvas of latents and all its gradients in one pass.

The networks are those that `runtime.network` runs in integers, in the same orders. The canvas is walked in pieces that stay
in cache: each is taken forward and, at once, backward, since a rate's gradient needs nothing from downstream but a factor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from ...runtime.context import INTER_GRIDS, NETWORK_TENSORS
from ...runtime.network import LIMIT
from ...runtime.orders import CAUSAL, MARGIN, ORDERS, around
from ...runtime.profile import Dimension, Entry
from ...runtime.tables import SCALE_ZERO, SCALES, SCALES_PER_OCTAVE
from .. import fused
from ..rates import laplace_bits
from .latents import CELL, Canvas, cosets

PIECE = 16384  # latents; on a GPU the whole canvas is one piece
FIRST_LOG2_SCALE = -4.0  # zeros are nearly free at first: latents come alive only where they pay
# The first prediction of a latent in raster order, near the plane through its neighbours: grids that begin by predicting
# nothing leave smooth content, and colour, to the finest of them, and do not come back from there.
PLANE = {(0, -1): 0.75, (-1, 0): 0.75, (-1, -1): -0.5}
LOG2_SCALE_MIN = -SCALE_ZERO / SCALES_PER_OCTAVE
LOG2_SCALE_MAX = (SCALES + 3 * SCALES_PER_OCTAVE - 1 - SCALE_ZERO) / SCALES_PER_OCTAVE
RANGE = (LOG2_SCALE_MIN, LOG2_SCALE_MAX)


@dataclass(frozen=True)
class Context:
    """What the context model is made of. A size is a number, or the name of one that is chosen per picture.

    `features`: inter-grid features, or 0; `hyper`: how many of the coarsest levels have hyper-latents too; `linear`: whether
    there is a linear path past the network.
    """

    neighbours: Dimension
    width: Dimension
    features: Dimension = 0
    hyper: int = 0
    order: str = "raster"
    linear: bool = False

    def entries(self, levels: int) -> list[Entry]:
        """Its tensors on the wire."""
        inputs = f"{self.neighbours}+{self.features}" if self.features else self.neighbours
        shapes = {"first": (inputs, self.width), "second": (self.width, self.width), "last": (self.width, 2)}
        skip = {"skip": (inputs, 2)} if self.linear else {}
        networks = [f"context.{i}" for i in range(ORDERS[self.order])]
        entries: list[Entry] = [
            (f"{network}.{name}.weight", shape, "context.weight")
            for network in networks
            for name, shape in (shapes | skip).items()
        ]
        entries += [
            (f"{network}.{name}.bias", shape[1:], "context.bias") for network in networks for name, shape in shapes.items()
        ]
        seen = self.seen(levels)
        entries += [(f"inter.{k}.weight", (count, self.features), "inter.weight") for k, count in enumerate(seen)]
        return entries + [(f"inter.{k}.bias", (self.features,), "inter.bias") for k in range(len(seen))]

    def seen(self, levels: int) -> list[int]:
        """How many grids each inter-grid layer sees, finest first."""
        return [levels - 1 - k + self.hyper for k in range(INTER_GRIDS)] if self.features else []

    def start(self, levels: int, number: Callable[[Dimension], int], generator: torch.Generator) -> dict[str, Tensor]:
        """Fresh tensors; `number` says what a size is."""
        neighbours, features, width = map(number, (self.neighbours, self.features, self.width))
        return init_context(self.order, neighbours, features, width, self.seen(levels), generator, self.linear)


def init_context(
    order: str,
    neighbours: int,
    features: int,
    width: int,
    grids: list[int],
    generator: torch.Generator,
    linear: bool = True,
) -> dict[str, Tensor]:
    """Fresh tensors by their names on the wire; `grids` is how many grids each inter-grid layer sees, finest first."""
    inputs, tensors = neighbours + features, {}
    for i in range(ORDERS[order]):
        tensors |= {
            f"context.{i}.first.weight": torch.randn(inputs, width, generator=generator) / (inputs * width),
            f"context.{i}.first.bias": torch.zeros(width),
            f"context.{i}.second.weight": torch.zeros(width, width),
            f"context.{i}.second.bias": torch.zeros(width),
            f"context.{i}.last.weight": torch.randn(width, 2, generator=generator) / 4,
            f"context.{i}.last.bias": torch.tensor([0.0, FIRST_LOG2_SCALE]),
        }
        if linear:
            skip = tensors[f"context.{i}.skip.weight"] = torch.zeros(inputs, 2)
            if order == "raster":
                skip[:neighbours, 0] = torch.tensor([PLANE.get(place, 0.0) for place in CAUSAL[:neighbours]])
    for level, count in enumerate(grids):
        tensors[f"inter.{level}.weight"] = torch.randn(count, features, generator=generator) / count
        tensors[f"inter.{level}.bias"] = torch.zeros(features)
    return tensors


class _Rate(Function):
    """Bits of the latents on planes of equal size, one behind the other, each with a network of its own.

    `offsets` are of each plane's neighbours, also on what may lie behind the last plane; `features` (n, rows, columns) are of
    every plane: of its latents, or of cells of them, `cell` 1 or 2 wide.
    """

    @staticmethod
    def forward(ctx, needs, latents, features, cell, mask, offsets, piece, *weights):
        near, planes = latents.clamp(-LIMIT, LIMIT), len(offsets)
        size, total = len(mask) // planes, len(latents)
        bits, ones = latents.new_zeros(()), latents.new_ones(piece)
        g_latents, g_features, grads = torch.zeros_like(latents), torch.zeros_like(features), []
        columns = cell * features.shape[2]
        wide = g_wide = latents.new_empty(0)  # the features of all latents, and their gradients, where torch needs them
        for p in range(planes):
            w1, b1, w2, b2, w3, b3, skip = weights[p * len(NETWORK_TENSORS) : (p + 1) * len(NETWORK_TENSORS)]
            width, n_near, plane = w2.shape[0], len(offsets[p]), p * size
            start = max(plane, -min(offsets[p]))
            stop = min(plane + size, total - max(offsets[p]))
            second = w2 + torch.eye(width, device=w2.device)
            if max(w1.shape) + 2 <= fused.SIDE and fused.takes(latents, features, mask, w1):
                own, to = (w1, b1, second, b2, w3, b3, skip), (g_latents, g_features) if needs else None
                rows = -(-(start - plane) // columns), (stop - plane) // columns  # what is left out are margins
                found, g_own = fused.rate(latents, near, features, cell, mask, plane, rows, offsets[p], own, RANGE, to)
                bits += found
                grads += g_own
                continue
            if not len(wide):
                wide = (repeat(features, size // columns, columns) if cell == CELL else features).flatten(1)
                g_wide = torch.zeros_like(wide)
            first = torch.cat([w1, skip], 1)
            g_first, g_b1, g_w2, g_b2, g_w3, g_b3 = (torch.zeros_like(x) for x in (first, b1, w2, b2, w3, b3))
            inputs, g_sums = latents.new_empty(len(w1), piece), latents.new_empty(width + 2, piece)
            for i in range(start, stop, piece):
                j = min(i + piece, stop)
                x, one, g_head, here = inputs[:, : j - i], ones[: j - i], g_sums[:, : j - i], mask[i:j]
                for k, offset in enumerate(offsets[p]):
                    x[k] = near[i + offset : j + offset]
                x[n_near:] = wide[:, i - plane : j - plane]
                head = first.t() @ x
                h1 = head[:width].add_(b1[:, None]).relu_()
                h2 = torch.addmm(b2[:, None], second.t(), h1).relu_()
                out = torch.addmm(b3[:, None], w3.t(), h2).add_(head[width:])
                log2_scale = out[1].clamp_(LOG2_SCALE_MIN, LOG2_SCALE_MAX)
                cost, by_residual, by_scale = laplace_bits(latents[i:j] - out[0], log2_scale)
                bits += torch.dot(cost, here)
                if not needs:
                    continue
                g_latents[i:j].addcmul_(by_residual, here)
                g_h1, g_out = g_head[:width], g_head[width:]
                torch.mul(by_residual, here, out=g_out[0]).neg_()
                torch.mul(by_scale, here, out=g_out[1])
                g_w3.addmm_(h2, g_out.t())
                g_b3.addmv_(g_out, one)
                g_h2 = _relu_backward(w3 @ g_out, h2)
                g_w2.addmm_(h1, g_h2.t())
                g_b2.addmv_(g_h2, one)
                _relu_backward(torch.mm(second, g_h2, out=g_h1), h1)
                g_b1.addmv_(g_h1, one)
                g_first.addmm_(x, g_head.t())
                g_x = first @ g_head
                for k, offset in enumerate(offsets[p]):
                    g_latents[i + offset : j + offset] += g_x[k]
                g_wide[:, i - plane : j - plane] += g_x[n_near:]
            grads += [g_first[:, :width], g_b1, g_w2, g_b2, g_w3, g_b3, g_first[:, width:]]
        if len(g_wide):
            g_features = g_wide.view(len(features), features.shape[1], cell, features.shape[2], cell).sum((2, 4))
        if needs:
            ctx.save_for_backward(g_latents, g_features, *grads)
        return bits

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        g_latents, g_features, *grads = (g * grad for g in ctx.saved_tensors)
        return None, g_latents, g_features, None, None, None, None, *grads


def _relu_backward(grad: Tensor, output: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward.grad_input(grad, output, 0, grad_input=grad)


def latent_bits(
    latents: Tensor, canvas: Canvas, levels: int, mask: Tensor, tensors: dict[str, Tensor], order: str = "raster"
) -> Tensor:
    """Total bits of `latents` (rows, columns), the first `levels` grids of `canvas` being latents, the rest hyper or alone.

    In raster order also of several canvases (n, rows, columns), which then have as many masks.
    """
    if latents.dim() == 3:
        features = torch.cat([inter_features(each, canvas, levels, tensors) for each in latents], 1)
        latents, mask = latents.flatten(0, 1), mask.flatten(0, 1)
    else:
        features = inter_features(latents, canvas, levels, tensors)
    inputs = len(tensors["context.0.first.weight"])
    neighbours, no_skip = inputs - len(features), latents.new_zeros(inputs, 2)
    if order == "raster":
        columns = canvas.size[1]
        offsets = [[dy * columns + dx for dy, dx in CAUSAL[:neighbours]]]
    else:
        parents = canvas.parents(canvas.split(latents), levels)
        latents, mask = torch.cat([cosets(latents), parents[None]]), cosets(mask)
        rows, columns = parents.shape
        offsets = [
            [((plane - i) * rows + dy) * columns + dx for plane, dy, dx in around(i, neighbours)]
            for i in range(ORDERS[order])
        ]
    piece = PIECE if latents.device.type == "cpu" else mask.numel() // len(offsets)
    weights = [tensors.get(f"context.{i}.{name}", no_skip) for i in range(len(offsets)) for name in NETWORK_TENSORS]
    needs = torch.is_grad_enabled() and any(t.requires_grad for t in (latents, features, *weights))
    cell = CELL if order == "raster" else 1
    given = needs, latents.reshape(-1), features, cell, mask.reshape(-1), offsets, piece
    return _Rate.apply(*given, *weights)  # pyright: ignore[reportReturnType]


def margin(order: str) -> int:
    """Of a canvas whose latents are coded in that order."""
    return MARGIN if order == "raster" else CELL * MARGIN  # as far on the planes of the cosets


def inter_features(latents: Tensor, canvas: Canvas, levels: int, tensors: dict[str, Tensor]) -> Tensor:
    """(features, rows / 2, columns / 2), one for a cell of 2x2: on the finest grids linear maps of all coarser grids, zero
    elsewhere; perhaps none."""
    if "inter.0.weight" not in tensors:
        return latents.new_zeros(0, *(side // CELL for side in latents.shape))
    maps: list[Tensor] = []
    for k, stack in enumerate(coarser_grids(latents, canvas, levels)):
        weight, bias = tensors[f"inter.{k}.weight"], tensors[f"inter.{k}.bias"]
        flat = torch.addmm(bias[:, None], weight.t(), stack.flatten(1))
        maps.append(flat.view(-1, *stack.shape[1:]))
    return canvas.join(maps, CELL)


def coarser_grids(latents: Tensor, canvas: Canvas, levels: int) -> list[Tensor]:
    """What inter-grid features are made of: for each of the finest grids all coarser ones (n, h, w), on the next lattice."""
    grids = canvas.split(latents.clamp(-LIMIT, LIMIT))[: len(canvas.shapes) - canvas.alone]
    hyper = {levels - len(grids[levels:]) + i: g for i, g in enumerate(grids[levels:])}
    stack = latents.new_zeros(0, 1, 1)
    stacks: list[Tensor] = []
    for k in range(levels - 1, 0, -1):
        here = [grids[k]] + ([hyper[k]] if k in hyper else [])
        stack = torch.cat([torch.stack(here), repeat(stack, *canvas.shapes[k])])
        if k <= INTER_GRIDS:
            stacks.insert(0, stack)
    return stacks


def repeat(x: Tensor, h: int, w: int) -> Tensor:
    """Nearest-neighbour x2 of (c, h', w'), cut to (c, h, w)."""
    if len(x) == 0:
        return x.new_zeros(0, h, w)
    return F.interpolate(x[None], scale_factor=2.0, mode="nearest").squeeze(0)[:, :h, :w]
