"""An INR of a segment whose first frame is an INR of latent grids, and all others are predicted from frames before and after.

latents of the frame, 1/2 ... --> features --------------------------------+
flow, 1/8 ...  --> summed --> frames before and after, moved and mixed --> synthesis --> frame
"""

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from ..runtime.grids import FIELDS, grid_shapes
from ..runtime.hierarchy import hierarchy, needed
from ..runtime.profile import Dimension, Manifest, Motion
from ..runtime.syntax import Signal
from .grids import Design, Grids
from .method import Curvature, Graph, Inr, Part, Tensors
from .parts.context import Context, latent_bits
from .parts.latents import Canvas
from .parts.matching import matched
from .parts.motion import Prediction, doubling, finer, summed
from .parts.upsampling import pyramid_features, upsample
from .quantizers import through_clamp

FIRST = 4.0  # how much more than another's the first frame's distortion counts, for all others depend on it
ADDED, FLOW = "added.", "flow."  # what the names of tensors of frames after the first begin with


@dataclass(frozen=True)
class Sequence:
    """The parts, for every signal: the `first` frame's, and the others', whose grids begin at levels that `motion` says."""

    first: Design
    motion: Motion
    added: Context
    flow: Context
    hidden: Dimension

    @property
    def levels(self) -> int:
        return self.first.levels

    @cached_property
    def prediction(self) -> Prediction:
        return Prediction(self.motion.flow, self.levels, self.hidden)

    @cached_property
    def manifest(self) -> Manifest:
        first = self.first.manifest
        added = (*self.added.entries(self.levels - self.motion.added), *self.prediction.entries)
        flow = self.flow.entries(self.levels - self.motion.flow)
        others = [(ADDED + name, shape, group) for name, shape, group in added]
        others += [(FLOW + name, shape, group) for name, shape, group in flow]
        tensors = (*first.tensors, *others)
        return Manifest(
            first.name, first.sizes, tensors, first.levels, first.hyper, first.halo, method=first.method, motion=self.motion
        )

    @property
    def graphs(self) -> tuple[Graph, ...]:
        return (*self.first.graphs, doubling(), self.prediction.graph)

    def profiles(self) -> tuple[tuple[Manifest, tuple[Graph, ...]]]:
        return ((self.manifest, self.graphs),)


