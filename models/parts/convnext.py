"""ConvNeXt's residual block, without its norm: 3x3 in groups -> 1x1, wider -> GELU -> 1x1. Liu et al. 2022.

The paper's 3x3 sees one channel each; a graph for any number of channels has a fixed number of groups instead.
"""

from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Entry
from ..method import Tensors
from .layers import conv, conv_entries

GROUPS, EXPANSION = 4, 4


def block_entries(name: str, width: str, slice: str, hidden: str) -> tuple[Entry, ...]:
    """`slice` and `hidden` are the sizes of a group and of the wider map: `width` / GROUPS, EXPANSION * `width`."""
    spatial = conv_entries(f"{name}.spatial", slice, width, 3)
    return *spatial, *conv_entries(f"{name}.widen", width, hidden, 1), *conv_entries(f"{name}.narrow", hidden, width, 1)


def block(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    """(n, width, h, w) -> the same"""
    y = F.conv2d(x, tensors[f"{name}.spatial.weight"], tensors[f"{name}.spatial.bias"], padding=1, groups=GROUPS)
    return x + conv(f"{name}.narrow", F.gelu(conv(f"{name}.widen", y, tensors, 1)), tensors, 1)
