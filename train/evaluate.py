"""Runs of a codec over pictures: encode, write the file, decode it from disk, measure, and keep one TSV row of each."""

import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from time import perf_counter, process_time
from typing import TypeVar

import numpy as np
from PIL import Image

from ..runtime.pixels import write_atomically
from .metrics import ms_ssim, psnr
from .runs import Run, append_lines, append_run, is_cell, provenance, read_runs

DECODES = 3  # of which the fastest counts: the first loads graphs
T = TypeVar("T")
Encode = Callable[[Path, float], tuple[bytes, Mapping[str, int]]]  # facts: "iterations", "networks_bytes", …
Decode = Callable[[Path], np.ndarray]  # ([frames,] height, width, 3) uint8


@dataclass(frozen=True)
class Encoded:
    """A picture's file at a lambda, or, where there is none, why in one line."""

    image: Path
    lmbda: float
    data: bytes = b""
    iterations: int = 0
    networks_bytes: int = 0
    seconds: float = 0.0
    cpu_seconds: float | None = None
    failed: str = ""


Point = tuple[Path, float]  # a picture and its lambda
Encodes = Callable[[Sequence[Point], Path], Generator[Encoded, None, None]]  # as they come; the folder is that of their files


@dataclass(frozen=True)
class Failure:
    """A picture that an encoder or decoder could not do, and why, in one line."""

    image: str
    lmbda: float
    reason: str


def read_rgb(path: Path) -> np.ndarray:
    """(height, width, 3) uint8: the pixels that a codec is measured against."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def in_turn(encode: Encode) -> Encodes:
    """One after another, in this process."""

    def encodes(points: Sequence[Point], folder: Path) -> Generator[Encoded, None, None]:
        for image, lmbda in points:
            began = process_time()
            try:
                (data, facts), seconds = timed(partial(encode, image, lmbda))
            except Exception as error:  # of whatever kind: it costs one row, not the night
                yield Encoded(image, lmbda, failed=in_a_line(error))
            else:
                counts = facts["iterations"], facts["networks_bytes"]
                yield Encoded(image, lmbda, data, *counts, seconds, process_time() - began)

    return encodes


def in_a_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def evaluate(
    images: Iterable[Path],
    points: Sequence[float],
    encodes: Encodes,
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

    `read` gives an original's pixels. The files are those that `file_in` names in `bitstreams` (a temporary folder without):
    one folder for one codec, preset and seed. A failure is reported and does not stop the rest; a later call tries it again.
    """
    images = list(images)
    if bad := [image.stem for image in images if not is_cell(image.stem)]:
        raise ValueError(f"evaluate: a TSV cannot hold these names: {bad}")
    if len({image.stem for image in images}) < len(images):
        raise ValueError("evaluate: two pictures have the same name")
    runs = {run.key: run for run in read_runs(tsv)} if tsv.exists() else {}
    wanted = {(image.stem, codec, preset, lmbda, seed): (image, lmbda) for image, lmbda in product(images, points)}
    todo = [point for key, point in wanted.items() if key not in runs]
    new, failures = tsv.exists(), []
    with (
        nullcontext(bitstreams) if bitstreams else tempfile.TemporaryDirectory() as folder,
        closing(encodes(todo, Path(folder))) as done,
    ):
        for encoded in done:
            label = f"{encoded.image.stem} {codec} {preset} {encoded.lmbda:g}"
            try:
                run = None if encoded.failed else _run(encoded, Path(folder), decode, read, codec, preset, seed)
                failed = encoded.failed
            except Exception as error:
                run, failed = None, in_a_line(error)
            if run is None:
                failures.append(Failure(encoded.image.stem, encoded.lmbda, failed))
                progress(f"{label}: failed: {failed}")
                continue
            if new:
                append_lines(tsv, provenance())
            append_run(tsv, run)
            runs[run.key], new = run, False
            progress(f"{label}: {run.bpp:.4f} bpp, {run.psnr:.2f} dB, {run.encode_s:.1f} s")
    return [runs[key] for key in wanted if key in runs], failures


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
    cpu_s: float | None = None,
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
        cpu_s=None if cpu_s is None else round(cpu_s, 1),
    )


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """What a call returns, and its wall-clock seconds."""
    start = perf_counter()
    return call(), perf_counter() - start


def file_in(folder: Path, image: str, lmbda: float) -> Path:
    """Where a picture's file is."""
    return folder / str(lmbda) / f"{image}.inr"


def _run(encoded: Encoded, folder: Path, decode: Decode, read: Decode, codec: str, preset: str, seed: int) -> Run:
    path = file_in(folder, encoded.image.stem, encoded.lmbda)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, encoded.data)
    decoded, first = timed(lambda: decode(path))
    decode_s = min(first, *(timed(lambda: decode(path))[1] for _ in range(DECODES - 1)))
    return measure(
        encoded.image.stem,
        codec,
        preset,
        encoded.lmbda,
        original=read(encoded.image),
        decoded=decoded,
        size=path.stat().st_size,
        encode_s=encoded.seconds,
        decode_s=decode_s,
        iterations=encoded.iterations,
        seed=seed,
        networks_bytes=encoded.networks_bytes,
        cpu_s=encoded.cpu_seconds,
    )
