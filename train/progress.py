"""How long work shows itself: a bar with ETA, bpp and PSNR on a terminal, a line now and then elsewhere."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LINE_SECONDS = 10  # between lines where there is no terminal
SPEED_SECONDS = 600  # that the time left is estimated from: updates may be minutes apart


@dataclass(frozen=True)
class Progress:
    """Where an encode stands; the measure is an estimate until the file is written."""

    stage: str
    done: float  # 0 ... 1 of the stage
    iteration: int
    lmbda: float
    bpp: float
    psnr: float


Watch = Callable[[Progress], None]


@contextmanager
def shown(quiet: bool) -> Iterator[Watch]:
    """A `watch` for `encode_picture`, on stderr."""
    if quiet:
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _bar() as watch:
            yield watch
    else:
        yield _Lines().watch


@contextmanager
def _bar() -> Iterator[Watch]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}")
    options = {"console": Console(stderr=True), "transient": True, "redirect_stdout": sys.stdout.isatty()}
    with Bar(*columns, TimeElapsedColumn(), TimeRemainingColumn(), speed_estimate_period=SPEED_SECONDS, **options) as bar:
        task = bar.add_task("fit", total=1.0, figures="")

        def watch(progress: Progress) -> None:
            bar.update(task, description=progress.stage, completed=progress.done, figures=figures(progress))

        yield watch


class _Lines:
    def __init__(self) -> None:
        self.start = self.last = time.monotonic()

    def watch(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.last < LINE_SECONDS:
            return
        self.last = now
        done = max(progress.done, 1e-9)
        left = f"  {(now - self.start) * (1 / done - 1):.0f} s left" if done > 0.01 else ""
        print(f"{progress.stage} {100 * done:.0f} %  {figures(progress)}{left}", file=sys.stderr)


def figures(progress: Progress) -> str:
    if math.isnan(progress.bpp):
        return f"lambda {progress.lmbda:.2g}" if progress.lmbda else ""
    return f"{progress.bpp:.3f} bpp  {progress.psnr:.2f} dB  lambda {progress.lmbda:.2g}"


def summary(facts: Mapping[str, Any]) -> str:
    """Of what was written, in a line."""
    parts = f" in {facts['segments']} segments" if "segments" in facts else ""
    text = "{bytes} bytes{parts}, {bpp:.4f} bpp, {psnr:.2f} dB, {iterations} iterations, {seconds:.1f} s"
    return text.format(parts=parts, **facts)
