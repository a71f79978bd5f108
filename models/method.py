"""What a paper proposes, as values: an architecture, how it is fitted, and where it comes from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ..runtime.profile import Manifest
from ..runtime.syntax import Signal
from .quantizers import Relax, soft_round_gaussian

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Base:
    """Tensors that all pictures of a method share, and how `train.meta` learns them from photos.

    `steps` of Adam on `loss(tensors, pictures, generator)`, pictures (n, 3, size, size) in [0, 1] being `batch` crops;
    `finish(tensors, pictures)` adds what is measured in the end, over many.
    """

    name: str
    start: Callable[[torch.Generator], Tensors]
    loss: Callable[[Tensors, Tensor, torch.Generator], Tensor]
    batch: int
    size: int
    lr: float
    steps: int
    finish: Callable[[Tensors, Tensor], Tensors] = lambda tensors, _: tensors


class UnsuitedError(ValueError):
    """A picture that a method cannot take; says what was wanted and what came."""


@dataclass(frozen=True)
class Inr:
    """A fitted or half-fitted representation: network `tensors` by their names on the wire, and `latents` in one tensor.

    Both are floats; latents are in quantization steps.
    """

    tensors: Tensors
    latents: Tensor


@dataclass(frozen=True)
class Part:
    """What a step of a fit sees: some `frames`, or all; of these every `stride`-th row and column, from `first` on.

    `weights`: how many frames each of them stands for; None where all count alike. `emphasis`: how much their distortion
    counts beside that.
    """

    frames: tuple[int, ...] | None = None
    first: tuple[int, int] = (0, 0)
    stride: int = 1
    weights: tuple[float, ...] | None = None
    emphasis: tuple[float, ...] | None = None

    def of(self, frames: Tensor) -> Tensor:
        """Of (frames, channels, height, width)."""
        chosen = frames if self.frames is None else frames[list(self.frames)]
        return chosen[..., self.first[0] :: self.stride, self.first[1] :: self.stride]


@dataclass(frozen=True)
class Graph:
    """One decoder graph: a function of tensors, example inputs by name, and for each input which dimensions vary."""

    name: str
    function: Callable[[Tensors], Tensor]
    inputs: Tensors
    dynamic: dict[str, dict[int, str]]
    output: str


@dataclass(frozen=True)
class Curvature:
    """Where the tensors `names`, in a row, move by d, the mean squared error rises by d' `matrix` d; if this is of the
    `rate`, the latents' bits do. `matrix` (n, n) float64."""

    names: tuple[str, ...]
    matrix: Tensor
    rate: bool = False


