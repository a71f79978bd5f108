"""What video methods have in common: how a network's widths follow from bytes, and its start."""

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from ..runtime.profile import Manifest
from ..runtime.syntax import Signal
from .field import Field, field_graph
from .method import Graph, Tensors
from .parts.upconv import started, widest

Sizes = dict[str, int]
SCHEDULES = {"small": (5, 2, 2, 2), "large": (5, 2, 2, 2, 2)}  # strides, as the papers have them for 720 rows and below
EXAMPLE = Signal(190, 470, frames=5)  # whose sizes a graph is made with: no two of them by chance the same
LARGE = 2**19  # pixels from which a frame's map is 80 times smaller, not 40


def schedule(signal: Signal) -> str:
    return "large" if signal.height * signal.width >= LARGE else "small"


def grid(signal: Signal, scale: int) -> Sizes:
    """Of a map so many times smaller than a frame, which stages begin with."""
    return {"grid_rows": math.ceil(signal.height / scale), "grid_columns": math.ceil(signal.width / scale)}


GRID = (("grid_rows", 4096), ("grid_columns", 4096))


def profiles_of(
    manifest: Callable[[str], Manifest],
    image_of: Callable[[str], Callable[[Tensors], Tensor]],
    most: int = 8,
    example: Callable[[str], Sizes] | None = None,
) -> Callable[[], Iterator[tuple[Manifest, tuple[Graph]]]]:
    """A method's `profiles`: one for each schedule, by name. `most` and `example` as `field_graph`'s."""

    def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
        for name in SCHEDULES:
            sizes = example(name) if example else None
            yield manifest(name), (field_graph(manifest(name), image_of(name), most, sizes),)

    return profiles


def clip_field(
    signal: Signal,
    manifest: Manifest,
    image: Callable[[Tensors], Tensor],
    sizes_of: Callable[[int], Sizes],
    most: float,
    coding: Mapping[str, str],
    also: Callable[[Tensor, torch.Generator, Sizes], Tensors] = lambda target, generator, sizes: {},
    fresh: Callable[..., Tensors] = started,
) -> Field:
    """The widest network of at most `most` parameters; `sizes_of(first width)` are its sizes. `also` starts some tensors
    otherwise than `fresh` does."""
    width = widest(lambda first: manifest.parameters({**signal.sizes, **sizes_of(first)}), most)
    sizes = sizes_of(width)

    def start(target: Tensor, generator: torch.Generator) -> Tensors:
        tensors = fresh(manifest.tensors, lambda d: manifest.shape(d, {**signal.sizes, **sizes}), generator)
        return tensors | also(target, generator, sizes)

    return Field(signal, manifest, sizes, start, image, coding)
