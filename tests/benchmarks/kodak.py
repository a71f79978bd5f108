"""Whole pictures of Kodak beside Cool-chic 5.0.1 and other codecs, from real files: J, BD-rates, a plot.

    python tests/benchmarks/kodak.py KODAK_DIR --iterations 10000 --budget 7200      encodes what is lacking; resumes
    python tests/benchmarks/kodak.py KODAK_DIR --budget 0 --plot docs/rd.png         only says what there is
    python tests/benchmarks/kodak.py KODAK_DIR --check                               decodes every file and measures it again

Files and rows go to results/kodak; each encode has a process and a thread of its own. What is printed is `standing.py`'s.
"""

import argparse
import fcntl
import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from standing import standing

from inrcodec.runtime.decoder import decode
from inrcodec.train.compare_command import KODAK
from inrcodec.train.evaluate import Encoded, Point, evaluate, file_in, read_rgb
from inrcodec.train.evaluate_command import LAMBDAS
from inrcodec.train.metrics import psnr
from inrcodec.train.runs import Run, drop_runs, read_runs
from inrcodec.train.sweep import in_processes
from inrcodec.train.task import STATE

HERE = Path(__file__).parent
TOLERANCE = 0.01  # dB: pixels are floats before they are rounded
read_file, say = partial(decode, threads=1), partial(print, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kodak", type=Path, metavar="KODAK_DIR")
    parser.add_argument("anchors", type=Path, nargs="?", default=HERE / "anchors", metavar="ANCHORS_DIR")
    parser.add_argument("--pictures", nargs="+", default=["kodim05", "kodim13", "kodim20", "kodim23"], help='or "all"')
    parser.add_argument("--lmbda", type=float, nargs="+", default=LAMBDAS)
    parser.add_argument("--preset", default="medium")
    parser.add_argument("--iterations", type=int, help="instead of the preset's")
    parser.add_argument("--jobs", type=int, default=2, help="encodes at once (2)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--budget", type=float, default=math.inf, metavar="SECONDS", help="then no other encode begins")
    parser.add_argument("--replace", action="store_true", help="what is there with another preset, or iterations")
    parser.add_argument("--plot", type=Path, metavar="rd.png")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results" / "kodak", metavar="FOLDER")
    options = parser.parse_args(arguments)
    options.pictures = sorted(KODAK) if "all" in options.pictures else sorted(set(options.pictures))
    if lacking := [name for name in options.pictures if not (options.kodak / f"{name}.png").exists()]:
        parser.error(f"wanted pictures of {options.kodak}, it has no {', '.join(lacking)}")
    if options.check:
        parser.exit(*check(options.output, options.kodak))
    failures = encode(options) if options.budget > 0 else 0
    tsv, pictures = options.output / "runs.tsv", set(options.pictures)
    say(standing(tsv, options.anchors, pictures, set(options.lmbda), options.plot))
    parser.exit(failures > 0)


def encode(options: argparse.Namespace) -> int:
    """What the table lacks, as far as the budget lasts; returns how many failed."""
    begin_by, tsv = time.time() + options.budget, options.output / "runs.tsv"
    preset = f"{options.iterations}-iterations" if options.iterations else options.preset
    chosen = {"preset": options.preset, "iterations": options.iterations, "device": options.device, "threads": 1}
    encodes = in_processes(options.jobs, chosen, begin_by)

    def rival(run: Run, images: Sequence[str], lmbdas: Sequence[float]) -> bool:
        others = (run.codec, run.preset, run.seed) != ("pyramid", preset, 0)
        return others and run.image in images and run.lmbda in lmbdas

    def replacing(points: Sequence[Point], folder: Path) -> Generator[Encoded, None, None]:
        with closing(encodes(points, folder)) as done:
            for encoded in done:
                if not encoded.failed:
                    drop_runs(tsv, partial(rival, images=[encoded.image.stem], lmbdas=[encoded.lmbda]))
                yield encoded

    with alone(options.output):
        rows = read_runs(tsv) if tsv.exists() else []
        rivals = [f"{run.image} {run.lmbda:g} {run.preset}" for run in rows if rival(run, options.pictures, options.lmbda)]
        if rivals and not options.replace:
            raise SystemExit(f"{tsv} has {', '.join(rivals)}: --replace encodes them anew, another -o keeps both")
        images = [options.kodak / f"{name}.png" for name in options.pictures]
        names, way = {"codec": "pyramid", "preset": preset}, replacing if rivals else encodes
        runs, failures = evaluate(images, options.lmbda, way, read_file, tsv, options.output, say, **names)
    say(f"{len(runs)} of {len(images) * len(set(options.lmbda))} are there, {len(failures)} failed")
    return len(failures)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """So that no two calls encode the same."""
    (folder / STATE).mkdir(parents=True, exist_ok=True)
    with (folder / STATE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{folder}: another call encodes there: wait, or take another -o") from None
        yield


def check(folder: Path, kodak: Path) -> tuple[int, str]:
    """Whether every file is as its row says: an exit status, and a line for each that is not."""
    files = {file_in(folder, run.image, run.lmbda): run for run in read_runs(folder / "runs.tsv")}
    wrong = [f"{path.relative_to(folder)}: it has no row" for path in sorted(set(folder.rglob("*.inr")) - files.keys())]
    for path, run in sorted(files.items()):
        if not path.exists():
            wrong.append(f"{path.relative_to(folder)}: it is lacking")
            continue
        size, fidelity = path.stat().st_size, psnr(read_rgb(kodak / f"{run.image}.png"), read_file(path))
        if size != run.bytes or abs(fidelity - run.psnr) > TOLERANCE:
            wrong.append(f"{path.relative_to(folder)}: {size} bytes, {fidelity:.4f} dB; its row: {run.bytes}, {run.psnr}")
    return len(wrong) > 0, "\n".join([*wrong, f"{len(files)} files checked, {len(wrong)} wrong\n"])


if __name__ == "__main__":
    main()
