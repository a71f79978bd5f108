"""Where runs over Kodak's pictures stand: J beside Cool-chic's, BD-rates against many, a plot of the mean curves.

BD-rates are over the pictures that have all of at least four lambdas; all else is compared at its own rate and PSNR, by PCHIP
over the logarithm of the rate, never beyond an anchor's points. VTM, BPG, C3 and MLIC+ have published means over all 24 only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from inrcodec.train.compare import COOLCHIC_5_EXTRA_BYTES, bd_rate, read_ours, table
from inrcodec.train.compare_command import (
    EACH,
    LEGEND,
    Codec,
    compared,
    draw,
    read_anchors,
    remarks,
    tables,
    without_means,
)
from inrcodec.train.curves import cost, mean_curve
from inrcodec.train.evaluate_command import MEAN_MSE, MEAN_PSNR, summary
from inrcodec.train.runs import Run

FILES = ("coolchic_v5.0_kodak.tsv", "coolchic_v4.2_kodak.tsv", "kodak_published.csv", "kodak_conventional.csv")
COOLCHIC, VTM = f"Cool-chic 5.0.1 +{COOLCHIC_5_EXTRA_BYTES} B", "VTM"
PLOTTED = {
    "coolchic_v5.0_kodak": COOLCHIC,
    "coolchic_v4.2_kodak": "Cool-chic 4.2",
    "c3/C3": "C3",
    "compressai/vtm": VTM,
    "compressai/bpg444-x265": "BPG",
    "x265-444-10b-veryslow": "x265",
    "avif-avifenc-444-10b-s2-psnr": "AVIF slow",
    "jxl-e7": "JPEG XL",
    "webp-m6": "WebP",
    "jpeg-pillow-420": "JPEG",
}
NAMES = PLOTTED | {"c3/MLIC+": "MLIC+", "vvenc-420-10b-medium": "vvenc 4:2:0", "avif-pillow-444-s6-default": "AVIF Pillow"}
LOWEST = 27.4, 30.8  # dB, of Cool-chic 5's two lowest rates
FEWEST = 4  # lambdas of a BD-rate
OWN_RATE = "own rate"
HEADING = ("picture", "lambda", "preset", "bytes", "networks", "bpp", "PSNR", "1000 J", COOLCHIC, "J", "CPU s", "decode ms")


def standing(tsv: Path, anchors: Path, pictures: set[str], lmbdas: set[float], plot: Path | None = None) -> str:
    """All that there is to say of the rows of `pictures`; what is drawn has all `lmbdas`."""
    codecs, parts, drawn = read_codecs(anchors), [], Codec("")
    found = read_ours(tsv) if tsv.exists() else {}
    ours = {name: [run for run in runs if run.image in pictures] for name, runs in found.items()}
    runs = sorted((run for of_codec in ours.values() for run in of_codec), key=lambda run: (run.image, -run.lmbda))
    if not runs:
        return f"{tsv}: no rows of {', '.join(sorted(pictures))}"
    parts = [table([HEADING, *rows(runs, codecs)]), LEGEND]
    for name, of_codec in ours.items():
        whole = {image for image in pictures if lmbdas <= {run.lmbda for run in of_codec if run.image == image}}
        curve = Codec(name, tuple(run for run in of_codec if run.image in whole and run.lmbda in lmbdas))
        if len(whole) > len({run.image for run in drawn.samples}):
            drawn = curve
        counted = set(curve.samples) if len(lmbdas) >= FEWEST else set()
        if counted:
            parts += [summary([run for run in of_codec if run in counted]), *bd_rates(curve, codecs)]
        if rest := [run for run in of_codec if run not in counted]:
            parts += at_own_rate(rest, codecs)
    if plot:
        shown = [codec for codec in codecs if codec.name in PLOTTED.values()]
        lacking = [f"{plot}: not drawn, for no picture has all of {', '.join(map(str, sorted(lmbdas)))}"]
        parts += draw([drawn, *shown], plot) if drawn.samples else lacking
    return "\n\n".join(parts)


def read_codecs(folder: Path) -> list[Codec]:
    """Those of NAMES that the files which are there hold."""
    files = [folder / name for name in FILES if (folder / name).exists()]
    if not files:
        raise ValueError(f"{folder}: wanted one of {', '.join(FILES)}")
    found = {codec.name: codec for file in files for codec in read_anchors(file, COOLCHIC_5_EXTRA_BYTES)[0]}
    return [renamed(found[name], label) for name, label in NAMES.items() if name in found]


def renamed(codec: Codec, name: str) -> Codec:
    return Codec(name, codec.samples, replace(codec.curve, name=name) if codec.curve else None)


def rows(runs: Iterable[Run], codecs: Iterable[Codec]) -> Iterable[tuple[str, ...]]:
    samples = [row for codec in codecs if codec.name == COOLCHIC for row in codec.samples]
    theirs = {(row.image, row.lmbda): cost(row) for row in samples}
    for run in runs:
        rival = theirs.get((run.image, run.lmbda))
        beside = ("-", "-") if rival is None else (f"{1000 * rival:.4f}", f"{100 * (cost(run) / rival - 1):+.1f} %")
        size = f"{run.bytes}", f"{run.networks_bytes}", f"{run.bpp:.4f}", f"{run.psnr:.2f}", f"{1000 * cost(run):.4f}"
        times = "-" if run.cpu_s is None else f"{run.cpu_s:.0f}", f"{run.decode_ms:.0f}"
        yield (run.image, f"{run.lmbda:g}", run.preset, *size, *beside, *times)


def bd_rates(ours: Codec, codecs: list[Codec]) -> list[str]:
    """Of the mean curves, under both means, and of each picture; and of the lowest rates against VTM."""
    anchors, notes = without_means([ours], codecs)
    averages = (MEAN_PSNR, MEAN_MSE, EACH)
    ways = {each.name: averages[:1] if each.curve else averages for each in anchors}
    found = {each.name: [compared(ours, each, average) for average in ways[each.name]] for each in anchors}
    lines = [(name, *map(str, each), *["-"] * (len(averages) - len(each))) for name, each in found.items()]
    notes += remarks([ours], [one for each in found.values() for one in each])
    curve = next((codec.curve for codec in anchors if codec.name == VTM), None)
    try:
        low = curve and bd_rate(curve, mean_curve(ours.name, ours.samples), *LOWEST)
        notes += [f"{low.percent:+.2f} % against VTM at {low.low_db:.2f} to {low.high_db:.2f} dB"] if low else []
    except ValueError as error:
        notes += [f"against VTM at {LOWEST[0]} to {LOWEST[1]} dB: {error}"]
    return [table([(f"{ours.name} against", *averages), *lines]), "\n".join(notes)]


def at_own_rate(runs: Sequence[Run], codecs: list[Codec]) -> list[str]:
    """Row by row, and the means at a lambda."""
    tests = [Codec(f"{run.image} {run.lmbda:g} {run.preset}", (run,)) for run in runs]
    for lmbda, group in groupby(sorted(runs, key=lambda run: -run.lmbda), lambda run: run.lmbda):
        of_lambda = tuple(group)
        if len(of_lambda) > 1:
            tests.append(Codec(f"mean of {len(of_lambda)}, {lmbda:g}", of_lambda))
    anchors, notes = without_means(tests, codecs)
    comparisons = [compared(test, anchor, OWN_RATE) for anchor in anchors for test in tests]
    return [*tables(comparisons), *notes]
