"""From bytes to pixels: parse, entropy-decode, run the graphs, quantize."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .pixels import Metadata, quantize
from .profile import Profile, run, standard, unbundle
from .segment import Segment, read_segment
from .syntax import DIGEST, NAMED_BY_DIGEST, PIXELS_MAX, Header, read_file
from .wire import BitstreamError

BAND_PIXELS = 1 << 15  # rows that the last graph makes at a time hold about so many: its hidden layer then stays in cache
PROFILE_FOLDER = "INRC_PROFILES"  # environment variable: where profiles named by digest lie

Source = bytes | bytearray | memoryview | str | os.PathLike[str]


def read_source(source: Source) -> bytes:
    """The bytes themselves, or those of the file at a path."""
    return bytes(source) if isinstance(source, bytes | bytearray | memoryview) else Path(source).read_bytes()


def decode(source: Source, threads: int = 0, pixels_max: int = PIXELS_MAX, trust_graph: bool = False) -> np.ndarray:
    """The picture in a file or in bytes: (height, width) or (height, width, channels), uint8 or uint16.

    `threads` 0 takes all cores. Raises BitstreamError for damaged data, for more than `pixels_max` pixels, and for a file
    that brings its own decoder graph unless `trust_graph`.
    """
    return InrFile(source, threads, pixels_max, trust_graph)[0]


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


def graph_tensors(segment: Segment) -> dict[str, np.ndarray]:
    """What the graphs take: network tensors by name, latents as latents.0 (finest) ... of shape (1, 1, h, w), float32."""
    tensors = {name: values for group in segment.groups.values() for name, values in group.values().items()}
    for level, grid in enumerate(segment.grids[::-1]):  # the hyper-latents come last and feed no graph
        tensors[f"latents.{level}"] = grid[None, None].astype(np.float32)
    return tensors


def synthesize(header: Header, profile: Profile, segment: Segment, threads: int = 0) -> np.ndarray:
    """(1, channels, height, width) float32, near [0, 1] but not clipped."""
    tensors, signal, last = graph_tensors(segment), header.signal, profile.graphs[-1]
    for graph in profile.graphs[:-1]:
        tensors["features"] = run(graph, tensors, threads)
    if profile.manifest.halo < 0 or len(profile.graphs) == 1:
        return shaped(run(last, tensors, threads), (1, signal.channels, signal.height, signal.width))
    shaped(tensors["features"], (1, tensors["features"].size // signal.pixels, signal.height, signal.width))
    return in_bands(last, tensors, profile.manifest.halo, signal.channels, threads)


def shaped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same array. Raises BitstreamError where a graph, not one of ours, gave another shape."""
    if array.shape != shape:
        raise BitstreamError(f"wanted {shape} from a decoder graph, got {array.shape}")
    return array


def in_bands(graph: bytes, tensors: dict[str, np.ndarray], halo: int, channels: int, threads: int) -> np.ndarray:
    """Run `graph` on bands of rows of tensors["features"]; each band takes `halo` rows more and drops them."""
    features = tensors["features"]
    height, width = features.shape[2:]
    rows = max(4 * halo, BAND_PIXELS // width)
    image = np.empty((1, channels, height, width), np.float32)
    for top in range(0, height, rows):
        bottom, first = min(top + rows, height), max(0, top - halo)
        band = run(graph, {**tensors, "features": features[:, :, first : bottom + halo]}, threads)
        shaped(band, (1, channels, min(bottom + halo, height) - first, width))
        image[:, :, top:bottom] = band[:, :, top - first : bottom - first]
    return image


def finish(header: Header, image: np.ndarray) -> np.ndarray:
    """(1, channels, height, width) float -> (height, width[, channels]) integers."""
    pixels = np.moveaxis(quantize(image[0], header.signal.bit_depth), 0, -1)
    return np.ascontiguousarray(pixels[..., 0] if header.signal.channels == 1 else pixels)


class InrFile:
    """A file, parsed but not yet decoded: `file[k]` decodes frame k, iterating decodes them all."""

    def __init__(self, source: Source, threads: int = 0, pixels_max: int = PIXELS_MAX, trust_graph: bool = False) -> None:
        self.data, self.threads = read_source(source), threads
        self.header, self.payload = read_file(self.data, pixels_max)
        self.profile = find_profile(self.header, trust_graph)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame: (height, width) or (height, width, channels)."""
        signal = self.header.signal
        return (signal.height, signal.width) + ((signal.channels,) if signal.channels > 1 else ())

    @property
    def metadata(self) -> Metadata:
        return metadata(self.header)

    def segment(self) -> Segment:
        """The decoded symbols: network tensors and latents. Raises BitstreamError."""
        return read_segment(self.profile.manifest, self.header.signal, self.payload)

    def __len__(self) -> int:
        return self.header.signal.frames

    def __getitem__(self, frame: int) -> np.ndarray:
        if not -len(self) <= frame < len(self):
            raise IndexError(f"wanted a frame below {len(self)}, got {frame}")
        return finish(self.header, synthesize(self.header, self.profile, self.segment(), self.threads))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[k] for k in range(len(self)))


def open(source: Source, threads: int = 0, pixels_max: int = PIXELS_MAX, trust_graph: bool = False) -> InrFile:
    """A file or bytes, decoded only when its frames are asked for; options as `decode`'s. Raises BitstreamError, OSError."""
    return InrFile(source, threads, pixels_max, trust_graph)
