"""`reel`: its goals, its first guess of motion, and what a step of its fit sees."""

import numpy as np
import pytest
import torch

import inrcodec
from inrcodec.models.parts.matching import matched
from inrcodec.models.parts.motion import STEP, summed
from inrcodec.models.video.reel import build
from inrcodec.runtime.hierarchy import hierarchy
from inrcodec.runtime.syntax import Signal
from inrcodec.train.encode import encode_picture
from inrcodec.train.goal import Goal
from inrcodec.train.pictures import as_set, from_array


def panned(frames: int, down: int, right: int, height: int = 64, width: int = 96) -> np.ndarray:
    """(frames, height, width, 3) uint8: a window that moves so many pixels a frame over a smooth random picture."""
    rng = np.random.default_rng(0)
    rows, columns = height + frames * down, width + frames * right
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, -(-rows // 8), -(-columns // 8))).astype(np.float32))
    whole = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic")[0].clamp(0, 255).permute(1, 2, 0).numpy()
    windows = [whole[k * down : k * down + height, k * right : k * right + width] for k in range(frames)]
    return np.rint(windows).astype(np.uint8)


def test_motion_is_found():
    """Of a pan of 2 down and 3 right: what was here is found further up and left in the frame after."""
    target = torch.from_numpy(panned(5, 2, 3)).permute(0, 3, 1, 2) / 255
    order = hierarchy(5, 16)
    fields = summed([grid.flatten(0, 1) for grid in matched(target, order, [(8, 12), (4, 6), (2, 3)], 3)])
    fields = STEP * fields.unflatten(0, (len(order), -1))
    for each, motion in zip(order, fields):
        between = each.before != each.after
        found = (motion[:2] if between else motion[2:4])[:, 2:-2, 2:-2].median(2).values.median(1).values
        far = (each.after - each.before) / 2 if between else each.before - each.number
        np.testing.assert_allclose(found, [-2 * far, -3 * far], atol=0.3)


@pytest.mark.parametrize("batch", [1, 3, 8, 40])
@pytest.mark.parametrize("frames", [1, 2, 18])
def test_parts_count_every_frame_as_often(frames, batch):
    parts = build(Signal(64, 96, frames=frames), 1e4).parts(batch)
    if frames == 1:
        assert parts == []
        return
    total = np.zeros(frames)
    for part in parts:
        assert part.frames is not None and part.weights is not None
        np.add.at(total, list(part.frames), part.weights)
    np.testing.assert_allclose(total, len(parts))


def test_the_rate_of_parts_is_in_the_mean_that_of_all():
    architecture = build(Signal(32, 48, frames=7), 1e4)
    generator = torch.Generator().manual_seed(0)
    inr = architecture.init(torch.rand(7, 3, 32, 48, generator=generator), generator)
    mask = architecture.mask(torch.device("cpu"))
    latents = torch.randn(inr.latents.shape, generator=generator) * mask
    whole = architecture.latent_bits(inr.tensors, latents, mask)
    parts = [architecture.latent_bits(inr.tensors, latents, mask, part) for part in architecture.parts(2)]
    torch.testing.assert_close(torch.stack(parts).mean(), whole, rtol=1e-4, atol=0)


@pytest.mark.parametrize("goal", [Goal("bytes", 2500), Goal("psnr", 27.0)])
def test_goals_are_met_nearly(goal):
    pictures = as_set([from_array(frame) for frame in panned(4, 1, 2)])
    result = encode_picture(pictures, method="reel", goal=goal, iterations=100)
    reached = len(result.data) if goal.kind == "bytes" else result.psnr
    assert reached == pytest.approx(goal.value, rel=0.1 if goal.kind == "bytes" else 0.03)


def test_frames_are_read_while_others_are_made_ahead():
    pictures = [from_array(frame) for frame in panned(20, 1, 2, 32, 48)]
    data = encode_picture(as_set(pictures), method="reel", iterations=4).data
    wanted, file = inrcodec.decode(data), inrcodec.open(data)
    for k, frame in enumerate(file):
        np.testing.assert_array_equal(frame, wanted[k])
        for other in ((7 * k + 3) % 20, (11 * k + 5) % 20):
            np.testing.assert_array_equal(file[other], wanted[other])
