"""Gomes et al.: rate and distortion together, over a network of convolutions that sees places and time. 2023.

    sines of row, column and t -> 1x1 + a bias for each place -> residual stages of pixel shuffle, modulated by t -> sigmoid

A stage's input is scaled and shifted by what a small perceptron makes of t; to what its pixel shuffle gives, a 3x3 adds.
Each tensor's step is learned; its rate is that under the Gaussian of its own symbols, where the paper learns densities.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Entry, Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, SCHEDULES, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..method import Method, Paper, Recipe, Tensors
from ..parts.conditioning import scaled
from ..parts.layers import conv, conv_entries, linear, linear_entries
from ..parts.temporal import embedded, time
from ..parts.upconv import Stages
from ..weights import steps_learned

BASE, COUNT = 1.4, 16  # of the positional encodings
REDUCTION, LEAST = 1.6, 6  # of channels from stage to stage
HIDDEN = 32  # of the perceptron
PLAIN = 0.15  # of the iterations go before there are steps
BITS = 4.0  # of a weight, a first estimate


def stages(name: str) -> Stages:
    return Stages(SCHEDULES[name], (3,) * len(SCHEDULES[name]))


def manifest(name: str) -> Manifest:
    first = {
        "stem.weight": ("width0", 6 * COUNT, 1, 1),
        "stem.bias": ("width0", "grid_rows", "grid_columns"),
    }
    rows: list[Entry] = [(part, shape, part) for part, shape in first.items()]
    rows += linear_entries("time", 2 * COUNT, "hidden")
    for i in range(len(SCHEDULES[name])):
        made = f"width{i + 1}"
        rows += linear_entries(f"stage{i}.modulation", "hidden", 2, f"width{i}")
        rows += conv_entries(f"stage{i}.residual", made, made, 3)
    sizes = (("hidden", 4096), *GRID, *stages(name).sizes)
    return Manifest(f"gomes_{name}", sizes, (*rows, *stages(name).entries), halo=WHOLE, method="gomes")


def stem(tensors: Tensors) -> Tensor:
    """(1, width0, rows, columns)"""
    bias = tensors["stem.bias"]
    rows, columns = ((torch.arange(n, device=bias.device) + 0.5) / n for n in bias.shape[1:])
    y, x, t = (embedded(position, BASE, COUNT).T for position in (rows, columns, time(tensors)))  # (2 COUNT, n)
    shape = (2 * COUNT, *bias.shape[1:])
    places = torch.cat([y[:, :, None].expand(shape), x[:, None].expand(shape), t[:, None].expand(shape)])
    return F.gelu(F.conv2d(places[None], tensors["stem.weight"]) + bias)


def image_of(name: str):
    def image(tensors: Tensors) -> Tensor:
        moment = F.gelu(linear("time", embedded(time(tensors), BASE, COUNT), tensors))

        def between(i: int, x: Tensor) -> Tensor:
            """What the stage before adds to its output, and what the next one's input becomes."""
            if i > 0:
                x = x + F.gelu(conv(f"stage{i - 1}.residual", x, tensors, 3))
            if i == len(SCHEDULES[name]):
                return x
            return scaled(x, linear(f"stage{i}.modulation", moment, tensors))

        return torch.sigmoid(stages(name).image(stem(tensors), tensors, between))

    return image


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, parts = manifest(name), stages(name)
    sizes = lambda first: {"hidden": HIDDEN} | grid(signal, parts.scale) | parts.widths(first, REDUCTION, LEAST)  # noqa: E731
    return clip_field(signal, made, image_of(name), sizes, 8 * nbytes / BITS, dict.fromkeys(made.groups, "learned"))


profiles = profiles_of(manifest, image_of, most=12)


def recipe(lmbda: float) -> Recipe:
    """Adam at 2e-3, two frames a step, nearly all of it with steps and rate."""
    return replace(steps_learned((2e-3, 2e-3), (2e-3, 1e-5), 1 - PLAIN), batch=2)


def gomes() -> Method:
    title = "Video compression with entropy-constrained neural representations"
    paper = Paper(title, 2023, "C. Gomes, R. Azevedo, C. Schroers", "CVPR 2023")
    return Method("gomes", "video", paper, build, recipe, profiles, sets=True)
