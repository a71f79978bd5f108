"""Encodes of pictures and clips by a method, aimed at a rate: a row of a TSV each, and the files in a folder of its name."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from inrcodec.models import METHODS
from inrcodec.runtime.decoder import decode
from inrcodec.runtime.pixels import Metadata
from inrcodec.runtime.speed import bench
from inrcodec.train.clips import clip_from_array
from inrcodec.train.encode import encode_picture
from inrcodec.train.evaluate import evaluate, in_turn, read_rgb
from inrcodec.train.goal import Goal
from inrcodec.train.pictures import read_picture
from inrcodec.train.runs import Run
from inrcodec.train.segments import encode_clip


def chosen(names: Iterable[str], kind: str = "image") -> list[str]:
    """Methods by their names, or "all" of a kind. One for sets of pictures has sets of one."""
    return [name for name, build in METHODS.items() if build().kind == kind] if "all" in names else list(names)


def aimed(
    method: str, sources: Iterable[Path], rates: Sequence[float], iterations: int, tsv: Path, device: str = "cpu"
) -> list[Run]:
    """What `tsv` does not hold yet is encoded, on one thread; its column `lmbda` holds the rate. Raises ValueError.

    A source is a picture's file, or a clip's frames (T, H, W, 3) in a .npy.
    """

    def encode(path: Path, rate: float) -> tuple[bytes, dict[str, int]]:
        goal, options = Goal("bpp", rate), {"iterations": iterations, "threads": 1, "device": device}
        if path.suffix == ".npy":
            with tempfile.TemporaryDirectory() as folder:
                result = encode_clip(clip_from_array(np.load(path)), Path(folder) / "segments", goal, method, **options)
            networks = 0  # they are not told apart
        else:
            result = encode_picture(replace(read_picture(path), metadata=Metadata()), method, goal=goal, **options)
            networks = result.networks_bytes
        if result.interrupted:
            raise KeyboardInterrupt
        return result.data, {"iterations": result.iterations, "networks_bytes": networks}

    names = {"codec": method, "preset": f"{iterations} iterations to bpp"}
    runs, failures = evaluate(
        sources, rates, in_turn(encode), decode, tsv, tsv.with_suffix("") / method, **names, read=frames_of
    )
    if failures:
        raise ValueError(f"{method}: {failures[0].image}: {failures[0].reason}")
    return runs


def frames_of(path: Path) -> np.ndarray:
    """([T,] H, W, 3) uint8."""
    return np.load(path) if path.suffix == ".npy" else read_rgb(path)


def decoding(run: Run, tsv: Path) -> dict[str, float]:
    """What `inrc bench` says of a run's file, on one thread."""
    return bench(file_of(run, tsv).read_bytes(), threads=1, runs=5)


def file_of(run: Run, tsv: Path) -> Path:
    return tsv.with_suffix("") / run.codec / str(run.lmbda) / f"{run.image}.inr"
