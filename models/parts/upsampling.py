"""Learned x2 upsampling of the pyramid: a symmetric 8-tap kernel per level, separable.

It starts as bicubic interpolation. The output's even samples lie a quarter step before the input's, the odd ones behind:
even[i] = sum_k taps[k] x[i - 2 + k], odd mirrored (Cool-chic 3.1, Ladune et al. 2024).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

TAPS = 4


def bicubic_taps() -> Tensor:
    """Keys' cubic (a = -3/4) at a quarter step: the weights of x[i - 2] ... x[i + 1] for the sample at i - 1/4."""
    a = -0.75
    distance = torch.tensor([1.75, 0.75, 0.25, 1.25])
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return torch.where(distance < 1, near, far)


def upsample(x: Tensor, taps: Tensor, height: int, width: int) -> Tensor:
    """(c, h, w) -> (c, height, width): twice the size, less a last row or column where the size is odd; edges repeat."""
    return _double(_double(x, taps, 1)[:, :height], taps, 2)[:, :, :width]


def _double(x: Tensor, taps: Tensor, dim: int) -> Tensor:
    """Twice as long along `dim`, by two sums of four shifted views."""
    n = x.shape[dim]
    head, tail = x.narrow(dim, 0, 1), x.narrow(dim, n - 1, 1)
    padded = torch.cat([head, head, x, tail, tail], dim)
    shifted = torch.stack([padded.narrow(dim, k, n) for k in range(TAPS + 1)])  # (5, ...)
    none = taps.new_zeros(1)
    phases = torch.stack([torch.cat([taps, none]), torch.cat([none, taps.flip(0)])])  # (2, 5)
    both = (phases @ shifted.flatten(1)).view(2, *x.shape)
    return torch.stack([both[0], both[1]], dim + 1).flatten(dim, dim + 1)


def pyramid_features(grids: list[Tensor], kernels: Tensor) -> Tensor:
    """Latent grids (h, w), finest first, to features (levels, height, width); kernels (levels - 1, TAPS), finest first."""
    stack = grids[-1][None]
    for level in range(len(grids) - 2, -1, -1):
        h, w = grids[level].shape
        stack = torch.cat([grids[level][None], upsample(stack, kernels[level], h, w)])
    return stack


def upsampling_graph(tensors: dict[str, Tensor]) -> Tensor:
    """`pyramid_features` as a decoder graph: each x2 is one 5x5 convolution with four outputs and a depth-to-space.

    upsampling.kernels (levels - 1, TAPS) and latents.k (1, 1, h, w), finest first -> (1, levels, height, width).
    """
    kernels = tensors["upsampling.kernels"]
    stack = tensors[f"latents.{len(kernels)}"]
    none = kernels.new_zeros(1)
    for level in range(len(kernels) - 1, -1, -1):
        finer = tensors[f"latents.{level}"]
        phases = torch.stack([torch.cat([kernels[level], none]), torch.cat([none, kernels[level].flip(0)])])  # (2, 5)
        weight = torch.einsum("ai,bj->abij", phases, phases).reshape(4, 1, TAPS + 1, TAPS + 1)
        padded = F.pad(stack, (2, 2, 2, 2), mode="replicate").transpose(0, 1)  # channels as a batch
        up = F.pixel_shuffle(F.conv2d(padded, weight), 2).transpose(0, 1)
        stack = torch.cat([finer, up[:, :, : finer.shape[2], : finer.shape[3]]], 1)
    return stack
