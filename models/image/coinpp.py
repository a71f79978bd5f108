"""COIN++: one SIREN for all pictures, and of each 32x32 patch 64 numbers that shift its layers. Dupont et al. 2022.

A set of pictures is one batch of patches.
The SIREN is meta-learned: three inner steps on the numbers, from zero, must make it fit a patch. It ships as constants of
the decoder graph. The numbers travel with 5 bits each over 3 standard deviations, by one static histogram.
The paper's base is 10 layers of 512, learned from Vimeo-90k; ours 5 of 96, of a few photos.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import SIDE_MAX, Signal
from ..field import HALO, Field, field_graph
from ..method import Base, Graph, Method, Paper, Phase, Recipe, Tensors
from ..parts.modulation import cell_of, init_modulated, modulated, modulated_macs
from ..shared import adapt, load, rgb_only
from ..weights import Rounded

PATCH, LATENTS, LAYERS, WIDTH, OMEGA = 32, 64, 5, 96, 30.0
INNER = 3  # steps
HALF, DEVIATIONS = 16, 3.0  # symbols to either side, and as far they reach: 5 bits


def start(generator: torch.Generator) -> Tensors:
    base = init_modulated(2, LAYERS, WIDTH, LATENTS, OMEGA, generator)
    return base | {f"rate{k}": torch.full((LATENTS,), 2.0) for k in range(INNER)}


def fitted(base: Tensors, patches: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers (n, LATENTS) of patches (n, pixels, 3) at positions (pixels, 2) after the inner steps, and their errors."""

    def errors(numbers: Tensor) -> Tensor:
        maps = [(numbers @ base[f"layer{i}.shift"])[:, None] for i in range(LAYERS)]
        return (modulated(base, positions, maps, OMEGA) - patches).square().mean((1, 2))

    zeros = {"numbers": torch.zeros(len(patches), LATENTS, device=patches.device)}
    rates = [{"numbers": base[f"rate{k}"]} for k in range(INNER)]
    numbers = adapt(lambda inner: errors(inner["numbers"]).sum(), zeros, rates)["numbers"]
    return numbers, errors(numbers)


def meta_loss(base: Tensors, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The error after the inner steps, on every second row and column."""
    row, column = torch.randint(2, (2,), generator=generator).tolist()
    patches = pictures[:, :, row::2, column::2].permute(0, 2, 3, 1).flatten(1, 2)
    centres = 2 * (torch.arange(PATCH, device=pictures.device) + 0.5) / PATCH - 1
    positions = torch.cartesian_prod(centres[row::2], centres[column::2])
    return fitted(base, patches, positions)[1].mean()


def statistics(base: Tensors, pictures: Tensor) -> Tensors:
    """Standard deviations of the numbers, and how often each symbol comes."""
    centres = 2 * (torch.arange(PATCH) + 0.5) / PATCH - 1
    numbers, _ = fitted(base, pictures.permute(0, 2, 3, 1).flatten(1, 2), torch.cartesian_prod(centres, centres))
    deviations = numbers.std(0)
    symbols = torch.floor(numbers / deviations * (HALF / DEVIATIONS)).clamp(-HALF, HALF - 1)
    counts = torch.bincount(symbols.long().flatten() + HALF, minlength=2 * HALF)
    return {n: t for n, t in base.items() if not n.startswith("rate")} | {"deviations": deviations, "counts": counts.float()}


BASE = Base("coinpp", start, meta_loss, batch=32, size=PATCH, lr=3e-4, steps=4000, finish=statistics)


def manifest() -> Manifest:
    counts = tuple(int(count) for count in load("coinpp")["counts"])
    sizes = (("patch_rows", SIDE_MAX), ("patch_columns", SIDE_MAX))
    numbers = ("numbers", ("frames", "patch_rows", "patch_columns", LATENTS), "numbers")
    macs = modulated_macs(2, LAYERS, WIDTH, LATENTS, PATCH**2)
    return Manifest("coinpp", sizes, (numbers,), halo=HALO, counts={"numbers": (counts,)}, macs=macs)


def image(tensors: Tensors) -> Tensor:
    symbols = tensors["numbers"].index_select(0, tensors["frame"].long())[0]
    base = {name: tensor.to(symbols.device) for name, tensor in load("coinpp").items()}
    numbers = (symbols + 0.5) * base["deviations"] * (DEVIATIONS / HALF)
    (patch_row, y), (patch_column, x) = (
        cell_of(tensors[name], PATCH, symbols.shape[k]) for k, name in enumerate(("rows", "columns"))
    )
    maps = [(numbers @ base[f"layer{i}.shift"])[patch_row][:, patch_column] for i in range(LAYERS)]
    positions = torch.stack(torch.broadcast_tensors(y[:, None], x[None]), -1)
    return modulated(base, positions, maps, OMEGA).permute(2, 0, 1)


def build(signal: Signal, nbytes: float) -> Field:
    rgb_only("coinpp", signal)
    sizes = {"patch_rows": -(-signal.height // PATCH), "patch_columns": -(-signal.width // PATCH)}
    zeros = torch.full((signal.frames, *sizes.values(), LATENTS), -0.5)
    return Field(signal, manifest(), sizes, lambda *_: {"numbers": zeros}, image, {"numbers": "static"})


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield manifest(), (field_graph(manifest(), image),)


def recipe(lmbda: float) -> Recipe:
    """Adam on the numbers, in their steps, of which the paper takes 3 to 10 by plain gradient; rounded in the end."""
    symbols = Rounded(-HALF, HALF - 1)
    return Recipe(
        (Phase("fit", 0.6, (0.5, 0.1), hard=True), Phase("rounded", 0.4, (0.1, 0.0), hard=True, weights=symbols.weights)),
        optimizer="adam",
    )


def coinpp() -> Method:
    title = "COIN++: neural compression across modalities"
    authors = "E. Dupont, H. Loya, M. Alizadeh, A. Goliński, Y. W. Teh, A. Doucet"
    paper = Paper(title, 2022, authors, "TMLR 2022; a small base")
    return Method("coinpp", "image", paper, build, recipe, profiles, bases=(BASE,), sets=True)
