"""The integer context model: what is written is read, on every shape and template, in every order."""

import numpy as np
import pytest

from inrcodec.runtime.coder import Meter
from inrcodec.runtime.context import ContextModel, code_grids
from inrcodec.runtime.cosets import BATCH
from inrcodec.runtime.native import INPUTS_MAX, NativeDecoder, library
from inrcodec.runtime.network import EXACT, Network
from inrcodec.runtime.orders import CAUSAL, COSETS, MARGIN, NEIGHBOURS_MAX, ORDERS, PARENT, around, slope
from inrcodec.runtime.pure import PureDecoder
from inrcodec.runtime.range_coder import Decoder, Encoder
from inrcodec.runtime.wire import BitstreamError

DECODERS = [Decoder, PureDecoder, NativeDecoder] if library() else [Decoder, PureDecoder]


def random_model(
    neighbours: int, features: int, grids: list[int], seed: int = 0, order: str = "raster", width: int = 0
) -> ContextModel:
    """Integer weights of about 0.2; without inter-grid features where they are 0."""
    rng = np.random.default_rng(seed)
    inputs, width = neighbours + features, width or neighbours + features

    def draw(*shape: int) -> np.ndarray:
        return rng.integers(-50, 50, shape)

    shapes = (inputs, width), (width,), (width, width), (width,), (width, 2), (2,), (inputs, 2)
    networks = tuple(Network(*(draw(*shape) for shape in shapes)) for _ in range(ORDERS[order]))
    return ContextModel(order, networks, tuple((draw(n, features), draw(features)) for n in grids if features))


def pyramid(height: int, width: int, levels: int = 6, hyper: int = 2):
    shapes = [(-(-height // 2**k), -(-width // 2**k)) for k in range(levels)]
    return shapes, shapes[-hyper:], [levels - 1 - k + hyper for k in range(3)]


@pytest.mark.parametrize("neighbours", [1, 6, 10, 14, 24])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (17, 1), (13, 22), (40, 31)])
@pytest.mark.parametrize("order", ORDERS)
def test_round_trip(order, size, neighbours):
    shapes, hyper, seen = pyramid(*size)
    model = random_model(neighbours, 2, seen, order=order, width=0 if neighbours % 4 else 5)
    rng = np.random.default_rng(1)
    grids = [
        np.rint(rng.laplace(0, 2.0 ** (k - 2), shape)).astype(np.int32)
        for k, shape in enumerate([*hyper[::-1], *shapes[::-1]])
    ]
    assert_round_trip(model, shapes, hyper, grids)


@pytest.mark.parametrize("order", ORDERS)
def test_grids_that_see_nothing_of_each_other(order):
    shapes = [(13, 22), (13, 22), (7, 11), (7, 11)]
    rng = np.random.default_rng(2)
    grids = [np.rint(rng.laplace(0, 2, shape)).astype(np.int32) for shape in shapes[::-1]]
    assert_round_trip(random_model(6, 2, [7, 6, 5], order=order), shapes, [], grids, alone=True)


def assert_round_trip(model, shapes, hyper, grids, alone=False):
    """Every decoder reads what the encoder wrote."""
    encoder = Encoder()
    code_grids(encoder, model, shapes, hyper, grids, alone)
    data = encoder.finish()
    for decoder in DECODERS:
        for mine, theirs in zip(grids, code_grids(decoder(data), model, shapes, hyper, alone=alone)):
            np.testing.assert_array_equal(mine, theirs, str(decoder))


@pytest.mark.parametrize("order", ORDERS)
def test_without_features_and_hyper_latents(order):
    """Every decoder, also where the networks have neighbours alone."""
    shapes, _, _ = pyramid(19, 30)
    model = random_model(12, 0, [], order=order)
    assert (model.inter, model.features, model.neighbours) == ((), 0, 12) and 0 < model.largest_sum() < EXACT
    rng = np.random.default_rng(1)
    grids = [np.rint(rng.laplace(0, 3, shape)).astype(np.int32) for shape in shapes[::-1]]
    assert_round_trip(model, shapes, [], grids)


@pytest.mark.parametrize("order", ORDERS)
def test_huge_symbols_come_back(order):
    shapes, hyper, seen = pyramid(9, 14)
    grids = [np.full(shape, 70_000 * (-1) ** k, np.int32) for k, shape in enumerate([*hyper[::-1], *shapes[::-1]])]
    assert_round_trip(random_model(14, 6, seen, order=order), shapes, hyper, grids)


@pytest.mark.parametrize("order", ORDERS)
def test_symbols_beyond_the_tables_come_back(order):
    """A strip, where wavefronts are short and rows shorter; scales up to eight octaves above the tables'."""
    shapes, hyper, seen = pyramid(700, 3)
    rng = np.random.default_rng(2)
    grids = [np.rint(rng.laplace(0, 3000, shape)).astype(np.int32) for shape in [*hyper[::-1], *shapes[::-1]]]
    assert_round_trip(random_model(14, 6, seen, seed=3, order=order), shapes, hyper, grids)


def test_features_of_other_grids_are_refused():
    shapes, hyper, seen = pyramid(9, 14)
    ones = [np.ones(shape, np.int32) for shape in [*hyper[::-1], *shapes[::-1]]]
    with pytest.raises(BitstreamError, match="wanted inter-grid features of"):
        code_grids(Meter(), random_model(6, 2, [n - 1 for n in seen]), shapes, hyper, ones)


@pytest.mark.parametrize("features", [INPUTS_MAX, INPUTS_MAX + 1, 500])
def test_networks_too_wide_for_the_kernel_are_numpys(features):
    shapes, hyper, seen = pyramid(9, 14)
    model = random_model(24, features, seen)
    assert not model.networks[0].kernel.small
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


@pytest.mark.parametrize("size", [(300, 2 * BATCH // 100 + 1), (1, 2 * BATCH + 100)])
def test_cosets_of_many_batches(size):
    """More rows than one batch has, or a row longer than a batch."""
    rng = np.random.default_rng(4)
    grids = [np.rint(rng.laplace(0, 20, size)).astype(np.int32)]
    assert_round_trip(random_model(6, 2, [1], order="parallel", width=4), [size], [], grids)


@pytest.mark.parametrize("neighbours", range(1, NEIGHBOURS_MAX + 1))
def test_slope_puts_neighbours_first(neighbours):
    lean = slope(CAUSAL[:neighbours])
    assert all(lean * dy + dx < 0 for dy, dx in CAUSAL[:neighbours])


@pytest.mark.parametrize("coset", [1, 2, 3])
def test_cosets_see_earlier_ones(coset):
    """The nearest first, as many as asked for, within the margins."""
    seen = around(coset, NEIGHBOURS_MAX)
    row, column = COSETS[coset]
    distances = [(COSETS[k][0] + 2 * dy - row) ** 2 + (COSETS[k][1] + 2 * dx - column) ** 2 for k, dy, dx in seen]
    assert len(set(seen)) == NEIGHBOURS_MAX and distances == sorted(distances)
    assert all(k < coset and max(abs(dy), abs(dx)) < MARGIN for k, dy, dx in seen)


def test_the_first_coset_sees_the_coarser_grid():
    seen = around(0, NEIGHBOURS_MAX)
    assert seen[0] == (PARENT, 0, 0) and len(set(seen)) == NEIGHBOURS_MAX
    assert all(k == PARENT and max(abs(dy), abs(dx)) < MARGIN for k, dy, dx in seen)
