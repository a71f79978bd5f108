"""Networks of whole numbers: convolutions of bytes, several times as fast on a CPU as those of floats, fitted for it.

    y = clip(round(m (w * x + round(b / m))), 0, 255)

x and y are unsigned bytes, and so clipping is the ReLU; w are signed ones; m and b are floats, of each output (Jacob et al.
2018). All tensors that travel are whole numbers: what a fit moves is what will be rounded.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.onnx.ops import symbolic

from ..method import Tensors
from ..quantizers import round_ste
from ..rates import self_laplace_bits

WEIGHT_MAX = 63  # two products of bytes then sum within 16 bits, in which machines without better instructions sum them
TOP = 255
EXACT = 2**24  # sums below are whole in float32

Convolve = Callable[[Tensor, Tensor, Tensor, Tensor, int], Tensor]  # (x, w, m, b, zero); x is counted from `zero`


def convolved(x: Tensor, weight: Tensor, multiplier: Tensor, bias: Tensor, zero: int = 0) -> Tensor:
    """(n, inputs, h, w) -> (n, outputs, h, w), bytes as floats; the gradients pass through rounding, not through clipping."""
    summed = F.conv2d(x - zero, weight, padding=weight.shape[-1] // 2)
    scale = multiplier.view(-1, 1, 1)
    return round_ste((summed + round_ste(bias / multiplier).view(-1, 1, 1)) * scale).clamp(0, TOP)


def compiled(x: Tensor, weight: Tensor, multiplier: Tensor, bias: Tensor, zero: int = 0) -> Tensor:
    """The same, bytes to bytes, as the operator that a decoder has for it."""
    one, nothing = torch.tensor(1.0), torch.tensor(0, dtype=torch.uint8)
    quantized = x if x.dtype == torch.uint8 else torch.round(x).to(torch.uint8), one, torch.tensor(zero, dtype=torch.uint8)
    kernel = weight.to(torch.int8), multiplier, torch.tensor(0, dtype=torch.int8)
    added = torch.round(bias / multiplier).to(torch.int32)
    shape = (x.shape[0], weight.shape[0], *x.shape[2:])
    pads = [weight.shape[-1] // 2] * 4
    inputs = (*quantized, *kernel, one, nothing, added)
    return symbolic("QLinearConv", inputs, {"pads": pads}, dtype=torch.uint8, shape=shape)


def rounded(tensors: Tensors, progress: float) -> Tensors:
    """Straight through; weights within WEIGHT_MAX."""
    whole = {name: round_ste(tensor) for name, tensor in tensors.items()}
    return {n: t.clamp(-WEIGHT_MAX, WEIGHT_MAX) if n.endswith("weight") else t for n, t in whole.items()}


def bits(tensors: Tensors) -> Tensor:
    """Of tensors of whole numbers under zero-mean Laplaces."""
    return torch.stack([self_laplace_bits(tensor, 1.0) for tensor in tensors.values()]).sum()


def levels(x: Tensor) -> Tensor:
    """Bytes as floats."""
    return round_ste(x).clamp(0, TOP)
