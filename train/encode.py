"""Encode a picture: fit, quantize, write, verify; aim at a goal; survive an interruption."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..runtime.pixels import PixelError
from ..runtime.segment import Segment
from .checkpoint import fingerprint, load_checkpoint, save_checkpoint
from .encoding import Encoding, Result
from .fit import CHECKS, NOTHING, Budget, run
from .goal import Goal
from .memory import keep_freed_memory
from .options import choose_coding, choose_device, choose_iterations, choose_method, positive
from .pictures import Picture
from .presets import LONG
from .progress import Watch
from .steering import check, correct
from .trials import aim, warm_up

MAIN_SHARE = 0.6  # of a budget in seconds, where corrections may follow
FINISH_STEPS, FINISH_SECONDS = 20, 2.5e-6  # what writing costs: in steps, and in seconds a pixel
COMPENSATION_SECONDS, SAMPLED = 4.0, 60_000  # and, where rounding is compensated, of so many pixels or more
CHECKPOINT_SECONDS = 60
ALL_THREADS = torch.get_num_threads()


def encode_picture(
    picture: Picture,
    method: str = "pyramid",
    tune: str | None = None,
    coding: str = "paper",
    goal: Goal = Goal("lmbda", 1e-3),
    preset: str = "fast",
    iterations: int | None = None,
    seconds: float | None = None,
    device: str = "auto",
    threads: int = 0,
    seed: int = 0,
    watch: Watch = lambda progress: None,
    checkpoint: Path | None = None,
    resume: bool = False,
    start: Mapping[str, torch.Tensor] = NOTHING,
    base: Segment | None = None,
) -> Result:
    """Fit `method`, perhaps in a variant that it can be tuned to, to the picture, or to a set of them, and write it.

    Of weights that the method's paper codes in a way of its own, `coding` "best" takes the cheaper of that and ours.
    `seconds` bounds the whole call and replaces the preset's iterations. Ctrl-C ends the fit, and the best state so far
    is written; `checkpoint` names a file from which a fit that was stopped goes on when `resume`. Tensors of `start` are what
    those of their name and shape begin with; `base` is the first segment of the clip that the pictures go on with. Raises
    EncodeError.
    """
    started = time.monotonic()
    torch.set_num_threads(threads or ALL_THREADS)
    keep_freed_memory()
    budget = Budget(choose_iterations(preset, iterations))
    if seconds is not None:
        budget.deadline = started + positive("--seconds", seconds) * (1 if goal.kind == "lmbda" else MAIN_SHARE)
    chosen = choose_method(method, tune), choose_coding(coding)
    long = budget.deadline is None and budget.iterations >= LONG
    encoding = Encoding(picture, *chosen, goal, choose_device(device), seed, watch, start, base, long)
    key = fingerprint(picture, method, tune, coding, goal, budget.iterations, seed)
    interrupted = False
    try:
        state = load_checkpoint(checkpoint, key) if resume and checkpoint else None
        fit_all(encoding, budget, key, checkpoint, state)
        encoding.finish()
        correct(encoding, budget, started + seconds if seconds else None)
    except KeyboardInterrupt:
        interrupted = True
        if checkpoint and encoding.saved:
            with suppress(PixelError):  # a full disk must not lose what there is
                save_checkpoint(checkpoint, key, encoding.saved)
        if encoding.written is None:
            encoding.fit.measure()  # if it is better than at the last check
            encoding.finish()
    if checkpoint and not interrupted:
        checkpoint.unlink(missing_ok=True)
    return replace(encoding.result(), seconds=time.monotonic() - started, interrupted=interrupted)


def fit_all(encoding: Encoding, budget: Budget, key: str, checkpoint: Path | None, state: dict[str, Any] | None) -> None:
    """The whole recipe, lambda steered towards the goal; goes on from `state` if there is one."""
    if state:
        encoding.load(state)
    else:
        aim(encoding, budget)
        warm_up(encoding, budget)
    fit, recipe, signal = encoding.fit, encoding.recipe, encoding.signal
    every = max(1, budget.iterations // CHECKS, signal.frames // max(1, recipe.batch))
    kept = began = time.monotonic()
    first, after = encoding.iteration, encoding.done if budget.deadline else 0.0
    for iteration, done, phase in run(fit, recipe, budget, first, after):
        done = after + done * (1 - after)
        encoding.iteration, encoding.done = iteration, done
        now = time.monotonic()
        step_seconds = (now - began) / (iteration - first)
        if budget.deadline:
            budget.reserve = FINISH_STEPS * step_seconds + FINISH_SECONDS * signal.pixels
            if encoding.compensated:
                budget.reserve += COMPENSATION_SECONDS * min(1.0, signal.pixels / SAMPLED)
            every = max(1, min(100, int(2 / step_seconds)))
        if iteration % every == 0:
            progress = check(encoding, phase.name, done)
            encoding.saved = encoding.state()
            encoding.watch(progress)
        if checkpoint and now - kept > CHECKPOINT_SECONDS:
            encoding.saved, kept = encoding.state(), now
            with suppress(PixelError):  # a full disk must not end the fit
                save_checkpoint(checkpoint, key, encoding.saved)
    fit.measure()
