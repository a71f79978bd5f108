"""`inrc evaluate` measures the files, goes on where it stopped, and reports what failed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inrcodec.runtime.decoder import decode
from inrcodec.train.cli import main
from inrcodec.train.evaluate import read_rgb
from inrcodec.train.metrics import psnr
from inrcodec.train.runs import read_runs

QUICK = ("--iterations", "8", "--threads", "1", "--device", "cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[:32, :48]
    noise = np.random.default_rng(0).normal(0, 3, (32, 48, 3))
    waves = np.stack([127 + 50 * np.sin(y / period) + 50 * np.cos(x / (period + 3)) for period in (3, 5, 7)], axis=2)
    Image.fromarray((waves + noise).astype(np.uint8)).save(folder / "waves.png")
    Image.fromarray(waves[..., 0].astype(np.uint8)).save(folder / "grey.png")
    return folder


@pytest.fixture(scope="module")
def evaluated(pictures, tmp_path_factory):
    """The folder of an evaluation of waves.png at two lambdas."""
    folder = tmp_path_factory.mktemp("evaluated")
    outputs = ["--bitstreams", folder / "files", "--json", folder / "means.json", "--plot", folder / "rd.png"]
    arguments = [pictures / "waves.png", "-o", folder / "runs.tsv", "--lmbda", 0.01, 0.0001, *QUICK, *outputs]
    assert main(["evaluate", *map(str, arguments)]) == 0
    return folder


def test_evaluate_measures_files(evaluated, pictures):
    runs = read_runs(evaluated / "runs.tsv")
    assert [(run.image, run.codec, run.preset, run.lmbda) for run in runs] == [
        ("waves", "pyramid", "8-iterations", 0.01),
        ("waves", "pyramid", "8-iterations", 0.0001),
    ]
    for run in runs:
        data = (evaluated / "files" / str(run.lmbda) / "waves.inr").read_bytes()
        assert run.bytes == len(data) and run.iterations == 8
        assert run.psnr == round(psnr(read_rgb(pictures / "waves.png"), decode(data)), 4)
    means = json.loads((evaluated / "means.json").read_text())
    assert means["name"] == "pyramid" and sorted(run.bpp for run in runs) == means["results"]["bpp"]
    assert read_rgb(evaluated / "rd.png").std() > 0


def test_evaluate_goes_on(evaluated, pictures, tmp_path, capsys, monkeypatch):
    tsv = tmp_path / "runs.tsv"
    tsv.write_bytes((evaluated / "runs.tsv").read_bytes())
    arguments = [str(pictures / "waves.png"), "-o", str(tsv), "--lmbda", "0.01", "0.0001", "0.01", *QUICK]
    monkeypatch.setattr("inrcodec.train.encode.encode_picture", None)
    assert main(["evaluate", *arguments]) == 0
    assert tsv.read_bytes() == (evaluated / "runs.tsv").read_bytes()
    assert len(capsys.readouterr().out.splitlines()) == 3  # the means alone


def test_codings_are_codecs(pictures, tmp_path):
    tsv = tmp_path / "runs.tsv"
    for coding in ("paper", "best"):
        arguments = ["-o", str(tsv), "--lmbda", "0.01", "--method", "coin", "--coding", coding, *QUICK]
        assert main(["evaluate", str(pictures / "waves.png"), *arguments]) == 0
    paper, best = read_runs(tsv)
    assert (paper.codec, best.codec) == ("coin", "coin best") and best.bytes < paper.bytes


def test_several_at_once(evaluated, pictures, tmp_path, capsys):
    """The same files, and nothing but files stays."""
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    files, arguments = tmp_path / "files", ["-o", str(tmp_path / "runs.tsv"), "--lmbda", "0.01", "0.0001", *QUICK]
    names = [str(pictures / "waves.png"), str(tmp_path / "broken.png")]
    assert main(["evaluate", *names, *arguments, "--jobs", "2", "--bitstreams", str(files)]) == 1
    assert "broken pyramid 8-iterations 0.01: failed: wanted one of JPEG" in capsys.readouterr().out
    runs, wanted = read_runs(tmp_path / "runs.tsv"), {run.lmbda: run for run in read_runs(evaluated / "runs.tsv")}
    assert len(runs) == 2 and all(run.cpu_s is not None and run.cpu_s > 0 for run in runs)
    for run in runs:
        old = wanted[run.lmbda]
        assert replace(run, encode_s=0, decode_ms=0, cpu_s=0) == replace(old, encode_s=0, decode_ms=0, cpu_s=0)
    made = {path.relative_to(files): path.read_bytes() for path in files.rglob("*") if path.is_file()}
    theirs = evaluated / "files"
    assert made == {path.relative_to(theirs): path.read_bytes() for path in theirs.rglob("*") if path.is_file()}


def test_evaluate_reports_failures(pictures, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    (tmp_path / "grey.png").write_bytes((pictures / "grey.png").read_bytes())
    Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(tmp_path / "veil.png")
    assert main(["evaluate", str(tmp_path), "-o", str(tmp_path / "runs.tsv"), "--lmbda", "0.01", *QUICK]) == 1
    out, err = capsys.readouterr()
    assert "broken pyramid 8-iterations 0.01: failed: " in out and "veil pyramid 8-iterations 0.01: failed: " in out
    assert err.splitlines()[-1].startswith("inrc evaluate: 2 of 3 runs failed")
    assert [run.image for run in read_runs(tmp_path / "runs.tsv")] == ["grey"]


def test_an_interrupted_encode_is_no_run(pictures, tmp_path, capsys, monkeypatch):
    def step(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("inrcodec.train.fit.Fit.step", step)
    arguments = [str(pictures / "waves.png"), "-o", str(tmp_path / "runs.tsv"), "--lmbda", "0.01", *QUICK]
    assert main(["evaluate", *arguments]) == 130
    assert not (tmp_path / "runs.tsv").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--lmbda", "-1"], "--lmbda: wanted a positive number"),
        (["--method", "nerf"], "--method: wanted one of"),
        (["--coding", "worst"], "--coding: wanted paper or best"),
        (["--preset", "eternal"], "--preset: wanted one of"),
        (["--iterations", "0"], "--iterations: wanted a positive number"),
        (["--json", "nowhere/x.json"], "wanted an output in a folder that is there"),
    ],
)
def test_evaluate_refuses_at_the_door(arguments, why, pictures, tmp_path, capsys):
    assert main(["evaluate", str(pictures), "-o", str(tmp_path / "runs.tsv"), *arguments]) == 1
    assert why in capsys.readouterr().err and not (tmp_path / "runs.tsv").exists()
    assert main(["evaluate", str(tmp_path), "-o", str(tmp_path / "runs.tsv")]) == 1
    assert "wanted a picture or a folder of pictures" in capsys.readouterr().err
