"""Windows of a picture are what the whole has there; smaller pictures resemble it."""

from pathlib import Path

import numpy as np
import pytest

import inrcodec
from inrcodec import encode
from inrcodec.runtime import synthesis
from inrcodec.runtime.synthesis import Synthesis, Window, assemble
from inrcodec.train.cli import main
from inrcodec.train.metrics import psnr

VECTORS = Path(__file__).parents[1] / "vectors"
HEIGHT, WIDTH = 203, 317


@pytest.fixture(scope="module")
def file():
    """With latents on every level that matter to the picture."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [0.5 + 0.2 * np.sin(y / period) + 0.2 * np.cos(x / (period + 3)) for period in (2, 9, 30)]
    return inrcodec.open(encode((np.stack(waves, axis=2) * 255).astype(np.uint8), iterations=30), 1)


@pytest.fixture(scope="module")
def whole(file):
    return file[0]


@pytest.mark.parametrize(
    "x, y, w, h", [(0, 0, 1, 1), (316, 202, 1, 1), (5, 7, 100, 90), (0, 100, WIDTH, 3), (64, 0, 1, HEIGHT)]
)
def test_regions_are_cut_from_the_whole(file, whole, x, y, w, h):
    np.testing.assert_array_equal(file.read(region=(x, y, w, h)), whole[y : y + h, x : x + w])


def test_bands_and_tiles_leave_no_seams(file, whole, monkeypatch):
    monkeypatch.setattr(synthesis, "BAND_PIXELS", 8 * WIDTH)
    monkeypatch.setattr(synthesis, "TILE_PIXELS", 40 * WIDTH)
    np.testing.assert_array_equal(file[0], whole)


@pytest.mark.parametrize("n", [2, 4, 8])
def test_smaller_pictures(file, whole, n):
    small = file.read(scale=1 / n)
    assert small.shape == (-(-HEIGHT // n), -(-WIDTH // n), 3)
    blocks = whole[: HEIGHT // n * n, : WIDTH // n * n].reshape(HEIGHT // n, n, WIDTH // n, n, 3).mean((1, 3))
    assert psnr(blocks.round().astype(np.uint8), small[: HEIGHT // n, : WIDTH // n]) > 18
    np.testing.assert_array_equal(
        file.read(region=(33, 50, 64, 80), scale=1 / n), small[50 // n : -(-130 // n), 33 // n : -(-97 // n)]
    )


def test_a_graph_of_one_halo_less_is_run_whole(file, whole):
    parts = Synthesis(file.header.signal, file.profile, file.segment())
    parts.halo = -1
    windows = list(parts.parts(Window((3, 200), (0, WIDTH))))
    assert len(windows) == 1
    np.testing.assert_array_equal(assemble(file.header.signal, windows[0][0], windows), whole[3:200])


@pytest.mark.parametrize("region", [(0, 0, 0, 1), (300, 0, 18, 1), (0, 0, 1, 204)])
def test_regions_beyond_the_picture_are_refused(file, region):
    with pytest.raises(ValueError, match="wanted a region within 317x203, got"):
        file.read(region=region)


def test_scales_that_there_are_not_are_refused(file):
    for scale in (0.3, 2):
        with pytest.raises(ValueError, match="1/4 or 1/8: pyramid7 has latents on a grid; got"):
            file.read(scale=scale)


@pytest.mark.parametrize("name", ["cool_chic_rgb8", "c3_rgb8", "eqlinr_rgb8"])
def test_regions_and_smaller_pictures_by_fixed_upsampling(name):
    file = inrcodec.open(VECTORS / f"{name}.inr", 1)
    whole = file[0]
    np.testing.assert_array_equal(file.read(region=(13, 21, 50, 30)), whole[21:51, 13:63])
    for n in (2, 4, 8):
        blocks = whole.reshape(64 // n, n, 96 // n, n, 3).mean((1, 3))
        assert psnr(blocks.round().astype(np.uint8), file.read(scale=1 / n)) > 18


@pytest.mark.parametrize("name", ["chroma_rgb8_odd", "mixed_rgb8_odd"])
def test_regions_and_smaller_pictures_with_grids_for_colour(name, monkeypatch):
    file = inrcodec.open(VECTORS / f"{name}.inr", 1)
    whole = file[0]
    np.testing.assert_array_equal(file.read(region=(13, 21, 50, 30)), whole[21:51, 13:63])
    monkeypatch.setattr(synthesis, "BAND_PIXELS", 1000)
    np.testing.assert_array_equal(file.read(), whole)
    for n in (2, 4, 8):
        cut = whole[: 67 // n * n, : 99 // n * n].reshape(67 // n, n, 99 // n, n, 3).mean((1, 3))
        assert psnr(cut.round().astype(np.uint8), file.read(scale=1 / n)[: 67 // n, : 99 // n]) > 35


def test_rows_wider_than_a_band(monkeypatch):
    """`cool_chic` sees nothing around a pixel: a band of it may be one row, and is not none."""
    file = inrcodec.open(VECTORS / "cool_chic_rgb8.inr", 1)
    whole = file[0]
    monkeypatch.setattr(synthesis, "BAND_PIXELS", whole.shape[1] - 1)
    monkeypatch.setattr(synthesis, "TILE_PIXELS", whole.shape[1] - 1)
    np.testing.assert_array_equal(file.read(), whole)


@pytest.fixture(scope="module")
def field():
    """Of 40 rows and 56 columns, without latents."""
    return inrcodec.open(VECTORS / "siren_rgb8.inr", 1)


def test_fields_decode_at_any_size(field, monkeypatch):
    whole, thrice = field[0].astype(int), field.read(scale=3)
    assert thrice.shape == (120, 168, 3) and field.read(scale=0.3).shape == (12, 17, 3)
    assert abs(thrice[1::3, 1::3] - whole).max() <= 1  # the same positions
    np.testing.assert_array_equal(field.read(region=(5, 6, 20, 30), scale=3), thrice[18:108, 15:75])
    np.testing.assert_array_equal(field.read(region=(5, 6, 20, 30)), field[0][6:36, 5:25])
    monkeypatch.setattr(synthesis, "BAND_PIXELS", 1000)
    assert abs(field.read(scale=3) - thrice.astype(int)).max() <= 1


@pytest.mark.parametrize("scale", [0, -1, 1e6, float("nan")])
def test_sizes_that_no_field_decodes_at(field, scale):
    with pytest.raises(ValueError, match="wanted a positive scale and at most"):
        field.read(scale=scale)


def test_command(file, whole, tmp_path, capsys):
    source, target = tmp_path / "a.inr", tmp_path / "a.npy"
    source.write_bytes(file.data)
    assert main(["decode", str(source), str(target), "--region", "10,20,30,40"]) == 0
    np.testing.assert_array_equal(np.load(target), whole[20:60, 10:40])
    assert main(["decode", str(source), str(target), "--scale", "1/4"]) == 0
    np.testing.assert_array_equal(np.load(target), file.read(scale=1 / 4))
    assert main(["decode", str(source), str(target), "--region", "1,2,3,999"]) == 1
    assert main(["decode", str(VECTORS / "siren_rgb8.inr"), str(target), "--size", "2.5x"]) == 0
    assert np.load(target).shape == (100, 140, 3)
    assert main(["decode", str(source), str(target), "--size", "2x"]) == 1
    for bad in (["--scale", "1/3"], ["--region", "1,2,3"], ["--size", "2"], ["--size", "-1x"]):
        with pytest.raises(SystemExit):
            main(["decode", str(source), str(target), *bad])
    said = capsys.readouterr().err
    assert "wanted a region within" in said and "pyramid7 has latents on a grid; got 2" in said
