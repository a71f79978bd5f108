"""QR decompositions of small matrices, all at once."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .tiles import side_of


@triton.jit
def _orthonormal_kernel(x, out, n, S: tl.constexpr):
    """Householder's reflections, of columns scaled by their largest value."""
    i, j = tl.arange(0, S)[:, None], tl.arange(0, S)[None, :]
    row = tl.arange(0, S)
    place = tl.program_id(0) * n * n + i * n + j
    inside = (i < n) & (j < n)
    a = tl.load(x + place, mask=inside, other=0.0)
    largest = tl.max(tl.abs(a), 0)[None, :]
    a = a / tl.where(largest > 0, largest, 1.0)
    q = tl.where(i == j, 1.0, 0.0)
    for k in range(n):
        v = tl.sum(tl.where((j == k) & (i >= k), a, 0.0), 1)
        head = tl.sum(tl.where(row == k, v, 0.0), 0)
        norm = tl.sqrt(tl.sum(v * v, 0))
        v += tl.where(row == k, tl.where(head < 0, -norm, norm), 0.0)
        square = tl.sum(v * v, 0)
        twice = tl.where(square > 0, 2 / tl.where(square > 0, square, 1.0), 0.0)
        a -= v[:, None] * (twice * tl.sum(v[:, None] * a, 0))[None, :]
        q -= (twice * tl.sum(q * v[None, :], 1))[:, None] * v[None, :]
    tl.store(out + place, q, mask=inside)


def orthonormal(x: Tensor) -> Tensor:
    """As `fused.orthonormal`, (count, n, n)."""
    x, out = x.contiguous(), torch.empty_like(x)
    _orthonormal_kernel[(len(x),)](x, out, x.shape[1], S=side_of(x.shape[1]), num_warps=8)
    return out
