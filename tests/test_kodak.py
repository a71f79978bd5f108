"""The benchmark of Kodak's pictures: it goes on, mixes nothing, and compares like with like."""

import fcntl
from pathlib import Path

import kodak
import numpy as np
import pytest
import standing
from PIL import Image

from inrcodec.train.compare_command import KODAK
from inrcodec.train.evaluate import file_in, read_rgb
from inrcodec.train.runs import Run, append_run, read_runs

LMBDAS = (0.02, 0.004, 0.001, 0.0004)
IMAGES = ("kodim05", "kodim20")


@pytest.fixture
def pictures(tmp_path):
    y, x = np.mgrid[:24, :32]
    (tmp_path / "pictures").mkdir()
    for k, name in enumerate(IMAGES):
        waves = np.stack([127 + 90 * np.sin(x / (3 + k)), 9 * y, 5 * x + 20 * k], axis=2)
        Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "pictures" / f"{name}.png")
    return tmp_path / "pictures"


@pytest.fixture
def anchors(tmp_path):
    """Cool-chic's table and a conventional codec's, of both pictures, and means over all 24."""
    folder = tmp_path / "anchors"
    folder.mkdir()
    points = [(image, k, 0.1 * 2**k, 26.0 + 3 * k) for image in IMAGES for k in range(4)]  # 8 * 52 / 416 = 1 bpp
    table = [f"{image}\t{LMBDAS[k]}\t416000\t{bpp - 0.001}\t{psnr}" for image, k, bpp, psnr in points]
    heading = "seq_name\tlmbda\tn_pixels\trate_bpp\tpsnr_db"
    (folder / "coolchic_v5.0_kodak.tsv").write_text("\n".join([heading, *table, ""]))
    table = [f"x265-444-10b-veryslow,{k},{image},{2 * bpp},{psnr}" for image, k, bpp, psnr in points]
    (folder / "kodak_conventional.csv").write_text("\n".join(["codec,quality,image,bpp,psnr_rgb", *table, ""]))
    table = [f"compressai/vtm,{bpp},{psnr}" for image, _, bpp, psnr in points if image == "kodim05"]
    (folder / "kodak_published.csv").write_text("\n".join(["codec,bpp,psnr_rgb", *table, ""]))
    return folder


def call(pictures: Path, anchors: Path, *arguments: str) -> object:
    with pytest.raises(SystemExit) as left:
        kodak.main([str(pictures), str(anchors), "-o", str(pictures.parent / "out"), "--pictures", *IMAGES, *arguments])
    return left.value.code


def runs_of(tsv: Path, images=IMAGES, lmbdas=LMBDAS, factor=0.9, preset="slow") -> Path:
    for image in images:
        for lmbda in lmbdas:
            k = LMBDAS.index(lmbda)
            bpp, psnr = factor * 0.1 * 2**k, 26.0 + 3 * k
            append_run(tsv, Run(image, "pyramid", preset, lmbda, 8, 8, 8, bpp, psnr, None, 1, 1, 1, 0, 1, 2.0))
    return tsv


def row(text: str, *start: str) -> list[str]:
    """The cells of the first line that begins with these."""
    lines = (line.split() for line in text.splitlines())
    return next(line for line in lines if line[: len(start)] == list(start))


