"""How networks are fitted for their coding: what becomes of weights on their way to the decoder, differentiably.

Functions of tensors by name, for `method.Phase`. Tensors of training alone, which never travel, have names of their own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..runtime.segment import Segment
from .method import Phase, Recipe, Tensors
from .quantizers import round_ste
from .rates import self_gaussian_bits, self_laplace_bits

# What the names of tensors of training alone begin with.
TRAINING = ROUND, STEP, GATE, MASK, LATENT = "round.", "step.", "gate.", "mask.", "latent."
FIRST_STEP, STEP_GAIN = 1 / 128, 32.0
GATE_STRETCH, GATE_TEMPERATURE, GATE_GAIN = (-0.1, 1.1), 2 / 3, 16.0


def networks(tensors: Tensors) -> Tensors:
    """Those that travel."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(TRAINING)}


def l1(weight: float) -> Callable[[Tensors, float], Tensor]:
    """A penalty: `weight` times the sum of magnitudes."""

    def penalty(tensors: Tensors, progress: float) -> Tensor:
        return weight * torch.stack([tensor.abs().sum() for tensor in networks(tensors).values()]).sum()

    return penalty


def symmetric_step(weights: Tensor, bits: int) -> Tensor:
    """The step of `bits`-bit symbols that reach the largest weight, as a half float."""
    return (weights.detach().abs().max() / levels(bits)).clamp(min=2.0**-24).half().float()


def levels(bits: int) -> int:
    return 2 ** (bits - 1) - 1


@dataclass(frozen=True)
class Symmetric:
    """Uniform quantization of each tensor to `bits`: straight through (QAT), or up or down as is learned (AdaRound)."""

    bits: int

    def weights(self, tensors: Tensors, progress: float) -> Tensors:
        """Rounded, the gradient that of the identity."""
        return tensors | {name: self._on_grid(w, round_ste(w / self._step(w))) for name, w in networks(tensors).items()}

    def enter(self, tensors: Tensors) -> Tensors:
        """With a variable for each weight, at first as far up as the weight lies between its neighbours."""
        variables = {}
        for name, w in networks(tensors).items():
            below = w / self._step(w) - torch.floor(w / self._step(w))
            variables[ROUND + name] = torch.logit((below - GATE_STRETCH[0]) / (GATE_STRETCH[1] - GATE_STRETCH[0]))
        return networks(tensors) | variables

    def learned(self, tensors: Tensors, progress: float) -> Tensors:
        """As the variables say: Nagel et al. 2020, eq. 22 and 23; at progress 1 all up or down."""
        result = {}
        for name, w in networks(tensors).items():
            up = stretched(torch.sigmoid(tensors[ROUND + name]))
            up = (up > 0.5).float() if progress >= 1 else up
            result[name] = self._on_grid(w.detach(), torch.floor(w.detach() / self._step(w)) + up)
        return tensors | result

    def committed(self, tensors: Tensors) -> Tensors:
        return networks(self.learned(tensors, 1.0))

    def undecided(self, tensors: Tensors, progress: float) -> Tensor:
        """The penalty on variables between 0 and 1: Nagel et al. 2020, eq. 24; beta falls from 20 to 2."""
        beta = 20 - 18 * progress
        ups = [stretched(torch.sigmoid(tensor)) for name, tensor in tensors.items() if name.startswith(ROUND)]
        return 1e-4 * torch.stack([(1 - (2 * up - 1).abs() ** beta).sum() for up in ups]).sum()

    def _step(self, weights: Tensor) -> Tensor:
        return symmetric_step(weights, self.bits)

    def _on_grid(self, weights: Tensor, symbols: Tensor) -> Tensor:
        return symbols.clamp(-levels(self.bits), levels(self.bits)) * self._step(weights)


@dataclass(frozen=True)
class Rounded:
    """Whole numbers from `least` to `most`, straight through."""

    least: int
    most: int

    def weights(self, tensors: Tensors, progress: float) -> Tensors:
        return {name: round_ste(tensor.clamp(self.least, self.most)) for name, tensor in tensors.items()}


def stretched(gate: Tensor) -> Tensor:
    """(0, 1) to a little more on both sides, clipped to [0, 1]: Louizos et al. 2018."""
    low, high = GATE_STRETCH
    return (gate * (high - low) + low).clamp(0, 1)


def with_steps(tensors: Tensors, first: float = FIRST_STEP) -> Tensors:
    """With a step for each tensor, at first so much of its standard deviation: its base-2 logarithm over STEP_GAIN, so that
    optimizers move it faster than weights."""
    deviations = {name: w.std(correction=0).clamp(min=2.0**-10) for name, w in networks(tensors).items()}
    return tensors | {STEP + name: torch.log2(first * d) / STEP_GAIN for name, d in deviations.items()}


def learned_step(tensors: Tensors, name: str) -> Tensor:
    """A half float, as it travels; the gradient is that of the step itself."""
    step = torch.exp2(STEP_GAIN * tensors[STEP + name])
    return step + (step.half().float() - step).detach()


def stepped(tensors: Tensors, progress: float) -> Tensors:
    """Rounded to learned steps, straight through for weights and steps (Esser et al. 2020)."""
    steps = {name: learned_step(tensors, name) for name in networks(tensors)}
    return tensors | {name: round_ste(w / steps[name]) * steps[name] for name, w in networks(tensors).items()}


