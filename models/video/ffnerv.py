"""FFNeRV: temporal grids of several rates, and frames that are mixed with their neighbours along flow. Lee et al. 2023.

    grids of T, T/2 ticks, linear in t -> stages of grouped 3x3, 1x1, shuffle, GELU -> independent frame
    the map at 1/4 -> flow and weight of each neighbour t-2, t-1, t+1, t+2: their independent frames, warped and mixed
    last map -> how much of either

Weights and grids see their 8 bits from the first step on; steps reach the largest value, where the paper has a tanh. The
graph makes all five independent frames anew. Fitted to the final frame alone; the paper adds a tenth of each part's loss.
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import EXAMPLE, GRID, SCHEDULES, Sizes, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..losses import fusion
from ..method import Method, Paper, Phase, Recipe, Tensors
from ..parts.flow import Aggregation, around
from ..parts.temporal import TemporalGrid, ticks, ticks_of
from ..parts.upconv import Stages, balanced
from ..weights import Symmetric

LEVELS = 2  # of temporal grids, each with half of the first map's channels
GROUPS = 8
BITS = 7.5  # of a weight, a first estimate
GRIDS = TemporalGrid("grid", tuple(range(LEVELS)), "share", ("grid_rows", "grid_columns"))


def stages(name: str) -> Stages:
    return Stages(SCHEDULES[name], (1,) * len(SCHEDULES[name]))


def aggregation(name: str) -> Aggregation:
    return Aggregation(SCHEDULES[name], first=len(SCHEDULES[name]) - 2)  # at 1/4


def manifest(name: str) -> Manifest:
    count = range(len(SCHEDULES[name]))
    groups = [(f"group{i}.weight", (f"width{i}", f"slice{i}", 3, 3), f"group{i}.weight") for i in count]
    sizes = (*ticks(LEVELS), ("share", 4096), *GRID, *((f"slice{i}", 4096) for i in count), *stages(name).sizes)
    entries = (*GRIDS.entries, *groups, *stages(name).entries, *aggregation(name).entries)
    return Manifest(f"ffnerv_{name}", sizes, entries, halo=WHOLE, method="ffnerv")


def image_of(name: str):
    def image(tensors: Tensors) -> Tensor:
        maps = [GRIDS.read(tensors, around(tensors))]
        for i in range(len(SCHEDULES[name])):
            x = F.conv2d(maps[i], tensors[f"group{i}.weight"], padding=1, groups=GROUPS)
            maps.append(stages(name).stage(i, x, tensors))
        independent = torch.sigmoid(stages(name).colours(maps[-1], tensors))
        return aggregation(name).image(independent, maps, tensors)

    return image


def sizes(name: str, signal: Signal, first: int) -> Sizes:
    """Channels are halved from stage to stage, and whole groups."""
    slices = [max(1, round(first / (GROUPS * 2**i))) for i in range(len(SCHEDULES[name]) + 1)]
    widths = {f"width{i}": GROUPS * n for i, n in enumerate(slices)}
    widths |= {f"slice{i}": n for i, n in enumerate(slices[:-1])}
    return ticks_of(signal.frames, LEVELS) | {"share": widths["width0"] // LEVELS} | grid(signal, stages(name).scale) | widths


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, sizes_of = manifest(name), partial(sizes, name, signal)
    coding = dict.fromkeys(made.groups, "8 bits")
    return clip_field(signal, made, image_of(name), sizes_of, 8 * nbytes / BITS, coding, fresh=balanced)


profiles = profiles_of(manifest, image_of, example=lambda name: sizes(name, EXAMPLE, 200))


def recipe(lmbda: float) -> Recipe:
    """A frame a step, 300 epochs; Adam at ten times the paper's 5e-4, which would take its 180 000 steps."""
    fit = Phase("fit", 1.0, (5e-3, 1e-5), hard=True, weights=Symmetric(8).weights)
    return Recipe((fit,), optimizer="adam", distortion=fusion, batch=1)


def ffnerv() -> Method:
    title = "FFNeRV: flow-guided frame-wise neural representations for videos"
    paper = Paper(title, 2023, "J. C. Lee, D. Rho, J. H. Ko, E. Park", "ACM MM 2023")
    return Method("ffnerv", "video", paper, build, recipe, profiles, sets=True)
