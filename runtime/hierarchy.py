"""Which frames of a segment each frame is predicted from.

The first stands for itself; each `period`-th, and the last, is predicted from the one before of its kind; those between from
both ends of the gap that they halve, as hierarchical B pictures are (Schwarz et al. 2006).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise


@dataclass(frozen=True)
class Predicted:
    """Frame `number` and those before and after it, or twice the same, that it is predicted from."""

    number: int
    before: int
    after: int

    @property
    def place(self) -> float:
        """Where it lies between them, 0 to 1."""
        return (self.number - self.before) / (self.after - self.before) if self.after > self.before else 0.5


@cache
def hierarchy(frames: int, period: int) -> tuple[Predicted, ...]:
    """All frames but the first, those that others are predicted from before these."""
    anchors = sorted({*range(0, frames, period), frames - 1})
    order: list[Predicted] = []
    for before, after in pairwise(anchors):
        order += [Predicted(after, before, before), *_between(before, after)]
    return tuple(order)


def _between(before: int, after: int) -> Iterator[Predicted]:
    gaps = [(before, after)]
    for first, last in gaps:
        if last - first > 1:
            middle = (first + last) // 2
            yield Predicted(middle, first, last)
            gaps += [(first, middle), (middle, last)]


def needed(wanted: Iterable[int], frames: int, period: int) -> list[Predicted]:
    """Those of the hierarchy that the `wanted` frames depend on, and they themselves, in its order."""
    there, found = set(wanted), []
    for each in reversed(hierarchy(frames, period)):
        if each.number in there:
            there |= {each.before, each.after}
            found.append(each)
    return found[::-1]
