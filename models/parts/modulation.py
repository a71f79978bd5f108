"""Sine layers that a grid of numbers modulates: one network for all pictures, told by the grid what each of its cells shows.

A layer is sin(omega ((W h + b) (1 + scale) + shift)); scale and shift are linear maps of the cell's numbers (Perez et al.
2018, FiLM; shifts alone: Dupont et al. 2022).
"""

import math

import torch
from torch import Tensor

from ..method import Tensors

SHIFT, LAST = 8.0, 6.0  # times SIREN's bounds, found by trial: a step on the numbers must move the output


def init_modulated(inputs: int, layers: int, width: int, numbers: int, omega: float, generator: torch.Generator) -> Tensors:
    """Fresh tensors: layers, and of each the linear map from `numbers` to its shifts."""

    def uniform(rows: int, columns: int, bound: float) -> Tensor:
        return (2 * torch.rand(rows, columns, generator=generator) - 1) * bound

    tensors: Tensors = {}
    for i in range(layers):
        rows = width if i else inputs
        bound = math.sqrt(6 / width) / omega if i else 1 / inputs
        tensors |= {f"layer{i}.weight": uniform(rows, width, bound), f"layer{i}.bias": uniform(1, width, rows**-0.5)[0]}
        tensors[f"layer{i}.shift"] = uniform(numbers, width, SHIFT * numbers**-0.5 / omega)
    last = uniform(width, 3, LAST * math.sqrt(6 / width) / omega)
    return tensors | {"last.weight": last, "last.bias": torch.full((3,), 0.5)}


def modulated_macs(inputs: int, layers: int, width: int, numbers: int, pixels: int) -> float:
    """Multiply-accumulates per pixel of such a network, the maps being made once a cell of so many `pixels`."""
    return width * (inputs + (layers - 1) * width + 3 + layers * numbers / pixels)


def modulated(base: Tensors, x: Tensor, maps: list[Tensor], omega: float) -> Tensor:
    """(..., inputs) -> (..., 3); `maps` holds each layer's shifts, (..., width)."""
    for i, shift in enumerate(maps):
        x = torch.sin(omega * (x @ base[f"layer{i}.weight"] + base[f"layer{i}.bias"] + shift))
    return x @ base["last.weight"] + base["last.bias"]


def cell_of(positions: Tensor, side: int, cells: int) -> tuple[Tensor, Tensor]:
    """Of positions (n,) in pixels: the index of the cell of `side` pixels in which each lies, and where in it, in [-1, 1]."""
    at = (positions + 0.5) / side
    index = torch.clamp(torch.floor(at), 0, cells - 1)
    return index.long(), 2 * (at - index) - 1


def interpolated(grid: Tensor, rows: Tensor, columns: Tensor, side: int) -> Tensor:
    """(..., cell rows, cell columns, n) between the centres of cells of `side` pixels: (..., h, w, n); edges repeat."""
    for dim, positions in ((-3, rows), (-2, columns)):
        last = grid.shape[dim] - 1
        at = (positions + 0.5) / side - 0.5
        below = torch.floor(at)
        upward = (at - below).view(-1, 1, 1) if dim == -3 else (at - below).view(-1, 1)
        near, far = (torch.clamp(below + k, 0, last).long() for k in (0, 1))
        grid = torch.lerp(grid.index_select(dim, near), grid.index_select(dim, far), upward)
    return grid
