"""`inrc compare` compares like with like, and says what it left out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inrcodec.train.cli import main
from inrcodec.train.compare import COOLCHIC_5_EXTRA_BYTES, bd_rate, read_coolchic, read_published
from inrcodec.train.compare_command import KODAK
from inrcodec.train.curves import mean_curve
from inrcodec.train.evaluate import read_rgb
from inrcodec.train.runs import Run, append_run, read_runs

ANCHORS = Path(__file__).parents[1] / "benchmarks" / "anchors"
NEW, OLD = ANCHORS / "coolchic_v5.0_kodak.tsv", ANCHORS / "coolchic_v4.2_kodak.tsv"
PUBLISHED, CONVENTIONAL = ANCHORS / "kodak_published.csv", ANCHORS / "kodak_conventional.csv"


@pytest.fixture
def pictures(tmp_path):
    """A folder of one picture, waves.png."""
    y, x = np.mgrid[:32, :48]
    noise = np.random.default_rng(0).normal(0, 3, (32, 48, 3))
    waves = np.stack([127 + 50 * np.sin(y / period) + 50 * np.cos(x / (period + 3)) for period in (3, 5, 7)], axis=2)
    (tmp_path / "pictures").mkdir()
    Image.fromarray((waves + noise).astype(np.uint8)).save(tmp_path / "pictures" / "waves.png")
    return tmp_path / "pictures"


def runs_like_coolchic(path, images, lambdas=(0.02, 0.004, 0.001, 0.0004, 0.0001), factor=1.1):
    """A TSV of runs that need `factor` times Cool-chic 5's bits, headers included."""
    for sample in read_coolchic(NEW, COOLCHIC_5_EXTRA_BYTES):
        if sample.image in images and sample.lmbda in lambdas:
            bpp = factor * sample.bpp
            append_run(path, Run(sample.image, "x", "fast", sample.lmbda, 8, 8, 8, bpp, sample.psnr, None, 1, 1, 1, 0, 1))
    return path


