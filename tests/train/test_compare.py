"""BD-rate against known answers, the anchors' own figures, and Pillow's codecs."""

from dataclasses import replace
from pathlib import Path

import bjontegaard
import numpy as np
import pytest
from PIL import Image

from inrcodec.train.compare import (
    AVIF,
    COOLCHIC_5_EXTRA_BYTES,
    JPEG,
    WEBP,
    CompareError,
    Sample,
    bd_rate,
    bd_rates,
    conventional,
    interpolated_gain,
    interpolated_rate,
    nearest_in_bytes,
    read_conventional,
    read_coolchic,
    read_ours,
    read_published,
    table,
)
from inrcodec.train.curves import Curve, mean_curve, psnr_of_mean_mse
from inrcodec.train.metrics import psnr
from inrcodec.train.runs import Run, append_run

ANCHORS = Path(__file__).parents[1] / "benchmarks" / "anchors"
A = Curve("a", (0.1, 0.2, 0.5, 1.1), (28.0, 30.5, 34.0, 38.0))
B = Curve("b", (0.12, 0.21, 0.47, 0.9), (28.5, 30.4, 33.5, 36.9))


@pytest.fixture
def picture(tmp_path):
    rows, columns = np.mgrid[:48, :64]
    waves = [127 + 60 * np.sin(rows / period) + 60 * np.cos(columns / (period + 3)) for period in (2, 3, 5)]
    Image.fromarray(np.stack(waves, axis=2).astype(np.uint8)).save(tmp_path / "waves.png")
    return tmp_path / "waves.png"


def test_bd_rate_against_itself_is_zero():
    assert bd_rate(A, A).percent == pytest.approx(0, abs=1e-12)


def test_bd_rate_of_a_tenth_more_bits_is_ten_percent():
    more = replace(A, bpp=tuple(1.1 * bpp for bpp in A.bpp))
    result = bd_rate(A, more)
    assert result.percent == pytest.approx(10, abs=1e-9) and (result.low_db, result.high_db) == (28, 38)


def test_bd_rate_within_bounds():
    result = bd_rate(A, B, 29.0, 33.0)
    assert (result.low_db, result.high_db) == (29.0, 33.0) and result.percent != pytest.approx(bd_rate(A, B).percent, abs=0.1)
    assert bd_rate(A, B, 20.0, 29.0).low_db == 28.5
    with pytest.raises(CompareError, match="no common PSNR"):
        bd_rate(A, B, 20.0, 28.5)


def test_bd_rate_is_that_of_the_bjontegaard_package():
    theirs = bjontegaard.bd_rate(A.bpp, A.psnr, B.bpp, B.psnr, method="pchip", require_matching_points=False)
    assert bd_rate(A, B).percent == pytest.approx(theirs, abs=0.02)
    assert (1 + bd_rate(A, B).percent / 100) * (1 + bd_rate(B, A).percent / 100) == pytest.approx(1)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (Curve("x", (0.1,), (28.0,)), "x: wanted at least 2 points, got 1"),
        (Curve("x", (0.1, 0.2), (38.0, 39.0)), "no common PSNR: a 28.00-38.00 dB, x 38.00-39.00 dB"),
        (Curve("x", (0.1, 0.2, 0.3), (28.0, 31.0, 30.0)), "x: .* at 0.2 bpp/31 dB, 0.3 bpp/30 dB"),
        (Curve("x", (0.2, 0.1), (28.0, 31.0)), "x: .* at 0.2 bpp/28 dB, 0.1 bpp/31 dB"),
        (Curve("x", (0.1, 0.2), (28.0, float("inf"))), "not a rate and a PSNR: 0.2 bpp/inf dB"),
        (Curve("x", (0.0, 0.2), (28.0, 30.0)), "not a rate and a PSNR: 0 bpp/28 dB"),
    ],
)
def test_what_cannot_be_compared_is_refused(broken, why):
    with pytest.raises(CompareError, match=why):
        bd_rate(A, broken)


def test_one_dented_curve_does_not_void_the_others():
    def samples(image, curve):
        return [Sample(image, bpp, bpp, psnr) for bpp, psnr in zip(curve.bpp, curve.psnr, strict=True)]

    dented = samples("b", replace(A, psnr=(28.0, 30.5, 30.4, 38.0)))
    rates = bd_rates([*samples("a", A), *dented], [*samples("a", B), *samples("b", B)])
    assert rates.of_image == {"a": bd_rate(A, B).percent}
    why = "anchor's b: rate and PSNR do not rise together at 0.2 bpp/30.5 dB, 0.5 bpp/30.4 dB"
    assert rates.left_out == {"b": why}
    with pytest.raises(CompareError, match=f"no picture that can be compared: {why}"):
        bd_rates(dented, samples("b", B))


