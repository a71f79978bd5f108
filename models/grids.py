"""An INR of latent grids: upsampled to features, of which a synthesis makes pixels; a context model codes them."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from ..runtime.grids import by_level, kinds
from ..runtime.profile import Dimension, Manifest
from ..runtime.syntax import Signal
from .curvature import of_distortion, of_mixed_distortion, of_rate
from .method import Curvature, Graph, Inr, Part, Tensors
from .parts.context import Context, latent_bits, margin
from .parts.latents import Canvas
from .parts.synthesis import Synthesis
from .parts.upsampling import Upsampling, above


@dataclass(frozen=True)
class Design:
    """The parts, for every signal. `levels` are latent grids, each of half the size; `sizes`, `method`, `chroma` and `mixed`
    as a manifest's."""

    name: str
    levels: int
    context: Context
    upsampling: Upsampling
    synthesis: Synthesis
    sizes: tuple[tuple[str, int], ...] = ()
    method: str = ""
    chroma: tuple[int, ...] = ()
    mixed: tuple[int, ...] = ()

    @cached_property
    def manifest(self) -> Manifest:
        entries = (*self.context.entries(self.levels), *self.upsampling.entries, *self.synthesis.entries)
        grids = self.levels, self.context.hyper, self.synthesis.halo, self.context.order
        given = {"method": self.method, "chroma": self.chroma, "mixed": self.mixed}
        return Manifest(self.name, self.sizes, entries, *grids, **given)

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """One step of upsampling, mixing, if there is any, and synthesis."""
        return *self.upsampling.graphs, self.synthesis.graph

    def profiles(self) -> tuple[tuple[Manifest, tuple[Graph, ...]]]:
        """As `Method.profiles`, where this is the only one."""
        return ((self.manifest, self.graphs),)


@dataclass(frozen=True)
class Grids:
    """The architecture for one signal, and the `sizes` chosen for it."""

    signal: Signal
    design: Design
    sizes: dict[str, int] = field(default_factory=dict)

    @cached_property
    def canvas(self) -> Canvas:
        *others, main = kinds(self.manifest, self.signal)
        alone = [shape for kind in others for shape in kind.shapes]
        return Canvas((*main.shapes, *main.hyper, *alone), margin(self.design.context.order), len(alone))

    @property
    def manifest(self) -> Manifest:
        return self.design.manifest

    @property
    def coding(self) -> dict[str, str]:
        return {}

    def parts(self, batch: int) -> list[Part]:
        return []

    @property
    def stride(self) -> int:
        return 1

    def number(self, size: Dimension) -> int:
        """What a size is."""
        return self.manifest.shape((size,), {**self.signal.sizes, **self.sizes})[0]

    def init(self, target: Tensor, generator: torch.Generator) -> Inr:
        design = self.design
        tensors = design.context.start(design.levels, self.number, generator)
        tensors |= design.synthesis.start(self.number, generator) | design.upsampling.start(self.number, generator)
        tensors["synthesis.pixel.bias"] += target.mean((0, 2, 3)).to("cpu")
        tensors = {name: tensor.to(target.device) for name, tensor in tensors.items()}
        return Inr(tensors, torch.zeros(self.canvas.size, device=target.device))

    def mask(self, device: torch.device) -> Tensor:
        return self.canvas.mask(device)

    def features(self, tensors: Tensors, latents: Tensor) -> Tensor:
        """(grids, height, width): what the synthesis makes the picture of."""
        return self.design.upsampling.features(self.stacks(latents), tensors)

    def stacks(self, latents: Tensor) -> list[Tensor]:
        """Each level's grids (n, h, w) that make the picture, finest first."""
        levels = by_level(self.manifest, self.grids(latents))
        return [torch.stack(grids) if len(grids) > 1 else grids[0][None] for grids in levels]

    def render(self, tensors: Tensors, latents: Tensor, part: Part = Part()) -> Tensor:
        return self.design.synthesis.image(self.features(tensors, latents), tensors)[None]

    def latent_bits(self, tensors: Tensors, latents: Tensor, mask: Tensor, part: Part = Part()) -> Tensor:
        return latent_bits(latents, self.canvas, self.design.levels, mask, tensors, self.design.context.order)

    @torch.no_grad()
    def curvatures(self, tensors: Tensors, latents: Tensor) -> tuple[Curvature, Curvature]:
        design, generator = self.design, torch.Generator().manual_seed(0)
        rate = of_rate(latents, self.canvas, design.levels, tensors, design.context.order, generator)
        if mixed := design.upsampling.mixed:
            kernels, filters = (tensors[f"upsampling.{name}"] for name in ("kernels", "filters"))
            cut = above(self.stacks(latents), kernels, filters, max(mixed.levels) + 1)
            if found := of_mixed_distortion(mixed, design.synthesis, cut, tensors, generator):
                return found, rate
        return of_distortion(design.synthesis, self.features(tensors, latents), tensors, generator), rate

    def grids(self, latents: Tensor) -> list[Tensor]:
        return self.canvas.split(latents)[::-1]

    def latents(self, grids: list[Tensor]) -> Tensor:
        return self.canvas.join(grids[::-1])
