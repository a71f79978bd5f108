"""Positional encoding and a ReLU network, as NeRF has them for scenes. Mildenhall et al. 2020.

Ten octaves of sines of both coordinates, four hidden layers. The paper codes nothing: steps, their rate in the loss, and
entropy models are ours.
"""

from collections.abc import Iterator

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import Field
from ..method import Graph, Method, Paper, Phase, Recipe
from ..parts.perceptron import Frequencies, Perceptron, field_graph, perceptron_field, widest
from ..weights import stepped, stepped_bits, with_steps

NETWORK = Perceptron(("width",) * 4, frequencies=Frequencies(10), own=True)
MANIFEST = NETWORK.manifest("fourier")
BITS = 6  # of a weight, a first estimate


def build(signal: Signal, nbytes: float) -> Field:
    sizes = {"width": widest(NETWORK, signal, nbytes, BITS)}
    return perceptron_field(signal, NETWORK, MANIFEST, sizes, dict.fromkeys(MANIFEST.groups, "learned"))


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, NETWORK.image),)


def recipe(lmbda: float) -> Recipe:
    return Recipe(
        (
            Phase("fit", 0.5, (2e-3, 1e-3), hard=True),
            Phase("qat", 0.5, (1e-3, 1e-5), hard=True, enter=with_steps, weights=stepped, bits=stepped_bits),
        ),
        optimizer="adam",
    )


def fourier() -> Method:
    title = "NeRF: representing scenes as neural radiance fields for view synthesis"
    authors = "B. Mildenhall, P. Srinivasan, M. Tancik, J. Barron, R. Ramamoorthi, R. Ng"
    return Method("fourier", "image", Paper(title, 2020, authors, "ECCV 2020, the encoding"), build, recipe, profiles)
