"""The context model in training: the rate of a canvas of latents and all its gradients in one pass.

The network is the one that `runtime.context` runs in integers. The canvas is walked in pieces that stay in cache: each is
taken forward and, at once, backward, since a rate's gradient needs nothing from downstream but a factor.
"""

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from ...runtime.context import INTER_GRIDS, LIMIT, NEIGHBOURS, SCALES
from ...runtime.tables import SCALE_ZERO, SCALES_PER_OCTAVE
from ..rates import laplace_bits
from .latents import Canvas

PIECE = 16384  # latents; on a GPU the whole canvas is one piece
FIRST_LOG2_SCALE = -4.0  # zeros are nearly free at first: latents come alive only where they pay
LOG2_SCALE_MIN = -SCALE_ZERO / SCALES_PER_OCTAVE
LOG2_SCALE_MAX = (SCALES + 3 * SCALES_PER_OCTAVE - 1 - SCALE_ZERO) / SCALES_PER_OCTAVE


def init_context(neighbours: int, features: int, grids: list[int], generator: torch.Generator) -> dict[str, Tensor]:
    """Fresh tensors by their names on the wire; `grids` is how many grids each inter-grid layer sees, finest first."""
    inputs = neighbours + features

    def normal(rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=generator) / columns**2

    tensors = {
        "context.first.weight": normal(inputs, inputs),
        "context.first.bias": torch.zeros(inputs),
        "context.second.weight": torch.zeros(inputs, inputs),
        "context.second.bias": torch.zeros(inputs),
        "context.last.weight": torch.randn(inputs, 2, generator=generator) / 4,
        "context.last.bias": torch.tensor([0.0, FIRST_LOG2_SCALE]),
        "context.skip.weight": torch.zeros(inputs, 2),
    }
    for level, count in enumerate(grids):
        tensors[f"inter.{level}.weight"] = torch.randn(count, features, generator=generator) / count
        tensors[f"inter.{level}.bias"] = torch.zeros(features)
    return tensors


class _Rate(Function):
    """Bits of the latents on a canvas."""

    @staticmethod
    def forward(ctx, needs, latents, features, mask, offsets, piece, w1, b1, w2, b2, w3, b3, skip):
        width, near = w2.shape[0], latents.clamp(-LIMIT, LIMIT)
        first, second = torch.cat([w1, skip], 1), w2 + torch.eye(width, device=w2.device)
        grads = [torch.zeros_like(x) for x in (latents, features, first, b1, w2, b2, w3, b3)]
        g_latents, g_features, g_first, g_b1, g_w2, g_b2, g_w3, g_b3 = grads
        start, stop, n_near = -min(offsets), len(latents), len(offsets)
        bits, ones = latents.new_zeros(()), latents.new_ones(piece)
        inputs, g_sums = latents.new_empty(len(w1), piece), latents.new_empty(width + 2, piece)
        for i in range(start, stop, piece):
            j = min(i + piece, stop)
            x, one, g_head, here = inputs[:, : j - i], ones[: j - i], g_sums[:, : j - i], mask[i:j]
            for k, offset in enumerate(offsets):
                x[k] = near[i + offset : j + offset]
            x[n_near:] = features[:, i:j]
            head = first.t() @ x
            h1 = head[:width].add_(b1[:, None]).relu_()
            h2 = torch.addmm(b2[:, None], second.t(), h1).relu_()
            out = torch.addmm(b3[:, None], w3.t(), h2).add_(head[width:])
            cost, by_residual, by_scale = laplace_bits(latents[i:j] - out[0], out[1].clamp_(LOG2_SCALE_MIN, LOG2_SCALE_MAX))
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
            for k, offset in enumerate(offsets):
                g_latents[i + offset : j + offset] += g_x[k]
            g_features[:, i:j] = g_x[n_near:]
        if needs:
            ctx.width = width
            ctx.save_for_backward(*grads)
        return bits

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        g_latents, g_features, g_first, g_b1, g_w2, g_b2, g_w3, g_b3 = (g * grad for g in ctx.saved_tensors)
        g_w1, g_skip = g_first[:, : ctx.width], g_first[:, ctx.width :]
        return None, g_latents, g_features, None, None, None, g_w1, g_b1, g_w2, g_b2, g_w3, g_b3, g_skip


def _relu_backward(grad: Tensor, output: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward.grad_input(grad, output, 0, grad_input=grad)


def latent_bits(latents: Tensor, canvas: Canvas, levels: int, mask: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """Total bits of `latents` (rows, columns), the first `levels` grids of `canvas` being latents, the rest hyper."""
    neighbours = tensors["context.first.weight"].shape[0] - tensors["inter.0.bias"].shape[0]
    columns = canvas.size[1]
    offsets = [dy * columns + dx for dy, dx in NEIGHBOURS[:neighbours]]
    features = inter_features(latents, canvas, levels, tensors)
    piece = PIECE if latents.device.type == "cpu" else latents.numel()
    names = ("first.weight", "first.bias", "second.weight", "second.bias", "last.weight", "last.bias", "skip.weight")
    weights = [tensors[f"context.{name}"] for name in names]
    needs = torch.is_grad_enabled() and any(t.requires_grad for t in (latents, features, *weights))
    return _Rate.apply(needs, latents.reshape(-1), features.flatten(1), mask.reshape(-1), offsets, piece, *weights)  # pyright: ignore[reportReturnType]


def inter_features(latents: Tensor, canvas: Canvas, levels: int, tensors: dict[str, Tensor]) -> Tensor:
    """(features, rows, columns): on the finest grids linear maps of all coarser grids, zero elsewhere."""
    grids = [g.clamp(-LIMIT, LIMIT) for g in canvas.split(latents)]
    hyper = {levels - len(grids[levels:]) + i: g for i, g in enumerate(grids[levels:])}
    stack = latents.new_zeros(0, 1, 1)
    maps: list[Tensor] = []
    for k in range(levels - 1, 0, -1):
        h, w = canvas.shapes[k]
        here = [grids[k]] + ([hyper[k]] if k in hyper else [])
        stack = torch.cat([torch.stack(here), _repeat(stack, h, w)])
        if k <= INTER_GRIDS:
            weight, bias = tensors[f"inter.{k - 1}.weight"], tensors[f"inter.{k - 1}.bias"]
            flat = torch.addmm(bias[:, None], weight.t(), stack.flatten(1))
            maps.insert(0, _repeat(flat.view(-1, h, w), *canvas.shapes[k - 1]))
    return canvas.join(maps)


def _repeat(x: Tensor, h: int, w: int) -> Tensor:
    """Nearest-neighbour x2 of (c, h', w'), cut to (c, h, w)."""
    if len(x) == 0:
        return x.new_zeros(0, h, w)
    return F.interpolate(x[None], scale_factor=2.0, mode="nearest")[0, :, :h, :w]
