"""The fit's pieces: phases in order, SOAP descends, bright pictures do not collapse."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inrcodec.models import METHODS
from inrcodec.models.image.pyramid import networks_bits, step_of
from inrcodec.models.method import Part, Phase
from inrcodec.runtime.decoder import decode
from inrcodec.runtime.file import InrFile
from inrcodec.runtime.syntax import Signal
from inrcodec.runtime.synthesis import network_tensors
from inrcodec.train.encode import encode_picture
from inrcodec.train.encoding import Encoding
from inrcodec.train.fit import Budget, Fit, locate
from inrcodec.train.goal import Goal
from inrcodec.train.pictures import from_array
from inrcodec.train.soap import Soap, _State
from inrcodec.train.trials import judged, take_steps, warm_up


def test_phases_follow_each_other_by_their_shares():
    first, last = Phase("first", 3.0, (1.0, 0.0)), Phase("last", 1.0, (1.0, 0.0))
    assert locate((first, last), 0.0) == (first, 0.0)
    assert locate((first, last), 0.375) == (first, 0.5)
    assert locate((first, last), 0.875) == (last, 0.5)
    assert locate((first, last), 1.0) == (last, 1.0)


def test_a_budget_of_iterations_ends():
    assert [Budget(4).fraction(i, 0.0) for i in (0, 1, 4, 9)] == [0.0, 0.25, 1.0, 1.0]


def test_latents_of_coarser_grids_may_learn_faster():
    """Adam's first step is the learning rate: 2.5 on the finest grid, and twice that on each coarser one."""
    method, target = METHODS["cool_chic"](), torch.rand(1, 3, 33, 50)
    architecture = method.build(Signal(33, 50), 0)
    recipe = replace(method.recipe(0.001), eps=0.0)
    fit = Fit(architecture, target, 0.001, recipe, seed=0)
    fit.step(recipe.phases[0], 0.0)
    for k, grid in enumerate(architecture.grids(fit.inr.latents.detach())[::-1]):
        assert grid.abs().max().item() == pytest.approx(recipe.phases[0].lr[0] * 2.5 * 2**k, rel=1e-4)


def test_a_fresh_phase_forgets_the_moments_before():
    method, target = METHODS["pyramid"](), torch.rand(1, 3, 33, 50)
    recipe = replace(method.recipe(0.001), eps=1e-6)
    start, fit_phase, _ = recipe.phases
    fit = Fit(method.build(Signal(33, 50), 0), target, 0.001, recipe, seed=0)
    for _ in range(5):
        fit.step(start, 0.0)
    before = fit.inr.latents.detach().clone()
    fit.step(fit_phase, 0.0)
    moved = (fit.inr.latents.detach() - before).abs().max().item()
    assert fit.adam.state[fit.inr.latents]["step"] == 1
    assert moved == pytest.approx(fit_phase.lr[0] * recipe.gain, rel=1e-3)  # Adam's first step


def test_steps_see_networks_as_rounding_may_leave_them():
    """Off by up to half of the width that the phase has come to, in steps near a file's; what is kept is not."""
    method, target = METHODS["pyramid"](), torch.rand(1, 3, 33, 50)
    recipe = method.recipe(0.01)
    fit = Fit(method.build(Signal(33, 50), 0), target, 0.01, recipe, seed=0)
    image, seen, phase = fit.image, [], recipe.phases[1]
    fit.image = lambda tensors, latents, part=Part(): seen.append(tensors) or image(tensors, latents, part)
    for progress in (0.0, 0.5):
        before = {name: tensor.detach().clone() for name, tensor in fit.inr.tensors.items()}
        fit.step(phase, progress)
        far = {name: (seen[-1][name] - tensor).abs().max().item() / step_of(name) for name, tensor in before.items()}
        most = phase.jitter[1] * progress / 2
        assert most * 0.8 <= max(far.values()) <= most * 1.001
    fit.measure()
    assert all((seen[-1][name] == tensor).all() for name, tensor in fit.inr.tensors.items())


def test_pyramid_weighs_its_networks_as_a_file_does():
    waves = np.sin(np.add.outer(np.arange(96) / 7, np.arange(128) / 11))[..., None] * np.array([90, 60, 30]) + 120
    picture, goal = from_array(waves.astype(np.uint8)), Goal("lmbda", 0.005)
    weighed = written = 0.0
    for seed in range(6):
        result = encode_picture(picture, goal=goal, iterations=300, seed=seed)
        tensors = {name: torch.from_numpy(w) for name, w in network_tensors(InrFile(result.data).segment()).items()}
        weighed, written = weighed + networks_bits(tensors).item() / 8, written + result.networks_bytes
    assert weighed == pytest.approx(written, rel=0.1)


