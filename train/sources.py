"""What an encode is of: a picture, a set of them, or a clip."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .clips import Clip, open_clip
from .encode import encode_picture
from .encoding import Result
from .goal import Goal
from .kinds import NO_SECONDS, is_clip
from .options import EncodeError
from .pictures import Picture, as_set, from_array, read_picture
from .segments import ClipResult, encode_clip


def encode(source: Any, goal: Goal, **options: Any) -> bytes:
    """As `inrcodec.encode`; other options as `encode_picture`'s."""
    opened = open_source(source if isinstance(source, list | tuple) else [source])
    with tempfile.TemporaryDirectory() as folder:
        return encode_source(opened, None, Path(folder) / "segments", goal=goal, **options).data


def open_source(sources: Sequence[str | Path | np.ndarray]) -> Picture | Clip:
    """Of the only path, or of several pictures, which may be arrays. Raises PictureError, ClipError."""
    if len(sources) == 1 and not isinstance(sources[0], np.ndarray) and is_clip(Path(sources[0])):
        return open_clip(Path(sources[0]))
    return as_set([from_array(each) if isinstance(each, np.ndarray) else read_picture(each) for each in sources])


def encode_source(
    source: Picture | Clip, checkpoint: Path | None, segments: Path, seconds: float | None = None, **options: Any
) -> Result | ClipResult:
    """Options as `encode_picture`'s, of which `seconds` are a picture's alone. Interrupted, that leaves a `checkpoint`, a
    clip a folder of `segments`. Raises EncodeError."""
    if isinstance(source, Picture):
        return encode_picture(source, checkpoint=checkpoint, seconds=seconds, **options)
    if seconds is not None:
        raise EncodeError(NO_SECONDS)
    return encode_clip(source, segments, **options)
