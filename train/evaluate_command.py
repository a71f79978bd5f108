"""`inrc evaluate`: a codec over a set of pictures.

Light to import: torch, Pillow, SciPy and matplotlib are loaded by the functions that need them.
"""

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runtime.cli import add, add_threads, whole
from ..runtime.decoder import decode
from ..runtime.pixels import write_atomically
from .kinds import PICTURES
from .presets import DEFAULT, HELP

if TYPE_CHECKING:
    from .evaluate import Decode, Encode, Encodes
    from .runs import Run

LAMBDAS = (0.02, 0.004, 0.001, 0.0004, 0.0001)  # Cool-chic's
JOBS_HELP = "so many at once, in processes; with --bitstreams an encode goes on where it was stopped (default: one, in this)"
JOBS_MAX = 1024
MEAN_PSNR, MEAN_MSE = "mean PSNR", "PSNR of the mean MSE"


def add_evaluate(commands: Any) -> None:
    evaluate = add(commands, "evaluate", evaluate_command, "encode, decode and measure pictures; goes on where it stopped")
    evaluate.add_argument("images", nargs="+", metavar="IMAGES", help="files and folders; measured as 8-bit RGB")
    evaluate.add_argument("-o", "--output", required=True, metavar="runs.tsv", help="a row per picture and lambda")
    evaluate.add_argument("--method", default="pyramid", help="see `inrc methods` (default pyramid)")
    add_variants(evaluate)
    evaluate.add_argument("--preset", default=DEFAULT, help=HELP)
    evaluate.add_argument("--iterations", type=whole(2**31), metavar="N", help="instead of the preset's")
    evaluate.add_argument("--lmbda", type=float, nargs="+", default=LAMBDAS, metavar="X", help=f"default {LAMBDAS}")
    evaluate.add_argument("--seed", type=whole(2**32), default=0, metavar="N", help="same seed, same bytes (default 0)")
    evaluate.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    add_threads(evaluate)
    evaluate.add_argument("--jobs", type=whole(JOBS_MAX), default=0, metavar="N", help=JOBS_HELP)
    evaluate.add_argument("--bitstreams", metavar="DIR", help="keep DIR/LAMBDA/IMAGE.inr: of one method, preset, seed")
    evaluate.add_argument("--json", metavar="FILE", help="means as CompressAI writes them")
    evaluate.add_argument("--plot", metavar="rd.png", help="rate-distortion curve")


def add_variants(parser: argparse.ArgumentParser) -> None:
    """Of a method."""
    tune = "pyramid: perceptual (for eyes, not PSNR) or fastdecode (half the decoding time by the kernel in C, more bytes); "
    tune += "strumpler: meta (a shared start); player: small, medium or large"
    parser.add_argument("--tune", metavar="FOR", help=tune)
    coding = "of weights that a method's paper codes in its own way: so (paper, the default), or as is cheapest (best)"
    parser.add_argument("--coding", default="paper", metavar="HOW", help=coding)


def evaluate_command(options: argparse.Namespace) -> None:
    from .curves import mean_curve, plot, to_compressai_json
    from .evaluate import evaluate, in_turn
    from .goal import Goal
    from .options import choose_coding, choose_device, choose_iterations, choose_method

    images, points = pictures_in(options.images), list(dict.fromkeys(options.lmbda))
    choose_method(options.method, options.tune)
    best = choose_coding(options.coding)
    choose_device(options.device)
    choose_iterations(options.preset, options.iterations)
    for lmbda in points:
        Goal.of(lmbda)
    check_folders(options.json, options.plot)
    name = " ".join(filter(None, [options.method, options.tune, "best" if best else ""]))
    runs, failures = evaluate(
        images,
        points,
        in_turn(encoder(options)) if options.jobs < 1 else in_jobs(options),
        decoder(options.threads),
        Path(options.output),
        Path(options.bitstreams) if options.bitstreams else None,
        lambda line: print(line, flush=True),
        codec=name,
        preset=f"{options.iterations}-iterations" if options.iterations else options.preset,
        seed=options.seed,
    )
    if runs:
        print(summary(runs))
        if options.json:
            write_atomically(options.json, json.dumps(to_compressai_json(runs), indent=1).encode())
        if options.plot:
            plot([mean_curve(name, runs)], Path(options.plot), f"{len(images)} pictures")
    if failures:
        raise ValueError(f"{len(failures)} of {len(images) * len(points)} runs failed; another call tries them again")


def pictures_in(names: Iterable[str | Path]) -> list[Path]:
    """Files as they are, and the pictures in folders."""
    found: list[Path] = []
    for path in map(Path, names):
        inside = sorted(each for each in path.iterdir() if each.suffix.lower() in PICTURES) if path.is_dir() else [path]
        if not inside or not path.exists():
            raise ValueError(f"{path}: wanted a picture or a folder of pictures, found none")
        found += inside
    return found


def check_folders(*files: str | None) -> None:
    """Before long work."""
    if missing := [file for file in files if file and not Path(file).parent.is_dir()]:
        raise ValueError(f"wanted an output in a folder that is there, got {missing[0]}")


def encoder(options: argparse.Namespace) -> "Encode":
    """What encodes a picture at a lambda."""
    from .encode import encode_picture
    from .goal import Goal
    from .options import chosen
    from .progress import shown
    from .sweep import read_bare

    def encode(path: Path, lmbda: float) -> tuple[bytes, dict[str, int]]:
        picture = read_bare(path)
        with shown(quiet=False) as watch:
            result = encode_picture(picture, goal=Goal.of(lmbda), watch=watch, **chosen(options))
        if result.interrupted:  # what there is by then is no measurement
            raise KeyboardInterrupt
        return result.data, {"iterations": result.iterations, "networks_bytes": result.networks_bytes}

    return encode


def in_jobs(options: argparse.Namespace) -> "Encodes":
    """The same, several at once."""
    from .options import chosen
    from .sweep import in_processes

    threads = options.threads or max(1, (os.cpu_count() or 1) // options.jobs)
    return in_processes(options.jobs, chosen(options) | {"threads": threads})


def decoder(threads: int) -> "Decode":
    def decode_rgb(path: Path) -> np.ndarray:
        pixels = decode(path, threads)
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)

    return decode_rgb


def summary(runs: Sequence["Run"]) -> str:
    """A line a point, over the pictures that every point has."""
    from .compare import table
    from .curves import points_in_common, psnr_of_mean_mse

    rows = [("lambda", "pictures", "bpp", MEAN_PSNR, MEAN_MSE, "encode s", "decode ms")]
    for point in points_in_common(runs):
        rate, psnrs = fmean(run.bpp for run in point), [run.psnr for run in point]
        quality = f"{fmean(psnrs):.2f}", f"{psnr_of_mean_mse(psnrs):.2f}"
        times = f"{fmean(run.encode_s for run in point):.1f}", f"{fmean(run.decode_ms for run in point):.1f}"
        rows.append((f"{point[0].lmbda:g}", f"{len(point)}", f"{rate:.4f}", *quality, *times))
    return table(rows)
