"""What a fit makes of latents: noise of the stated kind, balanced; the stated gradients, floors and ceilings."""

from itertools import combinations

import pytest
import torch

from inrcodec.models.quantizers import (
    Draws,
    conditional_mean,
    gumbel,
    round_softly,
    soft_round,
    soft_round_gaussian,
    soft_round_kumaraswamy,
    uniform_noise,
)

DRAWS = Draws(torch.Generator().manual_seed(0))


def test_gaussian_noise_is_balanced_over_four_steps():
    """Each plane Gaussian, of places that know nothing of each other; pairs of opposites, one near zero where one is far."""
    draws, like = Draws(torch.Generator().manual_seed(0)), torch.zeros(100_000)
    planes = [0.5 * draws.gaussian(like) for _ in range(8)]
    for k in range(0, 8, 2):
        torch.testing.assert_close(planes[k + 1], -planes[k])
        assert planes[k].std().item() == pytest.approx(0.5, rel=0.02) and planes[k].mean().abs() < 0.01
        assert (planes[k].abs() < 0.5).float().mean().item() == pytest.approx(0.6827, abs=0.01)
        assert (planes[k][1:] * planes[k][:-1]).mean().abs() < 0.01 * 0.25
    for near, far in (planes[0:4:2], planes[4:8:2]):
        shares = [torch.erf(plane.abs() / 0.5 / 2**0.5) for plane in (near, far)]
        torch.testing.assert_close(sum(shares), torch.ones_like(like), atol=1e-4, rtol=0)
    for one, other in combinations(planes[::2], 2):
        assert torch.corrcoef(torch.stack([one, other]))[0, 1].abs() < 0.02


def test_uniform_noise_is_balanced_over_four_steps():
    draws, like = Draws(torch.Generator().manual_seed(0)), torch.zeros(1000)
    first, second, third, fourth = (draws.uniform(like) for _ in range(4))
    torch.testing.assert_close((second, fourth), (-first, -third))
    torch.testing.assert_close(first.abs() + third.abs(), torch.full_like(like, 0.5))
    assert draws.gaussian(like).abs().max() > 1  # other noise is begun anew


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_a_fit_that_is_resumed_between_balanced_steps_goes_on_with_them(kind):
    like, draws, resumed = torch.zeros(50), Draws(torch.Generator().manual_seed(1)), Draws(torch.Generator())
    getattr(draws, kind)(like)
    resumed.load(draws.state())
    for _ in range(6):
        torch.testing.assert_close(getattr(resumed, kind)(like), getattr(draws, kind)(like), rtol=0, atol=0)


def test_gaussian_noise_of_latents_is_as_wide_as_said():
    off = soft_round_gaussian(torch.full((40_000,), 3.0), 1e3, 0.2, DRAWS) - 3
    assert off.std().item() == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_soft_straight_through_has_the_soft_gradient(temperature):
    x = torch.linspace(-2.9, 2.9, 60, dtype=torch.double, requires_grad=True)
    y = round_softly(x, temperature, 0.0, DRAWS)
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
    off = soft_round_kumaraswamy(torch.full((40_000,), 3.0), 1e3, a, DRAWS) - 3
    assert off.abs().max() <= 0.5 + 1e-3 and off.std().item() == pytest.approx(deviation, rel=0.02)


def test_uniform_noise_is_as_wide_as_said():
    off = uniform_noise(torch.full((40_000,), 3.0), 0.0, 0.5, DRAWS) - 3
    assert off.abs().max() <= 0.25 and off.std().item() == pytest.approx(0.5 * 12**-0.5, rel=0.02)


def test_gumbel_samples_floor_and_ceiling():
    """When it is cold, rounding but where that is close; when it is warm, in between; gradients pass."""
    x = torch.tensor([-1.7, -0.1, 0.0, 0.4, 0.5, 1.9]).repeat(2000, 1).requires_grad_()
    warm, cold = gumbel(x, 1.0, 0.0, DRAWS), gumbel(x, 0.02, 0.0, DRAWS)
    for y in (warm, cold):
        assert ((torch.floor(x) <= y) & (y <= torch.floor(x) + 1)).all()
    assert ((cold - torch.round(cold)).abs() < 0.01).float().mean() > 0.99
    assert torch.autograd.grad(warm.sum(), x)[0][:, 3].mean() > 0
    torch.testing.assert_close(cold.mean(0), torch.tensor([-2, 0, 0, 0, 0.5, 2]), atol=0.05, rtol=0)
