"""What a picture's file holds beside its samples: what of it travels, and notes on what does not."""

import struct
from dataclasses import replace

from PIL import ImageFile

from ..runtime.pixels import EXIF_PREFIX, Metadata, descriptive_exif
from ..runtime.syntax import SECTION_MAX

METADATA_MAX = SECTION_MAX - (SECTION_MAX >> 10)  # bytes of each kind, which noise has, deflated, too
HEADER = 1 << 16  # bytes of a file in which its parameters are looked for
SDR_PRIMARIES, SDR_TRANSFERS = (1, 2), (1, 2, 6, 13)  # ITU-T H.273: BT.709 or unspecified; those or sRGB


def metadata_of(image: ImageFile.ImageFile) -> Metadata:
    """What the loaded image holds. In TIFF the EXIF tags stand among those of the file itself."""
    info = image.info
    exif = info.get("exif") or b""
    if image.format == "TIFF":
        exif = descriptive_exif(image.getexif())
    xmp = info.get("xmp") or b""
    return Metadata(
        icc=info.get("icc_profile") or b"",
        exif=exif.removeprefix(EXIF_PREFIX),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
    )


def carried(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """What of it fits in a file's sections, and a note on what does not."""
    large = {name: len(value) for name, value in vars(metadata).items() if len(value) > METADATA_MAX}
    notes = (f"{n.upper()} of {size} bytes is not carried: it has more than {METADATA_MAX}" for n, size in large.items())
    return replace(metadata, **dict.fromkeys(large, b"")), tuple(notes)


def lost(image: ImageFile.ImageFile, data: bytes) -> tuple[str, ...]:
    """Notes on the loaded image's information that changes its look or its meaning and has no place in `Metadata`."""
    notes, info = [], image.info
    if "gamma" in info and "srgb" not in info and "icc_profile" not in info and abs(info["gamma"] - 1 / 2.2) > 0.01:
        notes.append(f"gamma {info['gamma']:.4g} is not carried: it will show as sRGB")
    primaries, transfer = _colour_code(image.format, data)
    if primaries not in SDR_PRIMARIES or transfer not in SDR_TRANSFERS:
        notes.append(f"H.273 primaries {primaries} and transfer {transfer} are not carried: it will show as sRGB")
    if texts := [key for key in getattr(image, "text", {}) if key != "XML:com.adobe.xmp"]:
        notes.append(f"text is not carried: {', '.join(map(repr, texts))}")
    if "comment" in info:
        notes.append("the comment is not carried")
    return tuple(notes)


def _colour_code(format: str | None, data: bytes) -> tuple[int, int]:
    """H.273 primaries and transfer of a PNG's or an AVIF's header; 2 is unspecified."""
    marker, fields = {"PNG": (b"cICP", ">BB"), "AVIF": (b"colrnclx", ">HH")}.get(format or "", (b"", ""))
    at = data.find(marker, 0, HEADER) + len(marker)
    if not marker or at < len(marker) or at + struct.calcsize(fields) > len(data):
        return 2, 2
    primaries, transfer = struct.unpack_from(fields, data, at)
    return primaries, transfer