def test_encodes_go_on_and_files_are_checked(pictures, anchors, capsys):
    quick, out = ("--lmbda", "0.02", "--iterations", "5"), pictures.parent / "out"
    assert call(pictures, anchors, *quick) == 0
    runs, before = sorted(read_runs(out / "runs.tsv"), key=lambda run: run.image), (out / "runs.tsv").read_bytes()
    assert [(run.image, run.preset, run.lmbda) for run in runs] == [(name, "5-iterations", 0.02) for name in IMAGES]
    assert [file_in(out, run.image, 0.02).stat().st_size for run in runs] == [run.bytes for run in runs]
    text = capsys.readouterr().out
    assert "2 of 2 are there, 0 failed" in text
    assert row(text, "kodim05", "0.02")[2:5] == ["5-iterations", f"{runs[0].bytes}", f"{runs[0].networks_bytes}"]
    assert call(pictures, anchors, *quick) == 0 and (out / "runs.tsv").read_bytes() == before
    capsys.readouterr()
    assert call(pictures, anchors, "--check") == 0 and capsys.readouterr().err == "2 files checked, 0 wrong\n"
    other = "--lmbda", "0.02", "--iterations", "6"
    refused = str(call(pictures, anchors, *other))
    assert "kodim05 0.02 5-iterations" in refused and "kodim20 0.02 5-iterations" in refused and "--replace" in refused
    assert (out / "runs.tsv").read_bytes() == before
    assert call(pictures, anchors, *other, "--replace") == 0
    made = sorted((run.image, run.preset) for run in read_runs(out / "runs.tsv"))
    assert made == [(name, "6-iterations") for name in IMAGES]
    file_in(out, "kodim05", 0.02).write_bytes(file_in(out, "kodim20", 0.02).read_bytes())
    file_in(out, "kodim20", 0.02).rename(out / "0.02" / "kodim21.inr")
    capsys.readouterr()
    assert call(pictures, anchors, "--check") == 1
    no_row, *wrong, last = capsys.readouterr().err.splitlines()
    assert no_row == "0.02/kodim21.inr: it has no row" and last == "2 files checked, 3 wrong"
    assert wrong[0].startswith("0.02/kodim05.inr: ") and wrong[1] == "0.02/kodim20.inr: it is lacking"


def test_two_calls_do_not_mix(pictures, anchors):
    (pictures.parent / "out" / ".inrc").mkdir(parents=True)
    with (pictures.parent / "out" / ".inrc" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another call encodes there" in str(call(pictures, anchors, "--iterations", "5"))
        assert call(pictures, anchors, "--budget", "0") == 0


def test_pictures_must_be_there(pictures, anchors, capsys):
    (pictures / "kodim05.png").unlink()
    assert call(pictures, anchors) == 2 and "it has no kodim05" in capsys.readouterr().err


def test_whole_curves_have_bd_rates(anchors, tmp_path):
    """A tenth fewer bits than Cool-chic with its headers is -10 % under every average; x265 here takes twice its bits."""
    tsv = runs_of(runs_of(tmp_path / "runs.tsv"), ("kodim05",), (0.02,), 1.0, "fast")
    text = standing.standing(tsv, anchors, set(IMAGES), set(LMBDAS), tmp_path / "rd.png")
    theirs, ours = (10**-3.2 + 0.001 * factor * 0.4 for factor in (1.0, 0.9))
    gain = f"{100 * (ours / theirs - 1):+.1f}"
    assert row(text, "kodim05", "0.001")[7:11] == [f"{1000 * ours:.4f}", f"{1000 * theirs:.4f}", gain, "%"]
    for name, percent in (("Cool-chic 5.0.1 +52 B", "-10.00"), ("x265", "-55.00")):
        curve = [percent, "[26.0,", "35.0]"]
        assert row(text, *name.split()) == [*name.split(), *curve, *curve, percent, f"[{percent},", f"{percent}]"]
    assert row(text, "kodim05", "0.02", "fast", "+0.00")[3:5] == ["+0.00", "dB,"]
    assert "published mean curves left out: 1, for they are over the 24" in text and "% against VTM" not in text
    assert f"{tmp_path / 'rd.png'}: without VTM, which lack some of the 2 pictures" in text
    assert read_rgb(tmp_path / "rd.png").std() > 0


def test_few_points_are_compared_at_their_own_rate(anchors, tmp_path):
    tsv = runs_of(tmp_path / "runs.tsv", lmbdas=LMBDAS[1:])
    text = standing.standing(tsv, anchors, set(IMAGES), set(LMBDAS), tmp_path / "rd.png")
    assert "slow against" not in text and row(text, "kodim05", "0.001", "slow", "+0.46")[5:7] == ["-10.0", "%"]
    assert row(text, "mean", "of", "2,", "0.001")[6:8] == ["-10.0", "%"]
    assert "not drawn, for no picture has all of" in text and not (tmp_path / "rd.png").exists()


def test_all_of_kodak_is_compared_with_published_means(anchors, tmp_path):
    tsv = runs_of(tmp_path / "runs.tsv", sorted(KODAK))
    text = standing.standing(tsv, anchors, set(KODAK), set(LMBDAS))
    assert row(text, "VTM")[1] == "-10.00" and "-10.00 % against VTM at 27.40 to 30.80 dB" in text
    assert "compared on 2, 24" in text  # here x265 and Cool-chic have two pictures
