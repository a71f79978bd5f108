"""player: for playback on a CPU. A network of bytes on an eighth of the resolution makes luma and half as fine chroma.

    latents (8, h/16, w/16) of the frame, grid (24, h/16, w/16) of its time -> 1x1, shuffle to h/8 -> four times 3x3 -> 1x1,
    shuffle to h/2 -> squares of four luma and two chroma samples -> RGB

All layers are `parts.integers`: 8-bit weights and activations, fitted for their rate. Latents travel frame by frame: any is
had alone. The start is a linear decoder (`parts.principal`), of which a fit makes more than that.
"""

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.squares import PLANES
from ...runtime.syntax import Signal
from ..clip import GRID, Sizes, grid
from ..field import WHOLE, Field, field_graph
from ..method import Graph, Method, Paper, Phase, Recipe, Tensors, UnsuitedError
from ..parts.integers import ZERO, Convolve, bits, compiled, convolved, entries, layer, levels, rounded, started
from ..parts.principal import SIDE, linear
from ..parts.squares import rgb
from ..parts.temporal import between_ticks
from ..parts.upconv import widest

LATENTS, GRIDS = 8, 24  # channels of a frame and of a time
SCALE = 4 * SIDE  # pixels that a latent covers, down and across: four outputs
WIDTHS = {"small": 64, "medium": 104, "large": 144}  # at most, by tune: 2.5, 6.5 and 12 kMAC per pixel
NARROWEST, GRANULE = 16, 8  # of widths
LAYERS = tuple(f"layer{i}" for i in range(4))
TICK = 16  # frames, from which on times have numbers of their own
BITS = 4.0  # of a weight, a first estimate
SHARE = 0.6  # of a file that the networks may take
SIGMA, DEVIATION = 2.0, 40.0  # of weights, and of outputs in levels, at first
PASSED, LARGEST = 16, 60.0  # channels of components, and the largest weight that passes them
ENTRIES = (
    *entries("stem", LATENTS + GRIDS, "+".join(["width"] * 4), 1),
    *(entry for name in LAYERS for entry in entries(name, "width", "width", 3)),
    *entries("head", "width", PLANES * SIDE**2, 1),
    ("grid", ("ticks", GRIDS, "grid_rows", "grid_columns"), "grid"),
    *((f"latent{k}", ("frames", "grid_rows", "grid_columns"), f"latent{k}") for k in range(LATENTS)),
)
SIZES = (*GRID, ("width", 512), ("ticks", 65536))
MANIFEST = Manifest("player", SIZES, ENTRIES, halo=WHOLE, framewise=True, squares=True)


def squares(convolve: Convolve, latents: Tensor, tensors: Tensors) -> Tensor:
    """(1, LATENTS, rows, columns) -> (1, 6, 8 rows, 8 columns), bytes"""
    t = (tensors["frame"] + 0.5) / tensors["frames"]
    x = levels(torch.cat([latents, between_ticks(tensors["grid"], t)], 1) + ZERO)
    x, bias = layer(convolve, x, torch.full((LATENTS + GRIDS,), float(ZERO), device=x.device), "stem", tensors, t)
    x, bias = F.pixel_shuffle(x, 2), bias.view(-1, 4).mean(1)
    for name in LAYERS:
        x, bias = layer(convolve, x, bias, name, tensors, t)
    return F.pixel_shuffle(layer(convolve, x, bias, "head", tensors, t)[0], SIDE)


def image(tensors: Tensors) -> Tensor:
    frame = tensors["frame"].long()
    latents = torch.stack([tensors[f"latent{k}"].index_select(0, frame) for k in range(LATENTS)], 1)
    return rgb(squares(convolved, latents, tensors))[0]


def compiled_squares(tensors: Tensors) -> Tensor:
    """Of one frame's latents."""
    return squares(compiled, torch.stack([tensors[f"latent{k}"] for k in range(LATENTS)], 1), tensors)[0]


