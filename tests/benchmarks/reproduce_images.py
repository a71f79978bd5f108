"""The survey's image methods on Kodak, beside what their papers say.

    python tests/benchmarks/reproduce_images.py all --pictures KODAK_DIR          three crops at 0.5 bpp, 800 iterations
    python tests/benchmarks/reproduce_images.py nif --pictures KODAK_DIR --full   four pictures, the paper's rates and steps

Resumes: rows go to results/methods_small.tsv or methods_full.tsv, files to the folder of its name; other iterations want
another folder than results (-o). The papers' points are means over all 24 pictures after full training, ours over those
named here; where a method has no latents, a step of ours sees at most 16,384 pixels, a paper's often all.
"""

import argparse
import math
import tempfile
from dataclasses import dataclass
from itertools import groupby, pairwise, product
from pathlib import Path
from statistics import fmean

from aimed import aimed, chosen, decoding
from crops import CROPS, cut

from inrcodec.models import METHODS
from inrcodec.train.compare import table
from inrcodec.train.runs import Run

HERE = Path(__file__).parent
PICTURES = ("kodim05", "kodim13", "kodim20", "kodim23")
RATE, ITERATIONS = 0.5, 800  # of the small protocol
SAME_RATE = 1.03  # rates whose quotient is below are one
# The survey's, from the weakest: each method of a rank is below each of the next, at equal rate.
RANKS = (("coin",), ("l0onie", "rqat_inr", "strumpler"), ("nif",), ("cool_chic",), ("eqlinr", "c3"), ("pyramid",))


@dataclass(frozen=True)
class Published:
    """A paper's points (bpp, dB), means over Kodak, most of them of estimated rates; and what --full repeats of it: as many
    iterations, at rates that have room for the paper's sizes."""

    source: str
    points: tuple[tuple[float, float], ...] = ()
    rates: tuple[float, ...] = ()
    iterations: int = 0

    def near(self, bpp: float) -> str:
        """The two points of the nearest rates."""
        nearest = sorted(sorted(self.points, key=lambda point: abs(math.log(point[0] / bpp)))[:2])
        return ", ".join(f"{rate:.3f}/{psnr:.2f}" for rate, psnr in nearest)


COIN = (0.037, 22.41), (0.074, 23.21), (0.160, 24.64), (0.307, 26.41), (0.611, 28.41), (1.209, 30.64)
COINPP = (0.067, 23.68), (0.132, 24.93), (0.266, 26.14), (0.398, 27.03), (0.537, 27.80)
STRUMPLER = (0.100, 25.64), (0.188, 27.15), (0.299, 28.41), (0.591, 30.58), (0.946, 32.27)  # the fourth by NIF's authors
NIF = (0.277, 28.32), (0.320, 28.83), (0.577, 30.94), (0.969, 33.22), (1.629, 35.62), (2.605, 38.00), (4.028, 40.45)
COOL_CHIC = (0.0812, 25.77), (0.2651, 29.41), (0.9239, 35.83), (1.7493, 40.78)
C3 = (0.093, 27.06), (0.203, 30.03), (0.514, 34.37), (0.914, 37.84), (1.409, 40.85)
PUBLISHED = {
    "coin": Published("EmilienDupont/coin", COIN, (0.074, 0.307), 50_000),
    "coinpp": Published("EmilienDupont/coinpp", COINPP),
    "strumpler": Published("YannickStruempler/inr_based_compression, basic", STRUMPLER, (0.22, 0.35), 26_300),
    "l0onie": Published("figures only"),
    "rqat_inr": Published("figures only"),
    "nif": Published("aegroto/nif", NIF, (0.31, 0.62), 1_700),
    # How long version 1 was fitted is not known to us: as long as version 3's main stage.
    "cool_chic": Published("Orange-OpenSource/Cool-Chic, version 1", COOL_CHIC, (0.2651, 0.9239), 100_000),
    "c3": Published("google-deepmind/c3_neural_compression", C3, (0.203, 0.514), 110_000),
}
NONE = Published("none published")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="METHOD", choices=["all", *METHODS])
    parser.add_argument("--pictures", type=Path, default=Path("kodak"), metavar="DIR", help="Kodak's, as PNG (kodak)")
    parser.add_argument("--full", action="store_true", help="meant for a GPU, for methods whose paper says how")
    parser.add_argument("--iterations", type=int, metavar="N", help="instead of the protocol's")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results", metavar="DIR")
    options = parser.parse_args()
    tsv, device = options.output / f"methods_{'full' if options.full else 'small'}.tsv", "auto" if options.full else "cpu"
    failures, points = [], []
    with tempfile.TemporaryDirectory() as crops:
        if options.full:
            pictures = [options.pictures / f"{name}.png" for name in PICTURES]
        else:
            pictures = [cut(options.pictures, Path(crops), name) for name in CROPS]
        for method in chosen(options.methods):
            paper = PUBLISHED.get(method, NONE)
            rates, iterations = (paper.rates, paper.iterations) if options.full else ((RATE,), ITERATIONS)
            try:
                runs = aimed(method, pictures, rates, options.iterations or iterations, tsv, device)
            except ValueError as error:
                failures.append(error)
                continue
            points += [list(point) for _, point in groupby(sorted(runs, key=by_rate), by_rate)]
    print(table(rows(points, tsv)))
    if not options.full:
        print("\n".join(verdicts({runs[0].codec: runs for runs in points})))
    assert not failures, failures


def by_rate(run: Run) -> float:
    return run.lmbda


def means(runs: list[Run]) -> tuple[float, float]:
    """bpp and dB."""
    return fmean(run.bpp for run in runs), fmean(run.psnr for run in runs)


def rows(points: list[list[Run]], tsv: Path) -> list[tuple[str, ...]]:
    lines = [("method", "year", "bpp", "PSNR", "iterations", "encode s", "decode ms", "paper's bpp/PSNR", "source")]
    for runs in points:
        (bpp, psnr), paper = means(runs), PUBLISHED.get(runs[0].codec, NONE)
        named = runs[0].codec, f"{METHODS[runs[0].codec]().paper.year}", f"{bpp:.3f}", f"{psnr:.2f}"
        times = fmean(run.encode_s for run in runs), fmean(decoding(run, tsv)["total_ms"] for run in runs)
        spent = f"{fmean(run.iterations for run in runs):.0f}", *(f"{time:.1f}" for time in times)
        lines.append((*named, *spent, paper.near(bpp), paper.source))
    return lines


def verdicts(ran: dict[str, list[Run]]) -> list[str]:
    """Of every two methods of neighbouring ranks, whether the survey's order holds; nothing is interpolated."""
    pairs = [pair for ranks in pairwise(RANKS) for pair in product(*ranks) if ran.keys() >= set(pair)]
    return [verdict(weak, strong, means(ran[weak]), means(ran[strong])) for weak, strong in pairs]


def verdict(weak: str, strong: str, low: tuple[float, float], high: tuple[float, float]) -> str:
    """Known, too, where one has the better PSNR at the lower rate."""
    holds = low[1] < high[1]
    dearer = low[0] / high[0] if holds else high[0] / low[0]  # the worse one's rate over the better one's
    said = ("holds" if holds else "does not hold") if dearer > 1 / SAME_RATE else "unknown, the rates differ"
    return f"{weak} < {strong}: {said} ({low[1]:.2f} dB at {low[0]:.3f} bpp, {high[1]:.2f} at {high[0]:.3f})"


if __name__ == "__main__":
    main()
