"""`pyramid`: latent grids, learned upsampling, convolutional synthesis and a context model, all small; our flagship.

        hyper-latents --+                        (6 x 1/64 ... feed the context model alone)
                        v
    latents 1/64 --> context --> range coder     each latent: Laplace(centre, scale) from neighbours and coarser grids
        :               ^
    latents 1/1  -------+
        |
        +--> filter, x2 --> filter, x2 ... --> features (levels, H, W) --+--> 1x1 network --> 3x3 residuals --+--> pixels
                                                                         +----------------- linear -----------+

After COOL-CHIC (Ladune et al. 2023), C3 (Kim et al. 2024) and Cool-chic 5.0 (Ladune et al. 2026); with integer
probability tables, a straight-through clamp, and a size chosen per picture by what the networks cost.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ...runtime.orders import NEIGHBOURS_MAX, ORDERS
from ...runtime.profile import Manifest
from ...runtime.segment import grid_shapes
from ...runtime.syntax import Signal
from ..method import Graph, Inr, Method, Paper, Phase, Recipe, Tensors
from ..parts.context import init_context, latent_bits
from ..parts.latents import Canvas
from ..parts.synthesis import HALO, RESIDUALS, init_synthesis, synthesis_graph, synthesize
from ..parts.upsampling import TAPS, bicubic_taps, pyramid_features, upsampling_graph

HYPER = 3  # the coarsest levels have hyper-latents too
LEVELS = (7, 8, 9)
LARGE, HUGE = 2**20, 3 * 2**20  # pixels from which a picture gets an eighth and a ninth level


@dataclass(frozen=True)
class Size:
    """What the context's networks see, their width, and the synthesis's hidden channels."""

    neighbours: int
    features: int
    hidden: int
    width: int = 0  # in raster order as wide as what they see


# Sizes by the bytes of the file, up to which each is the best bargain: they cost about 0.5, 0.9, 1.5 and 1.7 kB themselves.
SIZES = ((2_500, Size(6, 2, 8)), (12_000, Size(10, 4, 16)), (25_000, Size(14, 6, 32)), (float("inf"), Size(14, 6, 48)))
# The same for fast decoding, in parallel order: four networks cost four times as much.
FAST_SIZES = ((20_000, Size(4, 4, 8, 4)), (float("inf"), Size(10, 4, 16, 10)))


def levels_of(signal: Signal) -> int:
    pixels = signal.height * signal.width
    return LEVELS[(pixels > LARGE) + (pixels > HUGE)]


@dataclass(frozen=True)
class Pyramid:
    """The architecture for one signal."""

    signal: Signal
    size: Size
    order: str = "raster"

    @cached_property
    def levels(self) -> int:
        return levels_of(self.signal)

    @cached_property
    def canvas(self) -> Canvas:
        shapes = grid_shapes(self.signal, self.levels)
        return Canvas((*shapes, *shapes[-HYPER:]), 1 if self.order == "raster" else 2)

    @property
    def manifest(self) -> Manifest:
        return manifest(self.levels, self.order)

    @property
    def sizes(self) -> dict[str, int]:
        return {name: vars(self.size)[name] for name, _ in self.manifest.sizes}

    @property
    def coding(self) -> dict[str, str]:
        return {}

    @property
    def stride(self) -> int:
        return 1

    def init(self, target: Tensor, generator: torch.Generator) -> Inr:
        seen = [self.levels - 1 - k + HYPER for k in range(3)]
        near, features = self.size.neighbours, self.size.features
        tensors = init_context(self.order, near, features, self.size.width or near + features, seen, generator)
        tensors |= init_synthesis(self.levels, self.size.hidden, self.signal.channels, generator)
        tensors["synthesis.pixel.bias"] += target.mean((1, 2)).to("cpu")
        tensors["upsampling.kernels"] = bicubic_taps().repeat(self.levels - 1, 1)
        tensors["upsampling.filters"] = torch.zeros(self.levels - 1, TAPS)
        tensors = {name: tensor.to(target.device) for name, tensor in tensors.items()}
        return Inr(tensors, torch.zeros(self.canvas.size, device=target.device))

    def mask(self, device: torch.device) -> Tensor:
        return self.canvas.mask(device)

    def render(self, tensors: Tensors, latents: Tensor, first: tuple[int, int] = (0, 0), stride: int = 1) -> Tensor:
        grids = self.canvas.split(latents)[: self.levels]
        features = pyramid_features(grids, tensors["upsampling.kernels"], tensors["upsampling.filters"])
        return synthesize(features, tensors)

    def latent_bits(self, tensors: Tensors, latents: Tensor, mask: Tensor) -> Tensor:
        return latent_bits(latents, self.canvas, self.levels, mask, tensors, self.order)

    def grids(self, latents: Tensor) -> list[Tensor]:
        return self.canvas.split(latents)[::-1]

    def latents(self, grids: list[Tensor]) -> Tensor:
        return self.canvas.join(grids[::-1])


def manifest(levels: int, order: str = "raster") -> Manifest:
    """The wire's description of the pyramid with so many levels."""
    inputs = "neighbours+features"
    width = inputs if order == "raster" else "width"
    shapes = {"first": (inputs, width), "second": (width, width), "last": (width, 2), "skip": (inputs, 2)}
    networks = range(ORDERS[order])
    context = [(f"context.{i}.{name}.weight", shape, "context.weight") for i in networks for name, shape in shapes.items()]
    context += [
        (f"context.{i}.{name}.bias", shape[1:], "context.bias")
        for i in networks
        for name, shape in shapes.items()
        if name != "skip"
    ]
    inter = [(f"inter.{k}.weight", (levels - 1 - k + HYPER, "features"), "inter.weight") for k in range(3)]
    inter += [(f"inter.{k}.bias", ("features",), "inter.bias") for k in range(3)]
    synthesis = [
        ("upsampling.kernels", (levels - 1, TAPS), "upsampling"),
        ("upsampling.filters", (levels - 1, TAPS), "upsampling"),
        ("synthesis.hidden.weight", ("hidden", levels), "synthesis.weight"),
        ("synthesis.pixel.weight", ("channels", "hidden"), "synthesis.weight"),
        ("synthesis.skip.weight", ("channels", levels), "synthesis.weight"),
        *((f"synthesis.residual{i}.weight", ("channels", "channels", 3, 3), "synthesis.weight") for i in range(RESIDUALS)),
        ("synthesis.hidden.bias", ("hidden",), "synthesis.bias"),
        ("synthesis.pixel.bias", ("channels",), "synthesis.bias"),
        *((f"synthesis.residual{i}.bias", ("channels",), "synthesis.bias") for i in range(RESIDUALS)),
    ]
    sizes = [("neighbours", NEIGHBOURS_MAX), ("features", 16), ("hidden", 256)]
    sizes += [("width", 64)] if order != "raster" else []
    name = f"pyramid{levels}" + (f"_{order}" if order != "raster" else "")
    return Manifest(name, tuple(sizes), (*context, *inter, *synthesis), levels, HYPER, HALO, order)


