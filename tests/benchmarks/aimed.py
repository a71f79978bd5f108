"""Encodes of pictures by a method, aimed at a rate: a row of a TSV each, and the files in a folder of the TSV's name."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from inrcodec.models import METHODS
from inrcodec.runtime.decoder import decode
from inrcodec.runtime.pixels import Metadata
from inrcodec.runtime.speed import bench
from inrcodec.train.encode import encode_picture
from inrcodec.train.evaluate import Run, evaluate
from inrcodec.train.goal import Goal
from inrcodec.train.pictures import read_picture


def chosen(names: Iterable[str]) -> list[str]:
    """Methods by their names, or "all". One for sets of pictures has sets of one."""
    return [name for name, build in METHODS.items() if build().kind == "image"] if "all" in names else list(names)


def aimed(
    method: str, pictures: Iterable[Path], rates: Sequence[float], iterations: int, tsv: Path, device: str = "cpu"
) -> list[Run]:
    """What `tsv` does not hold yet is encoded, on one thread; its column `lmbda` holds the rate. Raises ValueError."""

    def encode(path: Path, rate: float) -> tuple[bytes, dict[str, int]]:
        picture = replace(read_picture(path), metadata=Metadata())
        options = {"iterations": iterations, "threads": 1, "device": device}
        result = encode_picture(picture, method, goal=Goal("bpp", rate), **options)
        if result.interrupted:
            raise KeyboardInterrupt
        return result.data, {"iterations": result.iterations, "networks_bytes": result.networks_bytes}

    names = {"codec": method, "preset": f"{iterations} iterations to bpp"}
    runs, failures = evaluate(pictures, rates, encode, decode, tsv, tsv.with_suffix("") / method, **names)
    if failures:
        raise ValueError(f"{method}: {failures[0].image}: {failures[0].reason}")
    return runs


def decoding(run: Run, tsv: Path) -> dict[str, float]:
    """What `inrc bench` says of a run's file, on one thread."""
    file = tsv.with_suffix("") / run.codec / str(run.lmbda) / f"{run.image}.inr"
    return bench(file.read_bytes(), threads=1, runs=5)
