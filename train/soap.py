"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner. Vyas et al., 2024 (arXiv 2409.11321).

For matrices as small as a decoder's the whole step costs less than a millisecond. Vectors take plain Adam.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..models import fused

QR_EVERY = 10  # steps between updates of the eigenbases
KEPT = ("mean", "square", "covariances", "bases")  # of a state, what a resumed run needs


class Soap:
    """Optimizes `parameters` in place; `step` takes their gradients and the learning rate.

    `decay` is of the parameters, in learning rates a step, apart from the gradients (Loshchilov & Hutter 2019). On a GPU all
    matrices are one batch, and all vectors: the calls cost more than what they do.
    """

    def __init__(
        self,
        parameters: list[Tensor],
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        decay: float = 0.01,
    ) -> None:
        self.parameters, self.betas, self.eps, self.decay = parameters, betas, eps, decay
        self.steps = 0
        numbers: list[list[int]] = [[k] for k in range(len(parameters))]
        if parameters and parameters[0].is_cuda:
            kinds = [[k for k, p in enumerate(parameters) if (p.dim() > 1) == matrix] for matrix in (True, False)]
            numbers = [kind for kind in kinds if kind]
        self.states = [_State(group, [parameters[k] for k in group]) for group in numbers]

    def step(self, gradients: list[Tensor], lr: float) -> None:
        due = self.count()
        self.move(gradients, lr, lr * self.correction, due)

    def count(self) -> bool:
        """Begin a step; whether it is one that updates the eigenbases."""
        self.steps += 1
        return self.steps % QR_EVERY == 1

    @property
    def correction(self) -> float:
        """Of this step's learning rate: Adam's, of its moments' bias."""
        b1, b2 = self.betas
        return (1 - b2**self.steps) ** 0.5 / (1 - b1**self.steps)

    @torch.no_grad()
    def move(self, gradients: list[Tensor], lr: float | Tensor, corrected: float | Tensor, refresh: bool) -> None:
        """The step that was begun; `corrected` is its learning rate after `correction`."""
        b1, b2 = self.betas
        for state in self.states:
            g = state.join([gradients[k] for k in state.numbers])
            state.accumulate(g, b2, refresh)
            rotated = state.rotate(g)
            state.mean.lerp_(g, 1 - b1)
            state.square.mul_(b2).addcmul_(rotated, rotated, value=1 - b2)
            update = state.unrotate(state.rotate(state.mean) / (state.square.sqrt().add_(self.eps)))
            own = [self.parameters[k] for k in state.numbers]
            torch._foreach_mul_(own, 1 - lr * self.decay)  # pyright: ignore[reportPrivateImportUsage]
            torch._foreach_sub_(own, state.split(update * corrected))  # pyright: ignore[reportPrivateImportUsage]

    def state(self) -> dict:
        """All that a resumed run needs, as tensors and numbers."""
        return {"steps": self.steps, "states": [{name: getattr(s, name) for name in KEPT} for s in self.states]}

    def load(self, state: dict) -> None:
        self.steps = state["steps"]
        for mine, theirs in zip(self.states, state["states"]):
            vars(mine).update(theirs)


class _State:
    """Moments and eigenbases of the parameters of these `numbers`, seen as matrices (rows, the rest), or as vectors; of
    several as a batch, padded by zeros."""

    def __init__(self, numbers: Sequence[int], parameters: Sequence[Tensor]) -> None:
        self.numbers = numbers
        self.join, self.split, shape = _alone(parameters[0]) if len(parameters) == 1 else _padded(parameters)
        device, batch = parameters[0].device, shape[: len(parameters) > 1]
        self.mean = torch.zeros(shape, device=device)  # of the gradient, unrotated
        self.square = torch.zeros(shape, device=device)  # of the rotated gradient
        sides = shape[len(batch) :] if parameters[0].dim() > 1 else ()
        self.covariances = [torch.zeros(*batch, n, n, device=device) for n in sides]
        self.bases = [torch.eye(n, device=device).expand(*batch, n, n).clone() for n in sides]

    def accumulate(self, g: Tensor, b2: float, refresh: bool) -> None:
        if not self.bases:
            return
        for basis, covariance, product in zip(self.bases, self.covariances, (g @ g.mT, g.mT @ g)):
            covariance.lerp_(product, 1 - b2)
            if refresh:  # one step of orthogonal iteration keeps the basis near the eigenvectors
                basis.copy_(fused.orthonormal(covariance @ basis))

    def rotate(self, x: Tensor) -> Tensor:
        return self.bases[0].mT @ x @ self.bases[1] if self.bases else x

    def unrotate(self, x: Tensor) -> Tensor:
        return self.bases[0] @ x @ self.bases[1].mT if self.bases else x


Layout = tuple[Callable[[list[Tensor]], Tensor], Callable[[Tensor], list[Tensor]], tuple[int, ...]]


def _alone(parameter: Tensor) -> Layout:
    """How to see it as a matrix, or a vector, and as what it is; the shape."""
    shape = (len(parameter), parameter[0].numel()) if parameter.dim() > 1 else tuple(parameter.shape)
    return lambda own: own[0].reshape(shape), lambda x: [x.view_as(parameter)], shape


def _padded(parameters: Sequence[Tensor]) -> Layout:
    """Likewise of several at once."""
    seen = [p.reshape(len(p), -1) if p.dim() > 1 else p for p in parameters]
    sides = [max(lengths) for lengths in zip(*(p.shape for p in seen))]
    sizes, device = [p.numel() for p in parameters], parameters[0].device
    index = torch.full((len(seen), *sides), sum(sizes))  # where each value comes from, the last being a zero
    begin = 0
    for row, p in zip(index, seen):
        row[tuple(slice(n) for n in p.shape)] = torch.arange(begin, begin + p.numel()).view(p.shape)
        begin += p.numel()
    places = torch.argsort(index.flatten(), stable=True)[:begin].to(device)
    index = index.to(device)

    def join(own: list[Tensor]) -> Tensor:
        return torch.cat([*(each.flatten() for each in own), own[0].new_zeros(1)])[index]

    def split(x: Tensor) -> list[Tensor]:
        return [each.view_as(p) for each, p in zip(x.flatten()[places].split(sizes), parameters)]

    return join, split, tuple(index.shape)
