"""Encode a picture: fit, quantize, write, verify; aim at a goal; survive an interruption."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..export.bitstream import Exported, export
from ..models import METHODS
from ..models.method import Method, UnsuitedError
from ..models.weights import toward
from ..runtime.decoder import InrFile
from ..runtime.pixels import PixelError, write_atomically
from ..runtime.segment import Segment
from ..runtime.syntax import COLOURS, Signal
from .fit import CHECKS, NOTHING, Budget, Fit, Measure, run
from .goal import Goal, moved
from .kinds import is_clip
from .memory import keep_freed_memory
from .pictures import Picture, as_set, from_array, read_picture

PRESETS = {"draft": 150, "fast": 800, "medium": 10_000, "slow": 30_000, "placebo": 100_000}  # iterations
CORRECTIONS = 8  # short refits towards a rate or a PSNR
CORRECTION_GAIN, GAIN_MAX = 1.0, 8.0  # of the error: halved whenever it changes its sign, doubled where it hardly shrinks
CORRECTION_SHARE = 0.15  # of the iterations
FEWEST_CORRECTION = 40  # iterations
UNMOVED = 0.15  # of the error: a correction that takes less of it is the last
CORRECTION_START = 0.6  # of the recipe
FAR, FAR_SHARE, FAR_START = 0.3, 0.4, 0.4  # an error from which on a refit takes more iterations, from an earlier part on
MAIN_SHARE = 0.6  # of a budget in seconds, where corrections may follow
AIMS, AIM_SHARE, FEWEST_AIM = 2, 0.1, 40  # trial fits towards a rate, their share of the iterations, and how short is none
STEERED = (0.3, 0.85)  # the part of a fit in which lambda follows the goal: before, rate and PSNR say little of the end
STEERING = 0.1  # of the error, at each check: more winds lambda up while the fit is still catching up
WARMUP_EXCESS = 0.7  # of the latents that a start spends, what is left in the end
FEWEST_WARMUP = 20  # iterations under which a start says nothing
FINISH_STEPS, FINISH_SECONDS = 20, 2.5e-6  # what writing costs: in steps, and in seconds a pixel
CHECKPOINT_SECONDS = 60
ALL_THREADS = torch.get_num_threads()
PARAMETER_BITS = 7  # of a network's parameter, a first estimate


class EncodeError(ValueError):
    """Options or a machine that cannot serve; says what was wanted and what came."""


@dataclass(frozen=True)
class Progress:
    """Where an encode stands; the measure is an estimate until the file is written."""

    stage: str
    done: float  # 0 ... 1 of the stage
    iteration: int
    lmbda: float
    bpp: float
    psnr: float


@dataclass(frozen=True)
class Result:
    """A written picture; `missed` says in words by how much a goal was missed, empty where it was met."""

    data: bytes = field(repr=False)
    networks_bytes: int
    bpp: float
    psnr: float
    lmbda: float
    iterations: int
    seconds: float
    notes: tuple[str, ...]
    missed: str = ""
    interrupted: bool = False


Watch = Callable[[Progress], None]


def encode(source: Any, lmbda=None, bpp=None, nbytes=None, psnr=None, **options: Any) -> bytes:
    """The bytes of an .inr file; `source` is a path, an array (H, W[, C]), or, for methods that take sets, a list of such.

    A path may be a clip's, too, for video methods. Other options as `encode_picture`'s.
    """
    if isinstance(source, str | Path) and is_clip(Path(source)):
        from .segments import encode_file  # which encodes each segment by what is in this file

        return encode_file(Path(source), Goal.of(lmbda, bpp, nbytes, psnr), **options)
    sources = source if isinstance(source, list | tuple) else [source]
    pictures = [from_array(each) if isinstance(each, np.ndarray) else read_picture(each) for each in sources]
    return encode_picture(as_set(pictures), goal=Goal.of(lmbda, bpp, nbytes, psnr), **options).data


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
    encoding = Encoding(picture, *chosen, goal, choose_device(device), seed, watch, start, base)
    key = fingerprint(picture, method, tune, coding, goal, budget.iterations, seed)
    interrupted = False
    try:
        encoding.fit_all(budget, key, checkpoint, load_checkpoint(checkpoint, key) if resume and checkpoint else None)
        encoding.finish()
        encoding.correct(budget, started + seconds if seconds else None)
    except KeyboardInterrupt:
        interrupted = True
        if checkpoint and encoding.saved:
            save_checkpoint(checkpoint, key, encoding.saved)
        if encoding.written is None:
            encoding.fit.measure()  # if it is better than at the last check
            encoding.finish()
    if checkpoint and not interrupted:
        checkpoint.unlink(missing_ok=True)
    return replace(encoding.result(), seconds=time.monotonic() - started, interrupted=interrupted)


class Encoding:
    """One picture on its way to a file."""

    def __init__(
        self,
        picture: Picture,
        method: Method,
        best_coding: bool,
        goal: Goal,
        device: torch.device,
        seed: int,
        watch: Watch,
        begin: Mapping[str, torch.Tensor] = NOTHING,
        base: Segment | None = None,
    ) -> None:
        height, width, channels = picture.pixels.shape[-3:]
        pixels = picture.pixels.reshape(-1, height, width, channels)
        depth = 8 * pixels.dtype.itemsize
        self.picture, self.method, self.goal, self.watch, self.begin = picture, method, goal, watch, begin
        self.base = base
        self.signal = Signal(height, width, COLOURS[channels - 1], depth, len(pixels))
        if len(pixels) > 1 and not method.sets:
            raise UnsuitedError(f"method {method.name}: wanted one picture, got a set of {len(pixels)}")
        self.lmbda = goal.first_lmbda(self.signal.pixels)
        self.recipe = method.recipe(self.lmbda)
        if base:
            self.recipe = toward(self.recipe, base, device)
        target = torch.from_numpy(pixels.astype(np.float32) / (2**depth - 1)).permute(0, 3, 1, 2)
        self.target, self.seed = target.contiguous().to(device), seed
        self.iteration, self.saved, self.best_coding = 0, {}, best_coding
        self.build(goal.first_bytes(self.signal.pixels))
        self.written: tuple[Exported, Measure, float] | None = None

    def build(self, nbytes: float) -> None:
        """An architecture for a file of about so many bytes, and a first start."""
        self.nbytes, self.architecture = nbytes, self.method.build(self.signal, nbytes)
        self.fit = self.start(0)

    def start(self, candidate: int) -> Fit:
        """A fresh fit, each candidate from another seed."""
        seed = 1000 * candidate + self.seed
        return Fit(self.architecture, self.target, self.lmbda, self.recipe, seed, self.begin)

    def aim(self, budget: Budget) -> None:
        """Find a lambda for a rate by short trial fits: latents that a fit has it hardly gives up if lambda rises later."""
        trial = Budget(int(AIM_SHARE * budget.iterations))
        if (
            not self.fit.mask.numel()
            or self.goal.kind not in ("bytes", "bpp")
            or budget.deadline
            or trial.iterations < FEWEST_AIM
        ):
            return
        for k in range(AIMS):
            for iteration, done, _ in run(self.fit, self.recipe, trial):
                if iteration % 20 == 0:
                    self.watch(Progress("aim", (k + done) / AIMS, self.iteration + iteration, self.lmbda, math.nan, math.nan))
            self.iteration += trial.iterations
            nbytes = self.estimated(self.fit.measure())
            self.lmbda = moved(self.lmbda, self.goal.error(nbytes, self.signal.pixels, math.nan))
            self.fit = self.start(0)

    def estimated(self, measure: Measure) -> float:
        """Bytes of the file."""
        counted = [] if self.fit.phase.bits else [name for name, _, _ in self.architecture.manifest.tensors]
        parameters = sum(self.fit.inr.tensors[name].numel() for name in counted)
        return (measure.bpp * self.signal.pixels + PARAMETER_BITS * parameters) / 8

    def warm_up(self, budget: Budget) -> None:
        """Choose the networks' size by what a first start spends; of several starts, go on with the best."""
        steps = int(self.recipe.warmup * budget.iterations)
        if budget.deadline:  # a few steps tell what the share of seconds is in steps
            began = time.monotonic()
            self.take_steps(self.fit, 3)
            share = self.recipe.warmup * (budget.deadline - began)
            steps = int(3 * share / (time.monotonic() - began))
        if self.recipe.candidates < 2 or steps < FEWEST_WARMUP:
            return
        pilot, before = self.take_steps(self.fit, steps), self.architecture
        if self.goal.kind in ("lmbda", "psnr"):
            self.build(WARMUP_EXCESS * pilot.measure().bpp * self.signal.pixels / 8)
        fits = [pilot] if self.architecture == before else []
        fits += [self.take_steps(self.start(k), steps) for k in range(1, self.recipe.candidates)]
        self.fit = min(fits, key=lambda fit: fit.measure().cost(fit.lmbda))

    def take_steps(self, fit: Fit, steps: int) -> Fit:
        for k in range(steps):
            fit.step(self.recipe.phases[0], 0.0)
            if k % 20 == 0:
                self.watch(Progress("start", 0.0, self.iteration, fit.lmbda, math.nan, math.nan))
        self.iteration += steps
        return fit

    def fit_all(self, budget: Budget, key: str, checkpoint: Path | None, state: dict | None) -> None:
        """The whole recipe, lambda steered towards the goal; goes on from `state` if there is one."""
        if state:
            self.build(state["nbytes"])
            self.fit.load(state["fit"])
            self.iteration = state["iteration"]
        else:
            self.aim(budget)
            self.warm_up(budget)
        every = max(1, budget.iterations // CHECKS, self.signal.frames // max(1, self.recipe.batch))
        kept = began = time.monotonic()
        first = self.iteration
        for iteration, done, phase in run(self.fit, self.recipe, budget, first):
            self.iteration = iteration
            now = time.monotonic()
            step_seconds = (now - began) / (self.iteration - first)
            if budget.deadline:
                budget.reserve = FINISH_STEPS * step_seconds + FINISH_SECONDS * self.signal.pixels
                every = max(1, min(100, int(2 / step_seconds)))
            if self.iteration % every == 0:
                progress = self.check(phase.name, done)
                self.saved = self.state()
                self.watch(progress)
            if checkpoint and now - kept > CHECKPOINT_SECONDS:
                self.saved, kept = self.state(), now
                with suppress(PixelError):  # a full disk must not end the fit
                    save_checkpoint(checkpoint, key, self.saved)
        self.fit.measure()

    def state(self) -> dict[str, Any]:
        return {"fit": self.fit.state(), "iteration": self.iteration, "nbytes": self.nbytes}

    def check(self, stage: str, done: float) -> Progress:
        """Measure, keep the best, steer lambda."""
        measure = self.fit.measure()
        nbytes = self.estimated(measure)
        if STEERED[0] < done < STEERED[1] and (error := self.goal.error(nbytes, self.signal.pixels, measure.psnr)):
            self.fit.lmbda = moved(self.fit.lmbda, STEERING * max(-1.0, min(1.0, error)))
            self.fit.forget()
        return Progress(stage, done, self.iteration, self.fit.lmbda, 8 * nbytes / self.signal.pixels, measure.psnr)

    def finish(self) -> float:
        """Quantize, write, verify, measure; keep what is nearest to the goal. Returns how far lambda should move."""
        fit, lmbda = self.fit, self.fit.lmbda
        with torch.no_grad():
            exported = export(
                self.architecture,
                fit.best,
                lambda tensors: fit.distortion(tensors, fit.best.latents).item(),
                lambda tensors: lmbda * fit.rate(tensors, fit.best.latents).item(),
                lmbda / self.signal.pixels,
                self.picture.metadata,
                self.best_coding,
                self.base,
            )
        measure = measured(exported.data, self.picture.pixels, self.base)
        error = self.goal.error(len(exported.data), self.signal.pixels, measure.psnr)
        if self.written is None or abs(error) < abs(self._error()):
            self.written = exported, measure, lmbda
        return error

    def _error(self) -> float:
        assert self.written
        return self.goal.error(len(self.written[0].data), self.signal.pixels, self.written[1].psnr)

    def correct(self, budget: Budget, end: float | None) -> None:
        """Short refits with other lambdas until the goal is met, or `end` (of `time.monotonic`) is near."""
        error, gain = self._error(), CORRECTION_GAIN
        spare = Budget(1, reserve=budget.reserve)
        for _ in range(CORRECTIONS):
            if self.met():
                return
            if end is not None:
                now = time.monotonic()
                spare.deadline = now + (end - now) / 2
                if spare.deadline - now < 2 * budget.reserve:
                    return
            self.fit.begin(self.fit.inr)
            self.fit.lmbda = moved(self.fit.lmbda, gain * error)
            far = abs(error) > FAR
            spare.iterations = max(FEWEST_CORRECTION, int(budget.iterations * (FAR_SHARE if far else CORRECTION_SHARE)))
            for i, done, _ in run(self.fit, self.recipe, spare, after=FAR_START if far else CORRECTION_START):
                self.iteration += 1
                if i % 20 == 0:
                    self.watch(Progress("correct", done, self.iteration, self.fit.lmbda, math.nan, math.nan))
            self.fit.measure()
            last, error = error, self.finish()
            lever = self.fit.mask.numel() or self.fit.phase.bits
            if not lever and abs(error - last) < UNMOVED * abs(last):
                return
            if last * error < 0:  # overshot
                gain *= 0.5
            elif abs(error) > abs(last) / 2:
                gain = min(2 * gain, GAIN_MAX)

    def met(self) -> bool:
        assert self.written
        return self.goal.met(len(self.written[0].data), self.signal.pixels, self.written[1].psnr)

    def result(self) -> Result:
        assert self.written
        exported, measure, lmbda = self.written
        reached = {"bytes": len(exported.data), "bpp": measure.bpp, "psnr": measure.psnr, "lmbda": lmbda}[self.goal.kind]
        missed = "" if self.met() else f"wanted {self.goal.kind} {self.goal.value:g}, reached {reached:g}"
        facts = measure.bpp, measure.psnr, lmbda, self.iteration
        return Result(exported.data, exported.networks_bytes, *facts, 0.0, self.picture.notes, missed)


def measured(data: bytes, pixels: np.ndarray, base: Segment | None = None) -> Measure:
    """What the runtime makes of the file's bytes; `base` as `InrFile`'s."""
    decoded = np.stack(list(InrFile(data, torch.get_num_threads(), base=base))).reshape(pixels.shape)
    peak = np.iinfo(pixels.dtype).max
    mse = np.mean((decoded.astype(np.float32) - pixels.astype(np.float32)) ** 2, dtype=np.float64) / peak**2
    return Measure(float(mse), 8 * len(data) / (pixels.size // pixels.shape[-1]))


def choose_method(name: str, tune: str | None = None) -> Method:
    if name not in METHODS:
        raise EncodeError(f"--method: wanted one of {', '.join(METHODS)}, got {name}")
    if tune is None:
        return METHODS[name]()
    if tune not in (tunes := METHODS[name]().tunes):
        raise EncodeError(f"--tune: wanted {' or '.join(tunes) or 'nothing'} with method {name}, got {tune}")
    return METHODS[name](tune=tune)


def choose_coding(name: str) -> bool:
    if name not in ("paper", "best"):
        raise EncodeError(f"--coding: wanted paper or best, got {name}")
    return name == "best"


def choose_device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise EncodeError(f"--device: wanted auto, cpu or cuda, got {name}")
    if name == "cuda" and not torch.cuda.is_available():
        raise EncodeError("--device: wanted cuda, but torch finds no CUDA device")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def choose_iterations(preset: str, iterations: int | None) -> int:
    if preset not in PRESETS:
        raise EncodeError(f"--preset: wanted one of {', '.join(PRESETS)}, got {preset}")
    return PRESETS[preset] if iterations is None else int(positive("--iterations", iterations))


def positive(option: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise EncodeError(f"{option}: wanted a positive number, got {value}")
    return value


def fingerprint(picture: Picture, *options: object) -> str:
    """Of everything that a checkpoint depends on."""
    return hashlib.sha256(picture.pixels.tobytes() + repr((picture.pixels.shape, options)).encode()).hexdigest()


def keyed(options: Mapping[str, object]) -> list[tuple[str, object]]:
    """Those that an encode must share with the one that it goes on from: neither the device nor the threads."""
    return sorted((name, value) for name, value in options.items() if name not in ("device", "threads"))


def save_checkpoint(path: Path, key: str, state: dict) -> None:
    """Whole or not at all."""
    buffer = BytesIO()
    torch.save({"key": key, **state}, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path, key: str) -> dict | None:
    """None where there is none. Raises EncodeError for one of another encode."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:
        raise EncodeError(f"--resume: wanted a checkpoint in {path}, got {error.__class__.__name__}: {error}") from None
    if not isinstance(state, dict) or state.get("key") != key:
        raise EncodeError(f"--resume: {path} is of another picture or other options; delete it to start anew")
    return state
