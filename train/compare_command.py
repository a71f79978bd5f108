"""`inrc compare`: BD-rates of codecs side by side, each pair over the pictures that both have.

Light to import: Pillow, SciPy and matplotlib are loaded by the functions that need them.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..runtime.cli import add, add_json
from .evaluate_command import MEAN_MSE, MEAN_PSNR, check_folders, pictures_in

if TYPE_CHECKING:
    from .compare import BdRate, BdRates
    from .curves import Curve, Measured

KODAK = frozenset(f"kodim{k:02}" for k in range(1, 25))
EACH = "picture by picture"
QUALITIES = {
    "jpeg": (5, 10, 20, 35, 50, 65, 80, 90, 95),
    "webp": (0, 10, 25, 40, 55, 70, 80, 90, 97),
    "avif": (8, 18, 28, 38, 48, 58, 68, 80, 90),
}
COLUMNS_MAX = 4  # anchors side by side
LEGEND = """\
BD-rate in percent, negative: fewer bits than the anchor; in brackets the PSNRs in dB that both reach, or, picture by
picture, the lowest and the highest. A codec with one point: dB gained at equal rate, and bits at equal PSNR."""


def add_compare(commands: Any) -> None:
    compare = add(commands, "compare", compare_command, "BD-rates of runs against anchors and conventional codecs")
    compare.add_argument("runs", nargs="+", metavar="runs.tsv", help="of `inrc evaluate`")
    compare.add_argument("--anchor", nargs="+", action="extend", default=[], metavar="FILE", help=ANCHOR_HELP)
    compare.add_argument("--only", nargs="+", metavar="TEXT", help="of the anchors those whose names hold one of TEXT")
    compare.add_argument("--conventional", metavar="DIR", help="of the runs' pictures: measures JPEG, WebP and AVIF there")
    compare.add_argument("--extra-bytes", type=int, metavar="N", help=EXTRA_HELP)
    compare.add_argument("--plot", metavar="rd.png", help="rate-distortion curves")
    add_json(compare)


ANCHOR_HELP = "Cool-chic's tables, conventional codecs', published mean curves, or runs of ours; known by their columns"
EXTRA_HELP = "a picture, where Cool-chic 5's rates are estimates: what its files have beside them (default 52)"


@dataclass(frozen=True)
class Codec:
    """A codec's measurements picture by picture, or only a published mean `curve` over the Kodak pictures."""

    name: str
    samples: tuple["Measured", ...] = ()
    curve: "Curve | None" = None

    @cached_property
    def images(self) -> set[str]:
        """The pictures that every point has."""
        from .curves import points_in_common

        try:
            return set(KODAK) if self.curve else {row.image for row in points_in_common(self.samples)[0]}
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error


@dataclass(frozen=True)
class Comparison:
    """`test` against `anchor` over the pictures that both have; `why` says what stood against it, or which it is without."""

    test: str
    anchor: str
    average: str
    pictures: int = 0
    rate: "BdRate | None" = None
    each: "BdRates | None" = None
    gain_db: float | None = None  # of a single point, at equal rate
    rate_percent: float | None = None  # of a single point, at equal PSNR
    why: str = ""

    def __str__(self) -> str:
        if self.rate:
            return f"{self.rate.percent:+.2f} [{self.rate.low_db:.1f}, {self.rate.high_db:.1f}]"
        if self.each:
            return str(self.each)
        gain = "" if self.gain_db is None else f"{self.gain_db:+.2f} dB"
        rate = "" if self.rate_percent is None else f"{self.rate_percent:+.1f} %"
        return ", ".join(filter(None, [gain, rate])) or "-"

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        percent = self.each.mean if self.each else self.rate.percent if self.rate else self.rate_percent
        return {**asdict(self), "percent": percent}


def compare_command(options: argparse.Namespace) -> None:
    check_folders(options.plot)
    ours = [codec for path in map(Path, options.runs) for codec in our_codecs(path, len(options.runs) > 1)]
    if not ours:
        raise ValueError(f"wanted runs, {' '.join(options.runs)} holds none")
    anchors, notes = chosen_anchors(options)
    pillow = measured_by_pillow(Path(options.conventional), ours) if options.conventional else []
    anchors, left_out = without_means(ours, [*anchors, *pillow] or ours[:1])
    if not anchors or anchors == ours:
        raise ValueError(" ".join(left_out) or "wanted --anchor, --conventional, or the runs of two codecs")
    comparisons = [
        compared(test, anchor, average)
        for average in (MEAN_PSNR, MEAN_MSE, EACH)
        for test in [*ours, *pillow]
        for anchor in anchors
        if average == MEAN_PSNR or not anchor.curve
    ]
    notes += [*left_out, *remarks(ours, comparisons)]
    if options.plot:
        notes += draw([*ours, *pillow, *anchors], Path(options.plot))
    if options.json:
        print(json.dumps({"comparisons": [each.facts() for each in comparisons], "notes": notes}))
    else:
        print("\n\n".join([LEGEND, *tables(comparisons), "\n".join(notes)]).rstrip())


