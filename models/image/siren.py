"""SIREN: a picture as one network of sines. Sitzmann et al. 2020.

The paper's image has 256 units a layer; here the width follows from the bytes wanted, and steps and entropy models of the
weights are ours, since the paper codes nothing.
"""

from collections.abc import Iterator

from ...runtime.profile import Manifest
from ..field import field_graph
from ..method import Graph, Method, Paper, Phase, Recipe
from ..parts.perceptron import Perceptron, widest_field

NETWORK = Perceptron(("width",) * 4, omega=30.0)
MANIFEST = NETWORK.manifest("siren")
BITS = 8  # of a weight, a first estimate
build = widest_field(NETWORK, MANIFEST, BITS)


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, NETWORK.image),)


def recipe(lmbda: float) -> Recipe:
    """Adam; the paper's rate is 1e-4 for 10,000 steps of the whole picture, here it may fall from five times that."""
    return Recipe((Phase("fit", 1.0, (5e-4, 1e-5), hard=True),), optimizer="adam")


def siren() -> Method:
    title = "Implicit neural representations with periodic activation functions"
    paper = Paper(
        title, 2020, "V. Sitzmann, J. Martel, A. Bergman, D. Lindell, G. Wetzstein", "NeurIPS 2020, the image network"
    )
    return Method("siren", "image", paper, build, recipe, profiles)