@dataclass(frozen=True)
class Frames:
    """The architecture for one signal, and the `sizes` chosen for it.

    Latents are one row: the first frame's canvas, the others' canvases of what is added, those of their flow.
    """

    signal: Signal
    design: Sequence
    sizes: dict[str, int] = field(default_factory=dict)

    @cached_property
    def first(self) -> Grids:
        """The first frame's architecture, as it has it alone."""
        return Grids(self.signal, self.design.first, self.sizes)

    @cached_property
    def canvases(self) -> tuple[Canvas, Canvas, Canvas]:
        shapes, motion = grid_shapes(self.signal, self.design.levels), self.design.motion
        return self.first.canvas, Canvas(tuple(shapes[motion.added :])), Canvas(tuple(shapes[motion.flow :]))

    @property
    def manifest(self) -> Manifest:
        return self.design.manifest

    @property
    def coding(self) -> dict[str, str]:
        return {}

    def parts(self, batch: int) -> list[Part]:
        """Frames in a row and those that they are predicted from; these count less, the more parts have them."""
        frames, period = self.signal.frames, self.design.motion.period
        seen = [range(k, min(k + batch, frames)) for k in range(1, frames, batch)] if batch else []
        groups = [(0, *(each.number for each in needed(wanted, frames, period))) for wanted in seen]
        counts = Counter(itertools.chain(*groups))
        alike = [tuple(len(groups) / counts[frame] for frame in group) for group in groups]
        return [Part(group, weights=w, emphasis=(FIRST, *[1.0] * (len(w) - 1))) for group, w in zip(groups, alike)]

    @property
    def stride(self) -> int:
        return 1

    def init(self, target: Tensor, generator: torch.Generator) -> Inr:
        design, motion, number = self.design, self.design.motion, self.first.number
        tensors = self.first.init(target, generator).tensors
        others = _with(ADDED, design.added.start(design.levels - motion.added, number, generator))
        others |= _with(ADDED, design.prediction.start(number, generator))
        others |= _with(FLOW, design.flow.start(design.levels - motion.flow, number, generator))
        tensors |= {name: tensor.to(target.device) for name, tensor in others.items()}
        first, added, _ = (math.prod(canvas.size) for canvas in self.canvases)
        still = torch.zeros(first + (self.signal.frames - 1) * added, device=target.device)
        if self.signal.frames == 1:
            return Inr(tensors, still)
        fields = matched(target, hierarchy(self.signal.frames, motion.period), self.canvases[2].shapes, motion.flow)
        return Inr(tensors, torch.cat([still, self.canvases[2].join(fields).flatten()]))

    def split(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Canvases (rows, columns) of the first frame, (n, rows, columns) of what is added to the n others, and (n, FIELDS,
        rows, columns) of their flow."""
        n, sizes = self.signal.frames - 1, [canvas.size for canvas in self.canvases]
        leading = ((), (n,), (n, FIELDS))
        shapes = [(*lead, *size) for lead, size in zip(leading, sizes)]
        first, added, flow = latents.split([torch.Size(shape).numel() for shape in shapes])
        return first.view(shapes[0]), added.view(shapes[1]), flow.view(shapes[2])

    def mask(self, device: torch.device) -> Tensor:
        n, (first, added, flow) = self.signal.frames - 1, (canvas.mask(device).flatten() for canvas in self.canvases)
        return torch.cat([first, added.repeat(n), flow.repeat(n * FIELDS)])

    def render(self, tensors: Tensors, latents: Tensor, part: Part = Part()) -> Tensor:
        frames, design = self.signal.frames, self.design
        wanted = range(frames) if part.frames is None else part.frames
        first, added, flow = self.split(latents)
        made = {0: self.first.render(tensors, first)[0]}
        there: dict[int, Tensor] = {}  # as others see them
        own = without(ADDED, tensors)
        index = {each.number: i for i, each in enumerate(hierarchy(frames, design.motion.period))}
        for each in needed(wanted, frames, design.motion.period):
            i = index[each.number]
            motion = summed(self.canvases[2].split(flow[i]))
            for number in {each.before, each.after} - there.keys():
                there[number] = finer(through_clamp(made[number])[None])[0]
            references = torch.stack([there[each.before], there[each.after]])
            place = torch.tensor([each.place], device=latents.device)
            features = self.features([grid[None] for grid in self.canvases[1].split(added[i])], tensors)
            made[each.number] = design.prediction.image(features, motion, place, references, own)
        return torch.stack([made[k] for k in wanted])

    def features(self, grids: list[Tensor], tensors: Tensors) -> Tensor:
        """(levels, height, width) of the grids of what is added; those that are finer than them are zero."""
        kernels, filters, finest = tensors["upsampling.kernels"], tensors["upsampling.filters"], self.design.motion.added
        stack = pyramid_features(grids, kernels[finest:], filters[finest:])
        for level, shape in reversed(list(enumerate(self.canvases[0].shapes[:finest]))):
            stack = torch.cat([stack.new_zeros(1, *shape), upsample(stack, kernels[level], *shape)])
        return stack

    def latent_bits(self, tensors: Tensors, latents: Tensor, mask: Tensor, part: Part = Part()) -> Tensor:
        """Of a part of the frames: what all would take if they were as these are."""
        frames, order = self.signal.frames, hierarchy(self.signal.frames, self.design.motion.period)
        wanted = range(frames) if part.frames is None else part.frames
        weights = dict(zip(wanted, part.weights or [frames / len(wanted)] * len(wanted)))
        (first, *others), (inside, *insides) = self.split(latents), self.split(mask)
        bits = latents.new_zeros(())
        if 0 in weights:
            bits = bits + weights[0] * self.first.latent_bits(tensors, first, inside)
        seen = [i for i, each in enumerate(order) if each.number in weights]
        count = torch.tensor([weights[order[i].number] for i in seen], device=latents.device)
        for prefix, canvas, all_of_them, mask in zip((ADDED, FLOW), self.canvases[1:], others, insides):
            if seen:
                counted = torch.einsum("n,n...->n...", count, mask[seen]).flatten(0, -3)
                own = without(prefix, tensors)
                bits = bits + latent_bits(all_of_them[seen].flatten(0, -3), canvas, len(canvas.shapes), counted, own)
        return bits

    def curvatures(self, tensors: Tensors, latents: Tensor) -> tuple[Curvature, ...]:
        return ()

    def grids(self, latents: Tensor) -> list[Tensor]:
        first, added, flow = self.split(latents)
        grids = self.first.grids(first)
        for frame, fields in zip(added, flow):
            grids += self.canvases[1].split(frame)[::-1]
            for each in fields:
                grids += self.canvases[2].split(each)[::-1]
        return grids

    def latents(self, grids: list[Tensor]) -> Tensor:
        there, (first, added, flow) = iter(grids), self.canvases

        def joined(canvas: Canvas) -> Tensor:
            return canvas.join([next(there) for _ in canvas.shapes][::-1]).flatten()

        start, others = joined(first), range(self.signal.frames - 1)
        pairs = [(joined(added), torch.cat([joined(flow) for _ in range(FIELDS)])) for _ in others]
        return torch.cat([start, *(frame for frame, _ in pairs), *(fields for _, fields in pairs)])


def without(prefix: str, tensors: Tensors) -> Tensors:
    """Those whose names begin with the `prefix`."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _with(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}
