"""A frame mixed with its neighbours, moved along flow that a network tells: FFNeRV's aggregation. Lee et al. 2023."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Entry
from ..method import Tensors
from .warp import sampled

NEIGHBOURS = (-2, -1, 1, 2)


@dataclass(frozen=True)
class Aggregation:
    """Heads "mixI" see maps: that at `first`, a number of `strides` before the frame, tells flow and weight of neighbours,
    the last how much of what they aggregate is taken."""

    strides: tuple[int, ...]
    first: int

    @property
    def entries(self) -> tuple[Entry, ...]:
        flow, blend = f"mix{self.first}", f"mix{len(self.strides)}"
        shapes = {
            f"{flow}.weight": (len(NEIGHBOURS), 3, f"width{self.first}", 3, 3),
            f"{flow}.bias": (len(NEIGHBOURS), 3),
            f"{blend}.weight": (1, 1, f"width{len(self.strides)}", 3, 3),
            f"{blend}.bias": (1, 1),
        }
        return tuple((name, shape, name) for name, shape in shapes.items())

    def image(self, independent: Tensor, maps: list[Tensor], tensors: Tensors) -> Tensor:
        """(channels, h, w), of `independent` frames (1 + neighbours, channels, h, w) and the maps they were made by."""
        scale = math.prod(self.strides[self.first :])
        flow = F.interpolate(self._told(self.first, maps, tensors), scale_factor=scale, mode="bilinear")
        flow = flow[0].unflatten(0, (len(NEIGHBOURS), 3))
        aggregated = (torch.softmax(flow[:, 2:], 0) * warped(independent[1:], flow[:, :2])).sum(0)
        return torch.lerp(independent[0], aggregated, torch.sigmoid(self._told(len(self.strides), maps, tensors)[0]))

    def _told(self, i: int, maps: list[Tensor], tensors: Tensors) -> Tensor:
        weight, bias = tensors[f"mix{i}.weight"].flatten(0, 1), tensors[f"mix{i}.bias"].flatten()
        return F.conv2d(maps[i][:1], weight, bias, padding=1)


def around(tensors: Tensors) -> Tensor:
    """(1 + neighbours,): the frame and its neighbours, of which the first and the last stand for those beyond."""
    offsets = torch.tensor((0, *NEIGHBOURS), device=tensors["frame"].device)
    return torch.minimum((tensors["frame"] + offsets).clamp(min=0), tensors["frames"] - 1)


def warped(images: Tensor, flow: Tensor) -> Tensor:
    """(n, channels, h, w), each pixel taken from where `flow` (n, 2, h, w) points, right and down; bilinear, edges repeat."""
    height, width = images.shape[-2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    return sampled(images, y, x)
