"""An INR without latents: a function from a pixel's position to its colour, whose weights are all that travels."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..runtime.profile import Manifest
from ..runtime.syntax import Signal
from .method import Inr, Tensors

HALO = 0  # a pixel depends on its own position alone


@dataclass(frozen=True)
class Field:
    """The architecture for one signal.

    `start(generator)` makes fresh tensors. `image(tensors)` makes (channels, h, w) of them and of `rows` (h,), `columns`
    (w,) and `size` (2,), which are among them. `coding` as `method.Architecture`'s.
    """

    signal: Signal
    manifest: Manifest
    sizes: dict[str, int]
    start: Callable[[torch.Generator], Tensors]
    image: Callable[[Tensors], Tensor]
    coding: dict[str, str] = field(default_factory=dict)

    def init(self, target: Tensor, generator: torch.Generator) -> Inr:
        tensors = {name: tensor.to(target.device) for name, tensor in self.start(generator).items()}
        return Inr(tensors, torch.zeros(0, device=target.device))

    def mask(self, device: torch.device) -> Tensor:
        return torch.zeros(0, device=device)

    def render(self, tensors: Tensors, latents: Tensor) -> Tensor:
        height, width = self.signal.height, self.signal.width
        rows, columns = (torch.arange(n, dtype=torch.float32, device=latents.device) for n in (height, width))
        size = torch.tensor([height, width], dtype=torch.float32, device=latents.device)
        return self.image({**tensors, "rows": rows, "columns": columns, "size": size})

    def latent_bits(self, tensors: Tensors, latents: Tensor, mask: Tensor) -> Tensor:
        return torch.zeros((), device=latents.device)

    def grids(self, latents: Tensor) -> list[Tensor]:
        return []

    def latents(self, grids: list[Tensor]) -> Tensor:
        return torch.zeros(0)
