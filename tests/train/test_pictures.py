"""Pictures in: every mode is carried exactly or refused by name."""

import struct
import sys
import warnings
import zlib
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from inrcodec.runtime.pixels import Metadata, write_image
from inrcodec.runtime.syntax import Header, Signal, read_header, write_file
from inrcodec.train import pictures as module
from inrcodec.train.metadata import METADATA_MAX
from inrcodec.train.pictures import PictureError, from_array, read_picture

ICC, XMP = bytes(range(256)), b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def noise(*shape: int, dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def exif() -> bytes:
    tags = Image.Exif()
    tags.update({0x010F: "Maker", 0x0112: 6})
    tags.get_ifd(0x8769)[0x829A] = 0.5
    return tags.tobytes()


def png(header: tuple[int, ...], rows: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of IHDR (width, height, depth, colour type), packed rows (H, bytes) and further chunks before them."""
    filtered = np.pad(rows, ((0, 0), (1, 0))).tobytes()
    body = [(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0)), *chunks, (b"IDAT", zlib.compress(filtered))]
    pack = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in [*body, (b"IEND", b"")]]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pack)


@pytest.fixture
def read(tmp_path):
    """A function from a file's bytes to its Picture."""

    def of(data: bytes):
        (tmp_path / "picture").write_bytes(data)
        return read_picture(tmp_path / "picture")

    return of


def saved(image: Image.Image | np.ndarray, format: str, **options) -> bytes:
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, format, **options)
    return file.getvalue()


MODES = {"PNG": "1 L LA P RGB RGBA I;16", "TIFF": "1 L LA P RGB RGBA I;16", "PPM": "1 L RGB I;16", "BMP": "1 L P RGB"}


@pytest.mark.parametrize(("format", "mode"), [(f, mode) for f, modes in MODES.items() for mode in modes.split()])
@pytest.mark.parametrize("size", [(1, 1), (5, 7)])
def test_every_mode_of_lossless_formats_is_exact(read, format, mode, size):
    if mode == "I;16":
        expected = noise(*size, dtype=np.uint16)
        image = Image.fromarray(expected)
    else:
        image = Image.fromarray(noise(*size, 4)).convert("RGBA" if "A" in mode else "RGB").convert(mode)
        expected = np.asarray(image.convert({"1": "L", "P": "RGB"}.get(mode, mode)))
    picture = read(saved(image, format))
    np.testing.assert_array_equal(picture.pixels, np.atleast_3d(expected))
    assert picture.pixels.flags.writeable and picture.pixels.dtype == expected.dtype and picture.notes == ()


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 7)])
def test_deep_colour_is_exact(tmp_path, size, channels):
    pixels = noise(*size, channels, dtype=np.uint16)
    write_image(tmp_path / "a.png", pixels, Metadata(ICC, exif()[6:], XMP))
    picture = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.metadata == Metadata(ICC, exif()[6:], XMP) and picture.notes == ()
    for name in ("a.tif", "a.ppm") if channels == 3 else ("a.tif",) if channels == 4 else ():
        write_image(tmp_path / name, pixels, Metadata(ICC))
        picture = read_picture(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels, pixels)
        assert picture.metadata.icc == (ICC if name == "a.tif" else b"")


def test_deep_tiff_in_planes_and_with_a_spare_channel(read):
    pixels = noise(5, 7, 4, dtype=np.uint16)
    planes = imagecodecs.tiff_encode(pixels[..., :3].transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read(bytes(planes)).pixels, pixels[..., :3])
    spare = imagecodecs.tiff_encode(pixels, photometric="rgb", planarconfig="contig", extrasample="unspecified")
    picture = read(bytes(spare))
    np.testing.assert_array_equal(picture.pixels, pixels[..., :3])
    assert "channels beyond" in picture.notes[0]
    premultiplied = imagecodecs.tiff_encode(pixels, photometric="rgb", planarconfig="contig", extrasample="assocalpha")
    with pytest.raises(PictureError, match="premultiplied"):
        read(bytes(premultiplied))


