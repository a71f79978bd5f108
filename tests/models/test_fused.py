"""The functions in C, and those for a GPU, do what torch does, forward and backward; float64, which they leave to torch, is
the measure. Without a GPU its kernels run in Triton's interpreter.
"""

import importlib
from collections.abc import Callable

import pytest
import torch

from inrcodec.models import fused
from inrcodec.models.parts.context import init_context, latent_bits, margin
from inrcodec.models.parts.latents import Canvas
from inrcodec.models.parts.synthesis import conv3x3, init_synthesis, synthesize
from inrcodec.models.parts.upsampling import pyramid_features
from inrcodec.models.quantizers import soft_round_noise
from inrcodec.runtime.grids import grid_shapes
from inrcodec.runtime.native import SWITCH
from inrcodec.runtime.syntax import Signal

NAMES = ("rate", "pointwise", "pointwise_back", "conv3x3", "conv3x3_back", "filtered", "filtered_back", "filtered_back_both")
NAMES += ("soft_round_noise",)
ON_GPU = torch.cuda.is_available()


@pytest.fixture(autouse=True, params=[*fused.kinds(), "two threads", "GPU"])
def place(request, monkeypatch):
    """Where they run, and how near to float64 they come: products of a GPU's matrix units have ten bits."""
    before, library = torch.get_num_threads(), fused.library()
    if request.param in fused.KINDS:
        library = fused.library_for(request.param)
        assert library or not fused.library(), f"built, but not for {request.param}"
        monkeypatch.setattr(fused, "library", lambda: library)
    there = fused.gpu() if request.param == "GPU" else library
    if there is None:
        pytest.skip("they were not built: no compiler, or no Triton")
    monkeypatch.setattr(fused, "WORTH", 100)  # two threads take a part each
    torch.set_num_threads(2 if "two" in request.param else 1)
    if request.param == "GPU" and not ON_GPU:
        for name in (*NAMES, "orthonormal"):
            monkeypatch.setattr(fused, name, getattr(there, name))
    yield ("cuda", 5e-3) if request.param == "GPU" and ON_GPU else ("cpu", 2e-5)
    torch.set_num_threads(before)


@pytest.fixture
def rows(request) -> Callable[[int], int]:
    """Fewer for the interpreter, which is slow."""
    return lambda height: min(height, 6) if "GPU" in request.node.name and not ON_GPU else height


@pytest.fixture
def called(place, monkeypatch) -> list[str]:
    """Names of the functions that were called."""
    names = []
    for name in NAMES:
        function = getattr(fused, name)
        monkeypatch.setattr(fused, name, lambda *given, name=name, function=function: names.append(name) or function(*given))
    return names


def gradients(function, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """What it gives, and of a weighted sum of that the gradients by all tensors."""
    given = [tensor.clone().requires_grad_() for tensor in tensors]
    made = function(*given)
    weights = torch.cos(torch.arange(made.numel(), dtype=made.dtype)).view(made.shape)
    return [made.detach(), *torch.autograd.grad((made * weights).sum(), given)]


@pytest.fixture
def assert_alike(place):
    device, tolerance = place

    def check(function, tensors: list[torch.Tensor]) -> None:
        exact = gradients(function, [tensor.double() for tensor in tensors])
        for found, wanted in zip(gradients(function, [tensor.to(device) for tensor in tensors]), exact):
            assert torch.linalg.vector_norm(found.cpu() - wanted) <= tolerance * torch.linalg.vector_norm(wanted)

    return check


@pytest.fixture
def ten_bits(place, request, monkeypatch) -> None:
    """Factors of products rounded as a GPU's are, which the interpreter can do, too."""
    if "GPU" not in request.node.name or ON_GPU:
        pytest.skip("for the interpreter")
    tiles = importlib.import_module("inrcodec.models.gpu.tiles")
    monkeypatch.setattr(tiles, "INTERPRETED", tiles.tl.constexpr(False))


@pytest.mark.parametrize("order", ["raster", "parallel"])
@pytest.mark.parametrize("neighbours, features, width", [(14, 6, 20), (6, 2, 5), (10, 0, 10)])
def test_rate(order, neighbours, features, width, called, assert_alike):
    generator = torch.Generator().manual_seed(0)
    canvas = Canvas(tuple(grid_shapes(Signal(50, 70), 4)), margin(order))
    start = init_context(order, neighbours, features, width, [3, 2, 1] if features else [], generator)
    start = {name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator) for name, tensor in start.items()}
    latents = 2 * torch.randn(canvas.size, generator=generator) * canvas.mask()

    def bits(latents, *tensors):
        given = dict(zip(start, tensors))
        return latent_bits(latents, canvas, 4, canvas.mask().to(latents), given, order)

    assert_alike(bits, [latents, *start.values()])
    assert set(called) == {"rate"}


