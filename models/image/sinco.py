"""SINCO: a SIREN in which a frozen network finds the regions that it finds in the picture. Gao et al., 2023.

    loss = MSE + WEIGHT (1 - Dice(segments(decoded), segments(picture))),  segments: (3, h, w) -> (REGIONS, h / 2, w / 2)

The paper's network was trained on labels: tumours in brain MRI. Ours, of 15,000 weights, has learned from a few photos, and
without labels, to tell regions of like colour and texture (invariant information clustering, Ji et al. 2019): these are no
objects. It serves encoders alone. A step sees every n-th row and column of a large picture, and so does it, on both sides.
The paper gives no sizes: the network and its coding are `siren`'s.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import Field, field_graph
from ..method import Base, Graph, Method, Paper, Recipe, Tensors
from ..parts.perceptron import widest_field
from ..shared import load, rgb_only
from . import siren

REGIONS, WEIGHT = 6, 0.01
CHANNELS, KERNELS, DILATIONS = (3, 16, 24, 24, 24, REGIONS), (5, 3, 3, 3, 1), (1, 1, 2, 4, 1)
MARGIN = 16  # pixels around one that its region depends on
NEAR, JITTER = 4, 0.1  # how far a neighbour may be, in pixels of a segmentation; of colours
MANIFEST = siren.NETWORK.manifest("sinco")


def start(generator: torch.Generator) -> Tensors:
    """All regions nearly alike: of others some die early."""
    tensors: Tensors = {}
    for i, (a, b, k) in enumerate(zip(CHANNELS, CHANNELS[1:], KERNELS)):
        tensors[f"layer{i}.weight"] = torch.randn(b, a, k, k, generator=generator) / math.sqrt(k * k * a / 2)
        tensors[f"layer{i}.bias"] = torch.zeros(b)
    return tensors | {f"layer{i}.weight": tensors[f"layer{i}.weight"] / 4}


def segments(base: Tensors, pictures: Tensor) -> Tensor:
    """(..., 3, h, w) -> (n, REGIONS, h / 2, w / 2), rounded up: how likely each pixel is of each region."""
    x = F.pad(pictures.reshape(-1, *pictures.shape[-3:]) - 0.5, (MARGIN,) * 4, mode="replicate")
    for i, dilation in enumerate(DILATIONS):
        weight, bias = base[f"layer{i}.weight"], base[f"layer{i}.bias"]
        x = F.conv2d(F.gelu(x) if i else x, weight, bias, stride=1 if i else 2, dilation=dilation)
    return torch.softmax(x, 1)


def unshared(base: Tensors, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """What a pixel's region does not tell of its neighbour's in a turned, recoloured copy: log REGIONS less their mutual
    information, in nats (Ji et al. 2019, section 3.3)."""
    gain, offset = JITTER * (2 * torch.rand(2, len(pictures), 3, 1, 1, generator=generator) - 1)
    turns = int(torch.randint(1, 4, (), generator=generator))
    copies = torch.rot90((pictures * (1 + gain) + offset / 3).clamp(0, 1), turns, (2, 3))
    row, column = torch.randint(2 * NEAR + 1, (2,), generator=generator).tolist()
    here = segments(base, pictures)[..., NEAR:-NEAR, NEAR:-NEAR]
    there = torch.rot90(segments(base, copies), -turns, (2, 3))[..., row:, column:][..., : here.shape[2], : here.shape[3]]
    joint = torch.einsum("nihw, njhw -> ij", here, there) / here[:, 0].numel()
    joint = ((joint + joint.t()) / 2).clamp(min=1e-6)
    return math.log(REGIONS) - (joint * (joint / (joint.sum(0) * joint.sum(1, keepdim=True))).log()).sum()


def dice(a: Tensor, b: Tensor) -> Tensor:
    """Of soft segmentations: 1 where they are equal, 0 where they share nothing (Milletari et al. 2016)."""
    return 2 * (a * b).sum() / (a.square() + b.square()).sum()


def distortion(image: Tensor, target: Tensor) -> Tensor:
    base = {name: tensor.to(image.device) for name, tensor in load("sinco").items()}
    return F.mse_loss(image, target) + WEIGHT * (1 - dice(segments(base, image), segments(base, target)))


def build(signal: Signal, nbytes: float) -> Field:
    rgb_only("sinco", signal)
    return widest_field(siren.NETWORK, MANIFEST, siren.BITS)(signal, nbytes)


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, siren.NETWORK.image),)


def recipe(lmbda: float) -> Recipe:
    return replace(siren.recipe(lmbda), distortion=distortion)


def sinco() -> Method:
    title = "SINCO: a novel structural regularizer for image compression using implicit neural representations"
    paper = Paper(title, 2023, "H. Gao, W. Gan, Z. Sun, U. S. Kamilov", "ICASSP 2023; sizes and segmentation are ours")
    base = Base("sinco", start, unshared, batch=16, size=64, lr=3e-3, steps=3000)
    return Method("sinco", "image", paper, build, recipe, profiles, bases=(base,))
