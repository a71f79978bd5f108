"""Towards a rate or a PSNR: lambda follows it during the fit, and short refits correct what a written file still lacks."""

import time

from .encoding import WATCH_STEPS, Encoding
from .fit import Budget, run
from .goal import moved
from .progress import Progress

STEERED = (0.3, 0.85)  # the part of a fit in which lambda follows the goal: before, rate and PSNR say little of the end
STEERING = 0.1  # of the error, at each check: more winds lambda up while the fit is still catching up
CORRECTIONS = 8  # short refits towards a rate or a PSNR
CORRECTION_GAIN, GAIN_MAX = 1.0, 8.0  # of the error: halved whenever it changes its sign, doubled where it hardly shrinks
CORRECTION_SHARE = 0.15  # of the iterations
FEWEST_CORRECTION = 40  # iterations
UNMOVED = 0.15  # of the error: a correction that takes less of it is the last
CORRECTION_START = 0.6  # of the recipe
FAR, FAR_SHARE, FAR_START = 0.3, 0.4, 0.4  # an error from which on a refit takes more iterations, from an earlier part on


def check(encoding: Encoding, stage: str, done: float) -> Progress:
    """Measure the fit, which keeps the best, and steer its lambda."""
    fit, pixels = encoding.fit, encoding.signal.pixels
    measure = fit.measure()
    nbytes = encoding.estimated(measure)
    if STEERED[0] < done < STEERED[1] and (error := encoding.goal.error(nbytes, pixels, measure.psnr)):
        fit.lmbda = moved(fit.lmbda, STEERING * max(-1.0, min(1.0, error)))
        fit.forget()
    return Progress(stage, done, encoding.iteration, fit.lmbda, 8 * nbytes / pixels, measure.psnr)


def correct(encoding: Encoding, budget: Budget, end: float | None) -> None:
    """Short refits with other lambdas until the goal is met, or `end` (of `time.monotonic`) is near."""
    fit, error, gain = encoding.fit, encoding.error(), CORRECTION_GAIN
    spare = Budget(1, reserve=budget.reserve)
    for _ in range(CORRECTIONS):
        if encoding.met():
            return
        if end is not None:
            now = time.monotonic()
            spare.deadline = now + (end - now) / 2
            if spare.deadline - now < 2 * budget.reserve:
                return
        far = abs(error) > FAR
        spare.iterations = max(FEWEST_CORRECTION, int(budget.iterations * (FAR_SHARE if far else CORRECTION_SHARE)))
        fit.begin(fit.inr)
        fit.lmbda = moved(fit.lmbda, gain * error)
        refit(encoding, spare, FAR_START if far else CORRECTION_START)
        last, error = error, encoding.finish()
        lever = fit.mask.numel() or fit.phase.bits
        if not lever and abs(error - last) < UNMOVED * abs(last):
            return
        if last * error < 0:  # overshot
            gain *= 0.5
        elif abs(error) > abs(last) / 2:
            gain = min(2 * gain, GAIN_MAX)


def refit(encoding: Encoding, budget: Budget, after: float) -> None:
    """From the fraction `after` of the recipe on."""
    for i, done, _ in run(encoding.fit, encoding.recipe, budget, after=after):
        encoding.iteration += 1
        if i % WATCH_STEPS == 0:
            encoding.tell("correct", done, encoding.iteration)
    encoding.fit.measure()
