"""Clips out: frames to a Y4M file or a folder of PNGs, which need NumPy alone, or to the containers of `mux`.

They are written as they come, whole or not at all. Y4M and PNGs carry no audio, and show all frames equally long.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from .clip import ClipError, ClipFacts
from .mux import CONTAINERS, write_container
from .pixels import replacing, write_image
from .planes import to_planes

NUMBERED = re.compile(r"\d{6,}\.png")
# Of 8 bits, and of more. 420mpeg2 has chroma on the left, as nearly all video has; `planes` leaves it where it was.
Y4M_CHROMAS = {"420": ("420mpeg2", "420p{}"), "422": ("422", "422p{}"), "444": ("444", "444p{}"), "grey": ("mono", "mono{}")}


def write_clip(path: str | Path, frames: Iterable[np.ndarray], facts: ClipFacts, audio: bytes = b"") -> None:
    """Write `facts.frames` frames (H, W, 1 or 3), uint8 or uint16 of full range, in the format of the extension.

    A path that ends in / or is a folder becomes a folder of numbered PNGs; these may have alpha. Elsewhere samples are
    stored as `facts` say, but in 4:4:4 where the sides are odd and x264 wants even ones. `audio` is `Clip.audio`'s.
    Raises `ClipError`, and `PixelError` for a PNG.
    """
    frames = _counted(frames, facts)
    try:
        if str(path).endswith(("/", os.sep)) or Path(path).is_dir():
            _write_folder(Path(path), frames)
        elif (extension := Path(path).suffix.lower()) == ".y4m":
            _write_y4m(Path(path), frames, facts)
        elif extension in CONTAINERS:
            with replacing(Path(path)) as temporary:
                write_container(temporary, map(coloured, frames), facts, audio, CONTAINERS[extension])
        else:
            wanted = f"{' '.join(['.y4m', *CONTAINERS])} or a folder/"
            raise ClipError(f"wanted one of {wanted}, got {extension or 'no extension'}")
    except ClipError as error:
        raise ClipError(f"{path}: {error}") from error
    except OSError as error:
        raise ClipError(f"{path}: wanted to write it, got: {error.strerror or error}") from error


def _counted(frames: Iterable[np.ndarray], facts: ClipFacts) -> Iterator[np.ndarray]:
    """The same frames as (H, W, C), each of the size and all of the number that the facts say."""
    count = 0
    for frame in frames:
        if frame.shape[:2] != (facts.height, facts.width) or frame.ndim > 3 or frame.dtype not in (np.uint8, np.uint16):
            wanted = f"{facts.height, facts.width} uint8 or uint16"
            raise ClipError(f"frame {count}: wanted {wanted}, got {frame.shape} {frame.dtype}")
        count += 1
        yield frame.reshape(facts.height, facts.width, -1)
    if count != facts.frames:
        raise ClipError(f"wanted {facts.frames} frames, got {count}")


def coloured(frame: np.ndarray) -> np.ndarray:
    if frame.shape[2] not in (1, 3):
        raise ClipError(f"wanted frames of 1 or 3 channels, got {frame.shape[2]}; write a folder/ of PNGs")
    return frame


def _write_folder(path: Path, frames: Iterator[np.ndarray]) -> None:
    """In place of nothing, or of a folder that holds nothing else than such PNGs."""
    path = Path(os.path.realpath(path))
    foreign = [entry.name for entry in path.iterdir() if not NUMBERED.fullmatch(entry.name)] if path.exists() else []
    if foreign:
        raise ClipError(f"wanted a folder of numbered PNGs to replace or none, got one that holds {foreign[0]}")
    new, old = (path.with_name(f".{secrets.token_hex(8)}.tmp") for _ in range(2))
    new.mkdir()
    try:
        for k, frame in enumerate(frames):
            write_image(new / f"{k:06}.png", frame)
        if path.exists():
            os.replace(path, old)
        os.replace(new, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write_y4m(path: Path, frames: Iterator[np.ndarray], facts: ClipFacts) -> None:
    """FFmpeg's dialect: depths over 8 bits, grey, COLORRANGE. It knows no matrix."""
    chroma = Y4M_CHROMAS[facts.chroma][facts.bit_depth > 8].format(facts.bit_depth)
    rate, aspect = (f"{value.numerator}:{value.denominator}" for value in (facts.rate, facts.pixel_aspect))
    colour = f"C{chroma} XCOLORRANGE={'FULL' if facts.full_range else 'LIMITED'}"
    with replacing(path) as temporary, open(temporary, "xb") as file:
        file.write(f"YUV4MPEG2 W{facts.width} H{facts.height} F{rate} Ip A{aspect} {colour}\n".encode())
        for frame in frames:
            planes = to_planes(coloured(frame), facts)
            file.write(b"FRAME\n" + b"".join(plane.astype(plane.dtype.newbyteorder("<")).tobytes() for plane in planes))
