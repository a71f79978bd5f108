"""The syntax of an `.inr` file: one function per part, each a reader and a writer at once.

    "INR" version | crc32 | flags | profile | height, width | [frames] | [graph digest] | [sections] | [index] | payload

The CRC-32 covers everything but itself. The payload is one range-coded stream (see `segment`). A default image spends 14
bytes before it. A clip's payload is several, each for some of its frames, those after the first perhaps as differences to
it; an index says how many frames, how many bytes, and their CRC-32. The file's own then covers what lies before the payload
alone, so that frames can be had without reading all.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .wire import BitstreamError, Reader, Wire, Writer

MAGIC = b"INR"
VERSION = 1
SIDE_MAX = 65_535  # pixels
INDEXED = 32  # the flag
PIXELS_MAX = 2**28  # of a frame
FRAMES_MAX = 2**24
SEGMENT_MAX = 2**31 - 1  # bytes
SECTION_MAX = 2**20  # bytes
COLOURS = ("grey", "grey+alpha", "rgb", "rgba")
DEPTHS = (8, 16)  # bits
SECTIONS = ("icc", "exif", "xmp", "graphs", "clip", "audio")
RAW = {"audio": 2**30}  # bytes of those that are not deflated; it is compressed already
NAMED_BY_DIGEST = 0  # the profile number of a graph that is not among the standard ones
DIGEST = 8  # bytes


@dataclass(frozen=True)
class Signal:
    """What the decoded samples are; sizes in pixels."""

    height: int
    width: int
    colour: str = "rgb"
    bit_depth: int = 8
    frames: int = 1

    @property
    def channels(self) -> int:
        return COLOURS.index(self.colour) + 1

    @property
    def sizes(self) -> dict[str, int]:
        """What a manifest's dimensions may be of, besides its own sizes."""
        return {"channels": self.channels, "frames": self.frames}

    @property
    def pixels(self) -> int:
        """Over all frames."""
        return self.frames * self.height * self.width


@dataclass(frozen=True)
class Entry:
    """Of the index: a segment's frames, its size in bytes, and its CRC-32."""

    frames: int
    size: int
    crc: int


@dataclass(frozen=True)
class Header:
    """Everything before the payload. `profile` is a standard profile's number, or 0 and the graphs' `digest`.

    Without an `index` the payload is one segment.
    """

    signal: Signal
    profile: int
    digest: bytes = b""
    sections: dict[str, bytes] = field(default_factory=dict)
    index: tuple[Entry, ...] = ()


def code_header(wire: Wire, given: Header | None = None, pixels_max: int = PIXELS_MAX) -> Header:
    """Flags (colour, depth, and what there is of the others), profile, sizes less one, frames less two, digest, sections,
    index."""
    signal = given.signal if given else Signal(1, 1)
    sections = given.sections if given else {}
    kind = COLOURS.index(signal.colour) | DEPTHS.index(signal.bit_depth) << 2
    index = given.index if given else ()
    flags = wire.byte(kind | bool(sections) << 3 | (signal.frames > 1) << 4 | bool(index) << 5)
    if flags > 63:
        raise BitstreamError(f"wanted flags up to 63, got {flags}: a newer version of inrcodec may read this file")
    profile = wire.byte(given.profile if given else 0)
    height = wire.varint(signal.height - 1, SIDE_MAX - 1) + 1
    width = wire.varint(signal.width - 1, SIDE_MAX - 1) + 1
    if height * width > pixels_max:
        raise BitstreamError(f"wanted at most {pixels_max} pixels, got {width}x{height}")
    frames = wire.varint(signal.frames - 2, FRAMES_MAX - 2) + 2 if flags >> 4 & 1 else 1
    digest = wire.fixed(given.digest if given else b"", DIGEST) if profile == NAMED_BY_DIGEST else b""
    sections = code_sections(wire, sections) if flags >> 3 & 1 else {}
    signal = Signal(height, width, COLOURS[flags & 3], DEPTHS[flags >> 2 & 1], frames)
    index = code_index(wire, frames, index) if flags & INDEXED else ()
    return Header(signal, profile, digest, sections, index)


