"""SIREN: a picture as one network of sines. Sitzmann et al. 2020.

The paper's image has 256 units a layer; here the width follows from the bytes wanted, and steps and entropy models of the
weights are ours, since the paper codes nothing.
"""

import torch
from torch import Tensor

from ...runtime.syntax import Signal
from ..field import Field
from ..method import Graph, Method, Paper, Phase, Recipe
from ..parts.sine import init_sine, sine_graph, sine_image, sine_manifest, sine_parameters

LAYERS, OMEGA = 4, 30.0  # with sines
OFFSET = 0.5  # the paper's pixels are in [-1, 1]
BITS = 8  # of a weight, a first estimate
WIDTH_MAX = 256


def axes(rows: Tensor, columns: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """[-1, 1] along both sides."""
    last = torch.clamp(size - 1, min=1)
    return 2 * rows / last[0] - 1, 2 * columns / last[1] - 1


def build(signal: Signal, nbytes: float) -> Field:
    widths = [w for w in range(4, WIDTH_MAX + 1, 4) if sine_parameters(LAYERS, w, signal.channels) * BITS / 8 < nbytes]
    width = max(widths, default=4)
    return Field(
        signal,
        sine_manifest("siren", LAYERS),
        {"width": width},
        lambda generator: init_sine(LAYERS, width, signal.channels, OMEGA, generator),
        lambda tensors: sine_image(tensors, axes, OMEGA, OFFSET),
    )


def graphs() -> tuple[Graph]:
    return (sine_graph("siren", LAYERS, axes, OMEGA, OFFSET),)


def recipe(lmbda: float) -> Recipe:
    """Adam; the paper's rate is 1e-4 for 10,000 steps of the whole picture, here it may fall from five times that."""
    return Recipe((Phase("fit", 1.0, (5e-4, 1e-5), hard=True),), optimizer="adam")


def siren() -> Method:
    title = "Implicit neural representations with periodic activation functions"
    paper = Paper(
        title, 2020, "V. Sitzmann, J. Martel, A. Bergman, D. Lindell, G. Wetzstein", "NeurIPS 2020, the image network"
    )
    return Method("siren", "image", paper, build, recipe)
