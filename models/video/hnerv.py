"""HNeRV: a small embedding for each frame, and stages of pixel shuffle whose kernels grow. Chen et al. 2023.

    embedding (16, rows, columns) of the frame -> 1x1 -> stages of 1x1, 3x3, 5x5 ..., channels / 1.2 -> 0.5 tanh + 0.5

Weights travel with 8 bits, embeddings with 6. In the paper an encoder network, which is thrown away, makes the embeddings;
here they are free: they start as a random projection of their frames, and learn ten times as fast as weights.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, SCHEDULES, clip_field, grid, schedule
from ..field import WHOLE, Field, field_graph
from ..method import Graph, Method, Paper, Phase, Recipe, Tensors
from ..parts.embedding import projected
from ..parts.upconv import Stages

NUMBERS = 16  # of an embedding, in each place
REDUCTION, LEAST = 1.2, 4  # of channels from stage to stage; the paper's least is 12, which none of its sizes reaches
BITS = 7.5  # of a weight, a first estimate


def stages(name: str) -> Stages:
    strides = SCHEDULES[name]
    return Stages(strides, tuple(min(2 * i + 1, 5) for i in range(len(strides))))


def manifest(name: str) -> Manifest:
    first = (
        ("embedding", ("frames", NUMBERS, "grid_rows", "grid_columns"), "embedding"),
        ("stem.weight", ("width0", NUMBERS, 1, 1), "stem.weight"),
        ("stem.bias", ("width0",), "stem.bias"),
    )
    return Manifest(
        f"hnerv_{name}", (*GRID, *stages(name).sizes), (*first, *stages(name).entries), halo=WHOLE, method="hnerv"
    )


def stem(tensors: Tensors) -> Tensor:
    """(1, width0, rows, columns)"""
    embedding = tensors["embedding"].index_select(0, tensors["frame"].long())
    return F.gelu(F.conv2d(embedding, tensors["stem.weight"], tensors["stem.bias"]))


def image_of(name: str):
    return lambda tensors: 0.5 * torch.tanh(stages(name).image(stem(tensors), tensors)) + 0.5


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, parts = manifest(name), stages(name)

    def embedding(target: Tensor, generator: torch.Generator, sizes: dict[str, int]) -> Tensors:
        return {"embedding": projected(target, (NUMBERS, sizes["grid_rows"], sizes["grid_columns"]), generator)}

    coding = dict.fromkeys(made.groups, "8 bits") | {"embedding": "6 bits"}
    sizes = lambda first: grid(signal, parts) | parts.widths(first, REDUCTION, LEAST)  # noqa: E731
    return clip_field(signal, made, image_of(name), sizes, 8 * nbytes / BITS, coding, embedding)


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    for name in SCHEDULES:
        yield manifest(name), (field_graph(manifest(name), image_of(name)),)


def recipe(lmbda: float) -> Recipe:
    """Adam at 1e-3, two frames a step, 300 epochs."""
    fit = Phase("fit", 1.0, (1e-3, 1e-6), hard=True)
    return Recipe((fit,), optimizer="adam", batch=2, paces={"embedding": 10.0})


def hnerv() -> Method:
    title = "HNeRV: a hybrid neural representation for videos"
    paper = Paper(title, 2023, "H. Chen, M. Gwilliam, S.-N. Lim, A. Shrivastava", "CVPR 2023; free embeddings")
    return Method("hnerv", "video", paper, build, recipe, profiles, sets=True)
