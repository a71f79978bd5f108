"""Bases: tensors that all pictures of a method share, learned once from photos and shipped beside this file, as half floats.

A decoder graph has those that it needs as constants; `train.meta` makes them.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.func import grad

from ..runtime.syntax import Signal
from .method import Tensors, UnsuitedError

FOLDER = Path(__file__).parent / "bases"


@cache
def load(name: str) -> Tensors:
    """float32. Raises FileNotFoundError where this installation lacks the base."""
    path = FOLDER / f"{name}.npz"
    if not path.is_file():
        raise FileNotFoundError(
            f"wanted the base {path.name} in {FOLDER}, found none: python -m inrcodec.train.meta makes it"
        )
    with np.load(path) as arrays:
        return {key: torch.from_numpy(arrays[key].astype(np.float32)) for key in arrays}


def adapt(loss: Callable[[Tensors], Tensor], tensors: Tensors, rates: list[Tensors]) -> Tensors:
    """Gradient steps on `tensors`, one for each of `rates`, that gradients can pass: the inner loop of MAML with a learned
    rate for every parameter and step (Finn et al. 2017; Li et al. 2017)."""
    for rate in rates:
        gradients = grad(loss)(tensors)
        tensors = {name: tensor - rate[name] * gradients[name] for name, tensor in tensors.items()}
    return tensors


def rgb_only(method: str, signal: Signal) -> None:
    """Raises UnsuitedError for a picture that is not of the kind that bases are learned from."""
    if signal.colour != "rgb":
        raise UnsuitedError(f"method {method}: wanted an RGB picture, as its base has learned from, got {signal.colour}")
