"""The syntax of an `.inr` file: one function per part, each a reader and a writer at once.

    "INR" version | crc32 | flags | profile | height, width | [frames] | [graph digest] | [sections] | payload

The CRC-32 covers everything but itself. The payload is one range-coded stream (see `segment`). A default image spends 14
bytes before it.
"""

import zlib
from dataclasses import dataclass, field

from .wire import BitstreamError, Reader, Wire, Writer

MAGIC = b"INR"
VERSION = 1
SIDE_MAX = 65_535  # pixels
PIXELS_MAX = 2**28  # of a frame
FRAMES_MAX = 2**24
SECTION_MAX = 2**20  # bytes
COLOURS = ("grey", "grey+alpha", "rgb", "rgba")
DEPTHS = (8, 16)  # bits
SECTIONS = ("icc", "exif", "xmp", "graphs")
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
class Header:
    """Everything before the payload. `profile` is a standard profile's number, or 0 and the graphs' `digest`."""

    signal: Signal
    profile: int
    digest: bytes = b""
    sections: dict[str, bytes] = field(default_factory=dict)


def code_header(wire: Wire, given: Header | None = None, pixels_max: int = PIXELS_MAX) -> Header:
    """Flags (colour, depth, sections there, several frames), profile, sizes less one, frames less two, digest, sections."""
    signal = given.signal if given else Signal(1, 1)
    sections = given.sections if given else {}
    kind = COLOURS.index(signal.colour) | DEPTHS.index(signal.bit_depth) << 2
    flags = wire.byte(kind | bool(sections) << 3 | (signal.frames > 1) << 4)
    if flags > 31:
        raise BitstreamError(f"wanted flags up to 31, got {flags}: a newer version of inrcodec may read this file")
    profile = wire.byte(given.profile if given else 0)
    height = wire.varint(signal.height - 1, SIDE_MAX - 1) + 1
    width = wire.varint(signal.width - 1, SIDE_MAX - 1) + 1
    if height * width > pixels_max:
        raise BitstreamError(f"wanted at most {pixels_max} pixels, got {width}x{height}")
    frames = wire.varint(signal.frames - 2, FRAMES_MAX - 2) + 2 if flags >> 4 else 1
    digest = wire.fixed(given.digest if given else b"", DIGEST) if profile == NAMED_BY_DIGEST else b""
    sections = code_sections(wire, sections) if flags >> 3 & 1 else {}
    signal = Signal(height, width, COLOURS[flags & 3], DEPTHS[flags >> 2 & 1], frames)
    return Header(signal, profile, digest, sections)


def code_sections(wire: Wire, given: dict[str, bytes]) -> dict[str, bytes]:
    """A byte that says which sections there are, then each in the order of SECTIONS, deflated."""
    there = wire.byte(sum(1 << i for i, name in enumerate(SECTIONS) if name in given))
    if there == 0 or there >> len(SECTIONS):
        raise BitstreamError(f"wanted sections among {len(SECTIONS)} known ones, got the mask {there}")
    names = [name for i, name in enumerate(SECTIONS) if there >> i & 1]
    return {name: _inflate(wire.blob(zlib.compress(given.get(name, b""), 9), SECTION_MAX), name) for name in names}


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
    content = bytes(body.data) + payload
    start = MAGIC + bytes([VERSION])
    return start + zlib.crc32(start + content).to_bytes(4, "little") + content


def read_file(data: bytes, pixels_max: int = PIXELS_MAX, checked: bool = True) -> tuple[Header, bytes]:
    """The header and the payload. Raises BitstreamError for anything but a whole, undamaged file, if `checked`."""
    wire = Reader(data)
    start = wire.fixed(None, 4)
    if start[:3] != MAGIC:
        raise BitstreamError(f"not an .inr file: wanted {MAGIC!r} at its start, got {bytes(data[:3])!r}")
    if start[3] != VERSION:
        raise BitstreamError(f"wanted version {VERSION}, got {start[3]}: a newer inrcodec may read this file")
    wanted = int.from_bytes(wire.fixed(None, 4), "little")
    if checked and (found := zlib.crc32(start + data[8:])) != wanted:
        raise BitstreamError(f"damaged or cut file: wanted checksum {wanted:08x}, got {found:08x}")
    header = code_header(wire, pixels_max=pixels_max)
    return header, bytes(data[wire.position :])
