"""One file of many to encode: it goes on where it was stopped, and is not made again.

A folder of its own holds the checkpoint while it is under way, and then a record of what it was made of.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..runtime.pixels import PixelError, write_atomically
from .checkpoint import keyed
from .clips import Clip
from .encoding import Result
from .goal import Goal
from .pictures import Picture
from .progress import Progress, Watch
from .sources import encode_source, open_source

REPORT_SECONDS = 0.5  # between reports of a task
KEPT_SECONDS = 10  # between what a task writes down of the time that it took
RECORD = "done.json"
LATE = "not begun: its time is over"
STATE = ".inrc"  # in the folder of the files: what tasks remember

Report = Callable[[str, Progress], None]  # of the task of that name


def open_one(path: Path) -> Picture | Clip:
    return open_source([path])


@dataclass(frozen=True)
class Task:
    """Paths are absolute: another process, or another machine, does it."""

    name: str  # as messages call it
    source: Path
    output: Path
    state: Path  # a folder
    goal: Goal
    options: dict[str, Any]  # as `encode_picture`'s
    open: Callable[[Path], Picture | Clip] = open_one
    begin_by: float = math.inf  # of `time.time`; later it is left

    @cached_property
    def key(self) -> str:
        """Of the file's content, the goal and the options."""
        with self.source.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256(repr((content, self.goal, keyed(self.options))).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of a task; `failed` says in one line why there are no figures, empty where there are."""

    name: str
    bytes: int = 0
    bpp: float = 0.0
    psnr: float = 0.0  # dB
    iterations: int = 0
    seconds: float = 0.0  # those of calls that were interrupted, too
    notes: tuple[str, ...] = ()
    failed: str = ""
    networks_bytes: int = 0  # a clip's are not told apart
    cpu_seconds: float = 0.0


class Stopwatch:
    """Wall-clock and CPU seconds of this process for a task, since its first call: a file remembers them."""

    def __init__(self, path: Path) -> None:
        wall, cpu = json.loads(path.read_text()) if path.exists() else (0.0, 0.0)
        self.path, self.began = path, (time.monotonic() - wall, time.process_time() - cpu)
        self.kept = time.monotonic()

    def read(self) -> tuple[float, float]:
        return time.monotonic() - self.began[0], time.process_time() - self.began[1]

    def keep(self) -> None:
        self.kept = time.monotonic()
        with suppress(PixelError):  # a full disk must not end the fit
            write_atomically(self.path, json.dumps(self.read()).encode())


def finished(task: Task) -> Outcome | None:
    """What an earlier call made, if of the same content with the same options, and still there."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads((task.state / RECORD).read_text())
        if (record["key"], record["sha256"]) == (task.key, hashlib.sha256(task.output.read_bytes()).hexdigest()):
            return Outcome(**record["outcome"] | {"notes": tuple(record["outcome"]["notes"])})
    return None


def encode_task(task: Task, report: Report) -> Outcome:
    """What goes wrong is in the outcome. An interruption leaves a checkpoint and raises KeyboardInterrupt."""
    last = -REPORT_SECONDS
    if time.time() > task.begin_by:
        return Outcome(task.name, failed=LATE)

    def watch(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_SECONDS:
            last = time.monotonic()
            report(task.name, progress)

    try:
        return encode(task, watch)
    except Exception as error:  # of whatever kind: it costs one file, not all
        kind = "" if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: "
        return Outcome(task.name, failed=kind + " ".join(str(error).removeprefix(f"{task.source}: ").split()))


def encode(task: Task, watch: Watch) -> Outcome:
    work = task.state / task.key
    if not work.is_dir():  # what is there is of other options
        shutil.rmtree(task.state, ignore_errors=True)
        work.mkdir(parents=True)
    spent = Stopwatch(work / "seconds")

    def timed(progress: Progress) -> None:
        if time.monotonic() - spent.kept > KEPT_SECONDS:
            spent.keep()
        watch(progress)

    source, shared = task.open(task.source), {"goal": task.goal, "watch": timed, "resume": True}
    result = encode_source(source, work / "resume", work / "segments", **shared, **task.options)
    if result.interrupted:
        spent.keep()
        raise KeyboardInterrupt
    (seconds, cpu_seconds), notes = spent.read(), (*source.notes, *filter(None, [result.missed]))
    facts = len(result.data), result.bpp, result.psnr, result.iterations, seconds, notes
    networks = result.networks_bytes if isinstance(result, Result) else 0
    outcome = Outcome(task.name, *facts, networks_bytes=networks, cpu_seconds=cpu_seconds)
    task.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(task.output, result.data)
    record = {"key": task.key, "sha256": hashlib.sha256(result.data).hexdigest(), "outcome": asdict(outcome)}
    write_atomically(task.state / RECORD, json.dumps(record).encode())
    shutil.rmtree(work)
    return outcome