@pytest.mark.parametrize("transparency", [3, bytes(range(0, 250, 5))])
def test_palette_with_transparency_is_exact(read, transparency):
    image = Image.fromarray(noise(6, 9, 3)).quantize(50)
    data = saved(image, "PNG", transparency=transparency)
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    alpha = np.full(len(palette), 255, np.uint8)
    if isinstance(transparency, int):
        alpha[transparency] = 0
    else:
        alpha[: len(transparency)] = list(transparency)[: len(palette)]
    expected = np.column_stack([palette, alpha])[np.asarray(image)]
    np.testing.assert_array_equal(read(data).pixels, expected)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_found_at_every_depth(read, depth):
    samples, peak = np.arange(16).reshape(2, 8) % (1 << depth), (1 << depth) - 1
    bits = (samples[..., None] >> np.arange(depth)[::-1]) & 1
    rows = np.packbits(bits.reshape(2, -1).astype(np.uint8), axis=1)
    pixels = read(png((8, 2, depth, 0), rows, (b"tRNS", struct.pack(">H", 1)))).pixels
    full = 65_535 if depth == 16 else 255
    np.testing.assert_array_equal(pixels[..., 0], samples * (full // peak))
    np.testing.assert_array_equal(pixels[..., 1], np.where(samples == 1, 0, full))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_transparent_colour_is_found(read, dtype):
    pixels = noise(4, 5, 3, dtype=dtype)
    rows = pixels.astype(np.dtype(dtype).newbyteorder(">")).view(np.uint8).reshape(4, -1)
    data = png((5, 4, 8 * pixels.itemsize, 2), rows, (b"tRNS", pixels[1, 2].astype(">u2").tobytes()))
    picture = read(data)
    np.testing.assert_array_equal(picture.pixels[..., :3], pixels)
    assert picture.pixels[1, 2, 3] == 0 and (picture.pixels[..., 3] == 0).sum() == 1


def test_opaque_alpha_is_dropped_and_noted(read):
    pixels = np.dstack([noise(3, 4, 3), np.full((3, 4), 255, np.uint8)])
    for picture in (read(saved(pixels, "PNG")), from_array(pixels)):
        np.testing.assert_array_equal(picture.pixels, pixels[..., :3])
        assert picture.notes == ("alpha is dropped: it is opaque everywhere",)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_metadata_is_kept(read, format):
    tags = Image.Exif()
    tags.load(exif())
    tags[700] = XMP  # where TIFF has it
    data = saved(noise(8, 8, 3), format, icc_profile=ICC, exif=tags if format == "TIFF" else exif(), xmp=XMP)
    metadata = read(png_with_metadata() if format == "PNG" else data).metadata
    assert (metadata.icc, metadata.xmp) == (ICC, XMP) and metadata.exif[:2] in (b"MM", b"II")
    tags = Image.Exif()
    tags.load(metadata.exif)
    assert (tags[0x010F], tags.get_ifd(0x8769)[0x829A]) == ("Maker", 0.5)
    assert 0x0100 not in tags  # the width of a TIFF file


def png_with_metadata() -> bytes:
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
    icc = b"ICC profile\0\0" + zlib.compress(ICC)
    return png((2, 1, 8, 0), noise(1, 2), (b"iCCP", icc), (b"eXIf", exif()[6:]), (b"iTXt", xmp))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_carried_and_not_applied(read, format):
    picture = read(saved(noise(8, 16, 3), format, exif=exif()))
    tags = Image.Exif()
    tags.load(picture.metadata.exif)
    assert picture.pixels.shape == (8, 16, 3) and tags[0x0112] == 6


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiff_comes_upright_without_its_orientation(read, channels):
    pixels = noise(5, 7, channels)
    picture = read(saved(pixels[..., 0] if channels == 1 else pixels, "TIFF", exif=exif()))
    tags = Image.Exif()
    tags.load(picture.metadata.exif)
    np.testing.assert_array_equal(picture.pixels, np.rot90(pixels, -1))
    assert 0x0112 not in tags and tags[0x010F] == "Maker"


@pytest.mark.parametrize("format", ["GIF", "PNG", "TIFF", "WEBP", "AVIF"])
def test_only_the_first_frame_is_encoded_and_that_is_said(read, format):
    first, second = Image.fromarray(noise(8, 8, 3)), Image.fromarray(noise(8, 8, 3) // 2)
    exact = {"lossless": True} if format == "WEBP" else {}
    picture = read(saved(first, format, save_all=True, append_images=[second], **exact))
    assert "only the first of 2 frames is encoded" in picture.notes
    if format in ("PNG", "TIFF", "WEBP"):
        np.testing.assert_array_equal(picture.pixels, first)


def test_metadata_that_has_no_room_is_noted(read):
    icc = np.random.default_rng(0).bytes(2**20)
    picture = read(saved(noise(8, 8, 3), "JPEG", icc_profile=icc, exif=exif()))
    assert picture.metadata.icc == b"" and picture.metadata.exif
    assert picture.notes == (f"ICC of {2**20} bytes is not carried: it has more than {METADATA_MAX}",)
    fits = read(saved(noise(8, 8, 3), "JPEG", icc_profile=icc[:METADATA_MAX]))
    header = Header(Signal(8, 8), 1, sections={"icc": fits.metadata.icc})
    assert read_header(write_file(header, b""))[0].sections["icc"] == icc[:METADATA_MAX] and fits.notes == ()


def test_what_is_lost_is_noted(read):
    grey, gamma, cicp = noise(1, 2), (b"gAMA", struct.pack(">I", 100_000)), (b"cICP", bytes([9, 16, 0, 1]))
    assert "gamma 1 is" in read(png((2, 1, 8, 0), grey, gamma)).notes[0]
    assert read(png((2, 1, 8, 0), grey, gamma, (b"sRGB", b"\0"))).notes == ()
    assert "primaries 9 and transfer 16" in read(png((2, 1, 8, 0), grey, cicp)).notes[0]
    assert read(png((2, 1, 8, 0), grey, (b"tEXt", b"Title\0hello"))).notes == ("text is not carried: 'Title'",)
    assert read(saved(noise(8, 8, 3), "JPEG", comment=b"hello")).notes == ("the comment is not carried",)
    assert read(b"P5 2 1 15\n\x00\x0f").notes == ("samples are scaled from a maximum of 15 to 255",)
    deep = imagecodecs.avif_encode(noise(16, 16, 3).astype(np.uint16), bitspersample=10)
    assert "10-bit samples are reduced to 8" in read(bytes(deep)).notes


def test_pnm_of_16_bits_with_comments(read):
    pixels = noise(2, 3, dtype=np.uint16)
    data = b"P5 # a comment\n3 # another\n 2\n65535\n" + pixels.astype(">u2").tobytes()
    np.testing.assert_array_equal(read(data).pixels[..., 0], pixels)
    with pytest.raises(PictureError, match="wanted 12 bytes of samples, got 11"):
        read(data[:-1])
    for bad in (b"P5 1 1 1023\n\0\0", b"P2 1 1 65535\n7\n"):
        with pytest.raises(PictureError, match="wanted PNM of maximum 255, or binary of 65535"):
            read(bad)


@pytest.mark.parametrize(
    ("mode", "format"),
    [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("LAB", "TIFF"), ("YCbCr", "TIFF"), ("I", "TIFF"), ("F", "TIFF")],
)
def test_other_colours_are_refused_by_name(read, mode, format):
    with pytest.raises(PictureError, match=mode if mode not in "IF" else "samples of 1, 2, 4, 8 or 16 bits"):
        read(saved(Image.new(mode, (8, 8)), format))


def test_foreign_files_are_refused_in_one_line(read, tmp_path):
    broken = [b"nonsense", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"P6 0 4 255\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"]
    for format in ("PNG", "JPEG", "TIFF", "WEBP", "AVIF", "GIF", "BMP"):
        whole = saved(noise(40, 40, 3), format)
        broken += [whole[: len(whole) // 2], whole[:20]]
    for encode in (imagecodecs.png_encode, imagecodecs.tiff_encode):
        deep = bytes(encode(noise(9, 9, 3, dtype=np.uint16)))
        broken += [deep[: len(deep) // 2], deep[:-20]]
    for data in broken:
        with pytest.raises(PictureError, match=r"wanted .*got") as caught:
            read(data)
        assert str(caught.value).startswith(f"{tmp_path / 'picture'}: ") and "\n" not in str(caught.value)
    for path, said in ((tmp_path, "got a directory"), (tmp_path / "none", "No such file")):
        with pytest.raises(PictureError, match=said):
            read_picture(path)
    with pytest.raises(PictureError, match="got 0"):
        read(b"")


def test_sizes_are_bounded_before_decoding(read, monkeypatch):
    with pytest.raises(PictureError, match="got 70000x1"):
        read(png((70_000, 1, 8, 0), noise(1, 2)))
    with pytest.raises(PictureError, match="MAX_IMAGE_PIXELS"):
        read(png((65_535, 65_535, 8, 0), noise(1, 2)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(PictureError, match="at most 268435456 pixels"):
        read(png((65_535, 65_535, 8, 0), noise(1, 2)))
    monkeypatch.setattr(module, "FILE_MAX", 10)
    with pytest.raises(PictureError, match="wanted 1 to 10 bytes"):
        read(bytes(11))


def test_pillow_does_not_warn_of_what_is_bounded(read, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(saved(noise(3, 5), "PNG")).pixels.shape == (3, 5, 1)


def test_missing_imagecodecs_is_named(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(PictureError, match="pip install imagecodecs"):
        read(png((1, 1, 16, 2), noise(1, 6)))
    assert read(png((1, 1, 16, 0), noise(1, 2))).pixels.dtype == np.uint16


def test_from_array():
    for shape in ((3, 5), (3, 5, 1), (3, 5, 2), (3, 5, 3), (3, 5, 4)):
        for dtype in (np.uint8, np.uint16, ">u2"):
            pixels = noise(*shape, dtype=np.uint16).astype(dtype)
            picture = from_array(pixels)
            np.testing.assert_array_equal(picture.pixels, np.atleast_3d(pixels))
            assert picture.pixels.dtype in (np.uint8, np.uint16) and picture.pixels.dtype.isnative
    assert from_array(np.array([[True, False]])).pixels.ravel().tolist() == [255, 0]
    source = noise(2, 2)
    assert not np.shares_memory(from_array(source).pixels, source)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 2)), "got float64; inrcodec.runtime.pixels.quantize"),
        (np.zeros((2, 2), np.int32), "got int32"),
        (np.zeros(4, np.uint8), r"got \(4,\)"),
        (np.zeros((2, 2, 5), np.uint8), r"got \(2, 2, 5\)"),
        (np.zeros((2, 2, 0), np.uint8), r"got \(2, 2, 0\)"),
        (np.zeros((0, 2), np.uint8), "got 2x0"),
        (np.zeros((1, 70_000), np.uint8), "got 70000x1"),
    ],
)
def test_from_array_refuses(array, said):
    with pytest.raises(PictureError, match=said):
        from_array(array)
