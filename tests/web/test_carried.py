"""What a picture carries beside its samples, in a page: EXIF's orientation and Display P3, as `inrc decode` hands them on."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drivers import VECTORS, in_browser, needs_browser
from PIL import Image, ImageOps

import inrcodec
from inrcodec.runtime.syntax import read_header, write_file
from inrcodec.train.cli import main

ORIENTATION = 0x112
ORIENTATIONS = range(1, 9)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# XYZ of red, green and blue, adapted to D50.
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.292, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
pytestmark = needs_browser


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))


def icc(colorants: tuple[tuple[float, ...], ...], gamma: bool = False) -> bytes:
    """An RGB profile: ICC.1:2022, 7.2 and 10."""
    bodies = {f"{name}XYZ": b"XYZ \0\0\0\0" + fixed(*value) for name, value in zip("rgb", colorants)}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 0x0280) if gamma else b"para\0\0\0\0\0\3\0\0" + fixed(*SRGB_CURVE)
    bodies |= {f"{name}TRC": curve + bytes(-len(curve) % 4) for name in "rgb"} | {
        "wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)
    }
    at, table = 132 + 12 * len(bodies), struct.pack(">I", len(bodies))
    for name, body in bodies.items():
        table += name.encode() + struct.pack(">II", at, len(body))
        at += len(body)
    header = struct.pack(">I4sI4s4s4s", at, b"none", 0x04300000, b"mntr", b"RGB ", b"XYZ ").ljust(36, b"\0")
    return (header + b"acsp").ljust(128, b"\0") + table + b"".join(bodies.values())


def exif(orientation: int) -> bytes:
    made = Image.Exif()
    made[ORIENTATION] = orientation
    return made.tobytes().removeprefix(b"Exif\0\0")


SECTIONS = {
    **{f"turned{k}": {"exif": exif(k)} for k in ORIENTATIONS},
    **{"p3": {"icc": icc(DISPLAY_P3)}, "srgb": {"icc": icc(SRGB)}, "other": {"icc": icc(DISPLAY_P3, gamma=True)}},
    **{"cut": {"icc": icc(DISPLAY_P3)[:200], "exif": b"II*\0\xff\xff\xff\xff\0\0"}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The same picture with each of them, and decoded to PNG."""
    folder = tmp_path_factory.mktemp("carried")
    data = (VECTORS / "rgb8_high_rate.inr").read_bytes()
    header, begin = read_header(data)
    for name, sections in SECTIONS.items():
        path = folder / f"{name}.inr"
        path.write_bytes(write_file(replace(header, sections=sections), data[begin:]))
        assert main(["decode", str(path), str(path.with_suffix(".png"))]) == 0
    return folder


@pytest.fixture(scope="module")
def seen(folder) -> dict:
    paths = [str(folder / f"{name}.inr") for name in SECTIONS]
    return in_browser(folder, only=["carried"], carried=paths)["carried"]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_picture_is_shown_upright(orientation, seen, folder):
    """As Pillow turns the decoded PNG, and as the browser does."""
    found = seen[f"turned{orientation}.inr"]
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(folder / f"turned{orientation}.png")))
    height, width, _ = wanted.shape
    assert found["sizes"] == found["size"] == [width, height]
    pixels = np.array(found["pixels"], np.uint8).reshape(height, width, 4)
    assert np.abs(pixels[..., :3].astype(int) - wanted).max() <= 1
    assert np.abs(pixels.astype(int) - np.reshape(found["png"], pixels.shape)).max() <= 1


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "avif", "tif"])
def test_decoding_hands_the_orientation_on(ending, folder, tmp_path):
    assert main(["decode", str(folder / "turned6.inr"), str(tmp_path / f"a.{ending}")]) == 0
    again = Image.open(tmp_path / f"a.{ending}")
    shape = inrcodec.decode(folder / "turned6.inr").shape
    assert again.getexif()[ORIENTATION] == 6 and (again.height, again.width) == shape[:2]


def test_display_p3_is_shown_as_such(seen, folder):
    spaces = {name: seen[f"{name}.inr"]["space"] for name in ("p3", "srgb", "other", "cut", "turned1")}
    assert spaces == {"p3": "display-p3"} | dict.fromkeys(("srgb", "other", "cut", "turned1"), "srgb")
    plain = inrcodec.decode(folder / "p3.inr").reshape(-1, 3).astype(int)
    for name in ("p3", "srgb"):
        pixels = np.reshape(seen[f"{name}.inr"]["pixels"], (-1, 4))
        assert np.abs(pixels[:, :3] - plain).max() <= 1
    assert seen["p3.inr"]["srgb"] != seen["srgb.inr"]["srgb"]
