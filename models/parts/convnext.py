"""ConvNeXt's residual block, without its norm: 3x3 in groups -> 1x1, wider -> GELU -> 1x1. Liu et al. 2022.

The paper's 3x3 sees one channel each; a graph for any number of channels has a fixed number of groups instead.
"""

from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Entry
from ..method import Tensors

GROUPS, EXPANSION = 4, 4


def block_entries(name: str, width: str, slice: str, hidden: str) -> tuple[Entry, ...]:
    """`slice` and `hidden` are the sizes of a group and of the wider map: `width` / GROUPS, EXPANSION * `width`."""
    shapes = {
        "spatial.weight": (width, slice, 3, 3),
        "spatial.bias": (width,),
        "widen.weight": (hidden, width, 1, 1),
        "widen.bias": (hidden,),
        "narrow.weight": (width, hidden, 1, 1),
        "narrow.bias": (width,),
    }
    return tuple((f"{name}.{part}", shape, f"{name}.{part}") for part, shape in shapes.items())


def block(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    """(n, width, h, w) -> the same"""
    y = F.conv2d(x, tensors[f"{name}.spatial.weight"], tensors[f"{name}.spatial.bias"], padding=1, groups=GROUPS)
    y = F.gelu(F.conv2d(y, tensors[f"{name}.widen.weight"], tensors[f"{name}.widen.bias"]))
    return x + F.conv2d(y, tensors[f"{name}.narrow.weight"], tensors[f"{name}.narrow.bias"])
