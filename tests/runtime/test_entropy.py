"""Every entropy model reads what it wrote, at the cost that its distribution says."""

import numpy as np
import pytest

from inrcodec.runtime.entropy import SYMBOL_MAX, Bits, EntropyModel, Laplace, Zeros, code_laplace, code_model
from inrcodec.runtime.range_coder import Decoder, Encoder
from inrcodec.runtime.tables import FREQUENCIES, PRECISION, SCALE_ZERO, SCALES_PER_OCTAVE


def round_trip(model: EntropyModel, symbols: np.ndarray) -> int:
    """Bits that `symbols` and `model` take; asserts that they come back."""
    encoder = Encoder()
    code_model(encoder, model)
    model.code(encoder, len(symbols), symbols)
    data = encoder.finish()
    decoder = Decoder(data)
    assert code_model(decoder) == model
    np.testing.assert_array_equal(model.code(decoder, len(symbols)), symbols)
    return 8 * len(data)


def test_rows_are_distributions():
    assert (FREQUENCIES.sum(1) == 1 << PRECISION).all() and FREQUENCIES.min() >= 1


@pytest.mark.parametrize("octave", [-4, 0, 2, 3, 6, 12])
def test_laplace_costs_its_entropy(octave):
    symbols = np.rint(np.random.default_rng(0).laplace(0, 2.0**octave, 4000)).astype(np.int64)
    _, counts = np.unique(symbols, return_counts=True)
    entropy = -(counts * np.log2(counts / len(symbols))).sum()
    bits = round_trip(Laplace(SCALE_ZERO + SCALES_PER_OCTAVE * octave), symbols)
    distribution = 4000 * max(0.0, np.log2(2 * np.e * 2.0**octave))  # differential entropy of a Laplace
    assert bits < (1.02 * distribution if octave > 0 else 1.1 * entropy) + 60


def test_extremes_come_back():
    symbols = np.array([0, 31, -31, 32, -32, 63, 10**6, -(10**6), SYMBOL_MAX, -SYMBOL_MAX])
    for scale in (0, 40, 63, 64, 71, 72, 100, 191):
        round_trip(Laplace(scale), symbols)


def test_centres_of_all_fractions():
    rng = np.random.default_rng(1)
    centre, scale = rng.integers(-2000, 2000, 5000), rng.integers(0, 100, 5000)
    given = centre // 16 + rng.integers(-40, 40, 5000)
    encoder = Encoder()
    code_laplace(encoder, scale, centre, given)
    np.testing.assert_array_equal(code_laplace(Decoder(encoder.finish()), scale, centre), given)


def test_zeros_and_bits():
    assert round_trip(Zeros(), np.zeros(1000, np.int32)) <= 32
    assert round_trip(Bits(16), np.arange(65536)[::97]) <= 16 * 676 + 64
