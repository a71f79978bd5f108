"""The fit: one INR, one signal, gradient descent on distortion + lambda * rate.

J = MSE + lambda * bpp over pixels in [0, 1]. The decoded picture is clamped straight through (Tran 2026): a clamp inside
the graph has no gradient outside [0, 1], and bright pictures collapse.
"""

import copy
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ..models import fused
from ..models.grids import Grids
from ..models.method import Architecture, Inr, Part, Phase, Recipe, Tensors
from ..models.quantizers import soft_round_gaussian, through_clamp, uniform_noise
from .adam import Adam
from .recorder import Recorder
from .soap import Soap

GRADIENT_MAX = 0.1  # norm over all networks
CHECKS = 50  # times that a fit is measured with rounded latents, and the best kept
NUMBERS = 5  # that change from step to step
NOTHING: Mapping[str, Tensor] = MappingProxyType({})
OPTIMIZERS = {"soap": Soap, "adam": Adam}  # of the networks, by `Recipe.optimizer`


@dataclass(frozen=True)
class Measure:
    """A fit as it would decode, but for the networks' quantization."""

    mse: float
    bpp: float  # of the latents, and of the networks where the phase says what they take
    judged: float | None = None  # the distortion, where it is not the MSE

    @property
    def psnr(self) -> float:
        """dB, peak 1."""
        return -10 * math.log10(max(self.mse, 1e-12))

    def cost(self, lmbda: float) -> float:
        return (self.mse if self.judged is None else self.judged) + lmbda * self.bpp


@dataclass
class Budget:
    """How long a fit may take: iterations, or until a moment of `time.monotonic`, less `reserve` seconds."""

    iterations: int
    deadline: float | None = None
    reserve: float = 0.0

    def fraction(self, iteration: int, start: float) -> float:
        """0 at the start, 1 when it is over."""
        if self.deadline is None:
            return min(1.0, iteration / self.iterations)
        left = self.deadline - self.reserve - start
        return min(1.0, (time.monotonic() - start) / left) if left > 0 else 1.0


