"""Runs of a codec over pictures: encode, write the file, decode it from disk, measure, and keep one TSV row of each."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import TypeVar

import numpy as np
from PIL import Image

from ..runtime.pixels import write_atomically
from .metrics import ms_ssim, psnr

T = TypeVar("T")
Encode = Callable[[Path, float], tuple[bytes, Mapping[str, int]]]  # facts: "iterations", "networks_bytes", …
Decode = Callable[[Path], np.ndarray]  # ([frames,] height, width, 3) uint8
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """One picture or clip through one codec at one setting: a row of the TSV, its columns in this order."""

    image: str  # file name without suffix
    codec: str  # a method, or "jpeg", …
    preset: str
    lmbda: float  # or a conventional codec's quality, or the bpp aimed at
    width: int
    height: int
    bytes: int  # of the file
    bpp: float
    psnr: float  # dB, of 8-bit RGB; the mean over a clip's frames
    ms_ssim: float | None  # None: the picture is too small, or a clip
    encode_s: float
    decode_ms: float
    iterations: int
    seed: int  # as asked for: the same seed gives the same bytes, whatever the encoder tried in between
    networks_bytes: int

    @property
    def key(self) -> tuple[str, str, str, float, int]:
        """What makes a run the same run."""
        return self.image, self.codec, self.preset, self.lmbda, self.seed


@dataclass(frozen=True)
class Failure:
    """A picture that an encoder or decoder could not do, and why, in one line."""

    image: str
    lmbda: float
    reason: str


COLUMNS = [field.name for field in fields(Run)]
PARSE = {str: str, int: int, float: float, float | None: lambda cell: float(cell) if cell else None}


def read_runs(path: Path) -> list[Run]:
    """The rows of a TSV that `append_run` wrote; ValueError names the line that is not one."""
    lines = [(n, line) for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if not line.startswith("#")]
    if not lines or lines[0][1].split("\t") != COLUMNS:
        raise ValueError(f"{path}: wanted the columns {' '.join(COLUMNS)}")
    return [_parse(line, f"{path}:{number}") for number, line in lines[1:]]


def append_run(path: Path, run: Run) -> None:
    """Add one row, at once on disk; a new file first gets its provenance and its columns."""
    assert _is_cell(run.image), run.image
    cells = ["" if cell is None else str(cell) for cell in astuple(run)]
    path.parent.mkdir(parents=True, exist_ok=True)
    _append(path, ["\t".join(cells)] if path.exists() else [*_provenance(), "\t".join(COLUMNS), "\t".join(cells)])


def _is_cell(text: str) -> bool:
    """Whether a row can begin with it: no comment, one line, one column."""
    return not text.startswith("#") and "\t" not in text and len(f"{text}.".splitlines()) == 1


def _parse(line: str, where: str) -> Run:
    try:
        return Run(*(PARSE[field.type](cell) for field, cell in zip(fields(Run), line.split("\t"), strict=True)))
    except ValueError as error:
        raise ValueError(f"{where}: not a run: {error}") from error


def _append(path: Path, lines: Iterable[str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def _provenance() -> list[str]:
    """What made the rows below: command, machine, commit (where there is one), date."""
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    facts = {"command": command, "machine": f"{_cpu()}, {os.cpu_count()} cores", "commit": _commit()}
    facts["date"] = datetime.now(UTC).date().isoformat()
    return [f"# {name}: {fact}" for name, fact in facts.items() if fact]


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    """Of this source tree, with "-dirty" where it was changed since; "" for an installed package."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return ""
    describe = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(describe, capture_output=True, text=True).stdout.strip()


