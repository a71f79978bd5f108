"""DNeRV: HNeRV and, for each frame, a finer embedding of how it differs from its neighbours. Zhao et al. 2023.

    embedding -> 1x1 -> stages as HNeRV's ... x -> s p + (1 - s) x -> the other stages -> 0.5 tanh + 0.5
    difference (2, 5 rows, 5 columns) -> 3x3 -> pixel shuffle -> with 1x1 of x: p = tanh, s = sigmoid

The differences, as the embeddings, are free numbers, coded with 6 bits: in the paper an encoder makes them of I_t - I_(t-1)
and I_(t+1) - I_t, here they start as a random projection of these.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Entry, Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, SCHEDULES, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..method import Method, Paper, Phase, Recipe, Tensors
from ..parts.conditioning import fused
from ..parts.embedding import differences, projected
from .hnerv import BITS, LEAST, REDUCTION, STEM, bounded, embeddings, stages, stem

NUMBERS = 2  # of a difference, in each place
SPARSE = 2.0  # bits of a number of them, a first estimate: most are near zero
FINER = 5  # times the embedding's rows and columns, as after the first stage


def middle(name: str) -> int:
    """How many stages come before the fusion."""
    return (len(SCHEDULES[name]) + 1) // 2


def lift(name: str) -> int:
    """How many times the fused map is as large as the differences'."""
    return math.prod(SCHEDULES[name][: middle(name)]) // FINER


def manifest(name: str) -> Manifest:
    width = f"width{middle(name)}"
    entries: tuple[Entry, ...] = (
        ("difference", ("frames", NUMBERS * FINER**2, *dict(GRID)), "difference"),
        ("stage1.lift.weight", (2, width, lift(name) ** 2, NUMBERS, 3, 3), "stage1.lift.weight"),
        (f"stage{middle(name)}.gate.weight", (2, width, width, 1, 1), "gate.weight"),
        (f"stage{middle(name)}.gate.bias", (2, width), "gate.bias"),
    )
    sizes = (*GRID, *stages(name).sizes)
    return Manifest(f"diff_nerv_{name}", sizes, (*STEM, *entries, *stages(name).entries), halo=WHOLE, method="diff_nerv")


def other(name: str, x: Tensor, tensors: Tensors) -> Tensor:
    """What x is fused with: (1, 2 width, h, w), of differences and x."""
    difference = F.pixel_shuffle(tensors["difference"].index_select(0, tensors["frame"].long()), FINER)
    lifted = F.pixel_shuffle(F.conv2d(difference, tensors["stage1.lift.weight"].flatten(0, 2), padding=1), lift(name))
    weight, bias = (tensors[f"stage{middle(name)}.gate.{kind}"].flatten(0, 1) for kind in ("weight", "bias"))
    return lifted + F.conv2d(x, weight, bias)


def image_of(name: str):
    def image(tensors: Tensors) -> Tensor:
        def between(i: int, x: Tensor) -> Tensor:
            return fused(x, other(name, x, tensors)) if i == middle(name) else x

        return bounded(stages(name).image(stem(tensors), tensors, between))

    return image


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, parts = manifest(name), stages(name)

    def start(target: Tensor, generator: torch.Generator, sizes: dict[str, int]) -> Tensors:
        fine = NUMBERS, FINER * sizes["grid_rows"], FINER * sizes["grid_columns"]
        difference = F.pixel_unshuffle(projected(differences(target), fine, generator), FINER)
        return embeddings(target, generator, sizes) | {"difference": difference}

    coding = dict.fromkeys(made.groups, "8 bits") | {"embedding": "6 bits", "difference": "6 bits"}
    sizes = lambda first: grid(signal, parts.scale) | parts.widths(first, REDUCTION, LEAST)  # noqa: E731
    fine = math.prod(grid(signal, parts.scale).values()) * signal.frames * NUMBERS * FINER**2
    most = fine + (8 * nbytes - SPARSE * fine) / BITS
    return clip_field(signal, made, image_of(name), sizes, most, coding, start)


profiles = profiles_of(manifest, image_of, most=16)


def recipe(lmbda: float) -> Recipe:
    """A frame a step, 300 epochs of Adam; at 2e-3, the paper's 5e-4 being for large networks."""
    fit = Phase("fit", 1.0, (2e-3, 1e-6), hard=True)
    return Recipe((fit,), optimizer="adam", batch=1, paces={"embedding": 10.0, "difference": 10.0})


def diff_nerv() -> Method:
    title = "DNeRV: modeling inherent dynamics via difference neural representation for videos"
    paper = Paper(title, 2023, "Q. Zhao, M. S. Asif, Z. Ma", "CVPR 2023; free embeddings")
    return Method("diff_nerv", "video", paper, build, recipe, profiles, sets=True)
