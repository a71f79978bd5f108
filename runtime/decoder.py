"""From bytes to pixels: parse, entropy-decode, run the graphs, quantize."""

import math
import mmap
import os
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from threading import Lock

import numpy as np

from .clip import ClipFacts, code_facts
from .pixels import Metadata
from .prediction import Frame, frames_of
from .profile import Profile, standard, unbundle
from .segment import Base, Segment, read_frame, read_segment
from .syntax import DIGEST, NAMED_BY_DIGEST, PIXELS_MAX, Entry, Header, Signal, check, read_header
from .synthesis import Synthesis, Window, assemble, halved
from .wire import BitstreamError, Reader

PROFILE_FOLDER = "INRC_PROFILES"  # environment variable: where profiles named by digest lie

MAPPED = 2**20  # bytes from which a file is
SCALES = (1, 1 / 2, 1 / 4, 1 / 8)

Region = tuple[int, int, int, int]  # x, y, width, height in pixels of the whole picture
Source = bytes | bytearray | memoryview | str | os.PathLike[str]


def read_source(source: Source) -> bytes | memoryview:
    """The bytes themselves, or those of the file at a path; a large file is mapped, and read where it is looked at."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    with Path(source).open("rb") as file:
        if os.fstat(file.fileno()).st_size < MAPPED:
            return file.read()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


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


def metadata(header: Header) -> Metadata:
    """The ICC profile, EXIF and XMP that the file carries."""
    return Metadata(**{name: header.sections[name] for name in ("icc", "exif", "xmp") if name in header.sections})


def find_profile(header: Header, trust_graph: bool = False) -> Profile:
    """The decoder graphs: shipped, in the folder INRC_PROFILES, or in the file itself. Raises BitstreamError."""
    if header.profile != NAMED_BY_DIGEST:
        return standard(header.profile)
    name = header.digest.hex()
    if "graphs" in header.sections:
        if not trust_graph:
            raise BitstreamError(f"this file brings its own decoder graph {name}: wanted leave to run it (--trust-graph)")
        profile = unbundle(header.sections["graphs"])
    else:
        folder = os.environ.get(PROFILE_FOLDER)
        path = Path(folder or "", f"{name}.profile")
        if not folder or not path.is_file():
            raise BitstreamError(
                f"wanted the decoder graph {path.name} in the folder that {PROFILE_FOLDER} names, found none"
            )
        profile = unbundle(path.read_bytes())
    if profile.digest != header.digest:
        raise BitstreamError(f"wanted the decoder graph {name}, got {profile.digest[:DIGEST].hex()}")
    return profile


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
        return metadata(self.header)

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
        self._check(region, scale)
        with self._reading:
            return self._pixels(frame, region, scale)

    def _pixels(self, frame: int, region: Region | None, scale: float) -> np.ndarray:
        synthesis, twice = self._synthesis(scale, frame)
        window = synthesis.whole
        if region is not None:
            x, y, width, height = region
            ends = zip((y, x), (y + height, x + width), synthesis.shape)
            window = Window(
                *((math.floor(first * scale) * twice, min(math.ceil(end * scale) * twice, side)) for first, end, side in ends)
            )
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

    def _check(self, region: Region | None, scale: float) -> None:
        """Before anything is decoded."""
        signal, manifest = self.header.signal, self.profile.manifest
        if manifest.levels and scale not in SCALES:
            raise ValueError(f"wanted a scale of 1, 1/2, 1/4 or 1/8: {manifest.name} has latents on a grid; got {scale:g}")
        if (manifest.motion or (not manifest.levels and manifest.halo < 0)) and scale != 1:
            raise ValueError(f"wanted a scale of 1: {manifest.name} makes whole frames; got {scale:g}")
        if not manifest.levels and not (scale > 0 and signal.height * signal.width * scale**2 <= self.pixels_max):
            raise ValueError(f"wanted a positive scale and at most {self.pixels_max} pixels, got {scale:g}")
        if region is None:
            return
        x, y, width, height = region
        if not (0 <= x < x + width <= signal.width and 0 <= y < y + height <= signal.height):
            raise ValueError(f"wanted a region within {signal.width}x{signal.height}, got {width}x{height} at {x},{y}")

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
