"""Stages of convolution and pixel shuffle, from a small map to a frame: the decoders of the NeRV family.

A stage is conv (k x k, to s^2 times its channels) -> pixel shuffle by s -> activation; the head makes colours of the last
one's channels. Weights are (channels, s^2, inputs, k, k): whatever the channels, one graph serves.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Dimension, Entry
from ..method import Tensors

Activation = Callable[[Tensor], Tensor]
Between = Callable[[int, Tensor], Tensor]  # what becomes of stage i's input, and in the end of the head's


@dataclass(frozen=True)
class Stages:
    """`strides` and `kernels` by stage; widths are sizes of the manifest, `width0` that of the map which they begin with."""

    strides: tuple[int, ...]
    kernels: tuple[int, ...]
    head: int = 3  # its kernel
    activation: Activation = F.gelu

    @property
    def scale(self) -> int:
        """How many times as large as the map a frame is."""
        return math.prod(self.strides)

    @property
    def sizes(self) -> tuple[tuple[str, int], ...]:
        return tuple((f"width{i}", 4096) for i in range(len(self.strides) + 1))

    @property
    def entries(self) -> tuple[Entry, ...]:
        rows: list[Entry] = []
        for i, (stride, kernel) in enumerate(zip(self.strides, self.kernels)):
            inputs, outputs, square = f"width{i}", f"width{i + 1}", stride**2
            rows += [(f"stage{i}.weight", (outputs, square, inputs, kernel, kernel), f"stage{i}.weight")]
            rows += [(f"stage{i}.bias", (outputs, square), f"stage{i}.bias")]
        rows += [("head.weight", ("channels", f"width{len(self.strides)}", self.head, self.head), "head.weight")]
        return (*rows, ("head.bias", ("channels",), "head.bias"))

    def widths(self, first: float, reduction: float, least: int) -> dict[str, int]:
        """Each stage `reduction` times narrower than the one before, but not below `least`."""
        count = range(len(self.strides) + 1)
        return {f"width{i}": max(least, round(first / reduction**i)) if i else round(first) for i in count}

    def stage(self, i: int, x: Tensor, tensors: Tensors) -> Tensor:
        """(n, width i, h, w) -> (n, width i + 1, stride * h, stride * w)"""
        weight, bias = tensors[f"stage{i}.weight"].flatten(0, 1), tensors[f"stage{i}.bias"].flatten()
        x = F.conv2d(x, weight, bias, padding=self.kernels[i] // 2)
        return self.activation(F.pixel_shuffle(x, self.strides[i]) if self.strides[i] > 1 else x)

    def colours(self, x: Tensor, tensors: Tensors) -> Tensor:
        """(n, last width, h, w) -> (n, channels, h, w), before the sigmoid or whatever bounds it."""
        return F.conv2d(x, tensors["head.weight"], tensors["head.bias"], padding=self.head // 2)

    def image(self, x: Tensor, tensors: Tensors, between: Between = lambda i, x: x) -> Tensor:
        """(1, width0, h, w) -> (channels, scale * h, scale * w), as `colours`."""
        return self.images(x, tensors, between)[0]

    def images(self, x: Tensor, tensors: Tensors, between: Between = lambda i, x: x) -> Tensor:
        """(n, width0, h, w) -> (n, channels, scale * h, scale * w)"""
        for i in range(len(self.strides)):
            x = self.stage(i, between(i, x), tensors)
        return self.colours(between(len(self.strides), x), tensors)


def started(
    entries: tuple[Entry, ...], shape: Callable[[tuple[Dimension, ...]], tuple[int, ...]], generator: torch.Generator
) -> Tensors:
    """Fresh tensors as torch's layers have them, uniform within 1 / sqrt(inputs), each bias as its weight before it.

    Weights whose last dimension is a number are convolutions' (outputs ..., inputs, k, k), others (inputs, outputs ...).
    """
    tensors: Tensors = {}
    bound = 1.0
    for name, dimensions, _ in entries:
        sides = shape(dimensions)
        if name.endswith("weight"):
            bound = math.prod(sides[-3:] if isinstance(dimensions[-1], int) else sides[:1]) ** -0.5
        tensors[name] = (2 * torch.rand(sides, generator=generator) - 1) * bound
    return tensors


def balanced(
    entries: tuple[Entry, ...], shape: Callable[[tuple[Dimension, ...]], tuple[int, ...]], generator: torch.Generator
) -> Tensors:
    """As `started`, but weights keep the variance of what they see, and biases are 0: for deep stages without a norm."""
    tensors = started(entries, shape, generator)
    gains = {"weight": math.sqrt(3), "bias": 0.0}
    return {name: tensor * gains.get(name.rpartition(".")[2], 1.0) for name, tensor in tensors.items()}


def widest(count: Callable[[int], int], most: float, limit: int = 2048) -> int:
    """The largest first width at which `count` parameters are at most `most`."""
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(middle) <= most else (low, middle - 1)
    return low
