"""`inrc encode DIR OUT/`: every picture and clip of a folder, each in a file of its own."""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean
from threading import Lock

from .fleet import encode_all, on_ray, processes
from .goal import Goal
from .kinds import CLIPS, PICTURES
from .options import EncodeError, choose_coding, choose_device, choose_iterations, choose_method, chosen, positive
from .progress import Progress, Watch, shown, summary
from .task import STATE, Outcome, Task, finished


def encode_folder(options: argparse.Namespace, names: list[str], output: Path) -> None:
    """Raises EncodeError at the end if any could not be encoded; by then all others are."""
    tasks = list(tasks_of(options, names, output))
    earlier = {task.name: outcome for task in tasks if (outcome := finished(task))}
    todo = [task for task in tasks if task.name not in earlier]
    place = partial(processes, max(1, min(options.jobs, len(todo))))
    if options.cluster:
        place = partial(on_ray, options.cluster, options.jobs, threads_of(options), options.device)
    say = (lambda line: None) if options.json or options.quiet else partial(print, flush=True)
    for outcome in earlier.values():
        say(f"{line(outcome)}, made before")
    outcomes = dict(earlier)
    with shown(options.quiet) as watch:
        standing = Standing(len(todo), watch)
        try:
            for outcome in encode_all(todo, place, standing.report) if todo else ():
                standing.done(outcome)
                outcomes[outcome.name] = outcome
                say(line(outcome))
                for note in outcome.notes:
                    print(f"inrc encode: {outcome.name}: {note}", file=sys.stderr)
        except KeyboardInterrupt:
            print(f"inrc encode: what is done is in {output}; another call goes on from there", file=sys.stderr)
            raise
    ordered = [outcomes[task.name] for task in tasks]
    good, bad = [each for each in ordered if not each.failed], [each for each in ordered if each.failed]
    if options.json:
        print(json.dumps({"files": [asdict(outcome) for outcome in ordered]}))
    elif good:
        say(total(good, len(earlier)))
    for outcome in bad:
        print(f"inrc encode: {outcome.name}: {outcome.failed}", file=sys.stderr)
    if bad:
        raise EncodeError(f"{len(bad)} of {len(tasks)} could not be encoded; another call tries them again")


def tasks_of(options: argparse.Namespace, names: list[str], output: Path) -> Iterator[Task]:
    """Raises EncodeError for options that suit no file, and for sources that cannot be."""
    goal = Goal.of(options.lmbda, options.bpp, options.bytes, options.psnr)
    choose_coding(options.coding)
    iterations = choose_iterations(options.preset, options.iterations)
    if options.method or options.tune:
        choose_method(options.method or "pyramid", options.tune)
    if options.seconds is not None:
        positive("--seconds", options.seconds)
    if not options.cluster:
        choose_device(options.device)
    told = {name: value for name, value in chosen(options, "seconds").items() if name != "preset"}
    told |= {"iterations": iterations, "threads": threads_of(options)}
    seen: dict[Path, Path] = {}
    for source, place in sources(names):
        file = place.with_suffix(".inr")
        if seen.setdefault(file, source) != source:
            raise EncodeError(f"wanted one picture for {output / file}, got {seen[file]} and {source}")
        here = output.resolve()
        yield Task(str(place), source.resolve(), here / file, here / STATE / file, goal, told)


def threads_of(options: argparse.Namespace) -> int:
    """For each of the files that are encoded at once."""
    if options.threads or not (options.cluster or options.jobs):
        return options.threads
    return 1 if options.cluster else max(1, (os.cpu_count() or 1) // options.jobs)


def sources(names: Iterable[str]) -> Iterator[tuple[Path, Path]]:
    """Files as they are and all in folders, but hidden ones; with each the path that it keeps."""
    for path in map(Path, names):
        if not path.exists():
            raise EncodeError(f"{path}: wanted a file or a folder, found nothing")
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        inside = sorted(each for each in path.rglob("*") if each.suffix.lower() in PICTURES + CLIPS and each.is_file())
        kept = [(each, each.relative_to(path)) for each in inside]
        kept = [(each, place) for each, place in kept if not any(part.startswith(".") for part in place.parts)]
        if not kept:
            raise EncodeError(f"{path}: wanted pictures or clips in a folder, found none")
        yield from kept


class Standing:
    """How far all files are, of what is said of each."""

    def __init__(self, count: int, watch: Watch) -> None:
        self.count, self.watch, self.lock = count, watch, Lock()
        self.running: dict[str, Progress] = {}
        self.outcomes: list[Outcome] = []

    def report(self, name: str, progress: Progress) -> None:
        with self.lock:
            if not math.isnan(progress.bpp):  # else it seeks a start or corrects: neither is a part of the fit
                self.running[name] = progress
            self.show()

    def done(self, outcome: Outcome) -> None:
        with self.lock:
            self.running.pop(outcome.name, None)
            self.outcomes.append(outcome)
            self.show()

    def show(self) -> None:
        """Means over what is done and what is under way."""
        running = list(self.running.values())
        known = [*running, *(outcome for outcome in self.outcomes if not outcome.failed)]
        bpp, psnr = (fmean(each.bpp for each in known), fmean(each.psnr for each in known)) if known else (math.nan, math.nan)
        part = (len(self.outcomes) + sum(progress.done for progress in running)) / self.count
        stage = f"{len(self.outcomes)} of {self.count}"
        lmbda = fmean(progress.lmbda for progress in running) if running else 0.0
        self.watch(Progress(stage, part, sum(progress.iteration for progress in running), lmbda, bpp, psnr))


def line(outcome: Outcome) -> str:
    if outcome.failed:
        return f"{outcome.name}: failed: {outcome.failed}"
    return f"{outcome.name}: {summary(asdict(outcome))}"


def total(outcomes: list[Outcome], earlier: int) -> str:
    """Of those that are there; bpp over all pixels together, and the mean of PSNRs."""
    size = sum(outcome.bytes for outcome in outcomes)
    pixels = sum(8 * outcome.bytes / outcome.bpp for outcome in outcomes)
    psnr, seconds = fmean(outcome.psnr for outcome in outcomes), sum(outcome.seconds for outcome in outcomes)
    made = f"{len(outcomes)} files" + (f", {earlier} of them made before" if earlier else "")
    return f"{made}: {size} bytes, {8 * size / pixels:.4f} bpp, {psnr:.2f} dB, {seconds:.1f} s of fits"
