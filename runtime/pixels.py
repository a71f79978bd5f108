"""Pixels out: floats to integers to a picture file. .png, .ppm, .pgm and .npy need NumPy alone, the rest Pillow."""

import os
import secrets
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

PNG_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> IHDR colour type
PNG_LEVEL = 1  # zlib's; 20 ms for 768x512 RGB and 1-8 % more bytes than level 6, which takes 60-120 ms
IDAT_MAX = 1 << 30  # bytes a chunk; PNG allows 2^31 - 1
LOSSY_QUALITY = 95  # JPEG's and AVIF's, 4:4:4: the codec's own loss should stay the one that is seen

# The EXIF tags that describe a picture; the others (sizes, strips, ...) say how a TIFF file stores its samples.
# Description, make, model, orientation, resolution x, y and unit, software, time, artist, copyright.
EXIF_DESCRIPTIVE = (270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 33432)
EXIF_IFDS = (0x8769, 0x8825)  # the camera's and the GPS's directories, whole but for the offset in EXIF_INTEROP
EXIF_INTEROP = 0xA005
EXIF_PREFIX = b"Exif\0\0"  # in JPEG
TIFF_XMP = 700
TIFF_DEFLATE = 8


class PixelError(ValueError):
    """Pixels that cannot be written as asked, or a file that cannot be written; says what was wanted and what came."""


@dataclass(frozen=True)
class Metadata:
    """What travels beside the pixels, as raw payloads; empty is absent."""

    icc: bytes = b""  # ICC profile
    exif: bytes = b""  # a TIFF blob, without JPEG's "Exif\0\0" before it
    xmp: bytes = b""  # XMP packet


def quantize(image: np.ndarray, bit_depth: int) -> np.ndarray:
    """Floats in [0, 1] of any shape as integers in [0, 2^bit_depth - 1]: uint8 for 8 bits, uint16 for 9 to 16.

    Rounds half to even in float32 and clips; NaN becomes 0.
    """
    if not 8 <= bit_depth <= 16:
        raise PixelError(f"bit depth: wanted 8 to 16, got {bit_depth}")
    peak = np.float32((1 << bit_depth) - 1)
    scaled = np.empty(np.shape(image), np.float32)
    with np.errstate(all="ignore"):
        np.multiply(image, peak, out=scaled, dtype=np.float32, casting="same_kind")
        np.fmax(scaled, 0, out=scaled)  # fmax, unlike maximum, prefers 0 to NaN
    np.minimum(scaled, peak, out=scaled)
    return np.rint(scaled, out=scaled).astype(np.uint8 if bit_depth == 8 else np.uint16)


def write_image(path: str | Path, pixels: np.ndarray, metadata: Metadata = Metadata()) -> None:
    """Write pixels, as `encode_image` takes them, in the format of the extension. Raises `PixelError`."""
    try:
        data = encode_image(Path(path).suffix.lower(), pixels, metadata)
    except PixelError as error:
        raise PixelError(f"{path}: {error}") from error
    write_atomically(path, data)


