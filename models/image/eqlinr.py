"""EQLINR: COOL-CHIC with sampled rounding and a convolutional synthesis. Zhang et al. 2023.

The paper has no code and gives few constants. Ours are: 3x3 filters in the synthesis's last layer, rates, and rounding
sampled (stochastic Gumbel annealing, Yang et al. 2020) after a start with uniform noise: on whole numbers it has no gradient.
"""

import torch

from ...runtime.syntax import Signal
from ..grids import Design, Grids
from ..method import Method, Paper, Phase, Recipe
from ..parts.context import Context
from ..parts.synthesis import Conv, convolutions
from ..parts.upsampling import bicubic_taps, fixed
from ..quantizers import gumbel, uniform_noise

LEVELS = 7
DESIGN = Design(
    "eqlinr",
    LEVELS,
    Context(neighbours=12, width=12),
    fixed("bicubic", bicubic_taps()),
    convolutions(
        "eqlinr_synthesis",
        LEVELS,
        Conv("hidden", 12, after=torch.relu),
        Conv("pixel", "channels", 3),
    ),
)


def build(signal: Signal, nbytes: float) -> Grids:
    return Grids(signal, DESIGN)


def recipe(lmbda: float) -> Recipe:
    """Adam, and COOL-CHIC's gains; temperatures up to Yang et al.'s."""
    phases = (
        Phase("noise", 0.5, (1e-2, 5e-3), noise=(1.0, 1.0), latents=uniform_noise),
        Phase("sampled", 0.5, (5e-3, 0.0), temperature=(0.5, 0.1), latents=gumbel),
    )
    return Recipe(phases, gain=2.5, growth=2.0, optimizer="adam")


def eqlinr() -> Method:
    title = "Enhanced quantified local implicit neural representation for image compression"
    return Method(
        "eqlinr", "image", Paper(title, 2023, "G. Zhang, X. Zhang, L. Tang", "IEEE SPL 30"), build, recipe, DESIGN.profiles
    )
