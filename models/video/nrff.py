"""NRFF: a key frame, and a perceptron of sines that says for each pixel where it comes from, and what else. Rho et al. 2022.

    (x, y, t) -> SIREN -> flow, residual;  frame = warp(key frame, flow) + residual

The paper's key frame is any image codec's; ours is cosine coefficients, fitted with the network and for their rate, as all
weights are. The paper first fits the flow to that of another network, and codes weights as half floats.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import HALO, Field, field_graph
from ..method import Graph, Method, Paper, Recipe, Tensors
from ..parts.keyframe import SIZES, blocks, entries, keys, rated, started_keys
from ..parts.perceptron import Perceptron, widest
from ..parts.temporal import time
from ..parts.warp import sampled

FLOW = 16.0  # pixels to an output of 1
NETWORK = Perceptron(("width",) * 4, omega=30.0, offset=0.0, own=True)
LAYERS = (*NETWORK.tensors("channels+flow"), ("first.time", ("width",), "first.time"))
MANIFEST = Manifest("nrff", (("width", 1024), ("flow", 2), *SIZES), (*entries(1), *LAYERS), halo=HALO)
BITS = 8  # of a weight, a first estimate
SHARE = 0.5  # of a file that the network may take


def image(tensors: Tensors) -> Tensor:
    bias = tensors["first.bias"] + (2 * time(tensors) - 1) * tensors["first.time"]
    out = NETWORK.image(tensors | {"first.bias": bias})
    rows = tensors["rows"][:, None] + FLOW * out[0]
    columns = tensors["columns"] + FLOW * out[1]
    return sampled(keys(tensors), rows[None], columns[None])[0] + out[2:]


def build(signal: Signal, nbytes: float) -> Field:
    sizes = {"width": widest(NETWORK, signal, SHARE * nbytes, BITS), "flow": 2} | blocks(signal)

    def start(target: Tensor, generator: torch.Generator) -> Tensors:
        network = NETWORK.start({"width": sizes["width"], "channels": signal.channels + 2}, generator)
        when = (2 * torch.rand(sizes["width"], generator=generator) - 1) / 2
        return started_keys(target[:1].cpu()) | network | {"first.time": when}

    return Field(signal, MANIFEST, sizes, start, image, dict.fromkeys(MANIFEST.groups, "learned"))


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, image, timed=True),)


def recipe(lmbda: float) -> Recipe:
    """Adam at 1e-3, two frames a step."""
    return rated((1e-3, 1e-3), (1e-3, 1e-5))


def nrff() -> Method:
    title = "Neural residual flow fields for efficient video representations"
    paper = Paper(title, 2022, "D. Rho, J. Cho, J. H. Ko, E. Park", "ACCV 2022; key frames of cosine coefficients")
    return Method("nrff", "video", paper, build, recipe, profiles, sets=True)
