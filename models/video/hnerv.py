"""HNeRV: a small embedding for each frame, and stages of pixel shuffle whose kernels grow. Chen et al. 2023.

    embedding (16, rows, columns) of the frame -> 1x1 -> stages of 1x1, 3x3, 5x5 ..., channels / 1.2 -> 0.5 tanh + 0.5

Weights travel with 8 bits, embeddings with 6. In the paper an encoder network, which is thrown away, makes the embeddings;
here they are free: they start as a random projection of their frames, and learn ten times as fast as weights.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, SCHEDULES, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..method import Method, Paper, Phase, Recipe, Tensors
from ..parts.embedding import projected
from ..parts.layers import conv, conv_entries
from ..parts.upconv import Stages

NUMBERS = 16  # of an embedding, in each place
REDUCTION, LEAST = 1.2, 4  # of channels from stage to stage; the paper's least is 12, which none of its sizes reaches
BITS = 6.2  # of a weight, a first estimate
STEM = (
    ("embedding", ("frames", NUMBERS, *dict(GRID)), "embedding"),
    *conv_entries("stem", NUMBERS, "width0", 1),
)


def stages(name: str) -> Stages:
    strides = SCHEDULES[name]
    return Stages(strides, tuple(min(2 * i + 1, 5) for i in range(len(strides))))


def manifest(name: str) -> Manifest:
    return Manifest(f"hnerv_{name}", (*GRID, *stages(name).sizes), (*STEM, *stages(name).entries), halo=WHOLE, method="hnerv")


def stem(tensors: Tensors) -> Tensor:
    """(1, width0, rows, columns)"""
    return F.gelu(conv("stem", tensors["embedding"].index_select(0, tensors["frame"].long()), tensors, 1))


def bounded(image: Tensor) -> Tensor:
    return 0.5 * torch.tanh(image) + 0.5


def image_of(name: str):
    return lambda tensors: bounded(stages(name).image(stem(tensors), tensors))


def embeddings(target: Tensor, generator: torch.Generator, sizes: dict[str, int]) -> Tensors:
    return {"embedding": projected(target, (NUMBERS, sizes["grid_rows"], sizes["grid_columns"]), generator)}


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, parts = manifest(name), stages(name)
    coding = dict.fromkeys(made.groups, "8 bits") | {"embedding": "6 bits"}
    sizes = lambda first: grid(signal, parts.scale) | parts.widths(first, REDUCTION, LEAST)  # noqa: E731
    return clip_field(signal, made, image_of(name), sizes, 8 * nbytes / BITS, coding, embeddings)


profiles = profiles_of(manifest, image_of)


def recipe(lmbda: float) -> Recipe:
    """Adam at 1e-3, two frames a step, 300 epochs."""
    fit = Phase("fit", 1.0, (1e-3, 1e-6), hard=True)
    return Recipe((fit,), optimizer="adam", batch=2, paces={"embedding": 10.0})


def hnerv() -> Method:
    title = "HNeRV: a hybrid neural representation for videos"
    paper = Paper(title, 2023, "H. Chen, M. Gwilliam, S.-N. Lim, A. Shrivastava", "CVPR 2023; free embeddings")
    return Method("hnerv", "video", paper, build, recipe, profiles, sets=True)
