"""The start of a file makes a preview, the better the longer it is."""

from pathlib import Path

import numpy as np
import pytest

import inrcodec
from inrcodec.runtime.native import SWITCH
from inrcodec.runtime.wire import BitstreamError
from inrcodec.train.cli import main
from inrcodec.train.metrics import psnr

VECTORS = Path(__file__).parents[1] / "vectors"
DATA = (VECTORS / "rgb8_high_rate.inr").read_bytes()


@pytest.mark.parametrize("name", ["rgb8_high_rate", "fast_rgb8_high_rate"])
def test_previews_grow_better(name):
    data = (VECTORS / f"{name}.inr").read_bytes()
    whole = inrcodec.decode(data)
    shares = (0.3, 0.5, 0.7, 0.9, 0.99)
    quality = [psnr(whole, inrcodec.decode(data[: int(share * len(data))], allow_partial=True)) for share in shares]
    assert quality == sorted(quality) and quality[0] > 8 and quality[-1] > 30, quality


def test_what_came_is_decoded_alike_with_and_without_the_kernel(monkeypatch):
    cut = DATA[: len(DATA) // 2]
    first = inrcodec.decode(cut, allow_partial=True)
    monkeypatch.setenv(SWITCH, "0")
    np.testing.assert_array_equal(inrcodec.decode(cut, allow_partial=True), first)


def test_a_whole_file_is_not_partial():
    file = inrcodec.open(DATA, allow_partial=True)
    assert not file.partial
    np.testing.assert_array_equal(file[0], inrcodec.decode(DATA))


def test_without_networks_there_is_no_picture():
    for length in (3, 10, 14, 60):
        with pytest.raises(BitstreamError):
            inrcodec.decode(DATA[:length], allow_partial=True)


def test_command(tmp_path, capsys):
    (tmp_path / "cut.inr").write_bytes(DATA[:3000])
    command = ["decode", str(tmp_path / "cut.inr"), str(tmp_path / "cut.png")]
    assert main(command) == 1 and not (tmp_path / "cut.png").exists()
    assert main([*command, "--allow-partial"]) == 0 and (tmp_path / "cut.png").exists()
    assert "is not a whole file" in capsys.readouterr().err
