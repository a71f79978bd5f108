"""player: for playback on a CPU. A network of bytes on an eighth of the resolution makes luma and half as fine chroma.

    latents (8, h/16, w/16) of the frame, grid (4, h/16, w/16) of its time -> 3x3, shuffle to h/8 -> four times 3x3 -> 1x1,
    shuffle to h/2 -> squares of four luma and two chroma samples -> RGB

All layers are `parts.integers`: 8-bit weights and activations. A frame's time changes gains and biases of their outputs,
which costs nothing. Every tensor is of whole numbers, fitted for its rate. Latents travel frame by frame: any is had alone.
"""

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Dimension, Entry, Manifest
from ...runtime.squares import PLANES
from ...runtime.syntax import Signal
from ..clip import GRID, Sizes, grid
from ..field import WHOLE, Field, field_graph
from ..method import Graph, Method, Paper, Phase, Recipe, Tensors, UnsuitedError
from ..parts.embedding import projected
from ..parts.integers import Convolve, bits, compiled, convolved, levels, rounded
from ..parts.squares import rgb
from ..parts.temporal import between_ticks
from ..parts.upconv import widest

LATENTS, GRIDS = 8, 4  # channels of a frame and of a time
SCALE, SIDE = 16, 4  # pixels that a latent covers, squares that an output covers, down and across
WIDTHS = {"small": 64, "medium": 104, "large": 144}  # at most, by tune: 2.5, 6.4 and 12 kMAC per pixel
NARROWEST, GRANULE = 16, 8  # of widths
LAYERS = tuple(f"layer{i}" for i in range(4))
ALL = ("stem", *LAYERS, "head")
TICK = 16  # frames, from which on times have numbers of their own
ZERO = 128  # the byte of a latent of 0
MULTIPLIER, GAIN, BIAS = 2.0**-16, 2.0**-6, 2.0**-2  # steps of scales, of gains and of biases, these in levels
SIGMA, LEVELS = 8.0, 40.0  # deviation of weights and of outputs, at first
BITS = 4.0  # of a weight, a first estimate
SHARE = 0.6  # of a file that the networks may take


def layer_entries(name: str, inputs: Dimension, outputs: Dimension, kernel: int) -> Iterator[Entry]:
    yield f"{name}.weight", (outputs, inputs, kernel, kernel), f"{name}.weight"
    for kind, changes in (("gain", "gains"), ("bias", "biases")):
        yield f"{name}.{kind}", (outputs,), kind
        yield f"{name}.{changes}", ("ticks", outputs), changes


ENTRIES = (
    ("scales", (len(ALL),), "scales"),
    *layer_entries("stem", LATENTS + GRIDS, "+".join(["width"] * 4), 3),
    *(entry for name in LAYERS for entry in layer_entries(name, "width", "width", 3)),
    *layer_entries("head", "width", PLANES * SIDE**2, 1),
    ("grid", ("ticks", GRIDS, "grid_rows", "grid_columns"), "grid"),
    *((f"latent{k}", ("frames", "grid_rows", "grid_columns"), f"latent{k}") for k in range(LATENTS)),
)
SIZES = (*GRID, ("width", 512), ("ticks", 65536))
MANIFEST = Manifest("player", SIZES, ENTRIES, halo=WHOLE, framewise=True, squares=True)


def squares(convolve: Convolve, latents: Tensor, tensors: Tensors) -> Tensor:
    """(1, LATENTS, rows, columns) -> (1, 6, 8 rows, 8 columns), bytes"""
    t = (tensors["frame"] + 0.5) / tensors["frames"]

    def layer(x: Tensor, name: str, zero: int = 0) -> Tensor:
        gain = tensors[f"{name}.gain"] + between_ticks(tensors[f"{name}.gains"], t)[0]
        bias = tensors[f"{name}.bias"] + between_ticks(tensors[f"{name}.biases"], t)[0]
        scale = tensors["scales"][ALL.index(name)] * MULTIPLIER
        return convolve(x, tensors[f"{name}.weight"], scale * (1 + GAIN * gain).clamp(min=GAIN), BIAS * bias, zero)

    inputs = torch.cat([latents, between_ticks(tensors["grid"], t)], 1)
    x = F.pixel_shuffle(layer(levels(inputs + ZERO), "stem", ZERO), 2)
    for name in LAYERS:
        x = layer(x, name)
    return F.pixel_shuffle(layer(x, "head"), SIDE)


