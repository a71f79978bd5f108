"""L0onie: COIN's network with a gate on every weight, so that most are zero. Ramirez & Gallego-Posada 2022.

Gates are hard-concrete; training uses their medians and prices those likely to be open with 16 bits each. The paper holds a
rate by dual ascent on lambda, which is our encoder's `--bpp`. Weights are half floats as in the paper, whose bytes leave out
where the zeros are: our file says it.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import Field, field_graph
from ..method import Graph, Method, Paper, Phase, Recipe, Tensors
from ..parts.perceptron import Perceptron, square, widest
from ..weights import gated, gated_bits, with_gates

NETWORK = Perceptron(("width",) * 10, square, omega=30.0, offset=0.0)
MANIFEST = NETWORK.manifest("l0onie")
OPEN = 0.5  # of the gates, a first estimate


def build(signal: Signal, nbytes: float) -> Field:
    sizes = {"width": widest(NETWORK, signal, nbytes, 16 * OPEN)}

    def start(target: Tensor, generator: torch.Generator) -> Tensors:
        tensors = NETWORK.start({**sizes, "channels": signal.channels}, generator, equal=True)
        return with_gates(tensors, generator)

    return Field(signal, MANIFEST, sizes, start, NETWORK.image, dict.fromkeys(MANIFEST.groups, "sparse half"))


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, NETWORK.image),)


def recipe(lmbda: float) -> Recipe:
    """Adam at 1e-3 (50,000 steps in the paper, gates at 7e-4)."""
    return Recipe((Phase("fit", 1.0, (1e-3, 1e-5), hard=True, weights=gated, bits=gated_bits),), optimizer="adam")


def l0onie() -> Method:
    title = "L0onie: compressing COINs with L0-constraints"
    paper = Paper(title, 2022, "J. Ramirez, J. Gallego-Posada", "arXiv 2207.04144; positions of zeros are coded too")
    return Method("l0onie", "image", paper, build, recipe, profiles)
