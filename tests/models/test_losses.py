"""What is tuned for eyes: what it counts, what not, and that its own backward pass is right."""

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, mse_loss

from inrcodec.models.losses import C1, C2, HALF, SCALES, SQUARES, STRUCTURE, seen, structure

GENERATOR = torch.Generator().manual_seed(0)


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(shape, generator=GENERATOR, dtype=dtype)


@pytest.mark.parametrize("size", [(1, 1), (3, 30), (8, 8), (18, 21)])
def test_gradients(size):
    a, b = noise(1, 2, *size, dtype=torch.double).requires_grad_(), noise(1, 2, *size, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda a: structure(a, b), a, fast_mode=True)
    assert structure(b, b).item() == pytest.approx(0, abs=1e-12)


def test_it_is_the_mean_of_scales_of_blocks():
    """Against blocks as avg_pool2d has them, of a size that has no remainders."""
    a, b = noise(1, 3, 128, 192), noise(1, 3, 128, 192)
    wanted = []
    for x, y in zip(halved(a), halved(b)):
        mean_x, mean_y, xx, yy, xy = (avg_pool2d(z, 2 * HALF, HALF) for z in (x, y, x * x, y * y, x * y))
        terms = (2 * (xy - mean_x * mean_y) + C2) / (xx - mean_x**2 + yy - mean_y**2 + C2)
        if len(wanted) == SCALES - 1:
            terms *= (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
        wanted.append(1 - terms.mean().item())
    assert structure(a, b).item() == pytest.approx(np.mean(wanted), rel=1e-4)


def halved(x: torch.Tensor) -> list[torch.Tensor]:
    """At all scales, finest first."""
    scales = [x]
    for _ in range(SCALES - 1):
        scales.append(avg_pool2d(scales[-1], 2))
    return scales


def test_an_error_is_seen_less_where_there_is_texture():
    """Of equal squares, those on a plain ground are structure that the original has not."""
    flat, rough = torch.full((1, 3, 64, 64), 0.5), 0.2 + 0.6 * noise(1, 3, 64, 64)
    error = 0.05 * (noise(1, 3, 64, 64) - 0.5)
    assert mse_loss(flat + error, flat).item() == pytest.approx(mse_loss(rough + error, rough).item(), rel=1e-3)
    assert structure(flat + error, flat) > 5 * structure(rough + error, rough)


def test_colours_and_means_are_held_by_squares():
    a, b = noise(1, 3, 64, 64), noise(1, 3, 64, 64)
    assert seen(a, b).item() == pytest.approx(STRUCTURE * structure(a, b).item() + SQUARES * mse_loss(a, b).item(), rel=1e-5)


def test_what_is_white_stays_there():
    """Where a picture is clamped straight through, no gradient leads on outwards; all that lead back remain."""
    raw = (2 * noise(1, 3, 64, 64) - 0.5).requires_grad_()
    clamped = raw + (raw.detach().clamp(0, 1) - raw.detach())
    (gradient,) = torch.autograd.grad(seen(clamped, noise(1, 3, 64, 64)), raw)
    white, black = raw >= 1, raw <= 0
    assert (gradient[white] >= 0).all() and (gradient[black] <= 0).all()
    assert (gradient[white] > 0).any() and (gradient[black] < 0).any() and (gradient[~white & ~black] != 0).all()
