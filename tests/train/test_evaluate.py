"""Runs survive interruptions and failures, and their tables round-trip."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inrcodec.train.evaluate import evaluate, in_turn, read_rgb
from inrcodec.train.runs import COLUMNS, Run, append_run, drop_runs, provenance, read_runs

RUN = Run("a b", "pyramid", "fast", 0.001, 64, 48, 200, 0.520833, 30.5, None, 1.25, 20.5, 300, 0, 77)
POINTS = (0.1, 0.01)
FACTS = {"iterations": 5, "networks_bytes": 3}


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for seed, path in enumerate(paths):
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 24, 3), dtype=np.uint8)).save(path)
    return paths


class Halving:
    """A codec that halves every sample, and counts what it is asked for."""

    def __init__(self, broken=""):
        self.encoded, self.broken = [], broken

    def encode(self, path, lmbda):
        self.encoded.append((path.stem, lmbda))
        if path.stem == self.broken:
            raise RuntimeError("no\nluck")
        return (read_rgb(path) // 2).tobytes(), FACTS

    def decode(self, path):
        return np.frombuffer(path.read_bytes(), np.uint8).reshape(16, 24, 3) * 2

    def evaluate(self, images, folder, **options):
        options = {"codec": "halving", "preset": "-", "progress": lambda line: None} | options
        return evaluate(images, POINTS, in_turn(self.encode), self.decode, folder / "runs.tsv", folder / "files", **options)


def test_tsv_round_trip(tmp_path):
    runs = [RUN, replace(RUN, image="c", ms_ssim=0.98765, psnr=float("inf"), seed=3)]
    for run in runs:
        append_run(tmp_path / "new" / "runs.tsv", run)
    assert read_runs(tmp_path / "new" / "runs.tsv") == runs
    comments = [line for line in (tmp_path / "new" / "runs.tsv").read_text().splitlines() if line.startswith("#")]
    assert {"# command", "# machine", "# date"} <= {line.split(":")[0] for line in comments}


def test_an_older_tsv_keeps_its_columns(tmp_path):
    path = tmp_path / "runs.tsv"
    path.write_text("\t".join(COLUMNS[:-1]) + "\n")
    append_run(path, replace(RUN, cpu_s=2.5))
    assert read_runs(path) == [RUN] and path.read_text().count("cpu_s") == 0
    append_run(tmp_path / "new.tsv", replace(RUN, cpu_s=2.5))
    assert read_runs(tmp_path / "new.tsv") == [replace(RUN, cpu_s=2.5)]


def test_rows_are_dropped(tmp_path):
    path, runs = tmp_path / "runs.tsv", [RUN, replace(RUN, image="c"), replace(RUN, lmbda=0.1)]
    for run in runs:
        append_run(path, run)
    lines = path.read_text().splitlines()
    assert drop_runs(path, lambda run: run.image == "c") == [runs[1]] and read_runs(path) == [runs[0], runs[2]]
    assert path.read_text().splitlines() == [*lines[:-2], lines[-1]]


def test_provenance_names_no_folders(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/bin/inrc", "evaluate", "/pictures/kodim20.png", "-o", "runs.tsv"])
    assert provenance()[0] == "# command: inrc evaluate kodim20.png -o runs.tsv"


def test_a_damaged_tsv_names_its_line(tmp_path):
    append_run(tmp_path / "runs.tsv", RUN)
    with (tmp_path / "runs.tsv").open("a") as file:
        file.write("kodim01\tpyramid\n")
    with pytest.raises(ValueError, match=r"runs.tsv:\d+: not a run"):
        read_runs(tmp_path / "runs.tsv")
    (tmp_path / "other.tsv").write_text("a\tb\n")
    with pytest.raises(ValueError, match="wanted the columns image codec"):
        read_runs(tmp_path / "other.tsv")


def test_runs_are_measured_from_the_file(images, tmp_path):
    runs, failures = Halving().evaluate(images, tmp_path)
    assert not failures and runs == read_runs(tmp_path / "runs.tsv") and len(runs) == 6
    first = runs[0]
    path = tmp_path / "files" / "0.1" / "a.inr"
    assert first.bytes == path.stat().st_size and first.bpp == 8 * first.bytes / (16 * 24)
    odd = read_rgb(images[0]) % 2
    assert first.psnr == pytest.approx(10 * np.log10(255**2 / odd.mean()), abs=1e-4)
    assert (first.width, first.height, first.iterations, first.networks_bytes) == (24, 16, 5, 3)


def test_a_second_evaluate_does_nothing(images, tmp_path):
    codec = Halving()
    runs, _ = codec.evaluate(images[:2], tmp_path)
    before, calls = (tmp_path / "runs.tsv").read_bytes(), len(codec.encoded)
    again, _ = codec.evaluate(images[:2], tmp_path)
    assert again == runs and len(codec.encoded) == calls
    assert (tmp_path / "runs.tsv").read_bytes() == before
    more, _ = codec.evaluate(images, tmp_path)
    assert more[:4] == runs and codec.encoded[calls:] == [("c", 0.1), ("c", 0.01)]
    other, _ = codec.evaluate(images, tmp_path, seed=1)
    assert {run.seed for run in other} == {1} and len(read_runs(tmp_path / "runs.tsv")) == 12


def test_an_interruption_loses_nothing(images, tmp_path):
    codec = Halving()

    def interrupt(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        codec.evaluate(images, tmp_path, progress=interrupt)
    assert len(read_runs(tmp_path / "runs.tsv")) == 1
    assert len(codec.evaluate(images, tmp_path)[0]) == 6 and len(codec.encoded) == 6


def test_one_failure_keeps_the_others(images, tmp_path):
    lines = []
    runs, failures = Halving(broken="b").evaluate(images, tmp_path, progress=lines.append)
    assert [run.image for run in runs] == ["a", "a", "c", "c"]
    assert [(failure.image, failure.lmbda) for failure in failures] == [("b", 0.1), ("b", 0.01)]
    assert failures[0].reason == "RuntimeError: no luck"
    assert len(lines) == 6 and lines[2] == "b halving - 0.1: failed: RuntimeError: no luck"
    runs, failures = Halving().evaluate(images, tmp_path)
    assert len(runs) == 6 and not failures


def test_names_are_checked_at_the_door(images, tmp_path):
    codec = Halving()
    for paths in ([*images, tmp_path / "other" / "a.png"], [tmp_path / "#1.png"], [tmp_path / "a\tb.png"]):
        with pytest.raises(ValueError, match="name"):
            codec.evaluate(paths, tmp_path)
    assert not codec.encoded
