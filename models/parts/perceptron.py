"""Multilayer perceptrons from a pixel's position to its colour, for every method that is one.

The first layer sees features of the row beside features of the column, such as sines of many frequencies. It is linear, so
that its part of each is computed once a row and once a column. Hidden layers of one size share it by name, and one graph
serves every size.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import HALO, Field
from ..method import Tensors

Axes = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]  # rows, columns, size -> coordinates along both
Activation = Callable[[Tensor], Tensor]
WIDTH_MAX = 256


def square(rows: Tensor, columns: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """[-1, 1] along both sides."""
    last = torch.clamp(size - 1, min=1)
    return 2 * rows / last[0] - 1, 2 * columns / last[1] - 1


@dataclass(frozen=True)
class Frequencies:
    """Features of a coordinate: itself, and sin and cos of base**k pi p for k < count (Mildenhall et al. 2020, eq. 4)."""

    count: int = 0
    base: float = 2.0

    @property
    def features(self) -> int:
        return 2 * self.count + 1

    def of(self, p: Tensor) -> Tensor:
        """(n,) -> (n, features)"""
        if not self.count:
            return p[:, None]
        angles = p[:, None] * (math.pi * torch.tensor([self.base**k for k in range(self.count)], device=p.device))
        return torch.cat([p[:, None], torch.sin(angles), torch.cos(angles)], 1)


def sine(omega: float) -> Activation:
    return lambda x: torch.sin(omega * x)


@dataclass(frozen=True)
class Perceptron:
    """Hidden layers of the sizes in, or named by, `widths`, then a linear one.

    `omega` makes its activations sin(omega x), and starts it so (Sitzmann et al. 2020); without, they are ReLU. `offset` is
    added to its output. Its tensors' names begin with `prefix`; they share entropy models by kind of layer, or have `own`
    ones each.
    """

    widths: tuple[int | str, ...]
    axes: Axes = square
    frequencies: Frequencies = Frequencies()
    omega: float | None = None
    offset: float = 0.5
    prefix: str = ""
    own: bool = False

    @property
    def layers(self) -> list[tuple[str, int | str, int | str]]:
        """(name, inputs, outputs), but for the last one's outputs."""
        hidden = [(f"hidden{i}", a, b) for i, (a, b) in enumerate(zip(self.widths, self.widths[1:]))]
        first = ("first", 2 * self.frequencies.features, self.widths[0])
        return [(self.prefix + name, a, b) for name, a, b in [first, *hidden]]

    def tensors(self, outputs: int | str = "channels") -> list[tuple[str, tuple[int | str, ...], str]]:
        """A manifest's."""
        rows = []
        for name, a, b in [*self.layers, (f"{self.prefix}last", self.widths[-1], outputs)]:
            kind = self.prefix + name.removeprefix(self.prefix).rstrip("0123456789")
            bias = f"{kind}.bias" if kind.endswith("hidden") else kind
            weights, biases = (f"{name}.weight", f"{name}.bias") if self.own else (kind, bias)
            rows += [(f"{name}.weight", (a, b), weights), (f"{name}.bias", (b,), biases)]
        return rows

    def count(self, sizes: Mapping[str, int]) -> int:
        """Parameters; `sizes` as a manifest's, and how many `channels`."""
        return Manifest("", (), tuple(self.tensors())).parameters(dict(sizes))

    def start(self, sizes: Mapping[str, int], generator: torch.Generator, equal: bool = False) -> Tensors:
        """Fresh tensors. Biases are as torch's linear layers have them, or within the weights' bounds if `equal`."""
        tensors: Tensors = {}
        shapes = Manifest("", (), tuple(self.tensors()))
        for name, dimensions, _ in shapes.tensors[::2]:
            shape = shapes.shape(dimensions, dict(sizes))
            bound = shape[0] ** -0.5
            if self.omega:
                bound = 1 / shape[0] if name == f"{self.prefix}first.weight" else math.sqrt(6 / shape[0]) / self.omega
            elif not name.startswith(f"{self.prefix}last"):
                bound = math.sqrt(6 / shape[0])
            tensors[name] = (2 * torch.rand(shape, generator=generator) - 1) * bound
            most = bound if equal else shape[0] ** -0.5
            tensors[name.replace("weight", "bias")] = (2 * torch.rand(shape[1:], generator=generator) - 1) * most
        return tensors

    def image(self, tensors: Tensors, activation: Activation | None = None) -> Tensor:
        """(channels, h, w) at `rows` (h,), `columns` (w,) and `size` (2,) among `tensors`."""
        apply = activation or (sine(self.omega) if self.omega else torch.relu)
        y, x = self.axes(tensors["rows"], tensors["columns"], tensors["size"])
        (first, *rest), half = [name for name, *_ in self.layers], self.frequencies.features
        weight = tensors[f"{first}.weight"]
        below = self.frequencies.of(y) @ weight[:half] + tensors[f"{first}.bias"]
        beside = self.frequencies.of(x) @ weight[half:]
        hidden = apply((below[:, None] + beside[None]).flatten(0, 1))
        for name in rest:
            hidden = apply(torch.addmm(tensors[f"{name}.bias"], hidden, tensors[f"{name}.weight"]))
        last = f"{self.prefix}last"
        out = torch.addmm(tensors[f"{last}.bias"] + self.offset, hidden, tensors[f"{last}.weight"])
        return out.t().reshape(-1, below.shape[0], beside.shape[0])

    def manifest(self, name: str, outputs: int | str = "channels", method: str = "") -> Manifest:
        sizes = tuple((width, 1024) for width in dict.fromkeys(self.widths) if isinstance(width, str))
        return Manifest(name, sizes, tuple(self.tensors(outputs)), halo=HALO, method=method)


def perceptron_field(
    signal: Signal,
    network: Perceptron,
    manifest: Manifest,
    sizes: Mapping[str, int],
    coding: Mapping[str, str] = MappingProxyType({}),
    equal: bool = False,
) -> Field:
    """The architecture that is `network` alone; `equal` as `Perceptron.start`'s."""
    known = {**sizes, "channels": signal.channels}
    start = lambda _, generator: network.start(known, generator, equal)  # noqa: E731
    return Field(signal, manifest, dict(sizes), start, network.image, coding)


def widest(network: Perceptron, signal: Signal, nbytes: float, bits: float) -> int:
    """The largest `width`, a multiple of four, at which weights of so many bits take less than `nbytes`."""
    widths = range(4, WIDTH_MAX + 1, 4)
    counts = {width: network.count({"width": width, "channels": signal.channels}) for width in widths}
    return max((width for width in widths if bits / 8 * counts[width] < nbytes), default=4)


def widest_field(network: Perceptron, manifest: Manifest, bits: float, coding: str = "") -> Callable[[Signal, float], Field]:
    """A method's `build`: the widest `network` that weights of about so many bits leave room for."""
    codings = dict.fromkeys(manifest.groups, coding) if coding else {}

    def build(signal: Signal, nbytes: float) -> Field:
        return perceptron_field(signal, network, manifest, {"width": widest(network, signal, nbytes, bits)}, codings)

    return build