def our_codecs(path: Path, named: bool) -> list[Codec]:
    """Of a TSV of ours; `named` after the file too."""
    from .compare import read_ours

    return [Codec(f"{path.stem} {name}" if named else name, tuple(runs)) for name, runs in read_ours(path).items()]


def chosen_anchors(options: argparse.Namespace) -> tuple[list[Codec], list[str]]:
    """What the files of --anchor hold, as far as --only lets it through; and notes."""
    from .compare import COOLCHIC_5_EXTRA_BYTES

    extra = COOLCHIC_5_EXTRA_BYTES if options.extra_bytes is None else options.extra_bytes
    read = [read_anchors(Path(name), extra) for name in options.anchor]
    codecs = [codec for file, _ in read for codec in file]
    only = [codec for codec in codecs if not options.only or any(text in codec.name for text in options.only)]
    if codecs and not only:
        raise ValueError(f"--only: wanted a part of one of {', '.join(codec.name for codec in codecs)}")
    return only, [note for _, note in read if note]


def read_anchors(path: Path, extra_bytes: int) -> tuple[list[Codec], str]:
    """The codecs of a file of any kind that its columns tell, and a note on its rates."""
    from .compare import read_conventional, read_coolchic, read_published

    with path.open(encoding="utf-8") as file:
        heading = next((line for line in file if not line.startswith("#")), "")
    columns = set(re.split("[,\t]", heading.strip()))
    if "seq_name" in columns:
        extra = 0 if "bytes" in columns else extra_bytes
        note = f"{path.stem}: its rates are estimates; {extra} bytes a picture are added for the rest of a file"
        return [Codec(path.stem, tuple(read_coolchic(path, extra)))], "" if "bytes" in columns else note
    if {"quality", "image"} <= columns:
        return [Codec(name, tuple(samples)) for name, samples in read_conventional(path).items()], ""
    if {"preset", "image"} <= columns:
        return our_codecs(path, named=True), ""
    if {"codec", "psnr_rgb"} <= columns:
        return [Codec(name, curve=curve) for name, curve in read_published(path).items()], ""
    kinds = "seq_name ..., codec quality image ..., codec bpp psnr_rgb ..., or those of our runs"
    raise ValueError(f"{path}: wanted the columns {kinds}; got {' '.join(sorted(columns))[:200]}")


def measured_by_pillow(folder: Path, ours: Sequence[Codec]) -> list[Codec]:
    """JPEG, WebP and AVIF on the pictures of our runs."""
    from .compare import AVIF, JPEG, WEBP, conventional

    paths = {path.stem: path for path in pictures_in([folder])}
    images = sorted(set[str]().union(*(codec.images for codec in ours)))
    if missing := [image for image in images if image not in paths]:
        raise ValueError(f"--conventional: wanted the runs' pictures in {folder}, found none for {', '.join(missing)}")
    samples: dict[str, list[Measured]] = {codec.name: [] for codec in (JPEG, WEBP, AVIF)}
    for image in images:
        print(f"{image}: JPEG, WebP, AVIF", file=sys.stderr)
        for codec in (JPEG, WEBP, AVIF):
            samples[codec.name] += conventional(paths[image], codec, QUALITIES[codec.name])
    return [Codec(f"pillow-{name}", tuple(runs)) for name, runs in samples.items()]


def without_means(ours: Sequence[Codec], anchors: list[Codec]) -> tuple[list[Codec], list[str]]:
    """Published means are over all 24 Kodak pictures: without them where no codec of ours has so many."""
    most = max(len(codec.images & KODAK) for codec in ours)
    kept = [anchor for anchor in anchors if not anchor.curve or most == len(KODAK)]
    if len(kept) == len(anchors):
        return anchors, []
    why = f"they are over the {len(KODAK)} Kodak pictures, and the runs have {most} of them"
    return kept, [f"published mean curves left out: {len(anchors) - len(kept)}, for {why}"]


