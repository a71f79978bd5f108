"""NeRV: from the time of a frame to the frame, by a perceptron and stages of pixel shuffle. Chen et al. 2021.

    t -> PosEnc(1.25, 80) -> 512 -> map (rows, columns, d) -> stages of 3x3, channels halved -> sigmoid

Fitted to 0.7 L1 + 0.3 (1 - SSIM); then the smallest 60 % of the weights become zero, and the rest is fitted on; 8 bits each.
The paper counts a Huffman code of what is not zero: ours is a range coder's file of all.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, SCHEDULES, clip_field, grid, schedule
from ..field import WHOLE, Field, field_graph
from ..losses import fusion
from ..method import Graph, Method, Paper, Phase, Recipe, Tensors
from ..parts.temporal import embedded, time
from ..parts.upconv import Stages
from ..weights import masked, pruned

BASE, COUNT = 1.25, 80  # of the positional encoding
REDUCTION, LEAST = 2, 8  # of channels from stage to stage; the paper's least is 96, of millions of weights
HIDDEN = 512
KEPT = 0.4  # of the weights
BITS = 8 * KEPT  # of a weight, a first estimate


def stages(name: str) -> Stages:
    strides = SCHEDULES[name]
    return Stages(strides, (3,) * len(strides), head=1, activation=F.silu)


def manifest(name: str) -> Manifest:
    stem = (
        ("stem.hidden.weight", (2 * COUNT, "hidden"), "stem.hidden.weight"),
        ("stem.hidden.bias", ("hidden",), "stem.hidden.bias"),
        ("stem.weight", ("hidden", "width0", "grid_rows", "grid_columns"), "stem.weight"),
        ("stem.bias", ("width0", "grid_rows", "grid_columns"), "stem.bias"),
    )
    sizes = (("hidden", 4096), *GRID, *stages(name).sizes)
    return Manifest(f"nerv_{name}", sizes, (*stem, *stages(name).entries), halo=WHOLE, method="nerv")


def stem(tensors: Tensors) -> Tensor:
    """(1, width0, rows, columns)"""
    hidden = embedded(time(tensors), BASE, COUNT) @ tensors["stem.hidden.weight"] + tensors["stem.hidden.bias"]
    flat = F.silu(hidden) @ tensors["stem.weight"].flatten(1)
    return F.silu(flat.view(tensors["stem.bias"].shape) + tensors["stem.bias"])[None]


def image_of(name: str):
    return lambda tensors: torch.sigmoid(stages(name).image(stem(tensors), tensors))


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    parts, most = stages(name), 8 * nbytes / BITS

    def sizes(first: int) -> dict[str, int]:
        return {"hidden": HIDDEN if most > 2e6 else 64} | grid(signal, parts.scale) | parts.widths(first, REDUCTION, LEAST)

    made = manifest(name)
    return clip_field(signal, made, image_of(name), sizes, most, dict.fromkeys(made.groups, "8 bits"))


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    for name in SCHEDULES:
        yield manifest(name), (field_graph(manifest(name), image_of(name)),)


def recipe(lmbda: float) -> Recipe:
    """Adam at 5e-4, a frame a step, 300 epochs and 100 more with the pruned network."""
    fit = Phase("fit", 0.75, (5e-4, 1e-5), hard=True)
    fine = Phase("pruned", 0.25, (2e-4, 1e-6), hard=True, enter=pruned(KEPT), weights=masked)
    return Recipe((fit, fine), optimizer="adam", distortion=fusion, batch=1)


def nerv() -> Method:
    title = "NeRV: neural representations for videos"
    paper = Paper(title, 2021, "H. Chen, B. He, H. Wang, Y. Ren, S.-N. Lim, A. Shrivastava", "NeurIPS 2021")
    return Method("nerv", "video", paper, build, recipe, profiles, sets=True)
