"""An INR without latent grids: a function from a position to colours, whose tensors are all that travels.

From a pixel's position to its colour, or from a frame's to all of its pixels, as the manifest's halo says.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..runtime.profile import Manifest
from ..runtime.syntax import Signal
from .method import Curvature, Graph, Inr, Part, Tensors

HALO, WHOLE = 0, -1  # a pixel depends on its own position alone; frames are made whole
STEP_PIXELS = 1 << 14  # that a step of a fit sees at most


@dataclass(frozen=True)
class Field:
    """The architecture for one signal.

    `start(target, generator)` makes fresh tensors. `image(tensors)` makes (channels, h, w) of them and of `rows` (h,),
    `columns` (w,), `size` (2,), `frame` (1,) and `frames` (1,), which are among them; whole frames may be larger, and are
    cut. `coding` as `method.Architecture`'s. A step of a fit sees every `stride`-th row and column alone where pixels do not
    depend on each other: of a large picture it would take seconds otherwise.
    """

    signal: Signal
    manifest: Manifest
    sizes: dict[str, int]
    start: Callable[[Tensor, torch.Generator], Tensors]
    image: Callable[[Tensors], Tensor]
    coding: Mapping[str, str] = field(default_factory=dict)

    def parts(self, batch: int) -> list[Part]:
        return []

    @property
    def stride(self) -> int:
        if self.manifest.halo == WHOLE:
            return 1
        return math.ceil(math.sqrt(self.signal.pixels / STEP_PIXELS))

    def init(self, target: Tensor, generator: torch.Generator) -> Inr:
        tensors = {name: tensor.to(target.device) for name, tensor in self.start(target, generator).items()}
        return Inr(tensors, torch.zeros(0, device=target.device))

    def mask(self, device: torch.device) -> Tensor:
        return torch.zeros(0, device=device)

    def render(self, tensors: Tensors, latents: Tensor, part: Part = Part()) -> Tensor:
        height, width, device = self.signal.height, self.signal.width, latents.device
        ends = zip(part.first, (height, width))
        rows, columns = (torch.arange(a, b, part.stride, dtype=torch.float32, device=device) for a, b in ends)
        size, count = (torch.tensor(n, dtype=torch.float32, device=device) for n in ([height, width], [self.signal.frames]))
        there = {**tensors, "rows": rows, "columns": columns, "size": size, "frames": count}
        frames = range(self.signal.frames) if part.frames is None else part.frames
        wanted = torch.tensor(frames, dtype=torch.float32, device=device)
        images = [self.image({**there, "frame": frame}) for frame in wanted.split(1)]
        return torch.stack([image[:, : len(rows), : len(columns)] for image in images])

    def latent_bits(self, tensors: Tensors, latents: Tensor, mask: Tensor, part: Part = Part()) -> Tensor:
        return torch.zeros((), device=latents.device)

    def curvatures(self, tensors: Tensors, latents: Tensor) -> tuple[Curvature, ...]:
        return ()

    def grids(self, latents: Tensor) -> list[Tensor]:
        return []

    def latents(self, grids: list[Tensor]) -> Tensor:
        return torch.zeros(0)


def field_graph(
    manifest: Manifest,
    image: Callable[[Tensors], Tensor],
    most: int = 8,
    example: Mapping[str, int] | None = None,
    timed: bool = False,
    placed: bool = False,
) -> Graph:
    """The decoder graph of a field: positions and tensors to (1, channels, h, w). Sizes of the `example` where some depend on
    others; else they count down from `most`.

    `timed`: it sees where its frame stands, as do all that make frames whole;
    `placed`: where its pixels lie, as do all others.
    """
    names = dict.fromkeys(name for name, _ in manifest.sizes)
    sizes = {"channels": 3, "frames": 5, **(example or {name: most - i for i, name in enumerate(names)})}
    inputs: Tensors = {}
    dynamic: dict[str, dict[int, str]] = {}
    if placed or manifest.halo != WHOLE:
        inputs |= {"rows": torch.arange(24.0), "columns": torch.arange(40.0), "size": torch.tensor([24.0, 40.0])}
        dynamic |= {"rows": {0: "height"}, "columns": {0: "width"}}
    if (timed := timed or manifest.halo == WHOLE) or any("frames" in dimensions for _, dimensions, _ in manifest.tensors):
        inputs |= {"frame": torch.ones(1)}
    if timed:
        inputs |= {"frames": torch.full((1,), 5.0)}
    alone = dict(tensor for members in manifest.alone.values() for tensor in members)
    for name, dimensions, _ in manifest.tensors:
        inputs[name] = torch.zeros(manifest.shape(alone.get(name, dimensions), sizes))
        dynamic[name] = {i: d for i, d in enumerate(alone.get(name, dimensions)) if isinstance(d, str)}
    return Graph(manifest.name, lambda tensors: image(tensors)[None], inputs, dynamic, "image")
