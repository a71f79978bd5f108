"""The table of methods in docs/results.md: each on one whole picture of Kodak, at about 0.3 bpp.

    python tests/benchmarks/methods.py KODAK_DIR --method coin       one row
    python tests/benchmarks/methods.py KODAK_DIR                     all; resumes

Rows go to results/methods.tsv, files to results/methods; other iterations want another folder than results (-o). All is on
one thread; decoding is the median of `inrc bench`; lines are those of the method's file in models/image.
"""

import argparse
import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path

from aimed import aimed, chosen, decoding

from inrcodec.models import METHODS
from inrcodec.train.runs import Run

HERE = Path(__file__).parent
PICTURE, RATE = "kodim20", 0.307  # COIN's middle size
HEADING = ("method", "year", "bytes", "PSNR", "encode s", "decode ms", "MAC/px", "lines")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kodak", type=Path, metavar="KODAK_DIR")
    parser.add_argument("--method", default="all", choices=["all", *METHODS])
    parser.add_argument("--iterations", type=int, default=400)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results", metavar="DIR")
    options = parser.parse_args()
    tsv, picture = options.output / "methods.tsv", options.kodak / f"{PICTURE}.png"
    runs, failures = [], []
    for method in chosen([options.method]):
        try:
            runs += aimed(method, [picture], (RATE,), options.iterations, tsv)
        except ValueError as error:
            failures.append(error)
    print(markdown([HEADING, *(row(run, tsv) for run in runs)]))
    assert not failures, failures


def row(run: Run, tsv: Path) -> tuple[str, ...]:
    build, facts = METHODS[run.codec], decoding(run, tsv)
    measured = f"{run.bytes:,}", f"{run.psnr:.2f}", f"{run.encode_s:.0f}"
    costs = f"{facts['total_ms']:.0f}", f"{facts['macs_per_pixel']:,.0f}"
    lines = Path(inspect.getfile(build)).read_text().count("\n")
    return (f"`{run.codec}`", f"{build().paper.year}", *measured, *costs, f"{lines}")


def markdown(rows: Iterable[Sequence[str]]) -> str:
    heading, *others = rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, ["---"] * len(heading), *others))


if __name__ == "__main__":
    main()
