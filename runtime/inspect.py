"""What is in a file: bytes by section, and the decoder's cost in multiply-accumulates."""

import math
from dataclasses import replace

import numpy as np

from .coder import Meter
from .file import InrFile
from .grids import FIELDS, PAIR, grid_shapes
from .orders import ORDERS
from .profile import Manifest
from .segment import Base, Segment, code_segment
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
    networks = payload
    if file.profile.manifest.levels or file.profile.manifest.framewise:
        networks = min(payload, networks_bytes(file.profile.manifest, file.signal(), file.segment()))
    metadata = len(file.data) - payload - first
    return {"header": first, "metadata": metadata, "networks": networks, "latents": payload - networks}


def networks_bytes(manifest: Manifest, signal: Signal, segment: Segment, base: Base | None = None) -> int:
    """Of a segment's payload, what comes before its latents."""
    meter = Meter()
    code_segment(meter, manifest, signal, segment, latents=False, base=base)
    return round(meter.bits / 8)


def macs_per_pixel(manifest: Manifest, signal: Signal, segment: Segment) -> dict[str, float]:
    """Multiply-accumulates per pixel of convolutions and matrix products, as a whole picture takes them, by stage."""
    sizes = {name: symbols.size for group in segment.groups.values() for name, symbols in group.symbols.items()}
    weights = {name: n for name, n in sizes.items() if name.endswith("weight")}
    if manifest.squares:
        return {"synthesis": _of_bytes(segment) / (signal.height * signal.width)}
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
    if manifest.motion and signal.frames > 1:
        return _of_predicted(manifest, signal, segment, weights)
    synthesis = sum(n for name, n in weights.items() if name.startswith("synthesis."))
    areas = [h * w for h, w in grid_shapes(signal, manifest.levels)]
    per_latent = sum(n for name, n in weights.items() if name.startswith("context."))
    per_latent /= ORDERS[manifest.order]  # each network codes as many
    coded = [*areas, *areas[len(areas) - manifest.hyper :], *(PAIR * areas[level] for level in manifest.chroma)]
    inter = [n for name, n in weights.items() if name.startswith("inter.")]
    context = per_latent * sum(coded) + sum(n * area for n, area in zip(inter, areas[1:]))
    each = FILTER if "upsampling.filters" in sizes else 0
    stack = [1 + PAIR * (level in manifest.chroma) for level in range(manifest.levels)]
    shapes = {name: symbols.shape for group in segment.groups.values() for name, symbols in group.symbols.items()}
    for level in manifest.mixed:
        stack[level] += shapes[f"mixing{level}.last.weight"][0]
    upsampling = sum((DOUBLING * sum(stack[k + 1 :]) + each) * area for k, area in enumerate(areas[:-1]))
    upsampling += sum(n * areas[k] for name, n in weights.items() for k in manifest.mixed if name.startswith(f"mixing{k}."))
    return {"context": context / signal.pixels, "upsampling": upsampling / signal.pixels, "synthesis": float(synthesis)}


def _of_predicted(manifest: Manifest, signal: Signal, segment: Segment, weights: dict[str, int]) -> dict[str, float]:
    """A mean frame's of a segment of which all but the first are predicted; moving pixels counts as none."""
    assert manifest.motion
    alone = macs_per_pixel(replace(manifest, motion=None), replace(signal, frames=1), segment)
    others, pixels = signal.frames - 1, signal.height * signal.width
    areas = [h * w for h, w in grid_shapes(signal, manifest.levels)]
    coded = {"added.": sum(areas[manifest.motion.added :]), "flow.": FIELDS * sum(areas[manifest.motion.flow :])}
    context = sum(
        n * coded[prefix] for name, n in weights.items() for prefix in coded if name.startswith(prefix + "context.")
    )
    inter = [n for name, n in weights.items() if name.startswith("added.inter.")]
    context += sum(n * area for n, area in zip(inter, areas[manifest.motion.added + 1 :]))
    synthesis = sum(n for name, n in weights.items() if name.startswith(("added.synthesis.", "added.seen.")))
    predicted = {"context": context / pixels, "upsampling": alone["upsampling"], "synthesis": float(synthesis)}
    return {stage: (alone[stage] + others * predicted[stage]) / signal.frames for stage in alone}


def _of_stages(manifest: Manifest, segment: Segment) -> float:
    """Multiply-accumulates a frame: convolutions act in every place of their map, other products once.

    "stage0.weight" and whatever has its number, as "group0.weight", act on the map that stage 0 takes; its blocks and
    residuals on the one that it gives; local tables are as large as its stride. Where there are such as "mix2.weight", they
    mix a frame with so many neighbours, which are made too. All of this is done for each of a frame's `patches`.
    """
    shapes = {name: symbols.shape for group in segment.groups.values() for name, symbols in group.symbols.items()}
    convolutions = {n for n, dimensions, _ in manifest.tensors if len(dimensions) > 3 and isinstance(dimensions[-1], int)}
    scales: list[int] = []  # by stage, of a map's area
    while f"stage{len(scales)}.weight" in shapes:
        local = shapes.get(f"stage{len(scales)}.local0")
        scales += [int(np.prod(local[2:])) if local else shapes[f"stage{len(scales)}.weight"][1]]
    maps = [
        segment.sizes["grid_rows"] * segment.sizes["grid_columns"] * math.prod(scales[:i]) for i in range(len(scales) + 1)
    ]

    halves: dict[str, int] = {}  # of key frames, each half as large as the one before
    for k, encoder in enumerate(sorted((n.split(".")[0] for n in convolutions if n.startswith("encoder")), reverse=True), 1):
        keys, *_, rows, columns = shapes["key0"]
        halves[encoder] = keys * -(-BLOCK * rows >> k) * -(-BLOCK * columns >> k)

    def places(name: str) -> int:
        first, *inner = name.removesuffix(".weight").split(".")
        if name not in convolutions:
            return 1
        if first in ("stem", "head"):
            return maps[0 if first == "stem" else -1]
        if first.startswith("encoder"):
            return halves[first]
        i = int(first.lstrip("abcdefghijklmnopqrstuvwxyz"))
        return scales[i] if inner == ["local"] else maps[i + bool(inner and inner[0].startswith(("block", "residual")))]

    made = 1 + next((shape[0] for name, shape in shapes.items() if name.startswith("mix")), 0)
    products = {name: float(np.prod(shape)) * places(name) for name, shape in shapes.items() if name.endswith("weight")}
    once = sum(n * (1 if name.startswith("mix") else made) for name, n in products.items())
    return once * segment.sizes.get("patches", 1)


def _of_bytes(segment: Segment) -> float:
    """Multiply-accumulates a frame: the stem's on its map, all others' on one of twice as many rows and columns."""
    places = segment.sizes["grid_rows"] * segment.sizes["grid_columns"]
    symbols = (group.symbols.items() for group in segment.groups.values())
    weights = {name: values.size for group in symbols for name, values in group if name.endswith("weight")}
    return places * (4.0 * sum(weights.values()) - 3 * weights["stem.weight"])


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
