"""Key frames: pictures by the cosine coefficients of their 8x8 blocks, as JPEG has them, which travel among the tensors.

Bands of coefficients have steps and entropy models of their own; all channels but the first are differences to it. What is
fitted is the coefficients themselves, for whatever is made of the picture, and for their rate.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.profile import Entry
from ...runtime.syntax import Signal
from ..method import Phase, Recipe, Tensors
from ..weights import STEP, STEP_GAIN, stepped, stepped_laplace_bits, with_steps

SIDE = 8
FIRST_STEP = 1 / 16  # of coefficients, of pixels in [0, 1]
DIAGONALS = sorted(range(SIDE**2), key=lambda k: k // SIDE + k % SIDE)  # coefficients by their frequency
BANDS = (1, 2, 3, 4, 5, 13, 36)  # how many of them are in each
SIZES = (("key_rows", 4096), ("key_columns", 4096))  # in blocks
NAMES = [f"key{i}" for i in range(len(BANDS))]


def blocks(signal: Signal) -> dict[str, int]:
    return {"key_rows": math.ceil(signal.height / SIDE), "key_columns": math.ceil(signal.width / SIDE)}


def entries(keys: int) -> tuple[Entry, ...]:
    return tuple((name, (keys, "channels", n, "key_rows", "key_columns"), name) for name, n in zip(NAMES, BANDS))


def cosines(device: torch.device) -> Tensor:
    """(8 positions, 8 frequencies), orthonormal: DCT-III."""
    places = torch.arange(SIDE, device=device)
    matrix = torch.cos(math.pi / SIDE * (places[:, None] + 0.5) * places) * math.sqrt(2 / SIDE)
    return matrix * torch.where(places > 0, 1.0, math.sqrt(0.5))


def keys(tensors: Tensors) -> Tensor:
    """(keys, channels, 8 key_rows, 8 key_columns)"""
    coefficients = torch.cat([tensors[name] for name in NAMES], 2)
    order = [DIAGONALS.index(k) for k in range(SIDE**2)]
    planes = coefficients.index_select(2, torch.tensor(order, device=coefficients.device))
    others = (torch.arange(planes.shape[1], device=planes.device) > 0).float()
    planes = planes + others.view(-1, 1, 1, 1) * planes[:, :1]
    matrix, rows = cosines(planes.device), planes.shape[3]
    tall = matrix @ planes.flatten(0, 1).unflatten(1, (SIDE, SIDE)).flatten(2)  # (n, y, v h w)
    wide = matrix @ tall.unflatten(2, (SIDE, -1))  # (n, y, x, h w)
    pixels = F.pixel_shuffle(wide.flatten(1, 2).unflatten(2, (rows, -1)), SIDE)
    return pixels.unflatten(0, (planes.shape[0], -1))[:, :, 0] + 0.5


def started_keys(frames: Tensor) -> Tensors:
    """Of (keys, channels, height, width), whose edges repeat."""
    height, width = frames.shape[2:]
    padded = F.pad(frames, (0, -width % SIDE, 0, -height % SIDE), mode="replicate") - 0.5
    values = torch.cat([padded[:, :1], padded[:, 1:] - padded[:, :1]], 1)
    squares = F.pixel_unshuffle(values.flatten(0, 1)[:, None], SIDE).unflatten(1, (SIDE, SIDE))
    matrix = cosines(frames.device)
    planes = torch.einsum("yu,nyxhw,xv->nuvhw", matrix, squares, matrix).flatten(1, 2)[:, DIAGONALS]
    return dict(zip(NAMES, planes.unflatten(0, frames.shape[:2]).split(BANDS, 2)))


def with_key_steps(tensors: Tensors) -> Tensors:
    """`with_steps`, those of key frames alike at first."""
    stepped = with_steps(tensors)
    first = math.log2(FIRST_STEP) / STEP_GAIN
    return stepped | {STEP + name: torch.full_like(stepped[STEP + name], first) for name in NAMES}


def rated(fit: tuple[float, float], qat: tuple[float, float]) -> Recipe:
    """Adam at the rates of `fit`, and as long at those of `qat` with learned steps, whose rate is in the loss; two frames
    a step."""
    plain = Phase("fit", 0.5, fit, hard=True)
    quantized = Phase("qat", 0.5, qat, hard=True, enter=with_key_steps, weights=stepped, bits=stepped_laplace_bits)
    return Recipe((plain, quantized), optimizer="adam", batch=2)
