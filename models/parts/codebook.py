"""Vectors that travel as indices of a codebook's rows: van den Oord et al. 2017.

Indices are (frames, FINER^2, h, w), those of a coarser map's places side by side. While a fit lasts, the vectors themselves
(frames, n, FINER h, FINER w) are beside them, under a name of training alone.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..method import Tensors
from ..weights import LATENT

FINER = 5  # vectors to a place of the map, along each side
VECTORS = LATENT + "codes"
COMMITMENT = 0.25  # beta of the paper


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Indices of the words (words, n) next to `vectors`."""
    distances = codebook.square().sum(1)[:, None, None] - 2 * torch.einsum("kn,fnhw->fkhw", codebook, vectors)
    return F.pixel_unshuffle(distances.argmin(1, keepdim=True).float(), FINER)


def words(indices: Tensor, codebook: Tensor) -> Tensor:
    """In the vectors' places."""
    return codebook[F.pixel_shuffle(indices, FINER)[:, 0].long()].movedim(-1, 1)


def coded(tensors: Tensors, progress: float) -> Tensors:
    """The nearest words, straight through for the vectors; at progress 1 the indices alone."""
    vectors, codebook = tensors[VECTORS], tensors["codebook"]
    indices = nearest(vectors.detach(), codebook.detach())
    if progress >= 1:
        return {name: tensor for name, tensor in tensors.items() if name != VECTORS} | {"codes": indices}
    return tensors | {VECTORS: vectors + (words(indices, codebook) - vectors).detach()}


def commitment(tensors: Tensors, progress: float) -> Tensor:
    """A penalty that draws words to their vectors, and vectors to their words (eq. 3)."""
    vectors, codebook = tensors[VECTORS], tensors["codebook"]
    found = words(nearest(vectors.detach(), codebook.detach()), codebook)
    return F.mse_loss(found, vectors.detach()) + COMMITMENT * F.mse_loss(vectors, found.detach())


def looked_up(tensors: Tensors) -> Tensor:
    """(1, n, FINER h, FINER w) of this frame."""
    frame = tensors["frame"].long()
    if VECTORS in tensors:
        return tensors[VECTORS].index_select(0, frame)
    return words(tensors["codes"].index_select(0, frame), tensors["codebook"])


def started_codes(vectors: Tensor, count: int, generator: torch.Generator) -> Tensors:
    """A start: `vectors`, and a codebook of `count` of them."""
    flat = vectors.movedim(1, -1).flatten(0, 2)
    codebook = flat[torch.randint(len(flat), (count,), generator=generator)]
    return {"codebook": codebook, VECTORS: vectors, "codes": nearest(vectors, codebook)}
