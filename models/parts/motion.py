"""A frame predicted from two others: both are moved along a flow and mixed, and a synthesis adds what is lacking.

Motion is of FIELDS, each the sum of grids whose sizes halve: half of how far things move from the frame before to the one
after, down and right, in STEP pixels; what the flow to both has beside that; and how much more of the one after is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.grids import FIELDS
from ...runtime.profile import Dimension, Entry
from ..method import Graph, Tensors
from .synthesis import Synthesis, beside, synthesis_graph, synthesize
from .upsampling import bicubic_taps, interleaved, phases, upsample
from .warp import sampled

STEP = 0.25  # pixels
SHARE = 0.5  # of the mix, before the sigmoid


@dataclass(frozen=True)
class Prediction:
    """Of flow at 1 / 2**`level` of a frame's size, and a synthesis of `levels` features.

    The synthesis sees the two frames' mixture, too, and how they differ: by "seen.hidden" and "seen.skip".
    """

    level: int
    levels: int
    hidden: Dimension

    @property
    def synthesis(self) -> Synthesis:
        return beside(self.levels, self.hidden)

    @property
    def entries(self) -> tuple[Entry, ...]:
        seen = {"hidden": self.hidden, "skip": "channels"}
        others = [(f"seen.{name}.weight", (size, "channels+channels"), "synthesis.weight") for name, size in seen.items()]
        return (*self.synthesis.entries, *others)

    def start(self, number: Callable[[Dimension], int], generator: torch.Generator) -> Tensors:
        tensors, channels = self.synthesis.start(number, generator), number("channels")
        hidden, pixel = tensors["synthesis.hidden.weight"], tensors["synthesis.pixel.weight"]
        return tensors | {
            "synthesis.pixel.weight": torch.zeros_like(pixel),  # at first a frame is what others are when moved and mixed
            "seen.hidden.weight": hidden.std() * torch.randn(len(hidden), 2 * channels, generator=generator),
            "seen.skip.weight": torch.zeros(channels, 2 * channels),
        }

    def image(self, features: Tensor, motion: Tensor, place: Tensor, references: Tensor, tensors: Tensors) -> Tensor:
        """(channels, height, width) of features (levels, height, width), motion (FIELDS, h, w), `references` (2, channels,
        2 height, 2 width), which are `finer`, and the `place` between them (1,)."""
        height, width = features.shape[1:]
        fine = F.interpolate(motion[None], scale_factor=2.0**self.level, mode="bilinear")[0, :, :height, :width]
        across, both = STEP * fine[:2], STEP * fine[2:4]
        flow = torch.stack([both - 2 * place * across, both + 2 * (1 - place) * across])  # (2, 2, height, width)
        rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 0]
        columns = torch.arange(width, device=flow.device) + flow[:, 1]
        before, after = sampled(references, 2 * rows + 0.5, 2 * columns + 0.5)
        mixed = torch.lerp(before, after, torch.sigmoid(SHARE * fine[4:]))
        layers = ("hidden", "skip")
        wider = {
            f"synthesis.{n}.weight": torch.cat([tensors[f"{k}.{n}.weight"] for k in ("synthesis", "seen")], 1) for n in layers
        }
        return mixed + _synthesized(torch.cat([features, mixed, after - before]), tensors | wider)

    @property
    def graph(self) -> Graph:
        """`image` as a decoder graph, of batches of one; inputs bear the names of its arguments."""
        tensors = self.start(lambda d: 3 if d == "channels" else 12, torch.Generator())
        dynamic = {name: {i: d for i, d in enumerate(shape) if isinstance(d, str)} for name, shape, _ in self.entries}
        side = 2**self.level
        tensors |= {"features": torch.zeros(1, self.levels, 48, 80), "references": torch.zeros(2, 3, 48, 80)}
        tensors |= {"motion": torch.zeros(1, FIELDS, -(-48 // side), -(-80 // side)), "place": torch.ones(1)}
        size = {2: "height", 3: "width"}
        dynamic |= {"features": size, "references": {1: "channels", **size}, "motion": {2: "rows", 3: "columns"}}

        def function(tensors: Tensors) -> Tensor:
            references = finer(tensors["references"])
            arguments = (tensors["features"][0], tensors["motion"][0], tensors["place"], references)
            return self.image(*arguments, tensors)[None]

        return Graph(f"prediction{self.levels}", function, tensors, dynamic, "image")


def finer(images: Tensor) -> Tensor:
    """(n, channels, h, w) -> (n, channels, 2 h, 2 w), cubic: what lies between their samples is then nearly linear."""
    if torch.compiler.is_exporting():
        return interleaved(images.flatten(0, 1)[None], phases(bicubic_taps()))[0].unflatten(0, (2, -1))
    height, width = images.shape[2:]
    taps = bicubic_taps().to(images)
    return upsample(images.flatten(0, 1), taps, 2 * height, 2 * width).unflatten(0, images.shape[:2])


def _synthesized(features: Tensor, tensors: Tensors) -> Tensor:
    if torch.compiler.is_exporting():
        return synthesis_graph(tensors | {"features": features[None]})[0]
    return synthesize(features, tensors)


def summed(grids: list[Tensor]) -> Tensor:
    """Grids (..., h, w), finest first, to one of the finest one's size."""
    total = grids[-1]
    for grid in grids[-2::-1]:
        total = doubled(total, grid)
    return total


def doubled(coarse: Tensor, finer: Tensor) -> Tensor:
    """(n, h, w) in twice the size, and (n, h', w') added."""
    return finer + F.interpolate(coarse[None], scale_factor=2.0, mode="bilinear")[0, :, : finer.shape[1], : finer.shape[2]]


def doubling() -> Graph:
    """`doubled` as a decoder graph, of batches of one."""
    inputs = {"features": torch.zeros(1, FIELDS, 6, 10), "finer": torch.zeros(1, FIELDS, 12, 20)}
    dynamic = {"features": {2: "height", 3: "width"}, "finer": {2: "finer_height", 3: "finer_width"}}
    return Graph(
        "flow", lambda tensors: doubled(tensors["features"][0], tensors["finer"][0])[None], inputs, dynamic, "doubled"
    )
