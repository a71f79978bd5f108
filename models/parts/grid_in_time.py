"""Grids of features that are finer or coarser in time: what the frames of a group have in common."""

import torch
from torch import Tensor


def read_grid(grid: Tensor, t: Tensor) -> Tensor:
    """(times, n, h, w) at `t` (1,) in [0, 1], linear between two times -> (1, n, h, w)"""
    last = torch.ones_like(grid[:, 0, 0, 0]).sum() - 1
    below = torch.floor(t * last)
    above = torch.minimum(below + 1, last)
    low, high = (grid.index_select(0, index.long()) for index in (below, above))
    return low + (t * last - below) * (high - low)
