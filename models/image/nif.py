"""NIF: sines whose frequency a second small network chooses for every pixel, in layers that narrow. Catania & Allegra 2023.

    PosEnc(1.4, 16) -> 120 -> 40 -> 28 -> 16 -> colour, every activation sin(P y)
    PosEnc(1.4, 4)  ->  16 -> 8 -> m,  P = 30 + 10 m

Log-cosh and SSIM; perturbation restarts; then 8-bit weights by quantization-aware training. The paper's brotli, a call for
each tensor of a pickle, is our range coder here.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import HALO, Field, field_graph
from ..losses import log_cosh_ssim
from ..method import Graph, Method, Paper, Phase, Recipe, Tensors
from ..parts.perceptron import Frequencies, Perceptron
from ..weights import Symmetric, perturbed

MAIN = Perceptron(("first", "second", "third", "fourth"), frequencies=Frequencies(16, 1.4), omega=30.0, own=True)
PERIOD = Perceptron(
    ("inner", "innermost"), frequencies=Frequencies(4, 1.4), omega=30.0, offset=0.0, prefix="period.", own=True
)
# The paper's, and between and below them ours.
SIZES = ((16, 12, 8, 8, 8, 4), (32, 20, 12, 8, 8, 4), (64, 28, 20, 12, 16, 8), (120, 40, 28, 16, 16, 8))
SIZES += ((200, 64, 40, 20, 16, 8), (300, 130, 60, 24, 16, 8), (450, 220, 85, 32, 16, 8))
NAMES = (*MAIN.widths, *PERIOD.widths)
TENSORS = (*MAIN.tensors(), *PERIOD.tensors(outputs=1))
MANIFEST = Manifest("nif", tuple((str(name), 512) for name in NAMES), TENSORS, halo=HALO)


def image(tensors: Tensors) -> Tensor:
    period = (30 + 10 * PERIOD.image(tensors)).flatten()[:, None]  # (pixels, 1)
    return MAIN.image(tensors, lambda y: torch.sin(period * y))


def build(signal: Signal, nbytes: float) -> Field:
    known = [{**dict(zip(NAMES, size)), "channels": signal.channels} for size in SIZES]
    counts = [MAIN.count(sizes) + PERIOD.count(sizes | {"channels": 1}) for sizes in known]
    chosen = max((i for i, count in enumerate(counts) if count < nbytes), default=0)
    sizes = dict(zip(map(str, NAMES), SIZES[chosen]))

    def start(target: Tensor, generator: torch.Generator) -> Tensors:
        return MAIN.start(known[chosen], generator) | PERIOD.start(known[chosen] | {"channels": 1}, generator)

    return Field(signal, MANIFEST, sizes, start, image, dict.fromkeys(MANIFEST.groups, "8 bits"))


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield MANIFEST, (field_graph(MANIFEST, image),)


def recipe(lmbda: float) -> Recipe:
    """The paper's: 10 x 150 steps of AdamW, 1e-3 to 6e-4, with restarts between; then 5 x 40 of QAT."""
    first = Phase("fit", 0.088, (1e-3, 6e-4), hard=True)
    restarts = [replace(first, name=f"fit {k + 1}", enter=perturbed(k / 9)) for k in range(1, 10)]
    qat = Phase("qat", 0.12, (5e-5, 2e-5), hard=True, weights=Symmetric(8).weights)
    return Recipe((first, *restarts, qat), optimizer="adam", distortion=log_cosh_ssim)


def nif() -> Method:
    title = "NIF: a fast implicit image compression with bottleneck layers and modulated sinusoidal activations"
    return Method("nif", "image", Paper(title, 2023, "L. Catania, D. Allegra", "ACM MM 2023"), build, recipe, profiles)
