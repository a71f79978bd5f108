"""The container: small, whole or refused."""

import zlib

import pytest

from inrcodec.runtime.syntax import FRAMES_MAX, Entry, Header, Signal, read_file, read_header, write_file, write_segments
from inrcodec.runtime.wire import BitstreamError, Reader, Writer

PAYLOAD = bytes(range(1, 200))


def test_header_of_a_default_image_is_short():
    assert len(write_file(Header(Signal(512, 768), 1), b"")) <= 16


@pytest.mark.parametrize(
    "header",
    [
        Header(Signal(1, 1, "grey"), 1),
        Header(Signal(65_535, 4_000, "grey+alpha", 16), 2),
        Header(Signal(30, 40, frames=2), 25),
        Header(Signal(30, 40, frames=FRAMES_MAX), 25, sections={"xmp": b"x"}),
        Header(Signal(300, 7, "rgba"), 0, b"12345678", {"icc": b"profile", "xmp": b"x" * 5000, "audio": b"a" * 90}),
    ],
)
def test_round_trip(header):
    assert read_file(write_file(header, PAYLOAD)) == (header, PAYLOAD)


IMAGE = write_file(Header(Signal(512, 768), 1, sections={"exif": b"abc"}), PAYLOAD)
SEGMENTS = [(3, b"first"), (300, PAYLOAD), (1, b"")]
CLIP = write_segments(Header(Signal(512, 768, frames=304), 1), SEGMENTS)


@pytest.mark.parametrize("data", [IMAGE, CLIP], ids=["image", "clip"])
def test_every_truncation_is_refused(data):
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            read_file(data[:length])


@pytest.mark.parametrize(("data", "end"), [(IMAGE, len(IMAGE)), (CLIP, read_header(CLIP)[1])], ids=["image", "clip"])
def test_every_flipped_bit_is_found(data, end):
    """Of a clip in its header alone."""
    for bit in range(8 * end):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            read_file(bytes(damaged))


@pytest.mark.parametrize(
    ("data", "wanted"), [(IMAGE, "checksum"), (CLIP, "wanted 241 bytes, got 242")], ids=["image", "clip"]
)
def test_trailing_bytes_are_refused(data, wanted):
    with pytest.raises(BitstreamError, match=wanted):
        read_file(data + b"\0")


def test_a_clip_has_an_index():
    header, begin = read_header(CLIP)
    for entry, (frames, payload) in zip(header.index, SEGMENTS, strict=True):
        assert entry == Entry(frames, len(payload), zlib.crc32(payload))
        assert CLIP[begin : begin + entry.size] == payload
        begin += entry.size
    assert read_header(CLIP[: begin - 150], checked=False) == read_header(CLIP)


def repaired(body: bytes) -> bytes:
    """A file of `body` with a good checksum."""
    return b"INR\x01" + zlib.crc32(b"INR\x01" + body).to_bytes(4, "little") + body


@pytest.mark.parametrize(
    "body, wanted",
    [
        (b"\xf2\x01\x00\x00", "flags"),
        (b"\x02\x01\xff\xff\xff\xff\xff\xff", "number up to"),
        (b"\x02\x01\xfe\xff\x03\xfe\xff\x03", "pixels"),
        (b"\x02\x01\x80\x00\x00", "shortest"),
        (b"\x0a\x01\x00\x00\x00", "sections"),
        (b"\x32\x01\x00\x00\x03\x01\x00\x00abcd\x00\x00abcd", "wanted an index of 5 frames, got 2"),
        (b"\x32\x01\x00\x00\x00\x01\x01\x00abcd\x00\x00abcd", "wanted an index of 2 frames, got one with more"),
        (b"\x32\x01\x00\x00\x00\x02", "number up to 1"),
        (b"\x0a\x01\x00\x00\x01\x03abc", "deflated"),
        (b"\x0a\x01\x00\x00\x01\x90\x4e" + zlib.compress(bytes(2**25), 9)[:10_000], "section"),
    ],
)
def test_bad_headers_say_what_was_wanted(body, wanted):
    with pytest.raises(BitstreamError, match=wanted):
        read_file(repaired(body))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 16_383, 16_384, 65_534])
def test_varints(value):
    writer = Writer()
    writer.varint(value, 65_534)
    assert Reader(bytes(writer.data)).varint(limit=65_534) == value
