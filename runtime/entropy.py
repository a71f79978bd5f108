"""Entropy models: records on the wire with one method, `code(coder, n, given)`.

Given symbols, `code` writes them; given none, it reads them; both return them. A record's fields are integers below the
bound that stands beside them, so that the dataclass is its own syntax.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import ClassVar

import numpy as np

from .coder import Coder
from .tables import (
    ESCAPE,
    FRACTION_BITS,
    FRACTIONS,
    LIKELIEST,
    REACH,
    SCALE_ZERO,
    SCALES,
    SCALES_PER_OCTAVE,
    histogram,
    row,
)
from .wire import BitstreamError

SYMBOL_MAX = 2**23 - 1  # symbols are -SYMBOL_MAX ... SYMBOL_MAX
SCALE_INDICES = 192  # from 1/32 of a step to 2**19 steps
ESCAPE_BITS = 25  # lengths 0 ... 24
TAGS = 16  # room for entropy models to come
HALF_OCTAVE = SCALES_PER_OCTAVE // 2
FINER, LARGER = SCALE_ZERO, SCALE_ZERO + SCALES_PER_OCTAVE  # scales of what an `Apart`'s record is made of: 1 and 2


def _bound(size: int):
    return field(metadata={"size": size})


@dataclass(frozen=True)
class EntropyModel:
    """What the symbols of one group of tensors are coded with."""

    tag: ClassVar[int]

    def code(self, coder: Coder, n: int, given: np.ndarray | None = None) -> np.ndarray:
        """Write `given` (n,) integers, or read n of them."""
        raise NotImplementedError

    @property
    def range(self) -> tuple[int, int]:
        """The least and the largest symbol that it knows."""
        return -SYMBOL_MAX, SYMBOL_MAX

    def values(self, symbols: np.ndarray, exponent: int) -> np.ndarray:
        """float32: what `symbols` stand for, in steps of 2**-exponent."""
        return symbols.astype(np.float32) * np.float32(2.0**-exponent)


@dataclass(frozen=True)
class Zeros(EntropyModel):
    """All symbols are zero; costs nothing."""

    tag: ClassVar[int] = 0

    def code(self, coder: Coder, n: int, given: np.ndarray | None = None) -> np.ndarray:
        return np.zeros(n, np.int32)


@dataclass(frozen=True)
class Laplace(EntropyModel):
    """Zero-mean Laplace; `scale` is an index as in `tables`, continued at eight an octave."""

    scale: int = _bound(SCALE_INDICES)
    tag: ClassVar[int] = 1

    def code(self, coder: Coder, n: int, given: np.ndarray | None = None) -> np.ndarray:
        return code_laplace(coder, np.full(n, self.scale), np.zeros(n, np.int64), given)


@dataclass(frozen=True)
class Bits(EntropyModel):
    """Unsigned integers of `width` bits, all equally likely."""

    width: int = _bound(25)
    tag: ClassVar[int] = 2

    @property
    def range(self) -> tuple[int, int]:
        return 0, (1 << self.width) - 1

    def code(self, coder: Coder, n: int, given: np.ndarray | None = None) -> np.ndarray:
        return coder.uniform(np.full(n, 1 << self.width), given)


@dataclass(frozen=True)
class Half(EntropyModel):
    """IEEE half floats by their 16 bits, as COIN has them (Dupont et al. 2021); there are no steps."""

    tag: ClassVar[int] = 3

    @property
    def range(self) -> tuple[int, int]:
        return 0, (1 << 16) - 1

    def code(self, coder: Coder, n: int, given: np.ndarray | None = None) -> np.ndarray:
        return coder.uniform(np.full(n, 1 << 16), given)

    def values(self, symbols: np.ndarray, exponent: int) -> np.ndarray:
        """Raises BitstreamError for what is no number."""
        return halves(symbols)


@dataclass(frozen=True)
class Stepped(Laplace):
    """Zero-mean Laplace in steps of any size: `step` is a half float by its bits."""

    step: int = _bound(1 << 16)
    tag: ClassVar[int] = 4

    def values(self, symbols: np.ndarray, exponent: int) -> np.ndarray:
        """Raises BitstreamError for a step that is no number."""
        return symbols.astype(np.float32) * halves(np.array(self.step))


@dataclass(frozen=True)
class SparseHalf(Half):
    """Half floats, most of them zero: which are not is a flag of the Laplace of `scale`, and costs what it tells."""

    scale: int = _bound(SCALES)
    tag: ClassVar[int] = 5

    def code(self, coder: Coder, n: int, given: np.ndarray | None = None) -> np.ndarray:
        return code_sparse(coder, n, self.scale, super().code, given)


@dataclass(frozen=True)
class SparseStepped(Stepped):
    """The same, most of them zero: which are not is a flag of the Laplace of scale `there`."""

    there: int = _bound(SCALES)
    tag: ClassVar[int] = 7

    def code(self, coder: Coder, n: int, given: np.ndarray | None = None) -> np.ndarray:
        return code_sparse(coder, n, self.there, super().code, given)


@dataclass(frozen=True)
class Static(EntropyModel):
    """By histograms that the profile brings, `counts` as `tables.histogram` has them: one, or one for each of equal parts of
    the symbols."""

    counts: tuple[tuple[int, ...], ...] = ()
    tag: ClassVar[int] = 6

    def code(self, coder: Coder, n: int, given: np.ndarray | None = None) -> np.ndarray:
        if not self.counts or n % len(self.counts):
            raise BitstreamError(f"wanted histograms of equal parts of {n} symbols, the profile has {len(self.counts)}")
        rows = np.repeat(np.arange(len(self.counts)), n // len(self.counts))
        return coder.tabled(rows, None if given is None else given + REACH, histogram(self.counts)) - REACH


@dataclass(frozen=True)
class Apart(Laplace):
    """Each tensor by a Laplace of its own: its steps are 2**`finer` times finer than the group's, its scale `larger` half
    octaves larger. `sizes` are how many symbols the tensors have, which does not travel."""

    finer: tuple[int, ...] = ()
    larger: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    tag: ClassVar[int] = 8

    @property
    def scales(self) -> np.ndarray:
        """Of each tensor."""
        return self.scale + HALF_OCTAVE * np.array(self.larger, np.int64)

    def code(self, coder: Coder, n: int, given: np.ndarray | None = None) -> np.ndarray:
        parts = [None] * len(self.sizes) if given is None else np.split(given, np.cumsum(self.sizes)[:-1])
        each = zip(map(Laplace, self.scales), self.sizes, parts)
        return np.concatenate([laplace.code(coder, size, part) for laplace, size, part in each])


def code_apart(coder: Coder, sizes: Sequence[int], given: Apart | None = None) -> Apart:
    """The record of tensors of so many symbols. Raises BitstreamError where there are none, or where a scale is not known."""
    if not sizes:
        raise BitstreamError("wanted an entropy model of all symbols, got one for each tensor")

    def code(scale: int, offsets: tuple[int, ...] | None) -> tuple[int, ...]:
        n = len(sizes)
        found = code_laplace(coder, np.full(n, scale), np.zeros(n, np.int64), None if offsets is None else np.array(offsets))
        return tuple(map(int, found))

    scale = coder.integer(SCALE_INDICES, given.scale if given else None)
    model = Apart(
        scale, code(FINER, given.finer if given else None), code(LARGER, given.larger if given else None), tuple(sizes)
    )
    if not all(0 <= each < SCALE_INDICES for each in model.scales):
        raise BitstreamError(f"wanted scales below {SCALE_INDICES}, got {model.scales.tolist()}")
    return model


def code_sparse(coder: Coder, n: int, scale: int, code: Callable, given: np.ndarray | None) -> np.ndarray:
    """Symbols (n,): a flag for each, likely to be zero as the Laplace of `scale` is, and by `code` those that are not."""
    rows = row(np.full(n, scale), np.zeros(n, np.int64))
    there = np.flatnonzero(coder.flags(rows, None if given is None else (given != 0).astype(np.int32)))
    symbols = np.zeros(n, np.int64)
    symbols[there] = code(coder, there.size, None if given is None else given[there])
    return symbols


def halves(bits: np.ndarray) -> np.ndarray:
    """float32 of half floats by their bits. Raises BitstreamError for what is no number."""
    values = bits.astype(np.uint16).view(np.float16).astype(np.float32)
    if not np.isfinite(values).all():
        raise BitstreamError("wanted finite weights, got infinity or no number")
    return values


_MODELS: dict[int, type[EntropyModel]] = {
    model.tag: model for model in (Zeros, Laplace, Bits, Half, Stepped, SparseHalf, Static, SparseStepped, Apart)
}


Counts = tuple[tuple[int, ...], ...]


def code_model(
    coder: Coder, given: EntropyModel | None = None, counts: Counts = (), sizes: Sequence[int] = ()
) -> EntropyModel:
    """An entropy model's own bits: its tag, then its fields. `counts` are a `Static`'s and `sizes` an `Apart`'s, which do not
    travel."""
    tag = coder.integer(TAGS, given.tag if given else None)
    if tag not in _MODELS:
        raise BitstreamError(f"wanted an entropy model of {sorted(_MODELS)}, got {tag}")
    kind = _MODELS[tag]
    if kind is Static:
        return Static(counts)
    if kind is Apart:
        return code_apart(coder, sizes, given if isinstance(given, Apart) else None)
    values = astuple(given) if given else [None] * len(fields(kind))
    return kind(*(coder.integer(f.metadata["size"], value) for f, value in zip(fields(kind), values)))


def code_laplace(coder: Coder, scale: np.ndarray, centre: np.ndarray, given: np.ndarray | None = None) -> np.ndarray:
    """Symbols (n,), each Laplace about `centre` (n,) in sixteenths with scale index `scale` (n,).

    A scale beyond the tables' is shifted down by whole octaves, and the bits below travel as they are (within such a
    bucket the density is flat to 0.01 bit).
    """
    mean, fraction = centre >> FRACTION_BITS, centre & FRACTIONS - 1
    if not scale.size or scale.max() < SCALES:
        return mean + _code_residuals(coder, row(scale, fraction), None if given is None else given - mean)
    shift = np.maximum(scale - SCALES + SCALES_PER_OCTAVE, 0) // SCALES_PER_OCTAVE
    half = (1 << shift) >> 1
    rows = row(scale - SCALES_PER_OCTAVE * shift, np.where(shift > 0, 0, fraction))
    wide = None if given is None else given - mean + half
    high = _code_residuals(coder, rows, None if wide is None else wide >> shift)
    low = coder.uniform(1 << shift, None if wide is None else wide - (high << shift))
    return mean - half + (high << shift) + low


def _code_residuals(coder: Coder, rows: np.ndarray, given: np.ndarray | None) -> np.ndarray:
    """Integers (n,) by table `rows` (n,): first which are their row's likeliest, then the others, then those beyond REACH."""
    residuals = LIKELIEST.take(rows)
    missed = np.flatnonzero(coder.flags(rows, None if given is None else given != residuals))
    if not missed.size:
        return residuals
    others = None if given is None else given[missed]
    columns = None if others is None else np.where(np.abs(others) <= REACH, others + REACH, ESCAPE)
    found = coder.tabled(rows.take(missed), columns) - REACH
    if found.max() > REACH:
        escaped = np.flatnonzero(found > REACH)
        found[escaped] = _code_escapes(coder, escaped.size, None if others is None else others[escaped])
    residuals[missed] = found
    return residuals


def _code_escapes(coder: Coder, n: int, given: np.ndarray | None) -> np.ndarray:
    """Integers (n,) with |value| > REACH: twice the excess plus the sign, as its length in bits and those bits."""
    folded = None if given is None else 2 * (np.abs(given) - REACH - 1) + (given < 0)
    length = coder.uniform(np.full(n, ESCAPE_BITS), None if folded is None else np.frexp(folded)[1])
    leading = (1 << length.astype(np.int64)) >> 1
    folded = leading + coder.uniform(np.maximum(leading, 1), None if folded is None else folded - leading)
    return (folded // 2 + REACH + 1) * (1 - 2 * (folded % 2))
