"""HiNeRV: stages of bilinear upsampling, each told by grids of its own when and where in a cell it is. Kwan et al. 2023.

    grids of T/2, T/4 ticks, linear in t -> 3x3
    stages: 1x1, channels halved -> bilinear by s -> + 1x1 of local tables (ticks, 4, s, s) -> ConvNeXt blocks
    -> linear head

For CPUs blocks have no norm, and their 3x3 runs in 4 groups; there are 2 in a stage, the last has 1. Fitted to NeRV's loss
(the paper's SSIM has several scales), pruned by 15 %, then fitted with 8 bits straight through (the paper: Quant-Noise).
"""

import math
from functools import partial

from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import EXAMPLE, GRID, SCHEDULES, Sizes, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..losses import fusion
from ..method import Method, Paper, Phase, Recipe, Tensors
from ..parts.convnext import EXPANSION, GROUPS, block, block_entries
from ..parts.layers import conv, conv_entries
from ..parts.temporal import TemporalGrid, ticks, ticks_of
from ..parts.upconv import balanced
from ..weights import Symmetric, masked, pruned

LEVELS = 3  # of ticks
NUMBERS = 4  # of a table, for each tick and place
BASE = TemporalGrid("grid", (1, 2), NUMBERS, ("grid_rows", "grid_columns"))
DEPTH = 2  # blocks of a stage but the last
LEAST = 2  # channels of a group
KEPT = 0.85  # of the weights
TABLES = ("grid1", "grid2", *(f"stage{i}.local0" for i in range(max(map(len, SCHEDULES.values())))))
PACES = dict.fromkeys(TABLES, 10.0)  # a tick is seen as seldom as its frames are
BITS = 7.0  # of a weight, a first estimate


def local(i: int, stride: int) -> TemporalGrid:
    return TemporalGrid(f"stage{i}.local", (0,), NUMBERS, (stride, stride))


def depth(name: str, i: int) -> int:
    return DEPTH if i < len(SCHEDULES[name]) - 1 else 1


def manifest(name: str, method: str = "hinerv") -> Manifest:
    rows = [*BASE.entries, *conv_entries("stem", NUMBERS * len(BASE.levels), "width0", 3)]
    sizes = [*ticks(LEVELS), *GRID, ("width0", 4096)]
    for i, stride in enumerate(SCHEDULES[name]):
        width, slice, hidden = (f"{size}{i + 1}" for size in ("width", "slice", "hidden"))
        sizes += [(width, 4096), (slice, 4096), (hidden, 16384)]
        rows += conv_entries(f"stage{i}", f"width{i}", width, 1)
        rows += local(i, stride).entries
        rows += conv_entries(f"stage{i}.local", NUMBERS, width, 1)[:1]
        rows += [row for j in range(depth(name, i)) for row in block_entries(f"stage{i}.block{j}", width, slice, hidden)]
    rows += conv_entries("head", f"width{len(SCHEDULES[name])}", "channels", 1)
    return Manifest(f"{method}_{name}", tuple(sizes), tuple(rows), halo=WHOLE, method=method)


def image_of(name: str):
    def image(tensors: Tensors) -> Tensor:
        x = conv("stem", BASE.read(tensors, tensors["frame"]), tensors, 3)
        for i, stride in enumerate(SCHEDULES[name]):
            x = conv(f"stage{i}", x, tensors, 1)
            x = F.interpolate(x, scale_factor=stride, mode="bilinear")
            here = F.conv2d(local(i, stride).read(tensors, tensors["frame"]), tensors[f"stage{i}.local.weight"])
            cells = x.unflatten(3, (-1, stride)).unflatten(2, (-1, stride))  # (1, width, h, stride, w, stride)
            x = (cells + here[:, :, None, :, None]).flatten(4).flatten(2, 3)
            for j in range(depth(name, i)):
                x = block(x, tensors, f"stage{i}.block{j}")
        return conv("head", x, tensors, 1)[0] + 0.5

    return image


def sizes(name: str, signal: Signal, first: int) -> Sizes:
    """Channels are halved from stage to stage, the first of which has as many as the map, and whole groups."""
    slices = [max(LEAST, round(first / (GROUPS * 2**i))) for i in range(len(SCHEDULES[name]))]
    known = ticks_of(signal.frames, LEVELS) | grid(signal, math.prod(SCHEDULES[name])) | {"width0": GROUPS * slices[0]}
    for i, n in enumerate(slices, 1):
        known |= {f"width{i}": GROUPS * n, f"slice{i}": n, f"hidden{i}": EXPANSION * GROUPS * n}
    return known


def build(signal: Signal, nbytes: float, method: str = "hinerv", coding: str = "8 bits", bits: float = BITS) -> Field:
    """`bits` of a weight, a first estimate."""
    name = schedule(signal)
    made = manifest(name, method)
    coded, sizes_of = dict.fromkeys(made.groups, coding), partial(sizes, name, signal)
    return clip_field(signal, made, image_of(name), sizes_of, 8 * nbytes / bits, coded, fresh=balanced)


def example(name: str) -> Sizes:
    return sizes(name, EXAMPLE, 100)


profiles = profiles_of(manifest, image_of, example=example)


def rounded(tensors: Tensors, progress: float) -> Tensors:
    return Symmetric(8).weights(masked(tensors, progress), progress)


def recipe(lmbda: float) -> Recipe:
    """Adam at 2e-3, 300 epochs, 60 with the pruned network, 30 with 8 bits; a frame a step."""
    fit = Phase("fit", 300, (2e-3, 2e-5), hard=True)
    fine = Phase("pruned", 60, (2e-3, 2e-5), hard=True, enter=pruned(KEPT), weights=masked)
    quantized = Phase("quantized", 30, (2e-4, 2e-6), hard=True, weights=rounded)
    return Recipe((fit, fine, quantized), optimizer="adam", distortion=fusion, batch=1, paces=PACES)


def hinerv() -> Method:
    title = "HiNeRV: video compression with hierarchical encoding-based neural representation"
    paper = Paper(title, 2023, "H. M. Kwan, G. Gao, F. Zhang, A. Gower, D. Bull", "NeurIPS 2023")
    return Method("hinerv", "video", paper, build, recipe, profiles, sets=True)
