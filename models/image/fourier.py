"""Positional encoding and a ReLU network, as NeRF has them for scenes. Mildenhall et al. 2020.

Ten octaves of sines of both coordinates, four hidden layers. The paper codes nothing: steps, their rate in the loss, and
entropy models are ours.
"""

from collections.abc import Iterator

from ...runtime.profile import Manifest
from ..field import field_graph
from ..method import Graph, Method, Paper, Recipe
from ..parts.perceptron import Frequencies, Perceptron, widest_field
from ..weights import steps_learned

NETWORK = Perceptron(("width",) * 4, frequencies=Frequencies(10), own=True)
MANIFEST = NETWORK.manifest("fourier")
BITS = 6  # of a weight, a first estimate
build = widest_field(NETWORK, MANIFEST, BITS, "learned")


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, NETWORK.image),)


def recipe(lmbda: float) -> Recipe:
    return steps_learned((2e-3, 1e-3), (1e-3, 1e-5), 0.5)


def fourier() -> Method:
    title = "NeRF: representing scenes as neural radiance fields for view synthesis"
    authors = "B. Mildenhall, P. Srinivasan, M. Tancik, J. Barron, R. Ramamoorthi, R. Ng"
    return Method("fourier", "image", Paper(title, 2020, authors, "ECCV 2020, the encoding"), build, recipe, profiles)
