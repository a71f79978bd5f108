"""The integer network that says how a latent is distributed, given its neighbours and inter-grid features.

All sums are of integers, fit 32 bits, and are exact in float64, those that fit 24 bits in float32 too: every machine and
every order of summation gives the same. Fixed point: inputs and hidden units in 1/64, weights in 1/256, sums and biases in
1/16384.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import native
from .orders import NEIGHBOURS_MAX
from .tables import FRACTIONS, SCALE_ZERO, SCALES, SCALES_PER_OCTAVE
from .wire import BitstreamError

Array = np.ndarray

UNIT_BITS, WEIGHT_BITS = 6, 8  # fractional bits of inputs and hidden units, and of weights
SUM_BITS = UNIT_BITS + WEIGHT_BITS
LIMIT = 64  # inputs and hidden units are clipped to +-64
EXACT = 2**31  # sums stay below, so that 32-bit accumulators serve as well as float64
EXACT_FLOAT32 = 2**24
CENTRE_BITS, SCALE_BITS = 4, 3  # a centre is in 1/16, a scale index in 1/8 octave
TOP = LIMIT << UNIT_BITS
LOWEST = np.array([[-LIMIT * FRACTIONS], [0.0]])  # of centre and scale index
HIGHEST = np.array([[LIMIT * FRACTIONS], [SCALES + 3 * SCALES_PER_OCTAVE - 1.0]])
assert (1 << CENTRE_BITS, 1 << SCALE_BITS) == (FRACTIONS, SCALES_PER_OCTAVE)


@dataclass(frozen=True)
class Network:
    """Integer weights; inputs are neighbours, then the inter-grid features.

    `first` (inputs, width), `second` (width, width) and `last` (width, 2) with their biases are a ReLU network, the
    second layer residual; `skip` (inputs, 2) is linear, beside it. Outputs: centre and base-2 logarithm of the scale, in
    quantization steps.
    """

    first: Array
    first_bias: Array
    second: Array
    second_bias: Array
    last: Array
    last_bias: Array
    skip: Array

    def __post_init__(self) -> None:
        """Raises BitstreamError for shapes that make no network: the kernel in C relies on them."""
        inputs, width = len(self.first), len(self.second)
        wanted = (inputs, width), (width,), (width, width), (width,), (width, 2), (2,), (inputs, 2)
        if tuple(array.shape for array in vars(self).values()) != wanted:
            raise BitstreamError("wanted a context network whose layers fit each other")

    def neighbours(self, features: int) -> int:
        """How many it sees. Raises BitstreamError for too few or too many."""
        count = len(self.first) - features
        if not 1 <= count <= NEIGHBOURS_MAX:
            raise BitstreamError(f"wanted 1 to {NEIGHBOURS_MAX} neighbours, got {count}")
        return count

    def residual(self) -> Array:
        """`second` with what it adds to."""
        return self.second + (np.eye(len(self.second), dtype=np.int64) << WEIGHT_BITS)

    def largest_sum(self, peaks: Array | int = TOP) -> int:
        """The largest magnitude that any of its sums can reach, given those of its inputs (in 1/64)."""
        peaks = np.broadcast_to(peaks, len(self.first))
        first = peaks @ np.abs(self.first) + np.abs(self.first_bias)
        second = np.minimum(first >> WEIGHT_BITS, TOP) @ np.abs(self.residual()) + np.abs(self.second_bias)
        last = np.minimum(second >> WEIGHT_BITS, TOP) @ np.abs(self.last) + np.abs(self.last_bias) + peaks @ np.abs(self.skip)
        return int(max(layer.max(initial=0) for layer in (first, second, last)))

    def layers(self, peaks: Array | int = TOP) -> "Layers":
        """The weights as floats, for inputs up to `peaks` (in 1/64): float32 where that is exact, and faster."""
        return self._single if self.largest_sum(peaks) < EXACT_FLOAT32 else self._double

    @cached_property
    def _single(self) -> "Layers":
        return Layers(*(array.astype(np.float32) for array in vars(self._double).values()))

    @cached_property
    def _double(self) -> "Layers":
        """Scaled so that outputs need no more than `floor`."""
        weight, out = 2.0**-WEIGHT_BITS, np.array([2.0 ** (CENTRE_BITS - SUM_BITS), 2.0 ** (SCALE_BITS - SUM_BITS)])
        last_bias = self.last_bias * out + [0.5, SCALE_ZERO + 0.5]
        return Layers(
            np.concatenate([self.first * weight, self.skip * out], axis=1).T.copy(),
            np.concatenate([self.first_bias * weight, last_bias])[:, None],
            (self.residual() * weight).T.copy(),
            self.second_bias[:, None] * weight,
            (self.last * out).T.copy(),
            LOWEST,
            HIGHEST,
        )

    @cached_property
    def kernel(self) -> native.Network:
        """The same for the kernel in C."""
        return native.Network(
            head=np.concatenate([self.first, self.skip], axis=1).T,
            head_bias=np.concatenate([self.first_bias, self.last_bias]),
            second=self.residual().T,
            second_bias=self.second_bias,
            last=self.last.T,
        )


@dataclass(frozen=True)
class Layers:
    """A Network to be multiplied from the left with (inputs, n); `head` is `first` and, below it, `skip`."""

    head: Array  # (width + 2, inputs)
    head_bias: Array
    second: Array
    second_bias: Array
    last: Array  # (2, width)
    lowest: Array  # (2, 1), as `highest`: of the outputs
    highest: Array

    def after(self, sums: Array) -> tuple[Array, Array]:
        """Centres in sixteenths and scale indices, (n,) each, of the head's `sums` (width + 2, n), which are lost."""
        width = len(self.second)
        hidden = self.second @ _relu(sums[:width])
        hidden += self.second_bias
        out = self.last @ _relu(hidden)
        out += sums[width:]
        np.maximum(out, self.lowest, out=out)
        np.minimum(out, self.highest, out=out)
        centre, scale = np.floor(out, out=out).astype(np.int64)
        return centre, scale


def _relu(sums: Array) -> Array:
    """ReLU in fixed point, in place: clipped to 0 ... TOP and rounded down."""
    np.maximum(sums, 0, out=sums)
    np.minimum(sums, float(TOP), out=sums)
    return np.floor(sums, out=sums)


def units(symbols: Array, out: Array) -> None:
    """Latents as the network's inputs: clipped, in 1/64."""
    near = np.minimum(symbols, LIMIT)
    np.maximum(near, -LIMIT, out=near)
    np.multiply(near, 1 << UNIT_BITS, out=out, casting="same_kind")
