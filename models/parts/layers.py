"""Layers by name: their entries in a manifest, and what they do to what comes in."""

from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Dimension, Entry
from ..method import Tensors


def linear_entries(name: str, inputs: Dimension, *outputs: Dimension) -> tuple[Entry, ...]:
    return (f"{name}.weight", (inputs, *outputs), f"{name}.weight"), (f"{name}.bias", outputs, f"{name}.bias")


def linear(name: str, x: Tensor, tensors: Tensors) -> Tensor:
    """(n, inputs) -> (n, all outputs in a row)."""
    return x @ tensors[f"{name}.weight"].flatten(1) + tensors[f"{name}.bias"].flatten()


def conv_entries(name: str, inputs: Dimension, outputs: Dimension, kernel: int) -> tuple[Entry, ...]:
    weight, bias = f"{name}.weight", f"{name}.bias"
    return (weight, (outputs, inputs, kernel, kernel), weight), (bias, (outputs,), bias)


def conv(name: str, x: Tensor, tensors: Tensors, kernel: int) -> Tensor:
    """(n, inputs, h, w) -> (n, outputs, h, w); beyond the edges are zeros."""
    return F.conv2d(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"], padding=kernel // 2)
