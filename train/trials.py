"""Before the fit: trial fits that find lambda for a rate, and starts that choose the networks' size and the best seed."""

import math
import time
from collections.abc import Iterator

import torch

from .encoding import WATCH_STEPS, Encoding
from .fit import Budget, Fit, run
from .goal import moved

AIMS, AIM_SHARE, FEWEST_AIM = 2, 0.1, 40  # trial fits towards a rate, their share of the iterations, and how short is none
WARMUP_EXCESS = 0.7  # of the latents that a start spends, what is left in the end
FEWEST_WARMUP, ENOUGH_WARMUP = 20, 160  # iterations under which a start says nothing, and after which it has said all
MOST_STARTS = 8  # where they are short for their share of the iterations
EARLY = 0.5  # of the price, by which those are judged: where the finest grids die bits are few early, errors many for ever
TIMED_STEPS = 3  # which tell what seconds are in steps


def aim(encoding: Encoding, budget: Budget) -> None:
    """Find a lambda for a rate by short trial fits: latents that a fit has it hardly gives up if lambda rises later."""
    trial = Budget(int(AIM_SHARE * budget.iterations))
    rated = encoding.fit.mask.numel() and encoding.goal.kind in ("bytes", "bpp")
    if not rated or budget.deadline or trial.iterations < FEWEST_AIM:
        return
    for k in range(AIMS):
        for iteration, done, _ in run(encoding.fit, encoding.recipe, trial):
            if iteration % WATCH_STEPS == 0:
                encoding.tell("aim", (k + done) / AIMS, encoding.iteration + iteration)
        encoding.iteration += trial.iterations
        nbytes = encoding.estimated(encoding.fit.measure())
        encoding.aim_at(moved(encoding.lmbda, encoding.goal.error(nbytes, encoding.signal.pixels, math.nan)))
        encoding.fit = encoding.start(0)


def warm_up(encoding: Encoding, budget: Budget) -> None:
    """Choose the networks' size by what a first start spends; of several starts, also of its rivals, go on with the best."""
    recipe = encoding.recipe
    steps = int(recipe.warmup * budget.iterations)
    if budget.deadline:
        began = time.monotonic()
        take_steps(encoding, encoding.fit, TIMED_STEPS)
        share = recipe.warmup * (budget.deadline - began)
        steps = int(TIMED_STEPS * share / (time.monotonic() - began))
    if recipe.candidates < 2 or steps < FEWEST_WARMUP:
        return
    starts = min(MOST_STARTS, max(recipe.candidates, recipe.candidates * steps // ENOUGH_WARMUP))
    steps = min(steps, ENOUGH_WARMUP)
    pilot, before = take_steps(encoding, encoding.fit, steps), encoding.architecture
    if encoding.goal.kind in ("lmbda", "psnr"):
        with torch.no_grad():
            spent = pilot.measure().bpp - float(pilot.networks_rate())
        encoding.build(WARMUP_EXCESS * spent * encoding.signal.pixels / 8)

    each = -(-starts // len(encoding.rivals))

    def tried() -> Iterator[Fit]:
        for rival in encoding.rivals:
            if rival == before:
                yield pilot
            for k in range(1, each):
                yield take_steps(encoding, encoding.start(k, rival), steps)

    price = EARLY if steps == ENOUGH_WARMUP else 1.0
    encoding.go_on(min(tried(), key=lambda fit: judged(encoding, fit, price)))


@torch.no_grad()
def judged(encoding: Encoding, fit: Fit, price: float) -> float:
    """J of a start, of which the latents' bits count for `price` of their own; the networks' are for ever."""
    networks = encoding.unrated(fit) + (1 - price) * float(fit.networks_rate())
    return fit.measure().cost(price * fit.lmbda) + fit.lmbda * networks


def take_steps(encoding: Encoding, fit: Fit, steps: int) -> Fit:
    """The fit itself, so many of the first phase's steps on."""
    for k in range(steps):
        fit.step(encoding.recipe.phases[0], 0.0)
        if k % WATCH_STEPS == 0:
            encoding.tell("start", 0.0, encoding.iteration)
    encoding.iteration += steps
    return fit
