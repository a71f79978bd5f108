"""The range coder: constriction's queue with 32-bit words, 64 bits of state and 24-bit precision."""

import numpy as np
from constriction import stream  # pyright: ignore[reportAttributeAccessIssue]

from .tables import LIKELIEST_FREQUENCY, OTHERS, PRECISION, Table
from .wire import BitstreamError

_TABLED = stream.model.Categorical(lazy=True, perfect=False)
_UNIFORM = stream.model.Uniform()
_FLAGS = np.stack([LIKELIEST_FREQUENCY, (1 << PRECISION) - LIKELIEST_FREQUENCY], 1).astype(np.float32) - 1
WORD = 4  # bytes


class Encoder:
    """Collects symbols; `finish` returns the bytes."""

    def __init__(self) -> None:
        self._coder = stream.queue.RangeEncoder()

    def flags(self, rows: np.ndarray, flags: np.ndarray | None = None) -> np.ndarray:
        assert flags is not None
        self._coder.encode(flags.astype(np.int32), _TABLED, _FLAGS.take(rows, axis=0))
        return flags

    def tabled(self, rows: np.ndarray, symbols: np.ndarray | None = None, table: Table = OTHERS) -> np.ndarray:
        assert symbols is not None
        self._coder.encode(symbols.astype(np.int32), _TABLED, table.probabilities.take(rows, axis=0))
        return symbols

    def uniform(self, sizes: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        assert values is not None
        wide = sizes > 1  # a choice of one costs nothing, and constriction refuses it
        self._coder.encode(values[wide].astype(np.int32), _UNIFORM, sizes[wide].astype(np.int32))
        return values

    def integer(self, size: int, value: int | None = None) -> int:
        assert value is not None and 0 <= value < size, (value, size)
        self.uniform(np.array([size]), np.array([value]))
        return value

    def finish(self) -> bytes:
        """The stream; zero bytes at its end are implied."""
        return self._coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


class Decoder:
    """Reads symbols from `data`; past its end come zeros."""

    def __init__(self, data: bytes) -> None:
        words = np.frombuffer(data + bytes(-len(data) % WORD), "<u4").astype(np.uint32)
        self._coder = stream.queue.RangeDecoder(words)

    def flags(self, rows: np.ndarray, flags: np.ndarray | None = None) -> np.ndarray:
        return self._coder.decode(_TABLED, _FLAGS.take(rows, axis=0))

    def tabled(self, rows: np.ndarray, symbols: np.ndarray | None = None, table: Table = OTHERS) -> np.ndarray:
        return self._coder.decode(_TABLED, table.probabilities.take(rows, axis=0))

    def uniform(self, sizes: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        wide = sizes > 1
        result = np.zeros(len(sizes), np.int32)
        result[wide] = self._coder.decode(_UNIFORM, sizes[wide].astype(np.int32))
        return result

    def integer(self, size: int, value: int | None = None) -> int:
        if size > 1 << PRECISION:  # constriction would panic
            raise BitstreamError(f"wanted a choice among at most {1 << PRECISION}, got {size}")
        return int(self.uniform(np.array([size]))[0])
