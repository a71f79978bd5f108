"""Rounding that makes up for itself: on a quadratic form, and in files."""

import numpy as np
import pytest
import torch

from inrcodec.export.compensation import compensated
from inrcodec.export.quantize import apart, bits_of, quantize_networks
from inrcodec.models import METHODS
from inrcodec.models.method import Curvature
from inrcodec.runtime.syntax import Signal
from inrcodec.train.fit import Budget, Fit, run

STEP = 0.25
STEPS = {"a": STEP, "b": STEP}


@pytest.fixture
def valley() -> tuple[Curvature, dict[str, torch.Tensor]]:
    """A cost that feels sums of weights a hundred times more than the weights."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(30, 30, generator=generator, dtype=torch.double))[0]
    matrix = directions @ torch.diag(torch.logspace(-2, 2, 30, dtype=torch.double)) @ directions.T
    tensors = {"a": torch.randn(4, 5, generator=generator), "b": torch.randn(10, generator=generator)}
    return Curvature(("a", "b"), matrix), tensors


def rise(curvature: Curvature, tensors: dict[str, torch.Tensor], rounded: dict[str, torch.Tensor]) -> float:
    d = torch.cat([(rounded[name] - tensors[name]).flatten() for name in curvature.names]).double()
    return (d @ curvature.matrix @ d).item()


def test_what_is_rounded_later_makes_up_for_what_came_before(valley):
    curvature, tensors = valley
    rounded = compensated(curvature, tensors, ["a", "b"], [], 1e-6)(STEPS).tensors
    nearest = {name: torch.round(w / STEP) * STEP for name, w in tensors.items()}
    assert all(torch.equal(torch.round(w / STEP) * STEP, w) and w.shape == tensors[n].shape for n, w in rounded.items())
    assert rise(curvature, tensors, rounded) < 0.5 * rise(curvature, tensors, nearest)


def test_what_is_free_moves_and_is_not_rounded(valley):
    curvature, tensors = valley
    moved = compensated(curvature, tensors, ["a"], ["b"], 1e-6)(STEPS).tensors
    assert torch.equal(torch.round(moved["a"] / STEP) * STEP, moved["a"])
    still = {"a": moved["a"], "b": tensors["b"]}
    assert rise(curvature, tensors, moved) < rise(curvature, tensors, still)
    assert set(compensated(curvature, tensors, ["a"], [], 1e-6)(STEPS).tensors) == {"a"}


def test_a_form_that_says_nothing_moves_nothing(valley):
    _, tensors = valley
    moved = compensated(Curvature(("a", "b"), torch.zeros(30, 30)), tensors, ["a"], ["b"], 1e-6)(STEPS).tensors
    assert torch.equal(moved["b"], tensors["b"])
    assert torch.equal(moved["a"], torch.round(tensors["a"] / STEP) * STEP)


def test_what_is_felt_more_gets_finer_steps(valley):
    """From one step for both on, to one for each; what is foretold and the bits fall together on the way."""
    _, tensors = valley
    curvature = Curvature(("a", "b"), torch.diag(torch.cat([torch.full((20,), 50.0), torch.full((10,), 0.01)]).double()))
    rounded = compensated(curvature, tensors, ["a", "b"], [], 0.01)
    ways = list(apart(tensors, rounded, {"a": 3, "b": 3}, 8, lambda group: 0.01 * bits_of(group, ())))
    assert list(ways[0][0].exponents.values()) == [3, 3]
    for group, moved in ways:
        for name, values in group.values().items():
            np.testing.assert_array_equal(values, moved[name].numpy())
    exponents = ways[-1][0].exponents
    assert exponents["a"] > 3 > exponents["b"]
    costs = [rise(curvature, tensors, moved) + 0.01 * bits_of(group, ()) for group, moved in ways]
    assert costs[-1] < 0.8 * costs[0]


@pytest.mark.parametrize("method, tune", [("pyramid", None), ("pyramid", "fastdecode"), ("c3", None)])
def test_networks_take_fewer_bytes_at_no_loss(method, tune):
    rows, columns = np.mgrid[:96, :128]
    waves = np.stack([np.sin(rows / 7), np.sin(columns / 11 + rows / 30), np.cos((rows + columns) / 5)])
    target, signal, lmbda = torch.from_numpy(0.5 + 0.4 * waves).float()[None], Signal(96, 128), 1e-3
    made = METHODS[method](**{"tune": tune} if tune else {})
    fit = Fit(made.build(signal, 3000), target, lmbda, made.recipe(lmbda), seed=0)
    for _ in run(fit, fit.recipe, Budget(200)):
        pass
    fit.measure()
    latents, price = fit.best.latents, lmbda / signal.pixels
    with torch.no_grad():
        costs = (lambda t: fit.distortion(t, latents).item()), (lambda t: lmbda * fit.rate(t, latents).item())
        found = []
        for curvatures in ((), fit.architecture.curvatures(fit.best.tensors, latents)):
            groups, decoded = quantize_networks(
                fit.best.tensors, fit.architecture.manifest, *costs, price, curvatures=curvatures
            )
            bits = sum(bits_of(group, ()) for group in groups.values())
            found.append((bits, costs[0](decoded) + costs[1](decoded) + price * bits))
    (plain, _), (fewer, _) = found
    assert fewer < 0.95 * plain and found[1][1] < found[0][1]


def test_sums_that_would_leave_32_bits_are_not_compensated(monkeypatch):
    signal = Signal(16, 16)
    architecture = METHODS["pyramid"]().build(signal, 3000)
    inr = architecture.init(torch.rand(1, 3, 16, 16), torch.Generator().manual_seed(0))
    curvatures = architecture.curvatures(inr.tensors, inr.latents)
    seen: list[bool] = []

    def spied(curvature, *given):
        seen.append(curvature.rate)
        return compensated(curvature, *given)

    monkeypatch.setattr("inrcodec.export.quantize._fits", lambda tensors, manifest: False)
    monkeypatch.setattr("inrcodec.export.quantize.compensated", spied)
    zero = lambda tensors: 0.0  # noqa: E731
    quantize_networks(inr.tensors, architecture.manifest, zero, zero, 1e-6, curvatures=curvatures)
    assert seen == [True] * 4 + [False] * 2 + [False] * 2  # groups of the context model and of the synthesis, and again