def compared(capsys, *arguments):
    """The JSON that `inrc compare` prints, its comparisons by (test, anchor, average)."""
    assert main(["compare", *map(str, arguments), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    pairs = {(each["test"], each["anchor"], each["average"]): each for each in document["comparisons"]}
    return pairs, document["notes"]


def test_bd_rates_under_both_means(tmp_path, capsys):
    runs = runs_like_coolchic(tmp_path / "runs.tsv", {"kodim01", "kodim02", "kodim03"})
    pairs, notes = compared(capsys, runs, "--anchor", NEW, OLD)
    for average in ("mean PSNR", "PSNR of the mean MSE", "picture by picture"):
        fair = pairs["x fast", NEW.stem, average]
        assert fair["percent"] == pytest.approx(10) and fair["pictures"] == 3
        assert pairs["x fast", OLD.stem, average]["percent"] != pytest.approx(10, abs=0.1)
    assert pairs["x fast", NEW.stem, "mean PSNR"]["rate"]["low_db"] > 27
    assert [note for note in notes if "estimates" in note] == [notes[0]] and "52 bytes a picture" in notes[0]
    other, _ = compared(capsys, runs, "--anchor", NEW, "--extra-bytes", 0)
    assert other["x fast", NEW.stem, "mean PSNR"]["percent"] > 10.1


def test_published_means_need_all_of_kodak(tmp_path, capsys):
    few = runs_like_coolchic(tmp_path / "few.tsv", KODAK - {"kodim24"})
    pairs, notes = compared(capsys, few, "--anchor", PUBLISHED, NEW, "--only", "vtm", "coolchic_v5")
    assert {anchor for _, anchor, _ in pairs} == {NEW.stem}
    assert notes[1].startswith("published mean curves left out: 1, ") and "the runs have 23 of them" in notes[1]
    assert main(["compare", str(few), "--anchor", str(PUBLISHED)]) == 1
    assert "published mean curves left out: 61" in capsys.readouterr().err
    whole = runs_like_coolchic(tmp_path / "all.tsv", KODAK, factor=1)
    pairs, _ = compared(capsys, whole, few, "--anchor", PUBLISHED, "--only", "compressai/vtm")
    assert set(pairs) == {(f"{name} x fast", "compressai/vtm", "mean PSNR") for name in ("all", "few")}
    theirs, vtm = read_coolchic(NEW, COOLCHIC_5_EXTRA_BYTES), read_published(PUBLISHED)["compressai/vtm"]
    expected = bd_rate(vtm, mean_curve("", theirs)).percent
    assert pairs["all x fast", "compressai/vtm", "mean PSNR"]["percent"] == pytest.approx(expected)
    assert "few x fast has 23" in pairs["few x fast", "compressai/vtm", "mean PSNR"]["why"]


def test_a_single_point_gains_in_db(tmp_path, capsys):
    runs = runs_like_coolchic(tmp_path / "runs.tsv", {"kodim01", "kodim02"}, lambdas=(0.001,), factor=1)
    for run in read_runs(runs):
        append_run(tmp_path / "better.tsv", replace(run, psnr=run.psnr + 0.25))
    pairs, _ = compared(capsys, tmp_path / "better.tsv", "--anchor", NEW)
    pair = pairs["x fast", NEW.stem, "mean PSNR"]
    assert pair["gain_db"] == pytest.approx(0.25) and pair["percent"] == pair["rate_percent"] < 0
    assert main(["compare", str(tmp_path / "better.tsv"), "--anchor", str(NEW)]) == 0
    assert f"+0.25 dB, {pair['rate_percent']:+.1f} %" in capsys.readouterr().out


def test_a_point_is_never_compared_beyond_the_anchor(tmp_path, capsys):
    """Here at a rate that the anchor has, and a PSNR that it does not reach."""
    runs = runs_like_coolchic(tmp_path / "runs.tsv", {"kodim01"}, lambdas=(0.0001,), factor=1)
    for run in read_runs(runs):
        append_run(tmp_path / "better.tsv", replace(run, psnr=run.psnr + 1))
    pairs, notes = compared(capsys, tmp_path / "better.tsv", "--anchor", NEW)
    pair = pairs["x fast", NEW.stem, "mean PSNR"]
    assert pair["gain_db"] == pytest.approx(1) and pair["rate_percent"] is pair["percent"] is None
    assert any("dB is outside coolchic_v5.0_kodak" in note for note in notes)


def test_a_table_is_printed_and_drawn(tmp_path, capsys):
    runs = runs_like_coolchic(tmp_path / "runs.tsv", {"kodim01", "kodim02"})
    arguments = [runs, "--anchor", NEW, CONVENTIONAL, "--plot", tmp_path / "rd.png"]
    assert main(["compare", *map(str, arguments)]) == 0
    out = capsys.readouterr().out
    assert "mean PSNR  coolchic_v5.0_kodak  avif-avifenc-444-10b-s2-psnr" in out and "x fast" in out
    assert max(map(len, out.splitlines())) < 150 and read_rgb(tmp_path / "rd.png").std() > 0


def test_pictures_that_lack_a_point_are_left_out(tmp_path, capsys):
    runs = runs_like_coolchic(tmp_path / "runs.tsv", {"kodim01"})
    runs_like_coolchic(runs, {"kodim02"}, lambdas=(0.001,))
    pairs, notes = compared(capsys, runs, "--anchor", NEW)
    assert pairs["x fast", NEW.stem, "mean PSNR"]["pictures"] == 1
    assert "x fast: left out, for they lack a point: kodim02" in notes


def test_two_codecs_of_ours(tmp_path, capsys):
    first = runs_like_coolchic(tmp_path / "first.tsv", {"kodim01"}, factor=1)
    second = runs_like_coolchic(tmp_path / "second.tsv", {"kodim01"}, factor=0.9)
    pairs, _ = compared(capsys, first, second)
    assert pairs["second x fast", "first x fast", "mean PSNR"]["percent"] == pytest.approx(-10)
    pairs, _ = compared(capsys, second, "--anchor", first)
    assert pairs["x fast", "first x fast", "mean PSNR"]["percent"] == pytest.approx(-10)


def test_a_picture_without_a_curve_is_named(tmp_path, capsys):
    """One dented curve used to void the comparison of all the others."""
    first = runs_like_coolchic(tmp_path / "first.tsv", {"kodim01", "kodim02"}, factor=1)
    for run in read_runs(runs_like_coolchic(tmp_path / "whole.tsv", {"kodim01", "kodim02"})):
        dented = run.image == "kodim02" and run.lmbda == 0.001
        append_run(tmp_path / "dented.tsv", replace(run, psnr=run.psnr - 10 * dented))
    pairs, notes = compared(capsys, tmp_path / "dented.tsv", "--anchor", first)
    each = pairs["x fast", "first x fast", "picture by picture"]
    assert each["percent"] == pytest.approx(10) and each["pictures"] == 1
    assert each["each"]["left_out"]["kodim02"].startswith("test's kodim02: rate and PSNR do not rise together")
    assert "x fast against first x fast, picture by picture: without kodim02, whose curves cannot be compared" in notes


def test_conventional_codecs_on_the_same_pictures(pictures, tmp_path, capsys, monkeypatch):
    for lmbda, bpp, quality in ((0.01, 2.0, 30.0), (0.0001, 8.0, 40.0)):
        append_run(tmp_path / "runs.tsv", Run("waves", "x", "fast", lmbda, 48, 32, 8, bpp, quality, None, 1, 1, 1, 0, 1))
    qualities = {"jpeg": (5, 20, 90), "webp": (0, 50, 90), "avif": (30, 60)}
    monkeypatch.setattr("inrcodec.train.compare_command.QUALITIES", qualities)
    pairs, _ = compared(capsys, tmp_path / "runs.tsv", "--conventional", pictures)
    assert {test for test, _, _ in pairs} == {"x fast", "pillow-jpeg", "pillow-webp", "pillow-avif"}
    assert pairs["pillow-jpeg", "pillow-jpeg", "mean PSNR"]["percent"] == pytest.approx(0)
    against = pairs["pillow-webp", "pillow-jpeg", "mean PSNR"]
    assert against["pictures"] == 1 and against["rate"]["low_db"] < against["rate"]["high_db"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "wanted --anchor, --conventional, or the runs of two codecs"),
        (["--anchor", str(ANCHORS / "README.md")], "README.md: wanted the columns"),
        (["--anchor", str(NEW), "--only", "vtm"], "--only: wanted a part of one of coolchic_v5.0_kodak"),
        (["--conventional", "{pictures}"], "found none for kodim01"),
        (["--anchor", "none.tsv"], "No such file"),
    ],
)
def test_compare_refuses(arguments, why, pictures, tmp_path, capsys):
    runs = runs_like_coolchic(tmp_path / "runs.tsv", {"kodim01"})
    assert main(["compare", str(runs), *(each.format(pictures=pictures) for each in arguments)]) == 1
    err = capsys.readouterr().err
    assert why in err and len(err.splitlines()) == 1