def encode_image(extension: str, pixels: np.ndarray, metadata: Metadata = Metadata()) -> bytes:
    """A file of pixels (H, W) or (H, W, C), C in 1..4 (grey, grey + alpha, RGB, RGBA).

    uint8 is 8 bits a sample and uint16 is 16, full range. .ppm, .pgm and .npy carry no metadata. Raises `PixelError`.
    """
    if extension not in ENCODERS:
        raise PixelError(f"wanted one of {' '.join(ENCODERS)}, got {extension or 'no extension'}")
    try:
        return ENCODERS[extension](_checked(pixels), metadata)
    except PixelError:
        raise
    except Exception as error:  # Pillow's plugins raise OSError, ValueError, KeyError, SyntaxError, struct.error, ...
        raise PixelError(f"wanted to encode {pixels.shape} {pixels.dtype}, got: {error}") from error


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write the file whole or not at all, through a temporary file in the same folder; links are followed.

    A device or a pipe is written straight. Raises `PixelError` when the system refuses: permission, folder, disk full.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise PixelError(f"{path}: wanted a file name, got a directory")
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            with replacing(path) as temporary, open(temporary, "xb") as file:
                file.write(data)
    except OSError as error:
        raise PixelError(f"{path}: wanted to write {len(data)} bytes, got: {error.strerror or error}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside the one at `path`: it takes its place after the block, or goes if the block raises."""
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def encode_png(pixels: np.ndarray, metadata: Metadata = Metadata()) -> bytes:
    """Pixels (H, W, C), uint8 or uint16, as a PNG file: one row filter for the whole picture, a quick zlib level."""
    height, width, channels = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    big_endian = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    rows = big_endian.view(np.uint8).reshape(height, -1)
    stream = zlib.compress(_filtered(rows, channels * depth // 8).data, PNG_LEVEL)
    header = struct.pack(">IIBBBBB", width, height, depth, PNG_COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header)]
    if metadata.icc:
        chunks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.exif:
        chunks.append(_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp))
    chunks += [_chunk(b"IDAT", stream[at : at + IDAT_MAX]) for at in range(0, len(stream), IDAT_MAX)]
    return b"".join([*chunks, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _filtered(rows: np.ndarray, step: int) -> np.ndarray:
    """Rows (H, bytes) as (H, 1 + bytes) under PNG filter 1, 2 or 3, whichever leaves least; `step`: bytes a pixel."""
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    up = np.zeros_like(rows)
    up[1:] = rows[:-1]
    predictions = {1: left, 2: up, 3: (left & up) + ((left ^ up) >> 1)}  # Sub, Up, Average = floor((left + up) / 2)
    best = min(predictions, key=lambda kind: _magnitude(rows[::8] - predictions[kind][::8]))
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = best
    np.subtract(rows, predictions[best], out=filtered[:, 1:])
    return filtered


def _magnitude(residual: np.ndarray) -> int:
    return int(np.minimum(residual, -residual).sum(dtype=np.int64))  # of bytes modulo 256


def _encode_ppm(pixels: np.ndarray, metadata: Metadata) -> bytes:
    _refuse_alpha(pixels, "PPM")
    return _pnm(b"P6", pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2))


def _encode_pgm(pixels: np.ndarray, metadata: Metadata) -> bytes:
    _refuse_alpha(pixels, "PGM")
    if pixels.shape[2] != 1:
        raise PixelError("PGM: wanted grey, got RGB; write .ppm")
    return _pnm(b"P5", pixels)


def _pnm(magic: bytes, pixels: np.ndarray) -> bytes:
    height, width, _ = pixels.shape
    header = b"%s\n%d %d\n%d\n" % (magic, width, height, np.iinfo(pixels.dtype).max)
    return header + pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()


def _encode_npy(pixels: np.ndarray, metadata: Metadata) -> bytes:
    file = BytesIO()
    np.save(file, pixels, allow_pickle=False)
    return file.getvalue()


def _encode_jpeg(pixels: np.ndarray, metadata: Metadata) -> bytes:
    _refuse_alpha(pixels, "JPEG")
    exif = metadata.exif and EXIF_PREFIX + metadata.exif
    carried = {"icc_profile": metadata.icc, "exif": exif, "xmp": metadata.xmp}
    return _save(pixels, "JPEG", quality=LOSSY_QUALITY, subsampling=0, **carried)


def _encode_webp(pixels: np.ndarray, metadata: Metadata) -> bytes:
    """Lossless and quick; `exact` keeps colours below transparent pixels. WebP knows no grey: it comes back as RGB."""
    carried = {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp}
    return _save(pixels, "WEBP", lossless=True, exact=True, method=0, quality=20, **carried)


def _encode_avif(pixels: np.ndarray, metadata: Metadata) -> bytes:
    carried = {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp}
    subsampling = "4:0:0" if pixels.shape[2] == 1 else "4:4:4"
    return _save(pixels, "AVIF", quality=LOSSY_QUALITY, subsampling=subsampling, speed=8, **carried)


def _encode_tiff(pixels: np.ndarray, metadata: Metadata) -> bytes:
    """Uncompressed: only so does Pillow carry EXIF. 16-bit colour goes through imagecodecs, which carries ICC alone."""
    if pixels.dtype == np.uint16 and pixels.shape[2] > 1:
        return _encode_deep_tiff(pixels, metadata)
    given, tags = _pillow("TIFF").Exif(), _pillow("TIFF").Exif()
    given.load(metadata.exif)
    tags.load(descriptive_exif(given))
    if metadata.xmp:
        tags[TIFF_XMP] = metadata.xmp
    return _save(pixels, "TIFF", icc_profile=metadata.icc or None, exif=tags)


def _encode_deep_tiff(pixels: np.ndarray, metadata: Metadata) -> bytes:
    try:
        import imagecodecs
    except ImportError as error:
        raise PixelError("16-bit colour TIFF wants imagecodecs: pip install imagecodecs, or write .png") from error
    data = imagecodecs.tiff_encode(
        pixels,
        photometric="rgb" if pixels.shape[2] > 2 else "minisblack",
        planarconfig="contig",
        extrasample="unassalpha" if pixels.shape[2] in (2, 4) else None,
        compression=TIFF_DEFLATE,
        predictor=True,
        iccprofile=metadata.icc or None,
    )
    return bytes(data)


def descriptive_exif(exif: "Image.Exif") -> bytes:
    """Of Pillow's Exif the tags of `EXIF_DESCRIPTIVE` and `EXIF_IFDS` alone, as a TIFF blob; empty if it has none."""
    entries = {tag: exif[tag] for tag in EXIF_DESCRIPTIVE if tag in exif}
    directories = {tag: exif.get_ifd(tag) for tag in EXIF_IFDS if exif.get_ifd(tag)}
    if not entries and not directories:
        return b""
    kept = type(exif)()
    kept.update(entries)
    for tag, directory in directories.items():
        kept.get_ifd(tag).update({key: value for key, value in directory.items() if key != EXIF_INTEROP})
    return kept.tobytes().removeprefix(EXIF_PREFIX)


def _save(pixels: np.ndarray, format: str, **options: Any) -> bytes:
    """The picture through Pillow; refuses 16 bits where the format (or Pillow's idea of it) has only 8."""
    if pixels.dtype == np.uint16 and format != "TIFF":
        raise PixelError(f"{format}: wanted 8 bits a sample, got 16; write .png")
    image, file = _pillow(format), BytesIO()
    image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, format, **options)
    return file.getvalue()


def _pillow(format: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise PixelError(f"{format} wants Pillow: pip install pillow, or write .png") from error
    return Image


def _refuse_alpha(pixels: np.ndarray, format: str) -> None:
    if pixels.shape[2] in (2, 4):
        raise PixelError(f"{format}: wanted no alpha, got {pixels.shape[2]} channels; write .png")


def _checked(pixels: np.ndarray) -> np.ndarray:
    """The same pixels as a native, contiguous (H, W, C)."""
    pixels = np.asarray(pixels)
    native = pixels.dtype.newbyteorder("=")
    if native not in (np.uint8, np.uint16):
        raise PixelError(f"pixels: wanted uint8 or uint16, got {pixels.dtype}")
    if pixels.ndim not in (2, 3) or 0 in pixels.shape or (pixels.ndim == 3 and pixels.shape[2] > 4):
        raise PixelError(f"pixels: wanted (H, W) or (H, W, 1 to 4), got {pixels.shape}")
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1), native)


ENCODERS: dict[str, Callable[[np.ndarray, Metadata], bytes]] = {
    ".png": encode_png,
    ".ppm": _encode_ppm,
    ".pgm": _encode_pgm,
    ".npy": _encode_npy,
    ".jpg": _encode_jpeg,
    ".jpeg": _encode_jpeg,
    ".webp": _encode_webp,
    ".avif": _encode_avif,
    ".tif": _encode_tiff,
    ".tiff": _encode_tiff,
}