def start(sizes: Sizes, numbers: float, target: Tensor, generator: torch.Generator) -> Tensors:
    """A linear decoder, which some channels pass on as it is; all others see it at random, and nobody sees them yet."""
    passed = min(PASSED, sizes["width"] // 2)
    made = linear(target.cpu(), passed, LATENTS, GRIDS, sizes["ticks"], numbers)
    unit = DEVIATION / made.deviation  # levels of a channel to one of a component
    fresh = {name: torch.zeros(MANIFEST.shape(dimensions, sizes)) for name, dimensions, _ in ENTRIES}

    def seen(name: str, through: Tensor, deviation: float, bias: Tensor | float) -> Tensors:
        """A layer whose first outputs are `through` (outputs, inputs), and `bias`."""
        weight = SIGMA * torch.randn(fresh[f"{name}.weight"].shape, generator=generator)
        rows, columns = through.shape
        multiplier = torch.full((len(weight),), DEVIATION / (SIGMA * deviation * math.sqrt(weight[0].numel())))
        multiplier[:rows] = through.abs().max() / LARGEST
        weight[:rows] = 0
        half = weight.shape[-1] // 2
        weight[:rows, :columns, half, half] = through / multiplier[0]
        biases = torch.full((len(weight),), DEVIATION / 2)
        biases[:rows] = bias
        return started(name, weight, multiplier, biases)

    stem = seen("stem", unit * made.step * made.coarse, 2.0, ZERO)
    layers = [seen(name, torch.eye(passed), DEVIATION, ZERO) for name in LAYERS]
    head = seen("head", made.basis / unit, DEVIATION, made.mean)
    for tensors in (stem, *layers, head):
        fresh |= tensors
    return fresh | {"grid": made.grid} | {f"latent{k}": made.latents[:, k].contiguous() for k in range(LATENTS)}


def build(most: int, signal: Signal, nbytes: float) -> Field:
    if signal.colour != "rgb" or signal.bit_depth != 8:
        raise UnsuitedError(f"method player: wanted rgb of 8 bits, got {signal.colour} of {signal.bit_depth}")
    sizes = grid(signal, SCALE) | {"ticks": math.ceil(signal.frames / TICK)} | signal.sizes
    count = lambda granules: weights(sizes | {"width": GRANULE * granules})  # noqa: E731
    sizes["width"] = max(NARROWEST, GRANULE * widest(count, SHARE * 8 * nbytes / BITS, most // GRANULE))
    own = {name: sizes[name] for name, _ in SIZES}
    return Field(
        signal,
        MANIFEST,
        own,
        partial(start, sizes, (1 - SHARE) * 8 * nbytes),
        image,
        dict.fromkeys(MANIFEST.groups, "integers"),
    )


def weights(sizes: Sizes) -> int:
    return sum(math.prod(MANIFEST.shape(d, sizes)) for name, d, _ in ENTRIES if name.endswith("weight"))


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, compiled_squares),)


PACES = {"weight": 8.0, "scale": 200.0, "gain": 256.0, "bias": 320.0, "changes": 256.0, "grid": 40.0, "latent": 40.0}
PACES = {name: next(pace for kind, pace in PACES.items() if kind in name) for name, _, _ in ENTRIES}


def recipe(lmbda: float) -> Recipe:
    """Adam, each kind of tensor at its pace, two frames a step; the rate of everything is in the loss from the start."""
    begin = Phase("begin", 0.1, (5e-4, 1e-2), hard=True, bits=bits)
    free = Phase("fit", 0.5, (1e-2, 5e-3), hard=True, bits=bits)
    whole = Phase("qat", 0.4, (5e-3, 1e-4), hard=True, weights=rounded, bits=bits)
    return Recipe((begin, free, whole), optimizer="adam", batch=2, paces=PACES)


def player(tune: str = "medium") -> Method:
    """`tune` bounds what a pixel costs: "small" 2.5, "medium" 6.5, "large" 12 kMAC."""
    paper = Paper("Playback on a CPU: bytes at an eighth of the resolution", 2026, "inrcodec", "this project")
    return Method("player", "video", paper, partial(build, WIDTHS[tune]), recipe, profiles, tuple(WIDTHS), sets=True)
