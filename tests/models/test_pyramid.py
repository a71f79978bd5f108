"""`pyramid`'s choices by picture and file, and its training's canvas with grids for colour."""

import pytest
import torch

from inrcodec.models.image.pyramid import CHROMA, MIXED, RICH, Size, architecture, pyramid
from inrcodec.runtime.grids import stacks
from inrcodec.runtime.syntax import COLOURS, Signal


@pytest.mark.parametrize(
    "signal, bpp, rich",
    [
        (Signal(512, 768), RICH, True),
        (Signal(512, 768), 0.99 * RICH, False),
        (Signal(256, 256), 1.0, False),
        (Signal(512, 768, COLOURS[0]), 1.0, False),
        (Signal(512, 768, COLOURS[3]), 1.0, True),
    ],
)
def test_rich_pictures_have_grids_for_colour(signal, bpp, rich):
    nbytes = bpp * signal.pixels / 8
    assert pyramid().build(signal, nbytes).manifest.chroma == (CHROMA if rich else ())
    assert not pyramid("fastdecode").build(signal, nbytes).manifest.chroma


@pytest.mark.parametrize("nbytes, mixed", [(6_999, ()), (7_000, MIXED), (100_000, MIXED)])
def test_large_files_of_rich_pictures_mix_features(nbytes, mixed):
    assert pyramid().build(Signal(400, 400), nbytes).manifest.mixed == mixed
    assert not pyramid().build(Signal(400, 400, COLOURS[0]), nbytes).manifest.mixed
    assert not pyramid("fastdecode").build(Signal(400, 400), nbytes).manifest.mixed


@pytest.mark.parametrize("nbytes, same", [(29_999, True), (30_000, False)])
def test_long_fits_of_large_files_have_larger_networks(nbytes, same):
    method = pyramid()
    assert method.build_long
    short, (long,) = method.build(Signal(512, 768), nbytes), method.build_long(Signal(512, 768), nbytes)
    assert (short == long) == same
    assert all(short.sizes[name] <= long.sizes[name] for name in short.sizes)
    assert method.build_long(Signal(512, 768, COLOURS[0]), nbytes) == (method.build(Signal(512, 768, COLOURS[0]), nbytes),)


@pytest.mark.parametrize("tune", [None, "fastdecode"])
def test_long_fits_of_small_files_choose_among_two_sizes(tune):
    method, signal = pyramid(tune), Signal(512, 768)
    assert method.build_long
    first, largest = method.build_long(signal, 5_000)
    assert first == method.build(signal, 5_000) and largest.sizes["hidden"] > first.sizes["hidden"]
    grey = Signal(512, 768, COLOURS[0])
    assert method.build_long(grey, 10**9) == (method.build(grey, 10**9),)


def test_mixed_features_begin_as_nothing():
    plain, mixed = (architecture(Signal(40, 56), Size(6, 2, 5, mixing=n), chroma=CHROMA) for n in (0, 4))
    target = torch.rand(1, 3, 40, 56)
    first, second = (each.init(target, torch.Generator().manual_seed(0)) for each in (plain, mixed))
    latents = torch.round(torch.randn(plain.canvas.size)) * plain.mask(torch.device("cpu"))
    torch.testing.assert_close(plain.render(first.tensors, latents), mixed.render(second.tensors, latents))
    assert second.tensors["synthesis.skip.weight"][:, -3:].equal(0.3 * torch.eye(3))


@pytest.mark.parametrize("mixing, chroma", [(0, ()), (0, CHROMA), (4, CHROMA)])
def test_the_networks_rate_counts_every_tensor(mixing, chroma):
    made = architecture(Signal(40, 56), Size(6, 2, 5, mixing=mixing), chroma=chroma)
    tensors = made.init(torch.rand(1, 3, 40, 56), torch.Generator().manual_seed(0)).tensors
    tensors = {name: (tensor + 0.1).requires_grad_() for name, tensor in tensors.items()}
    bits = pyramid().recipe(0.004).phases[0].bits
    assert bits and pyramid().recipe(0.001).phases[0].bits is None
    bits(tensors).backward()
    assert all(tensor.grad is not None and tensor.grad.any() for tensor in tensors.values())


@pytest.mark.parametrize("order", ["raster", "parallel"])
@pytest.mark.parametrize("size", [(1, 1), (33, 50), (70, 9)])
def test_a_canvas_holds_each_grid_once(order, size):
    made = architecture(Signal(*size), Size(6, 2, 5, 4), order, chroma=CHROMA)
    mask = made.mask(torch.device("cpu"))
    assert mask.sum() == sum(h * w for h, w in made.canvas.shapes) and mask.max() == 1
    grids = [torch.full_like(grid, k) for k, grid in enumerate(made.grids(mask))]
    again = made.grids(made.latents(grids))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(grids, again))
    assert len(grids) == made.manifest.levels + made.manifest.hyper + 2 * len(CHROMA)
    assert [len(stack) for stack in stacks(made.manifest, [grid.numpy() for grid in grids])] == [1, 1, 3, 3, 1, 1, 1]


def test_colour_begins_on_the_linear_path_and_only_as_colour():
    made = architecture(Signal(32, 32), Size(6, 2, 5), chroma=CHROMA)
    tensors = made.init(torch.rand(1, 3, 32, 32), torch.Generator().manual_seed(0)).tensors
    places = [3, 4, 6, 7]  # among the features: those of 1/4, and of 1/8
    assert not tensors["synthesis.hidden.weight"][:, places].any()
    weights = tensors["synthesis.skip.weight"][:, places]
    assert weights.sum(0).abs().max() < 1e-6 and weights.abs().amax(0).min() > 0.03
