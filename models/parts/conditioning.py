"""Maps of features told what to be: by a vector of their frame's time or place, or by another map.

A vector sets each channel's scale and shift: after it has been normalized (AdaIN: Huang & Belongie 2017), or as it is (SFT:
Wang et al. 2018). Both start near scale 1.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Dimension, Entry
from ..method import Tensors
from .layers import conv, conv_entries, linear, linear_entries

EPSILON = 1e-5  # of a variance


def normalized(x: Tensor) -> Tensor:
    """(n, channels, h, w) with mean 0 and variance 1 in each channel of each."""
    centred = x - x.mean((2, 3), keepdim=True)
    return centred / torch.sqrt(centred.square().mean((2, 3), keepdim=True) + EPSILON)


def scaled(x: Tensor, numbers: Tensor) -> Tensor:
    """(n, channels, h, w) by (n, 2 channels): x (1 + scale) + shift."""
    scale, shift = numbers.unflatten(1, (2, -1))[..., None, None].unbind(1)
    return x * (1 + scale) + shift


def adain_entries(name: str, inputs: Dimension, width: Dimension) -> tuple[Entry, ...]:
    return linear_entries(name, inputs, 2, width)


def adain(name: str, x: Tensor, vector: Tensor, tensors: Tensors) -> Tensor:
    return scaled(normalized(x), linear(name, vector, tensors))


def sft_entries(name: str, inputs: Dimension, width: Dimension) -> tuple[Entry, ...]:
    return *linear_entries(f"{name}.hidden", inputs, width), *linear_entries(name, width, 2, width)


def sft(name: str, x: Tensor, vector: Tensor, tensors: Tensors) -> Tensor:
    return scaled(x, linear(name, F.relu(linear(f"{name}.hidden", vector, tensors)), tensors))


def sft_block_entries(name: str, inputs: Dimension, width: Dimension) -> tuple[Entry, ...]:
    rows: list[Entry] = []
    for i in range(2):
        rows += [*sft_entries(f"{name}.sft{i}", inputs, width), *conv_entries(f"{name}.conv{i}", width, width, 3)]
    return tuple(rows)


def sft_block(name: str, x: Tensor, vector: Tensor, tensors: Tensors) -> Tensor:
    """x + conv(SFT(GELU(conv(SFT(x)))))."""
    inner = F.gelu(conv(f"{name}.conv0", sft(f"{name}.sft0", x, vector, tensors), tensors, 3))
    return x + conv(f"{name}.conv1", sft(f"{name}.sft1", inner, vector, tensors), tensors, 3)


def fused(x: Tensor, other: Tensor) -> Tensor:
    """(n, channels, h, w) by (n, 2 channels, h, w): s p + (1 - s) x, where p = tanh and s = sigmoid of the other's halves."""
    p, s = other.unflatten(1, (2, -1)).unbind(1)
    s = torch.sigmoid(s)
    return s * torch.tanh(p) + (1 - s) * x
