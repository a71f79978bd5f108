"""What a step of training spends its time on, of float32 tensors: on a CPU in C (`fused.c`), where the package was built with
a compiler, on a GPU in Triton (`gpu/`), where that is installed. Elsewhere, or with INRC_NATIVE=0, torch does the same.
"""

import ctypes
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, wraps
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..runtime.native import SWITCH, built

VERSION = 7  # of the functions; `fused.c` has the same
SIDE = 64  # inputs or outputs of a layer, at most
CHANNELS = 4  # of pixels, at most
ALIGNMENT = 64  # bytes
WORTH = 2**14  # samples for a thread
KINDS = ("AVX512", "AVX2", "DEFAULT")  # of processors, as torch names them; the first is the others, too
Pointer = ctypes.c_void_p
Made = TypeVar("Made")


@cache
def library() -> ctypes.CDLL | None:
    """The functions as they were built for the best kind of processor that this one is, or None where there are none."""
    return next(filter(None, map(library_for, kinds())), None)


def kinds() -> tuple[str, ...]:
    """Of KINDS what this machine's processor is, the best first."""
    best = torch.backends.cpu.get_cpu_capability()
    return KINDS[KINDS.index(best) if best in KINDS else -1 :]


def library_for(processor: str) -> ctypes.CDLL | None:
    """The functions as they were built for one of KINDS."""
    kind = "" if processor == "DEFAULT" else f"_{processor.lower()}"
    if (fused := built(Path(__file__).parent, "fused", VERSION, kind)) is None:
        return None
    number, size = ctypes.c_int, ctypes.c_size_t
    fused.inrc_rate_scratch.restype = fused.inrc_pointwise_scratch.restype = size
    fused.inrc_rate.restype = ctypes.c_double
    fused.inrc_rate.argtypes = (*(Pointer,) * 5, *(size,) * 4, number, Pointer, *(number,) * 4, *(Pointer,) * 5)
    fused.inrc_pointwise.argtypes = (Pointer, Pointer, size, size, size, number, number, number, *(Pointer,) * 5)
    fused.inrc_conv3x3_scratch.restype, fused.inrc_conv3x3_scratch.argtypes = size, (number, number, size)
    fused.inrc_conv3x3.argtypes = (Pointer, Pointer, number, number, *(size,) * 4, *(Pointer,) * 3)
    fused.inrc_conv3x3_back.argtypes = (Pointer, Pointer, number, number, *(size,) * 4, *(Pointer,) * 4)
    fused.inrc_rows.argtypes = (number, number, Pointer, size, size, size, *(Pointer,) * 2)
    fused.inrc_rows_back.argtypes = (number, number, Pointer, size, size, size, *(Pointer,) * 4)
    fused.inrc_columns.argtypes = (number, number, Pointer, size, size, *(Pointer,) * 3)
    fused.inrc_columns_back.argtypes = (number, number, Pointer, size, size, *(Pointer,) * 5)
    fused.inrc_soft_round_noise.argtypes = (Pointer, Pointer, size, ctypes.c_float, ctypes.c_float, Pointer, Pointer)
    return fused


@cache
def gpu() -> ModuleType | None:
    """The same functions for a GPU, or None where there are none."""
    if find_spec("triton") is None:
        return None
    from . import gpu as functions

    return functions


def _or_on_gpu(function: Callable[..., Made]) -> Callable[..., Made]:
    """The function itself, or that of the same name for a GPU if its first argument lies there."""

    @wraps(function)
    def either(first: Tensor, *others: Any) -> Made:
        return (getattr(gpu(), function.__name__) if first.is_cuda else function)(first, *others)

    return either


_kept = threading.local()  # room for the functions to work in, and whether they are to be left out


@contextmanager
def plain() -> Iterator[None]:
    """Within it `parts.synthesis.conv3x3` is torch's own, so that `torch.func` can transform graphs of a synthesis."""
    before, _kept.plain = getattr(_kept, "plain", False), True
    try:
        yield
    finally:
        _kept.plain = before


