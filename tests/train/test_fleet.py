"""Folders: what is done stays, what fails is said, and whoever dies in the middle, nothing is lost."""

import json
import math
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock, main_thread

import numpy as np
import pytest
from PIL import Image

import inrcodec
from inrcodec.runtime.clip import ClipFacts
from inrcodec.runtime.footage import write_clip
from inrcodec.train.cli import main
from inrcodec.train.fleet import encode_all, on_ray, processes
from inrcodec.train.goal import Goal
from inrcodec.train.task import LATE, Outcome, Task, encode_task, finished

Y, X = np.mgrid[:24, :32]
QUICK = ("--iterations", "5", "--threads", "1", "--device", "cpu")
FILES = ("sub/a.inr", "a.inr", "b.inr", "clip.inr")
FIT = {"method": "siren", "iterations": 60, "seconds": None, "device": "cpu", "seed": 0, "threads": 1}


def picture(k: int) -> Image.Image:
    return Image.fromarray(np.stack([127 + 90 * np.sin(X / (3 + k)), 9 * Y, 5 * X + 20 * k], axis=2).astype(np.uint8))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working folder; `photos` holds pictures, a clip, and what is neither."""
    monkeypatch.chdir(tmp_path)
    Path("photos/sub").mkdir(parents=True)
    Path("photos/.hidden").mkdir()
    for k, name in enumerate(("a.png", "b.webp", "sub/a.png", ".hidden/c.png")):
        picture(k).save(f"photos/{name}")
    write_clip("photos/clip.y4m", iter([np.asarray(picture(3))] * 2), ClipFacts(2, 24, 32))
    Path("photos/notes.txt").write_text("no picture")
    return tmp_path


@pytest.fixture
def here(monkeypatch) -> list[str]:
    """Tasks run in this process; what is run is in the list."""
    names: list[str] = []

    @contextmanager
    def place(count, report):
        def submit(task: Task) -> Future[Outcome]:
            names.append(task.name)
            future: Future[Outcome] = Future()
            future.set_result(encode_task(task, report))
            return future

        yield submit

    monkeypatch.setattr("inrcodec.train.fleet_command.processes", place)
    return names


def made(folder: str) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*.inr") if path.is_file()}


def test_a_folder(folder, here, capsys):
    assert main(["encode", "photos", "out/", *QUICK]) == 0
    out = capsys.readouterr().out
    files = made("out")
    assert sorted(files) == sorted(FILES) and len(here) == 4
    for line, name in zip(sorted(out.splitlines()[:4]), ("a.png", "b.webp", "clip.y4m", "sub/a.png")):
        size = len(files[Path(name).with_suffix(".inr").as_posix()])
        bpp = 8 * size / (24 * 32 * (2 if "clip" in name else 1))
        assert line.startswith(f"{name}: {size} bytes, {bpp:.4f} bpp, ") and " 5 iterations, " in line
    pixels = 3 * 24 * 32 + 2 * 24 * 32
    size = sum(map(len, files.values()))
    assert out.splitlines()[4].startswith(f"4 files: {size} bytes, {8 * size / pixels:.4f} bpp, ")
    assert len(inrcodec.open(files["clip.inr"])) == 2
    assert main(["encode", "photos/a.png", "one.inr", *QUICK, "--quiet"]) == 0
    assert Path("one.inr").read_bytes() == files["a.inr"]
    here.clear()
    assert main(["encode", "photos", "out", *QUICK]) == 0 and here == []  # the folder is there: no "/" is needed
    assert capsys.readouterr().out.count("made before") == 5 and made("out") == files


def test_what_is_made_again(folder, here, capsys):
    """What is gone, was changed, or was made of something else or otherwise; threads and the device do not matter."""

    def again(*options: str) -> list[str]:
        here.clear()
        assert main(["encode", "photos", "out/", *QUICK, "--method", "siren", "--quiet", *options]) in (0, 1)
        return sorted(here)

    Path("photos/clip.y4m").unlink()
    everything = ["a.png", "b.webp", "sub/a.png"]
    assert again() == everything
    Path("out/a.inr").unlink()
    Path("out/b.inr").write_bytes(b"?")
    assert again("--threads", "2", "--device", "auto") == ["a.png", "b.webp"]
    picture(7).save("photos/a.png")
    assert again() == ["a.png"]
    assert again("--seed", "1") == everything and again("--seed", "1") == [] and again() == everything
    Path("out/.inrc/a.inr/done.json").write_text("no record")
    assert again() == ["a.png"]


def test_what_fails_is_said_at_the_end(folder, here, capsys):
    Path("photos/0.png").write_bytes(b"no picture")
    assert main(["encode", "photos", "out/", *QUICK, "--method", "siren", "--json"]) == 1
    out, err = capsys.readouterr()
    assert sorted(made("out")) == ["a.inr", "b.inr", "sub/a.inr"]
    rows = {row["name"]: row for row in json.loads(out)["files"]}
    assert len(rows) == 5 and "got a file that none of them can open" in rows["0.png"]["failed"]
    assert rows["clip.y4m"]["failed"] == "method siren: wanted a picture, got a clip" and not rows["a.png"]["failed"]
    assert err.splitlines()[-3:] == [
        f"inrc encode: 0.png: {rows['0.png']['failed']}",
        f"inrc encode: clip.y4m: {rows['clip.y4m']['failed']}",
        "inrc encode: 2 of 5 could not be encoded; another call tries them again",
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "wanted"),
    [
        (("photos", "a.inr/b/"), 2, "wanted an output in a folder that is there, got a.inr/b"),
        (("photos", "photos/a.png/"), 2, "wanted a folder to write to, photos/a.png is a file"),
        (("photos", "x.inr", "--jobs", "2"), 2, "wanted a folder (OUT/) as output with --jobs or --cluster, got x.inr"),
        (("photos", "out/", "--cluster", "http://x"), 2, "--cluster: wanted local or ray://host:port, got http://x"),
        (("photos", "out/", "--cluster", "ray://x:1", "--jobs", "2"), 2, "--jobs: wanted this machine or --cluster local"),
        (("photos", "out/", "--method", "nerf"), 1, "--method: wanted one of pyramid"),
        (("photos", "out/", "--bpp", "0"), 1, "--bpp: wanted a positive number, got 0"),
        (("photos", "out/", "--seconds", "-1"), 1, "--seconds: wanted a positive number, got -1"),
        (
            ("photos/.hidden", "photos/a.png", "photos/sub", "out/"),
            1,
            "wanted one picture for out/a.inr, got photos/a.png and",
        ),
        (("none", "out/"), 1, "none: wanted a file or a folder, found nothing"),
        (("empty", "out/"), 1, "empty: wanted pictures or clips in a folder, found none"),
    ],
)
def test_what_will_not_do(arguments, status, wanted, folder, capsys):
    Path("empty").mkdir()
    assert main(["encode", *arguments]) == status
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("inrc encode: ") and wanted in err
    assert sorted(os.listdir()) == ["empty", "photos"]


def tasks(folder: Path, name: str) -> list[Task]:
    for k in range(3):
        picture(k).save(folder / f"{k}.png")
    here = folder / name
    goal = Goal.of(0.002)
    return [Task(f"{k}", folder / f"{k}.png", here / f"{k}.inr", here / f"{k}", goal, FIT) for k in range(3)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list[bytes]:
    """What the tasks make where nothing happens to them."""
    wanted = tasks(tmp_path_factory.mktemp("undisturbed"), "x")
    assert not any(encode_task(task, lambda name, progress: None).failed for task in wanted)
    return [task.output.read_bytes() for task in wanted]


def test_an_interrupted_task_goes_on(undisturbed, tmp_path):
    task = tasks(tmp_path, "x")[0]
    stopped_at = interrupt(task)
    assert finished(task) is None and not task.output.exists()
    file = next(task.state.rglob("seconds"))
    file.write_text("[1000.0, 2000.0]")  # of the call before
    later: list[int] = []
    outcome = encode_task(task, lambda name, progress: later.append(progress.iteration))
    assert min(later) > stopped_at and outcome == finished(task) and outcome.iterations == FIT["iterations"]
    assert 1000 < outcome.seconds < 1100 and 2000 < outcome.cpu_seconds < 2100
    assert task.output.read_bytes() == undisturbed[0]
    assert [path.name for path in task.state.iterdir()] == ["done.json"]


def interrupt(task: Task) -> int:
    """Where the fit stood when it was."""
    seen: list[int] = []

    def stop(name, progress):
        if not math.isnan(progress.bpp):
            seen.append(progress.iteration)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_task(task, stop)
    return seen[0]


def test_who_interrupts_all_stops_them_with_their_checkpoints(tmp_path):
    wanted = [replace(task, options=FIT | {"iterations": 20_000}) for task in tasks(tmp_path, "x")]
    signals = iter([signal.SIGINT])

    def report(name, progress):
        if not math.isnan(progress.bpp) and (number := next(signals, None)):
            signal.pthread_kill(main_thread().ident, number)  # Ctrl-C

    with pytest.raises(KeyboardInterrupt):
        list(encode_all(wanted, partial(processes, 1), report))
    assert {path.name for path in wanted[0].state.rglob("*") if path.is_file()} == {"resume", "seconds"}
    assert not wanted[1].state.exists() and not wanted[0].output.exists() and list(workers("spawn_main")) == []


def workers(title: str) -> Iterator[int]:
    """Processes below this one whose command line holds `title`."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # gone meanwhile
            continue
    for process in parents:
        above = process
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and title in Path(f"/proc/{process}/cmdline").read_text(errors="replace"):
            yield process


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are found in /proc")
@pytest.mark.parametrize("where", ["here", "ray"])
def test_a_worker_that_is_killed_loses_nothing(where, undisturbed, tmp_path):
    """Of two, while it encodes: its task goes on from the checkpoint, and all files are as if nothing had happened."""
    if where == "ray":
        pytest.importorskip("ray", reason="--cluster needs Ray: pip install 'inrcodec[cluster]'")
    place = partial(processes, 2) if where == "here" else partial(on_ray, "local", 2, 1, "cpu")
    title = "spawn_main" if where == "here" else "ray::encode_task"
    wanted = tasks(tmp_path, "x")
    stopped_at = interrupt(wanted[0])
    killed: list[int] = []
    iterations: list[int] = []
    lock = Lock()

    def report(name, progress):
        if name == "0":
            iterations.append(progress.iteration)
        with lock:
            if not killed:
                killed.extend(list(workers(title))[:1])
                os.kill(killed[0], signal.SIGKILL)

    outcomes = {outcome.name: outcome.failed for outcome in encode_all(wanted, place, report)}
    assert len(killed) == 1 and min(iterations) > stopped_at
    assert outcomes == {"0": "", "1": "", "2": ""} and [task.output.read_bytes() for task in wanted] == undisturbed
    assert list(workers(title)) == []


def test_what_comes_too_late_is_left(tmp_path):
    task = replace(tasks(tmp_path, "x")[0], begin_by=0)
    assert encode_task(task, lambda name, progress: None) == Outcome("0", failed=LATE) and not task.state.exists()
