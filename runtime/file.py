"""A file: the symbols of its segments, and the pixels of its frames."""

import math
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from threading import Lock

import numpy as np

from .clip import ClipFacts, code_facts
from .pixels import Metadata
from .prediction import Frame, frames_of
from .segment import Base, Segment, read_frame, read_segment
from .source import Source, find_profile, read_source
from .syntax import PIXELS_MAX, Entry, Signal, check, read_header
from .synthesis import Synthesis, assemble, halved
from .view import SCALES, Region, check_view, window_of
from .wire import BitstreamError, Reader


class InrFile:
    """A file or bytes, parsed but not yet decoded: `file[k]` decodes frame k, iterating decodes them all.

    Options as `decode`'s. A `partial` file is the start of one, allowed: what it lacks is guessed from what is there. With a
    clip's first segment as `base` it is another of that clip's, on its way into one file. Raises BitstreamError, OSError.
    """

    def __init__(
        self,
        source: Source,
        threads: int = 0,
        pixels_max: int = PIXELS_MAX,
        trust_graph: bool = False,
        allow_partial: bool = False,
        base: Segment | None = None,
    ) -> None:
        self.data, self.threads, self.pixels_max, self.partial = read_source(source), threads, pixels_max, False
        try:
            self.header, begin = read_header(self.data, pixels_max)
        except BitstreamError:
            if not allow_partial:
                raise
            self.header, begin = read_header(self.data, pixels_max, checked=False)
            self.partial = True
        self.index = self.header.index or (Entry(self.header.signal.frames, len(self.data) - begin, 0),)
        self._ends = list(accumulate((entry.size for entry in self.index), initial=begin))
        there = bisect_right(self._ends, len(self.data)) - 1
        self._frames = list(accumulate((entry.frames for entry in self.index[:there]), initial=0))
        self.profile = find_profile(self.header, trust_graph)
        self._base = base
        self._kept: dict[int, Segment] = {}
        self._predicted: tuple[int, list[Frame]] = -1, []
        self._reading = Lock()  # what is kept is changed by one thread at a time: iterating has one of its own

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame: (height, width) or (height, width, channels)."""
        signal = self.header.signal
        return (signal.height, signal.width) + ((signal.channels,) if signal.channels > 1 else ())

    @property
    def metadata(self) -> Metadata:
        """The ICC profile, EXIF and XMP that the file carries."""
        sections = self.header.sections
        return Metadata(**{name: sections[name] for name in ("icc", "exif", "xmp") if name in sections})

    @cached_property
    def facts(self) -> ClipFacts | None:
        """A clip's, of the frames that are there; None of pictures. Raises BitstreamError."""
        signal, section = self.header.signal, self.header.sections.get("clip")
        if section is None:
            return None
        wire = Reader(section)
        facts = code_facts(wire, (signal.frames, signal.height, signal.width))
        if wire.position != len(section):
            raise BitstreamError(f"wanted {wire.position} bytes of facts on the clip, got {len(section)}")
        return replace(facts, frames=len(self), timestamps=facts.timestamps[: len(self)])

    def payload(self, k: int = 0) -> bytes:
        """Of the k-th segment. Raises BitstreamError for a damaged one of a clip."""
        payload = bytes(self.data[self._ends[k] : self._ends[k + 1]])
        if self.header.index:
            check(self.index[k].crc, zlib.crc32(payload), f"damaged {self._name(k)}")
        return payload

    def _name(self, k: int) -> str:
        return f"segment {k} (frames {self._frames[k]} to {self._frames[k + 1] - 1})"

    def place(self, frame: int) -> tuple[int, int]:
        """A frame's segment, and its number there."""
        k = bisect_right(self._frames, frame) - 1
        return k, frame - self._frames[k]

    def signal(self, k: int = 0) -> Signal:
        """Of the k-th segment alone."""
        return replace(self.header.signal, frames=self.index[k].frames)

    def segment(self, k: int = 0, frame: int = 0) -> Segment:
        """The k-th segment's decoded symbols: network tensors and latents; of what travels frame by frame, its `frame`'s.

        Those of several frames are kept until another segment is wanted; the first ones, to which others may be differences,
        for good. Raises BitstreamError.
        """
        manifest = self.profile.manifest
        if (segment := self._kept.get(k)) is None:
            partial = self.partial and not self.header.index
            segment = read_segment(manifest, self.signal(k), self.payload(k), partial, self._base_of(k))
            if len(self) > 1:
                self._kept = {first: kept for first, kept in self._kept.items() if first == 0} | {k: segment}
        return read_frame(manifest, segment, frame)

    def _base_of(self, k: int) -> Base | None:
        """What gives the segment to which the k-th may be differences; the first has none."""
        if k == 0:
            return (lambda base=self._base: base) if self._base else None

        def base() -> Segment:
            try:
                return self.segment(0)
            except BitstreamError as error:
                raise BitstreamError(f"{self._name(k)} is written as differences to segment 0: {error}") from None

        return base

    def __len__(self) -> int:
        """Frames; of a clip that is cut, those of the segments that are whole."""
        return self._frames[-1]

    def __getitem__(self, frame: int) -> np.ndarray:
        return self.read(frame)

    def read(self, frame: int = 0, region: Region | None = None, scale: float = 1) -> np.ndarray:
        """A frame, or a region of it, whole or at 1/2, 1/4 or 1/8 of its size; at any scale where there are no latents.

        All symbols are decoded, but pixels are made only where they are wanted; a region's sides at another scale are
        rounded outwards. Raises BitstreamError; IndexError, or ValueError for a region or a scale that there is not.
        """
        if not -len(self) <= frame < len(self):
            raise IndexError(f"wanted a frame below {len(self)}, got {frame}")
        frame %= len(self)
        check_view(self.header.signal, self.profile.manifest, region, scale, self.pixels_max)
        with self._reading:
            return self._pixels(frame, region, scale)

    def _pixels(self, frame: int, region: Region | None, scale: float) -> np.ndarray:
        synthesis, twice = self._synthesis(scale, frame)
        window = window_of(region, scale, twice, synthesis.shape) if region else synthesis.whole
        pixels = assemble(self.header.signal, window, synthesis.parts(window))
        return halved(pixels) if twice == 2 else pixels

    def _synthesis(self, scale: float, frame: int) -> tuple[Synthesis | Frame, int]:
        """What makes the picture at `scale`, and how many times as large: the graphs of grids do not know how to be far away,
        so that their smaller pictures are made twice as large and halved."""
        k, within = self.place(frame)
        signal = self.signal(k)
        parts = signal, self.profile, self.segment(k, within), self.threads
        if self.profile.manifest.motion and signal.frames > 1:
            if self._predicted[0] != k:
                self._predicted = k, frames_of(*parts)
            return self._predicted[1][within], 1
        if self.profile.manifest.levels:
            octaves = SCALES.index(scale)
            return Synthesis(*parts, octaves=max(0, octaves - 1)), 2 if octaves else 1
        shape = math.ceil(signal.height * scale), math.ceil(signal.width * scale)
        return Synthesis(*parts, shape=shape, frame=within), 1

    def __iter__(self) -> Iterator[np.ndarray]:
        """A frame is made while the one before is looked at."""
        with ThreadPoolExecutor(1) as ahead:
            coming = [ahead.submit(self.read, 0)] if len(self) else []
            for k in range(1, len(self) + 1):
                frame = coming.pop().result()
                if k < len(self):
                    coming.append(ahead.submit(self.read, k))
                yield frame


open = InrFile  # decoded only when its frames are asked for