class Fit:
    """A fit in progress. `inr` is its state, `best` the best rounded one so far; `lmbda` may change on the way."""

    def __init__(
        self,
        architecture: Architecture,
        target: Tensor,
        lmbda: float,
        recipe: Recipe,
        seed: int,
        start: Mapping[str, Tensor] = NOTHING,
    ) -> None:
        self.architecture, self.target, self.lmbda, self.recipe = architecture, target, lmbda, recipe
        self.pixels = architecture.signal.pixels
        self.noise = torch.Generator(target.device).manual_seed(seed)
        self.parts, self.grids = architecture.parts(recipe.batch), isinstance(architecture, Grids)
        self.order: list[int] = []  # of frames, or parts, yet to be seen
        self.mask, self.phase = architecture.mask(target.device), recipe.phases[0]
        self.pace = paces(architecture, self.mask, recipe.growth)
        fresh = architecture.init(target, torch.Generator().manual_seed(seed))
        fitting = {
            n: t.to(target.device) for n, t in start.items() if n in fresh.tensors and t.shape == fresh.tensors[n].shape
        }
        self.begin(Inr(fresh.tensors | fitting, fresh.latents))

    def begin(self, inr: Inr) -> None:
        """Start from `inr`, with fresh optimizers."""
        tensors = {name: tensor.detach().clone().requires_grad_() for name, tensor in inr.tensors.items()}
        self.inr = Inr(tensors, inr.latents.detach().clone().requires_grad_())
        self.networks = OPTIMIZERS[self.recipe.optimizer](list(tensors.values()))
        self.steps: Tensor | None = None  # of the networks' values
        on_gpu = self.inr.latents.is_cuda
        gpu = {"lr": self.inr.latents.new_tensor(0.0), "capturable": True, "fused": True} if on_gpu else {}
        self.adam = torch.optim.Adam([self.inr.latents], betas=self.recipe.betas, **gpu)
        recorded = on_gpu and self.grids and fused.takes(self.inr.latents)
        self.recorder = Recorder(self.noise, NUMBERS) if recorded else None
        self.best, self.best_cost = self.snapshot(), math.inf

    def enter(self, phase: Phase) -> None:
        """Begin with `phase`, with fresh optimizers where it says so or sees the networks otherwise than the one before."""
        before, self.phase = self.phase, phase
        if phase.fresh or phase.enter or phase.weights is not before.weights or phase.bits is not before.bits:
            tensors = {name: tensor.detach() for name, tensor in self.inr.tensors.items()}
            self.begin(Inr(phase.enter(tensors) if phase.enter else tensors, self.inr.latents))

    def snapshot(self) -> Inr:
        tensors = written(self.phase, self.inr.tensors, 1.0)
        return Inr({n: t.detach().clone() for n, t in tensors.items()}, torch.round(self.inr.latents.detach()))

    def on_cpu(self) -> "Fit":
        """To be quantized and written: what it has come to, with its target, in the CPU's memory."""
        fit = copy.copy(self)
        fit.target, fit.mask = self.target.cpu(), self.mask.cpu()
        fit.best = Inr({name: tensor.cpu() for name, tensor in self.best.tensors.items()}, self.best.latents.cpu())
        return fit

    def image(self, tensors: Tensors, latents: Tensor, part: Part = Part()) -> Tensor:
        return through_clamp(self.architecture.render(tensors, latents, part))

    def distortion(self, tensors: Tensors, latents: Tensor) -> Tensor:
        """That by which the recipe judges."""
        return self.recipe.judge(self.image(tensors, latents), self.target)

    def rate(self, tensors: Tensors, latents: Tensor, part: Part = Part()) -> Tensor:
        """Of the latents, in bits a pixel."""
        return self.architecture.latent_bits(tensors, latents, self.mask, part) / self.pixels

    def networks_rate(self) -> float | Tensor:
        """In bits a pixel; 0 where the phase does not say."""
        return self.phase.bits(self.inr.tensors) / self.pixels if self.phase.bits else 0.0

    def step(self, phase: Phase, progress: float) -> None:
        """One iteration, at `progress` 0 ... 1 of its phase."""
        if phase is not self.phase:
            self.enter(phase)
        lr = _between(phase.lr, (1 - math.cos(math.pi * progress)) / 2)
        relaxing = [_between(ends, progress) for ends in (phase.temperature, phase.noise, phase.jitter)]
        due = self.networks.count()
        numbers, part = (lr, lr * self.networks.correction, *relaxing), self._part()
        if self.recorder and self._repeats(phase, part):
            self.recorder.take((phase, self.lmbda, due), partial(self._move, phase, progress, part, due), numbers)
        else:
            with fused.apart() if self.grids else nullcontext():
                self._move(phase, progress, part, due, *numbers)

    def _repeats(self, phase: Phase, part: Part) -> bool:
        """Whether steps of a phase differ in numbers alone, which may be tensors, and so can be recorded."""
        plain = phase.weights is None and phase.penalty is None and phase.latents is soft_round_gaussian
        return plain and part == Part()

    def _move(self, phase: Phase, progress: float, part: Part, due: bool, lr, corrected, temperature, noise, jitter) -> None:
        """A step. The last five are numbers, or tensors where steps are recorded; `due`: the networks' optimizer says so."""
        tensors, latents = self.inr.tensors, self.inr.latents
        relaxed = torch.round(latents.detach()) if phase.hard else self._relax(latents, phase, temperature, noise)
        seen = written(phase, tensors, progress)
        if any(phase.jitter):
            seen = self._jittered(seen, jitter)
        cost = self._distortion(self.image(seen, relaxed, part), part)
        cost = cost + phase.price * self.lmbda * (self.rate(seen, relaxed, part) + self.networks_rate())
        if phase.penalty:
            cost = cost + phase.penalty(tensors, progress)
        wanted = [*tensors.values()] + ([] if phase.hard else [latents])
        gradients = list(torch.autograd.grad(cost, wanted, materialize_grads=True))
        if not phase.hard:
            latents.grad = gradients.pop()
            self.adam.param_groups[0].update(lr=lr * self.recipe.gain, eps=self.recipe.eps * self.lmbda / self.pixels)
            before = latents.detach().clone() if self.recipe.growth != 1 else None
            self._latents_step(part)
            if before is not None:
                latents.data.sub_(before).mul_(self.pace).add_(before)
        kept = {name: tensors[name].detach().clone() for name in self.recipe.paces if name in tensors}
        self.networks.move(_clipped(gradients), lr, corrected, due)
        for name, before in kept.items():
            tensors[name].data.lerp_(before, 1 - self.recipe.paces[name])

    def _jittered(self, tensors: Tensors, width) -> Tensors:
        """As rounding may leave them: within half of `width` of what they are, in their steps."""
        sizes, flat = [tensor.numel() for tensor in tensors.values()], torch.cat([t.flatten() for t in tensors.values()])
        if self.steps is None:
            self.steps = torch.cat([torch.full_like(t.flatten(), self.recipe.step_of(name)) for name, t in tensors.items()])
        noisy = uniform_noise(flat, 0.0, width * self.steps, self.noise).split(sizes)
        return {name: each.view_as(tensor) for (name, tensor), each in zip(tensors.items(), noisy)}

    def _distortion(self, image: Tensor, part: Part) -> Tensor:
        target = part.of(self.target)
        if part.weights is None:
            return self.recipe.distortion(image, target)
        each = [self.recipe.distortion(*pair) for pair in zip(image.split(1), target.split(1))]
        weights = image.new_tensor(part.weights) * image.new_tensor(part.emphasis or 1.0)
        return torch.stack(each) @ weights.expand(len(each)) / len(self.target)

    def _latents_step(self, part: Part) -> None:
        """Adam, which leaves as they are latents that the part does not see."""
        latents = self.inr.latents
        state = [latents.data, *(self.adam.state[latents].get(name) for name in ("exp_avg", "exp_avg_sq"))]
        before = [each.clone() for each in state if each is not None] if part.weights else []
        self.adam.step()
        for each, old in zip(state, before):
            torch.where(latents.grad != 0, each, old, out=each)

    def _part(self) -> Part:
        """The phase's frames, or the next `batch` in a random order; of these what the architecture's stride leaves."""
        stride, batch, device = self.architecture.stride, self.recipe.batch, self.target.device
        if self.parts and self.phase.frames is None:
            if not self.order:
                self.order = torch.randperm(len(self.parts), generator=self.noise, device=device).tolist()
            return self.parts[self.order.pop()]
        frames, first = self.phase.frames, (0, 0)
        if frames is None and 0 < batch < len(self.target):
            if len(self.order) < batch:
                self.order += torch.randperm(len(self.target), generator=self.noise, device=device).tolist()
            frames, self.order = tuple(self.order[:batch]), self.order[batch:]
        if stride > 1:
            row, column = torch.randint(stride, (2,), generator=self.noise, device=device).tolist()
            first = row % self.target.shape[2], column % self.target.shape[3]  # a strip has fewer rows than that
        return Part(frames, first, stride)

    def _relax(self, latents: Tensor, phase: Phase, temperature, noise) -> Tensor:
        """Latents as the phase relaxes rounding; nothing outside the grids."""
        return phase.latents(latents, temperature, noise, self.noise) * self.mask

    @torch.no_grad()
    def measure(self) -> Measure:
        """The state with rounded latents; kept as `best` if it is."""
        tensors, latents = written(self.phase, self.inr.tensors, 1.0), torch.round(self.inr.latents)
        rate = self.rate(tensors, latents) + self.networks_rate()
        image, judge = self.image(tensors, latents), self.recipe.judge
        judged = None if judge is mse_loss else judge(image, self.target).item()
        measure = Measure(mse_loss(image, self.target).item(), float(rate), judged)
        if measure.cost(self.lmbda) < self.best_cost:
            self.best, self.best_cost = self.snapshot(), measure.cost(self.lmbda)
        return measure

    def forget(self) -> None:
        """Costs so far were of another lambda: the next measure is the best."""
        self.best_cost = math.inf

    def state(self) -> dict[str, Any]:
        """A copy of all that a resumed fit needs, for torch.save."""
        state = {
            "inr": ({n: t.detach() for n, t in self.inr.tensors.items()}, self.inr.latents.detach()),
            "best": (self.best.tensors, self.best.latents, self.best_cost),
            "optimizers": (self.networks.state(), self.adam.state_dict()),
            "noise": self.noise.get_state(),
            "lmbda": self.lmbda,
            "phase": self.recipe.phases.index(self.phase),
            "order": self.order,
        }
        return copy.deepcopy(state)

    def load(self, state: dict[str, Any]) -> None:
        self.phase = self.recipe.phases[state["phase"]]
        self.begin(Inr(*state["inr"]))
        *best, self.best_cost = state["best"]
        self.best = Inr(*best)
        self.networks.load(state["optimizers"][0])
        self.adam.load_state_dict(state["optimizers"][1])
        self.noise.set_state(state["noise"])
        self.lmbda, self.order = state["lmbda"], list(state["order"])


