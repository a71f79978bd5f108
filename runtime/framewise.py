"""Symbols that travel frame by frame, each frame's in a stream of its own: a player reads what it shows."""

from dataclasses import replace

import numpy as np

from .coder import Coder
from .group import Group, count, known, shaped
from .profile import Manifest
from .wire import Wire

STREAM_MAX = 2**28  # bytes


def code_frame(
    coder: Coder, manifest: Manifest, sizes: dict[str, int], groups: dict[str, Group], given: int | None = None
) -> dict[str, Group]:
    """What of a segment's `groups` travels frame by frame: write the `given` frame's, or read that which the coder has."""
    groups = dict(groups)
    for name, members in manifest.alone.items():
        group, shapes = groups[name], {tensor: manifest.shape(dimensions, sizes) for tensor, dimensions in members}
        flat = None if given is None else np.concatenate([group.symbols[tensor][given].ravel() for tensor in shapes])
        groups[name] = replace(
            group, symbols=shaped(known(group.model, group.model.code(coder, count(shapes), flat)), shapes)
        )
    return groups


def code_streams(wire: Wire, count: int, given: list[bytes] | None = None) -> list[bytes]:
    """That of all frames, then each frame's."""
    return [wire.blob(given[k] if given else b"", STREAM_MAX) for k in range(count)]
