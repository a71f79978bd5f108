"""Adam (Kingma & Ba 2015) with the interface of `soap.Soap`, for methods whose papers have it."""

import torch
from torch import Tensor


class Adam:
    """Optimizes `parameters` in place; `count` begins a step, `move` takes their gradients and the learning rate."""

    def __init__(self, parameters: list[Tensor]) -> None:
        on_gpu = {"lr": parameters[0].new_tensor(0.0), "capturable": True} if parameters[0].is_cuda else {}
        self.parameters, self.adam = parameters, torch.optim.Adam(parameters, **on_gpu)

    correction = 1.0  # is made within

    def count(self) -> bool:
        """Nothing is due in some steps alone."""
        return False

    def move(self, gradients: list[Tensor], lr: float | Tensor, corrected: float | Tensor, due: bool) -> None:
        for parameter, gradient in zip(self.parameters, gradients):
            parameter.grad = gradient
        self.adam.param_groups[0]["lr"] = lr
        self.adam.step()

    def state(self) -> dict:
        """All that a resumed run needs, as tensors and numbers."""
        return self.adam.state_dict()

    def load(self, state: dict) -> None:
        self.adam.load_state_dict(state)
