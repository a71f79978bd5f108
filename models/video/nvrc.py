"""NVRC: HiNeRV's network and grids, fitted for their rate and distortion together. Kwan et al. 2024.

Every tensor, each grid among them, has a step that is learned and written. Its rate is that under the Gaussian of its own
symbols; the paper has one of each row and column, and a context for grids.
"""

from dataclasses import replace
from functools import partial

from ...runtime.syntax import Signal
from ..clip import profiles_of
from ..field import Field
from ..method import Method, Paper, Recipe
from ..weights import steps_learned
from . import hinerv

PLAIN = 0.15  # of the iterations go before there are steps
BITS = 4.0  # of a weight, a first estimate


def build(signal: Signal, nbytes: float) -> Field:
    return hinerv.build(signal, nbytes, "nvrc", "learned", BITS)


profiles = profiles_of(partial(hinerv.manifest, method="nvrc"), hinerv.image_of, example=hinerv.example)


def recipe(lmbda: float) -> Recipe:
    """Adam at 2e-3, two frames a step."""
    return replace(steps_learned((2e-3, 2e-3), (2e-3, 2e-5), 1 - PLAIN), batch=2, paces=hinerv.PACES)


def nvrc() -> Method:
    title = "NVRC: neural video representation compression"
    paper = Paper(title, 2024, "H. M. Kwan, G. Gao, F. Zhang, A. Gower, D. Bull", "NeurIPS 2024")
    return Method("nvrc", "video", paper, build, recipe, profiles, sets=True)
