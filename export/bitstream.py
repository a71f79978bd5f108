"""From a fitted INR to the bytes of a file, and the proof that the runtime decodes what torch meant."""

from dataclasses import dataclass

import numpy as np
import torch

from ..models.method import Architecture, Inr
from ..runtime.file import InrFile
from ..runtime.inspect import networks_bytes
from ..runtime.pixels import Metadata, quantize
from ..runtime.profile import STANDARD
from ..runtime.segment import Base, Segment, write_segment
from ..runtime.syntax import Header, write_file
from .quantize import Cost, keep_exact, quantize_networks


class ExportError(RuntimeError):
    """The runtime does not decode what was written: a defect of ours, never of the input."""


@dataclass(frozen=True)
class Exported:
    """A file's bytes, what its networks take of them, and the INR and the pixels (frames, height, width, channels) as a
    decoder has them."""

    data: bytes
    networks_bytes: int
    inr: Inr
    pixels: np.ndarray


def export(
    architecture: Architecture,
    inr: Inr,
    distortion: Cost,
    rate: Cost,
    bit_price: float,
    metadata: Metadata,
    best: bool = False,
    base: Segment | None = None,
) -> Exported:
    """Quantize, write, and check. Costs, and `best`, as in `quantize_networks`. With a `base`, a clip's first segment, the
    file's is another of that clip's."""
    tensors = keep_exact(inr.tensors, architecture.manifest)
    given = tensors, architecture.manifest, distortion, rate, bit_price, architecture.coding, best
    curvatures = architecture.curvatures(tensors, torch.round(inr.latents.detach()))
    groups, decoded = quantize_networks(*given, base.groups if base else {}, curvatures)
    grids = [np.rint(grid.detach().cpu().numpy()).astype(np.int32) for grid in architecture.grids(inr.latents)]
    segment = Segment(architecture.sizes, groups, grids)
    data = to_bytes(architecture, segment, metadata, base)
    done = Inr(decoded, torch.round(inr.latents.detach()))
    pixels = verified(architecture, done, segment, data, base)
    networks = networks_bytes(architecture.manifest, architecture.signal, segment, as_base(base))
    return Exported(data, networks, done, pixels)


def to_bytes(architecture: Architecture, segment: Segment, metadata: Metadata, base: Segment | None = None) -> bytes:
    number = {name: number for number, name in STANDARD.items()}.get(architecture.manifest.name)
    if number is None:
        raise ExportError(f"wanted a profile that runtime/profile.py gives a number, got {architecture.manifest.name}")
    sections = {name: value for name, value in vars(metadata).items() if value}
    payload = write_segment(architecture.manifest, architecture.signal, segment, as_base(base))
    return write_file(Header(architecture.signal, number, sections=sections), payload)


def as_base(segment: Segment | None) -> Base | None:
    return (lambda: segment) if segment else None


def verified(architecture: Architecture, inr: Inr, segment: Segment, data: bytes, base: Segment | None = None) -> np.ndarray:
    """The runtime's pixels. Raises ExportError unless its latents are equal and they equal within one level to torch's."""
    file = InrFile(data, torch.get_num_threads(), base=base)
    for mine, theirs in zip(segment.grids, file.segment().grids):
        if not np.array_equal(mine, theirs):
            raise ExportError("wanted the latents that were written, the runtime decoded others")
    with torch.no_grad():
        image = architecture.render(inr.tensors, inr.latents).cpu().numpy()
    wanted = np.moveaxis(quantize(image, architecture.signal.bit_depth), 1, -1)
    decoded = np.stack(list(file)).reshape(wanted.shape)
    off = max(np.abs(mine.astype(int) - theirs).max() for mine, theirs in zip(wanted, decoded))
    if off > tolerance(architecture.signal.bit_depth):
        raise ExportError(f"wanted torch's pixels within one level, the runtime's are off by {off}")
    return decoded


def tolerance(bit_depth: int) -> int:
    """One level of 8 bits; of 16 bits as many as float32's rounding can make in a picture's sums."""
    return 1 if bit_depth == 8 else 16
