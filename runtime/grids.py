"""A segment's latent grids: how large each is, and in which order they are coded."""

from dataclasses import dataclass, field

from .profile import Manifest
from .syntax import Signal

FIELDS = 5  # of motion: see `prediction`


def grid_shapes(signal: Signal, levels: int) -> list[tuple[int, int]]:
    """(h, w) of each latent level, finest first: the sizes halve, rounded up."""
    return [(-(-signal.height // 2**k), -(-signal.width // 2**k)) for k in range(levels)]


@dataclass(frozen=True)
class Kind:
    """Grids that are coded in a row: `shapes` and `hyper` as `code_grids`', by the context model whose tensors' names have
    the `prefix`."""

    prefix: str
    shapes: list[tuple[int, int]]
    hyper: list[tuple[int, int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.shapes) + len(self.hyper)


def kinds(manifest: Manifest, signal: Signal) -> list[Kind]:
    """A segment's grids in coding order: the first frame's; then, in the order of their hierarchy, what is added to each
    other frame, and its motion."""
    shapes, motion = grid_shapes(signal, manifest.levels), manifest.motion
    first = Kind("", shapes, shapes[len(shapes) - manifest.hyper :])
    if motion is None:
        return [first]
    frame = [Kind("added.", shapes[motion.added :]), *[Kind("flow.", shapes[motion.flow :])] * FIELDS]
    return [first, *frame * (signal.frames - 1)]
