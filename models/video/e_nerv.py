"""E-NeRV: NeRV with space and time apart, and each frame's time in every stage. Li et al. 2022.

    rows, columns -> PosEnc(1.25, 80) -> 1x1 -> map -> times a vector of t -> 3x3 -> stages of 3x3, halved -> sigmoid

Before every stage the map is normalized, and its scale and shift come of t (AdaIN). The 3x3 convolution stands for the
paper's two transformer blocks, and a bias for each place tells how large the map is; the first stage has no bottleneck.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, SCHEDULES, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..losses import fusion
from ..method import Method, Paper, Phase, Recipe, Tensors
from ..parts.conditioning import adain, adain_entries
from ..parts.layers import conv, conv_entries, linear, linear_entries
from ..parts.temporal import embedded, time
from ..parts.upconv import Stages
from .nerv import BASE, COUNT, MILLIONS, REDUCTION

LEAST = 6  # channels of a stage; the paper's least is 96, of millions of weights
HIDDEN, STYLE = 512, 128  # of the perceptrons of t
FEW, FEWER = 20, 10  # where the weights are not millions
BITS = 6.2  # of a weight, a first estimate


def stages(name: str) -> Stages:
    strides = SCHEDULES[name]
    return Stages(strides, (3,) * len(strides), head=1)


def manifest(name: str) -> Manifest:
    space = ("stem.space.weight", ("width0", 4 * COUNT, 1, 1), "stem.space.weight")
    place = ("stem.space.bias", ("width0", *dict(GRID)), "stem.space.bias")
    time = *linear_entries("time.hidden", 2 * COUNT, "hidden"), *linear_entries("time", "hidden", "width0")
    style = *linear_entries("style.first", 2 * COUNT, "style"), *linear_entries("style.second", "style", "style")
    styles = (entry for i in range(len(SCHEDULES[name])) for entry in adain_entries(f"style{i}", "style", f"width{i}"))
    entries = (space, place, *time, *conv_entries("stem", "width0", "width0", 3), *style, *styles, *stages(name).entries)
    sizes = (("hidden", 4096), ("style", 4096), *GRID, *stages(name).sizes)
    return Manifest(f"e_nerv_{name}", sizes, entries, halo=WHOLE, method="e_nerv")


def places(rows: int, columns: int) -> Tensor:
    """(1, 4 COUNT, rows, columns): the positional encodings of a map's rows and columns, from 0 to below 1."""
    down, across = (embedded(torch.arange(n) / n, BASE, COUNT).t() for n in (rows, columns))
    return torch.cat([down[:, :, None].expand(-1, -1, columns), across[:, None].expand(-1, rows, -1)])[None]


def stem(features: Tensor, tensors: Tensors) -> Tensor:
    """Of the time's (1, 2 COUNT): (1, width0, rows, columns)."""
    bias = tensors["stem.space.bias"]
    space = F.conv2d(places(*bias.shape[1:]).to(bias.device), tensors["stem.space.weight"]) + bias
    vector = F.gelu(linear("time", F.gelu(linear("time.hidden", features, tensors)), tensors))
    return F.gelu(conv("stem", F.gelu(space) * vector[..., None, None], tensors, 3))


def image_of(name: str):
    def image(tensors: Tensors) -> Tensor:
        style = features = embedded(time(tensors), BASE, COUNT)
        for layer in ("style.first", "style.second"):
            style = F.gelu(linear(layer, style, tensors))

        def between(i: int, x: Tensor) -> Tensor:
            return adain(f"style{i}", x, style, tensors) if i < len(SCHEDULES[name]) else x

        return torch.sigmoid(stages(name).image(stem(features, tensors), tensors, between))

    return image


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, parts, most = manifest(name), stages(name), 8 * nbytes / BITS

    def sizes(first: int) -> dict[str, int]:
        perceptrons = (HIDDEN, STYLE) if most > MILLIONS else (FEW, FEWER)
        return dict(zip(("hidden", "style"), perceptrons)) | grid(signal, parts.scale) | parts.widths(first, REDUCTION, LEAST)

    return clip_field(signal, made, image_of(name), sizes, most, dict.fromkeys(made.groups, "8 bits"))


profiles = profiles_of(manifest, image_of, most=16)


def recipe(lmbda: float) -> Recipe:
    """NeRV's without the pruning: a frame a step, 300 epochs of Adam; at 2e-3, the paper's 5e-4 being for large networks."""
    fit = Phase("fit", 1.0, (2e-3, 1e-6), hard=True)
    return Recipe((fit,), optimizer="adam", distortion=fusion, batch=1)


def e_nerv() -> Method:
    title = "E-NeRV: expedite neural video representation with disentangled spatial-temporal context"
    authors = "Z. Li, M. Wang, H. Pi, K. Xu, J. Mei, Y. Liu"
    paper = Paper(title, 2022, authors, "ECCV 2022; convolution for attention")
    return Method("e_nerv", "video", paper, build, recipe, profiles, sets=True)
