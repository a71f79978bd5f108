"""D-NeRV: a map of the time alone, and stages that two key frames modulate, warped by a flow. He et al. 2023.

    t -> NeRV's map -> stages of 3x3, each after x (1 + gamma) + beta -> sigmoid
    first and last frame of the segment -> 3x3, halved ... -> warp by 3x3 of x -> 1x1 -> gamma, beta

Key frames are cosine coefficients, fitted with the network and for their rate, as all weights are; the paper's are another
codec's. It has one network for many clips of eight frames, and mixes a clip's frames after each stage: here they are made one
by one. Its loss is NeRV's; ours is the squared error, since a rate stands beside it.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import SCHEDULES, Sizes, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..method import Method, Paper, Recipe, Tensors
from ..parts.keyframe import SIZES, blocks, entries, keys, rated, started_keys
from ..parts.temporal import embedded, time
from ..parts.warp import sampled
from . import nerv

KEYS, ENCODED = 2, 8  # key frames; channels of their features
HIDDEN = 16  # of the stem
REDUCTION, LEAST = 1.2, 6  # of channels from stage to stage: fewer do not hold what the key frames bring
BITS = 5  # of a weight, a first estimate
SHARE = 0.5  # of a file that the network may take


def modulated(name: str) -> list[str]:
    """What comes after each modulation; before the first stage, which is five times coarser, there is none."""
    return [*(f"stage{i}" for i in range(1, len(SCHEDULES[name]))), "head"]


def manifest(name: str) -> Manifest:
    base, rows = nerv.manifest(name), []
    for i, part in enumerate(modulated(name), 1):
        features = ENCODED if part != "head" else "channels"
        seen = KEYS * ENCODED if part != "head" else "+".join(["channels"] * KEYS)
        if part != "head":
            inputs = ENCODED if i < len(SCHEDULES[name]) - 1 else "channels"
            rows += [(f"encoder{i}.weight", (features, inputs, 3, 3)), (f"encoder{i}.bias", (features,))]
        rows += [(f"{part}.flow.weight", (KEYS, 2, f"width{i}", 3, 3)), (f"{part}.flow.bias", (KEYS, 2))]
        rows += [(f"{part}.film.weight", (2, f"width{i}", seen, 1, 1)), (f"{part}.film.bias", (2, f"width{i}"))]
    more = [(tensor, dimensions, tensor) for tensor, dimensions in rows]
    sizes, tensors = (*base.sizes, *SIZES), (*entries(KEYS), *base.tensors, *more)
    return Manifest(f"d_nerv_{name}", sizes, tensors, halo=WHOLE, method="d_nerv")


def pyramid(name: str, tensors: Tensors) -> list[Tensor]:
    """Features of the key frames (keys, n, h, w) for each modulation; the last are the frames themselves."""
    features = [keys(tensors)]
    for i in reversed(range(1, len(SCHEDULES[name]))):
        weight, bias = tensors[f"encoder{i}.weight"], tensors[f"encoder{i}.bias"]
        features.insert(0, F.gelu(F.conv2d(features[0], weight, bias, stride=2, padding=1)))
    return features


def modulate(x: Tensor, features: Tensor, part: str, tensors: Tensors) -> Tensor:
    flow, film = ((tensors[f"{part}.{kind}.weight"], tensors[f"{part}.{kind}.bias"].flatten()) for kind in ("flow", "film"))
    flows = F.conv2d(x, flow[0].flatten(0, 1), flow[1], padding=1)[0].unflatten(0, (KEYS, 2))
    rows, columns = (torch.arange(side, device=x.device) for side in x.shape[2:])
    seen = sampled(features, rows[:, None] + flows[:, 0], columns + flows[:, 1]).flatten(0, 1)[None]
    both = F.conv2d(seen, film[0].flatten(0, 1), film[1]).unflatten(1, (2, -1))
    gamma, beta = both[:, 0], both[:, 1]
    return x * (1 + gamma) + beta


def image_of(name: str):
    def image(tensors: Tensors) -> Tensor:
        features, parts = pyramid(name, tensors), modulated(name)
        hidden = nerv.hidden_layer(embedded(time(tensors), nerv.BASE, nerv.COUNT), tensors)

        def between(i: int, x: Tensor) -> Tensor:
            return modulate(x, features[i - 1], parts[i - 1], tensors) if i else x

        return torch.sigmoid(nerv.stages(name).image(nerv.stem(hidden, tensors), tensors, between))

    return image


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, stages = manifest(name), nerv.stages(name)
    fixed = {"hidden": HIDDEN} | grid(signal, stages.scale) | blocks(signal)

    def started(target: Tensor, generator: torch.Generator, sizes: Sizes) -> Tensors:
        flows = {f"{part}.flow.weight": (KEYS, 2, sizes[f"width{i}"], 3, 3) for i, part in enumerate(modulated(name), 1)}
        return started_keys(target[[0, -1]].cpu()) | {tensor: torch.zeros(shape) for tensor, shape in flows.items()}

    coefficients = KEYS * signal.channels * 64 * math.prod(blocks(signal).values())
    most = coefficients + SHARE * 8 * nbytes / BITS
    sizes = lambda first: fixed | stages.widths(first, REDUCTION, LEAST)  # noqa: E731
    return clip_field(signal, made, image_of(name), sizes, most, dict.fromkeys(made.groups, "learned"), started)


profiles = profiles_of(manifest, image_of, most=16)


def recipe(lmbda: float) -> Recipe:
    """Adam at 1e-3, two frames a step."""
    return rated((1e-3, 1e-3), (1e-3, 1e-5))


def d_nerv() -> Method:
    title = "Towards scalable neural representation for diverse videos"
    authors = "B. He, X. Yang, H. Wang, Z. Wu, H. Chen, S. Huang, Y. Ren, S.-N. Lim, A. Shrivastava"
    paper = Paper(title, 2023, authors, "CVPR 2023; a network for each clip")
    return Method("d_nerv", "video", paper, build, recipe, profiles, sets=True)
