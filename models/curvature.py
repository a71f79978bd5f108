"""How the rate and the distortion of latent grids rise where their networks move a little, as quadratic forms.

Both are of a sample, and made of gradients alone: the Gauss-Newton matrix of a squared error; of bits the empirical Fisher
information, F, as sum (d bits)^2 ln 2 / 2. What they leave out is small where a fit has come to its end.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.func import jacrev, vmap
from torch.nn import functional as F

from ..runtime.network import LIMIT
from ..runtime.orders import CAUSAL, COSETS, ORDERS, PARENT, around
from .fused import plain
from .method import Curvature, Tensors
from .parts.context import RANGE, coarser_grids
from .parts.latents import Canvas
from .parts.mixing import Mixing
from .parts.synthesis import Synthesis
from .parts.upsampling import doubling_matrix
from .rates import laplace_bits

LATENTS, PIXELS, MIXED_PIXELS = 60_000, 12_000, 5_000  # in a sample
CHUNK = 2048  # samples at a time
# Of patches: places on their coarsest level, half as many, and those that a doubling loses at an edge.
PATCH, AROUND, LOST = 11, 5, 4


def outer_products(
    function: Callable[..., Tensor], tensors: Tensors, samples: Sequence[Tensor], chunk: int = CHUNK
) -> Tensor:
    """(n, n) float64, n being how many weights `tensors` have: the sum of g g' over all gradients g of the outputs
    `function(tensors, *sample)`, (outputs,), at each of the `samples`, (any, ...) each."""
    jacobian = vmap(jacrev(function), (None, *[0] * len(samples)))
    size = sum(tensor.numel() for tensor in tensors.values())
    total = torch.zeros(size, size, dtype=torch.double, device=samples[0].device)
    with plain():
        for some in zip(*(sample.split(chunk) for sample in samples)):
            if len(some[0]):
                rows = torch.cat([each.flatten(2) for each in jacobian(tensors, *some).values()], 2).flatten(0, 1)
                total += rows.t() @ rows
    return total


def of_distortion(synthesis: Synthesis, features: Tensor, tensors: Tensors, generator: torch.Generator) -> Curvature:
    """Of the mean squared error, unclipped, in `synthesis`'s tensors: of pixels of the picture of `features` (n, height,
    width). Those within its halo of an edge see features repeated where a layer between would repeat its own."""
    own = {name: tensors[name] for name, _, _ in synthesis.entries}
    height, width = features.shape[1:]
    place = sample(height * width, PIXELS, generator).to(features.device)
    reach = synthesis.halo
    offsets = torch.arange(-reach, reach + 1, device=place.device)
    rows = ((place // width)[:, None] + offsets).clamp(0, height - 1)
    columns = ((place % width)[:, None] + offsets).clamp(0, width - 1)
    patches = features[:, rows[:, :, None], columns[:, None]].transpose(0, 1)  # (pixels, n, side, side)

    def pixel(tensors: Tensors, patch: Tensor) -> Tensor:
        return synthesis.graph.function({**tensors, "features": patch[None]})[0, :, reach, reach]

    matrix = outer_products(pixel, own, [patches])
    channels = len(own["synthesis.pixel.bias"])
    return Curvature(tuple(own), matrix / (channels * len(place)))


def of_mixed_distortion(
    mixed: Mixing, synthesis: Synthesis, stacks: list[Tensor], tensors: Tensors, generator: torch.Generator
) -> Curvature | None:
    """The same, in the tensors of `mixed` and `synthesis`, of pixels far enough from the edges of a picture; None where there
    are none. `stacks` are as `upsampling.above` has them.

    What a pixel depends on is cut out of each level, around its place on the last of `stacks`.
    """
    top = len(stacks) - 1
    height, width = (side - PATCH for side in stacks[top].shape[1:])
    if min(height, width) < 1:
        return None
    own = {name: tensors[name] for name, _, _ in (*mixed.entries, *synthesis.entries)}
    kernels, reach, device = tensors["upsampling.kernels"], synthesis.halo, stacks[0].device
    corner = [torch.randint(places, (MIXED_PIXELS,), generator=generator).to(device) for places in (height, width)]
    within = [torch.randint(2**top, (MIXED_PIXELS,), generator=generator).to(device) for _ in corner]
    first, count, cut, doubling = -AROUND, PATCH, [], {}
    for level in range(top, -1, -1):
        if level < top:
            doubling[level] = doubling_matrix(kernels[level], count)[LOST:-LOST]
            first, count = 2 * first + LOST, 2 * count - 2 * LOST
        along = torch.arange(first, first + count, device=device)
        rows, columns = (2 ** (top - level) * (side[:, None] + AROUND) + along for side in corner)
        cut.append(stacks[level][:, rows[:, :, None], columns[:, None]].transpose(0, 1))
        first, count = (first + 1, count - 2) if level in mixed.levels else (first, count)
    offsets = [side[:, None] - first + torch.arange(-reach, reach + 1, device=device) for side in within]

    def pixel(tensors: Tensors, rows: Tensor, columns: Tensor, deepest: Tensor, *finer: Tensor) -> Tensor:
        x = deepest
        for level, grids in zip(range(top - 1, -1, -1), finer):
            x = torch.cat([grids, doubling[level] @ x @ doubling[level].t()])
            if level in mixed.levels:
                x = mixed.mixed(x, level, tensors)[:, 1:-1, 1:-1]
        patch = x[None, :, rows[:, None], columns]
        return synthesis.graph.function({**tensors, "features": patch})[0, :, reach, reach]

    matrix = outer_products(pixel, own, [*offsets, *cut], CHUNK // 16)
    channels = len(own["synthesis.pixel.bias"])
    return Curvature(tuple(own), matrix / (channels * MIXED_PIXELS))


def of_rate(
    latents: Tensor, canvas: Canvas, levels: int, tensors: Tensors, order: str, generator: torch.Generator
) -> Curvature:
    """Of `context.latent_bits`, in the context networks' and inter-grid layers' tensors."""
    own = {name: tensor for name, tensor in tensors.items() if name.startswith(("context.", "inter."))}
    places = canvas.mask(latents.device).nonzero()
    row, column = places[sample(len(places), LATENTS, generator).to(places.device)].unbind(1)
    seen = _seen(latents, canvas, levels, row, column) if "inter.0.weight" in own else latents.new_zeros(len(row), 0)
    features = own["inter.0.bias"].numel() if "inter.0.bias" in own else 0
    neighbours = len(own["context.0.first.weight"]) - features
    near = latents.clamp(-LIMIT, LIMIT)
    if order == "raster":
        networks = [(torch.ones_like(row).bool(), [near[row + dy, column + dx] for dy, dx in CAUSAL[:neighbours]])]
    else:
        planes = [near[first::2, second::2] for first, second in COSETS]
        planes.insert(PARENT, canvas.parents(canvas.split(near), levels))
        networks = [
            (
                (row % 2 == COSETS[i][0]) & (column % 2 == COSETS[i][1]),
                [planes[k][row // 2 + dy, column // 2 + dx] for k, dy, dx in around(i, neighbours)],
            )
            for i in range(ORDERS[order])
        ]
    where, size = places_of(own), sum(tensor.numel() for tensor in own.values())
    matrix = torch.zeros(size, size, dtype=torch.double, device=latents.device)
    for i, (here, sides) in enumerate(networks):
        its = {name: tensor for name, tensor in own.items() if name.startswith((f"context.{i}.", "inter."))}
        samples = [each[here] for each in (latents[row, column], torch.stack(sides, 1), seen)]
        at = torch.cat([where[name] for name in its]).to(matrix.device)
        matrix[at[:, None], at] += outer_products(partial(_bits, f"context.{i}"), its, samples)
    return Curvature(tuple(own), matrix * (math.log(2) / 2 * len(places) / len(row)), rate=True)


def _seen(latents: Tensor, canvas: Canvas, levels: int, row: Tensor, column: Tensor) -> Tensor:
    """What the inter-grid layers make features of at places on the canvas: each layer's grids and, for its bias, a 1; zeros
    where the layer is another grid's."""
    pieces: list[Tensor] = []
    for k, stack in enumerate(coarser_grids(latents, canvas, levels)):
        (top, left), (height, width) = canvas.corners[k], canvas.shapes[k]
        y, x = row - top, column - left
        inside = ((y >= 0) & (y < height) & (x >= 0) & (x < width)).nonzero()[:, 0]
        piece = latents.new_zeros(len(row), len(stack) + 1)
        piece[inside] = F.pad(stack[:, y[inside] // 2, x[inside] // 2].t(), (0, 1), value=1.0)
        pieces.append(piece)
    return torch.cat(pieces, 1)


def _bits(network: str, tensors: Tensors, latent: Tensor, near: Tensor, seen: Tensor) -> Tensor:
    """(1,): of one latent, given its neighbours `near` and what its inter-grid features are made of."""
    layers = [name.removesuffix(".bias") for name in tensors if name.startswith("inter.") and name.endswith(".bias")]
    features = [torch.cat([tensors[f"{name}.weight"], tensors[f"{name}.bias"][None]]) for name in layers]
    x = torch.cat([near, seen @ torch.cat(features)]) if features else near
    get = lambda name: tensors[f"{network}.{name}"]  # noqa: E731
    hidden = torch.relu(x @ get("first.weight") + get("first.bias"))
    hidden = torch.relu(hidden + hidden @ get("second.weight") + get("second.bias"))
    out = hidden @ get("last.weight") + get("last.bias")
    if f"{network}.skip.weight" in tensors:
        out = out + x @ get("skip.weight")
    return laplace_bits(latent - out[:1], out[1:].clamp(*RANGE))[0]


def places_of(tensors: Tensors) -> dict[str, Tensor]:
    """Where each tensor's weights lie where all are in a row."""
    sizes = [tensor.numel() for tensor in tensors.values()]
    return dict(zip(tensors, torch.arange(sum(sizes)).split(sizes)))


def sample(count: int, most: int, generator: torch.Generator) -> Tensor:
    """Of `count` things at most so many: their numbers."""
    return torch.randperm(count, generator=generator)[:most]
