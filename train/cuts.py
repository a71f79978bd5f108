"""Where to cut a clip into segments: at changes of scene, and so that none is long.

A scene changes where the luma of blocks does, on average, by more than JUMP and by more than LEAP times the median around.
In two 720p clips motion reaches 0.026 and 3.7 times, and joining them or parts of one 0.067 and 10.8 times or more. Dissolves
are not found.
"""

from bisect import bisect_left

import numpy as np

from ..runtime.clip import ClipFacts
from .clips import Clip

BLOCK = 8  # pixels a side, of those that are compared
JUMP, LEAP = 0.04, 5  # of the whole range; times
AROUND = 12  # differences on each side, of which the median is taken
APART = 0.5  # seconds that a segment lasts at least: the second of two changes is a flash's end


def cuts(clip: Clip, most_seconds: float = 10) -> list[int]:
    """First frames of segments, 0 among them. Reads all of the clip."""
    times = [float(clip.facts.time(k)) for k in range(clip.facts.frames + 1)]
    scenes = [0]
    for k in changes(clip):
        if times[k] - times[scenes[-1]] >= APART:
            scenes.append(k)
    return sorted(
        {k for a, b in zip(scenes, [*scenes[1:], clip.facts.frames]) for k in even_parts(times, a, b, most_seconds)}
    )


def even_parts(times: list[float], first: int, last: int, most_seconds: float) -> list[int]:
    """First frames of the fewest parts of frames first ... last - 1 that are about equally long."""
    start, length = times[first], times[last] - times[first]
    parts = max(1, int(np.ceil(length / most_seconds - 1e-9)))
    return [bisect_left(times, start + length * i / parts - 1e-9, first, last - 1) for i in range(parts)]


def changes(clip: Clip) -> list[int]:
    """Frames that show another scene than the one before them."""
    blocks, steps = None, []
    for k in range(clip.facts.frames):
        before, blocks = blocks, _blocks(clip.read_yuv(k, k + 1)[0][0], clip.facts)
        steps.append(0 if before is None else float(np.abs(blocks - before).mean()))
    usual = [np.median(steps[max(1, k - AROUND) : k + AROUND + 1]) for k in range(1, len(steps))]
    return [k for k, around in enumerate(usual, 1) if steps[k] > max(JUMP, LEAP * around)]


def _blocks(luma: np.ndarray, facts: ClipFacts) -> np.ndarray:
    """(H, W) -> means of whole blocks, in [0, 1] of the full range."""
    rows, columns = (max(1, side // BLOCK) for side in luma.shape)
    down, across = luma.shape[0] // rows, luma.shape[1] // columns
    whole = luma[: rows * down, : columns * across].reshape(rows, down, columns, across)
    return whole.mean((1, 3), dtype=np.float32) / (2**facts.bit_depth - 1)