def image(tensors: Tensors) -> Tensor:
    frame = tensors["frame"].long()
    latents = torch.stack([tensors[f"latent{k}"].index_select(0, frame) for k in range(LATENTS)], 1)
    return rgb(squares(convolved, latents, tensors))[0]


def compiled_squares(tensors: Tensors) -> Tensor:
    """Of one frame's latents."""
    return squares(compiled, torch.stack([tensors[f"latent{k}"] for k in range(LATENTS)], 1), tensors)[0]


def start(sizes: Sizes, target: Tensor, generator: torch.Generator) -> Tensors:
    tensors = {name: torch.zeros(MANIFEST.shape(dimensions, sizes)) for name, dimensions, _ in ENTRIES}
    places = sizes["grid_rows"], sizes["grid_columns"]
    latents = 2 * projected(target, (LATENTS, *places), generator)
    seen = {"stem": 2.0}
    for i, name in enumerate(ALL):
        weight = f"{name}.weight"
        tensors[weight] = SIGMA * torch.randn(tensors[weight].shape, generator=generator)
        inputs = math.prod(tensors[weight].shape[1:])
        wanted = LEVELS if name != "head" else 10.0
        tensors["scales"][i] = wanted / (SIGMA * math.sqrt(inputs) * seen.get(name, LEVELS)) / MULTIPLIER
        tensors[f"{name}.bias"] += (128.0 if name == "head" else LEVELS / 2) / BIAS
    return tensors | {f"latent{k}": latents[:, k].contiguous() for k in range(LATENTS)}


def build(widest_width: int, signal: Signal, nbytes: float) -> Field:
    if signal.colour != "rgb" or signal.bit_depth != 8:
        raise UnsuitedError(f"method player: wanted rgb of 8 bits, got {signal.colour} of {signal.bit_depth}")
    sizes = grid(signal, SCALE) | {"ticks": math.ceil(signal.frames / TICK)} | signal.sizes
    count = lambda granules: weights(sizes | {"width": GRANULE * granules})  # noqa: E731
    granules = widest(count, SHARE * 8 * nbytes / BITS, widest_width // GRANULE)
    sizes["width"] = max(NARROWEST, GRANULE * granules)
    own = {name: sizes[name] for name, _ in SIZES}
    return Field(signal, MANIFEST, own, partial(start, sizes), image, dict.fromkeys(MANIFEST.groups, "integers"))


def weights(sizes: Sizes) -> int:
    return sum(math.prod(MANIFEST.shape(d, sizes)) for name, d, _ in ENTRIES if name.endswith("weight"))


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, compiled_squares),)


PACES = {f"{name}.weight": SIGMA for name in ALL} | {f"{name}.{kind}": 32.0 for name in ALL for kind in ("gain", "gains")}
PACES |= {f"{name}.{kind}": LEVELS / BIAS / 4 for name in ALL for kind in ("bias", "biases")}
PACES |= {f"latent{k}": 2.0 for k in range(LATENTS)} | {"grid": 2.0, "scales": 200.0}


def recipe(lmbda: float) -> Recipe:
    """Adam on relative rates, two frames a step; the rate of everything is in the loss from the start."""
    free = Phase("fit", 0.6, (2e-2, 1e-2), hard=True, bits=bits)
    whole = Phase("qat", 0.4, (1e-2, 2e-4), hard=True, weights=rounded, bits=bits)
    return Recipe((free, whole), optimizer="adam", batch=2, paces=PACES)


def player(tune: str = "medium") -> Method:
    """`tune` bounds what a pixel costs: "small" 2.5, "medium" 6.4, "large" 12 kMAC."""
    paper = Paper("Playback on a CPU: bytes at an eighth of the resolution", 2026, "inrcodec", "this project")
    return Method("player", "video", paper, partial(build, WIDTHS[tune]), recipe, profiles, tuple(WIDTHS), sets=True)
