"""Windows of a picture are what the whole has there; smaller pictures resemble it."""

import numpy as np
import pytest

import inrcodec
from inrcodec.runtime import synthesis
from inrcodec.runtime.synthesis import Synthesis, Window, assemble
from inrcodec.train.cli import main
from inrcodec.train.encode import encode
from inrcodec.train.metrics import psnr

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
    parts = Synthesis(file.header, file.profile, file.segment())
    parts.halo = -1
    windows = list(parts.parts(Window((3, 200), (0, WIDTH))))
    assert len(windows) == 1
    np.testing.assert_array_equal(assemble(file.header.signal, windows[0][0], windows), whole[3:200])


@pytest.mark.parametrize("region", [(0, 0, 0, 1), (300, 0, 18, 1), (0, 0, 1, 204)])
def test_regions_beyond_the_picture_are_refused(file, region):
    with pytest.raises(ValueError, match="wanted a region within 317x203, got"):
        file.read(region=region)


def test_scales_that_there_are_not_are_refused(file):
    with pytest.raises(ValueError, match="wanted a scale of 1, 1/2, 1/4 or 1/8, got 0"):
        file.read(scale=0.3)


def test_command(file, whole, tmp_path, capsys):
    source, target = tmp_path / "a.inr", tmp_path / "a.npy"
    source.write_bytes(file.data)
    assert main(["decode", str(source), str(target), "--region", "10,20,30,40"]) == 0
    np.testing.assert_array_equal(np.load(target), whole[20:60, 10:40])
    assert main(["decode", str(source), str(target), "--scale", "1/4"]) == 0
    np.testing.assert_array_equal(np.load(target), file.read(scale=1 / 4))
    assert main(["decode", str(source), str(target), "--region", "1,2,3,999"]) == 1
    for bad in (["--scale", "1/3"], ["--region", "1,2,3"]):
        with pytest.raises(SystemExit):
            main(["decode", str(source), str(target), *bad])
    assert "wanted a region within" in capsys.readouterr().err