def is_plain() -> bool:
    """Within `plain`, or of a graph that is being made."""
    return getattr(_kept, "plain", False) or torch.compiler.is_exporting()


def takes(*tensors: Tensor) -> bool:
    """Whether these are for it: float32, on a device that has the functions."""
    if os.environ.get(SWITCH) == "0" or is_plain():
        return False
    kind = tensors[0].device.type
    there = {"cpu": library, "cuda": gpu}.get(kind, lambda: None)() is not None
    return there and all(tensor.dtype == torch.float32 and tensor.device.type == kind for tensor in tensors)


def _room(name: str, size: int) -> int:
    """The aligned address of `size` bytes, which a thread keeps from call to call."""
    room = vars(_kept).get(name)
    if room is None or len(room) < size + ALIGNMENT:
        vars(_kept)[name] = room = torch.empty(size + ALIGNMENT, dtype=torch.uint8)
    return -(-room.data_ptr() // ALIGNMENT) * ALIGNMENT


def _record(tensors: Sequence[Tensor]) -> ctypes.Array:
    """Of the addresses of contiguous tensors."""
    return (Pointer * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _functions() -> ctypes.CDLL:
    fused = library()
    assert fused, "`takes` was to be asked before"
    return fused


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)


@contextmanager
def apart() -> Iterator[None]:
    """Within it these functions have as many threads as torch had, and torch has one: what is left to it is too small to be
    shared, and takes longer on several."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    _kept.threads = count
    try:
        yield
    finally:
        _kept.threads = 0
        torch.set_num_threads(count)


def _shared(job: Callable[[int, int], Made], pieces: int, samples: int = 1) -> list[Made]:
    """What `job(start, stop)` makes of parts of the pieces, of so many samples each, on as many threads as torch has, or had
    before `apart`."""
    threads = getattr(_kept, "threads", 0) or torch.get_num_threads()
    count = max(1, min(threads, pieces, pieces * samples // WORTH))
    bounds = [pieces * k // count for k in range(count + 1)]
    return [job(0, pieces)] if count == 1 else list(_threads(count).map(job, bounds, bounds[1:]))


@_or_on_gpu
def rate(
    latents: Tensor,
    near: Tensor,
    features: Tensor,
    cell: int,
    mask: Tensor,
    plane: int,
    rows: tuple[int, int],
    offsets: Sequence[int],
    weights: Sequence[Tensor],
    log2_scales: tuple[float, float],
    gradients: tuple[Tensor, Tensor] | None,
) -> tuple[float | Tensor, list[Tensor]]:
    """Bits of the latents in some `rows` of a plane, which begins at `plane`, that `mask` weighs; `near` are the latents as
    neighbours, `features` (n, rows, columns) of the whole plane, a value for each `cell` of 1 or of 2x2.

    `weights`: first, its bias, second, its bias, last, its bias, skip. `gradients`, of latents and of features, are added to
    if wanted; those of the weights are returned.
    """
    fused, own, features = _functions(), _record(kept := [weight.contiguous() for weight in weights]), features.contiguous()
    columns, (top, bottom) = cell * features.shape[2], rows

    def part(start: int, stop: int) -> tuple[float, Tensor | None, list[Tensor]]:
        """Of the rows of so many cells."""
        to = [torch.zeros_like(weight) for weight in kept]
        g_latents = gradients and (gradients[0] if start == 0 else torch.zeros_like(latents))
        bits = fused.inrc_rate(
            _room("rate", fused.inrc_rate_scratch()),
            *(tensor.data_ptr() for tensor in (latents, near, features, mask)),
            *(plane, columns, max(top, cell * start), min(bottom, cell * stop)),
            cell,
            (ctypes.c_int64 * len(offsets))(*offsets),
            len(offsets),
            *features.shape[:2],
            len(kept[2]),
            own,
            (ctypes.c_float * 2)(*log2_scales),
            None if g_latents is None else g_latents.data_ptr(),
            None if gradients is None else gradients[1].data_ptr(),
            _record(to),
        )
        return bits, g_latents, to

    bits, g_latents, to = zip(*_shared(part, features.shape[1], cell * columns))
    if gradients:
        for more in g_latents[1:]:
            gradients[0].add_(more)
    return sum(bits), [torch.stack(each).sum(0) for each in zip(*to)]


@_or_on_gpu
def pointwise(x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """As `_Pointwise` in synthesis.py, of x (levels, n); `weights`: hidden, its bias, pixel, its bias, skip."""
    out, line = (x.new_empty(len(weights[2]), x.shape[1]) for _ in range(2))
    _pointwise(x, weights, out, line, None)
    return out, line


@_or_on_gpu
def pointwise_back(x: Tensor, weights: Sequence[Tensor], grad: Tensor, grad_line: Tensor) -> list[Tensor]:
    """Gradients of x and of the weights."""
    g_x = torch.empty_like(x)
    return [g_x, *_pointwise(x, weights, grad.contiguous(), grad_line.contiguous(), g_x)]


def _pointwise(x: Tensor, weights: Sequence[Tensor], out: Tensor, line: Tensor, g_x: Tensor | None) -> list[Tensor]:
    """Gradients of the weights, if `g_x` is there for those of x; else zeros."""
    fused, own = _functions(), _record(kept := [weight.contiguous() for weight in weights])
    sizes, given = (len(x), len(kept[0]), len(kept[2])), None if g_x is None else g_x.data_ptr()

    def part(start: int, stop: int) -> list[Tensor]:
        to = [torch.zeros_like(weight) for weight in kept]
        room, where = _room("pointwise", fused.inrc_pointwise_scratch()), (x.shape[1], start, stop)
        addresses = own, out.data_ptr(), line.data_ptr(), given, _record(to)
        fused.inrc_pointwise(room, x.data_ptr(), *where, *sizes, *addresses)
        return to

    return [torch.stack(each).sum(0) for each in zip(*_shared(part, x.shape[1]))]


@_or_on_gpu
def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(1, c, h, w) -> (1, c', h, w); edges repeat."""
    x, weight, out = x.contiguous(), weight.contiguous(), x.new_empty(1, len(weight), *x.shape[2:])
    given = weight.data_ptr(), None if bias is None else bias.data_ptr()

    def part(top: int, bottom: int) -> None:
        room, *shape = _conv3x3_facts(x, weight)
        _functions().inrc_conv3x3(room, x.data_ptr(), *shape, top, bottom, *given, out.data_ptr())

    _shared(part, *x.shape[2:])
    return out


@_or_on_gpu
def conv3x3_back(x: Tensor, weight: Tensor, grad: Tensor, biased: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of x, `weight` and the bias, if there is one."""
    x, weight, grad = x.contiguous(), weight.contiguous(), grad.contiguous()
    g_x = torch.empty_like(x)

    def part(top: int, bottom: int) -> Tensor:
        g_weight, (room, *shape) = torch.zeros_like(weight), _conv3x3_facts(x, weight)
        given = weight.data_ptr(), grad.data_ptr(), g_x.data_ptr(), g_weight.data_ptr()
        _functions().inrc_conv3x3_back(room, x.data_ptr(), *shape, top, bottom, *given)
        return g_weight

    return g_x, _summed(_shared(part, *x.shape[2:])), grad.sum((0, 2, 3)) if biased else None


def _conv3x3_facts(x: Tensor, weight: Tensor) -> tuple[int, ...]:
    """Room to work in, inputs, outputs, rows and columns."""
    (outputs, inputs), (rows, columns) = weight.shape[:2], x.shape[2:]
    room = _room("conv3x3", _functions().inrc_conv3x3_scratch(inputs, outputs, columns))
    return room, inputs, outputs, rows, columns


def _summed(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


@_or_on_gpu
def filtered(x: Tensor, phases: Tensor, dim: int, out: Tensor | None = None) -> Tensor:
    """(c, h, w), as many times as long along `dim` (1 or 2) as there are `phases` (count, taps), which weigh the samples
    around; edges repeat. For (2, 5) or (1, 7). Into `out`, contiguous, where it is given."""
    x, phases, (channels, rows, columns), count = x.contiguous(), phases.contiguous(), x.shape, len(phases)
    shape = channels, rows * (count if dim == 1 else 1), columns * (count if dim == 2 else 1)
    made = x.new_empty(shape) if out is None else out

    def part(start: int, stop: int) -> None:
        size = rows * columns if dim == 1 else columns
        here, to = (t.data_ptr() + t.element_size() * start * size * n for t, n in ((x, 1), (made, count)))
        if dim == 1:
            _functions().inrc_rows(*phases.shape, here, stop - start, rows, columns, phases.data_ptr(), to)
        else:
            lines, room = (stop - start, columns), _line(columns, phases)
            _functions().inrc_columns(*phases.shape, here, *lines, phases.data_ptr(), to, room)

    _shared(part, *_lines(x, dim))
    return made


@_or_on_gpu
def filtered_back(x: Tensor, phases: Tensor, dim: int, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of x and of the phases."""
    x, phases, grad, (_, rows, columns), count = x.contiguous(), phases.contiguous(), grad.contiguous(), x.shape, len(phases)
    g_x = torch.zeros_like(x)

    def part(start: int, stop: int) -> Tensor:
        to, size = torch.zeros_like(phases), rows * columns if dim == 1 else columns
        here, given, back = (t.data_ptr() + t.element_size() * start * size * n for t, n in ((x, 1), (grad, count), (g_x, 1)))
        addresses = phases.data_ptr(), given, back, to.data_ptr()
        if dim == 1:
            _functions().inrc_rows_back(*phases.shape, here, stop - start, rows, columns, *addresses)
        else:
            room = _line(columns, phases)
            _functions().inrc_columns_back(*phases.shape, here, stop - start, columns, *addresses, room)
        return to

    return g_x, _summed(_shared(part, *_lines(x, dim)))


@_or_on_gpu
def filtered_back_both(x: Tensor, tall: Tensor, phases: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """The same of x that was filtered along rows, which made `tall`, then along columns."""
    g_tall, wide = filtered_back(tall, phases, 2, grad)
    g_x, high = filtered_back(x, phases, 1, g_tall)
    return g_x, wide + high


def _lines(x: Tensor, dim: int) -> tuple[int, int]:
    """What a filter along `dim` can take one by one: how many there are, and of how many samples."""
    channels, rows, columns = x.shape
    return (channels, rows * columns) if dim == 1 else (channels * rows, columns)


def _line(columns: int, phases: Tensor) -> int:
    """Room for a line to be worked on."""
    return _room("line", 4 * (len(phases) + 2) * (columns + phases.shape[1]))


@_or_on_gpu
def soft_round_noise(x: Tensor, noise: Tensor, temperature: float | Tensor) -> tuple[Tensor, Tensor]:
    """As `soft_round_noise` in quantizers.py, and its derivative; the temperature may be a tensor on a GPU."""
    x, noise, out, slope = x.contiguous(), noise.contiguous(), torch.empty_like(x), torch.empty_like(x)
    given = temperature, 0.5 / math.tanh(0.5 / temperature), out.data_ptr(), slope.data_ptr()
    _functions().inrc_soft_round_noise(x.data_ptr(), noise.data_ptr(), x.numel(), *given)
    return out, slope


@_or_on_gpu
def orthonormal(x: Tensor) -> Tensor:
    """(..., n, n) -> (..., n, n): the factor Q of its QR decomposition, but for signs. On a GPU of (count, n, n)."""
    return torch.linalg.qr(x)[0]