def test_rounded_factors_change_gradients_little(ten_bits):
    generator = torch.Generator().manual_seed(0)
    canvas = Canvas(tuple(grid_shapes(Signal(20, 30), 4)), margin("raster"))
    start = init_context("raster", 6, 2, 5, [3, 2, 1], generator)
    start = {name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator) for name, tensor in start.items()}
    latents, features = (
        torch.randn(canvas.size, generator=generator) * canvas.mask(),
        torch.randn(7, 4, 41, generator=generator),
    )
    seen = init_synthesis(7, 8, 3, generator)
    seen = {name: tensor + 0.2 * torch.randn(tensor.shape, generator=generator) for name, tensor in seen.items()}

    def both(latents, features, *tensors):
        given = dict(zip([*start, *seen], tensors))
        bits = latent_bits(latents, canvas, 4, canvas.mask().to(latents), given)
        return torch.cat([bits[None] / 1000, synthesize(features, given).flatten()])

    given = [latents, features, *start.values(), *seen.values()]
    exact, found = gradients(both, [tensor.double() for tensor in given]), gradients(both, given)
    off = [(torch.linalg.vector_norm(f - e) / torch.linalg.vector_norm(e)).item() for f, e in zip(found, exact)]
    assert 1e-5 < max(off) < 1e-2


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("hidden, height, width", [(8, 30, 41), (48, 1, 5), (19, 64, 3)])
def test_synthesis(channels, hidden, height, width, called, assert_alike, rows):
    height = rows(height)
    generator = torch.Generator().manual_seed(0)
    start = init_synthesis(7, hidden, channels, generator)
    start = {name: tensor + 0.2 * torch.randn(tensor.shape, generator=generator) for name, tensor in start.items()}
    features = torch.randn(7, height, width, generator=generator)
    assert_alike(lambda features, *tensors: synthesize(features, dict(zip(start, tensors))), [features, *start.values()])
    assert set(called) == {"pointwise", "pointwise_back", "conv3x3", "conv3x3_back"}


@pytest.mark.parametrize("inputs, outputs, biased", [(8, 3, False), (3, 3, True), (1, 4, True), (64, 1, False)])
@pytest.mark.parametrize("height, width", [(37, 90), (2, 16), (1, 9), (40, 1), (1, 1)])
def test_conv3x3(inputs, outputs, biased, height, width, called, assert_alike, rows):
    height = rows(height)
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, generator=generator) for shape in ((1, inputs, height, width), (outputs, inputs, 3, 3), outputs)
    )
    assert_alike(lambda x, weight: conv3x3(x, weight, bias.to(x) if biased else None), [x, weight])
    assert set(called) == {"conv3x3", "conv3x3_back"}


@pytest.mark.parametrize("height, width", [(37, 90), (1, 9), (40, 1), (16, 48)])
def test_upsampling(height, width, called, assert_alike, rows, request):
    height = rows(height)
    generator = torch.Generator().manual_seed(0)
    grids = [torch.randn(1, *shape, generator=generator) for shape in grid_shapes(Signal(height, width), 4)]
    taps = [torch.randn(3, 4, generator=generator) for _ in range(2)]
    assert_alike(lambda kernels, filters, *grids: pyramid_features(list(grids), kernels, filters), [*taps, *grids])
    within = 2 * called.count("filtered_back_both") if "GPU" in request.node.name else 0  # in C those are calls of their own
    # doublings and filters, of rows and columns
    assert called.count("filtered") == called.count("filtered_back") + within == 2 * 3 * 2
    assert "filtered_back_both" in called


@pytest.mark.parametrize("temperature", [0.35, 0.08])
def test_soft_rounding(temperature, called, assert_alike):
    generator = torch.Generator().manual_seed(0)
    x, noise = (scale * torch.randn(33, 47, generator=generator) for scale in (3, 0.2))
    assert_alike(lambda x: soft_round_noise(x, noise.to(x), temperature), [x])
    assert called == ["soft_round_noise"]


def test_they_can_be_switched_off(called, monkeypatch):
    monkeypatch.setenv(SWITCH, "0")
    features, start = torch.ones(7, 5, 5), init_synthesis(7, 8, 3, torch.Generator())
    synthesize(features, start)
    assert called == []


@pytest.mark.parametrize("size", [5, 20])
def test_orthonormal(size, place):
    """Also of a matrix of little rank, of one with zeros as padding has them, and of tiny values."""
    x = torch.randn(4, size, size, generator=torch.Generator().manual_seed(0))
    x[1], x[2, :, -3:], x[2, -3:], x[3] = x[1][:, :1] @ x[1][:1], 0, 0, 1e-12 * x[3]
    q = fused.orthonormal(x.to(place[0])).cpu()
    torch.testing.assert_close(q.mT @ q, torch.eye(size).expand(4, -1, -1), atol=2e-6, rtol=0)
    r = q.mT @ x
    assert (torch.tril(r, -1).abs().amax((1, 2)) < 1e-6 * x.abs().amax((1, 2))).all()
