"""A first guess of motion: what looks alike in the frames before and after, with a price on bends of the flow.

The whole of a search is one volume of costs: of every shift at every place.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.grids import FIELDS
from ...runtime.hierarchy import Predicted
from .motion import STEP, summed
from .warp import sampled

COARSE, REACH = 2, 12  # octaves by which frames are smaller where all shifts of so many pixels are tried
# Of each refinement: octaves, and how many steps to all sides, each of how many pixels of such a frame.
REFINED = ((1, 3, 0.75), (0, 2, 0.5))
# What a pixel's difference to the flow beside costs, in mean absolute difference, in one pass after the other.
BENDS = (0.064, 0.032, 0.016, 0.008, 0.004, 0.004)


def matched(target: Tensor, order: Sequence[Predicted], shapes: Sequence[tuple[int, int]], level: int) -> list[Tensor]:
    """Grids of motion (n, FIELDS, h, w), finest first, the finest of 1 / 2**`level` of the size of `target` (frames,
    channels, height, width)."""
    grey = target.mean(1)
    fields = torch.stack([motion(grey, each, level) for each in order])
    return decomposed(torch.round(fields / STEP), shapes)


def motion(grey: Tensor, each: Predicted, level: int) -> Tensor:
    """(FIELDS, h, w) of one frame, in pixels: across where it lies between two others, else beside."""
    sizes = [[grey[each.number], grey[each.before], grey[each.after]]]
    for _ in range(COARSE):
        sizes.append([halved(frame) for frame in sizes[-1]])
    between = each.before != each.after
    this, before, after = sizes[COARSE]
    costs = shifted(this, after, level - COARSE)
    if between:
        costs = costs + shifted(this, before, level - COARSE).flip(0)
    flow = 2**COARSE * smoothest(costs, steps(REACH, grey), torch.zeros_like(costs[:2]), 2**COARSE)
    for octaves, count, fraction in REFINED:
        this, before, after = sizes[octaves]
        near, here, places_level = fraction * steps(count, grey), flow / 2**octaves, level - octaves
        costs = torch.stack([moved(this, after, here + step, places_level) for step in near[:, :, None, None]])
        if between:
            opposite = [moved(this, before, -here - step, places_level) for step in near[:, :, None, None]]
            costs = costs + torch.stack(opposite)
        flow = 2**octaves * smoothest(costs, near, here, 2**octaves)
    none = torch.zeros_like(flow)
    return torch.cat([*((flow, none) if between else (none, flow)), none[: FIELDS - 4]])


def halved(frame: Tensor) -> Tensor:
    return F.avg_pool2d(frame[None], 2, ceil_mode=True, count_include_pad=False)[0]


def steps(reach: int, like: Tensor) -> Tensor:
    """(n, 2): all shifts of up to `reach`, down and right."""
    span = range(-reach, reach + 1)
    return torch.tensor([(dy, dx) for dy in span for dx in span], dtype=torch.float32, device=like.device)


def shifted(this: Tensor, other: Tensor, level: int) -> Tensor:
    """(n, h, w): costs of all shifts of up to REACH pixels."""
    height, width = this.shape
    padded = F.pad(other[None, None], (REACH,) * 4, mode="replicate")[0, 0]
    span = range(2 * REACH + 1)
    return torch.stack([places(padded[y : y + height, x : x + width] - this, level) for y in span for x in span])


def moved(this: Tensor, other: Tensor, flow: Tensor, level: int) -> Tensor:
    """(h, w): costs of `flow` (2, h, w)."""
    height, width = this.shape
    fine = F.interpolate(flow[None], scale_factor=2.0**level, mode="bilinear")[0, :, :height, :width]
    rows = torch.arange(height, device=flow.device)[:, None] + fine[0]
    columns = torch.arange(width, device=flow.device) + fine[1]
    return places(sampled(other[None, None], rows[None], columns[None])[0, 0] - this, level)


def places(errors: Tensor, level: int) -> Tensor:
    """(h, w): mean magnitudes in and around the 2**level pixels that a place stands for, those around counting less."""
    side = 2**level
    padded = F.pad(errors.abs()[None], (0, -errors.shape[1] % side, 0, -errors.shape[0] % side), mode="replicate")
    own = F.avg_pool2d(padded, side)
    return (own + F.avg_pool2d(F.pad(own, (1, 1, 1, 1), mode="replicate"), 3, 1))[0] / 2


def smoothest(costs: Tensor, shifts: Tensor, base: Tensor, size: int) -> Tensor:
    """(2, h, w): for each place that of the `shifts` (n, 2) from `base` of the least cost (n, h, w) and the least bends; of
    pixels that are `size` times as large as the frame's."""
    candidates = base + shifts[:, :, None, None]  # (n, 2, h, w)
    best = costs.argmin(0)
    for bend in BENDS:
        around = F.pad(base + shifts[best].permute(2, 0, 1), (1, 1, 1, 1), mode="replicate")
        beside = around[:, 1:-1, :-2], around[:, 1:-1, 2:], around[:, :-2, 1:-1], around[:, 2:, 1:-1]
        bends = torch.stack([(candidates - each).abs().sum(1) for each in beside]).sum(0)
        best = (costs + size * bend * bends).argmin(0)
    return base + shifts[best].permute(2, 0, 1)


def decomposed(fields: Tensor, shapes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Whole numbers (n, FIELDS, h, w) as grids whose sum they nearly are: means on coarser ones, the rest on the finest."""
    means = [fields.flatten(0, 1)]
    for shape in shapes[1:]:
        means.append(F.adaptive_avg_pool2d(means[-1], shape))
    grids = [torch.round(means[-1])]
    for mean in means[-2::-1]:
        grids.insert(0, torch.round(mean - summed([torch.zeros_like(mean), *grids])))
    return [grid.unflatten(0, fields.shape[:2]) for grid in grids]