def compared(test: Codec, anchor: Codec, average: str) -> Comparison:
    """Over the pictures that both have."""
    from .compare import bd_rate, bd_rates
    from .curves import mean_curve, psnr_of_mean_mse

    result = Comparison(test.name, anchor.name, average)
    try:
        images = common_images(test, anchor)
        result = replace(result, pictures=len(images))
        over = [[row for row in codec.samples if row.image in images] for codec in (anchor, test)]
        mean = psnr_of_mean_mse if average == MEAN_MSE else fmean
        curve = mean_curve(test.name, over[1], images, mean)
        if average == EACH:
            if len(curve.bpp) == 1:
                return result
            each = bd_rates(*over)
            why = f"without {', '.join(each.left_out)}, whose curves cannot be compared" if each.left_out else ""
            return replace(result, pictures=len(each.of_image), each=each, why=why)
        against = anchor.curve or mean_curve(anchor.name, over[0], images, mean)
        if len(curve.bpp) > 1:
            return replace(result, rate=bd_rate(against, curve))
        (point,) = zip(curve.bpp, curve.psnr, strict=True)
        return at_a_point(result, point, against)
    except ValueError as error:
        return replace(result, why=str(error))


def at_a_point(result: Comparison, point: tuple[float, float], against: "Curve") -> Comparison:
    """What the anchor's curve tells at the rate, and at the PSNR, as far as it reaches."""
    from .compare import interpolated_gain, interpolated_rate

    known, whys = {}, []
    for name, interpolated in (("gain_db", interpolated_gain), ("rate_percent", interpolated_rate)):
        try:
            known[name] = interpolated(point, against)
        except ValueError as error:
            whys.append(str(error))
    return replace(result, **known, why="; ".join(whys))


def common_images(test: Codec, anchor: Codec) -> set[str]:
    """Raises ValueError where there are none, or where `anchor` is a mean over more than the test has."""
    images = test.images & anchor.images
    if anchor.curve and images != KODAK:
        raise ValueError(f"a mean over the {len(KODAK)} Kodak pictures; {test.name} has {len(images)} of them")
    if not images:
        raise ValueError("no common picture")
    return images


def tables(comparisons: Sequence[Comparison]) -> list[str]:
    """A table of tests x anchors for each average, in parts where there are many anchors."""
    from .compare import table

    cells = {(each.average, each.test, each.anchor): str(each) for each in comparisons}
    tests = list(dict.fromkeys(each.test for each in comparisons))
    result = []
    for average in dict.fromkeys(each.average for each in comparisons):
        anchors = list(dict.fromkeys(each.anchor for each in comparisons if each.average == average))
        for i in range(0, len(anchors), COLUMNS_MAX):
            here = anchors[i : i + COLUMNS_MAX]
            rows = [(test, *(cells[average, test, anchor] for anchor in here)) for test in tests]
            if any(set(row[1:]) != {"-"} for row in rows):
                result.append(table([(average, *here), *rows]))
    return result


def remarks(ours: Sequence[Codec], comparisons: Sequence[Comparison]) -> list[str]:
    """What the tables do not show: pictures that were left out, and why a comparison of ours failed."""
    notes = []
    for codec in ours:
        if lacking := {row.image for row in codec.samples} - codec.images:
            notes.append(f"{codec.name}: left out, for they lack a point: {', '.join(sorted(lacking))}")
        pictures = {each.pictures for each in comparisons if each.test == codec.name and each.pictures}
        compared_on = ", ".join(map(str, sorted(pictures)))
        notes.append(f"{codec.name}: {len(codec.images)} pictures, compared on {compared_on or 'none'}")
    said = [one for one in comparisons if one.why and (one.each or one.test in {codec.name for codec in ours})]
    return notes + [f"{one.test} against {one.anchor}, {one.average}: {one.why}" for one in said]


def draw(codecs: Sequence[Codec], path: Path) -> list[str]:
    """A plot over the pictures of the first codec; returns notes on what it leaves out for want of some."""
    from .curves import mean_curve, plot

    images = codecs[0].images
    unique = {codec.name: codec for codec in codecs}.values()
    fit = [codec for codec in unique if (codec.images == images if codec.curve else images <= codec.images)]
    curves = [codec.curve or mean_curve(codec.name, codec.samples, images) for codec in fit]
    plot(curves, path, f"{len(images)} pictures, {MEAN_PSNR}")
    names = [codec.name for codec in unique if codec not in fit]
    return [f"{path}: without {', '.join(names)}, which lack some of the {len(images)} pictures"] if names else []