def read_rgb(path: Path) -> np.ndarray:
    """(height, width, 3) uint8: the pixels that a codec is measured against."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def evaluate(
    images: Iterable[Path],
    points: Sequence[float],
    encode: Encode,
    decode: Decode,
    tsv: Path,
    bitstreams: Path | None = None,
    progress: Callable[[str], object] = print,
    *,
    codec: str,
    preset: str,
    seed: int = 0,
    read: Decode = read_rgb,
) -> tuple[list[Run], list[Failure]]:
    """Every picture at every lambda that `tsv` does not hold yet; returns its runs, old and new, and what failed.

    `read` gives an original's pixels. The files are `bitstreams/{lmbda}/{image}.inr` (a temporary folder without
    `bitstreams`): one folder for one codec, preset and seed. A failure is reported and does not stop the rest; a later call
    tries it again.
    """
    images = list(images)
    if bad := [image.stem for image in images if not _is_cell(image.stem)]:
        raise ValueError(f"evaluate: a TSV cannot hold these names: {bad}")
    if len({image.stem for image in images}) < len(images):
        raise ValueError("evaluate: two pictures have the same name")
    known = {run.key: run for run in read_runs(tsv)} if tsv.exists() else {}
    new, failures = {}, []
    with nullcontext(bitstreams) if bitstreams else tempfile.TemporaryDirectory() as folder:
        for image, lmbda in product(images, points):
            key = image.stem, codec, preset, lmbda, seed
            if key in known or key in new:
                continue
            label = f"{image.stem} {codec} {preset} {lmbda:g}"
            try:
                run = _run(image, read(image), lmbda, encode, decode, Path(folder), codec=codec, preset=preset, seed=seed)
            except Exception as error:  # of whatever kind: it costs one row, not the night
                failures.append(Failure(image.stem, lmbda, " ".join(f"{type(error).__name__}: {error}".split())))
                progress(f"{label}: failed: {failures[-1].reason}")
                continue
            if tsv.exists() and not new:
                _append(tsv, _provenance())
            append_run(tsv, run)
            new[key] = run
            progress(f"{label}: {run.bpp:.4f} bpp, {run.psnr:.2f} dB, {run.encode_s:.1f} s")
    both = known | new
    wanted = ((image.stem, codec, preset, lmbda, seed) for image, lmbda in product(images, points))
    return [both[key] for key in wanted if key in both], failures


def measure(
    image: str,
    codec: str,
    preset: str,
    lmbda: float,
    *,
    original: np.ndarray,
    decoded: np.ndarray,
    size: int,
    encode_s: float,
    decode_s: float,
    iterations: int = 0,
    seed: int = 0,
    networks_bytes: int = 0,
) -> Run:
    """The run of a file of `size` bytes; `original` and `decoded` are ([frames,] height, width, 3) uint8."""
    height, width, _ = original.shape[-3:]
    if original.ndim == 3:
        fidelity, similarity = psnr(original, decoded), ms_ssim(original, decoded)
    else:
        fidelity, similarity = fmean(psnr(a, b) for a, b in zip(original, decoded, strict=True)), None
    return Run(
        image=image,
        codec=codec,
        preset=preset,
        lmbda=float(lmbda),
        width=width,
        height=height,
        bytes=size,
        bpp=round(8 * size / original[..., 0].size, 6),
        psnr=round(fidelity, 4),
        ms_ssim=None if similarity is None else round(similarity, 6),
        encode_s=round(encode_s, 3),
        decode_ms=round(1000 * decode_s, 2),
        iterations=iterations,
        seed=seed,
        networks_bytes=networks_bytes,
    )


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """What a call returns, and its wall-clock seconds."""
    start = perf_counter()
    return call(), perf_counter() - start


def _run(
    image: Path,
    original: np.ndarray,
    lmbda: float,
    encode: Encode,
    decode: Decode,
    folder: Path,
    *,
    codec: str,
    preset: str,
    seed: int,
) -> Run:
    (data, facts), encode_s = timed(lambda: encode(image, lmbda))
    path = folder / str(lmbda) / f"{image.stem}.inr"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    decoded, decode_s = timed(lambda: decode(path))
    return measure(
        image.stem,
        codec,
        preset,
        lmbda,
        original=original,
        decoded=decoded,
        size=path.stat().st_size,
        encode_s=encode_s,
        decode_s=decode_s,
        iterations=facts["iterations"],
        seed=seed,
        networks_bytes=facts["networks_bytes"],
    )
