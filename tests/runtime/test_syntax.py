"""The container: small, whole or refused."""

import zlib

import pytest

from inrcodec.runtime.syntax import FRAMES_MAX, Header, Signal, read_file, write_file
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
        Header(Signal(300, 7, "rgba"), 0, b"12345678", {"icc": b"profile", "xmp": b"x" * 5000}),
    ],
)
def test_round_trip(header):
    assert read_file(write_file(header, PAYLOAD)) == (header, PAYLOAD)


def test_every_truncation_is_refused():
    data = write_file(Header(Signal(512, 768), 1, sections={"exif": b"abc"}), PAYLOAD)
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            read_file(data[:length])


def test_every_flipped_bit_is_found():
    data = write_file(Header(Signal(512, 768), 1), PAYLOAD)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            read_file(bytes(damaged))


def test_trailing_bytes_are_refused():
    with pytest.raises(BitstreamError, match="checksum"):
        read_file(write_file(Header(Signal(5, 5), 1), PAYLOAD) + b"\0")


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
