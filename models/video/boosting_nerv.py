"""Boosting-NeRV: HNeRV whose decoder is told the time, and whose weights are fitted for their coding. Zhang et al. 2024.

    embedding of the frame -> 1x1 -> stages of 1x1, 3x3, 3x3 ... with sines, a residual block after each -> 0.5 tanh + 0.5

In the block t sets every channel's scale and shift, before each of two convolutions (SFT; here scale and shift share their
hidden layer). The loss is of L1, SSIM (in the paper MS-SSIM) and the Fourier transform, the optimizer Adam (Adan). In the
end each tensor learns its step, and the rate under its own Gaussian joins the loss: there the paper stops at 4 bits a
weight, we where the file is as large as wanted.
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, SCHEDULES, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..losses import boosted
from ..method import Method, Paper, Phase, Recipe, Tensors
from ..parts.conditioning import sft_block, sft_block_entries
from ..parts.layers import linear, linear_entries
from ..parts.temporal import embedded, time
from ..parts.upconv import Stages
from ..weights import stepped, stepped_bits, with_steps
from .hnerv import LEAST, REDUCTION, STEM, bounded, embeddings, stem
from .nerv import BASE, COUNT

CONDITION = 32  # numbers that blocks see of t
BITS = 5.0  # of a weight, a first estimate
FIRST_STEP = 1 / 16  # of a tensor's deviation, about 6 bits a weight


def stages(name: str) -> Stages:
    strides = SCHEDULES[name]
    return Stages(strides, (1, *(3,) * (len(strides) - 1)), activation=torch.sin)


def block(name: str, i: int) -> str:
    """The name of the block that follows stage i - 1, on the next one's input."""
    return f"stage{i}" if i < len(SCHEDULES[name]) else "head"


def manifest(name: str) -> Manifest:
    count = len(SCHEDULES[name])
    time = *linear_entries("time.hidden", 2 * COUNT, CONDITION), *linear_entries("time", CONDITION, CONDITION)
    blocks = (e for i in range(1, count + 1) for e in sft_block_entries(block(name, i), CONDITION, f"width{i}"))
    entries = (*STEM, *time, *blocks, *stages(name).entries)
    return Manifest(f"boosting_nerv_{name}", (*GRID, *stages(name).sizes), entries, halo=WHOLE, method="boosting_nerv")


def image_of(name: str):
    def image(tensors: Tensors) -> Tensor:
        hidden = F.gelu(linear("time.hidden", embedded(time(tensors), BASE, COUNT), tensors))
        condition = linear("time", hidden, tensors)

        def between(i: int, x: Tensor) -> Tensor:
            return sft_block(block(name, i), x, condition, tensors) if i else x

        return bounded(stages(name).image(stem(tensors), tensors, between))

    return image


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, parts = manifest(name), stages(name)
    sizes = lambda first: grid(signal, parts.scale) | parts.widths(first, REDUCTION, LEAST)  # noqa: E731
    return clip_field(
        signal, made, image_of(name), sizes, 8 * nbytes / BITS, dict.fromkeys(made.groups, "learned"), embeddings
    )


profiles = profiles_of(manifest, image_of, most=16)


def recipe(lmbda: float) -> Recipe:
    """Adam at 3e-3, a frame a step, 300 epochs; 100 more at 5e-4 with learned steps."""
    fit = Phase("fit", 0.75, (3e-3, 1e-5), hard=True)
    enter = partial(with_steps, first=FIRST_STEP)
    coded = Phase("qat", 0.25, (5e-4, 1e-5), hard=True, enter=enter, weights=stepped, bits=stepped_bits)
    return Recipe((fit, coded), optimizer="adam", distortion=boosted, batch=1, paces={"embedding": 10.0})


def boosting_nerv() -> Method:
    title = "Boosting neural representations for videos with a conditional decoder"
    authors = "X. Zhang, R. Yang, D. He, X. Ge, T. Xu, Y. Wang, H. Qin, J. Zhang"
    paper = Paper(title, 2024, authors, "CVPR 2024; free embeddings")
    return Method("boosting_nerv", "video", paper, build, recipe, profiles, sets=True)
