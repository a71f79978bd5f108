"""What a fit makes of latents: noise of the stated kind, the stated gradients, floors and ceilings."""

import pytest
import torch

from inrcodec.models.quantizers import (
    conditional_mean,
    gumbel,
    round_softly,
    soft_round,
    soft_round_gaussian,
    soft_round_kumaraswamy,
    uniform_noise,
)

GENERATOR = torch.Generator().manual_seed(0)


def test_gaussian_noise_of_latents_is_as_wide_as_said():
    off = soft_round_gaussian(torch.full((40_000,), 3.0), 1e3, 0.2, GENERATOR) - 3
    assert off.std().item() == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_soft_straight_through_has_the_soft_gradient(temperature):
    x = torch.linspace(-2.9, 2.9, 60, dtype=torch.double, requires_grad=True)
    y = round_softly(x, temperature, 0.0, GENERATOR)
    torch.testing.assert_close(y, torch.round(x))
    gradients = [torch.autograd.grad(z.sum(), x)[0] for z in (y, soft_round(x, temperature))]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("temperature", [0.1, 0.3, 5.0])
def test_conditional_mean_inverts_soft_rounding(temperature):
    """But for the half by which both sides are shifted."""
    x = torch.linspace(-1.95, 1.95, 40, dtype=torch.double)
    torch.testing.assert_close(conditional_mean(soft_round(x, temperature) + 0.5, temperature), x + 0.5, atol=1e-3, rtol=0)


@pytest.mark.parametrize("a, deviation", [(1.0, 12**-0.5), (2.0, 0.2115)])
def test_kumaraswamy_noise(a, deviation):
    """At a high temperature nothing but the noise: within a half, uniform of a = 1, narrower of 2."""
    off = soft_round_kumaraswamy(torch.full((40_000,), 3.0), 1e3, a, GENERATOR) - 3
    assert off.abs().max() <= 0.5 + 1e-3 and off.std().item() == pytest.approx(deviation, rel=0.02)


def test_uniform_noise_is_as_wide_as_said():
    off = uniform_noise(torch.full((40_000,), 3.0), 0.0, 0.5, GENERATOR) - 3
    assert off.abs().max() <= 0.25 and off.std().item() == pytest.approx(0.5 * 12**-0.5, rel=0.02)


def test_gumbel_samples_floor_and_ceiling():
    """When it is cold, rounding but where that is close; when it is warm, in between; gradients pass."""
    x = torch.tensor([-1.7, -0.1, 0.0, 0.4, 0.5, 1.9]).repeat(2000, 1).requires_grad_()
    warm, cold = gumbel(x, 1.0, 0.0, GENERATOR), gumbel(x, 0.02, 0.0, GENERATOR)
    for y in (warm, cold):
        assert ((torch.floor(x) <= y) & (y <= torch.floor(x) + 1)).all()
    assert ((cold - torch.round(cold)).abs() < 0.01).float().mean() > 0.99
    assert torch.autograd.grad(warm.sum(), x)[0][:, 3].mean() > 0
    torch.testing.assert_close(cold.mean(0), torch.tensor([-2, 0, 0, 0, 0.5, 2]), atol=0.05, rtol=0)
