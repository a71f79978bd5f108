"""Rounding weights so that those yet to come make up for it (GPTQ: Frantar et al. 2023; the nearest plane of Babai 1986).

Weights are rounded one after the other, first those that the cost feels most; all that come later move to where the cost, as
a quadratic form has it, is least given those before (Hassibi & Stork 1993). So networks take steps twice as coarse.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..models.curvature import places_of
from ..models.method import Curvature, Tensors

DAMPING = 0.01  # of the diagonal: a sample's quadratic form is not all
A_BIT = 0.1  # how far a weight moves for the price of a bit, whatever the form says: a sample does not know all directions


@dataclass(frozen=True)
class Rounded:
    """`tensors` as they are then, and by how much the quadratic form has the cost `rise`."""

    tensors: Tensors
    rise: float


def compensated(
    curvature: Curvature, tensors: Tensors, names: Sequence[str], free: Sequence[str], bit_price: float
) -> Callable[[Mapping[str, float]], Rounded]:
    """A function of each tensor's step: `names` of the tensors, rounded to whole steps, and those `free` to move, moved.

    `bit_price` is that of a bit, of networks or of the rate, in mean squared error.
    """
    places = {name: at.numpy() for name, at in places_of({name: tensors[name] for name in curvature.names}).items()}
    first = np.concatenate([places[name] for name in names])
    matrix = curvature.matrix.cpu().numpy() * (bit_price if curvature.rate else 1.0)
    first = first[np.argsort(-matrix.diagonal()[first], kind="stable")]
    order = np.concatenate([first, *(places[name] for name in free)])
    matrix = matrix[np.ix_(order, order)]
    damped = matrix + np.diag(DAMPING * matrix.diagonal() + bit_price / A_BIT**2)
    lower = torch.linalg.cholesky(torch.from_numpy(damped))  # by torch, which keeps to its threads
    upper = torch.linalg.cholesky(torch.cholesky_inverse(lower), upper=True).numpy()
    undo = upper / upper.diagonal()[:, None]  # row i: by how much later weights move where the i-th does
    weights = np.concatenate([tensors[name].detach().cpu().numpy().ravel() for name in curvature.names]).astype(np.float64)

    def at(steps: Mapping[str, float]) -> Rounded:
        everywhere = weights.copy()
        for name in names:
            everywhere[places[name]] = steps[name]
        step, moved = everywhere[first], weights[order]
        for i in range(len(first)):
            nearest = np.rint(moved[i] / step[i]) * step[i]
            moved[i + 1 :] -= (moved[i] - nearest) * undo[i, i + 1 :]
            moved[i] = nearest
        by = moved - weights[order]
        everywhere[order] = moved
        return Rounded(
            {
                name: torch.from_numpy(everywhere[places[name]]).to(tensors[name]).view_as(tensors[name])
                for name in (*names, *free)
            },
            float(by @ matrix @ by),
        )

    return at