def run(fit: Fit, recipe: Recipe, budget: Budget, first: int = 0, after: float = 0.0) -> Iterator[tuple[int, float, Phase]]:
    """Take `fit` through the phases; yields (iteration, fraction done, phase) after every iteration.

    `first`: iterations done before (resumed); `after`: the fraction of the recipe to start from.
    """
    start, iteration = time.monotonic(), first
    while (done := budget.fraction(iteration, start)) < 1:
        phase, progress = locate(recipe.phases, after + done * (1 - after))
        fit.step(phase, progress)
        iteration += 1
        yield iteration, done, phase


def locate(phases: tuple[Phase, ...], fraction: float) -> tuple[Phase, float]:
    """The phase at `fraction` 0 ... 1 of them all, and the progress within it."""
    total = sum(phase.share for phase in phases)
    for phase in phases:
        share = phase.share / total
        if fraction < share:
            return phase, fraction / share
        fraction -= share
    return phases[-1], 1.0


def written(phase: Phase, tensors: Tensors, progress: float) -> Tensors:
    """The networks as a decoder will have them, as near to it as the phase has come."""
    return phase.weights(tensors, progress) if phase.weights else tensors


def paces(architecture: Architecture, mask: Tensor, growth: float) -> Tensor:
    """growth ** k on the k-th grid from the finest, which is coded last; of the form of `mask`."""
    grids = architecture.grids(mask)
    return architecture.latents([torch.full_like(g, growth**k) for k, g in zip(reversed(range(len(grids))), grids)])


def _between(ends: tuple[float, float], progress: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * progress


def _clipped(gradients: list[Tensor]) -> list[Tensor]:
    """Scaled down together so that their joint norm is at most GRADIENT_MAX."""
    norm = torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in gradients]))
    return list(torch._foreach_mul(gradients, torch.clamp(GRADIENT_MAX / (norm + 1e-12), max=1.0)))  # pyright: ignore[reportPrivateImportUsage]