def graphs() -> tuple[Graph, Graph]:
    """The decoder graphs, the same for every number of levels: one step of upsampling, and synthesis."""
    upsampling = Graph(
        "upsampling",
        upsampling_graph,
        {
            "features": torch.zeros(1, 3, 24, 40),
            "finer": torch.zeros(1, 1, 48, 80),
            "kernel": bicubic_taps(),
            "filter": torch.zeros(TAPS),
        },
        {"features": {1: "levels", 2: "height", 3: "width"}, "finer": {2: "finer_height", 3: "finer_width"}},
        "doubled",
    )
    levels = 7
    tensors = init_synthesis(levels, 12, 3, torch.Generator())
    names: dict[str, dict[int, str]] = {"features": {1: "levels", 2: "height", 3: "width"}}
    for name, dimensions, _ in manifest(levels).tensors:
        if name.startswith("synthesis."):
            names[name] = {i: d for i, d in enumerate(dimensions) if isinstance(d, str)}
    names["synthesis.hidden.weight"][1] = names["synthesis.skip.weight"][1] = "levels"
    features = torch.zeros(1, levels, 48, 80)
    return upsampling, Graph("synthesis", synthesis_graph, {"features": features, **tensors}, names, "image")


def profiles() -> Iterator[tuple[Manifest, tuple[Graph, Graph]]]:
    for levels, order in itertools.product(LEVELS, ORDERS):
        yield manifest(levels, order), graphs()


def recipe(lmbda: float) -> Recipe:
    """Temperatures, noise and gains of Cool-chic 5.0; the shares are ours."""
    return Recipe(
        (
            Phase("fit", 0.9, (1e-2, 0.0), temperature=(0.35, 0.08), noise=(0.22, 0.15)),
            Phase("networks", 0.1, (1e-3, 0.0), hard=True),
        ),
        candidates=3,
        warmup=0.03,
        gain=16.0 if lmbda > 5e-4 else 20.0 if lmbda > 2e-4 else 24.0,
    )


def choose_size(nbytes: float, sizes: tuple[tuple[float, Size], ...] = SIZES) -> Size:
    """Larger networks for larger files: they pay in latents."""
    return next(size for most, size in sizes if nbytes < most)


def pyramid(tune: str | None = None) -> Method:
    """`tune` "fastdecode" trades bytes for a decoder that is twice as fast: parallel order, and smaller networks."""
    order, sizes = ("parallel", FAST_SIZES) if tune == "fastdecode" else ("raster", SIZES)

    def build(signal: Signal, nbytes: float) -> Pyramid:
        return Pyramid(signal, choose_size(nbytes, sizes), order)

    paper = Paper("inrcodec pyramid", 2026, "the inrcodec authors", "after COOL-CHIC, C3 and Cool-chic 5.0")
    return Method("pyramid", "image", paper, build, recipe, profiles, ("fastdecode",))
