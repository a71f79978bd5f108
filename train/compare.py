"""Codecs side by side: curves of ours, of published systems and of Pillow's codecs; BD-rate after Bjontegaard, 2001.

Two means over pictures are in use, mean PSNR and the PSNR of the mean MSE: compare only curves of the same one.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp, inf, isfinite, log
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image
from scipy.interpolate import PchipInterpolator

from .curves import Curve, Measured, curve_through
from .evaluate import measure, read_rgb, timed
from .runs import Run, read_runs

COOLCHIC_5_EXTRA_BYTES = 52  # a picture: the headers, and whole bytes, that its estimated rates leave out


class CompareError(ValueError):
    """Two sets of measurements that cannot be compared: the message names what is wrong with which."""


@dataclass(frozen=True)
class Sample:
    """One picture at one point of somebody else's codec."""

    image: str
    lmbda: float  # or the codec's own quality
    bpp: float
    psnr: float  # dB


@dataclass(frozen=True)
class BdRate:
    """Mean difference in rate at equal PSNR; negative: the test needs fewer bits than the anchor."""

    percent: float
    low_db: float  # the interval of PSNR that it holds for
    high_db: float


@dataclass(frozen=True)
class BdRates:
    """BD-rates picture by picture, percent."""

    of_image: Mapping[str, float]
    left_out: Mapping[str, str]  # pictures whose curves have none, and why

    @property
    def mean(self) -> float:
        return fmean(self.of_image.values())

    @property
    def low(self) -> float:
        return min(self.of_image.values())

    @property
    def high(self) -> float:
        return max(self.of_image.values())

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def read_ours(path: Path) -> dict[str, list[Run]]:
    """The runs of a TSV by codec, preset and (but 0) seed, as "pyramid fast" or "pyramid fast seed 1"."""
    codecs = defaultdict(list)
    for run in read_runs(path):
        codecs[f"{run.codec} {run.preset}" + (f" seed {run.seed}" if run.seed else "")].append(run)
    return dict(codecs)


def read_coolchic(path: Path, extra_bytes: int = 0) -> list[Sample]:
    """Cool-chic's table of pictures x lambdas. `extra_bytes` a picture make version 5's estimated rates fair."""
    return [
        Sample(
            image=row["seq_name"],
            lmbda=float(row["lmbda"]),
            bpp=float(row["rate_bpp"]) + 8 * extra_bytes / int(row["n_pixels"]),
            psnr=float(row["psnr_db"]),
        )
        for row in _rows(path, "\t", ("seq_name", "lmbda", "n_pixels", "rate_bpp", "psnr_db"))
    ]


def read_conventional(path: Path) -> dict[str, list[Sample]]:
    """A table of codecs x qualities x pictures, by codec."""
    codecs = defaultdict(list)
    for row in _rows(path, ",", ("codec", "quality", "image", "bpp", "psnr_rgb")):
        sample = Sample(row["image"], float(row["quality"]), float(row["bpp"]), float(row["psnr_rgb"]))
        codecs[row["codec"]].append(sample)
    return dict(codecs)


def read_published(path: Path) -> dict[str, Curve]:
    """Published mean curves (mean PSNR), by codec: "compressai/vtm", …"""
    points = defaultdict(list)
    for row in _rows(path, ",", ("codec", "bpp", "psnr_rgb")):
        points[row["codec"]].append((float(row["bpp"]), float(row["psnr_rgb"])))
    return {name: curve_through(name, of_codec) for name, of_codec in points.items()}


