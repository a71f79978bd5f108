"""What is in a file: bytes by section, and the decoder's cost in multiply-accumulates."""

from dataclasses import replace

from .coder import Meter
from .orders import ORDERS
from .profile import Manifest
from .segment import Segment, code_segment, grid_shapes
from .syntax import MAGIC, Header, Signal, code_header
from .wire import Writer

BEFORE_HEADER = len(MAGIC) + 1 + 4  # version, checksum
# Multiply-accumulates as the graph does them: per output sample of an x2 upsampling, per filtered sample of a finer grid.
DOUBLING, FILTER = 7.5, 14


def section_bytes(header: Header, manifest: Manifest, segment: Segment, total: int, payload: int) -> dict[str, int]:
    """Bytes of the header, the metadata, the networks and the latents of a file of `total`; they add up to it."""
    plain = Writer()
    code_header(plain, replace(header, sections={}))
    meter = Meter()
    code_segment(meter, manifest, header.signal, segment, latents=False)
    networks = min(payload, round(meter.bits / 8))
    first = BEFORE_HEADER + len(plain.data)
    return {"header": first, "metadata": total - payload - first, "networks": networks, "latents": payload - networks}


def macs_per_pixel(manifest: Manifest, signal: Signal, segment: Segment) -> dict[str, float]:
    """Multiply-accumulates per pixel of convolutions and matrix products, as a whole picture takes them, by stage."""
    sizes = {name: symbols.size for group in segment.groups.values() for name, symbols in group.symbols.items()}
    weights = {name: n for name, n in sizes.items() if name.endswith("weight")}
    if not manifest.levels:
        # Unless it sees tables, a first layer sees positions: half of it is computed once a row, half once a column.
        first = [] if "table0" in sizes else [n for name, n in weights.items() if name.endswith("first.weight")]
        often = (signal.height + signal.width) / 2 / signal.pixels
        return {"synthesis": manifest.macs + sum(weights.values()) - (1 - often) * sum(first)}
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
