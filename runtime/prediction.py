"""From latents and network tensors to frames that are predicted from others.

The profile's graphs: a step of upsampling and a synthesis, which make the first frame as they make pictures (`synthesis`);
then a step of the flow's upsampling, and the prediction: of a frame's features and motion, and of two other frames.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .grids import FIELDS, grid_shapes, kinds
from .hierarchy import hierarchy
from .profile import Profile, run
from .segment import Segment
from .syntax import Signal
from .synthesis import Synthesis, Window, shaped

ADDED = "added."  # what the names of the prediction's tensors begin with
KEPT = 12  # frames that others may need: in order each is then made once

Grids = list[np.ndarray]


class Prediction:
    """A segment's graphs and latents, ready to make frames in any order."""

    def __init__(self, signal: Signal, profile: Profile, segment: Segment, threads: int = 0) -> None:
        manifest = profile.manifest
        assert manifest.motion
        self.signal, self.threads = signal, threads
        self.upsampling, _, self.flow, self.graph = profile.graphs
        grids = iter(segment.grids)
        first, *others = [[next(grids) for _ in range(kind.count)] for kind in kinds(manifest, signal)]  # coarse to fine
        self.first = Synthesis(signal, profile, replace(segment, grids=first), threads)
        order = hierarchy(signal.frames, manifest.motion.period)
        latents = zip(others[:: 1 + FIELDS], *(others[1 + k :: 1 + FIELDS] for k in range(FIELDS)))
        self.latents = {each.number: (each, *there) for each, there in zip(order, latents)}
        self.own = {n.removeprefix(ADDED): tensor for n, tensor in self.first.tensors.items() if n.startswith(ADDED)}
        self.shapes = grid_shapes(signal, manifest.levels)
        self.kept: OrderedDict[int, np.ndarray] = OrderedDict()

    def image(self, number: int) -> np.ndarray:
        """(1, channels, height, width) float32 of a frame, near [0, 1] but not clipped."""
        if number == 0:
            return np.concatenate([image for _, image in self.first.parts(self.first.whole)], 2)
        each, added, *flow = self.latents[number]
        feeds = {
            **self.own,
            "references": np.concatenate([self._reference(each.before), self._reference(each.after)]),
            "place": np.array([each.place], np.float32),
            "features": self._features(added),
            "motion": self._motion(flow),
        }
        return shaped(run(self.graph, feeds, self.threads), (1, self.signal.channels, *self.shapes[0]))

    def _reference(self, number: int) -> np.ndarray:
        """A frame as others see it."""
        if number not in self.kept:
            self.kept[number] = self.image(number).clip(0, 1)
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end(number)
        return self.kept[number]

    def _features(self, grids: Grids) -> np.ndarray:
        """(1, levels, height, width); those that are finer than the grids are zero."""
        stack, zeros = grids[0][None, None].astype(np.float32), [np.zeros(shape) for shape in self.shapes[::-1]]
        for below, grid in enumerate([*grids[1:], *zeros[len(grids) :]]):
            level = len(self.shapes) - 2 - below
            rows = {taken: rows[level] for taken, rows in self.first.learned.items()}
            feeds = {"features": stack, "finer": grid[None, None].astype(np.float32), **rows}
            stack = shaped(run(self.upsampling, feeds, self.threads), (1, below + 2, *grid.shape))
        return stack

    def _motion(self, fields: list[Grids]) -> np.ndarray:
        """(1, FIELDS, h, w)"""
        coarsest, *finer = (np.stack(grids)[None].astype(np.float32) for grids in zip(*fields))
        for grids in finer:
            coarsest = shaped(run(self.flow, {"features": coarsest, "finer": grids}, self.threads), grids.shape)
        return coarsest


@dataclass(frozen=True)
class Frame:
    """One frame of a prediction, as `Synthesis` is of a picture."""

    prediction: Prediction
    number: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.prediction.first.shape

    @property
    def whole(self) -> Window:
        return self.prediction.first.whole

    def parts(self, window: Window) -> Iterator[tuple[Window, np.ndarray]]:
        if self.number == 0:
            yield from self.prediction.first.parts(window)
        else:
            yield window, window.of(self.prediction.image(self.number))


def frames_of(signal: Signal, profile: Profile, segment: Segment, threads: int = 0) -> list[Frame]:
    """All of a segment's."""
    prediction = Prediction(signal, profile, segment, threads)
    return [Frame(prediction, k) for k in range(signal.frames)]