def _rows(path: Path, delimiter: str, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        if missing := set(columns) - set(reader.fieldnames or ()):
            raise CompareError(f"{path}: wanted the columns {', '.join(sorted(missing))}")
        yield from reader


def bd_rate(anchor: Curve, test: Curve, lowest: float = -inf, highest: float = inf) -> BdRate:
    """Of `test` against `anchor`: PCHIP of log rate over PSNR, integrated over the PSNRs that both reach.

    `lowest` and `highest`, in dB, bound them further.
    """
    for curve in (anchor, test):
        _check(curve)
    low, high = max(lowest, anchor.psnr[0], test.psnr[0]), min(highest, anchor.psnr[-1], test.psnr[-1])
    if low >= high:
        raise CompareError(f"no common PSNR: {_span(anchor)}, {_span(test)}")
    log_rates = (PchipInterpolator(curve.psnr, np.log(curve.bpp)).integrate(low, high) for curve in (test, anchor))
    test_area, anchor_area = map(float, log_rates)
    return BdRate(100 * (exp((test_area - anchor_area) / (high - low)) - 1), low, high)


def bd_rates(anchor: Iterable[Measured], test: Iterable[Measured]) -> BdRates:
    """BD-rate of every picture that both have, by name; one whose curves cannot be compared does not void the others."""
    anchors, tests = _curve_of_image(anchor, "anchor's"), _curve_of_image(test, "test's")
    if not (common := sorted(anchors.keys() & tests.keys())):
        raise CompareError("no common picture")
    of_image, left_out = {}, {}
    for image in common:
        try:
            of_image[image] = bd_rate(anchors[image], tests[image]).percent
        except CompareError as error:
            left_out[image] = str(error)
    if not of_image:
        raise CompareError(f"no picture that can be compared: {next(iter(left_out.values()))}")
    return BdRates(of_image, left_out)


def interpolated_gain(run_point: tuple[float, float], anchor_curve: Curve) -> float:
    """dB that a point (bpp, dB) lies above the anchor at equal rate: for too few lambdas to make a curve."""
    _check(anchor_curve)
    bpp, psnr = run_point
    if not anchor_curve.bpp[0] <= bpp <= anchor_curve.bpp[-1]:
        raise CompareError(f"{bpp:g} bpp is outside {anchor_curve.name}, {anchor_curve.bpp[0]:g}-{anchor_curve.bpp[-1]:g}")
    return psnr - float(PchipInterpolator(np.log(anchor_curve.bpp), anchor_curve.psnr)(log(bpp)))


def interpolated_rate(run_point: tuple[float, float], anchor_curve: Curve) -> float:
    """Percent more bits, negative fewer, than the anchor at equal PSNR."""
    _check(anchor_curve)
    bpp, psnr = run_point
    if not anchor_curve.psnr[0] <= psnr <= anchor_curve.psnr[-1]:
        raise CompareError(f"{psnr:.2f} dB is outside {_span(anchor_curve)}")
    return 100 * (bpp / exp(float(PchipInterpolator(anchor_curve.psnr, np.log(anchor_curve.bpp))(psnr))) - 1)


def _check(curve: Curve) -> None:
    """At least two finite points, and each costs more and is better than the one before."""
    points = list(zip(curve.bpp, curve.psnr, strict=True))
    if len(points) < 2:
        raise CompareError(f"{curve.name}: wanted at least 2 points, got {len(points)}")
    if odd := [point for point in points if not (point[0] > 0 and isfinite(point[0]) and isfinite(point[1]))]:
        raise CompareError(f"{curve.name}: not a rate and a PSNR: {_named(odd)}")
    for before, after in pairwise(points):
        if after[0] <= before[0] or after[1] <= before[1]:
            raise CompareError(f"{curve.name}: rate and PSNR do not rise together at {_named([before, after])}")


def _named(points: Iterable[tuple[float, float]]) -> str:
    return ", ".join(f"{bpp:g} bpp/{psnr:g} dB" for bpp, psnr in points)


def _span(curve: Curve) -> str:
    return f"{curve.name} {curve.psnr[0]:.2f}-{curve.psnr[-1]:.2f} dB"


def _curve_of_image(measured: Iterable[Measured], whose: str) -> dict[str, Curve]:
    points = defaultdict(list)
    for row in measured:
        points[row.image].append((row.bpp, row.psnr))
    return {image: curve_through(f"{whose} {image}", of_image) for image, of_image in points.items()}


@dataclass(frozen=True)
class Conventional:
    """A codec of Pillow's, as one deploys it."""

    name: str
    preset: str
    lowest: int  # quality
    highest: int
    options: Mapping[str, object] = field(hash=False)

    def encode(self, pixels: np.ndarray, quality: int) -> bytes:
        """(height, width, 3) uint8 -> the whole file, without metadata."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format=self.name, quality=quality, **self.options)
        return file.getvalue()


JPEG = Conventional("jpeg", "progressive-420", 1, 95, {"optimize": True, "progressive": True, "subsampling": "4:2:0"})
WEBP = Conventional("webp", "m6", 0, 100, {"method": 6})
AVIF = Conventional("avif", "s6-444", 0, 100, {"speed": 6, "subsampling": "4:4:4", "max_threads": 1})


def conventional(path: Path, codec: Conventional, qualities: Iterable[int]) -> list[Run]:
    """A picture at several qualities: bytes of real files (in memory), PSNR of what they decode to."""
    original = read_rgb(path)
    return [_conventional_run(path.stem, original, codec, quality) for quality in qualities]


def nearest_in_bytes(path: Path, codec: Conventional, target_bytes: int) -> tuple[bytes, np.ndarray, int]:
    """The largest file of at most `target_bytes`, or else the smallest there is: (file, its pixels, quality).

    Bisection: the size is taken to rise with quality, as it does but for a few bytes.
    """
    original = read_rgb(path)
    low, high = codec.lowest, codec.highest
    while low < high:
        middle = (low + high + 1) // 2
        if len(codec.encode(original, middle)) <= target_bytes:
            low = middle
        else:
            high = middle - 1
    data = codec.encode(original, low)
    return data, open_with_pillow(data), low


def _conventional_run(image: str, original: np.ndarray, codec: Conventional, quality: int) -> Run:
    data, encode_s = timed(lambda: codec.encode(original, quality))
    decoded, decode_s = timed(lambda: open_with_pillow(data))
    return measure(
        image,
        codec.name,
        codec.preset,
        quality,
        original=original,
        decoded=decoded,
        size=len(data),
        encode_s=encode_s,
        decode_s=decode_s,
    )


def open_with_pillow(data: bytes) -> np.ndarray:
    """(height, width, 3) uint8, of a file in memory."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def table(rows: Iterable[Sequence[object]]) -> str:
    """Rows of cells as aligned text: the first row is the heading, the first column goes left, the others right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)
