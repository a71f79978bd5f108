"""Where a frame stands in its segment, as features: sines of its time, or numbers that are kept for its time."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...runtime.profile import Dimension, Entry
from ..method import Tensors


def time(tensors: Tensors) -> Tensor:
    """(1,): 0 for the first frame, below 1 for the last."""
    return tensors["frame"] / tensors["frames"]


def embedded(t: Tensor, base: float, count: int) -> Tensor:
    """(n,) -> (n, 2 count): sin and cos of base**k pi t, k < count."""
    angles = t[:, None] * (math.pi * torch.tensor([base**k for k in range(count)], device=t.device))
    return torch.cat([torch.sin(angles), torch.cos(angles)], 1)


@dataclass(frozen=True)
class TemporalGrid:
    """FFNeRV's: tables over time, linear between their ticks. Those of level k have a tick for every 2**k frames.

    Table NAMEk is (ticks, numbers, *places); what is read of all `levels` is concatenated.
    """

    name: str
    levels: tuple[int, ...]
    numbers: Dimension
    places: tuple[Dimension, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        tables = {f"{self.name}{k}": f"ticks{k}" for k in self.levels}
        return tuple((name, (ticks, self.numbers, *self.places), name) for name, ticks in tables.items())

    def read(self, tensors: Tensors, frame: Tensor) -> Tensor:
        """(n,) frames -> (n, numbers of all levels, *places)"""
        middle = (frame + 0.5) / tensors["frames"]
        return torch.cat([between_ticks(tensors[f"{self.name}{k}"], middle) for k in self.levels], 1)


def ticks(levels: int) -> tuple[tuple[str, int], ...]:
    """The sizes of tables, for a manifest."""
    return tuple((f"ticks{k}", 65536) for k in range(levels))


def ticks_of(frames: int, levels: int) -> dict[str, int]:
    return {f"ticks{k}": math.ceil(frames / 2**k) for k in range(levels)}


def between_ticks(table: Tensor, t: Tensor) -> Tensor:
    """(ticks, ...) at times t (n,) in [0, 1]: (n, ...). A tick is in the middle of its share of time; ends repeat."""
    at = torch.clamp(t * table.shape[0] - 0.5, min=0)
    near = at.long()
    far = torch.clamp(near + 1, max=table.shape[0] - 1)
    upward = (at - near).view(-1, *(1 for _ in table.shape[1:]))
    return table.index_select(0, near) * (1 - upward) + table.index_select(0, far) * upward
