"""The functions in C do what torch does, forward and backward; float64, which they leave to torch, is the measure."""

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

pytestmark = pytest.mark.skipif(fused.library() is None, reason="they were not built: no compiler")


@pytest.fixture(autouse=True, params=[1, 2])
def threads(request, monkeypatch):
    """Also where each takes a part."""
    before = torch.get_num_threads()
    monkeypatch.setattr(fused, "WORTH", 100)
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def called(monkeypatch) -> list[str]:
    """Names of the functions that were called."""
    names = []
    for name in (
        "rate",
        "pointwise",
        "pointwise_back",
        "conv3x3",
        "conv3x3_back",
        "filtered",
        "filtered_back",
        "soft_round_noise",
    ):
        function = getattr(fused, name)
        monkeypatch.setattr(fused, name, lambda *given, name=name, function=function: names.append(name) or function(*given))
    return names


def gradients(function, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """What it gives, and of a weighted sum of that the gradients by all tensors."""
    given = [tensor.clone().requires_grad_() for tensor in tensors]
    made = function(*given)
    weights = torch.cos(torch.arange(made.numel(), dtype=made.dtype)).view(made.shape)
    return [made.detach(), *torch.autograd.grad((made * weights).sum(), given)]


def assert_alike(function, tensors: list[torch.Tensor]) -> None:
    exact = gradients(function, [tensor.double() for tensor in tensors])
    for found, wanted in zip(gradients(function, tensors), exact):
        assert torch.linalg.vector_norm(found - wanted) <= 2e-5 * torch.linalg.vector_norm(wanted)


@pytest.mark.parametrize("order", ["raster", "parallel"])
@pytest.mark.parametrize("neighbours, features, width", [(14, 6, 20), (6, 2, 5), (10, 0, 10)])
def test_rate(order, neighbours, features, width, called):
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


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("hidden, height, width", [(8, 30, 41), (48, 1, 5), (19, 64, 3)])
def test_synthesis(channels, hidden, height, width, called):
    generator = torch.Generator().manual_seed(0)
    start = init_synthesis(7, hidden, channels, generator)
    start = {name: tensor + 0.2 * torch.randn(tensor.shape, generator=generator) for name, tensor in start.items()}
    features = torch.randn(7, height, width, generator=generator)
    assert_alike(lambda features, *tensors: synthesize(features, dict(zip(start, tensors))), [features, *start.values()])
    assert set(called) == {"pointwise", "pointwise_back", "conv3x3", "conv3x3_back"}


@pytest.mark.parametrize("inputs, outputs, biased", [(8, 3, False), (3, 3, True), (1, 4, True), (64, 1, False)])
@pytest.mark.parametrize("height, width", [(37, 90), (2, 16), (1, 9), (40, 1), (1, 1)])
def test_conv3x3(inputs, outputs, biased, height, width, called):
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, generator=generator) for shape in ((1, inputs, height, width), (outputs, inputs, 3, 3), outputs)
    )
    assert_alike(lambda x, weight: conv3x3(x, weight, bias.to(x) if biased else None), [x, weight])
    assert set(called) == {"conv3x3", "conv3x3_back"}


@pytest.mark.parametrize("height, width", [(37, 90), (1, 9), (40, 1)])
def test_upsampling(height, width, called):
    generator = torch.Generator().manual_seed(0)
    grids = [torch.randn(1, *shape, generator=generator) for shape in grid_shapes(Signal(height, width), 4)]
    taps = [torch.randn(3, 4, generator=generator) for _ in range(2)]
    assert_alike(lambda kernels, filters, *grids: pyramid_features(list(grids), kernels, filters), [*taps, *grids])
    assert (
        called.count("filtered") == called.count("filtered_back") == 2 * 3 * 2
    )  # doublings and filters, of rows and columns


@pytest.mark.parametrize("temperature", [0.35, 0.08])
def test_soft_rounding(temperature, called):
    generator = torch.Generator().manual_seed(0)
    x, noise = (scale * torch.randn(33, 47, generator=generator) for scale in (3, 0.2))
    assert_alike(lambda x: soft_round_noise(x, noise.to(x), temperature), [x])
    assert called == ["soft_round_noise"]


def test_they_can_be_switched_off(called, monkeypatch):
    monkeypatch.setenv(SWITCH, "0")
    features, start = torch.ones(7, 5, 5), init_synthesis(7, 8, 3, torch.Generator())
    synthesize(features, start)
    assert called == []
