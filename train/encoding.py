"""One picture on its way to a file: what it is made of, its fit, and of what was written the nearest to the goal."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..export.bitstream import Exported, export
from ..models.grids import Grids
from ..models.method import Architecture, Method, UnsuitedError
from ..models.weights import toward
from ..runtime.segment import Segment
from ..runtime.syntax import COLOURS, Signal
from .fit import NOTHING, Fit, Measure
from .goal import Goal
from .pictures import Picture
from .progress import Progress, Watch

PARAMETER_BITS, COMPENSATED_BITS = 7.0, 5.5  # of a network's parameter, a first estimate: the second beside latent grids
WATCH_STEPS = 20  # between reports where nothing is measured


@dataclass(frozen=True)
class Result:
    """A written picture; `missed` says in words by how much a goal was missed, empty where it was met."""

    data: bytes = field(repr=False)
    networks_bytes: int
    measure: Measure
    lmbda: float
    iterations: int
    seconds: float
    notes: tuple[str, ...]
    missed: str = ""
    interrupted: bool = False

    @property
    def bpp(self) -> float:
        return self.measure.bpp

    @property
    def psnr(self) -> float:
        """dB, of the decoded integer pixels."""
        return self.measure.psnr

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        names = ("bpp", "psnr", "lmbda", "networks_bytes", "iterations", "seconds", "missed", "interrupted")
        return {name: getattr(self, name) for name in names} | {"bytes": len(self.data)}


class Encoding:
    """`iteration` counts those of all fits; `done` is the part of the recipe that is behind; `saved` what to go on from;
    `written` a file, its measure, its lambda; `long`: whether the fit is."""

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
        long: bool = False,
    ) -> None:
        height, width, channels = picture.pixels.shape[-3:]
        pixels = picture.pixels.reshape(-1, height, width, channels)
        depth = 8 * pixels.dtype.itemsize
        self.picture, self.method, self.goal, self.watch, self.begin = picture, method, goal, watch, begin
        self.base, self.long = base, long
        self.signal = Signal(height, width, COLOURS[channels - 1], depth, len(pixels))
        if len(pixels) > 1 and not method.sets:
            raise UnsuitedError(
                f"method {method.name}: wanted one picture, got a set of {len(pixels)}; `inrc methods` says which take sets"
            )
        self.device = device
        self.aim_at(goal.first_lmbda(self.signal.pixels))
        target = torch.from_numpy(pixels.astype(np.float32) / (2**depth - 1)).permute(0, 3, 1, 2)
        self.target, self.seed = target.contiguous().to(device), seed
        self.iteration, self.done, self.saved, self.best_coding = 0, 0.0, {}, best_coding
        self.build(goal.first_bytes(self.signal.pixels))
        self.written: tuple[Exported, Measure, float] | None = None

    def aim_at(self, lmbda: float) -> None:
        """Fits that start from now on are made for `lmbda`."""
        self.lmbda, self.recipe = lmbda, self.method.recipe(lmbda)
        if self.base:
            self.recipe = toward(self.recipe, self.base, self.device)

    def build(self, nbytes: float, rival: int = 0) -> None:
        """An architecture for a file of about so many bytes, one of the `rivals` that suit it, and a first start."""
        self.nbytes = nbytes
        if self.long and self.method.build_long:
            self.rivals = self.method.build_long(self.signal, nbytes)
        else:
            self.rivals = (self.method.build(self.signal, nbytes),)
        self.go_on(self.start(0, self.rivals[rival]))

    def go_on(self, fit: Fit) -> None:
        """With a start, of one of the rivals."""
        self.architecture, self.fit = fit.architecture, fit

    def start(self, candidate: int, architecture: Architecture | None = None) -> Fit:
        """A fresh fit, each candidate from another seed; of the chosen architecture, or of another."""
        seed = 1000 * candidate + self.seed
        return Fit(architecture or self.architecture, self.target, self.lmbda, self.recipe, seed, self.begin)

    def state(self) -> dict[str, Any]:
        """All that a resumed encode needs, for torch.save."""
        facts = {name: getattr(self, name) for name in ("lmbda", "nbytes", "long", "iteration", "done")}
        return facts | {"rival": self.rivals.index(self.architecture), "fit": self.fit.state()}

    def load(self, state: dict[str, Any]) -> None:
        self.aim_at(state["lmbda"])
        self.long = state.get("long", False)
        self.build(state["nbytes"], state.get("rival", 0))
        self.fit.load(state["fit"])
        self.iteration, self.done = state["iteration"], state["done"]

    def tell(self, stage: str, done: float, iteration: int) -> None:
        """Of steps whose outcome is not measured."""
        self.watch(Progress(stage, done, iteration, self.fit.lmbda, math.nan, math.nan))

    @property
    def compensated(self) -> bool:
        """Whether the rounding of networks makes up for itself."""
        return isinstance(self.architecture, Grids)

    def estimated(self, measure: Measure) -> float:
        """Bytes of the file."""
        return (measure.bpp + self.unrated(self.fit)) * self.signal.pixels / 8

    def unrated(self, fit: Fit) -> float:
        """What the networks may take where its phase does not say, in bits a pixel."""
        counted = [] if fit.phase.bits else [name for name, _, _ in fit.architecture.manifest.tensors]
        each = COMPENSATED_BITS if self.compensated else PARAMETER_BITS
        return each * sum(fit.inr.tensors[name].numel() for name in counted) / self.signal.pixels

    def finish(self) -> float:
        """Quantize, write, verify, measure; keep what is nearest to the goal. Returns how far lambda should move."""
        fit, lmbda = self.fit.on_cpu(), self.fit.lmbda
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
        mse = mean_squared_error(exported.pixels, self.picture.pixels.reshape(exported.pixels.shape))
        measure = Measure(mse, 8 * len(exported.data) / self.signal.pixels)
        error = self.goal.error(len(exported.data), self.signal.pixels, measure.psnr)
        if self.written is None or abs(error) < abs(self.error()):
            self.written = exported, measure, lmbda
        return error

    def error(self) -> float:
        """How far lambda should move from that of what is written."""
        assert self.written
        return self.goal.error(len(self.written[0].data), self.signal.pixels, self.written[1].psnr)

    def met(self) -> bool:
        assert self.written
        return self.goal.met(len(self.written[0].data), self.signal.pixels, self.written[1].psnr)

    def result(self) -> Result:
        assert self.written
        exported, measure, lmbda = self.written
        reached = {"bytes": len(exported.data), "bpp": measure.bpp, "psnr": measure.psnr, "lmbda": lmbda}[self.goal.kind]
        missed = "" if self.met() else f"wanted {self.goal.kind} {self.goal.value:g}, reached {reached:g}"
        facts = exported.networks_bytes, measure, lmbda, self.iteration
        return Result(exported.data, *facts, 0.0, self.picture.notes, missed)


def mean_squared_error(decoded: Iterable[np.ndarray], pixels: np.ndarray) -> float:
    """Of decoded frames against (frames, height, width, channels) of the same integers, on the scale of [0, 1]."""
    total = 0.0
    for theirs, mine in zip(decoded, pixels, strict=True):
        total += float(np.square(theirs.reshape(mine.shape).astype(np.float32) - mine).sum(dtype=np.float64))
    return total / pixels.size / np.iinfo(pixels.dtype).max ** 2
