"""Pictures in: a file or an array as exact integer samples, with a note for whatever does not travel.

Pillow reads, but cuts 16-bit colour to 8 bits without a word: imagecodecs reads it (PNG, TIFF), or this file (PNM).
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from ..runtime.pixels import Metadata
from ..runtime.syntax import COLOURS
from .metadata import HEADER, carried, lost, metadata_of

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "PPM", "BMP", "GIF")
SIDE_MAX = 65_535  # pixels
PIXELS_MAX = 1 << 28
FILE_MAX = 1 << 32  # bytes; the largest picture at 8 bytes a pixel takes half of it

EXACT_MODES = ("L", "LA", "RGB", "RGBA", "I;16", "I;16L", "I;16B", "I;16N")
CONVERTED_MODES = {"1": "L", "PA": "RGBA", "La": "LA", "RGBa": "RGBA"}
TIFF_WIDTH, TIFF_HEIGHT = 256, 257
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_PLANAR, TIFF_EXTRA, TIFF_SAMPLE_FORMAT = 258, 262, 284, 338, 339


class PictureError(ValueError):
    """A file or an array that cannot be encoded as it is; one line that says what was wanted and what came."""


@dataclass(frozen=True)
class Picture:
    """A picture, or a set of them, as it will be encoded."""

    pixels: np.ndarray  # ([T,] H, W, C), uint8 or uint16 (full range); C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA
    metadata: Metadata
    notes: tuple[str, ...]  # one line for each thing that is not carried


def read_picture(path: str | Path) -> Picture:
    """The first frame of a JPEG, PNG, WebP, AVIF, TIFF, PNM, BMP or GIF file, sample for sample; raises `PictureError`.

    Palettes become RGB or RGBA. EXIF's orientation is carried, not applied (Pillow applies and drops TIFF's itself).
    """
    data = _file(Path(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs, which _bounded refuses, and of odd EXIF
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                assert isinstance(image, ImageFile.ImageFile)
                return _picture(image, data)
    except Exception as error:  # on foreign bytes readers raise OSError, SyntaxError, struct.error, RuntimeError, ...
        raise PictureError(f"{path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    came = " ".join(str(error).split()) or type(error).__name__
    match error:
        case PictureError():
            return came
        case UnidentifiedImageError():
            return f"wanted one of {', '.join(FORMATS)}, got a file that none of them can open"
        case Image.DecompressionBombError():
            return f"wanted a picture within PIL.Image.MAX_IMAGE_PIXELS, got: {came}"
        case _:
            return f"wanted a whole picture, got one that breaks: {came}"


def from_array(array: np.ndarray) -> Picture:
    """Samples (H, W) or (H, W, 1 to 4), uint8 or uint16, as a picture; bool is black or white.

    Raises `PictureError`.
    """
    pixels = np.asarray(array)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        advice = "; inrcodec.runtime.pixels.quantize(array, 8) makes it so" if pixels.dtype.kind == "f" else ""
        raise PictureError(f"array: wanted uint8 or uint16, got {pixels.dtype}{advice}")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and not 1 <= pixels.shape[2] <= 4):
        raise PictureError(f"array: wanted (H, W) or (H, W, 1 to 4), got {pixels.shape}")
    height, width = pixels.shape[:2]
    _bounded(width, height)
    pixels, notes = _without_opaque_alpha(pixels.reshape(height, width, -1))
    return Picture(_native(pixels), Metadata(), notes)


def as_set(pictures: Sequence[Picture]) -> Picture:
    """Several pictures as one, or the only one as it is. Raises `PictureError` unless they are alike."""
    if not pictures:
        raise PictureError("wanted a picture, got none")
    first = pictures[0]
    if len(pictures) == 1:
        return first
    for k, picture in enumerate(pictures):
        if (picture.pixels.shape, picture.pixels.dtype) != (first.pixels.shape, first.pixels.dtype):
            raise PictureError(
                f"a set: wanted pictures of one size and kind, {_kind(first)} as the first, got {_kind(picture)} in place {k}"
            )
    alike = all(picture.metadata == first.metadata for picture in pictures)
    notes = tuple(dict.fromkeys(note for picture in pictures for note in picture.notes))
    lost = () if alike else ("metadata is not carried: it differs between the pictures of the set",)
    metadata = first.metadata if alike else Metadata()
    return Picture(np.stack([picture.pixels for picture in pictures]), metadata, notes + lost)


def _kind(picture: Picture) -> str:
    height, width, channels = picture.pixels.shape
    return f"{width}x{height} {COLOURS[channels - 1]} of {8 * picture.pixels.itemsize} bits"


def _file(path: Path) -> bytes:
    if path.is_dir():
        raise PictureError(f"{path}: wanted a picture file, got a directory")
    try:
        size = path.stat().st_size
        if not 0 < size <= FILE_MAX:
            raise PictureError(f"{path}: wanted 1 to {FILE_MAX} bytes, got {size}")
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: wanted a picture file, got: {error.strerror or error}") from error


def _picture(image: ImageFile.ImageFile, data: bytes) -> Picture:
    _bounded(*image.size)
    frames = getattr(image, "n_frames", 1)
    samples, reduced = _samples(image, data)
    pixels, opaque = _without_opaque_alpha(samples)
    first = (f"only the first of {frames} frames is encoded",) if frames > 1 else ()
    metadata, large = carried(metadata_of(image))
    return Picture(_native(pixels), metadata, first + reduced + opaque + large + lost(image, data))


def _bounded(width: int, height: int) -> None:
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX and width * height <= PIXELS_MAX):
        raise PictureError(f"wanted sides of 1 to {SIDE_MAX} and at most {PIXELS_MAX} pixels, got {width}x{height}")


def _native(pixels: np.ndarray) -> np.ndarray:
    """A contiguous, writable copy in the machine's byte order."""
    return np.array(pixels, pixels.dtype.newbyteorder("="), order="C")


