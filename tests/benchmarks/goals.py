"""Does every goal land? Four encodes of a photo, each towards a rate, a size, a PSNR and a time.

python tests/benchmarks/goals.py [--iterations 400] [PICTURE]
"""

import argparse
from pathlib import Path

from inrcodec.train.compare import table
from inrcodec.train.demo import PHOTO
from inrcodec.train.encode import encode_picture
from inrcodec.train.goal import Goal
from inrcodec.train.pictures import read_picture

GOALS = (Goal("bpp", 0.35), Goal("bpp", 1.0), Goal("bytes", 6_000), Goal("psnr", 31.0), Goal("psnr", 36.0))
SECONDS = (20.0, 45.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, nargs="?", default=PHOTO)
    parser.add_argument("--iterations", type=int, default=400)
    options = parser.parse_args()
    picture = read_picture(options.picture)
    rows = [("goal", "wanted", "reached", "off", "said", "iterations", "seconds")]
    for goal in GOALS:
        result = encode_picture(picture, goal=goal, iterations=options.iterations)
        reached = {"bpp": result.bpp, "bytes": len(result.data), "psnr": result.psnr}[goal.kind]
        off = f"{reached - goal.value:+.3f} dB" if goal.kind == "psnr" else f"{100 * (reached / goal.value - 1):+.2f} %"
        figures = f"{goal.value:g}", f"{reached:.5g}", off, result.missed or "met"
        rows.append((goal.kind, *figures, str(result.iterations), f"{result.seconds:.1f}"))
        print("\t".join(rows[-1]), flush=True)
    for seconds in SECONDS:
        result = encode_picture(picture, seconds=seconds)
        off = f"{100 * (result.seconds / seconds - 1):+.1f} %"
        rows.append(
            ("seconds", f"{seconds:g}", f"{result.seconds:.2f}", off, "", str(result.iterations), f"{result.seconds:.1f}")
        )
        print("\t".join(rows[-1]), flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
