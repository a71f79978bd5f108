"""Numbers for each frame, on a coarse grid, that travel beside the network's weights."""

import torch
from torch import Tensor
from torch.nn import functional as F

CELLS = 4  # a place of an embedding sees its part of the frame in 4x4 means


def projected(target: Tensor, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """A start: (frames, *shape) as an untrained encoder makes it, random projections of frames (frames, channels, h, w)."""
    numbers, rows, columns = shape
    means = F.adaptive_avg_pool2d(target.cpu(), (CELLS * rows, CELLS * columns))
    patches = F.pixel_unshuffle(means - means.mean((0, 2, 3), keepdim=True), CELLS)
    projection = torch.randn(numbers, patches.shape[1], generator=generator)
    embedding = torch.einsum("np,fphw->fnhw", projection, patches)
    return embedding / embedding.std().clamp(min=1e-6)


def differences(target: Tensor) -> Tensor:
    """(frames, channels, h, w) -> (frames, 2 channels, h, w): each frame less the one before, and the next one less it."""
    steps = F.pad(target[1:] - target[:-1], (0, 0, 0, 0, 0, 0, 1, 1))
    return torch.cat([steps[:-1], steps[1:]], 1)
