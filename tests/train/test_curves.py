"""Curves are means over the same pictures; CompressAI's JSON and plots come of them."""

import json
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest

from inrcodec.train.curves import (
    Curve,
    cost,
    mean_curve,
    plot,
    points_in_common,
    psnr_of_mean_mse,
    spread,
    to_compressai_json,
)
from inrcodec.train.evaluate import read_rgb
from inrcodec.train.runs import Run

RUN = Run("a b", "pyramid", "fast", 0.001, 64, 48, 200, 0.520833, 30.5, None, 1.25, 20.5, 300, 0, 77)


def runs_of(psnrs):
    """Runs by (image, lambda), 1/lambda bytes each."""
    return [replace(RUN, image=i, lmbda=x, bpp=1 / x, psnr=dB, ms_ssim=0.9) for (i, x), dB in psnrs.items()]


def test_means_are_of_the_pictures_in_common():
    runs = runs_of({("a", 0.1): 30.0, ("b", 0.1): 40.0, ("c", 0.1): 99.0, ("b", 0.2): 36.0, ("a", 0.2): 28.0})
    assert [[run.image for run in point] for point in points_in_common(runs)] == [["a", "b"], ["a", "b"]]
    assert mean_curve("x", runs) == Curve("x", (5, 10), (32, 35))
    assert mean_curve("x", runs, images=["b"]) == Curve("x", (5, 10), (36, 40))
    mean_mse = mean_curve("x", runs, average=psnr_of_mean_mse).psnr[1]
    assert mean_mse == pytest.approx(-10 * np.log10(fmean([1e-3, 1e-4])))
    with pytest.raises(ValueError, match="not at every point: c"):
        mean_curve("x", runs, images=["b", "c"])
    with pytest.raises(ValueError, match=r"a comes twice at 0.1"):
        mean_curve("x", [*runs, runs[0]])


def test_compressai_json():
    runs = runs_of({("a", 0.1): 30.0, ("b", 0.1): 40.0, ("a", 0.2): 28.0, ("b", 0.2): 36.0})
    document = json.loads(json.dumps(to_compressai_json(runs)))
    assert document["name"] == "pyramid" and "2 images" in document["description"]
    assert document["results"] == {
        "bpp": [5, 10],
        "psnr-rgb": [32, 35],
        "ms-ssim-rgb": [0.9, 0.9],
        "encoding_time": [1.25, 1.25],
        "decoding_time": [0.0205, 0.0205],
    }
    small = [replace(run, ms_ssim=None) for run in runs]
    assert "ms-ssim-rgb" not in to_compressai_json(small)["results"]
    with pytest.raises(ValueError, match="one codec"):
        to_compressai_json([*runs, replace(runs[0], preset="slow")])


def test_spread_keeps_the_order_and_the_gap():
    assert spread([3.0, 1.0, 1.0, 9.0], gap=1) == [3.0, 0.5, 1.5, 9.0]  # both make way
    assert spread([1.0, 1.5, 2.0], gap=1) == [0.5, 1.5, 2.5]
    assert spread([5.0, 5.0, 0.0], gap=1, top=5.0) == [4.0, 5.0, 0.0]


def test_cost_is_what_an_encode_lowers():
    assert cost(replace(RUN, psnr=20.0, lmbda=0.02, bpp=1.5)) == pytest.approx(0.01 + 0.03)


def test_plot_writes_a_picture(tmp_path):
    curves = [Curve(f"codec {k}", (0.1, 0.4, 1.2), (28.0 + k, 32.0, 38.0)) for k in range(9)]
    plot(curves, tmp_path / "rd.png", "Kodak")
    assert read_rgb(tmp_path / "rd.png").std() > 0 and (tmp_path / "rd.png").stat().st_size < 40_000
