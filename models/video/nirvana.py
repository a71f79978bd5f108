"""NIRVANA: patches of a group of frames by one small network, each frame by filters of its own. Maiya et al. 2023.

    a patch's middle -> SIREN -> its map, half as large -> + sines of t -> 3x3, shuffled by 2 -> GELU -> 3x3 -> the frame

A segment is a group, of three frames in the paper. Steps are learned, and the weights' rate is part of the loss. A group
starts from the one before, and its weights are written as differences where those cost less: in the paper to the group
before, here to the first, whose steps they share (`weights.toward`), so that each group can be had without all before it.
In the paper patches are convolved one by one; here their maps lie side by side, so that no seams show.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import clip_field, schedule
from ..field import WHOLE, Field, field_graph
from ..method import Graph, Method, Paper, Recipe, Tensors
from ..parts.perceptron import Perceptron
from ..parts.temporal import embedded, time
from ..weights import steps_learned

NETWORK = Perceptron(("width",) * 3, omega=30.0, offset=0.0, own=True)
HALVES = {"small": 8, "large": 16}  # of a patch's side, pixels
BASE, COUNT = 1.25, 8  # of the sines of t
BITS = 5  # of a weight, a first estimate


def manifest(name: str) -> Manifest:
    *hidden, _, _ = NETWORK.tensors()
    own = [("last.weight", ("width", "maps", HALVES[name] ** 2)), ("last.bias", ("maps", HALVES[name] ** 2))]
    own += [("time.weight", (2 * COUNT, "maps")), ("stage0.weight", ("frames", "maps", 4, "maps", 3, 3))]
    own += [("stage0.bias", ("frames", "maps", 4)), ("head.weight", ("frames", "channels", "maps", 3, 3))]
    own += [("head.bias", ("frames", "channels"))]
    entries = (*hidden, *((tensor, dimensions, tensor) for tensor, dimensions in own))
    return Manifest(f"nirvana_{name}", (("width", 1024), ("maps", 256)), entries, halo=WHOLE, method="nirvana")


def image_of(name: str):
    half = HALVES[name]

    def image(tensors: Tensors) -> Tensor:
        middles = {side: tensors[side][:: 2 * half] + half - 0.5 for side in ("rows", "columns")}
        last = {n: tensors[n].flatten(-2) for n in ("last.weight", "last.bias")}
        maps = F.pixel_shuffle(NETWORK.image(tensors | middles | last), half)
        maps = maps + (embedded(time(tensors), BASE, COUNT) @ tensors["time.weight"])[0][:, None, None]
        names = ("stage0.weight", "stage0.bias", "head.weight", "head.bias")
        weight, bias, head, offset = (tensors[n].index_select(0, tensors["frame"].long())[0] for n in names)
        x = F.conv2d(maps[None], weight.flatten(0, 1), bias.flatten(), padding=1)
        return 0.5 + F.conv2d(F.gelu(F.pixel_shuffle(x, 2)), head, offset, padding=1)[0]

    return image


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    made, samples = manifest(name), HALVES[name] ** 2

    def sizes(width: int) -> dict[str, int]:
        return {"width": width, "maps": max(2, round(math.sqrt(2 * width)))}

    def network(target: Tensor, generator: torch.Generator, known: dict[str, int]) -> Tensors:
        tensors = NETWORK.start({"width": known["width"], "channels": known["maps"] * samples}, generator)
        return tensors | {n: tensors[n].unflatten(-1, (-1, samples)) for n in ("last.weight", "last.bias")}

    return clip_field(signal, made, image_of(name), sizes, 8 * nbytes / BITS, dict.fromkeys(made.groups, "learned"), network)


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    for name in HALVES:
        yield manifest(name), (field_graph(manifest(name), image_of(name), placed=True),)


def recipe(lmbda: float) -> Recipe:
    """Adam at 1e-3, three frames a step; half of the iterations with learned steps."""
    return replace(steps_learned((1e-3, 1e-3), (1e-3, 1e-5), 0.5), batch=3)


def nirvana() -> Method:
    title = "NIRVANA: neural implicit representations of videos with adaptive networks and autoregressive patch-wise modeling"
    authors = "S. Maiya, S. Girish, M. Ehrlich, H. Wang, K. Lee, P. Poirson, P. Wu, C. Wang, A. Shrivastava"
    return Method("nirvana", "video", Paper(title, 2023, authors, "CVPR 2023"), build, recipe, profiles, sets=True)
