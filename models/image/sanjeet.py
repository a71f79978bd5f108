"""Sanjeet et al. 2024: M pictures from N < M networks; each picture's weights are a linear combination of theirs.

    weights of picture m = sum over n of c[m, n] theta[n]

Networks and coefficients are fitted to all pictures at once. The paper has 24 pictures from 2 networks, and says neither how
large these are nor how they are coded: sines as SIREN's, quantized while they are trained and coded as RQAT-INR's.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import HALO, Field, field_graph
from ..method import Graph, Method, Paper, Recipe, Tensors
from ..parts.perceptron import Perceptron, widest
from ..weights import steps_learned

NETWORK = Perceptron(("width",) * 5, omega=30.0, own=True)
MIXED = [(name, ("networks", *shape), group) for name, shape, group in NETWORK.tensors()]
COEFFICIENTS = ("coefficients", ("frames", "networks"), "coefficients")
MANIFEST = Manifest("sanjeet", (("networks", 256), ("width", 1024)), (COEFFICIENTS, *MIXED), halo=HALO)
PICTURES = 12  # a network, where there are more than two networks
BITS = 6  # of a weight, a first estimate


def image(tensors: Tensors) -> Tensor:
    coefficients = tensors["coefficients"].index_select(0, tensors["frame"].long())[0]
    mixed = {name: (coefficients @ tensors[name].flatten(1)).view(tensors[name].shape[1:]) for name, *_ in MIXED}
    return NETWORK.image(tensors | mixed)


def build(signal: Signal, nbytes: float) -> Field:
    networks = min(signal.frames, max(2, math.ceil(signal.frames / PICTURES)))
    sizes = {"networks": networks, "width": widest(NETWORK, signal, nbytes / networks, BITS)}

    def start(target: Tensor, generator: torch.Generator) -> Tensors:
        known = {**signal.sizes, **sizes}
        starts = [NETWORK.start(known, generator) for _ in range(networks)]
        coefficients = torch.nn.functional.normalize(torch.randn(signal.frames, networks, generator=generator))
        return {"coefficients": coefficients} | {name: torch.stack([s[name] for s in starts]) for name in starts[0]}

    return Field(signal, MANIFEST, sizes, start, image, dict.fromkeys(MANIFEST.groups, "learned"))


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, image),)


def recipe(lmbda: float) -> Recipe:
    return steps_learned((1e-3, 5e-4), (5e-4, 1e-5), 0.5)


def sanjeet() -> Method:
    title = "Breaking the barriers of one-to-one usage of implicit neural representation in image compression"
    authors = "S. Sanjeet, S. Hosseinalipour, J. Xiong, M. Fujita, B. D. Sahoo"
    paper = Paper(title, 2024, authors, "IEEE IoT Journal 2024; sizes and coding are ours")
    return Method("sanjeet", "image", paper, build, recipe, profiles, sets=True)
