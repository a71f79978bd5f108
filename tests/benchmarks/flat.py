"""Bright, flat and synthetic pictures at three lambdas: does any collapse to one colour?

    python tests/benchmarks/flat.py [--iterations 600]

See `is_collapsed` for what counts. Cool-chic 5.0.1 collapses on a quarter of such pictures (Tran 2026).
"""

import argparse
from pathlib import Path

import numpy as np

from inrcodec.runtime.decoder import decode
from inrcodec.train.compare import table
from inrcodec.train.encode import encode_picture
from inrcodec.train.goal import Goal
from inrcodec.train.pictures import from_array

SIDE = 96
LMBDAS = (0.02, 0.002, 0.0002)
A_LITTLE = 0.1  # bits a pixel


def pictures() -> dict[str, np.ndarray]:
    """24 pictures (SIDE, SIDE, 3) uint8."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    one = np.ones((SIDE, SIDE, 3))

    def text(paper: float, ink: float, line: int = 8) -> np.ndarray:
        """Rows of random strokes, as letters from afar."""
        page = np.full((SIDE, SIDE), paper)
        for top in range(line, SIDE - line, line + 4):
            strokes = rng.random((line // 2, SIDE // 2 - 8)) < 0.45
            page[top : top + line // 2 * 2, 8 : SIDE - 8] = np.where(strokes.repeat(2, 0).repeat(2, 1), ink, paper)
        return page[..., None] * np.ones(3)

    def snow(mean: float, deviation: float) -> np.ndarray:
        smooth = rng.normal(0, 1, (SIDE // 8, SIDE // 8)).repeat(8, 0).repeat(8, 1)
        return (mean + deviation * smooth)[..., None] * np.ones(3)

    def window(background: float, bar: float) -> np.ndarray:
        """A screenshot: title bar, buttons, lines."""
        page = text(background, background - 0.5)
        page[:10] = [bar, bar * 0.6, bar * 0.8]
        page[2:8, 4:24] = page[2:8, 30:50] = 0.9
        return page

    ramp = x[..., None] * np.ones(3)
    # fmt: off
    made = {
        "white": one, "black": 0 * one, "grey": 0.5 * one, "almost white": 254 / 255 * one, "red": one * [1, 0, 0],
        "white page": text(1.0, 0.0), "grey page": text(0.92, 0.3), "small text": text(1.0, 0.0, 4),
        "dark page": text(0.0, 1.0), "1-bit text": np.round(text(1.0, 0.0, 6)),
        "checks": ((x * 12).astype(int) + (y * 12).astype(int))[..., None] % 2 * one,
        "screenshot": window(0.96, 0.2), "dark screenshot": window(0.55, 0.9),
        "table": one - 0.6 * ((x * SIDE % 16 < 1) | (y * SIDE % 12 < 1))[..., None],
        "snow": np.clip(snow(0.95, 0.02), 0, 1), "bright snow": np.clip(snow(0.985, 0.01), 0, 1),
        "sky": 0.8 + 0.18 * y[..., None] * [0.3, 0.6, 1],
        "cloud": np.clip(0.9 + 0.1 * np.sin(9 * x) * np.cos(7 * y), 0, 1)[..., None] * one,
        "ramp": ramp, "bright ramp": 0.9 + 0.1 * ramp, "colour ramp": np.stack([x, y, 1 - x], -1),
        "noise": rng.random((SIDE, SIDE, 3)), "bright noise": 0.9 + 0.1 * rng.random((SIDE, SIDE, 3)),
        "dot": one - 0.8 * (((x - 0.5) ** 2 + (y - 0.5) ** 2) < 0.01)[..., None],
    }
    # fmt: on
    assert len(made) == 24
    return {name: np.rint(255 * picture).astype(np.uint8) for name, picture in made.items()}


def is_collapsed(original: np.ndarray, decoded: np.ndarray, lmbda: float) -> bool:
    """Nearly one colour, although the original has structure that is worth its bits.

    Noise has none, and a variance below what A_LITTLE bits a pixel cost at this lambda is better left out.
    """
    worth_it = (original / 255.0).var((0, 1)).mean() > lmbda * A_LITTLE
    return bool(decoded.std() < 0.1 * original.std() and worth_it and not is_noise(original))


def is_noise(picture: np.ndarray) -> bool:
    """Neighbouring pixels are independent."""
    centred = picture - picture.mean((0, 1))
    return abs(np.mean(centred[:, 1:] * centred[:, :-1])) < 0.1 * centred.var()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "flat.tsv")
    options = parser.parse_args()
    lines = [("picture", *(f"{lmbda:g}: bpp PSNR" for lmbda in LMBDAS), "collapsed")]
    total = 0
    for name, picture in pictures().items():
        cells, bad = [], 0
        for lmbda in LMBDAS:
            result = encode_picture(from_array(picture), goal=Goal("lmbda", lmbda), iterations=options.iterations)
            decoded = decode(result.data)
            bad += is_collapsed(picture, decoded, lmbda)
            cells.append(f"{result.bpp:.3f} {result.psnr:.2f}")
        total += bad
        lines.append((name, *cells, str(bad)))
        print("\t".join(lines[-1]), flush=True)
    options.results.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    print(table(lines))
    print(f"{total} of {3 * len(pictures())} collapsed")


if __name__ == "__main__":
    main()
