"""Quadratic forms of the rate and the distortion: against gradients one by one, and against what the costs do."""

import math

import pytest
import torch

from inrcodec.models import METHODS
from inrcodec.models.curvature import of_rate
from inrcodec.models.image.pyramid import CHROMA, Size, architecture
from inrcodec.models.method import Tensors
from inrcodec.runtime.syntax import Signal

SIGNAL = Signal(9, 14)


def fitted(made, seed: int = 0) -> tuple[Tensors, torch.Tensor]:
    """Networks in which everything matters, whose scales lie far from their clamp, and latents."""
    generator = torch.Generator().manual_seed(seed)
    inr = made.init(torch.rand(1, 3, SIGNAL.height, SIGNAL.width, generator=generator), generator)
    noisy = {name: t + 0.1 * torch.randn(t.shape, generator=generator) for name, t in inr.tensors.items()}
    noisy |= {name: torch.tensor([0.0, 1.0]) for name in noisy if name.startswith("context.") and name.endswith("last.bias")}
    latents = torch.round(torch.randn(made.canvas.size, generator=generator)) * made.mask(torch.device("cpu"))
    return noisy, latents


MADE = [
    architecture(SIGNAL, Size(6, 2, 5)),
    architecture(SIGNAL, Size(6, 2, 5), chroma=CHROMA),
    architecture(SIGNAL, Size(6, 2, 5, 4), "parallel"),
    METHODS["c3"]().build(SIGNAL, 0),
    METHODS["cool_chic"]().build(SIGNAL, 0),
]
named = pytest.mark.parametrize("made", MADE, ids=lambda made: made.manifest.name)


@named
def test_the_rates_are_the_outer_products_of_each_latents_gradient(made):
    tensors, latents = fitted(made)
    own = {name: t.requires_grad_() for name, t in tensors.items() if name.startswith(("context.", "inter."))}
    everywhere, wanted = made.mask(torch.device("cpu")), 0
    for place in everywhere.nonzero().tolist():
        alone = torch.zeros_like(everywhere)
        alone[*place] = 1
        bits = made.latent_bits(tensors, latents, alone)
        flat = torch.cat([g.flatten() for g in torch.autograd.grad(bits, [*own.values()], materialize_grads=True)])
        wanted = wanted + torch.outer(flat, flat).double()
    _, found = made.curvatures({name: t.detach() for name, t in tensors.items()}, latents)
    assert found.rate and found.names == tuple(own)
    torch.testing.assert_close(found.matrix, wanted * math.log(2) / 2, rtol=1e-3, atol=1e-4 * float(wanted.max()))


@named
def test_the_distortions_says_what_moving_the_synthesis_costs(made):
    tensors, latents = fitted(made)
    found, _ = made.curvatures(tensors, latents)
    assert not found.rate and all(name.startswith("synthesis.") for name in found.names)
    image = made.render(tensors, latents)
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        moves = {name: 1e-3 * torch.randn(tensors[name].shape, generator=generator) for name in found.names}
        rise = (made.render(tensors | {n: tensors[n] + d for n, d in moves.items()}, latents) - image).square().mean().item()
        d = torch.cat([move.flatten() for move in moves.values()]).double()
        assert (d @ found.matrix @ d).item() == pytest.approx(rise, rel=0.05)


def test_mixed_features_matter_to_the_distortion_as_they_do_to_the_pixels_that_a_sample_can_be_of():
    """With PATCH places of the coarsest level around them: the 2x3 in the middle here, 8 pixels each."""
    made = architecture(Signal(97, 111), Size(6, 2, 5, mixing=4), chroma=CHROMA)
    generator = torch.Generator().manual_seed(0)
    inr = made.init(torch.rand(1, 3, 97, 111, generator=generator), generator)
    tensors = {name: t + 0.1 * torch.randn(t.shape, generator=generator) for name, t in inr.tensors.items()}
    latents = torch.round(torch.randn(made.canvas.size, generator=generator)) * made.mask(torch.device("cpu"))
    found, _ = made.curvatures(tensors, latents)
    assert {name.partition(".")[0] for name in found.names} == {"mixing1", "mixing2", "synthesis"}
    image = made.render(tensors, latents)
    for kind in ("mixing", "synthesis", ""):
        moves = {n: 1e-3 * torch.randn(tensors[n].shape, generator=generator) * n.startswith(kind) for n in found.names}
        moved = made.render(tensors | {n: tensors[n] + d for n, d in moves.items()}, latents)
        rise = (moved - image)[..., 40:56, 40:64].square().mean().item()
        d = torch.cat([move.flatten() for move in moves.values()]).double()
        assert (d @ found.matrix @ d).item() == pytest.approx(rise, rel=0.05)


def test_pictures_too_small_for_such_a_sample_have_the_synthesis_alone():
    made = architecture(SIGNAL, Size(6, 2, 5, mixing=4), chroma=CHROMA)
    found, _ = made.curvatures(*fitted(made))
    assert all(name.startswith("synthesis.") for name in found.names)


def test_a_sample_stands_for_all(monkeypatch):
    made = architecture(Signal(60, 70), Size(6, 2, 5))
    generator = torch.Generator().manual_seed(0)
    inr = made.init(torch.rand(1, 3, 60, 70, generator=generator), generator)
    latents = torch.round(torch.randn(made.canvas.size, generator=generator)) * made.mask(torch.device("cpu"))
    given = latents, made.canvas, 7, inr.tensors, "raster", generator
    whole = of_rate(*given).matrix.trace()
    monkeypatch.setattr("inrcodec.models.curvature.LATENTS", 2000)
    assert of_rate(*given).matrix.trace().item() == pytest.approx(whole.item(), rel=0.1)
