"""What whoever encodes may choose, checked before long work."""

import argparse
import math
from typing import Any

import torch

from ..models import METHODS
from ..models.method import Method
from .presets import PRESETS


class EncodeError(ValueError):
    """Options or a machine that cannot serve; says what was wanted and what came."""


def chosen(options: argparse.Namespace, *others: str) -> dict[str, Any]:
    """What a command was told of a fit, as arguments of `encode_picture`. `others`: those that not all commands have.

    Without a method where none is named: which it is depends on the source.
    """
    names = ("method", "tune", "coding", "preset", "iterations", "device", "threads", "seed", *others)
    return {name: getattr(options, name) for name in names if name != "method" or options.method}


def choose_method(name: str, tune: str | None = None) -> Method:
    if name not in METHODS:
        raise EncodeError(f"--method: wanted one of {', '.join(METHODS)}, got {name}")
    if tune is None:
        return METHODS[name]()
    if tune not in (tunes := METHODS[name]().tunes):
        raise EncodeError(f"--tune: wanted {' or '.join(tunes) or 'nothing'} with method {name}, got {tune}")
    return METHODS[name](tune=tune)


def choose_coding(name: str) -> bool:
    if name not in ("paper", "best"):
        raise EncodeError(f"--coding: wanted paper or best, got {name}")
    return name == "best"


def choose_device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise EncodeError(f"--device: wanted auto, cpu or cuda, got {name}")
    if name == "cuda" and not torch.cuda.is_available():
        raise EncodeError("--device: wanted cuda, but torch finds no CUDA device")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def choose_iterations(preset: str, iterations: int | None) -> int:
    if preset not in PRESETS:
        raise EncodeError(f"--preset: wanted one of {', '.join(PRESETS)}, got {preset}")
    return PRESETS[preset] if iterations is None else int(positive("--iterations", iterations))


def positive(option: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise EncodeError(f"{option}: wanted a positive number, got {value}")
    return value
