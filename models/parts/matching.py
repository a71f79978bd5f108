"""A first guess of motion: what looks alike in the frames before and after, with a price on bends of the flow.

The whole of a search is one volume of costs: of every shift at every place.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.hierarchy import Predicted
from ...runtime.segment import FIELDS
from .motion import STEP, summed
from .warp import sampled

REACH = 10  # of the search, in pixels of a picture of half the size
NEAR, FRACTION = 3, 0.5  # of the refinement: so many steps to all sides, each of so many pixels
BEND, SWEEPS = 0.002, 6  # what a pixel's difference to the flow beside costs, in mean absolute difference; passes


def matched(target: Tensor, order: Sequence[Predicted], shapes: Sequence[tuple[int, int]], level: int) -> list[Tensor]:
    """Grids of motion (n, FIELDS, h, w), finest first, the finest of 1 / 2**`level` of the size of `target` (frames,
    channels, height, width)."""
    grey = target.mean(1)
    fields = torch.stack([motion(grey, each, level) for each in order])
    return decomposed(torch.round(fields / STEP), shapes)


def motion(grey: Tensor, each: Predicted, level: int) -> Tensor:
    """(FIELDS, h, w) of one frame, in pixels: across where it lies between two others, else beside."""
    this, before, after = grey[each.number], grey[each.before], grey[each.after]
    between = each.before != each.after
    small = [halved(frame) for frame in (this, before, after)]
    costs = shifted(small[0], small[2], level - 1)
    if between:
        costs = costs + shifted(small[0], small[1], level - 1).flip(0)
    flow = 2 * smoothest(costs, steps(REACH, grey), torch.zeros_like(costs[:2]))
    near = FRACTION * steps(NEAR, grey)
    costs = torch.stack([moved(this, after, flow + step, level) for step in near[:, :, None, None]])
    if between:
        costs = costs + torch.stack([moved(this, before, -flow - step, level) for step in near[:, :, None, None]])
    flow, none = smoothest(costs, near, flow), torch.zeros_like(flow)
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


def smoothest(costs: Tensor, shifts: Tensor, base: Tensor) -> Tensor:
    """(2, h, w): for each place that of the `shifts` (n, 2) from `base` of the least cost (n, h, w) and the least bends."""
    candidates = base + shifts[:, :, None, None]  # (n, 2, h, w)
    best = costs.argmin(0)
    for _ in range(SWEEPS):
        around = F.pad(base + shifts[best].permute(2, 0, 1), (1, 1, 1, 1), mode="replicate")
        beside = around[:, 1:-1, :-2], around[:, 1:-1, 2:], around[:, :-2, 1:-1], around[:, 2:, 1:-1]
        bends = torch.stack([(candidates - each).abs().sum(1) for each in beside]).sum(0)
        best = (costs + BEND * bends).argmin(0)
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
