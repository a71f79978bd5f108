"""Multiresolution hash grid: features of a pixel from tables of ten resolutions, a small ReLU network. Müller et al. 2022.

The three coarsest tables have an entry for every vertex, finer ones as many as the bytes wanted have room for, and vertices
that collide share one. The paper codes nothing: steps, their rate in the loss, and entropy models, one a level, are ours.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import HALO, Field, field_graph
from ..method import Graph, Method, Paper, Recipe, Tensors
from ..weights import steps_learned

CELLS = tuple(round(16 * 1.5**level) for level in range(10))  # of each level, along both sides
DENSE, FEATURES = 3, 2  # levels without collisions, and features of a vertex
PRIME = 2_654_435_761  # of the paper's hash
BITS = 3  # of a table's number, a first estimate
SIZES = [(2**k, 16 if k < 10 else 32 if k < 13 else 64) for k in range(5, 16)]  # entries of a finer table, width
SHAPES: dict[str, tuple[int | str, ...]] = {
    **{f"table{k}": ((n + 1) ** 2 if k < DENSE else "table", FEATURES) for k, n in enumerate(CELLS)},
    **{"first.weight": (len(CELLS) * FEATURES, "width"), "first.bias": ("width",)},
    **{"hidden.weight": ("width", "width"), "hidden.bias": ("width",)},
    **{"last.weight": ("width", "channels"), "last.bias": ("channels",)},
}
SIZE_NAMES = (("table", 2**20), ("width", 256))
MANIFEST = Manifest("hash_grid", SIZE_NAMES, tuple((name, shape, name) for name, shape in SHAPES.items()), halo=HALO)


def vertices(positions: Tensor, pixels: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """(2, n) indices of the vertices before and behind each position, and how far behind the first it lies, 0 ... 1."""
    at = (positions + 0.5) / pixels * cells
    before = torch.clamp(torch.floor(at), 0, cells - 1)
    return torch.stack([before, before + 1]).long(), at - before


def features(table: Tensor, level: int, tensors: Tensors) -> Tensor:
    """(h, w, FEATURES) of one level, interpolated between four vertices."""
    cells = CELLS[level]
    (row, down), (column, along) = (
        vertices(tensors[n], tensors["size"][k], cells) for k, n in enumerate(("rows", "columns"))
    )
    if level < DENSE:
        at = row[:, None, :, None] * (cells + 1) + column[None, :, None]
    else:
        entries = torch.ones_like(table[:, 0], dtype=torch.int64).sum()  # the exporter knows no remainder by a free size
        at = torch.remainder(torch.bitwise_xor(row[:, None, :, None] * PRIME, column[None, :, None]), entries)
    corners = table[at]  # (2, 2, h, w, FEATURES)
    left, right = torch.lerp(corners[0], corners[1], down[:, None, None])
    return torch.lerp(left, right, along[:, None])


def image(tensors: Tensors) -> Tensor:
    stack = torch.cat([features(tensors[f"table{level}"], level, tensors) for level in range(len(CELLS))], -1)
    hidden = torch.relu(stack @ tensors["first.weight"] + tensors["first.bias"])
    hidden = torch.relu(hidden @ tensors["hidden.weight"] + tensors["hidden.bias"])
    return (hidden @ tensors["last.weight"] + tensors["last.bias"] + 0.5).permute(2, 0, 1)


def build(signal: Signal, nbytes: float) -> Field:
    def count(size: tuple[int, int]) -> int:
        known = {"table": size[0], "width": size[1], "channels": signal.channels}
        return MANIFEST.parameters(known)

    table, width = max((size for size in SIZES if count(size) * BITS / 8 < nbytes), default=SIZES[0])
    sizes = {"table": table, "width": width}

    def start(target: Tensor, generator: torch.Generator) -> Tensors:
        tensors: Tensors = {}
        for name, dimensions, _ in MANIFEST.tensors:
            shape = MANIFEST.shape(dimensions, {**sizes, "channels": signal.channels})
            bound = 1e-4 if name.startswith("table") else math.sqrt(6 / shape[0]) if len(shape) > 1 else 0.0
            tensors[name] = (2 * torch.rand(shape, generator=generator) - 1) * bound
        return tensors

    return Field(signal, MANIFEST, sizes, start, image, dict.fromkeys(MANIFEST.groups, "learned"))


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, image),)


def recipe(lmbda: float) -> Recipe:
    """Adam at 1e-2 as the paper's; the quantized half falls to nothing."""
    return steps_learned((1e-2, 5e-3), (5e-3, 1e-4), 0.6)


def hash_grid() -> Method:
    title = "Instant neural graphics primitives with a multiresolution hash encoding"
    paper = Paper(title, 2022, "T. Müller, A. Evans, C. Schied, A. Keller", "SIGGRAPH 2022, the grid")
    return Method("hash_grid", "image", paper, build, recipe, profiles)
