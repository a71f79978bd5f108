"""`inrc evaluate` and `inrc compare`: a codec over a set of pictures, and codecs side by side.

Light to import: torch, Pillow, SciPy and matplotlib are loaded by the functions that need them.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runtime.cli import add, add_json, add_threads
from ..runtime.decoder import decode
from ..runtime.pixels import Metadata, write_atomically

if TYPE_CHECKING:
    from .compare import BdRate, BdRates
    from .evaluate import Curve, Decode, Encode, Measured, Run

LAMBDAS = (0.02, 0.004, 0.001, 0.0004, 0.0001)  # Cool-chic's
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm", ".bmp", ".gif")
KODAK = frozenset(f"kodim{k:02}" for k in range(1, 25))
MEAN_PSNR, MEAN_MSE, EACH = "mean PSNR", "PSNR of the mean MSE", "picture by picture"
QUALITIES = {
    "jpeg": (5, 10, 20, 35, 50, 65, 80, 90, 95),
    "webp": (0, 10, 25, 40, 55, 70, 80, 90, 97),
    "avif": (8, 18, 28, 38, 48, 58, 68, 80, 90),
}
COLUMNS_MAX = 4  # anchors side by side
LEGEND = """\
BD-rate in percent, negative: fewer bits than the anchor; in brackets the PSNRs in dB that both reach, or, picture by
picture, the lowest and the highest. A codec with one point: dB gained at equal rate."""


class StudyError(ValueError):
    """Pictures or measurements that do not make a study; says what was wanted and what came."""


def add_commands(commands: Any) -> None:
    add_evaluate(commands)
    add_compare(commands)


def add_evaluate(commands: Any) -> None:
    evaluate = add(commands, "evaluate", evaluate_command, "encode, decode and measure pictures; goes on where it stopped")
    evaluate.add_argument("images", nargs="+", metavar="IMAGES", help="files and folders; measured as 8-bit RGB")
    evaluate.add_argument("-o", "--output", required=True, metavar="runs.tsv", help="a row per picture and lambda")
    evaluate.add_argument("--method", default="pyramid", help="see `inrc methods` (default pyramid)")
    evaluate.add_argument("--preset", default="medium", help="draft, fast, medium, slow or placebo (default medium)")
    evaluate.add_argument("--iterations", type=int, metavar="N", help="instead of the preset's")
    evaluate.add_argument("--lmbda", type=float, nargs="+", default=LAMBDAS, metavar="X", help=f"default {LAMBDAS}")
    evaluate.add_argument("--seed", type=int, default=0, metavar="N")
    evaluate.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    add_threads(evaluate)
    evaluate.add_argument("--bitstreams", metavar="DIR", help="keep DIR/LAMBDA/IMAGE.inr: of one method, preset, seed")
    evaluate.add_argument("--json", metavar="FILE", help="means as CompressAI writes them")
    evaluate.add_argument("--plot", metavar="rd.png", help="rate-distortion curve")


def evaluate_command(options: argparse.Namespace) -> None:
    from .encode import choose_device, choose_iterations, choose_method
    from .evaluate import evaluate, mean_curve, plot, to_compressai_json
    from .goal import Goal

    images, points = pictures_in(options.images), list(dict.fromkeys(options.lmbda))
    choose_method(options.method)
    choose_device(options.device)
    choose_iterations(options.preset, options.iterations)
    for lmbda in points:
        Goal.of(lmbda)
    check_folders(options.json, options.plot)
    runs, failures = evaluate(
        images,
        points,
        encoder(options),
        decoder(options.threads),
        Path(options.output),
        Path(options.bitstreams) if options.bitstreams else None,
        lambda line: print(line, flush=True),
        codec=options.method,
        preset=f"{options.iterations}-iterations" if options.iterations else options.preset,
        seed=options.seed,
    )
    if runs:
        print(summary(runs))
        if options.json:
            write_atomically(options.json, json.dumps(to_compressai_json(runs), indent=1).encode())
        if options.plot:
            plot([mean_curve(options.method, runs)], Path(options.plot), f"{len(images)} pictures")
    if failures:
        raise StudyError(f"{len(failures)} of {len(images) * len(points)} runs failed; another call tries them again")


def pictures_in(names: Iterable[str | Path]) -> list[Path]:
    """Files as they are, and the pictures in folders."""
    found: list[Path] = []
    for path in map(Path, names):
        inside = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not inside or not path.exists():
            raise StudyError(f"{path}: wanted a picture or a folder of pictures, found none")
        found += inside
    return found


def check_folders(*files: str | None) -> None:
    """Before long work."""
    if missing := [file for file in files if file and not Path(file).parent.is_dir()]:
        raise StudyError(f"wanted an output in a folder that is there, got {missing[0]}")


def encoder(options: argparse.Namespace) -> "Encode":
    """What encodes a picture at a lambda, without its metadata: those of other codecs' files are not counted either."""
    from .encode import encode_picture
    from .goal import Goal
    from .pictures import read_picture
    from .progress import shown

    shared = {name: getattr(options, name) for name in ("method", "preset", "iterations", "device", "threads", "seed")}

    def encode(path: Path, lmbda: float) -> tuple[bytes, dict[str, int]]:
        picture = read_picture(path)
        if picture.pixels.dtype != np.uint8 or picture.pixels.shape[2] in (2, 4):
            raise StudyError("wanted 8 bits a sample and no alpha: PSNR is that of 8-bit RGB")
        with shown(quiet=False) as watch:
            result = encode_picture(replace(picture, metadata=Metadata()), goal=Goal.of(lmbda), watch=watch, **shared)
        if result.interrupted:  # what there is by then is no measurement
            raise KeyboardInterrupt
        return result.data, {"iterations": result.iterations, "networks_bytes": result.networks_bytes}

    return encode


