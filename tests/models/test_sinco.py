"""SINCO's penalty: what it sees is regions, and it is none where those agree."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import mse_loss

from inrcodec.models.image.sinco import REGIONS, dice, distortion, segments, start
from inrcodec.models.shared import load
from inrcodec.train.pictures import read_picture

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (33, 50)])
def test_every_pixel_is_of_some_region(size):
    seen = segments(load("sinco"), torch.rand(3, *size))
    assert seen.shape == (1, REGIONS, -(-size[0] // 2), -(-size[1] // 2))
    torch.testing.assert_close(seen.sum(1), torch.ones_like(seen[:, 0]))


def test_regions_alike_cost_nothing_and_others_have_a_gradient():
    pixels = read_picture(ROOT / "train" / "data" / "dandelion.png").pixels[100:164, 100:180]
    target = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    assert distortion(target, target).item() == pytest.approx(0, abs=1e-6)
    image = (target + 0.2 * torch.randn(target.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    penalty = distortion(image, target) - mse_loss(image, target)
    (gradient,) = torch.autograd.grad(penalty, image)
    assert penalty > 0 and 0 < gradient.abs().sum() < torch.inf


def test_frames_may_lead():
    pictures = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(distortion(pictures[:1], pictures[1:]), distortion(*pictures))


def test_dice_is_of_what_is_shared():
    halves, left = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]]), torch.tensor([[1.0, 0, 0, 0], [0, 1, 1, 1]])
    assert (dice(halves, halves), dice(halves, left), dice(halves, halves.flip(0))) == (1, 0.75, 0)


def test_the_base_is_of_this_network():
    fresh = start(torch.Generator())
    assert {name: tensor.shape for name, tensor in load("sinco").items()} == {n: t.shape for n, t in fresh.items()}
