"""Pixels out: what is written is read back, and what cannot be written leaves nothing."""

import os
import struct
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from inrcodec.runtime import pixels as module
from inrcodec.runtime.pixels import ENCODERS, Metadata, PixelError, quantize, write_atomically, write_image

ICC, XMP = bytes(range(256)) * 3, b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
SIZES = [(1, 1), (1, 9), (9, 1), (5, 7), (17, 13)]


def noise(*shape: int, dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def exif() -> bytes:
    tags = Image.Exif()
    tags.update({0x0112: 6, 0x010F: "Maker", 0x0100: 9999})  # orientation, make, and a width that is not the picture's
    tags.get_ifd(0x8769)[0x829A] = 0.5
    return tags.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_quantize_inverts_its_grid_and_rounds_to_even(depth):
    levels = np.arange(1 << depth)
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(quantize((levels / levels[-1]).astype(dtype), depth), levels)
    halves = quantize(np.float32([0.5, 1.5, 2.5, 3.5]) / np.float32(levels[-1]), depth)
    assert halves.tolist() == [0, 2, 2, 4] and halves.dtype == (np.uint8 if depth == 8 else np.uint16)


def test_quantize_clips_and_makes_nan_black():
    image = np.float32([[np.nan, -np.inf, -0.1], [1.1, np.inf, 3e38]])
    assert quantize(image, 8).tolist() == [[0, 0, 0], [255, 255, 255]]
    assert np.isnan(image[0, 0]) and quantize(np.float64(1.0), 9) == 511
    for depth in (0, 7, 17):
        with pytest.raises(PixelError, match="wanted 8 to 16"):
            quantize(image, depth)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_png_reads_back(tmp_path, size, channels, dtype):
    pixels, path = noise(*size, channels, dtype=dtype), tmp_path / "a.png"
    write_image(path, pixels)
    np.testing.assert_array_equal(np.atleast_3d(imagecodecs.png_decode(path.read_bytes())), pixels)
    if dtype == np.uint8 or channels == 1:
        np.testing.assert_array_equal(np.atleast_3d(np.asarray(Image.open(path))), pixels)


def test_png_filters_are_all_used_and_all_exact():
    noisy = np.random.default_rng(1).integers(0, 90, (40, 50, 1), np.uint8)
    used = set()
    for pixels in (np.repeat(noisy[:, :1], 50, axis=1), np.repeat(noisy[:1], 40, axis=0), noisy):
        data = module.encode_png(pixels)
        np.testing.assert_array_equal(imagecodecs.png_decode(data), pixels[..., 0])
        at = data.index(b"IDAT")
        used.add(zlib.decompress(data[at + 4 : at + 4 + struct.unpack(">I", data[at - 4 : at])[0]])[0])
    assert used == {1, 2, 3}


def test_png_in_many_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IDAT_MAX", 10)
    write_image(tmp_path / "a.png", noise(8, 9))
    np.testing.assert_array_equal(Image.open(tmp_path / "a.png"), noise(8, 9))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.avif", "a.tif"])
def test_metadata_travels(tmp_path, name):
    write_image(tmp_path / name, noise(6, 6, 3), Metadata(ICC, exif(), XMP))
    with Image.open(tmp_path / name) as image:
        tags = image.getexif()
        assert (image.info["icc_profile"], image.info["xmp"]) == (ICC, XMP)
        assert (tags[0x0112], tags[0x010F], tags.get_ifd(0x8769)[0x829A]) == (6, "Maker", 0.5)
        assert image.size == (6, 6)
    if name == "a.png":
        assert exif() in (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["a.webp", "a.tif", "A.TIFF"])
@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_formats_are_exact(tmp_path, name, channels):
    pixels = noise(5, 7, channels)
    write_image(tmp_path / name, pixels)
    np.testing.assert_array_equal(Image.open(tmp_path / name), pixels)


@pytest.mark.parametrize("name", ["a.jpg", "a.avif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_are_close(tmp_path, name, channels):
    pixels = np.atleast_3d(np.linspace(0, 255, 16 * 16 * channels).reshape(16, 16, channels).astype(np.uint8))
    write_image(tmp_path / name, pixels)
    read = np.atleast_3d(np.asarray(Image.open(tmp_path / name))).astype(int)
    assert read.shape == pixels.shape and abs(read - pixels).mean() < 4


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_deep_tiff_is_exact_and_keeps_icc(tmp_path, channels):
    pixels, path = noise(5, 7, channels, dtype=np.uint16), tmp_path / "a.tiff"
    write_image(path, pixels, Metadata(icc=ICC))
    np.testing.assert_array_equal(np.atleast_3d(imagecodecs.tiff_decode(path.read_bytes())), pixels)
    assert ICC in path.read_bytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_raw_formats(tmp_path, dtype):
    grey, colour, peak = noise(3, 5, dtype=dtype), noise(3, 5, 3, dtype=dtype), np.iinfo(dtype).max
    big = np.dtype(dtype).newbyteorder(">")
    write_image(tmp_path / "a.pgm", grey)
    assert (tmp_path / "a.pgm").read_bytes() == b"P5\n5 3\n%d\n" % peak + grey.astype(big).tobytes()
    write_image(tmp_path / "a.ppm", colour)
    assert (tmp_path / "a.ppm").read_bytes() == b"P6\n5 3\n%d\n" % peak + colour.astype(big).tobytes()
    write_image(tmp_path / "b.ppm", grey)
    assert (tmp_path / "b.ppm").read_bytes()[:2] == b"P6"
    write_image(tmp_path / "a.npy", colour)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), colour)


def test_any_layout_and_byte_order(tmp_path):
    pixels = noise(6, 8, 3, dtype=np.uint16)
    for same in (pixels.astype(">u2"), np.asfortranarray(pixels), np.repeat(pixels, 2, axis=1)[:, ::2]):
        write_image(tmp_path / "a.png", same)
        np.testing.assert_array_equal(imagecodecs.png_decode((tmp_path / "a.png").read_bytes()), pixels)


@pytest.mark.parametrize(
    ("name", "pixels", "said"),
    [
        ("a", noise(2, 2), "got no extension"),
        ("a.gif", noise(2, 2), "wanted one of .png .*got .gif"),
        ("a.png", np.zeros((2, 2)), "wanted uint8 or uint16, got float64"),
        ("a.png", np.zeros((2, 2), np.int16), "got int16"),
        ("a.png", noise(4), r"got \(4,\)"),
        ("a.png", noise(2, 2, 5), r"got \(2, 2, 5\)"),
        ("a.png", noise(0, 2, 3), r"got \(0, 2, 3\)"),
        ("a.jpg", noise(2, 2, 4), "JPEG: wanted no alpha"),
        ("a.jpeg", noise(2, 2, 2), "JPEG: wanted no alpha"),
        ("a.ppm", noise(2, 2, 4), "PPM: wanted no alpha"),
        ("a.pgm", noise(2, 2, 2), "PGM: wanted no alpha"),
        ("a.pgm", noise(2, 2, 3), "wanted grey, got RGB; write .ppm"),
        ("a.jpg", noise(2, 2, 3, dtype=np.uint16), "JPEG: wanted 8 bits a sample, got 16; write .png"),
        ("a.webp", noise(2, 2, 3, dtype=np.uint16), "WEBP: wanted 8 bits"),
        ("a.avif", noise(2, 2, dtype=np.uint16), "AVIF: wanted 8 bits"),
        ("a.webp", noise(1, 20_000), "wanted to encode"),  # beyond its 16,383 pixels
    ],
)
def test_refusals_leave_nothing(tmp_path, name, pixels, said):
    with pytest.raises(PixelError, match=said) as caught:
        write_image(tmp_path / name, pixels)
    assert str(tmp_path / name) in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.tif", "a.avif"])
def test_broken_exif_is_refused_where_it_must_be_parsed(tmp_path, name):
    with pytest.raises(PixelError, match="wanted to encode"):
        write_image(tmp_path / name, noise(4, 4, 3), Metadata(exif=b"nonsense"))


@pytest.mark.parametrize(("missing", "dtype"), [("PIL", np.uint8), ("imagecodecs", np.uint16)])
def test_missing_libraries_are_named(tmp_path, monkeypatch, missing, dtype):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(PixelError, match="pip install"):
        write_image(tmp_path / "a.tif", noise(2, 2, 3, dtype=dtype))
    for name in (extension for extension in ENCODERS if extension in (".png", ".ppm", ".npy")):
        write_image(tmp_path / f"a{name}", noise(2, 2, 3, dtype=dtype))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / "a.inr"
    write_atomically(path, b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PixelError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        write_atomically(path, b"new")
    assert [path] == list(tmp_path.iterdir()) and path.read_bytes() == b"old"
    assert isinstance(error, KeyboardInterrupt) or "wanted to write 3 bytes, got: No space left" in str(caught.value)


def test_write_atomically_refuses_folders_and_follows_links(tmp_path):
    with pytest.raises(PixelError, match="got a directory"):
        write_atomically(tmp_path, b"new")
    with pytest.raises(PixelError, match="No such file"):
        write_atomically(tmp_path / "none" / "a", b"new")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for data in (b"first", b"second"):
        write_atomically(tmp_path / "link", data)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == data


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no /dev/null here")
def test_a_device_stays_a_device():
    write_atomically("/dev/null", b"gone")
    assert not os.path.isfile("/dev/null")
