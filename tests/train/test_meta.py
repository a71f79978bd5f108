"""Bases are learned on from a checkpoint as if nothing had come between, and only from one of the same learning."""

from dataclasses import replace

import pytest
import torch

from inrcodec.models.method import Base
from inrcodec.train import meta

PICTURES = [torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(0))]
STEPS = 9


def start(generator):
    return {"colour": torch.rand(3, generator=generator)}


def loss(base, pictures, generator):
    """The mean colour, seen in noise."""
    noise = 0.01 * torch.randn(3, generator=generator)
    return (pictures - (base["colour"] + noise)[:, None, None]).square().mean()


BASE = Base("colour", start, loss, batch=2, size=8, lr=0.05, steps=STEPS)


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A checkpoint of an interrupted learning with seed 3."""
    monkeypatch.setattr(meta, "CHECKPOINT_STEPS", 4)
    calls = iter(range(STEPS))

    def interrupted(*arguments):
        if next(calls) == 6:
            raise KeyboardInterrupt
        return loss(*arguments)

    with pytest.raises(KeyboardInterrupt):
        meta.learn(replace(BASE, loss=interrupted), PICTURES, STEPS, 3, tmp_path / "colour.resume")
    return tmp_path / "colour.resume"


def test_an_interrupted_learning_goes_on(begun, tmp_path):
    rest = meta.learn(BASE, PICTURES, STEPS, 3, begun)
    whole = meta.learn(BASE, PICTURES, STEPS, 3, tmp_path / "none.resume")
    assert torch.equal(rest["colour"], whole["colour"])


@pytest.mark.parametrize("seed, steps", [(4, STEPS), (3, STEPS + 1)])
def test_a_checkpoint_of_another_seed_or_length_is_refused(begun, seed, steps):
    with pytest.raises(ValueError, match=rf"wanted .* \({seed}, {steps}\), got \(3, {STEPS}\): delete .*colour\.resume"):
        meta.learn(BASE, PICTURES, steps, seed, begun)
