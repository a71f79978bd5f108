"""What an entropy model codes with: a few methods, the same for writing and for reading.

Such as `symbols = coder.tabled(rows, symbols)`: an encoder writes what it is given, a decoder reads it, and both return it.
Encoder and decoder are constriction's (`range_coder`); two more decoders read the same streams: a kernel in C, several times
faster (`native`), and one in Python for machines that have neither (`pure`).
"""

import importlib.util
from typing import Protocol

import numpy as np

from . import native
from .tables import LIKELIEST_FREQUENCY, OTHERS, PRECISION, Table


class Coder(Protocol):
    """What an entropy model codes with. An encoder needs what it writes; a decoder ignores it."""

    def flags(self, rows: np.ndarray, flags: np.ndarray | None = None) -> np.ndarray:
        """0 or 1, (n,): 1 where a symbol is not the likeliest of its table row `rows` (n,)."""
        ...

    def tabled(self, rows: np.ndarray, symbols: np.ndarray | None = None, table: Table = OTHERS) -> np.ndarray:
        """Column `symbols` (n,) of row `rows` (n,) of `table`."""
        ...

    def uniform(self, sizes: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """Integers 0 <= values < sizes, sizes up to 2**24, all equally likely; both (n,)."""
        ...

    def integer(self, size: int, value: int | None = None) -> int:
        """One integer 0 <= value < size."""
        ...


class Meter:
    """Stands for an encoder and adds up `bits` instead of writing: what the stream will take, to a thousandth."""

    def __init__(self) -> None:
        self.bits = 0.0

    def flags(self, rows: np.ndarray, flags: np.ndarray | None = None) -> np.ndarray:
        assert flags is not None
        likeliest = LIKELIEST_FREQUENCY[rows].astype(np.int64)
        self.bits += float((PRECISION - np.log2(np.where(flags, (1 << PRECISION) - likeliest, likeliest))).sum())
        return flags

    def tabled(self, rows: np.ndarray, symbols: np.ndarray | None = None, table: Table = OTHERS) -> np.ndarray:
        assert symbols is not None
        self.bits += float((PRECISION - np.log2(table.frequencies[rows, symbols])).sum())
        return symbols

    def uniform(self, sizes: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        assert values is not None
        self.bits += float(np.log2(sizes).sum())
        return values

    def integer(self, size: int, value: int | None = None) -> int:
        assert value is not None
        self.bits += float(np.log2(size))
        return value


def decoder(data: bytes) -> Coder:
    """The fastest that this machine has; all of them decode the same."""
    if native.wanted():
        return native.NativeDecoder(data)
    if importlib.util.find_spec("constriction"):
        from .range_coder import Decoder

        return Decoder(data)
    from .pure import PureDecoder

    return PureDecoder(data)