def code_index(wire: Wire, frames: int, given: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """How many segments, and each one's entry; together they have the clip's frames."""
    entries, left = [], frames
    for k in range(wire.varint(len(given) - 1, frames - 1) + 1):
        entry = given[k] if given else Entry(1, 0, 0)
        if left == 0:
            raise BitstreamError(f"wanted an index of {frames} frames, got one with more segments")
        entries.append(
            Entry(
                wire.varint(entry.frames - 1, left - 1) + 1,
                wire.varint(entry.size, SEGMENT_MAX),
                int.from_bytes(wire.fixed(entry.crc.to_bytes(4, "little"), 4), "little"),
            )
        )
        left -= entries[-1].frames
    if left:
        raise BitstreamError(f"wanted an index of {frames} frames, got {frames - left}")
    return tuple(entries)


def code_sections(wire: Wire, given: dict[str, bytes]) -> dict[str, bytes]:
    """A byte that says which sections there are, then each in the order of SECTIONS, deflated but for RAW ones."""
    there = wire.byte(sum(1 << i for i, name in enumerate(SECTIONS) if name in given))
    if there == 0 or there >> len(SECTIONS):
        raise BitstreamError(f"wanted sections among {len(SECTIONS)} known ones, got the mask {there}")
    names = [name for i, name in enumerate(SECTIONS) if there >> i & 1]
    return {name: _code_section(wire, name, given.get(name, b"")) for name in names}


def _code_section(wire: Wire, name: str, given: bytes) -> bytes:
    if name in RAW:
        return wire.blob(given, RAW[name])
    return _inflate(wire.blob(zlib.compress(given, 9), SECTION_MAX), name)


def _inflate(data: bytes, name: str) -> bytes:
    inflate = zlib.decompressobj()
    try:
        result = inflate.decompress(data, SECTION_MAX)
    except zlib.error as error:
        raise BitstreamError(f"wanted a deflated {name} section, got {error}") from None
    if not inflate.eof or inflate.unused_data:
        raise BitstreamError(f"wanted a {name} section of at most {SECTION_MAX} bytes that ends where it says")
    return result


def write_file(header: Header, payload: bytes) -> bytes:
    """The whole file."""
    body = Writer()
    code_header(body, header)
    content = bytes(body.data)
    start = MAGIC + bytes([VERSION])
    covered = start + content if header.index else start + content + payload
    return start + zlib.crc32(covered).to_bytes(4, "little") + content + payload


def write_segments(header: Header, segments: Sequence[tuple[int, bytes]]) -> bytes:
    """The whole file of a clip: of each segment how many frames it has, and its payload."""
    index = tuple(Entry(frames, len(payload), zlib.crc32(payload)) for frames, payload in segments)
    return write_file(replace(header, index=index), b"".join(payload for _, payload in segments))


def read_header(data: bytes | memoryview, pixels_max: int = PIXELS_MAX, checked: bool = True) -> tuple[Header, int]:
    """The header, and where the payload begins. Raises BitstreamError for anything but a whole, undamaged file.

    Of a clip's segments nothing is read. Unless `checked`, the payload may be cut, and an image's header damaged.
    """
    wire = Reader(data)
    start = wire.fixed(None, 4)
    if start[:3] != MAGIC:
        raise BitstreamError(f"not an .inr file: wanted {MAGIC!r} at its start, got {bytes(data[:3])!r}")
    if start[3] != VERSION:
        raise BitstreamError(f"wanted version {VERSION}, got {start[3]}: a newer inrcodec may read this file")
    wanted = int.from_bytes(wire.fixed(None, 4), "little")
    indexed = len(data) > wire.position and data[wire.position] & INDEXED
    if checked and not indexed:
        check(wanted, zlib.crc32(data[8:], zlib.crc32(start)))
    header = code_header(wire, pixels_max=pixels_max)
    if indexed:
        check(wanted, zlib.crc32(data[8 : wire.position], zlib.crc32(start)))
        size = wire.position + sum(entry.size for entry in header.index)
        if checked and len(data) != size:
            raise BitstreamError(f"damaged or cut file: wanted {size} bytes, got {len(data)}")
    return header, wire.position


def read_file(data: bytes, pixels_max: int = PIXELS_MAX, checked: bool = True) -> tuple[Header, bytes]:
    """The header and the payload; as `read_header`."""
    header, position = read_header(data, pixels_max, checked)
    return header, bytes(data[position:])


def check(wanted: int, found: int, of: str = "damaged or cut file") -> None:
    """Raises BitstreamError unless the checksums are equal."""
    if found != wanted:
        raise BitstreamError(f"{of}: wanted checksum {wanted:08x}, got {found:08x}")
