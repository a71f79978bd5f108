"""The kernel in C (`kernel.c`), where the package was built with a compiler: decodes the same symbols, faster.

INRC_NATIVE=0 in the environment leaves it out; so does a machine where it was not built.
"""

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from .tables import LIKELIEST_FREQUENCY, OTHERS, PRECISION, Table
from .wire import BitstreamError

VERSION = 3  # of the kernel's functions; `kernel.c` has the same
SWITCH = "INRC_NATIVE"  # environment variable
INPUTS_MAX = 64  # of the kernel's network; wider ones are NumPy's
SLACK = 32  # values that the kernel reads, and ignores, behind the last
Pointer = ctypes.c_void_p
TABLES = LIKELIEST_FREQUENCY.ctypes.data, OTHERS.cumulative.ctypes.data
Seen = list[tuple[np.ndarray, int]]  # decoded grids, each with the octaves that it is coarser


class _Network(ctypes.Structure):
    """As in `kernel.c`."""

    _fields_ = (
        *((name, Pointer) for name in ("head", "head_bias", "second", "second_bias", "last")),
        *((name, ctypes.c_int32) for name in ("inputs", "width")),
    )


def built(folder: Path, name: str, version: int, kind: str = "") -> ctypes.CDLL | None:
    """A library that was built with the package, perhaps for a `kind` of processor; None where it was not, or for another
    machine or version."""
    paths = sorted(folder.glob(f"_{name}{kind}.*"))
    try:
        found = ctypes.CDLL(str(paths[0]))
    except (IndexError, OSError):
        return None
    return found if hasattr(found, f"inrc_{name}_{version}") else None


@cache
def library() -> ctypes.CDLL | None:
    """The kernel, or None where there is none."""
    if (kernel := built(Path(__file__).parent, "kernel", VERSION)) is None:
        return None
    for function in (kernel.inrc_coder_size, kernel.inrc_wavefronts_scratch, kernel.inrc_coset_scratch, kernel.inrc_beyond):
        function.restype = ctypes.c_size_t
    number, model = ctypes.c_int32, (Pointer, Pointer, Pointer, ctypes.POINTER(_Network))
    kernel.inrc_beyond.argtypes = (Pointer,)
    kernel.inrc_begin.argtypes = (Pointer, ctypes.c_char_p, ctypes.c_size_t)
    kernel.inrc_flags.argtypes = kernel.inrc_tabled.argtypes = (Pointer, Pointer, Pointer, ctypes.c_size_t, Pointer)
    kernel.inrc_uniform.argtypes = (Pointer, Pointer, ctypes.c_size_t, Pointer)
    kernel.inrc_wavefronts_scratch.argtypes = (number,) * 3
    kernel.inrc_wavefronts.argtypes = (*model, Pointer, *(number,) * 4, *(Pointer,) * 3)
    kernel.inrc_coset_scratch.argtypes = (number,) * 2
    kernel.inrc_coset.argtypes = (*model, Pointer, Pointer, number, number, Pointer, Pointer)
    kernel.inrc_inter.argtypes = (Pointer, Pointer, *(number,) * 4, *(Pointer,) * 5)
    kernel.inrc_squares.argtypes = (Pointer, *(number,) * 4, Pointer)
    return kernel


def wanted() -> bool:
    """Whether the kernel is there and not switched off."""
    return os.environ.get(SWITCH) != "0" and library() is not None


def int32(values: object) -> np.ndarray:
    return np.ascontiguousarray(values, np.int32)


class Network:
    """A context network as the kernel takes it: weights one row per output."""

    def __init__(self, **weights: np.ndarray) -> None:
        self._arrays = {name: int32(values) for name, values in weights.items()}
        addresses = {name: array.ctypes.data for name, array in self._arrays.items()}
        self.record = _Network(**addresses, inputs=weights["head"].shape[1], width=len(weights["second"]))

    @property
    def small(self) -> bool:
        """Whether the kernel has room for it."""
        return max(self.record.width, self.record.inputs) <= INPUTS_MAX


