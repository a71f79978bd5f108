"""RQAT-INR: COIN's network, quantized while it is trained, with the rate of its weights in the loss. Damodaran et al. 2023.

The rate is that of Gaussians with each tensor's own mean and deviation, so that nothing but steps is sent. Steps are learned
and travel as half floats (the paper sends each layer's largest magnitude); weights are coded by our Laplace tables. The
paper's penalty on what quantization adds to the loss is part of the loss here: it is that of the quantized network.
"""

from collections.abc import Iterator

from ...runtime.profile import Manifest
from ..field import field_graph
from ..method import Graph, Method, Paper, Recipe
from ..parts.perceptron import Perceptron, widest_field
from ..weights import steps_learned
from .coin import axes

NETWORK = Perceptron(("width",) * 6, axes, omega=30.0, offset=0.5, own=True)
MANIFEST = NETWORK.manifest("rqat_inr")
BITS = 6  # of a weight, a first estimate
build = widest_field(NETWORK, MANIFEST, BITS, "learned")


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, NETWORK.image),)


def recipe(lmbda: float) -> Recipe:
    return steps_learned((1e-3, 5e-4), (5e-4, 1e-5), 0.5)


def rqat_inr() -> Method:
    title = "RQAT-INR: improved implicit neural image compression"
    paper = Paper(title, 2023, "B. B. Damodaran, M. Balcilar, F. Galpin, P. Hellier", "DCC 2023; learned steps")
    return Method("rqat_inr", "image", paper, build, recipe, profiles)
