"""A group of network tensors: whole, or as differences to a clip's first segment's group of that name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .coder import Coder
from .entropy import Apart, Counts, EntropyModel, code_model
from .wire import BitstreamError

EXPONENTS = 32  # a step is 2**-exponent


@dataclass(frozen=True)
class Group:
    """Tensors of one step, 2**-`exponent`, unless their entropy model sets them apart; `symbols` by tensor name, integers.

    `differences`, if they are written as such to the group of a clip's first segment: what those are coded with. Step and
    model are then that group's.
    """

    exponent: int
    model: EntropyModel
    symbols: dict[str, np.ndarray]
    differences: EntropyModel | None = None

    @property
    def flat(self) -> np.ndarray:
        """(n,) int64, the symbols of all tensors in a row."""
        return np.concatenate([symbols.ravel() for symbols in self.symbols.values()]).astype(np.int64)

    @property
    def exponents(self) -> dict[str, int]:
        """Each tensor's own."""
        finer = self.model.finer if isinstance(self.model, Apart) else [0] * len(self.symbols)
        return {name: self.exponent + more for name, more in zip(self.symbols, finer)}

    @property
    def steps(self) -> dict[str, float]:
        """What a symbol of 1 stands for."""
        one = np.ones(1, np.int64)
        return {name: float(self.model.values(one, exponent)[0]) for name, exponent in self.exponents.items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: symbols.shape for name, symbols in self.symbols.items()}

    def values(self) -> dict[str, np.ndarray]:
        """float32 tensors."""
        exponents = self.exponents
        return {name: self.model.values(symbols, exponents[name]) for name, symbols in self.symbols.items()}


def code_group(
    coder: Coder,
    shapes: dict[str, tuple[int, ...]],
    given: Group | None = None,
    histograms: Counts = (),
    base: Callable[[], Group] | None = None,
) -> Group:
    """Where there is a `base`, whether these are differences to it; if not, a step exponent; an entropy model's record, and
    the symbols of all tensors in a row."""
    if base and coder.integer(2, given.differences is not None if given else None):
        return code_differences(coder, shapes, base(), given)
    exponent, model = code_record(coder, given, histograms, [math.prod(shape) for shape in shapes.values()])
    flat = known(model, model.code(coder, count(shapes), None if given is None else given.flat))
    return Group(exponent, model, shaped(flat, shapes))


def code_record(
    coder: Coder, given: Group | None = None, histograms: Counts = (), sizes: Sequence[int] = ()
) -> tuple[int, EntropyModel]:
    """A group's step exponent and entropy model; `sizes`, unless they travel alone, are how many symbols its tensors have.
    Raises BitstreamError for steps that there are not."""
    exponent = coder.integer(EXPONENTS, given.exponent if given else None)
    model = code_model(coder, given.model if given else None, histograms, sizes)
    if isinstance(model, Apart) and not all(0 <= exponent + more < EXPONENTS for more in model.finer):
        raise BitstreamError(
            f"wanted a step of 2**0 to 2**-{EXPONENTS - 1} for each tensor, got 2**-{exponent}, {model.finer}"
        )
    return exponent, model


def code_differences(coder: Coder, shapes: dict[str, tuple[int, ...]], base: Group, given: Group | None = None) -> Group:
    """An entropy model's record, and by how much symbols differ from those of `base`, whose step and model they have."""
    if shapes != base.shapes:
        raise BitstreamError(f"wanted differences of tensors {base.shapes} as the first segment has them, got {shapes}")
    model = code_model(coder, given.differences if given else None)
    flat = base.flat + model.code(coder, count(shapes), given.flat - base.flat if given else None)
    return Group(base.exponent, base.model, shaped(known(base.model, flat), shapes), model)


def known(model: EntropyModel, symbols: np.ndarray) -> np.ndarray:
    """`symbols`. Raises BitstreamError where `model` has no such ones: sums of them could be beyond int64."""
    least, most = model.range
    if symbols.size and not least <= symbols.min() <= symbols.max() <= most:
        raise BitstreamError(f"wanted symbols from {least} to {most}, got {symbols.min()} to {symbols.max()}")
    return symbols


def count(shapes: dict[str, tuple[int, ...]]) -> int:
    """Of symbols."""
    return sum(math.prod(shape) for shape in shapes.values())


def shaped(flat: np.ndarray, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """By name what `Group.flat` has in a row."""
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), np.split(flat, ends[:-1]))}