class NativeDecoder:
    """A `coder.Coder` that reads by the kernel, and decodes whole grids in one call."""

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

    def flags(self, rows: np.ndarray, flags: np.ndarray | None = None) -> np.ndarray:
        return self._decode(self._kernel.inrc_flags, TABLES[0], int32(rows))

    def tabled(self, rows: np.ndarray, symbols: np.ndarray | None = None, table: Table = OTHERS) -> np.ndarray:
        return self._decode(self._kernel.inrc_tabled, table.cumulative.ctypes.data, int32(rows))

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

    def wavefronts(
        self,
        network: Network,
        neighbours: Sequence[tuple[int, int]],
        shape: tuple[int, int],
        slope: int,
        inter: np.ndarray | None,
    ) -> np.ndarray:
        """Latents (h, w) int32; `inter` (features, h', w') int32, an octave coarser, or None for zeros."""
        scratch = np.zeros(self._kernel.inrc_wavefronts_scratch(*shape, slope), np.int32)
        out = np.empty(shape, np.int32)
        near, features = int32(neighbours), None if inter is None else inter.ctypes.data
        where = near.ctypes.data, len(near), *shape, slope, features, scratch.ctypes.data, out.ctypes.data
        self._check(self._kernel.inrc_wavefronts(self._state, *TABLES, network.record, *where))
        return out

    def coset(self, network: Network, inputs: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
        """Latents (h, w) int32; `inputs` are views int32 that start with the first latent's, zeros where there are fewer than
        the network has. Behind the last value there must be SLACK more."""
        out = np.empty(shape, np.int32)
        none = np.broadcast_to(np.zeros(shape[1] + SLACK, np.int32), (shape[0], shape[1] + SLACK))
        inputs = inputs + [none] * (network.record.inputs - len(inputs))
        scratch = np.empty(self._kernel.inrc_coset_scratch(*shape), np.int32)
        pointers = (Pointer * len(inputs))(*(view.ctypes.data for view in inputs))
        strides = int32([view.strides[0] // view.itemsize for view in inputs])
        where = pointers, strides.ctypes.data, *shape, scratch.ctypes.data, out.ctypes.data
        self._check(self._kernel.inrc_coset(self._state, *TABLES, network.record, *where))
        return out

    def inter(self, layer: tuple[np.ndarray, np.ndarray], shape: tuple[int, int], seen: Seen) -> np.ndarray:
        """Inter-grid features (n, h, w) of the grids `seen` by a linear `layer`, (grids, n) and (n,)."""
        weights, bias, grids = int32(layer[0].T), int32(layer[1]), [int32(grid) for grid, _ in seen]
        sizes, shifts = int32([grid.shape for grid in grids]), int32([shift for _, shift in seen])
        pointers = (Pointer * len(grids))(*(grid.ctypes.data for grid in grids))
        scratch, out = np.zeros(len(grids) * (shape[1] + SLACK), np.int32), with_slack((len(bias), *shape))
        self._kernel.inrc_inter(
            *(weights.ctypes.data, bias.ctypes.data, len(grids), len(bias), *shape),
            *(pointers, sizes.ctypes.data, shifts.ctypes.data, scratch.ctypes.data, out.ctypes.data),
        )
        return out


def squares_to_rgb(squares: np.ndarray, height: int, width: int) -> np.ndarray:
    """As `squares.to_rgb`."""
    kernel = library()
    assert kernel is not None
    squares, out = np.ascontiguousarray(squares), np.empty((height, width, 3), np.uint8)
    kernel.inrc_squares(squares.ctypes.data, *squares.shape[1:], height, width, out.ctypes.data)
    return out


def with_slack(shape: tuple[int, ...]) -> np.ndarray:
    """Zeros, int32, with SLACK values more in memory."""
    size = int(np.prod(shape))
    return np.zeros(size + SLACK, np.int32)[:size].reshape(shape)
