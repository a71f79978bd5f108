"""Bytes of 4:2:0 to RGB as the decoder does it (`runtime.squares`), for training."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.squares import linear


def rgb(squares: Tensor) -> Tensor:
    """(n, 6, h, w) bytes as floats -> (n, 3, 2h, 2w), near [0, 1]: whole 255ths, which gradients pass."""
    weights, bias = (torch.from_numpy(array).to(squares.device) for array in linear())
    colours = F.conv2d(squares, weights[..., None, None], bias)
    return F.pixel_shuffle(colours + (torch.floor(colours) - colours).detach(), 2) / 255