def test_gain_of_a_point():
    assert interpolated_gain((0.5, 34.25), A) == pytest.approx(0.25)
    straight = Curve("log-linear", (0.1, 1.0), (20.0, 30.0))
    assert interpolated_gain((0.1**0.5, 25.0), straight) == pytest.approx(0)
    with pytest.raises(CompareError, match=r"2 bpp is outside a, 0.1-1.1"):
        interpolated_gain((2.0, 40.0), A)
    assert interpolated_rate((0.55, 34.0), A) == pytest.approx(10)
    assert interpolated_rate((0.1**0.5, 25.0), straight) == pytest.approx(0)
    with pytest.raises(CompareError, match=r"27.90 dB is outside a 28.00-38.00 dB"):
        interpolated_rate((0.5, 27.9), A)


def test_published_figures_come_out():
    """The figures that this project's anchors page and Cool-chic's own README state."""
    new, old = read_coolchic(ANCHORS / "coolchic_v5.0_kodak.tsv"), read_coolchic(ANCHORS / "coolchic_v4.2_kodak.tsv")
    vtm = read_published(ANCHORS / "kodak_published.csv")["compressai/vtm"]
    new_mean, old_mean = mean_curve("5.0.1", new), mean_curve("4.2", old)
    assert bd_rate(vtm, new_mean).percent == pytest.approx(-6.6, abs=0.15)
    assert bd_rate(vtm, new_mean, 27.4, 30.8).percent == pytest.approx(1.2, abs=0.05)
    assert bd_rate(new_mean, old_mean).percent == pytest.approx(7.5, abs=0.15)
    old_mse, new_mse = (mean_curve("", samples, average=psnr_of_mean_mse) for samples in (old, new))
    assert bd_rate(old_mse, new_mse).percent == pytest.approx(-6.47, abs=0.02)
    assert str(bd_rates(old, new)) == "-7.03 [-10.29, -2.65]"


def test_extra_bytes_make_the_fair_target():
    fair = mean_curve("", read_coolchic(ANCHORS / "coolchic_v5.0_kodak.tsv", COOLCHIC_5_EXTRA_BYTES))
    assert np.allclose(fair.bpp, (0.0849, 0.2196, 0.4830, 0.7605, 1.3582), atol=6e-5)
    assert np.allclose(fair.psnr, (27.43, 30.86, 34.52, 37.25, 41.17), atol=6e-3)


def test_a_subset_of_the_pictures():
    samples = read_coolchic(ANCHORS / "coolchic_v5.0_kodak.tsv")
    assert mean_curve("", samples, images=["kodim01"]).bpp[0] == 0.093285
    with pytest.raises(ValueError, match="kodim25"):
        mean_curve("", samples, images=["kodim01", "kodim25"])


def test_conventional_anchors():
    codecs = read_conventional(ANCHORS / "kodak_conventional.csv")
    assert len(codecs) == 10 and len({sample.image for sample in codecs["webp-m6"]}) == 24
    coolchic = mean_curve("5.0.1", read_coolchic(ANCHORS / "coolchic_v5.0_kodak.tsv"))
    assert bd_rate(mean_curve("webp", codecs["webp-m6"]), coolchic).percent == pytest.approx(-47.5, abs=0.15)


def test_a_table_of_another_kind_is_refused():
    with pytest.raises(CompareError, match="wanted the columns lmbda, n_pixels"):
        read_coolchic(ANCHORS / "kodak_published.csv")


def test_our_runs_by_codec(tmp_path):
    run = Run("a", "pyramid", "fast", 0.1, 8, 8, 8, 1.0, 30.0, None, 1.0, 1.0, 1, 0, 1)
    for each in (run, replace(run, lmbda=0.2), replace(run, preset="slow", seed=2)):
        append_run(tmp_path / "runs.tsv", each)
    codecs = read_ours(tmp_path / "runs.tsv")
    assert {name: len(runs) for name, runs in codecs.items()} == {"pyramid fast": 2, "pyramid slow seed 2": 1}


@pytest.mark.parametrize("codec", [JPEG, WEBP, AVIF], ids=lambda codec: codec.name)
def test_conventional_codecs(codec, picture):
    low, high = conventional(picture, codec, (20, 90))
    assert low.bytes < high.bytes and low.psnr < high.psnr and low.bpp == round(8 * low.bytes / (48 * 64), 6)
    data, pixels, quality = nearest_in_bytes(picture, codec, (low.bytes + high.bytes) // 2)
    assert low.bytes <= len(data) <= (low.bytes + high.bytes) // 2 and 20 <= quality < 90
    assert psnr(pixels, np.asarray(Image.open(picture))) >= low.psnr
    assert nearest_in_bytes(picture, codec, 1)[2] == codec.lowest


def test_table_aligns():
    assert table([("codec", "bpp"), ("a", 0.25), ("longer", 1)]) == "codec    bpp\na       0.25\nlonger     1"