def stepped_bits(tensors: Tensors) -> Tensor:
    """Under Gaussians fitted to each tensor's symbols: no parameters (Damodaran et al. 2023)."""
    return torch.stack([self_gaussian_bits(w / learned_step(tensors, name)) for name, w in networks(tensors).items()]).sum()


def stepped_laplace_bits(tensors: Tensors) -> Tensor:
    """Under zero-mean Laplaces, for what is mostly zero."""
    return torch.stack([self_laplace_bits(w / learned_step(tensors, n), 1.0) for n, w in networks(tensors).items()]).sum()


def toward(recipe: Recipe, base: Segment, device: torch.device) -> Recipe:
    """For weights that may be written as differences to those of `base` in its steps: where `recipe` learns steps, those
    stay, and each tensor's rate is its own or its difference's, whichever is less (NIRVANA: Maiya et al. 2023)."""
    groups = [group for group in base.groups.values() if group.flat.any()]  # those of nothing but zeros have no steps
    values = {name: torch.from_numpy(w).to(device) for group in groups for name, w in group.values().items()}
    fixed = {
        STEP + name: torch.tensor(math.log2(step) / STEP_GAIN, device=device)
        for group in groups
        for name, step in group.steps.items()
    }

    def with_base(tensors: Tensors) -> Tensors:
        return tensors | {name: step for name, step in fixed.items() if name in tensors}

    def changed(phase: Phase) -> Phase:
        bits = phase.bits
        if phase.weights is not stepped or bits is None:
            return phase

        def cheaper(tensors: Tensors) -> Tensor:
            tensors, rates = with_base(tensors), []
            for name, w in networks(tensors).items():
                rate = bits({name: w, STEP + name: tensors[STEP + name]})
                if name in values and values[name].shape == w.shape:
                    rate = torch.minimum(rate, self_laplace_bits((w - values[name]) / learned_step(tensors, name), 1.0))
                rates.append(rate)
            return torch.stack(rates).sum()

        return replace(phase, weights=lambda tensors, progress: stepped(with_base(tensors), progress), bits=cheaper)

    return replace(recipe, phases=tuple(map(changed, recipe.phases)))


def steps_learned(fit: tuple[float, float], qat: tuple[float, float], share: float) -> Recipe:
    """Adam at the rates of `fit` and then, for a `share` of the iterations, at those of `qat` with learned steps, whose rate
    is part of the loss."""
    plain = Phase("fit", 1 - share, fit, hard=True)
    quantized = Phase("qat", share, qat, hard=True, enter=with_steps, weights=stepped, bits=stepped_bits)
    return Recipe((plain, quantized), optimizer="adam")


def with_gates(tensors: Tensors, generator: torch.Generator) -> Tensors:
    """With a gate for each weight: log alpha ~ N(0, 0.1), over GATE_GAIN, so that optimizers move it faster than weights."""
    return tensors | {GATE + n: 0.1 / GATE_GAIN * torch.randn(w.shape, generator=generator) for n, w in tensors.items()}


def gated(tensors: Tensors, progress: float) -> Tensors:
    """Each weight, clipped to +-3, times its gate's median."""
    gates = {name: stretched(torch.sigmoid(GATE_GAIN * tensors[GATE + name])) for name in networks(tensors)}
    return tensors | {name: tensors[name].clamp(-3, 3) * gate for name, gate in gates.items()}


def gated_bits(tensors: Tensors) -> Tensor:
    """16 for every weight whose gate is likely to be open: Louizos et al. 2018, eq. 12."""
    shift = GATE_TEMPERATURE * math.log(-GATE_STRETCH[0] / GATE_STRETCH[1])
    alphas = [GATE_GAIN * tensor for name, tensor in tensors.items() if name.startswith(GATE)]
    return 16 * torch.stack([torch.sigmoid(alpha - shift).sum() for alpha in alphas]).sum()


def pruned(kept: float) -> Callable[[Tensors], Tensors]:
    """With a mask for each tensor, 1 for the largest weights of all: a share of `kept` (Han et al. 2015; NeRV's)."""

    def enter(tensors: Tensors) -> Tensors:
        magnitudes = torch.cat([w.abs().flatten() for w in networks(tensors).values()])
        least = magnitudes.kthvalue(max(1, round((1 - kept) * magnitudes.numel()))).values
        return tensors | {MASK + name: (w.abs() > least).float() for name, w in networks(tensors).items()}

    return enter


def masked(tensors: Tensors, progress: float) -> Tensors:
    return tensors | {name: w * tensors[MASK + name].detach() for name, w in networks(tensors).items()}


def perturbed(progress: float) -> Callable[[Tensors], Tensors]:
    """NIF's restarts: an eighth of the weights moves by up to 0.9 of their mean magnitude, in the end 0.7 by up to 0.2."""
    fraction, reach = 0.125 + (0.7 - 0.125) * progress, 0.9 - 0.7 * progress

    def enter(tensors: Tensors) -> Tensors:
        generator = torch.Generator().manual_seed(round(1000 * progress))
        moved = {}
        for name, w in tensors.items():
            some, by = (torch.rand(w.shape, generator=generator).to(w.device) for _ in range(2))
            moved[name] = w + (some < fraction) * (2 * by - 1) * reach * w.abs().mean()
        return moved

    return enter
