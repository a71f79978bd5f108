"""Clips in: a video, a Y4M file, a folder of pictures or an array, read by frames as they are asked for.

What is not carried is in the notes; what could not be carried faithfully is refused.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..runtime.clip import RGB, ClipError, ClipFacts
from ..runtime.planes import Planes, to_planes
from .kinds import PICTURES
from .pictures import Picture, from_array, read_picture
from .scan import DEFAULT_RATE, scan
from .video import Video

BT709, SRGB = 1, 13  # H.273: the primaries and the transfer of pictures


@dataclass(frozen=True)
class Stills:
    """Pictures in a row, as a source of frames."""

    facts: ClipFacts
    picture: Callable[[int], Picture]  # by number

    def pixels(self, first: int, last: int) -> Iterator[np.ndarray]:
        """Grey as three equal channels; alpha is dropped."""
        size, depth = (self.facts.height, self.facts.width), self.facts.bit_depth
        for k in range(first, last):
            pixels = self.picture(k).pixels
            if pixels.shape[:2] != size or 8 * pixels.itemsize != depth:
                came = f"{pixels.shape[1]}x{pixels.shape[0]} of {8 * pixels.itemsize}"
                raise ClipError(f"picture {k}: wanted {size[1]}x{size[0]} of {depth} bits as the first one's, got {came}")
            yield np.broadcast_to(pixels[..., : 1 if pixels.shape[2] < 3 else 3], (*size, 3))

    def planes(self, first: int, last: int) -> Iterator[Planes]:
        return (to_planes(pixels, self.facts) for pixels in self.pixels(first, last))

    def audio(self) -> bytes:
        return b""


@dataclass(frozen=True)
class Clip:
    """A clip as it will be encoded. Frames are decoded when they are read; in order costs least."""

    facts: ClipFacts
    notes: tuple[str, ...]  # one line for each thing that is not carried
    source: Video | Stills

    def read(self, first: int, last: int) -> np.ndarray:
        """Frames first ... last - 1 as RGB of full range: (n, H, W, 3), uint8, or uint16 of more bits. Raises `ClipError`."""
        self._check(first, last)
        dtype = np.uint8 if self.facts.bit_depth == 8 else np.uint16
        pixels = np.empty((last - first, self.facts.height, self.facts.width, 3), dtype)
        for row, frame in zip(pixels, self.source.pixels(first, last)):
            row[:] = frame
        return pixels

    def read_yuv(self, first: int, last: int) -> Planes:
        """The same frames as stored: Y (n, H, W), and Cb, Cr (n, h, w) unless grey. RGB is converted. Raises `ClipError`."""
        self._check(first, last)
        return tuple(np.stack(plane) for plane in zip(*self.source.planes(first, last)))

    def audio(self) -> bytes:
        """The audio packets, untouched, as a small Matroska file; b"" where there are none. Raises `ClipError`."""
        return self.source.audio()

    def _check(self, first: int, last: int) -> None:
        if not 0 <= first < last <= self.facts.frames:
            raise ClipError(f"wanted frames within 0:{self.facts.frames}, got {first}:{last}")


def open_clip(path: str | Path, rate: Fraction = DEFAULT_RATE) -> Clip:
    """Any video that FFmpeg opens, or a folder of pictures, of `rate` frames a second, in the order that people count.

    A video is decoded once to see that it is whole. Raises `ClipError`, and `PictureError` for a picture.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path, rate)
    scanned = scan(path)
    return Clip(scanned.facts, scanned.notes, Video(path, scanned))


def clip_from_array(frames: np.ndarray, rate: Fraction = DEFAULT_RATE) -> Clip:
    """Frames (T, H, W) or (T, H, W, 1 to 4), uint8 or uint16. Raises `ClipError`, and `PictureError` for what a frame is."""
    if frames.ndim not in (3, 4) or len(frames) == 0:
        raise ClipError(f"array: wanted (T, H, W) or (T, H, W, 1 to 4), got {frames.shape}")
    return _of_stills(len(frames), rate, lambda k: from_array(frames[k]), ())


def _open_folder(path: Path, rate: Fraction) -> Clip:
    names = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
    paths = [path / name for name in sorted(names, key=_counted) if Path(name).suffix.lower() in PICTURES]
    if not paths:
        raise ClipError(f"{path}: wanted {' '.join(sorted(PICTURES))} in a folder of pictures, got {len(names)} other files")
    left = ("files that are no pictures are left out",) if len(paths) < len(names) else ()
    return _of_stills(len(paths), rate, lambda k: read_picture(paths[k]), left)


def _counted(name: str) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _of_stills(frames: int, rate: Fraction, picture: Callable[[int], Picture], notes: tuple[str, ...]) -> Clip:
    first = picture(0)
    height, width, channels = first.pixels.shape
    notes += first.notes + (("alpha is dropped",) if channels in (2, 4) else ())
    meaning = {"full_range": True, "matrix": RGB, "primaries": BT709, "transfer": SRGB}
    facts = ClipFacts(frames, height, width, rate, bit_depth=8 * first.pixels.itemsize, chroma="444", **meaning)
    return Clip(facts, notes, Stills(facts, picture))
