"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner. Vyas et al., 2024 (arXiv 2409.11321).

For matrices as small as a decoder's the whole step costs less than a millisecond. Vectors take plain Adam.
"""

import torch
from torch import Tensor

QR_EVERY = 10  # steps between updates of the eigenbases


class Soap:
    """Optimizes `parameters` in place; `step` takes their gradients and the learning rate.

    `decay` is of the parameters, in learning rates a step, apart from the gradients (Loshchilov & Hutter 2019).
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
        self.states = [_State(p) for p in parameters]

    @torch.no_grad()
    def step(self, gradients: list[Tensor], lr: float) -> None:
        self.steps += 1
        b1, b2 = self.betas
        corrected = lr * (1 - b2**self.steps) ** 0.5 / (1 - b1**self.steps)
        for parameter, gradient, state in zip(self.parameters, gradients, self.states):
            g = gradient.reshape(state.shape)
            state.accumulate(g, b2, refresh=self.steps % QR_EVERY == 1)
            rotated = state.rotate(g)
            state.mean.lerp_(g, 1 - b1)
            state.square.mul_(b2).addcmul_(rotated, rotated, value=1 - b2)
            update = state.rotate(state.mean) / (state.square.sqrt().add_(self.eps))
            parameter.mul_(1 - lr * self.decay)
            parameter.sub_(state.unrotate(update).view_as(parameter), alpha=corrected)

    def state(self) -> dict:
        """All that a resumed run needs, as tensors and numbers."""
        return {"steps": self.steps, "states": [vars(s) for s in self.states]}

    def load(self, state: dict) -> None:
        self.steps = state["steps"]
        for mine, theirs in zip(self.states, state["states"]):
            vars(mine).update(theirs)


class _State:
    """Moments and eigenbases of one parameter, seen as a matrix (rows, the rest)."""

    def __init__(self, parameter: Tensor) -> None:
        matrix = parameter.reshape(len(parameter), -1) if parameter.dim() > 1 else parameter
        self.shape = tuple(matrix.shape)
        self.mean = torch.zeros_like(matrix)  # of the gradient, unrotated
        self.square = torch.zeros_like(matrix)  # of the rotated gradient
        sides = self.shape if matrix.dim() == 2 else ()
        self.covariances = [torch.zeros(n, n, device=parameter.device) for n in sides]
        self.bases = [torch.eye(n, device=parameter.device) for n in sides]

    def accumulate(self, g: Tensor, b2: float, refresh: bool) -> None:
        if not self.bases:
            return
        for i, product in enumerate((g @ g.t(), g.t() @ g)):
            self.covariances[i].lerp_(product, 1 - b2)
            if refresh:  # one step of orthogonal iteration keeps the basis near the eigenvectors
                self.bases[i] = torch.linalg.qr(self.covariances[i] @ self.bases[i])[0]

    def rotate(self, x: Tensor) -> Tensor:
        return self.bases[0].t() @ x @ self.bases[1] if self.bases else x

    def unrotate(self, x: Tensor) -> Tensor:
        return self.bases[0] @ x @ self.bases[1].t() if self.bases else x
