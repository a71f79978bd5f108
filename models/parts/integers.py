"""Networks of whole numbers: convolutions of bytes, several times as fast on a CPU as those of floats, fitted for it.

    y = clip(round(m (w * (x - 128) + a)), 0, 255),  a = round(b / m) - sum of w (b' - 128)

x and y are unsigned bytes, and so clipping is the ReLU; w are signed ones; m and b are floats, of each output (Jacob et al.
2018), which a frame's time may change at no cost. b' are those of the layer before: what w sees is how far its inputs are
from there, or else a step of w, or its rounding, would move y most where nothing happens. All tensors that travel are whole
numbers: what a fit moves is what will be rounded.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.onnx.ops import symbolic

from ...runtime.profile import Dimension, Entry
from ..method import Tensors
from ..quantizers import round_ste
from ..rates import self_laplace_bits
from .temporal import between_ticks

WEIGHT_MAX = 63  # two products of bytes then sum within 16 bits, in which machines without better instructions sum them
ZERO, TOP = 128, 255  # the byte from which inputs are counted, and the last one
SCALE, GAIN, BIAS = 2.0**-16, 2.0**-9, 2.0**-5  # steps: of m, of an output's m in the layer's, of b
LEAST, MOST = 2.0**-14, 2.0**23  # of m, and of a: float32 then has all sums exactly, as integers have them

Convolve = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # (x, w, m, a)


def entries(name: str, inputs: Dimension, outputs: Dimension, kernel: int) -> Iterator[Entry]:
    """Of a layer that has changes for each tick of time."""
    yield f"{name}.weight", (outputs, inputs, kernel, kernel), f"{name}.weight"
    yield f"{name}.scale", (1,), "scale"
    yield f"{name}.gain", (outputs,), "gain"
    yield f"{name}.bias", (outputs,), "bias"
    yield f"{name}.changes", ("ticks", 2, outputs), "changes"


def layer(convolve: Convolve, x: Tensor, before: Tensor, name: str, tensors: Tensors, t: Tensor) -> tuple[Tensor, Tensor]:
    """(1, inputs, h, w) and `before` (inputs,) -> (1, outputs, h, w) and b (outputs,), at time t (1,) in [0, 1]."""
    gain, bias = between_ticks(tensors[f"{name}.changes"], t)[0].unbind(0)
    gain, bias = gain + tensors[f"{name}.gain"], bias + tensors[f"{name}.bias"]
    multiplier = (SCALE * tensors[f"{name}.scale"] * (1 + GAIN * gain)).clamp(min=LEAST)
    weight, bias = tensors[f"{name}.weight"], BIAS * bias
    middle = (weight.sum((2, 3)) * (levels(before) - ZERO)).sum(1)
    return convolve(x, weight, multiplier, (round_ste(bias / multiplier) - middle).clamp(-MOST, MOST)), bias


def started(name: str, weight: Tensor, multiplier: Tensor, bias: Tensor) -> Tensors:
    """The tensors of a layer with these w, m and b, but for its changes."""
    scale = multiplier.max()
    whole = {"scale": scale[None] / SCALE, "gain": (multiplier / scale - 1) / GAIN, "bias": bias / BIAS}
    return {f"{name}.{kind}": tensor for kind, tensor in ({"weight": weight} | whole).items()}


def convolved(x: Tensor, weight: Tensor, multiplier: Tensor, added: Tensor) -> Tensor:
    """(n, inputs, h, w) -> (n, outputs, h, w), bytes as floats; gradients pass through rounding, not through clipping."""
    summed = F.conv2d(x - ZERO, weight, padding=weight.shape[-1] // 2) + added.view(-1, 1, 1)
    return levels(summed * multiplier.view(-1, 1, 1))


def compiled(x: Tensor, weight: Tensor, multiplier: Tensor, added: Tensor) -> Tensor:
    """The same, bytes to bytes, as the operator that a decoder has for it."""
    one, nothing = torch.tensor(1.0), torch.tensor(0, dtype=torch.uint8)
    quantized = x if x.dtype == torch.uint8 else torch.round(x).to(torch.uint8), one, torch.tensor(ZERO, dtype=torch.uint8)
    kernel = weight.to(torch.int8), multiplier, torch.tensor(0, dtype=torch.int8)
    shape = (x.shape[0], weight.shape[0], *x.shape[2:])
    pads = [weight.shape[-1] // 2] * 4
    inputs = (*quantized, *kernel, one, nothing, torch.round(added).to(torch.int32))
    return symbolic("QLinearConv", inputs, {"pads": pads}, dtype=torch.uint8, shape=shape)


def levels(x: Tensor) -> Tensor:
    """Bytes as floats, straight through."""
    return round_ste(x).clamp(0, TOP)


def rounded(tensors: Tensors, progress: float) -> Tensors:
    """Straight through; weights within WEIGHT_MAX."""
    whole = {name: round_ste(tensor) for name, tensor in tensors.items()}
    return {n: t.clamp(-WEIGHT_MAX, WEIGHT_MAX) if n.endswith("weight") else t for n, t in whole.items()}


def bits(tensors: Tensors) -> Tensor:
    """Of tensors of whole numbers under zero-mean Laplaces."""
    return torch.stack([self_laplace_bits(tensor, 1.0) for tensor in tensors.values()]).sum()
