"""The parts: gradients are derivatives, fast forms equal the plain ones, graphs equal training."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from inrcodec.export.quantize import cheapest_model, coded_bits
from inrcodec.models.parts.conditioning import adain, fused, sft
from inrcodec.models.parts.context import Context, latent_bits, margin
from inrcodec.models.parts.embedding import differences
from inrcodec.models.parts.flow import warped
from inrcodec.models.parts.latents import Canvas
from inrcodec.models.parts.synthesis import conv3x3, init_synthesis, synthesis_graph, synthesize
from inrcodec.models.parts.temporal import TemporalGrid
from inrcodec.models.parts.upsampling import (
    bicubic_taps,
    bilinear_taps,
    fixed,
    mirrored,
    pyramid_features,
    smooth,
    stacks_graph,
    upsample,
    upsampling_graph,
)
from inrcodec.models.quantizers import round_ste, soft_round, soft_round_noise
from inrcodec.models.rates import laplace_bits, laplace_bits_of_each, self_laplace_bits
from inrcodec.runtime.grids import grid_shapes
from inrcodec.runtime.orders import ORDERS
from inrcodec.runtime.syntax import Signal

LEVELS, HYPER = 6, 2


def noisy(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {n: (t.double() + 0.1 * torch.randn(t.shape, dtype=torch.double)).requires_grad_() for n, t in tensors.items()}


@pytest.fixture
def canvas() -> Canvas:
    shapes = grid_shapes(Signal(9, 13), LEVELS)
    return Canvas((*shapes, *shapes[-HYPER:]))


def test_canvas_keeps_every_grid(canvas):
    grids = [torch.full(shape, i + 1.0) for i, shape in enumerate(canvas.shapes)]
    joined = canvas.join(grids)
    assert all(torch.equal(a, b) for a, b in zip(canvas.split(joined), grids))
    assert all(torch.equal(a, b) for a, b in zip(canvas.gathered(joined), grids))
    assert torch.equal(canvas.spread(grids), joined)
    assert torch.equal(canvas.spread([None, *grids[1:]]), canvas.join([None, *grids[1:]]))
    assert (joined != 0).sum() == sum(g.numel() for g in grids) == canvas.mask().sum()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (64, 64), (100, 37)])
def test_canvas_margins_are_clear(size):
    """No grid lies within four rows or columns of another."""
    shapes = grid_shapes(Signal(*size), 7)
    canvas = Canvas((*shapes, *shapes[-3:]))
    mask = canvas.mask()[None, None]
    for grid in range(len(canvas.shapes)):
        alone = canvas.join([torch.full(s, float(i == grid)) for i, s in enumerate(canvas.shapes)])[None, None]
        assert (F.max_pool2d(alone, 9, 1, 4) * mask).sum() == alone.sum()


@pytest.mark.parametrize("features", [0, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_rate_gradients(canvas, order, features):
    torch.manual_seed(0)
    canvas = replace(canvas, margin=margin(order))
    context = Context(6, 5, features, HYPER, order, linear=features > 0)
    fresh = context.start(LEVELS, int, torch.Generator().manual_seed(0))
    wide = {f"context.{i}.last.bias": torch.ones(2) for i in range(ORDERS[order])}  # else scales and probabilities are near
    tensors = noisy(fresh | wide)  # their least, from where gradients lead on
    mask = canvas.mask().double()
    latents = (torch.randn(canvas.size, dtype=torch.double) * 1.5 * mask).requires_grad_()

    def bits(latents, *values):
        return latent_bits(latents, canvas, LEVELS, mask, dict(zip(tensors, values)), order)

    assert torch.autograd.gradcheck(bits, (latents, *tensors.values()), eps=1e-6, atol=1e-3, fast_mode=True)


def test_rate_is_that_of_a_laplace():
    residual, log2_scale = torch.tensor([0.0, 3.0, -1.2]), torch.tensor([0.0, 1.0, -1.0])
    bits, _, _ = laplace_bits(residual, log2_scale)
    laplace = torch.distributions.Laplace(0.0, 2.0**log2_scale)
    torch.testing.assert_close(bits, -torch.log2(laplace.cdf(residual + 0.5) - laplace.cdf(residual - 0.5)))


def test_synthesis_gradients():
    torch.manual_seed(0)
    tensors = noisy(init_synthesis(5, 6, 3, torch.Generator().manual_seed(0)))
    features = torch.randn(5, 7, 9, dtype=torch.double, requires_grad=True)

    def image(features, *values):
        return synthesize(features, dict(zip(tensors, values)))

    assert torch.autograd.gradcheck(image, (features, *tensors.values()), eps=1e-6, atol=1e-4, fast_mode=True)


@pytest.mark.parametrize("outputs", [3, 8])
def test_conv3x3_gradients(outputs):
    torch.manual_seed(0)
    x, weight = (torch.randn(shape, dtype=torch.double, requires_grad=True) for shape in ((1, 8, 6, 7), (outputs, 8, 3, 3)))
    assert torch.autograd.gradcheck(conv3x3, (x, weight), eps=1e-6, atol=1e-4)


def test_conv3x3_is_conv2d():
    x, weight, bias = torch.randn(1, 3, 12, 17), torch.randn(4, 3, 3, 3), torch.randn(4)
    torch.testing.assert_close(conv3x3(x, weight, bias), F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, bias))


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (31, 64)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("counts, graph", [((1,) * 7, upsampling_graph), ((1, 1, 3, 3, 1, 1, 1), stacks_graph)])
def test_graphs_equal_training(size, channels, counts, graph):
    torch.manual_seed(0)
    stacks = [torch.randn(n, *shape) for n, shape in zip(counts, grid_shapes(Signal(*size), 7))]
    kernels = bicubic_taps().repeat(6, 1) + 0.1 * torch.randn(6, 4)
    filters = 0.1 * torch.randn(6, 4)
    features = pyramid_features(stacks, kernels, filters)
    made = stacks[-1][None]
    for finer, kernel, side in zip(stacks[-2::-1], kernels.flip(0), filters.flip(0)):
        made = graph({"features": made, "finer": finer[None], "kernel": kernel, "filter": side})
    torch.testing.assert_close(made[0], features, atol=1e-4, rtol=1e-4)
    start = init_synthesis(sum(counts), 9, channels, torch.Generator())
    tensors = {n: t.detach().float() for n, t in noisy(start).items()}
    image = synthesis_graph({"features": features[None], **tensors})[0]
    torch.testing.assert_close(image, synthesize(features, tensors), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 2), (5, 6)])
def test_upsampling_gradients(size):
    x = torch.randn(2, *size, dtype=torch.double, requires_grad=True)
    taps = torch.randn(4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, taps: upsample(x, taps, 2 * size[0], 2 * size[1] - 1), (x, taps))


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 2), (5, 9)])
def test_smoothing_gradients(size):
    x = torch.randn(*size, dtype=torch.double, requires_grad=True)
    side = torch.randn(4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, side: smooth(x[None], mirrored(side))[0], (x, side))
    torch.testing.assert_close(smooth(x[None], mirrored(torch.zeros_like(side)))[0], x)


def test_bicubic_keeps_a_ramp_within_a_twentieth():
    ramp = torch.arange(10.0).expand(1, 10, 10)
    up = upsample(ramp, bicubic_taps(), 20, 20)
    torch.testing.assert_close(up[0, 5, 6:14], torch.arange(6, 14) / 2 - 0.25, atol=0.05, rtol=0)


@pytest.mark.parametrize("taps", [bicubic_taps(), bilinear_taps()])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (31, 64)])
def test_fixed_upsampling_is_the_learned_one_as_it_starts(size, taps):
    """Nothing learned: the same kernel at every level, and no filter; in training and as a graph."""
    stacks, upsampling = [torch.randn(1, *shape) for shape in grid_shapes(Signal(*size), 7)], fixed("fixed", taps)
    features = upsampling.features(stacks, {})
    torch.testing.assert_close(features, pyramid_features(stacks, taps.repeat(6, 1), torch.zeros(6, 4)))
    made = stacks[-1][None]
    for finer in stacks[-2::-1]:
        made = upsampling.graphs[0].function({"features": made, "finer": finer[None]})
    torch.testing.assert_close(made[0], features, atol=1e-4, rtol=1e-4)


def test_bilinear_is_torchs():
    x = torch.randn(3, 9, 14)
    wanted = F.interpolate(x[None], scale_factor=2, mode="bilinear")[0]
    torch.testing.assert_close(upsample(x, bilinear_taps(), 18, 28), wanted)


@pytest.mark.parametrize("temperature", [0.1, 0.3, 5.0])
def test_soft_round(temperature):
    x = torch.linspace(-3, 3, 601, dtype=torch.double, requires_grad=True)
    whole = torch.arange(-3.0, 4.0, dtype=torch.double)
    torch.testing.assert_close(soft_round(whole + 0.5, temperature), whole + 0.5)
    torch.testing.assert_close(soft_round(whole, temperature), whole, atol=1e-9, rtol=0)
    inside = (x.detach() % 1 > 0.01).double()  # at whole numbers the slope jumps
    noise = torch.zeros_like(x)
    (gradient,) = torch.autograd.grad((soft_round_noise(x, noise, temperature) * inside).sum(), x)
    step = 1e-6
    numeric = (soft_round_noise(x + step, noise, temperature) - soft_round_noise(x - step, noise, temperature)) / (2 * step)
    torch.testing.assert_close(gradient, numeric.detach() * inside, atol=1e-3, rtol=1e-3)


def test_straight_through_rounds_and_lets_gradients_pass():
    x = torch.tensor([-1.6, 0.4, 2.5], requires_grad=True)
    y = round_ste(x)
    assert y.tolist() == [-2, 0, 2]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("scale", [2.0, 20.0])
def test_self_fitted_laplace_predicts_what_is_coded(scale):
    """Within a tenth, of thousands of Laplace values in steps of 1."""
    values = torch.distributions.Laplace(0.0, scale).sample((4000,))
    symbols = torch.round(values).numpy().astype(int)
    coded = coded_bits(cheapest_model(symbols), symbols)
    assert self_laplace_bits(values, 1.0).item() == pytest.approx(coded, rel=0.1)
    others = [values[:30].view(5, 6), values[30:37], torch.zeros(3)]
    apart = sum(self_laplace_bits(tensor, step) for tensor, step in zip(others, (0.5, 1.0, 0.25)))
    assert laplace_bits_of_each(others, (0.5, 1.0, 0.25)).item() == pytest.approx(float(apart), rel=1e-5)


def test_a_vector_sets_scale_and_shift():
    x, vector = 3 * torch.randn(2, 4, 9, 11) + 5, torch.randn(2, 6)
    tensors = {"style.weight": torch.zeros(6, 2, 4), "style.bias": torch.stack([torch.ones(4), torch.arange(4.0)])}
    told = adain("style", x, vector, tensors)
    torch.testing.assert_close(told.mean((2, 3)), torch.arange(4.0).expand(2, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(told.std((2, 3), correction=0), torch.full((2, 4), 2.0))
    hidden = {"style.hidden.weight": torch.randn(6, 4), "style.hidden.bias": torch.randn(4)}
    tensors["style.weight"] = torch.zeros(4, 2, 4)
    torch.testing.assert_close(sft("style", x, vector, tensors | hidden), 2 * x + torch.arange(4.0)[:, None, None])


def test_a_gate_keeps_or_replaces():
    x, p = torch.randn(1, 3, 4, 5), torch.randn(1, 3, 4, 5)
    for gate, wanted in ((-99.0, x), (99.0, torch.tanh(p)), (0.0, (x + torch.tanh(p)) / 2)):
        torch.testing.assert_close(fused(x, torch.cat([p, torch.full_like(p, gate)], 1)), wanted)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_differences_look_both_ways(frames):
    target = torch.rand(frames, 3, 4, 5)
    before, after = differences(target).chunk(2, 1)
    torch.testing.assert_close(before[1:], target[1:] - target[:-1])
    assert torch.equal(before[1:], after[:-1]) and not before[0].any() and not after[-1].any()


def test_temporal_grids_are_linear_between_the_middles_of_their_ticks():
    tables = {
        "grid0": torch.arange(6.0)[:, None],
        "grid1": torch.tensor([[0.5], [2.5], [4.5]]),
        "frames": torch.tensor([6.0]),
    }
    read = TemporalGrid("grid", (0, 1), 1, ()).read(tables, torch.tensor([0.0, 1.0, 4.0, 5.0]))
    torch.testing.assert_close(read, torch.tensor([[0.0, 0.5], [1.0, 1.0], [4.0, 4.0], [5.0, 4.5]]))


def test_whole_flow_moves_whole_pixels():
    images, flow = torch.rand(2, 3, 5, 7), torch.zeros(2, 2, 5, 7)
    flow[0, 0], flow[1, 1] = 2, -1
    right, up = warped(images, flow)
    torch.testing.assert_close(right[:, :, :-2], images[0][:, :, 2:])
    torch.testing.assert_close(right[:, :, -2:], images[0][:, :, -1:].expand(3, 5, 2))  # edges repeat
    torch.testing.assert_close(up[:, 1:], images[1][:, :-1])