def test_soap_descends_a_narrow_valley_and_resumes():
    """|A X B + o - C|^2 with condition numbers of 100."""
    torch.manual_seed(0)
    a, b = (torch.diag(torch.logspace(-0.5, 0.5, n)) @ torch.linalg.qr(torch.randn(n, n))[0] for n in (6, 5))
    goal, x, offset = torch.randn(6, 5), torch.zeros(6, 5, requires_grad=True), torch.zeros(5, requires_grad=True)

    def loss() -> torch.Tensor:
        return ((a @ x @ b + offset - goal) ** 2).mean()

    soap, start = Soap([x, offset]), loss().item()
    for step in range(300):
        if step == 150:
            state, soap = soap.state(), Soap([x, offset])
            soap.load(state)
        soap.step(list(torch.autograd.grad(loss(), [x, offset])), 0.05 * (1 - step / 300))
    assert loss().item() < start / 20


@pytest.mark.parametrize("paper, ink", [(1.0, 0.0), (0.98, 0.6), (0.0, 1.0)])
def test_pages_do_not_collapse(paper, ink):
    """A clamp inside the graph would turn some of these into one colour."""
    strokes = np.random.default_rng(0).random((12, 16)) < 0.4
    page = np.where(strokes.repeat(4, 0).repeat(4, 1), ink, paper)[..., None] * np.ones(3)
    picture = np.rint(255 * page).astype(np.uint8)
    result = encode_picture(from_array(picture), goal=Goal("lmbda", 0.002), iterations=150)
    assert decode(result.data).std() > 0.5 * picture.std()


def encoding_of(pixels: np.ndarray, lmbda: float = 0.001, long: bool = False) -> Encoding:
    given = from_array(pixels), METHODS["pyramid"](), False, Goal("lmbda", lmbda), torch.device("cpu"), 0
    return Encoding(*given, lambda progress: None, long=long)


def test_starts_grow_with_the_fit_and_then_become_more():
    waves = np.sin(np.add.outer(np.arange(24) / 7, np.arange(32) / 11))[..., None] * np.array([90, 60, 30]) + 120
    for iterations, starts, steps in ((200, 0, 0), (2000, 3, 60), (8000, 4, 160)):
        encoding = encoding_of(waves.astype(np.uint8))
        warm_up(encoding, Budget(iterations))
        assert encoding.iteration == starts * steps
        assert encoding.fit.architecture == encoding.architecture


def test_long_fits_race_two_sizes_and_resume_with_the_one_that_won():
    ramp = np.add.outer(np.arange(24), np.arange(32))[..., None].repeat(3, 2).astype(np.uint8)
    encoding = encoding_of(ramp, 0.004, long=True)
    warm_up(encoding, Budget(6000))
    first, largest = encoding.rivals
    assert encoding.architecture == encoding.fit.architecture == first  # a ramp has no use for large networks
    encoding.go_on(encoding.start(1, largest))
    resumed = encoding_of(ramp, 0.004, long=True)
    resumed.load(encoding.state())
    assert resumed.architecture == resumed.fit.architecture == largest
    for name, tensor in encoding.fit.inr.tensors.items():
        torch.testing.assert_close(resumed.fit.inr.tensors[name], tensor)


@pytest.mark.parametrize("lmbda", [0.001, 0.004])
def test_a_start_is_judged_by_all_that_its_networks_take(lmbda):
    encoding = encoding_of(np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8), lmbda)
    fit = take_steps(encoding, encoding.fit, 5)
    with torch.no_grad():
        measure, rate = fit.measure(), float(fit.networks_rate())
    networks = rate or encoding.unrated(fit)
    assert bool(rate) == (lmbda > 0.002) and networks > 0
    wanted = measure.mse + lmbda * (0.5 * (measure.bpp - rate) + networks)
    assert judged(encoding, fit, 0.5) == pytest.approx(wanted)


def test_soap_moves_a_padded_batch_as_it_moves_each_alone():
    """As on a GPU."""
    start = [torch.randn(size) for size in ((6, 6), (3, 2, 3), (5,), (6, 4, 1), (2,))]
    alone, together = ([each.clone() for each in start] for _ in range(2))
    one, other = Soap(alone), Soap(together)
    other.states = [_State(numbers, [together[k] for k in numbers]) for numbers in ([0, 1, 3], [2, 4])]
    for _ in range(8):  # before bases are made of gradients of less than full rank, which have several
        gradients = [torch.randn_like(each) for each in start]
        one.steps = other.steps = max(one.steps, 1)
        one.step(gradients, 0.01)
        other.step(gradients, 0.01)
    for before, mine, theirs in zip(start, alone, together):
        torch.testing.assert_close(mine, theirs)
        assert not torch.equal(before, mine)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_steps_recorded_on_a_gpu_fit_as_those_of_a_cpu():
    method, target = METHODS["pyramid"](), torch.rand(1, 3, 96, 128).cumsum(3) / 128
    architecture, recipe = method.build(Signal(96, 128), 1000), method.recipe(0.001)
    costs = []
    for device in ("cpu", "cuda"):
        fit = Fit(architecture, target.to(device), 0.001, recipe, seed=0)
        for k in range(200):
            fit.step(recipe.phases[k >= 50], k / 200)
        costs.append(fit.measure().cost(0.001))
    assert fit.recorder and fit.recorder.graphs
    assert costs[1] == pytest.approx(costs[0], rel=0.1)
