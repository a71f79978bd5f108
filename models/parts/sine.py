"""A multilayer perceptron with sines from a pixel's position to its colour. Sitzmann et al. 2020 (SIREN).

Layers are sin(omega (W x + b)), the last one linear. Their widths are equal, so that one graph serves every width.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ..field import HALO
from ..method import Graph, Tensors

Axes = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]  # rows, columns, size -> coordinates along both


def init_sine(
    layers: int, width: int, channels: int, omega: float, generator: torch.Generator, equal: bool = False
) -> Tensors:
    """Fresh tensors by their names on the wire: `layers` with sines, then the linear one. Biases are as torch's linear layers
    have them, or within the weights' bounds if `equal`."""

    def uniform(rows: int, columns: int, bound: float) -> Tensor:
        return (torch.rand(rows, columns, generator=generator) * 2 - 1) * bound

    def layer(name: str, rows: int, columns: int, bound: float) -> Tensors:
        bias = uniform(1, columns, bound if equal else rows**-0.5)[0]
        return {f"{name}.weight": uniform(rows, columns, bound), f"{name}.bias": bias}

    bound = math.sqrt(6 / width) / omega
    tensors = layer("first", 2, width, 1 / 2)
    for i in range(layers - 1):
        tensors |= layer(f"hidden{i}", width, width, bound)
    return tensors | layer("last", width, channels, bound)


def sine_image(tensors: Tensors, axes: Axes, omega: float, offset: float) -> Tensor:
    """(channels, h, w) at `rows` (h,), `columns` (w,) and `size` (2,) among `tensors`; `offset` is added to the output."""
    y, x = axes(tensors["rows"], tensors["columns"], tensors["size"])
    first = tensors["first.weight"]
    hidden = y[:, None, None] * first[0] + x[None, :, None] * first[1] + tensors["first.bias"]
    shape = hidden.shape
    hidden = torch.sin(omega * hidden).flatten(0, 1)
    for i in range(sum(name.startswith("hidden") and name.endswith("weight") for name in tensors)):
        hidden = torch.sin(omega * torch.addmm(tensors[f"hidden{i}.bias"], hidden, tensors[f"hidden{i}.weight"]))
    out = torch.addmm(tensors["last.bias"] + offset, hidden, tensors["last.weight"])
    return out.t().reshape(-1, shape[0], shape[1])


def sine_parameters(layers: int, width: int, channels: int) -> int:
    return 3 * width + (layers - 1) * (width + 1) * width + (width + 1) * channels


def sine_manifest(name: str, layers: int) -> Manifest:
    tensors = [("first.weight", (2, "width"), "first"), ("first.bias", ("width",), "first")]
    for i in range(layers - 1):
        tensors += [(f"hidden{i}.weight", ("width", "width"), "hidden"), (f"hidden{i}.bias", ("width",), "hidden.bias")]
    tensors += [("last.weight", ("width", "channels"), "last"), ("last.bias", ("channels",), "last")]
    return Manifest(name, (("width", 1024),), tuple(tensors), halo=HALO)


def sine_graph(name: str, layers: int, axes: Axes, omega: float, offset: float) -> Graph:
    """The decoder graph: positions and tensors to (1, channels, h, w)."""
    tensors = init_sine(layers, 8, 3, omega, torch.Generator())
    inputs = {"rows": torch.arange(24.0), "columns": torch.arange(40.0), "size": torch.tensor([24.0, 40.0]), **tensors}
    dynamic: dict[str, dict[int, str]] = {"rows": {0: "height"}, "columns": {0: "width"}}
    for tensor, dimensions, _ in sine_manifest(name, layers).tensors:
        dynamic[tensor] = {i: str(d) for i, d in enumerate(dimensions) if isinstance(d, str)}
    return Graph(name, lambda tensors: sine_image(tensors, axes, omega, offset)[None], inputs, dynamic, "image")
