"""RD curves: means over pictures, CompressAI's JSON, plots."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import inf, log10
from pathlib import Path
from statistics import fmean
from typing import Protocol, TypeVar

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from PIL import Image

from .runs import Run


@dataclass(frozen=True)
class Curve:
    """Mean rate and distortion of a codec, one entry a point, ascending in rate."""

    name: str
    bpp: tuple[float, ...]
    psnr: tuple[float, ...]  # dB


class Measured(Protocol):
    """One picture at one point of a codec, ours or another's: `Run` is one."""

    @property
    def image(self) -> str: ...
    @property
    def lmbda(self) -> float: ...
    @property
    def bpp(self) -> float: ...
    @property
    def psnr(self) -> float: ...


M = TypeVar("M", bound=Measured)


def cost(row: Measured) -> float:
    """J = MSE of samples in [0, 1] + lambda * bpp, which an encode at that lambda lowers."""
    return 10 ** (-row.psnr / 10) + row.lmbda * row.bpp


def points_in_common(measured: Iterable[M], images: Iterable[str] | None = None) -> list[list[M]]:
    """One list a point, ascending in mean rate, all of the same pictures: those that every point has, or `images`."""
    points: dict[float, dict[str, M]] = {}
    for row in measured:
        point = points.setdefault(row.lmbda, {})
        if row.image in point:
            raise ValueError(f"{row.image} comes twice at {row.lmbda:g}: take one codec, preset and seed at a time")
        point[row.image] = row
    common = set.intersection(*map(set, points.values())) if points else set()
    chosen = common if images is None else set(images)
    if not chosen or not chosen <= common:
        raise ValueError(f"not at every point: {', '.join(sorted(chosen - common)) or 'any picture'}")
    rows = [[point[image] for image in sorted(chosen)] for point in points.values()]
    return sorted(rows, key=lambda point: fmean(row.bpp for row in point))


def psnr_of_mean_mse(psnrs: Iterable[float]) -> float:
    """Cool-chic's mean over pictures, dB: below the mean PSNR by what the pictures differ. Never mix the two."""
    return -10 * log10(fmean(10 ** (-psnr / 10) for psnr in psnrs))


def mean_curve(
    name: str,
    measured: Iterable[Measured],
    images: Iterable[str] | None = None,
    average: Callable[[Iterable[float]], float] = fmean,
) -> Curve:
    """Over the pictures that every point has, or `images`; `average` of PSNRs: `fmean` or `psnr_of_mean_mse`."""
    points = points_in_common(measured, images)
    means = [(fmean(row.bpp for row in point), average([row.psnr for row in point])) for point in points]
    return curve_through(name, means)


def curve_through(name: str, points: Iterable[tuple[float, float]]) -> Curve:
    """Of (bpp, dB) in any order; equal points count once: some encoders write the same file at two qualities."""
    return Curve(name, *zip(*sorted(set(points)), strict=True))


def to_compressai_json(runs: Iterable[Run]) -> dict:
    """CompressAI's result file, times in seconds; MS-SSIM only where every picture has it. One codec at a time."""
    runs = list(runs)
    if len(codecs := {(run.codec, run.preset, run.seed) for run in runs}) != 1:
        raise ValueError(f"wanted the runs of one codec, preset and seed, got {sorted(codecs)}")
    points = points_in_common(runs)
    first = points[0][0]
    results = {
        "bpp": [fmean(run.bpp for run in point) for point in points],
        "psnr-rgb": [fmean(run.psnr for run in point) for point in points],
        "encoding_time": [fmean(run.encode_s for run in point) for point in points],
        "decoding_time": [fmean(run.decode_ms for run in point) / 1000 for point in points],
    }
    similarities = [[run.ms_ssim for run in point if run.ms_ssim is not None] for point in points]
    if all(len(known) == len(points[0]) for known in similarities):
        results["ms-ssim-rgb"] = [fmean(known) for known in similarities]
    description = f"{first.preset}, seed {first.seed}, mean of {len(points[0])} images, bytes of files"
    return {"name": first.codec, "description": description, "results": results}


COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00")  # Okabe & Ito, without yellow
MARKERS = "os^Dv<>"
PALETTE = 64  # colours and their shades
RATE_TICKS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10)


def plot(curves: Sequence[Curve], path: Path, title: str) -> None:
    """Rate-distortion plot as PNG, names at the curves' ends; the first curve (ours) sets the range of rates.

    The rates are on a logarithmic axis: there BD-rate is the distance across.
    """
    left, right = 0.85 * curves[0].bpp[0], 1.06 * curves[0].bpp[-1]
    curves = [curve for curve in curves if curve.bpp[0] < right and curve.bpp[-1] > left]
    starts = [_psnr_at(max(left, curve.bpp[0]), curve) for curve in curves]
    ends = [(min(right, curve.bpp[-1]), _psnr_at(min(right, curve.bpp[-1]), curve)) for curve in curves]
    bottom, top = min(starts) - 0.5, max(psnr for _, psnr in ends) + 0.5
    heights = spread([psnr for _, psnr in ends], (top - bottom) / 30, top)
    ticks = [tick for tick in RATE_TICKS if left <= tick <= right]

    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel="bits per pixel", ylabel="PSNR (dB)", xscale="log")
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    for index, (curve, end, height) in enumerate(zip(curves, ends, heights, strict=True)):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        style = "-" if index < len(COLOURS) else "--"
        axes.plot(curve.bpp, curve.psnr, style, color=colour, marker=marker, markersize=4, linewidth=1.4)
        leader = {"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.6}
        label = {"xytext": (1.03, height), "textcoords": axes.get_yaxis_transform(), "arrowprops": leader}
        axes.annotate(curve.name, end, **label, color=colour, verticalalignment="center", fontsize=9)
    file = BytesIO()
    figure.savefig(file, dpi=120)
    with Image.open(file) as image:
        image.convert("RGB").quantize(PALETTE).save(path, "PNG", optimize=True)  # a quarter of the bytes


def spread(heights: Sequence[float], gap: float, top: float = inf) -> list[float]:
    """The same heights in the same order, none above `top`, moved as little as keeps the gap between neighbours.

    Least squares under an order is pooling of neighbours: Barlow et al. 1972.
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    pools: list[tuple[float, int]] = []  # a mean and how many
    for k, index in enumerate(order):
        mean, count = heights[index] - k * gap, 1
        while pools and pools[-1][0] > mean:
            lower, more = pools.pop()
            mean, count = (mean * count + lower * more) / (count + more), count + more
        pools.append((mean, count))
    flat = [mean for mean, count in pools for _ in range(count)]
    highest = top - gap * (len(order) - 1)
    moved = {index: min(flat[k], highest) + k * gap for k, index in enumerate(order)}
    return [moved[index] for index in range(len(heights))]


def _psnr_at(bpp: float, curve: Curve) -> float:
    return float(np.interp(log10(bpp), np.log10(curve.bpp), curve.psnr))
