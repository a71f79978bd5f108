"""Where a frame stands in its segment, as features."""

import math

import torch
from torch import Tensor

from ..method import Tensors


def time(tensors: Tensors) -> Tensor:
    """(1,): 0 for the first frame, below 1 for the last."""
    return tensors["frame"] / tensors["frames"]


def embedded(t: Tensor, base: float, count: int) -> Tensor:
    """(n,) -> (n, 2 count): sin and cos of base**k pi t, k < count."""
    angles = t[:, None] * (math.pi * torch.tensor([base**k for k in range(count)], device=t.device))
    return torch.cat([torch.sin(angles), torch.cos(angles)], 1)
