"""Strümpler et al. 2022: sines on positional encoding, in 8-bit weights that AdaRound and quantization-aware training fit.

Tuned to "meta", a start is shared, learned by MAML, and only 7-bit differences to it travel. The paper's start is learned
from DIV2K, in 30 epochs; ours from a few photos (`models/bases`).
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..field import Field, field_graph
from ..method import Base, Graph, Method, Paper, Phase, Recipe, Tensors
from ..parts.perceptron import Frequencies, Perceptron, widest_field
from ..shared import adapt, load, rgb_only
from ..weights import Symmetric, l1

OMEGA, INNER = 30.0, 3  # steps of the inner loop
WIDTHS = (32, 64)  # that have a base
CROP = 96  # pixels


def network(width: int | str) -> Perceptron:
    return Perceptron((width,) * 4, frequencies=Frequencies(16, 1.4), omega=OMEGA, own=True)


BASIC = network("width").manifest("strumpler")
build = widest_field(network("width"), BASIC, 8, "8 bits")


def build_meta(signal: Signal, nbytes: float) -> Field:
    rgb_only("strumpler", signal)
    width = next((w for w in WIDTHS[::-1] if network(w).count({"channels": 3}) * 7 / 8 <= nbytes), WIDTHS[0])
    manifest = meta_manifest(width)
    zeros = {name: torch.zeros(manifest.shape(shape, {"channels": 3})) for name, shape, _ in manifest.tensors}
    image = partial(image_of_differences, width)
    return Field(signal, manifest, {}, lambda *_: zeros, image, dict.fromkeys(manifest.groups, "7 bits"))


def meta_manifest(width: int) -> Manifest:
    return network(width).manifest(f"strumpler_meta{width}", 3, "strumpler")


def image_of_differences(width: int, tensors: Tensors) -> Tensor:
    base = load(f"strumpler{width}")
    start = {name: base[name].to(tensor.device) for name, tensor in tensors.items() if name in base}
    return network(width).image(tensors | {name: tensors[name] + tensor for name, tensor in start.items()})


def recipe(lmbda: float, bits: int) -> Recipe:
    """As the paper's 25,000 steps with L1, 1,000 of AdaRound, 300 of QAT. Its pixels are in [-1, 1]: a quarter of its L1."""
    grid = Symmetric(bits)
    return Recipe(
        (
            Phase("fit", 0.85, (5e-4, 1e-5), hard=True, penalty=l1(1e-5 / 4)),
            Phase("adaround", 0.1, (1e-2, 1e-2), hard=True, enter=grid.enter, weights=grid.learned, penalty=grid.undecided),
            Phase("qat", 0.05, (1e-6, 1e-6), hard=True, enter=grid.committed, weights=grid.weights),
        ),
        optimizer="adam",
    )


def meta_start(width: int, generator: torch.Generator) -> Tensors:
    start = network(width).start({"channels": 3}, generator)
    return start | {f"rate{k}.{name}": torch.full_like(t, 1e-3) for k in range(INNER) for name, t in start.items()}


def meta_loss(width: int, base: Tensors, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """MAML: the error after the inner steps from the start, with a learned rate for every weight and step."""
    along = torch.arange(float(CROP))
    positions = {"rows": along, "columns": along, "size": torch.full((2,), float(CROP))}
    error = lambda tensors, picture: (network(width).image(tensors | positions) - picture).square().mean()  # noqa: E731
    rates = [{n.removeprefix(f"rate{k}."): t for n, t in base.items() if n.startswith(f"rate{k}.")} for k in range(INNER)]
    start = {name: base[name] for name in rates[0]}
    adapted = [(adapt(lambda tensors, p=picture: error(tensors, p), start, rates), picture) for picture in pictures]
    return torch.stack([error(tensors, picture) for tensors, picture in adapted]).mean()


def without_rates(base: Tensors, _: Tensor) -> Tensors:
    return {name: tensor for name, tensor in base.items() if not name.startswith("rate")}


def base(width: int) -> Base:
    loss = partial(meta_loss, width)
    return Base(f"strumpler{width}", partial(meta_start, width), loss, 2, CROP, lr=1e-4, steps=2000, finish=without_rates)


def profiles() -> Iterator[tuple[Manifest, tuple[Graph]]]:
    yield BASIC, (field_graph(BASIC, network("width").image),)
    for width in WIDTHS:
        yield meta_manifest(width), (field_graph(meta_manifest(width), partial(image_of_differences, width)),)


def strumpler(tune: str | None = None) -> Method:
    """`tune` "meta" starts from a shared base."""
    title = "Implicit neural representations for image compression"
    authors = "Y. Strümpler, J. Postels, R. Yang, L. Van Gool, F. Tombari"
    paper = Paper(title, 2022, authors, "ECCV 2022; basic in 8 bits, or meta in 7")
    making, bits = (build_meta, 7) if tune == "meta" else (build, 8)
    bases = tuple(base(width) for width in WIDTHS)
    return Method("strumpler", "image", paper, making, partial(recipe, bits=bits), profiles, ("meta",), bases)
