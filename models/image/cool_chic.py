"""COOL-CHIC: latent grids, fixed upsampling, two networks of 629 parameters. Ladune et al. 2023.

Bicubic interpolation, a synthesis of 1x1 layers, and a context of 12 neighbours in the latent's own grid.
"""

import torch

from ...runtime.syntax import Signal
from ..grids import Design, Grids
from ..method import Method, Paper, Phase, Recipe
from ..parts.context import Context
from ..parts.synthesis import Conv, convolutions
from ..parts.upsampling import bicubic_taps, fixed
from ..quantizers import round_softly, uniform_noise

LEVELS = 7
DESIGN = Design(
    "cool_chic",
    LEVELS,
    Context(neighbours=12, width=12),
    fixed("bicubic", bicubic_taps()),
    convolutions(
        "cool_chic_synthesis",
        LEVELS,
        Conv("hidden0", 12, after=torch.relu),
        Conv("hidden1", 12, after=torch.relu),
        Conv("pixel", "channels"),
    ),
)


def build(signal: Signal, nbytes: float) -> Grids:
    return Grids(signal, DESIGN)


def recipe(lmbda: float) -> Recipe:
    """Adam; uniform noise, then rounding with a softened derivative; latents by a gain of 2**k on the k-th grid.

    The shares are ours, and 2.5 times the gain, since our fits are shorter.
    """
    phases = (
        Phase("noise", 0.8, (1e-2, 1e-3), noise=(1.0, 1.0), latents=uniform_noise),
        Phase("rounded", 0.2, (1e-3, 0.0), temperature=(0.3, 0.3), latents=round_softly),
    )
    return Recipe(phases, gain=2.5, growth=2.0, optimizer="adam")


def cool_chic() -> Method:
    title = "COOL-CHIC: coordinate-based low complexity hierarchical image codec"
    authors = "T. Ladune, P. Philippe, F. Henry, G. Clare, T. Leguay"
    return Method("cool_chic", "image", Paper(title, 2023, authors, "ICCV 2023, version 1"), build, recipe, DESIGN.profiles)
