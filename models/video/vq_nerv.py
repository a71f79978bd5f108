"""VQ-NeRV: HNeRV, and finer vectors of each frame from a codebook, which its last stage sees. Xu et al. 2024.

    embedding -> HNeRV's stages -> x -> x + GELU(3x3 of (x, words)) -> the last stage -> 0.5 tanh + 0.5
                     indices -> words (8, 5 rows, 5 columns), repeated ^

In the paper an encoder's shallow features, pooled 16 times, become the indices, and their block normalizes each channel;
here the vectors are free, as HNeRV's embeddings are, and nothing is normalized. Indices travel with 6 bits.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import SCHEDULES, Sizes, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..method import Method, Paper, Phase, Recipe, Tensors
from ..parts.codebook import FINER, VECTORS, coded, commitment, looked_up, started_codes
from ..parts.embedding import projected
from ..parts.layers import conv, conv_entries
from . import hnerv

NUMBERS, WORDS = 8, 64  # of a word, of the codebook
BITS = 6.2  # of a weight, a first estimate


def manifest(name: str) -> Manifest:
    base, last = hnerv.manifest(name), len(SCHEDULES[name]) - 1
    width, fuse = f"width{last}", f"stage{last}.fuse"
    more = (
        ("codebook", ("words", "numbers"), "codebook"),
        ("codes", ("frames", FINER**2, "grid_rows", "grid_columns"), "codes"),
        *conv_entries(fuse, f"{width}+numbers", width, 3),
    )
    sizes = (*base.sizes, ("words", 4096), ("numbers", 64))
    return Manifest(f"vq_nerv_{name}", sizes, (*base.tensors, *more), halo=WHOLE, method="vq_nerv")


def image_of(name: str):
    stages, last = hnerv.stages(name), len(SCHEDULES[name]) - 1
    repeats = stages.scale // FINER // stages.strides[last]

    def image(tensors: Tensors) -> Tensor:
        def between(i: int, x: Tensor) -> Tensor:
            if i != last:
                return x
            seen = torch.cat([x, F.interpolate(looked_up(tensors), scale_factor=repeats)], 1)
            return x + F.gelu(conv(f"stage{last}.fuse", seen, tensors, 3))

        return hnerv.bounded(stages.image(hnerv.stem(tensors), tensors, between))

    return image


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, stages = manifest(name), hnerv.stages(name)
    coarse = grid(signal, stages.scale)
    shape = coarse["grid_rows"], coarse["grid_columns"]
    codes = FINER**2 * shape[0] * shape[1] * signal.frames

    def also(target: Tensor, generator: torch.Generator, sizes: Sizes) -> Tensors:
        vectors = projected(target, (NUMBERS, FINER * shape[0], FINER * shape[1]), generator)
        return hnerv.embeddings(target, generator, sizes) | started_codes(vectors, WORDS, generator)

    def sizes(first: int) -> Sizes:
        return coarse | stages.widths(first, hnerv.REDUCTION, hnerv.LEAST) | {"words": WORDS, "numbers": NUMBERS}

    coding = dict.fromkeys(made.groups, "8 bits") | {"embedding": "6 bits", "codes": "indices"}
    spared = codes * (1 - (WORDS - 1).bit_length() / BITS)  # an index takes less than a weight
    return clip_field(signal, made, image_of(name), sizes, 8 * nbytes / BITS + spared, coding, also)


profiles = profiles_of(manifest, image_of, most=16)


def recipe(lmbda: float) -> Recipe:
    """Adam at 1e-3, two frames a step, 300 epochs."""
    fit = Phase("fit", 1.0, (1e-3, 1e-6), hard=True, weights=coded, penalty=commitment)
    return Recipe((fit,), optimizer="adam", batch=2, paces={"embedding": 10.0, VECTORS: 10.0})


def vq_nerv() -> Method:
    title = "VQ-NeRV: a vector quantized neural representation for videos"
    paper = Paper(title, 2024, "Y. Xu, X. Feng, F. Qin, R. Ge, Y. Peng, C. Wang", "arXiv 2403.12401; free latents")
    return Method("vq_nerv", "video", paper, build, recipe, profiles, sets=True)
