"""Pictures from where a flow points."""

import torch
from torch import Tensor
from torch.nn import functional as F


def sampled(picture: Tensor, rows: Tensor, columns: Tensor, mode: str = "bilinear") -> Tensor:
    """(n, channels, height, width) at `rows` (n, h, w) and `columns`, in its pixels; "bilinear" or "bicubic" between them,
    edges repeat."""
    height, width = picture.shape[2:]
    places = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    return F.grid_sample(picture, places, mode, padding_mode="border", align_corners=False)
