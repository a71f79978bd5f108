"""Pictures at several lambdas, encoded in processes of this machine: what is interrupted goes on from its checkpoint."""

import math
import shutil
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.pixels import Metadata
from .evaluate import Encoded, Encodes, Point, file_in
from .fleet import encode_all, processes
from .goal import Goal
from .pictures import Picture, PictureError, read_picture
from .progress import Progress, figures
from .task import LATE, STATE, Report, Task, finished

LINE_SECONDS = 60  # between lines of one encode


def read_bare(path: Path) -> Picture:
    """Without its metadata: those of other codecs' files are not counted either."""
    picture = read_picture(path)
    if picture.pixels.dtype != np.uint8 or picture.pixels.shape[2] in (2, 4):
        raise PictureError("wanted 8 bits a sample and no alpha: PSNR is that of 8-bit RGB")
    return replace(picture, metadata=Metadata())


def in_processes(count: int, options: Mapping[str, Any], begin_by: float = math.inf) -> Encodes:
    """So many at once; `options` are `encode_picture`'s. What has not begun by `begin_by` (of `time.time`) is left."""

    def encodes(points: Sequence[Point], folder: Path) -> Generator[Encoded, None, None]:
        tasks = [_task(point, folder.resolve(), options, begin_by) for point in points]
        of_name = {task.name: (task, *point) for task, point in zip(tasks, points, strict=True)}
        earlier = {task.name: outcome for task in tasks if (outcome := finished(task))}
        todo = [task for task in tasks if task.name not in earlier]
        place = partial(processes, max(1, min(count, len(todo))))
        with closing(encode_all(todo, place, lines())) as later:
            for outcome in chain(earlier.values(), later if todo else ()):
                task, image, lmbda = of_name[outcome.name]
                if outcome.failed:
                    if outcome.failed != LATE:
                        yield Encoded(image, lmbda, failed=outcome.failed)
                    continue
                costs = outcome.iterations, outcome.networks_bytes, outcome.seconds, outcome.cpu_seconds
                yield Encoded(image, lmbda, task.output.read_bytes(), *costs)
                shutil.rmtree(task.state)

    return encodes


def lines() -> Report:
    """On stderr, now and then, how far each is."""
    shown: dict[str, float] = {}

    def report(name: str, progress: Progress) -> None:
        if time.monotonic() - shown.setdefault(name, time.monotonic()) > LINE_SECONDS:
            shown[name] = time.monotonic()
            print(f"{name}: {progress.stage} {100 * progress.done:.0f} %  {figures(progress)}", file=sys.stderr)

    return report


def _task(point: Point, folder: Path, options: Mapping[str, Any], begin_by: float) -> Task:
    image, lmbda = point
    state, file = folder / STATE / str(lmbda) / image.stem, file_in(folder, image.stem, lmbda)
    return Task(f"{image.stem} {lmbda}", image.resolve(), file, state, Goal.of(lmbda), dict(options), read_bare, begin_by)
