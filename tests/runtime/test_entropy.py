"""Every entropy model reads what it wrote, at the cost that its distribution says."""

import numpy as np
import pytest

from inrcodec.runtime.entropy import (
    SYMBOL_MAX,
    Apart,
    Bits,
    EntropyModel,
    Laplace,
    SparseHalf,
    SparseStepped,
    Static,
    Stepped,
    Zeros,
    code_laplace,
    code_model,
)
from inrcodec.runtime.native import NativeDecoder, library
from inrcodec.runtime.pure import PureDecoder
from inrcodec.runtime.range_coder import Decoder, Encoder
from inrcodec.runtime.tables import FREQUENCIES, PRECISION, SCALE_ZERO, SCALES_PER_OCTAVE
from inrcodec.runtime.wire import BitstreamError


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


def test_tensors_apart_cost_their_own_entropies():
    """Narrow, wide and all zero: what each would by itself, and a few bits to say so."""
    rng = np.random.default_rng(0)
    parts = [np.rint(rng.laplace(0, scale, n)).astype(np.int64) for scale, n in ((2, 400), (200, 300), (0, 50), (8, 20))]
    scales = SCALE_ZERO + SCALES_PER_OCTAVE, SCALE_ZERO + 61, SCALE_ZERO - 31, SCALE_ZERO + 25
    model = Apart(SCALE_ZERO + 5, (0, 2, -3, 0), tuple((s - SCALE_ZERO - 5) // 4 for s in scales), tuple(map(len, parts)))
    encoder, symbols = Encoder(), np.concatenate(parts)
    code_model(encoder, model, sizes=model.sizes)
    model.code(encoder, len(symbols), symbols)
    data = encoder.finish()
    for kind in (Decoder, PureDecoder, *([NativeDecoder] if library() else [])):
        read = kind(data)
        assert code_model(read, sizes=model.sizes) == model
        np.testing.assert_array_equal(model.code(read, len(symbols)), symbols)
    alone = sum(round_trip(Laplace(scale), part) - 64 for scale, part in zip(scales, parts))
    assert 8 * len(data) < alone + 4 * 64 + 100
    with pytest.raises(BitstreamError, match="wanted an entropy model of all symbols"):
        code_model(Decoder(data))
    with pytest.raises(BitstreamError, match="wanted scales below 192, got"):
        encoder = Encoder()
        code_model(encoder, Apart(180, (0,), (4,), (9,)), sizes=(9,))


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


@pytest.mark.parametrize("decoder", [Decoder, PureDecoder, *([NativeDecoder] if library() else [])])
@pytest.mark.parametrize("counts", [((5, 0, 90, 5),), ((1,) * 63, tuple(range(63)))])
def test_static_histograms(counts, decoder):
    """Parts of equal length, each by its own histogram, whose symbols begin at -(n // 2); one never seen among them."""
    length, first = len(counts[0]), -(len(counts[0]) // 2)
    rng = np.random.default_rng(0)
    parts = [rng.choice(length, 4000, p=np.array(row) / sum(row)) + first for row in counts]
    entropy = sum(-np.log2(np.array(row)[part - first] / sum(row)).sum() for row, part in zip(counts, parts))
    parts[-1][-1] = first + (1 if length == 4 else 0)  # of frequency 0
    symbols, encoder, model = np.concatenate(parts), Encoder(), Static(counts)
    model.code(encoder, len(symbols), symbols)
    data = encoder.finish()
    np.testing.assert_array_equal(model.code(decoder(data), len(symbols)), symbols)
    assert 8 * len(data) < 1.01 * entropy + 24 + 60


def test_static_histograms_want_equal_parts():
    with pytest.raises(BitstreamError, match="wanted histograms of equal parts of 5 symbols, the profile has 2"):
        Static(((1, 1), (1, 1))).code(Decoder(b""), 5)


def test_steps_of_any_size():
    step = np.float16(0.0123)
    model = Stepped(40, int(step.view(np.uint16)))
    symbols = np.rint(np.random.default_rng(0).laplace(0, 1, 500)).astype(np.int64)
    assert round_trip(model, symbols) < 500 * 2.8
    np.testing.assert_array_equal(model.values(symbols, 7), symbols.astype(np.float32) * np.float32(step))
    with pytest.raises(BitstreamError, match="wanted finite weights"):
        Stepped(40, int(np.float16(np.inf).view(np.uint16))).values(symbols, 0)


def test_sparse_steps_pay_for_where_they_are():
    symbols = np.zeros(2000, np.int64)
    symbols[::5] = np.random.default_rng(0).choice([-1, 1], 400) * np.random.default_rng(1).integers(60, 128, 400)
    bits, step = int(np.float16(0.3).view(np.uint16)), np.float32(np.float16(0.3))
    positions = 2000 * -(0.2 * np.log2(0.2) + 0.8 * np.log2(0.8))
    best = min(round_trip(SparseStepped(92, bits, there), symbols) for there in range(64))
    assert best < positions + 400 * 9.5 + 60 < min(round_trip(Stepped(scale, bits), symbols) for scale in range(60, 120, 4))
    np.testing.assert_array_equal(SparseStepped(92, bits, 20).values(symbols, 0), symbols.astype(np.float32) * step)


def test_sparse_halves_pay_for_where_they_are():
    values = np.zeros(2000, np.float16)
    values[::20] = np.random.default_rng(0).normal(size=100)
    symbols = values.view(np.uint16).astype(np.int64)
    positions = 2000 * -(0.05 * np.log2(0.05) + 0.95 * np.log2(0.95))
    assert min(round_trip(SparseHalf(scale), symbols) for scale in range(64)) < 1.02 * (16 * 100 + positions) + 60
    np.testing.assert_array_equal(SparseHalf(0).values(symbols, 0), values.astype(np.float32))


def test_zeros_and_bits():
    assert round_trip(Zeros(), np.zeros(1000, np.int32)) <= 32
    assert round_trip(Bits(16), np.arange(65536)[::97]) <= 16 * 676 + 64