def decoder(threads: int) -> "Decode":
    def decode_rgb(path: Path) -> np.ndarray:
        pixels = decode(path, threads)
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)

    return decode_rgb


def summary(runs: Sequence["Run"]) -> str:
    """A line a point, over the pictures that every point has."""
    from .compare import table
    from .evaluate import points_in_common, psnr_of_mean_mse

    rows = [("lambda", "pictures", "bpp", MEAN_PSNR, MEAN_MSE, "encode s", "decode ms")]
    for point in points_in_common(runs):
        rate, psnrs = fmean(run.bpp for run in point), [run.psnr for run in point]
        quality = f"{fmean(psnrs):.2f}", f"{psnr_of_mean_mse(psnrs):.2f}"
        times = f"{fmean(run.encode_s for run in point):.1f}", f"{fmean(run.decode_ms for run in point):.1f}"
        rows.append((f"{point[0].lmbda:g}", f"{len(point)}", f"{rate:.4f}", *quality, *times))
    return table(rows)


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
        from .evaluate import points_in_common

        try:
            return set(KODAK) if self.curve else {row.image for row in points_in_common(self.samples)[0]}
        except ValueError as error:
            raise StudyError(f"{self.name}: {error}") from error


@dataclass(frozen=True)
class Comparison:
    """`test` against `anchor` over the pictures that both have; `why` says what stood against it."""

    test: str
    anchor: str
    average: str
    pictures: int = 0
    rate: "BdRate | None" = None
    each: "BdRates | None" = None
    gain_db: float | None = None  # of a single point
    why: str = ""

    def __str__(self) -> str:
        if self.rate:
            return f"{self.rate.percent:+.2f} [{self.rate.low_db:.1f}, {self.rate.high_db:.1f}]"
        if self.each:
            return str(self.each)
        return "-" if self.gain_db is None else f"{self.gain_db:+.2f} dB"

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        percent = self.each.mean if self.each else self.rate.percent if self.rate else None
        return {**asdict(self), "percent": percent}


