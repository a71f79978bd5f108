"""COIN: a SIREN fitted to a picture, its weights as half floats. Dupont et al. 2021.

Depth and width are among the paper's five, the largest that the bytes wanted have room for; below the first, narrower ones.
As in the authors' code both coordinates are divided by the height, so that columns run beyond 1 on a wide picture.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import Field, field_graph
from ..method import Graph, Method, Paper, Phase, Recipe
from ..parts.perceptron import Perceptron, perceptron_field

OMEGA = 30.0
SIZES = ((5, 20), (5, 30), (10, 28), (10, 40), (13, 49))  # layers with sines, width
NARROWER = tuple((5, width) for width in range(4, 20, 4))
DEPTHS = (5, 10, 13)


def axes(rows: Tensor, columns: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """[-1, 1] along the height, at the same pitch along the width."""
    pitch = 2 / torch.clamp(size[0] - 1, min=1)
    return rows * pitch - 1, columns * pitch - 1


def network(layers: int) -> Perceptron:
    return Perceptron(("width",) * layers, axes, omega=OMEGA, offset=0.0)


def manifest_of(layers: int) -> Manifest:
    return network(layers).manifest(f"coin{layers}", method="coin")


def size_for(signal: Signal, nbytes: float) -> tuple[int, int]:
    """Layers and width."""
    sizes = [(d, w) for d, w in (*NARROWER, *SIZES)]
    counts = [network(d).count({"width": w, "channels": signal.channels}) for d, w in sizes]
    return max((size for size, count in zip(sizes, counts) if 2 * count <= nbytes), default=sizes[0])


def build(signal: Signal, nbytes: float) -> Field:
    layers, width = size_for(signal, nbytes)
    manifest = manifest_of(layers)
    coding = dict.fromkeys(manifest.groups, "half")
    return perceptron_field(signal, network(layers), manifest, {"width": width}, coding, equal=True)


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    for layers in DEPTHS:
        manifest = manifest_of(layers)
        yield manifest, (field_graph(manifest, network(layers).image),)


def recipe(lmbda: float) -> Recipe:
    """Adam at 2e-4 throughout (50,000 steps of the whole picture in the paper), the best state kept."""
    return Recipe((Phase("fit", 1.0, (2e-4, 2e-4), hard=True),), optimizer="adam")


def coin() -> Method:
    title = "COIN: compression with implicit neural representations"
    authors = "E. Dupont, A. Goliński, M. Alizadeh, Y. W. Teh, A. Doucet"
    return Method("coin", "image", Paper(title, 2021, authors, "ICLR 2021 workshop; half floats"), build, recipe, profiles)