class Architecture(Protocol):
    """An INR as a pure function of its tensors, for one signal."""

    @property
    def signal(self) -> Signal: ...

    @property
    def manifest(self) -> Manifest: ...

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers of `manifest.sizes` for this signal."""
        ...

    @property
    def coding(self) -> Mapping[str, str]:
        """How a paper codes groups of tensors, by the names of `export.quantize.CODINGS`; others are coded as is cheapest."""
        ...

    def init(self, target: Tensor, generator: torch.Generator) -> Inr:
        """A start for `target` (frames, channels, height, width) in [0, 1]."""
        ...

    def mask(self, device: torch.device) -> Tensor:
        """1 where `latents` holds a latent, 0 elsewhere."""
        ...

    def parts(self, batch: int) -> list[Part]:
        """Of about `batch` frames each, between which steps choose; none where any frames will do."""
        ...

    @property
    def stride(self) -> int:
        """1, or how many rows and columns lie between those that a step sees, where pixels do not depend on each other."""
        ...

    def render(self, tensors: Tensors, latents: Tensor, part: Part = Part()) -> Tensor:
        """(frames, channels, height, width), near [0, 1] but not clipped; of so much of the signal as `part` says."""
        ...

    def latent_bits(self, tensors: Tensors, latents: Tensor, mask: Tensor, part: Part = Part()) -> Tensor:
        """The rate of the latents, a scalar; of a `part` of the frames what all would take if they were as these are."""
        ...

    def curvatures(self, tensors: Tensors, latents: Tensor) -> tuple[Curvature, ...]:
        """Of the mean squared error, and of `latent_bits`; or none."""
        ...

    def grids(self, latents: Tensor) -> list[Tensor]:
        """Views (h, w) of the latent grids in coding order."""
        ...

    def latents(self, grids: list[Tensor]) -> Tensor:
        """The inverse of `grids`."""
        ...


@dataclass(frozen=True)
class Phase:
    """Part of a fit: a `share` of its iterations. Values with two ends go from the first to the second.

    Learning rates fall as a cosine, the others linearly. `hard`: latents are rounded and stay; only the networks learn.
    `fresh`: it begins with fresh optimizers.

    Networks that a phase fits for their coding: `enter(tensors)` changes them when it begins; `weights(tensors, progress)`
    is what becomes of them, differentiably, on their way to the decoder, and at progress 1 what will be written;
    `bits(tensors)` is what writing them costs; `penalty(tensors, progress)` is added to the loss.
    """

    name: str
    share: float
    lr: tuple[float, float]  # of the networks; the latents' is `Recipe.gain` times as much
    temperature: tuple[float, float] = (0.0, 0.0)  # of the soft rounding
    noise: tuple[float, float] = (0.0, 0.0)  # standard deviation, in steps, or how much of it `latents` takes
    jitter: tuple[float, float] = (0.0, 0.0)  # width of uniform noise in the networks, in steps of `Recipe.step_of`
    hard: bool = False
    fresh: bool = False
    enter: Callable[[Tensors], Tensors] | None = None
    weights: Callable[[Tensors, float], Tensors] | None = None
    bits: Callable[[Tensors], Tensor] | None = None
    penalty: Callable[[Tensors, float], Tensor] | None = None
    latents: Relax = soft_round_gaussian  # what stands in for rounding
    frames: tuple[int, ...] | None = None  # that a step sees; None: as `Recipe.batch` says
    price: float = 1.0  # of a bit, in lambda


@dataclass(frozen=True)
class Recipe:
    """How an INR is fitted: the best of `candidates` starts, after `warmup` (a share) each, goes through `phases`.

    Of a long fit's share a start needs less to tell (`train.trials`), and so there are more of them.
    """

    phases: tuple[Phase, ...]
    candidates: int = 1
    warmup: float = 0.0
    gain: float = 16.0  # the latents' learning rate over the networks', in quantization steps
    growth: float = 1.0  # of that, from a grid to the next coarser one
    eps: float = 0.3  # of the latents' Adam, in bits a step
    betas: tuple[float, float] = (0.9, 0.999)  # of the latents' Adam
    optimizer: str = "soap"  # of the networks: soap or adam
    paces: Mapping[str, float] = field(default_factory=dict)  # of tensors by name: how many times as fast they learn
    batch: int = 0  # frames that a step sees; 0: all
    step_of: Callable[[str], float] = lambda name: 1.0  # of a tensor by its name, near what it will have in a file
    distortion: Callable[[Tensor, Tensor], Tensor] = mse_loss  # of (n, channels, height, width)
    judge: Callable[[Tensor, Tensor], Tensor] = mse_loss  # the same, by which the best state and networks' steps are chosen


@dataclass(frozen=True)
class Paper:
    title: str
    year: int
    authors: str
    venue: str


@dataclass(frozen=True)
class Method:
    """`build(signal, nbytes)` gives the architecture for a file of about so many bytes, `build_long` those among which a long
    fit chooses by its starts, if it has others; `recipe(lmbda)` is how to fit it.

    `profiles()`: its decoders. `tunes`: what the function that makes this takes as `tune`, besides none.
    `bases`: what `train.meta` learns for it. `sets`: takes several pictures of one size as one signal.
    """

    name: str
    kind: str  # "image" or "video"
    paper: Paper
    build: Callable[[Signal, float], Architecture]
    recipe: Callable[[float], Recipe]
    profiles: Callable[[], Iterable[tuple[Manifest, tuple[Graph, ...]]]]
    tunes: tuple[str, ...] = ()
    bases: tuple[Base, ...] = ()
    sets: bool = False
    build_long: Callable[[Signal, float], tuple[Architecture, ...]] | None = None
