"""How pictures look, by two measures that nothing here is fitted to: SSIMULACRA2 and Butteraugli's 3-norm, of real files.

    apt install libjxl-devtools                                                    has Butteraugli
    inrc evaluate KODAK --tune perceptual --iterations 2000 --threads 1 --lmbda 0.001 -o DIR/runs.tsv --bitstreams DIR
    python tests/benchmarks/perceptual.py KODAK DIR [results/kodak_2000]           DIR's files beside others' curves

A row is of one file of DIR: what it scores, and how many percent of bytes more (+) or fewer (-) it has than another codec has
at the same score, by that one's files of the same picture: `pyramid` by default, of the second folder, and those below.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image
from ssimulacra2 import compute_ssimulacra2

from inrcodec.runtime.decoder import decode
from inrcodec.train.compare import AVIF, JPEG, WEBP, CompareError, Conventional, interpolated_rate, open_with_pillow, table
from inrcodec.train.curves import curve_through
from inrcodec.train.evaluate import file_in, read_rgb
from inrcodec.train.runs import read_runs

HERE = Path(__file__).parent
Scores = tuple[float, float]  # the higher the better
File = tuple[float, Scores]  # its bpp, and what it scores
MEASURES = "SSIMULACRA2", "Butteraugli"
DISTANCES = (0.5, 1, 1.5, 2, 3, 4, 6, 8, 11, 15)  # of JPEG XL
QUALITIES: dict[Conventional, tuple[int, ...]] = {
    AVIF: (8, 15, 25, 35, 45, 55, 65, 75, 85),
    WEBP: (0, 5, 15, 30, 45, 60, 75, 90, 95),
    JPEG: (5, 10, 15, 25, 40, 60, 75, 85, 92),
}


def scores(original: Path, pixels: np.ndarray) -> Scores:
    with tempfile.TemporaryDirectory() as folder:
        decoded = Path(folder) / "decoded.png"
        Image.fromarray(pixels).save(decoded)
        told = subprocess.run(["butteraugli_main", original, decoded], check=True, capture_output=True, text=True).stdout
        return float(compute_ssimulacra2(str(original), str(decoded))), -float(told.split("3-norm:")[1])


def conventional(original: Path) -> Iterator[tuple[str, list[File]]]:
    """Each codec's files, as one deploys it."""
    pixels = read_rgb(original)
    encoders: dict[str, list[Callable[[], bytes | bytearray]]] = {
        "AVIF": [partial(AVIF.encode, pixels, quality) for quality in QUALITIES[AVIF]],
        "JPEG XL": [partial(imagecodecs.jpegxl_encode, pixels, effort=7, distance=distance) for distance in DISTANCES],
        "WebP": [partial(WEBP.encode, pixels, quality) for quality in QUALITIES[WEBP]],
        "JPEG": [partial(JPEG.encode, pixels, quality) for quality in QUALITIES[JPEG]],
    }
    for name, files in encoders.items():
        made = [encode() for encode in files]
        read = imagecodecs.jpegxl_decode if name == "JPEG XL" else open_with_pillow
        yield name, [(8 * len(data) / (pixels.size / 3), scores(original, read(data))) for data in made]


def fitted(folder: Path, kodak: Path, image: str) -> list[tuple[float, File]]:
    """Of the folder's files of this picture lambda, bpp and scores."""
    runs = [run for run in read_runs(folder / "runs.tsv") if run.image == image]
    paths = [file_in(folder, image, run.lmbda) for run in runs]
    return [(run.lmbda, (run.bpp, scores(kodak / f"{image}.png", decode(path)))) for run, path in zip(runs, paths)]


def beside(file: File, others: list[File], k: int) -> str:
    """Percent of bytes at the k-th score of this one."""
    bpp, scored = file
    try:
        return (
            f"{interpolated_rate((bpp, scored[k]), curve_through('', rising((rate, its[k]) for rate, its in others))):+.0f} %"
        )
    except CompareError:
        return "-"  # no file of theirs is as good, or as bad


def rising(points: Iterator[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Without those that cost more than another and score no better."""
    best = -np.inf
    for rate, score in sorted(points):
        if score > best:
            best = score
            yield rate, score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kodak", type=Path, metavar="KODAK_DIR")
    parser.add_argument("tuned", type=Path, metavar="DIR")
    parser.add_argument("default", type=Path, nargs="?", default=HERE / "results" / "kodak_2000")
    options = parser.parse_args()
    names = ["pyramid", "AVIF", "JPEG XL", "WebP", "JPEG"]
    rows = [("file", "bpp", *(cell for measure in MEASURES for cell in (measure, *(f"vs {name}" for name in names))))]
    for image in sorted({run.image for run in read_runs(options.tuned / "runs.tsv")}):
        default = [file for _, file in fitted(options.default, options.kodak, image)]
        others = [default, *(files for _, files in conventional(options.kodak / f"{image}.png"))]
        for lmbda, file in sorted(fitted(options.tuned, options.kodak, image)):
            sides = [(f"{abs(file[1][k]):.2f}", *(beside(file, other, k) for other in others)) for k in range(len(MEASURES))]
            rows.append((f"{image} {lmbda:g}", f"{file[0]:.3f}", *sides[0], *sides[1]))
    print(table(rows))


if __name__ == "__main__":
    main()
