"""The range decoder in Python, for machines that have neither the kernel nor a wheel of constriction.

The same stream as `range_coder`: carries are the encoder's business, so that a decoder is a dozen lines (Martin 1979;
constriction, Bamler 2022).
"""

from bisect import bisect_right

import numpy as np

from .tables import LIKELIEST_FREQUENCY, OTHERS, PRECISION, Table
from .wire import BitstreamError

WORD = 32  # bits; the state has two words
ALL = (1 << 2 * WORD) - 1


class PureDecoder:
    """`range_coder.Decoder`, a symbol at a time; past the end of `data` come zeros."""

    def __init__(self, data: bytes) -> None:
        words = np.frombuffer(data + bytes(-len(data) % 4), "<u4").tolist()
        self._words, self.beyond = iter(words), False
        self._lower, self._range, self._point = 0, ALL, self._next() << WORD | self._next()
        self._rows: dict[tuple[Table, int], list[int]] = {}  # cumulative frequencies, as they are needed

    def _next(self) -> int:
        word = next(self._words, None)
        self.beyond |= word is None
        return word or 0

    def _quantile(self) -> tuple[int, int]:
        """The unit of frequency, and where in 0 ... 2**24 - 1 the stream points to. Raises BitstreamError."""
        scale = self._range >> PRECISION
        quantile = (self._point - self._lower & ALL) // scale
        if quantile >> PRECISION:
            raise BitstreamError("wanted a range-coded stream, got data that no encoder writes")
        return scale, quantile

    def _take(self, scale: int, left: int, width: int) -> None:
        self._lower = self._lower + scale * left & ALL
        self._range = scale * width
        if self._range >> WORD == 0:
            self._lower, self._range = self._lower << WORD & ALL, self._range << WORD
            self._point = (self._point << WORD | self._next()) & ALL

    def flags(self, rows: np.ndarray, flags: np.ndarray | None = None) -> np.ndarray:
        return np.array([self._flag(frequency) for frequency in LIKELIEST_FREQUENCY[rows].tolist()], np.int32)

    def _flag(self, frequency: int) -> int:
        scale, quantile = self._quantile()
        if quantile < frequency:
            self._take(scale, 0, frequency)
            return 0
        self._take(scale, frequency, (1 << PRECISION) - frequency)
        return 1

    def tabled(self, rows: np.ndarray, symbols: np.ndarray | None = None, table: Table = OTHERS) -> np.ndarray:
        return np.array([self._tabled(table, row) for row in rows.tolist()], np.int32)

    def _tabled(self, table: Table, row: int) -> int:
        if (table, row) not in self._rows:
            self._rows[table, row] = table.cumulative[row].tolist()
        cumulative = self._rows[table, row]
        scale, quantile = self._quantile()
        column = bisect_right(cumulative, quantile) - 1
        self._take(scale, cumulative[column], cumulative[column + 1] - cumulative[column])
        return column

    def uniform(self, sizes: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        return np.array([self.integer(size) for size in sizes.tolist()], np.int32)

    def integer(self, size: int, value: int | None = None) -> int:
        if size > 1 << PRECISION:
            raise BitstreamError(f"wanted a choice among at most {1 << PRECISION}, got {size}")
        if size < 2:
            return 0
        scale, quantile = self._quantile()
        each = (1 << PRECISION) // size
        value = min(quantile // each, size - 1)  # the last one has what is left
        self._take(scale, value * each, (1 << PRECISION) - value * each if value == size - 1 else each)
        return value
