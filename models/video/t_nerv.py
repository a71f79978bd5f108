"""T-NeRV: an embedding of each frame beside features of its group of pictures, read from grids in time. Saethre et al. 2024.

    embedding (8) | grids (4 and 4), linear between their times -> 1x1 -> HNeRV's stages -> 0.5 tanh + 0.5

Weights, embeddings and grids have learned steps, and their rate is part of the loss (Gomes et al. 2023).

US 12 634 488 B2 may cover embeddings of frames together with features of their group in such grids, fitted jointly for
distortion and entropy. This method is here for research; nothing takes it unless it is asked for by its name.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, Sizes, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..method import Method, Paper, Recipe, Tensors
from ..parts.embedding import projected
from ..parts.layers import conv, conv_entries
from ..parts.temporal import between_ticks
from ..weights import steps_learned
from .hnerv import LEAST, REDUCTION, bounded, stages

EMBEDDED = 8  # numbers of an embedding, in each place
GRIDS = ((2, 4), (8, 4))  # frames to a time, and numbers
BITS = 5  # of a weight, a first estimate


def manifest(name: str) -> Manifest:
    rows = [("embedding", ("frames", EMBEDDED, "grid_rows", "grid_columns"))]
    rows += [(f"grid{i}", (f"times{i}", n, "grid_rows", "grid_columns")) for i, (_, n) in enumerate(GRIDS)]
    stem = conv_entries("stem", EMBEDDED + sum(n for _, n in GRIDS), "width0", 1)
    sizes = (*GRID, *((f"times{i}", 4096) for i in range(len(GRIDS))), *stages(name).sizes)
    entries = (*((tensor, dimensions, tensor) for tensor, dimensions in rows), *stem, *stages(name).entries)
    return Manifest(f"t_nerv_{name}", sizes, entries, halo=WHOLE, method="t_nerv")


def stem(tensors: Tensors) -> Tensor:
    """(1, width0, rows, columns)"""
    embedding = tensors["embedding"].index_select(0, tensors["frame"].long())
    middle = (tensors["frame"] + 0.5) / tensors["frames"]
    shared = [between_ticks(tensors[f"grid{i}"], middle) for i in range(len(GRIDS))]
    return F.gelu(conv("stem", torch.cat([embedding, *shared], 1), tensors, 1))


def image_of(name: str):
    return lambda tensors: bounded(stages(name).image(stem(tensors), tensors))


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, parts, coarse = manifest(name), stages(name), grid(signal, stages(name).scale)
    times = {f"times{i}": -(-signal.frames // every) for i, (every, _) in enumerate(GRIDS)}

    def started(target: Tensor, generator: torch.Generator, sizes: Sizes) -> Tensors:
        numbers = {"embedding": (signal.frames, EMBEDDED)}
        numbers |= {f"grid{i}": (times[f"times{i}"], n) for i, (_, n) in enumerate(GRIDS)}
        shape = coarse["grid_rows"], coarse["grid_columns"]
        at = {count: torch.linspace(0, signal.frames - 1, count).round().long() for count, _ in numbers.values()}
        return {tensor: projected(target[at[count]], (n, *shape), generator) for tensor, (count, n) in numbers.items()}

    sizes = lambda first: coarse | times | parts.widths(first, REDUCTION, LEAST)  # noqa: E731
    return clip_field(signal, made, image_of(name), sizes, 8 * nbytes / BITS, dict.fromkeys(made.groups, "learned"), started)


profiles = profiles_of(manifest, image_of, most=16)


def recipe(lmbda: float) -> Recipe:
    """Adam at 1e-3, two frames a step; half of the iterations with learned steps."""
    paces = dict.fromkeys(["embedding", *(f"grid{i}" for i in range(len(GRIDS)))], 10.0)
    return replace(steps_learned((1e-3, 1e-3), (1e-3, 1e-6), 0.5), batch=2, paces=paces)


def t_nerv() -> Method:
    title = "Combining frame and GOP embeddings for neural video representation"
    paper = Paper(title, 2024, "J. E. Saethre, R. Azevedo, C. Schroers", "CVPR 2024; free embeddings")
    return Method("t_nerv", "video", paper, build, recipe, profiles, sets=True)
