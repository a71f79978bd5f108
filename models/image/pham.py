"""Pham et al. 2023: an encoder network gives the modulations of a shared INR, trained with it for rate and distortion.

    picture -> four strided convolutions -> rounded numbers, 32 for every 16x16 pixels -> range coder, static histograms
    numbers, interpolated -> shifts of three sine layers, position in the cell -> colour

So nothing need be fitted; what a fit does is to polish the numbers. The paper gives no constants: all sizes are ours.
"""

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import SIDE_MAX, Signal
from ..field import HALO, Field, field_graph
from ..method import Base, Graph, Method, Paper, Phase, Recipe, Tensors
from ..parts.modulation import init_modulated, interpolated, modulated, modulated_macs
from ..rates import laplace_bits
from ..shared import load, rgb_only
from ..weights import Rounded

CELL, LATENTS, LAYERS, WIDTH, OMEGA = 16, 32, 3, 64, 30.0
CHANNELS = (3, 32, 48, 64, LATENTS)  # of the encoder
LMBDA = 1e-3  # of the base
MOST = 31  # the largest symbol
SYMBOLS = Rounded(-MOST, MOST)


def start(generator: torch.Generator) -> Tensors:
    tensors = init_modulated(8, LAYERS, WIDTH, LATENTS, OMEGA, generator) | {"scales": torch.zeros(LATENTS)}
    for i, (a, b) in enumerate(itertools.pairwise(CHANNELS)):
        tensors[f"encoder{i}.weight"] = torch.randn(b, a, 5, 5, generator=generator) / math.sqrt(25 * a / 2)
        tensors[f"encoder{i}.bias"] = torch.zeros(b)
    return tensors


def encoder(base: Tensors, pictures: Tensor) -> Tensor:
    """(n, 3, h, w) -> (n, LATENTS, h / CELL, w / CELL), rounded up."""
    x = F.pad(pictures - 0.5, (0, -pictures.shape[3] % CELL, 0, -pictures.shape[2] % CELL), mode="replicate")
    for i in range(len(CHANNELS) - 1):
        x = F.conv2d(F.gelu(x) if i else x, base[f"encoder{i}.weight"], base[f"encoder{i}.bias"], stride=2, padding=2)
    return x


def image(tensors: Tensors, base: Tensors | None = None) -> Tensor:
    """(..., 3, h, w) of `numbers` (..., LATENTS, cell rows, cell columns) at the positions."""
    base = {name: t.to(tensors["numbers"].device) for name, t in load("pham").items()} if base is None else base
    numbers, rows, columns = tensors["numbers"].movedim(-3, -1), tensors["rows"], tensors["columns"]
    maps = [interpolated(numbers @ base[f"layer{i}.shift"], rows, columns, CELL) for i in range(LAYERS)]
    angles = [math.pi / CELL * k * at for k in (1, 2) for at in ((rows + 0.5)[:, None], (columns + 0.5)[None])]
    waves = torch.broadcast_tensors(*(wave(angle) for angle in angles for wave in (torch.sin, torch.cos)))
    return modulated(base, torch.stack(waves, -1), maps, OMEGA).movedim(-1, -3)


def rate_distortion(base: Tensors, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """With uniform noise for rounding (Ballé et al. 2017), on every second row and column."""
    numbers = encoder(base, pictures)
    noisy = numbers + torch.rand(numbers.shape, generator=generator) - 0.5
    row, column = torch.randint(2, (2,), generator=generator).tolist()
    rows, columns = (torch.arange(k, side, 2.0) for k, side in ((row, pictures.shape[2]), (column, pictures.shape[3])))
    out = image({"numbers": noisy, "rows": rows, "columns": columns}, base)
    bits = laplace_bits(noisy, base["scales"][:, None, None])[0].sum() / pictures[:, 0].numel()
    return (out - pictures[:, :, row::2, column::2]).square().mean() + LMBDA * bits


def statistics(base: Tensors, pictures: Tensor) -> Tensors:
    """How often each symbol of each channel comes, at least once in 30,000."""
    symbols = torch.round(encoder(base, pictures)).clamp(-MOST, MOST).long().transpose(0, 1).flatten(1) + MOST
    counts = torch.stack([torch.bincount(channel, minlength=2 * MOST + 1) for channel in symbols])
    return base | {"counts": torch.floor(counts * 30_000 / counts.sum(1, keepdim=True)) + 1}


BASE = Base("pham", start, rate_distortion, batch=8, size=128, lr=1e-3, steps=4000, finish=statistics)


def manifest() -> Manifest:
    counts = tuple(tuple(int(count) for count in row) for row in load("pham")["counts"])
    sizes = (("cell_rows", SIDE_MAX), ("cell_columns", SIDE_MAX))
    numbers = ("numbers", (LATENTS, "cell_rows", "cell_columns"), "numbers")
    macs = modulated_macs(8, LAYERS, WIDTH, LATENTS, CELL**2)
    return Manifest("pham", sizes, (numbers,), halo=HALO, counts={"numbers": counts}, macs=macs)


def build(signal: Signal, nbytes: float) -> Field:
    rgb_only("pham", signal)
    sizes = {"cell_rows": -(-signal.height // CELL), "cell_columns": -(-signal.width // CELL)}

    def begin(target: Tensor, generator: torch.Generator) -> Tensors:
        return {"numbers": encoder(load("pham"), target.cpu())[0]}

    return Field(signal, manifest(), sizes, begin, image, {"numbers": "static"})


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield manifest(), (field_graph(manifest(), image),)


def bits(tensors: Tensors) -> Tensor:
    scales = load("pham")["scales"].to(tensors["numbers"].device)
    return laplace_bits(tensors["numbers"], scales[:, None, None])[0].sum()


def recipe(lmbda: float) -> Recipe:
    return Recipe((Phase("polish", 1.0, (0.03, 0.0), hard=True, weights=SYMBOLS.weights, bits=bits),), optimizer="adam")


def pham() -> Method:
    title = "Autoencoding implicit neural representations for image compression"
    paper = Paper(title, 2023, "T. Pham, Y. Yang, S. Mandt", "ICML 2023 workshop Neural Compression; sizes are ours")
    return Method("pham", "image", paper, build, recipe, profiles, bases=(BASE,))
