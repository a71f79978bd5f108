"""What an encode is of: a picture, a set of them, or a clip."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .clips import Clip, open_clip
from .encode import encode_picture
from .encoding import Result
from .kinds import is_clip
from .pictures import Picture, as_set, read_picture
from .segments import ClipResult, encode_clip


def open_source(names: Sequence[str | Path]) -> Picture | Clip:
    """Of the only path, or of several pictures. Raises PictureError, ClipError."""
    if len(names) == 1 and is_clip(Path(names[0])):
        return open_clip(Path(names[0]))
    return as_set([read_picture(name) for name in names])


def encode_source(source: Picture | Clip, checkpoint: Path, segments: Path, **options: Any) -> Result | ClipResult:
    """Options as `encode_picture`'s, of which `seconds` are a picture's alone. Interrupted, that leaves a `checkpoint`, a
    clip a folder of `segments`."""
    if isinstance(source, Clip):
        return encode_clip(source, segments, **{name: value for name, value in options.items() if name != "seconds"})
    return encode_picture(source, checkpoint=checkpoint, **options)
