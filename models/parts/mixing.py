"""Features that a level's stack gets before it is doubled: what a small network makes of all its grids, around each place.

    stack (c, h, w) --+------------------------------------------------+--> (c + FEATURES, h, w), which is doubled
                      +--> 1x1 to `hidden` --> ReLU --> 3x3 to FEATURES +

So coarse grids are not only interpolated: an edge that several of them tell of is drawn sharp where they agree. On halves and
quarters of a picture that costs a decoder a fraction of what it would in the synthesis.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Dimension, Entry
from ..method import Graph, Tensors
from .synthesis import conv3x3

FEATURES = 3  # of each level that has them
TENSORS = ("first.weight", "first.bias", "last.weight")


@dataclass(frozen=True)
class Mixing:
    """`mixed(stack, level, tensors)` is a level's stack (c, h, w) with the features of its network below, if it has one."""

    levels: tuple[int, ...]
    mixed: Callable[[Tensor, int, Tensors], Tensor]
    graph: Graph
    entries: tuple[Entry, ...]
    start: Callable[[Callable[[Dimension], int], torch.Generator], Tensors]


def mixing(levels: Sequence[int], grids: Sequence[int], hidden: Dimension) -> Mixing:
    """On `levels`, where `grids` says how many grids each level and all coarser ones have."""
    seen = {level: grids[level] + FEATURES * sum(other > level for other in levels) for level in levels}
    shapes = {level: ((hidden, count), (hidden,), (FEATURES, hidden, 3, 3)) for level, count in seen.items()}
    groups = ("mixing.first", "mixing.bias", "mixing.last")
    entries = [
        (f"mixing{level}.{name}", shape, group)
        for level in levels
        for name, shape, group in zip(TENSORS, shapes[level], groups)
    ]

    def start(number: Callable[[Dimension], int], generator: torch.Generator) -> Tensors:
        tensors: Tensors = {}
        for level, count in seen.items():
            first = (torch.rand(number(hidden), count, generator=generator) * 2 - 1) * count**-0.5 / 2
            made = first, torch.zeros(len(first)), torch.zeros(FEATURES, len(first), 3, 3)
            tensors |= {f"mixing{level}.{name}": tensor for name, tensor in zip(TENSORS, made)}
        return tensors

    def mixed(stack: Tensor, level: int, tensors: Tensors) -> Tensor:
        if level not in levels:
            return stack
        own = {name: tensors[f"mixing{level}.{name}"] for name in TENSORS}
        return mixing_graph({"features": stack[None], **own}).squeeze(0)

    example = torch.zeros(8, 9), torch.zeros(8), torch.zeros(FEATURES, 8, 3, 3)
    dynamic = {
        "features": {1: "levels", 2: "height", 3: "width"},
        "first.weight": {0: "hidden", 1: "levels"},
        "first.bias": {0: "hidden"},
        "last.weight": {1: "hidden"},
    }
    inputs = {"features": torch.zeros(1, 9, 24, 40), **dict(zip(TENSORS, example))}
    return Mixing(tuple(levels), mixed, Graph("mixing", mixing_graph, inputs, dynamic, "mixed"), tuple(entries), start)


def mixing_graph(tensors: Tensors) -> Tensor:
    """features (1, c, h, w) -> (1, c + FEATURES, h, w); edges repeat."""
    features = tensors["features"]
    hidden = torch.relu(F.conv2d(features, tensors["first.weight"][:, :, None, None], tensors["first.bias"]))
    more = conv3x3(hidden, tensors["last.weight"])
    return torch.cat([features, more], 1)
