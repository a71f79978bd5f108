"""The start of a file: latents travel from coarse to fine, so a part of them makes a preview.

Where the stream has ended, every latent is what the context model takes for the likeliest, given those that came.
"""

from collections.abc import Callable

import numpy as np

from . import native
from .pure import PureDecoder
from .tables import OTHERS, REACH, Table
from .wire import BitstreamError


class PartialDecoder:
    """A `coder.Coder` that reads symbols while there are any, and after `guess` makes up those that are lacking."""

    def __init__(self, data: bytes) -> None:
        self._decoder = native.NativeDecoder(data) if native.wanted() else PureDecoder(data)
        self._guess = False

    def guess(self) -> None:
        """From here on symbols may be lacking. Raises BitstreamError where one has been lacking already."""
        if self._decoder.beyond:
            raise BitstreamError("truncated: wanted all networks in the part of the file that is there")
        self._guess = True

    def _lacking(self) -> bool:
        return self._guess and self._decoder.beyond

    def flags(self, rows: np.ndarray, flags: np.ndarray | None = None) -> np.ndarray:
        """The likeliest, if the flags are not there."""
        return self._read(lambda: self._decoder.flags(rows), np.zeros(len(rows), np.int32))

    def tabled(self, rows: np.ndarray, symbols: np.ndarray | None = None, table: Table = OTHERS) -> np.ndarray:
        """The column of the mean, if the symbols are not there."""
        return self._read(lambda: self._decoder.tabled(rows, None, table), np.full(len(rows), REACH, np.int32))

    def uniform(self, sizes: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """The middle, if the values are not there."""
        return self._read(lambda: self._decoder.uniform(sizes), (np.asarray(sizes) // 2).astype(np.int32))

    def _read(self, decode: Callable[[], np.ndarray], guess: np.ndarray) -> np.ndarray:
        """What the stream says, or `guess` where it ends before: behind its end it may be none that an encoder writes."""
        if self._lacking():
            return guess
        try:
            values = decode()
        except BitstreamError:
            if not self._lacking():
                raise
            return guess
        return guess if self._lacking() else values

    def integer(self, size: int, value: int | None = None) -> int:
        return int(self.uniform(np.array([size]))[0])
