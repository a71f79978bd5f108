"""Checkpoints: all that an interrupted fit needs to go on, and of which encode it is."""

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import torch

from ..runtime.pixels import write_atomically
from .options import EncodeError
from .pictures import Picture


def fingerprint(picture: Picture, *options: object) -> str:
    """Of everything that a checkpoint depends on."""
    return hashlib.sha256(picture.pixels.tobytes() + repr((picture.pixels.shape, options)).encode()).hexdigest()


def keyed(options: Mapping[str, object]) -> list[tuple[str, object]]:
    """Those that an encode must share with the one that it goes on from: neither the device nor the threads."""
    return sorted((name, value) for name, value in options.items() if name not in ("device", "threads"))


def save_checkpoint(path: Path, key: str, state: dict) -> None:
    """Whole or not at all."""
    buffer = BytesIO()
    torch.save({"key": key, **state}, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path, key: str) -> dict | None:
    """None where there is none. Raises EncodeError for one of another encode."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:
        raise EncodeError(f"--resume: wanted a checkpoint in {path}, got {error.__class__.__name__}: {error}") from None
    if not isinstance(state, dict) or state.get("key") != key:
        raise EncodeError(f"--resume: {path} is of another picture or other options; delete it to start anew")
    return state