def compare_command(options: argparse.Namespace) -> None:
    check_folders(options.plot)
    ours = [codec for path in map(Path, options.runs) for codec in our_codecs(path, len(options.runs) > 1)]
    if not ours:
        raise StudyError(f"wanted runs, {' '.join(options.runs)} holds none")
    anchors, notes = chosen_anchors(options)
    pillow = measured_by_pillow(Path(options.conventional), ours) if options.conventional else []
    anchors, left_out = without_means(ours, [*anchors, *pillow] or ours[:1])
    if not anchors or anchors == ours:
        raise StudyError(" ".join(left_out) or "wanted --anchor, --conventional, or the runs of two codecs")
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
        raise StudyError(f"--only: wanted a part of one of {', '.join(codec.name for codec in codecs)}")
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
    raise StudyError(f"{path}: wanted the columns {kinds}; got {' '.join(sorted(columns))[:200]}")


def measured_by_pillow(folder: Path, ours: Sequence[Codec]) -> list[Codec]:
    """JPEG, WebP and AVIF on the pictures of our runs."""
    from .compare import AVIF, JPEG, WEBP, conventional

    paths = {path.stem: path for path in pictures_in([folder])}
    images = sorted(set[str]().union(*(codec.images for codec in ours)))
    if missing := [image for image in images if image not in paths]:
        raise StudyError(f"--conventional: wanted the runs' pictures in {folder}, found none for {', '.join(missing)}")
    samples: dict[str, list[Run]] = {codec.name: [] for codec in (JPEG, WEBP, AVIF)}
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
    from .compare import bd_rate, bd_rates, interpolated_gain
    from .evaluate import mean_curve, psnr_of_mean_mse

    result = Comparison(test.name, anchor.name, average)
    try:
        images = common_images(test, anchor)
        result = replace(result, pictures=len(images))
        over = [[row for row in codec.samples if row.image in images] for codec in (anchor, test)]
        mean = psnr_of_mean_mse if average == MEAN_MSE else fmean
        curve = mean_curve(test.name, over[1], images, mean)
        if average == EACH:
            return replace(result, each=bd_rates(*over)) if len(curve.bpp) > 1 else result
        against = anchor.curve or mean_curve(anchor.name, over[0], images, mean)
        if len(curve.bpp) > 1:
            return replace(result, rate=bd_rate(against, curve))
        (point,) = zip(curve.bpp, curve.psnr, strict=True)
        return replace(result, gain_db=interpolated_gain(point, against))
    except ValueError as error:
        return replace(result, why=str(error))


def common_images(test: Codec, anchor: Codec) -> set[str]:
    """Raises StudyError where there are none, or where `anchor` is a mean over more than the test has."""
    images = test.images & anchor.images
    if anchor.curve and images != KODAK:
        raise StudyError(f"a mean over the {len(KODAK)} Kodak pictures; {test.name} has {len(images)} of them")
    if not images:
        raise StudyError("no common picture")
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
    """What the tables do not show of ours: pictures that were left out, and why a comparison failed."""
    notes = []
    for codec in ours:
        if lacking := {row.image for row in codec.samples} - codec.images:
            notes.append(f"{codec.name}: left out, for they lack a point: {', '.join(sorted(lacking))}")
        pictures = {each.pictures for each in comparisons if each.test == codec.name and each.pictures}
        compared_on = ", ".join(map(str, sorted(pictures)))
        notes.append(f"{codec.name}: {len(codec.images)} pictures, compared on {compared_on or 'none'}")
    failed = [one for one in comparisons if one.why and one.test in {codec.name for codec in ours}]
    return notes + [f"{one.test} against {one.anchor}, {one.average}: {one.why}" for one in failed]


def draw(codecs: Sequence[Codec], path: Path) -> list[str]:
    """A plot over the pictures of the first codec; returns notes on what it leaves out for want of some."""
    from .evaluate import mean_curve, plot

    images = codecs[0].images
    unique = {codec.name: codec for codec in codecs}.values()
    fit = [codec for codec in unique if (codec.images == images if codec.curve else images <= codec.images)]
    curves = [codec.curve or mean_curve(codec.name, codec.samples, images) for codec in fit]
    plot(curves, path, f"{len(images)} pictures, {MEAN_PSNR}")
    names = [codec.name for codec in unique if codec not in fit]
    return [f"{path}: without {', '.join(names)}, which lack some of the {len(images)} pictures"] if names else []
