"""`player`'s arithmetic: torch's bytes are those of ONNX Runtime, and all colours agree."""

import numpy as np
import pytest
import torch

from inrcodec.export.graphs import to_onnx
from inrcodec.models.method import Graph, UnsuitedError
from inrcodec.models.parts.integers import WEIGHT_MAX, compiled, convolved, rounded
from inrcodec.models.parts.squares import rgb
from inrcodec.models.video.player import player
from inrcodec.runtime.profile import run
from inrcodec.runtime.squares import to_rgb
from inrcodec.runtime.syntax import Signal


@pytest.mark.parametrize("kernel", [1, 3])
def test_convolutions_are_the_runtimes(kernel):
    """Also where both operands are as large as they may be."""
    draw = np.random.default_rng(0)
    x = draw.choice([0, 1, 128, 255], (1, 24, 9, 11)).astype(np.float32)
    weight = draw.choice([-WEIGHT_MAX, -1, 0, WEIGHT_MAX], (16, 24, kernel, kernel)).astype(np.float32)
    m, a = np.geomspace(1e-4, 1e-2, 16, dtype=np.float32), np.rint(1e4 * draw.random(16, np.float32))
    tensors = {"x": x, "weight": weight, "m": m, "a": a}
    torches = {name: torch.from_numpy(array) for name, array in tensors.items()}
    wanted = convolved(*torches.values()).numpy()
    graph = Graph("one", lambda given: compiled(*given.values()), torches, {"x": {2: "h", 3: "w"}}, "y")
    np.testing.assert_array_equal(run(to_onnx(graph), tensors, 1), wanted)
    assert len(np.unique(wanted)) > 20


def test_weights_stay_where_sums_of_two_products_fit_16_bits():
    written = rounded({"a.weight": torch.tensor([-900.0, 0.4, 900.0]), "a.bias": torch.tensor([900.2])}, 1.0)
    assert written["a.weight"].tolist() == [-WEIGHT_MAX, 0, WEIGHT_MAX] and written["a.bias"].item() == 900
    assert 2 * 255 * WEIGHT_MAX < 2**15


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (36, 77)])
def test_colours_are_the_same_everywhere(size, monkeypatch):
    rows, columns = (-(-side // 2) for side in size)
    squares = np.random.default_rng(1).integers(0, 256, (6, rows, columns), np.uint8)
    with_kernel = to_rgb(squares, *size)
    monkeypatch.setenv("INRC_NATIVE", "0")
    np.testing.assert_array_equal(to_rgb(squares, *size), with_kernel)
    seen = rgb(torch.from_numpy(squares[None]).float())[0].clamp(0, 1).permute(1, 2, 0).mul(255).round().byte().numpy()
    np.testing.assert_array_equal(seen[: size[0], : size[1]], with_kernel)


def test_colours_are_those_of_bt601():
    u, v = (grid.astype(np.uint8) for grid in np.mgrid[0:256:5, 0:256:5])
    got = to_rgb(np.stack([np.full_like(u, 128)] * 4 + [u, v]), 2 * len(u), 2 * len(u))[::2, ::2].astype(int)
    cb, cr = u - 128.0, v - 128.0
    wanted = 128 + np.stack([1.402 * cr, -0.344136 * cb - 0.714136 * cr, 1.772 * cb], -1)
    assert np.abs(got - wanted.clip(0, 255)).max() < 1.5


@pytest.mark.parametrize("colour, depth", [("grey", 8), ("rgba", 8), ("rgb", 16)])
def test_what_has_no_bytes_of_three_colours_is_refused(colour, depth):
    with pytest.raises(UnsuitedError, match=f"wanted rgb of 8 bits, got {colour} of {depth}"):
        player().build(Signal(16, 16, colour, depth), 1000.0)


@pytest.mark.parametrize("tune, thousands", [("small", 2.5), ("medium", 6.5), ("large", 12)])
def test_tunes_bound_what_a_pixel_costs(tune, thousands):
    field = player(tune).build(Signal(720, 1280, frames=250), 1e7)
    width = field.sizes["width"]
    macs = 32 * 4 * width / 256 + (4 * 9 * width**2 + 96 * width) / 64
    assert 0.9 < macs / (1000 * thousands) < 1.05


def test_a_start_is_a_linear_decoder():
    """Of smooth frames a few components are enough."""
    y, x = np.mgrid[:48, :80] / 16
    frames = [[0.5 + 0.2 * np.sin(x + k) + 0.1 * c * np.cos(y) for c in range(3)] for k in range(4)]
    target = torch.from_numpy(np.array(frames, np.float32))
    field = player().build(Signal(48, 80, frames=4), 20_000.0)
    inr = field.init(target, torch.Generator().manual_seed(0))
    error = (field.render(rounded(inr.tensors, 1.0), inr.latents) - target).square().mean()
    assert -10 * torch.log10(error) > 30
