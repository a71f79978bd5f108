"""A segment's latent grids: how large each is, in which order they are coded, and what of them makes the picture."""

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from .profile import Manifest
from .syntax import Signal

FIELDS = 5  # of motion: see `prediction`
PAIR = 2  # grids for colour on a level that has them
Grid = TypeVar("Grid")


def grid_shapes(signal: Signal, levels: int) -> list[tuple[int, int]]:
    """(h, w) of each latent level, finest first: the sizes halve, rounded up."""
    return [(-(-signal.height // 2**k), -(-signal.width // 2**k)) for k in range(levels)]


@dataclass(frozen=True)
class Kind:
    """Grids that are coded in a row: `shapes`, `hyper` and `alone` as `code_grids`', by the context model whose tensors'
    names have the `prefix`."""

    prefix: str
    shapes: list[tuple[int, int]]
    hyper: list[tuple[int, int]] = field(default_factory=list)
    alone: bool = False

    @property
    def count(self) -> int:
        return len(self.shapes) + len(self.hyper)


def kinds(manifest: Manifest, signal: Signal) -> list[Kind]:
    """A segment's grids in coding order: the first frame's, those for colour before the others; then, in the order of their
    hierarchy, what is added to each other frame, and its motion."""
    shapes, motion = grid_shapes(signal, manifest.levels), manifest.motion
    first = Kind("", shapes, shapes[len(shapes) - manifest.hyper :])
    if motion is None:
        colour = [shapes[level] for level in manifest.chroma for _ in range(PAIR)]
        return [Kind("", colour, alone=True), first] if colour else [first]
    frame = [Kind("added.", shapes[motion.added :]), *[Kind("flow.", shapes[motion.flow :])] * FIELDS]
    return [first, *frame * (signal.frames - 1)]


def by_level(manifest: Manifest, grids: list[Grid]) -> list[list[Grid]]:
    """Of a picture's `grids` in coding order each level's, finest first, its own before those for colour."""
    levels = [[grid] for grid in grids[: -manifest.levels - 1 : -1]]  # hyper-latents make no picture
    colour = grids[: PAIR * len(manifest.chroma)][::-1]
    for i, level in enumerate(manifest.chroma):
        levels[level] += colour[PAIR * i : PAIR * (i + 1)]
    return levels


def stacks(manifest: Manifest, grids: list[np.ndarray]) -> list[np.ndarray]:
    """The same, a level's as one array (n, h, w)."""
    return [np.stack(each) if len(each) > 1 else each[0][None] for each in by_level(manifest, grids)]