def _without_opaque_alpha(pixels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """(H, W, C) and a note."""
    if pixels.shape[2] in (1, 3) or pixels[..., -1].min() < np.iinfo(pixels.dtype).max:
        return pixels, ()
    return pixels[..., :-1], ("alpha is dropped: it is opaque everywhere",)


def _samples(image: ImageFile.ImageFile, data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """The samples (H, W, C) and notes on what their reading lost."""
    match image.format:
        case "PNG":
            return _png_samples(image, data), ()
        case "TIFF":
            return _tiff_samples(image, data)
        case "PPM":
            return _pnm_samples(image, data)
        case "AVIF" if (depth := _avif_depth(data)) > 8:
            return _array(image), (f"{depth}-bit samples are reduced to 8",)
        case _:
            return _array(image), ()


def _array(image: ImageFile.ImageFile, transparent: np.ndarray | None = None) -> np.ndarray:
    """Pillow's samples (H, W, C), exactly. `transparent` (C,) is the one colour without opacity."""
    if image.mode not in (*EXACT_MODES, *CONVERTED_MODES, "P"):
        raise PictureError(f"wanted grey, RGB or a palette, with or without alpha, got {image.mode}; convert it first")
    image.load()
    if image.mode == "P":
        return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    if transparent is None and "transparency" in image.info:
        transparent = np.atleast_1d(image.info["transparency"])
    converted = image.convert(CONVERTED_MODES[image.mode]) if image.mode in CONVERTED_MODES else image
    pixels = np.atleast_3d(np.asarray(converted))
    if transparent is None:
        return pixels
    opaque = (pixels != transparent).any(axis=2, keepdims=True)
    return np.concatenate([pixels, opaque * pixels.dtype.type(np.iinfo(pixels.dtype).max)], axis=2)


def _png_samples(image: ImageFile.ImageFile, data: bytes) -> np.ndarray:
    if data[12:16] != b"IHDR":
        raise PictureError(f"wanted the PNG chunk IHDR first, got {data[12:16]!r}")
    depth, colour_type = data[24], data[25]
    if depth == 16 and colour_type != 0:
        image.load()  # for the text and the EXIF behind the pixels
        return _imagecodecs().png_decode(data)
    if depth < 8 and colour_type == 0 and (key := image.info.get("transparency")) is not None and image.mode == "L":
        return _array(image, np.array([key * 255 // ((1 << depth) - 1)]))  # Pillow scales the samples, but not the key
    return _array(image)


def _tiff_samples(image: ImageFile.ImageFile, data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    tags: dict = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    bits, extra = max(tags.get(TIFF_BITS, (1,))), tags.get(TIFF_EXTRA, ())[:1]
    sample_format = max(tags.get(TIFF_SAMPLE_FORMAT, (1,)))
    if bits not in (1, 2, 4, 8, 16) or sample_format != 1:
        kind = {1: "unsigned", 2: "signed", 3: "floating-point"}.get(sample_format, "unknown")
        raise PictureError(f"wanted unsigned TIFF samples of 1, 2, 4, 8 or 16 bits, got {kind} ones of {bits}")
    notes = ("channels beyond the colours are not carried",) if extra == (0,) else ()
    if extra == (1,):
        notes = ("colours were divided by their alpha (premultiplied TIFF)",)
    if bits < 16:
        return _array(image), notes
    if tags.get(TIFF_PHOTOMETRIC) == 0 or extra == (1,):
        raise PictureError("wanted 16-bit TIFF of black 0 and straight alpha, got white 0 or premultiplied alpha")
    if image.mode not in ("RGB", "RGBA"):
        return _array(image), notes
    pixels = _imagecodecs().tiff_decode(data)
    if tags.get(TIFF_PLANAR) == 2:
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = pixels[..., : len(image.getbands())]
    wanted = (tags[TIFF_HEIGHT], tags[TIFF_WIDTH], len(image.getbands()))
    if pixels.shape != wanted or pixels.dtype != np.uint16:
        raise PictureError(f"wanted {wanted} TIFF samples of 16 bits, got {pixels.shape} {pixels.dtype}")
    return pixels, notes


def _pnm_samples(image: ImageFile.ImageFile, data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """Of 8 bits or fewer through Pillow, which scales other maxima than 255; of 16 from the file, big-endian."""
    gap = rb"(?:\s|#[^\n\r]*[\n\r])+"
    header = re.match(rb"P([2356])" + gap.join([b"", rb"(\d+)", rb"(\d+)", rb"(\d+)"]) + rb"\s", data[:HEADER])
    if header is None or (maximum := int(header[4])) == 255:
        return _array(image), ()
    if maximum < 255:
        return _array(image), (f"samples are scaled from a maximum of {maximum} to 255",)
    if maximum != 65_535 or header[1] not in b"56":
        raise PictureError(f"wanted PNM of maximum 255, or binary of 65535, got P{header[1].decode()} of {maximum}")
    width, height, channels = *image.size, 3 if header[1] == b"6" else 1
    wanted, came = width * height * channels * 2, len(data) - header.end()
    if came < wanted:
        raise PictureError(f"truncated: wanted {wanted} bytes of samples, got {came}")
    return np.frombuffer(data, ">u2", wanted // 2, header.end()).reshape(height, width, channels), ()


def _imagecodecs():
    try:
        import imagecodecs
    except ImportError as error:
        raise PictureError("16-bit colour wants imagecodecs: pip install imagecodecs") from error
    return imagecodecs


def _avif_depth(data: bytes) -> int:
    """Bits a sample, from the codec configuration box (AV1-ISOBMFF 2.3.3)."""
    at = data.find(b"av1C", 0, HEADER)
    flags = data[at + 6] if 0 <= at < len(data) - 6 else 0
    return 8 + 2 * (flags >> 6 & 1) + 2 * (flags >> 5 & 1)  # high_bitdepth, twelve_bit
