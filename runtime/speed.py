"""How fast a file decodes: a picture by stages, a clip by frames and by seeks, and the memory that it takes."""

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .file import open as open_inr
from .inspect import macs_per_pixel
from .prediction import frames_of
from .synthesis import Synthesis, assemble

PLAYED = 10.0  # seconds that a clip is played at most
SEEKS = 9  # frames that are sought, each in a file just opened


def bench_command(options: argparse.Namespace) -> None:
    path = Path(options.input)
    clip, runs = open_inr(path).facts is not None, max(1, options.runs)
    counts = sorted({1, os.cpu_count() or 1})
    rows = [bench_clip(path, threads) if clip else bench(path.read_bytes(), threads, runs) for threads in counts]
    if options.json:
        print(json.dumps({**rows[0], "all_threads": rows[-1]}))
        return
    for row in rows:
        print(f"{row['threads']} thread{'s' * (row['threads'] > 1)}: {played(row) if clip else staged(row)}")
    memory = rows[-1]["peak_memory_mib"]
    most = f"; {memory:.0f} MiB at most" if memory else ""
    print(f"{rows[0]['macs_per_pixel']:.0f} multiply-accumulates per pixel{most}")


def staged(row: dict[str, Any]) -> str:
    """What `bench` found."""
    stages = ", ".join(f"{name[:-3]} {row[name]:.1f}" for name in row if name.endswith("_ms"))
    return f"ms: {stages}; {row['megapixels_per_second']:.2f} MP/s"


def played(row: dict[str, Any]) -> str:
    """What `bench_clip` found."""
    return f"{row['fps']:.1f} frames a second; a seek {row['seek_ms']:.0f} ms, {row['longest_seek_ms']:.0f} at most"


def bench_clip(path: Path, threads: int) -> dict[str, Any]:
    """Frames a second, from opening the file on; median and longest milliseconds from opening it to a frame anywhere."""
    began, file = time.perf_counter(), open_inr(path, threads)
    frames, _ = decoded_for(file, PLAYED)
    fps, file = frames / (time.perf_counter() - began), open_inr(path, threads)
    sought = np.random.default_rng(0).integers(len(file), size=SEEKS).tolist()
    seeks = [_timed(lambda k=k: open_inr(path, threads)[k]) for k in sought]
    return {
        "threads": threads,
        "fps": fps,
        "seek_ms": float(np.median(seeks)),
        "longest_seek_ms": max(seeks),
        "macs_per_pixel": sum(macs_per_pixel(file.profile.manifest, file.signal(), file.segment()).values()),
        "peak_memory_mib": peak_memory(),
    }


def decoded_for(frames: Iterable[np.ndarray], seconds: float) -> tuple[int, float]:
    """How many frames are decoded until so many seconds are over, or all; and the seconds that they took."""
    began, count = time.perf_counter(), 0
    for _ in frames:
        count += 1
        if time.perf_counter() - began > seconds:
            break
    return count, time.perf_counter() - began


def _timed(call: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - began)


def bench(data: bytes, threads: int, runs: int) -> dict[str, Any]:
    """Median milliseconds of each stage over `runs`, after one that is not counted."""
    stages = np.array([_timed_decode(data, threads) for _ in range(runs + 1)][1:])
    parse, entropy, synthesis, pixels = np.median(stages, axis=0).tolist()
    total = float(np.median(stages.sum(1)))
    file = open_inr(data, threads)
    signal = file.header.signal
    return {
        "threads": threads,
        "parse_ms": parse,
        "entropy_ms": entropy,
        "synthesis_ms": synthesis,
        "pixels_ms": pixels,
        "total_ms": total,
        "megapixels_per_second": signal.pixels / 1e3 / total if total else math.inf,
        "macs_per_pixel": sum(macs_per_pixel(file.profile.manifest, signal, file.segment()).values()),
        "peak_memory_mib": peak_memory(),
    }


def peak_memory() -> float | None:
    """MiB that the process has held at most, the interpreter and its libraries included; None where Linux does not count."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


def _timed_decode(data: bytes, threads: int) -> list[float]:
    """Milliseconds to parse, decode the symbols, run the graphs, and make integer pixels."""
    marks = [time.perf_counter()]
    file = open_inr(data, threads)
    marks.append(time.perf_counter())
    segment = file.segment()
    marks.append(time.perf_counter())
    given = file.header.signal, file.profile, segment, threads
    frames = frames_of(*given) if file.profile.manifest.motion else [Synthesis(*given, frame=k) for k in range(len(file))]
    parts = [list(synthesis.parts(synthesis.whole)) for synthesis in frames]
    marks.append(time.perf_counter())
    for synthesis, windows in zip(frames, parts):
        assemble(file.header.signal, synthesis.whole, windows)
    marks.append(time.perf_counter())
    return [1e3 * (b - a) for a, b in pairwise(marks)]
