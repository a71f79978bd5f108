"""Rate-distortion per iteration: three 256x256 crops of Kodak, 2,000 iterations, beside Cool-chic 5.0.1's on the same crops.

    python tests/benchmarks/crops.py KODAK_DIR                     resumes; files go to results/crops
    python tests/benchmarks/crops.py KODAK_DIR --tune fastdecode                   results/crops_fastdecode

J = MSE of [0, 1] pixels + lambda * bpp, with the bytes of the file on disk and the pixels that the runtime decodes. Decoding
times, by the kernel and by NumPy, are `inrc bench`'s on one thread.
"""

import argparse
import csv
import os
import tempfile
from pathlib import Path

from PIL import Image

from inrcodec.runtime.decoder import decode
from inrcodec.runtime.native import SWITCH
from inrcodec.runtime.speed import bench
from inrcodec.train.compare import table
from inrcodec.train.curves import cost
from inrcodec.train.encode import encode_picture
from inrcodec.train.evaluate import evaluate, in_turn
from inrcodec.train.goal import Goal
from inrcodec.train.pictures import read_picture
from inrcodec.train.runs import Run

HERE = Path(__file__).parent
CROPS = {"kodim05": (200, 100), "kodim23": (150, 150), "kodim13": (256, 200)}  # x, y
SIDE = 256
LMBDAS = (0.002, 0.0004)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kodak", type=Path)
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tune")
    options = parser.parse_args()
    folder = HERE / "results" / (f"crops_{options.tune}" if options.tune else "crops")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as crops:
        paths = [cut(options.kodak, Path(crops), name) for name in CROPS]

        def encode(path: Path, lmbda: float):
            chosen = {
                "iterations": options.iterations,
                "threads": options.threads,
                "seed": options.seed,
                "tune": options.tune,
            }
            result = encode_picture(read_picture(path), goal=Goal("lmbda", lmbda), **chosen)
            return result.data, {"iterations": result.iterations, "networks_bytes": result.networks_bytes}

        name = f"pyramid {options.tune}" if options.tune else "pyramid"
        facts = {"codec": name, "preset": f"{options.iterations} iterations", "seed": options.seed}
        runs, failures = evaluate(paths, LMBDAS, in_turn(encode), decode, folder / "runs.tsv", folder, **facts)
    print(table(rows(runs, folder)))
    assert not failures, failures


def cut(kodak: Path, folder: Path, name: str) -> Path:
    """The crop as a PNG."""
    x, y = CROPS[name]
    path = folder / f"{name}.png"
    with Image.open(kodak / f"{name}.png") as image:
        image.crop((x, y, x + SIDE, y + SIDE)).save(path)
    return path


def decoding_ms(file: Path, kernel: str) -> float:
    os.environ[SWITCH] = kernel
    return bench(file.read_bytes(), threads=1, runs=7)["total_ms"]


def rows(runs: list[Run], folder: Path) -> list[tuple[str, ...]]:
    with (HERE / "anchors" / "coolchic_v5.0.1_crops.tsv").open() as file:
        anchors = list(csv.DictReader(file, delimiter="\t"))
    heading = ("crop", "lambda", "bytes", "networks", "PSNR", "1000 J", "Cool-chic best", "J gain %", "s", "its s", "CPU s")
    heading += ("kernel ms", "NumPy ms")
    lines = [heading]
    for run in runs:
        same = [a for a in anchors if a["image"] == run.image and float(a["lmbda"]) == run.lmbda]
        best = min(same, key=lambda a: float(a["J_x1000"]))
        j = 1000 * cost(run)
        theirs = float(best["J_x1000"])
        figures = f"{run.bytes}", f"{run.networks_bytes}", f"{run.psnr:.2f}", f"{j:.4f}"
        rival = f"{theirs:.4f} {best['config']}", f"{100 * (j / theirs - 1):+.1f}"
        seconds = f"{run.encode_s:.0f}", best["seconds"], "-" if run.cpu_s is None else f"{run.cpu_s:.0f}"
        times = (f"{decoding_ms(folder / f'{run.lmbda:g}' / f'{run.image}.inr', kernel):.1f}" for kernel in "10")
        lines.append((run.image, f"{run.lmbda:g}", *figures, *rival, *seconds, *times))
    return lines


if __name__ == "__main__":
    main()
