"""A part of a picture, or a picture of another size."""

import math

from .profile import Manifest
from .syntax import Signal
from .synthesis import Window

SCALES = (1, 1 / 2, 1 / 4, 1 / 8)  # of pictures with latents

Region = tuple[int, int, int, int]  # x, y, width, height in pixels of the whole picture


def check_view(signal: Signal, manifest: Manifest, region: Region | None, scale: float, pixels_max: int) -> None:
    """Before anything is decoded. Raises ValueError for a region or a scale that there is not."""
    if manifest.levels and scale not in SCALES:
        raise ValueError(f"wanted a scale of 1, 1/2, 1/4 or 1/8: {manifest.name} has latents on a grid; got {scale:g}")
    if (manifest.motion or (not manifest.levels and manifest.halo < 0)) and scale != 1:
        raise ValueError(f"wanted a scale of 1: {manifest.name} makes whole frames; got {scale:g}")
    if not manifest.levels and not (scale > 0 and signal.height * signal.width * scale**2 <= pixels_max):
        raise ValueError(f"wanted a positive scale and at most {pixels_max} pixels, got {scale:g}")
    if region is None:
        return
    x, y, width, height = region
    if not (0 <= x < x + width <= signal.width and 0 <= y < y + height <= signal.height):
        raise ValueError(f"wanted a region within {signal.width}x{signal.height}, got {width}x{height} at {x},{y}")


def window_of(region: Region, scale: float, twice: int, shape: tuple[int, int]) -> Window:
    """The region at `scale`, its sides rounded outwards, on a grid of `shape` that is `twice` as fine, 1 or 2."""
    x, y, width, height = region
    ends = zip((y, x), (y + height, x + width), shape)
    return Window(
        *((math.floor(first * scale) * twice, min(math.ceil(end * scale) * twice, side)) for first, end, side in ends)
    )
