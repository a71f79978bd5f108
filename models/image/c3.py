"""C3: COOL-CHIC with soft rounding, narrower noise, GELU and residual convolutions. Kim et al. 2024.

The paper's context network has GELU too; ours is of integers and has ReLU, since what feeds the entropy decoder must be
exact. Bilinear upsampling is by twos.
"""

import torch

from ...runtime.syntax import Signal
from ..grids import Design, Grids
from ..method import Method, Paper, Phase, Recipe
from ..parts.context import Context
from ..parts.synthesis import Conv, convolutions
from ..parts.upsampling import bilinear_taps, fixed
from ..quantizers import round_softly, soft_round_kumaraswamy

LEVELS = 7
DESIGN = Design(
    "c3",
    LEVELS,
    Context(neighbours=24, width=18),
    fixed("bilinear", bilinear_taps()),
    convolutions(
        "c3_synthesis",
        LEVELS,
        Conv("hidden0", 18, after=torch.nn.functional.gelu),
        Conv("hidden1", 18, after=torch.nn.functional.gelu),
        Conv("pixel", "channels"),
        Conv("residual0", "channels", 3, after=torch.nn.functional.gelu, residual=True),
        Conv("residual1", "channels", 3, residual=True),
    ),
)


def build(signal: Signal, nbytes: float) -> Grids:
    return Grids(signal, DESIGN)


def recipe(lmbda: float) -> Recipe:
    """Adam; of 110,000 steps the last 10,000 are straight through, at a low rate. Latents have a gain of 2**k / 0.4."""
    phases = (
        Phase("noise", 0.9, (1e-2, 0.0), temperature=(0.3, 0.1), noise=(2.0, 1.0), latents=soft_round_kumaraswamy),
        Phase("rounded", 0.1, (1e-4, 0.0), temperature=(1e-4, 1e-4), latents=round_softly),
    )
    return Recipe(phases, gain=2.5, growth=2.0, optimizer="adam")


def c3() -> Method:
    title = "C3: high-performance and low-complexity neural compression from a single image or video"
    authors = "H. Kim, M. Bauer, L. Theis, J. R. Schwarz, E. Dupont"
    return Method("c3", "image", Paper(title, 2024, authors, "CVPR 2024, images"), build, recipe, DESIGN.profiles)
