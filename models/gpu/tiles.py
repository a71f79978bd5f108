"""What kernels share: tiles are (rows, samples), their sides padded to powers of two, and products of them small.

Programs walk over the samples and keep gradients of weights to themselves; torch adds them up, the same way from run to run.
"""

import os

import triton
import triton.language as tl

SAMPLES = 64  # of a tile
PIECE = 256  # of a line
PROGRAMS = 264  # that walk, at most: two for each multiprocessor of an H100
LEAST = 16  # rows or columns that a product takes
INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")  # where products are float32's


def side_of(*sizes: int) -> int:
    return max(LEAST, triton.next_power_of_2(max(sizes)))


def programs_for(samples: int) -> int:
    return min(PROGRAMS, triton.cdiv(samples, SAMPLES))


@triton.jit
def full(a, b):
    """Three products of the matrix units, which make it nearly float32's."""
    return tl.dot(a, b, input_precision="tf32x3")


@triton.jit
def dot(a, b):
    """A product of the matrix units, of factors that are `rounded`."""
    return tl.dot(a, b, input_precision="tf32")


@triton.jit
def rounded(x):
    """To ten bits of its fraction: the matrix units cut off what is beyond, and would make sums of many too small."""
    return x if INTERPRETED else ((x.to(tl.int32, bitcast=True) + 0x1000) & -0x2000).to(tl.float32, bitcast=True)


@triton.jit
def matrix(address, rows, columns, row_stride, column_stride, R: tl.constexpr, C: tl.constexpr):
    """(R, C), zeros beyond rows and columns."""
    i, j = tl.arange(0, R)[:, None], tl.arange(0, C)[None, :]
    return tl.load(address + i * row_stride + j * column_stride, mask=(i < rows) & (j < columns), other=0.0)


@triton.jit
def vector(address, size, stride, S: tl.constexpr):
    i = tl.arange(0, S)
    return tl.load(address + i * stride, mask=i < size, other=0.0)


@triton.jit
def put(address, tile, R: tl.constexpr, C: tl.constexpr):
    tl.store(address + tl.arange(0, R)[:, None] * C + tl.arange(0, C)[None, :], tile)
