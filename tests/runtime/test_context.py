"""The integer context model: what is written is read, on every shape and template."""

import numpy as np
import pytest

from inrcodec.runtime.coder import Meter
from inrcodec.runtime.context import NEIGHBOURS, ContextModel, code_grids, slope
from inrcodec.runtime.native import INPUTS_MAX, NativeDecoder, library
from inrcodec.runtime.pure import PureDecoder
from inrcodec.runtime.range_coder import Decoder, Encoder
from inrcodec.runtime.wire import BitstreamError

DECODERS = [Decoder, PureDecoder, NativeDecoder] if library() else [Decoder, PureDecoder]


def random_model(neighbours: int, features: int, grids: list[int], seed: int = 0) -> ContextModel:
    """Integer weights of about 0.2."""
    rng = np.random.default_rng(seed)
    inputs = neighbours + features

    def draw(*shape: int) -> np.ndarray:
        return rng.integers(-50, 50, shape)

    inter = tuple((draw(n, features), draw(features)) for n in grids)
    return ContextModel(
        draw(inputs, inputs),
        draw(inputs),
        draw(inputs, inputs),
        draw(inputs),
        draw(inputs, 2),
        draw(2),
        draw(inputs, 2),
        inter,
    )


def pyramid(height: int, width: int, levels: int = 6, hyper: int = 2):
    shapes = [(-(-height // 2**k), -(-width // 2**k)) for k in range(levels)]
    return shapes, shapes[-hyper:], [levels - 1 - k + hyper for k in range(3)]


@pytest.mark.parametrize("neighbours", [1, 6, 10, 14, 24])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (17, 1), (13, 22), (40, 31)])
def test_round_trip(size, neighbours):
    shapes, hyper, seen = pyramid(*size)
    model = random_model(neighbours, 2, seen)
    rng = np.random.default_rng(1)
    grids = [
        np.rint(rng.laplace(0, 2.0 ** (k - 2), shape)).astype(np.int32)
        for k, shape in enumerate([*hyper[::-1], *shapes[::-1]])
    ]
    assert_round_trip(model, shapes, hyper, grids)


def assert_round_trip(model, shapes, hyper, grids):
    """Every decoder reads what the encoder wrote."""
    encoder = Encoder()
    code_grids(encoder, model, shapes, hyper, grids)
    data = encoder.finish()
    for decoder in DECODERS:
        for mine, theirs in zip(grids, code_grids(decoder(data), model, shapes, hyper)):
            np.testing.assert_array_equal(mine, theirs, str(decoder))


def test_huge_symbols_come_back():
    shapes, hyper, seen = pyramid(9, 14)
    grids = [np.full(shape, 70_000 * (-1) ** k, np.int32) for k, shape in enumerate([*hyper[::-1], *shapes[::-1]])]
    assert_round_trip(random_model(14, 6, seen), shapes, hyper, grids)


def test_symbols_beyond_the_tables_come_back():
    """A strip, where wavefronts are short and rows shorter; scales up to eight octaves above the tables'."""
    shapes, hyper, seen = pyramid(700, 3)
    rng = np.random.default_rng(2)
    grids = [np.rint(rng.laplace(0, 3000, shape)).astype(np.int32) for shape in [*hyper[::-1], *shapes[::-1]]]
    assert_round_trip(random_model(14, 6, seen, seed=3), shapes, hyper, grids)


def test_features_of_other_grids_are_refused():
    shapes, hyper, seen = pyramid(9, 14)
    ones = [np.ones(shape, np.int32) for shape in [*hyper[::-1], *shapes[::-1]]]
    with pytest.raises(BitstreamError, match="wanted inter-grid features of"):
        code_grids(Meter(), random_model(6, 2, [n - 1 for n in seen]), shapes, hyper, ones)


def test_networks_too_wide_for_the_kernel_are_numpys():
    shapes, hyper, seen = pyramid(9, 14)
    model = random_model(24, INPUTS_MAX, seen)
    assert not model.kernel().small
    assert_round_trip(model, shapes, hyper, [np.ones(shape, np.int32) for shape in [*hyper[::-1], *shapes[::-1]]])


@pytest.mark.parametrize("decoder", DECODERS)
def test_no_decoder_takes_what_no_encoder_writes(decoder):
    with pytest.raises((BitstreamError, AssertionError)):
        decoder(b"\xff" * 8).tabled(np.zeros(4, np.int64))


def test_empty_grids_are_nearly_free():
    shapes, hyper, seen = pyramid(64, 64)
    meter = Meter()
    code_grids(meter, random_model(6, 2, seen), shapes, hyper, [np.zeros(s, np.int32) for s in [*hyper[::-1], *shapes[::-1]]])
    assert meter.bits == len(shapes) + len(hyper)


@pytest.mark.parametrize("neighbours", range(1, 25))
def test_slope_puts_neighbours_first(neighbours):
    lean = slope(neighbours)
    assert all(lean * dy + dx < 0 for dy, dx in NEIGHBOURS[:neighbours])
