"""A start for decoders of blocks: the linear one that loses least, by principal components (Karhunen-Loève)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SAMPLES = 1 << 16  # blocks that tell their covariance
SEEN = 32  # frames that tell that of their smaller blocks
SIDE = 4  # squares in a block, down and across
STRONGEST = 36.0  # deviation of the strongest component, in steps, at most: bytes hold 127 of them


@dataclass(frozen=True)
class Linear:
    """blocks = mean + basis @ (coarse @ step * (latents, grid of the time)), both matrices orthonormal."""

    mean: Tensor  # (samples,)
    basis: Tensor  # (samples, passed)
    coarse: Tensor  # (4 passed, latents + grids), of 2x2 blocks
    step: float
    deviation: float  # of the strongest of `passed`, in the unit of samples
    latents: Tensor  # (frames, latents, rows, columns)
    grid: Tensor  # (ticks, grids, rows, columns)


def linear(frames: Tensor, passed: int, latents: int, grids: int, ticks: int, bits: float) -> Linear:
    """Of (n, 3, height, width) in [0, 1]; the grid is what the latents leave of means over time.

    The step is such that latents and grid take about so many bits.
    """
    some = torch.cat([blocks_of(frame) for frame in frames[:: math.ceil(len(frames) / SEEN)].split(1)])
    mean = some.mean((0, 2, 3))
    basis = components(some - mean.view(-1, 1, 1), passed)
    numbers = [torch.einsum("sc,fshw->fchw", basis, blocks_of(frame) - mean.view(-1, 1, 1)) for frame in frames.split(1)]
    parts = F.pixel_unshuffle(torch.cat(numbers), 2)
    coarse = components(parts, latents)
    numbers = torch.einsum("cl,fchw->flhw", coarse, parts)
    left = torch.stack(
        [part.mean(0) for part in (parts - torch.einsum("cl,flhw->fchw", coarse, numbers)).tensor_split(ticks)]
    )
    static = components(left, grids)
    still = torch.einsum("cg,tchw->tghw", static, left)
    step = step_for(bits, (numbers, still))
    deviation = float(parts.square().mean((0, 2, 3)).max().sqrt())
    return Linear(mean, basis, torch.cat([coarse, static], 1), step, max(deviation, 1.0), numbers / step, still / step)


def step_for(bits: float, maps: tuple[Tensor, ...]) -> float:
    """The finest step by which maps (n, channels, h, w) take so many bits under Laplaces, a channel each."""
    deviations = [m.square().mean((0, 2, 3)).sqrt() for m in maps]
    step = float(deviations[0].max()) / STRONGEST + 1e-3
    while sum(float(torch.log2(1 + math.e * d / step).sum()) * m[:, 0].numel() for d, m in zip(deviations, maps)) > bits:
        step *= 1.1
    return step


def components(maps: Tensor, count: int) -> Tensor:
    """(n, channels, h, w), of mean 0 -> (channels, count), orthonormal; the strongest first."""
    blocks = maps.movedim(1, -1).flatten(0, 2)
    blocks = blocks[:: max(1, len(blocks) // SAMPLES)].double()
    return torch.linalg.eigh(blocks.T @ blocks).eigenvectors.flip(1)[:, :count].float()


def blocks_of(frames: Tensor) -> Tensor:
    """(n, 3, height, width) in [0, 1] -> (n, 6 SIDE**2, h, w), an even number of rows and columns: blocks of SIDE x SIDE of
    `runtime.squares`, in levels; edges repeat."""
    height, width = frames.shape[2:]
    padded = F.pad(frames, (0, -width % (4 * SIDE), 0, -height % (4 * SIDE)), mode="replicate")
    red, green, blue = (255 * padded).unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = torch.stack([128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402], 1)
    return F.pixel_unshuffle(torch.cat([F.pixel_unshuffle(luma[:, None], 2), F.avg_pool2d(chroma, 2)], 1), SIDE)
