"""What is in a file: bytes by section, and the decoder's cost in multiply-accumulates."""

from dataclasses import replace
from functools import partial

import numpy as np

from .coder import Meter
from .decoder import InrFile
from .orders import ORDERS
from .profile import Manifest
from .segment import Segment, code_segment, grid_shapes
from .syntax import MAGIC, Signal, code_header
from .wire import Writer

BEFORE_HEADER = len(MAGIC) + 1 + 4  # version, checksum
# Multiply-accumulates as the graph does them: per output sample of an x2 upsampling, per filtered sample of a finer grid.
DOUBLING, FILTER = 7.5, 14
BLOCK = 8  # of a key frame, pixels
KEY = 2 * BLOCK**3  # per block and channel


def section_bytes(file: InrFile) -> dict[str, int]:
    """Bytes of the header, the metadata, the networks and the latents of a file; they add up to it."""
    plain = Writer()
    code_header(plain, replace(file.header, sections={}))
    first, payload = BEFORE_HEADER + len(plain.data), sum(entry.size for entry in file.index)
    networks = min(payload, sum(map(partial(networks_bytes, file), range(len(file.index)))))
    metadata = len(file.data) - payload - first
    return {"header": first, "metadata": metadata, "networks": networks, "latents": payload - networks}


def networks_bytes(file: InrFile, k: int) -> int:
    """Of the k-th segment."""
    meter = Meter()
    code_segment(meter, file.profile.manifest, file.signal(k), file.segment(k), latents=False)
    return round(meter.bits / 8)


def macs_per_pixel(manifest: Manifest, signal: Signal, segment: Segment) -> dict[str, float]:
    """Multiply-accumulates per pixel of convolutions and matrix products, as a whole picture takes them, by stage."""
    sizes = {name: symbols.size for group in segment.groups.values() for name, symbols in group.symbols.items()}
    weights = {name: n for name, n in sizes.items() if name.endswith("weight")}
    keys = KEY * sizes.get("key0", 0) / (signal.height * signal.width)
    if "grid_rows" in segment.sizes:
        return {"synthesis": keys + _of_stages(manifest, segment) / (signal.height * signal.width)}
    if "maps" in segment.sizes:
        return {"synthesis": _of_patches(signal, segment) / (signal.height * signal.width)}
    if not manifest.levels:
        # Unless it sees tables, a first layer sees positions: half of it is computed once a row, half once a column.
        first = [] if "table0" in sizes else [n for name, n in weights.items() if name.endswith("first.weight")]
        often = (signal.height + signal.width) / 2 / (signal.height * signal.width)
        once = sum(weights.values()) - (1 - often) * sum(first)
        mixed = segment.sizes.get("networks", 1)  # before a pixel is made, networks become one
        mixing = (
            (sum(sizes.values()) - sizes["coefficients"]) / (signal.height * signal.width) if "coefficients" in sizes else 0
        )
        return {"synthesis": manifest.macs + keys + once / mixed + mixing}
    synthesis = sum(n for name, n in weights.items() if name.startswith("synthesis."))
    areas = [h * w for h, w in grid_shapes(signal, manifest.levels)]
    per_latent = sum(n for name, n in weights.items() if name.startswith("context."))
    per_latent /= ORDERS[manifest.order]  # each network codes as many
    coded = [*areas, *areas[len(areas) - manifest.hyper :]]
    inter = [n for name, n in weights.items() if name.startswith("inter.")]
    context = per_latent * sum(coded) + sum(n * area for n, area in zip(inter, areas[1:]))
    each = FILTER if "upsampling.filters" in sizes else 0
    upsampling = sum((DOUBLING * (manifest.levels - 1 - k) + each) * area for k, area in enumerate(areas[:-1]))
    return {"context": context / signal.pixels, "upsampling": upsampling / signal.pixels, "synthesis": float(synthesis)}


def _of_stages(manifest: Manifest, segment: Segment) -> float:
    """Multiply-accumulates a frame: convolutions act in every place of their stage's map, other products once."""
    shapes = {name: symbols.shape for group in segment.groups.values() for name, symbols in group.symbols.items()}
    convolutions = {
        name for name, dimensions, _ in manifest.tensors if len(dimensions) > 3 and isinstance(dimensions[-1], int)
    }
    area = segment.sizes["grid_rows"] * segment.sizes["grid_columns"]
    areas = {"stem": area}
    for stage in sorted(name for name in shapes if name.startswith("stage") and name.count(".") == 1 and "weight" in name):
        areas[stage.split(".")[0]] = area
        area *= shapes[stage][1]
    areas["head"] = area
    halves = [name.split(".")[0] for name in shapes if name.startswith("encoder") and "weight" in name]
    for k, encoder in enumerate(sorted(halves, reverse=True), 1):  # of key frames, each half as large as the one before
        keys, *_, rows, columns = shapes["key0"]
        areas[encoder] = keys * -(-BLOCK * rows >> k) * -(-BLOCK * columns >> k)
    weights = {name: float(np.prod(shape)) for name, shape in shapes.items() if name.endswith("weight")}
    return sum(n * (areas[name.split(".")[0]] if name in convolutions else 1) for name, n in weights.items())


def _of_patches(signal: Signal, segment: Segment) -> float:
    """Multiply-accumulates a frame: a perceptron in each patch, then a frame's convolutions of the patches' maps."""
    shapes = {name: symbols.shape for group in segment.groups.values() for name, symbols in group.symbols.items()}
    weights = {name: float(np.prod(shape)) for name, shape in shapes.items() if name.endswith("weight")}
    samples = shapes["last.weight"][2]  # of a map, a quarter of the patch's pixels
    rows, columns = (-(-side // round(2 * samples**0.5)) for side in (signal.height, signal.width))
    up, head = weights.pop("stage0.weight"), weights.pop("head.weight")
    convolutions = rows * columns * samples * (up + 4 * head) / signal.frames
    time, first = weights.pop("time.weight"), weights.pop("first.weight")
    return convolutions + time + first / 2 * (rows + columns) + sum(weights.values()) * rows * columns
