"""Encode a clip, segment by segment: each is fitted as a set of pictures is, from the networks of the one before, and may be
written as differences to the first.

Until all are done each lies as a file of its own in a folder beside the clip's, which is where an interrupted encode goes on.
"""

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..models.method import Tensors, UnsuitedError
from ..runtime.clip import ClipFacts, code_facts
from ..runtime.file import InrFile
from ..runtime.pixels import Metadata, write_atomically
from ..runtime.segment import Segment
from ..runtime.syntax import Header, read_file, write_segments
from ..runtime.synthesis import network_tensors
from ..runtime.wire import Writer
from .checkpoint import keyed
from .clips import Clip
from .cuts import cuts
from .encode import encode_picture
from .encoding import mean_squared_error
from .fit import Measure
from .goal import Goal
from .options import EncodeError, choose_method
from .pictures import Picture
from .progress import Progress, Watch

KEY = "key"  # the file that says of which encode the folder's segments are


@dataclass(frozen=True)
class ClipResult:
    """A written clip; `psnr` is of all frames together. `interrupted`: it holds the segments that were done."""

    data: bytes = field(repr=False)
    segments: int
    bpp: float
    psnr: float
    iterations: int
    seconds: float
    interrupted: bool = False

    @property
    def missed(self) -> str:
        """Nothing: a goal is each segment's."""
        return ""

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        names = ("segments", "bpp", "psnr", "iterations", "seconds", "interrupted")
        return {name: getattr(self, name) for name in names} | {"bytes": len(self.data)}


def encode_clip(
    clip: Clip,
    folder: Path,
    goal: Goal = Goal("lmbda", 1e-3),
    method: str | None = None,
    first_frames: Sequence[int] = (),
    resume: bool = False,
    watch: Watch = lambda progress: None,
    **options: Any,
) -> ClipResult:
    """Options as `encode_picture`'s, for each segment; a goal in bytes is the whole clip's. `folder` holds what is done.

    `first_frames` of segments, 0 among them; otherwise as `cuts` finds them. Raises EncodeError, ClipError; after an
    interruption before the first segment is done KeyboardInterrupt.
    """
    method = method or default_method(clip.facts)
    if not choose_method(method, options.get("tune")).sets:
        raise UnsuitedError(f"method {method}: wanted a picture, got a clip")
    began, facts = time.monotonic(), clip.facts
    firsts = list(first_frames) or cuts(clip)
    prepare(folder, hashlib.sha256(repr((facts, firsts, goal, method, keyed(options))).encode()).hexdigest(), resume)
    done: list[Path] = []
    start: Tensors = {}
    base: Segment | None = None
    errors, iterations, interrupted = 0.0, 0, False
    for k, (first, last) in enumerate(pairwise([*firsts, facts.frames])):
        path, pixels, result = folder / f"{k:06}.inr", clip.read(first, last), None
        if not path.exists():

            def seen(progress: Progress, k: int = k) -> None:
                whole = (k + progress.done) / len(firsts)
                watch(replace(progress, stage=f"{progress.stage}, segment {k + 1} of {len(firsts)}", done=whole))

            result = encode_picture(
                Picture(pixels, Metadata(), ()),
                method,
                goal=replace(goal, value=goal.value * (last - first) / facts.frames) if goal.kind == "bytes" else goal,
                start=start,
                base=base,
                checkpoint=path.with_suffix(".resume"),
                resume=resume,
                watch=seen,
                **options,
            )
            iterations += result.iterations
            if result.interrupted:
                interrupted = True
                break
            write_atomically(path, result.data)
        file = InrFile(path, base=base)
        errors += (last - first) * (result.measure.mse if result else mean_squared_error(file, pixels))
        start, base = warm_start(file), base or file.segment()
        done.append(path)
    if not done:
        raise KeyboardInterrupt
    frames = [*firsts, facts.frames][len(done)]
    data = joined(done, facts, frames, clip.audio())
    if not interrupted:
        shutil.rmtree(folder)
    measure = Measure(errors / frames, 8 * len(data) / (frames * facts.height * facts.width))
    return ClipResult(data, len(done), measure.bpp, measure.psnr, iterations, time.monotonic() - began, interrupted)


def default_method(facts: ClipFacts) -> str:
    """What plays on a CPU; of more than 8 bits, which that does not take, a method that does."""
    return "player" if facts.bit_depth == 8 else "hnerv"


def prepare(folder: Path, key: str, resume: bool) -> None:
    """An empty folder, or, to resume, one with segments of the same encode."""
    marker = folder / KEY
    empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not empty:
        if resume and not (marker.is_file() and marker.read_text() == key):
            raise EncodeError(f"--resume: {folder} is of another clip or other options; delete it to start anew")
        if resume:
            return
        if not marker.is_file():
            raise EncodeError(f"wanted a folder for segments or nothing at {folder}, found something else")
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    marker.write_text(key)


def warm_start(before: InrFile) -> Tensors:
    """The networks of the segment before; none where a start makes frames' numbers for networks of its own."""
    return {} if before.profile.manifest.framewise else as_tensors(network_tensors(before.segment()))


def as_tensors(arrays: dict[str, np.ndarray]) -> Tensors:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def joined(paths: list[Path], facts: ClipFacts, frames: int, audio: bytes) -> bytes:
    """One file of the segments' files, which hold `frames` in all."""
    files = [read_file(path.read_bytes()) for path in paths]
    there = replace(facts, frames=frames, timestamps=facts.timestamps[:frames])
    wire = Writer()
    code_facts(wire, (frames, facts.height, facts.width), there)
    sections = {"clip": bytes(wire.data)} | ({"audio": audio} if audio else {})
    header = files[0][0]
    if any(other.profile != header.profile for other, _ in files):
        raise EncodeError("wanted segments of one profile")
    whole = Header(replace(header.signal, frames=frames), header.profile, header.digest, sections)
    return write_segments(whole, [(other.signal.frames, payload) for other, payload in files])
