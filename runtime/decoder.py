"""From bytes to pixels: parse, entropy-decode, run the graphs, quantize."""

import numpy as np

from .file import InrFile
from .source import Source
from .syntax import PIXELS_MAX
from .view import Region
from .wire import BitstreamError


def decode(
    source: Source,
    threads: int = 0,
    pixels_max: int = PIXELS_MAX,
    trust_graph: bool = False,
    region: Region | None = None,
    scale: float = 1,
    allow_partial: bool = False,
) -> np.ndarray:
    """The picture in a file or in bytes: (height, width) or (height, width, channels), uint8 or uint16; of several frames
    all, (frames, height, width[, channels]).

    `threads` 0 takes all cores; `region` and `scale` as `InrFile.read`'s. Raises BitstreamError for damaged data, for more
    than `pixels_max` pixels, for a file that brings its own decoder graph unless `trust_graph`, and for one that is cut
    unless `allow_partial`.
    """
    file = InrFile(source, threads, pixels_max, trust_graph, allow_partial)
    if len(file) == 1:
        return file.read(0, region, scale)
    if file.header.signal.pixels > pixels_max:
        raise BitstreamError(f"wanted at most {pixels_max} pixels at once, got {len(file)} frames: open() gives them singly")
    return np.stack([file.read(k, region, scale) for k in range(len(file))])
