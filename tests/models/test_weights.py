"""What phases make of networks: on the grids that are written, with the gradients that are meant."""

import pytest
import torch

from inrcodec.export.quantize import CODINGS, difference_group, quantized
from inrcodec.models.weights import (
    GATE,
    ROUND,
    STEP,
    STEP_GAIN,
    Rounded,
    Symmetric,
    gated,
    gated_bits,
    l1,
    networks,
    stepped,
    stepped_bits,
    steps_learned,
    symmetric_step,
    toward,
    with_gates,
    with_steps,
)
from inrcodec.runtime.segment import Segment


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"a": torch.randn(30, 20, generator=generator) / 7, "b": torch.randn(20, generator=generator)}


@pytest.mark.parametrize("bits", [7, 8])
def test_quantization_aware_weights_are_those_that_are_written(tensors, bits):
    seen = Symmetric(bits).weights(tensors, 1.0)
    for name in tensors:
        group = CODINGS[f"{bits} bits"](tensors, [name])
        torch.testing.assert_close(seen[name], quantized(group, tensors)[name])
        assert abs(group.symbols[name]).max() == 2 ** (bits - 1) - 1


def test_adaround_starts_where_the_weights_are_and_ends_on_the_grid(tensors):
    grid = Symmetric(8)
    variables = grid.enter(tensors)
    assert set(variables) == {"a", "b", ROUND + "a", ROUND + "b"}
    half_way, done = grid.learned(variables, 0.5), grid.committed(variables)
    assert set(done) == {"a", "b"}
    for name, w in tensors.items():
        step = symmetric_step(w, 8)
        torch.testing.assert_close(half_way[name], w, atol=2e-3 * step.item(), rtol=1e-3)
        assert ((done[name] - w).abs() <= 1.001 * step).all()
        torch.testing.assert_close(torch.round(done[name] / step) * step, done[name])
    assert grid.undecided(variables, 1.0) > 0


def test_learned_steps_are_written_as_they_are_seen(tensors):
    variables = with_steps(tensors)
    seen = stepped(variables, 1.0)
    for name in tensors:
        torch.testing.assert_close(seen[name], quantized(CODINGS["learned"](variables, [name]), tensors)[name])
    coarser = variables | {STEP + name: variables[STEP + name] + 1 / STEP_GAIN for name in tensors}  # twice as wide
    assert (stepped_bits(variables) - stepped_bits(coarser)).item() == pytest.approx(620, rel=0.01)  # a bit a weight


def test_steps_have_gradients(tensors):
    variables = {name: tensor.requires_grad_() for name, tensor in with_steps(tensors).items()}
    seen = networks(stepped(variables, 0.0))
    cost = torch.stack([tensor.square().sum() for tensor in seen.values()]).sum() + stepped_bits(variables)
    assert all(gradient.abs().sum() > 0 for gradient in torch.autograd.grad(cost, list(variables.values())))


def test_beside_a_base_steps_stay_and_differences_are_what_costs(tensors):
    """A tensor of another shape, and one that was nothing but zeros, have steps and a rate of their own."""
    first = stepped(with_steps(tensors | {"c": torch.ones(4), "d": torch.zeros(5)}), 1.0)
    base = Segment({}, {name: CODINGS["learned"](first, [name]) for name in "abcd"})
    recipe = toward(steps_learned((1e-3, 1e-3), (1e-3, 1e-3), 0.5), base, torch.device("cpu"))
    plain, qat = recipe.phases
    assert plain.bits is None and qat.enter and qat.weights and qat.bits
    later = qat.enter(tensors | {"c": torch.ones(7), "d": torch.rand(5)})
    seen, alone = qat.weights(later, 1.0), stepped(later, 1.0)
    for name in "ab":
        group = difference_group(seen, [name], base.groups[name])
        assert group and group.steps == base.groups[name].steps
        torch.testing.assert_close(quantized(group, seen)[name], seen[name])
    for name in "cd":
        torch.testing.assert_close(seen[name], alone[name])
    near = later | {name: quantized(base.groups[name], tensors)[name] for name in "ab"}
    assert qat.bits(near) < 0.1 * stepped_bits(near)
    far = near | {"a": near["a"] + torch.randn(30, 20)}
    assert qat.bits(near) < qat.bits(far) <= stepped_bits(seen | far)


def test_gates_close(tensors):
    """Half open at first; closed ones are zeros, which cost next to nothing."""
    variables = with_gates(tensors, torch.Generator().manual_seed(0))
    torch.testing.assert_close(gated(variables, 1.0)["a"], tensors["a"] / 2, atol=0.05, rtol=0.2)
    closed = variables | {GATE + "a": torch.full_like(tensors["a"], -1.0)}
    assert not gated(closed, 1.0)["a"].any() and gated_bits(closed) < 16 * 20 < gated_bits(variables)


def test_whole_numbers_stay_in_their_range():
    seen = Rounded(-2, 1).weights({"a": torch.tensor([-9.0, -1.6, 0.4, 9.0])}, 0.0)
    assert seen["a"].tolist() == [-2, -2, 0, 1]


def test_l1_counts_what_travels(tensors):
    total = sum(tensor.abs().sum().item() for tensor in tensors.values())
    assert l1(0.5)(with_steps(tensors), 0.0).item() == pytest.approx(0.5 * total)
