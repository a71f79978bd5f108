"""The kernel in C (`kernel.c`), where the package was built with a compiler: decodes the same symbols, faster.

INRC_NATIVE=0 in the environment leaves it out; so does a machine where it was not built.
"""

import ctypes
import os
from functools import cache
from pathlib import Path

import numpy as np

from .tables import CUMULATIVE, PRECISION
from .wire import BitstreamError

VERSION = 1  # of the kernel's functions; `kernel.c` has the same
SWITCH = "INRC_NATIVE"  # environment variable
INPUTS_MAX = 64  # of the kernel's network; wider ones are NumPy's
Pointer = ctypes.c_void_p
Seen = list[tuple[np.ndarray, int]]  # decoded grids, each with the octaves that it is coarser


class _Network(ctypes.Structure):
    """As in `kernel.c`."""

    _fields_ = (
        *((name, Pointer) for name in ("head", "head_bias", "second", "second_bias", "last", "neighbours")),
        *((name, ctypes.c_int32) for name in ("count", "features", "width")),
    )


@cache
def library() -> ctypes.CDLL | None:
    """The kernel, or None where there is none."""
    paths = sorted(Path(__file__).parent.glob("_kernel.*"))
    try:
        kernel = ctypes.CDLL(str(paths[0]))
    except (IndexError, OSError):  # not built, or built for another machine
        return None
    if not hasattr(kernel, f"inrc_kernel_{VERSION}"):  # left over from another version's build
        return None
    for function in (kernel.inrc_coder_size, kernel.inrc_scratch, kernel.inrc_beyond):
        function.restype = ctypes.c_size_t
    kernel.inrc_beyond.argtypes = (Pointer,)
    kernel.inrc_begin.argtypes = (Pointer, ctypes.c_char_p, ctypes.c_size_t)
    kernel.inrc_tabled.argtypes = (Pointer, Pointer, Pointer, ctypes.c_size_t, Pointer)
    kernel.inrc_uniform.argtypes = (Pointer, Pointer, ctypes.c_size_t, Pointer)
    kernel.inrc_scratch.argtypes = (ctypes.c_int32,) * 3
    kernel.inrc_grid.argtypes = (Pointer, Pointer, ctypes.POINTER(_Network), *(ctypes.c_int32,) * 3, *(Pointer,) * 3)
    kernel.inrc_inter.argtypes = (Pointer, Pointer, *(ctypes.c_int32,) * 4, *(Pointer,) * 4)
    return kernel


def wanted() -> bool:
    """Whether the kernel is there and not switched off."""
    return os.environ.get(SWITCH) != "0" and library() is not None


def int32(values: object) -> np.ndarray:
    return np.ascontiguousarray(values, np.int32)


class Network:
    """A context network as the kernel takes it: weights one row per output, `neighbours` (n, 2) rows and columns."""

    def __init__(self, features: int, neighbours: object, **weights: np.ndarray) -> None:
        self._arrays = {name: int32(values) for name, values in {**weights, "neighbours": neighbours}.items()}
        addresses = {name: array.ctypes.data for name, array in self._arrays.items()}
        count, width = len(self._arrays["neighbours"]), len(self._arrays["second"])
        self.record = _Network(**addresses, count=count, features=features, width=width)

    @property
    def small(self) -> bool:
        """Whether the kernel has room for it."""
        return max(self.record.width, self.record.count + self.record.features) <= INPUTS_MAX


class NativeDecoder:
    """`coder.Decoder` by the kernel, and whole grids in one call."""

    def __init__(self, data: bytes) -> None:
        kernel = library()
        assert kernel is not None
        self._kernel, self._data = kernel, data  # the kernel reads from `data` as long as it decodes
        self._state = ctypes.create_string_buffer(kernel.inrc_coder_size())
        kernel.inrc_begin(self._state, data, len(data))

    @property
    def beyond(self) -> bool:
        """Whether the stream has ended before the symbols read so far, or within eight bytes of them."""
        return self._kernel.inrc_beyond(self._state) > 0

    def tabled(self, rows: np.ndarray, symbols: np.ndarray | None = None) -> np.ndarray:
        return self._decode(self._kernel.inrc_tabled, CUMULATIVE.ctypes.data, int32(rows))

    def uniform(self, sizes: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        return self._decode(self._kernel.inrc_uniform, int32(sizes))

    def integer(self, size: int, value: int | None = None) -> int:
        if size > 1 << PRECISION:
            raise BitstreamError(f"wanted a choice among at most {1 << PRECISION}, got {size}")
        return int(self.uniform(np.array([size]))[0])

    def _decode(self, function, *arguments) -> np.ndarray:
        *first, wanted = arguments
        out = np.empty(len(wanted), np.int32)
        self._check(function(self._state, *first, wanted.ctypes.data, len(wanted), out.ctypes.data))
        return out

    def _check(self, failed: int) -> None:
        if failed:
            raise BitstreamError("wanted a range-coded stream, got data that no encoder writes")

    def grid(self, network: Network, shape: tuple[int, int], slope: int, inter: np.ndarray | None) -> np.ndarray:
        """Latents (h, w) int32; `inter` (h / 2, w / 2, features) int32 as `inter_features` gives them."""
        scratch = np.zeros(self._kernel.inrc_scratch(*shape, slope), np.int32)
        out = np.empty(shape, np.int32)
        features = None if inter is None else inter.ctypes.data
        where = scratch.ctypes.data, out.ctypes.data
        self._check(
            self._kernel.inrc_grid(self._state, CUMULATIVE.ctypes.data, network.record, *shape, slope, features, *where)
        )
        return out

    def inter(self, layer: tuple[np.ndarray, np.ndarray], shape: tuple[int, int], seen: Seen) -> np.ndarray:
        """Inter-grid features (h, w, n) of the grids `seen` by a linear `layer`, (grids, n) and (n,)."""
        weights, bias, grids = int32(layer[0].T), int32(layer[1]), [int32(grid) for grid, _ in seen]
        sizes, shifts = int32([grid.shape for grid in grids]), int32([shift for _, shift in seen])
        pointers = (Pointer * len(grids))(*(grid.ctypes.data for grid in grids))
        out = np.empty((*shape, len(bias)), np.int32)
        self._kernel.inrc_inter(
            *(weights.ctypes.data, bias.ctypes.data, len(grids), len(bias), *shape),
            *(pointers, sizes.ctypes.data, shifts.ctypes.data, out.ctypes.data),
        )
        return out
