"""NeRV: from the time of a frame to the frame, by a perceptron and stages of pixel shuffle. Chen et al. 2021.

    t -> PosEnc(1.25, 80) -> 512 -> map (rows, columns, d) -> stages of 3x3, channels halved -> sigmoid

Fitted to 0.7 L1 + 0.3 (1 - SSIM); then the smallest 60 % of the weights become zero, and the rest is fitted on; 8 bits each.
The paper counts a Huffman code of what is not zero: ours is a range coder's file of all.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Entry, Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, SCHEDULES, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..losses import fusion
from ..method import Method, Paper, Phase, Recipe, Tensors
from ..parts.layers import linear, linear_entries
from ..parts.temporal import embedded, time
from ..parts.upconv import Stages
from ..weights import masked, pruned

BASE, COUNT = 1.25, 80  # of the positional encoding
REDUCTION, LEAST = 2, 8  # of channels from stage to stage; the paper's least is 96, of millions of weights
MILLIONS = 2e6  # of weights
KEPT = 0.4  # of the weights
BITS = 4.3  # of a weight, pruned ones among them, a first estimate


def stages(name: str) -> Stages:
    strides = SCHEDULES[name]
    return Stages(strides, (3,) * len(strides), head=1, activation=F.silu)


def stem_entries(inputs: int) -> tuple[Entry, ...]:
    return *linear_entries("stem.hidden", inputs, "hidden"), *linear_entries("stem", "hidden", "width0", *dict(GRID))


def hidden_layer(features: Tensor, tensors: Tensors) -> Tensor:
    """(n, inputs) -> (n, hidden)"""
    return F.silu(linear("stem.hidden", features, tensors))


def stem(hidden: Tensor, tensors: Tensors) -> Tensor:
    """(n, hidden) -> (n, width0, rows, columns)"""
    return F.silu(linear("stem", hidden, tensors).view(-1, *tensors["stem.bias"].shape))


def manifest(name: str) -> Manifest:
    sizes = (("hidden", 4096), *GRID, *stages(name).sizes)
    return Manifest(f"nerv_{name}", sizes, (*stem_entries(2 * COUNT), *stages(name).entries), halo=WHOLE, method="nerv")


def image_of(name: str):
    def image(tensors: Tensors) -> Tensor:
        hidden = hidden_layer(embedded(time(tensors), BASE, COUNT), tensors)
        return torch.sigmoid(stages(name).image(stem(hidden, tensors), tensors))

    return image


def hidden_width(weights: float, few: int = 64) -> int:
    """The perceptron's: the paper's for its millions of weights."""
    return 512 if weights > MILLIONS else few


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    parts, most = stages(name), 8 * nbytes / BITS

    def sizes(first: int) -> dict[str, int]:
        return {"hidden": hidden_width(most)} | grid(signal, parts.scale) | parts.widths(first, REDUCTION, LEAST)

    made = manifest(name)
    return clip_field(signal, made, image_of(name), sizes, most, dict.fromkeys(made.groups, "8 bits"))


profiles = profiles_of(manifest, image_of)


def recipe(lmbda: float) -> Recipe:
    """Adam at 5e-4, a frame a step, 300 epochs and 100 more with the pruned network."""
    fit = Phase("fit", 0.75, (5e-4, 1e-5), hard=True)
    fine = Phase("pruned", 0.25, (2e-4, 1e-6), hard=True, enter=pruned(KEPT), weights=masked)
    return Recipe((fit, fine), optimizer="adam", distortion=fusion, batch=1)


def nerv() -> Method:
    title = "NeRV: neural representations for videos"
    paper = Paper(title, 2021, "H. Chen, B. He, H. Wang, Y. Ren, S.-N. Lim, A. Shrivastava", "NeurIPS 2021")
    return Method("nerv", "video", paper, build, recipe, profiles, sets=True)
