"""How much memory a large picture takes to decode: 4096x4096, of latents made up, with and without the kernel.

    python tests/benchmarks/memory.py [--side 4096]

Growth of the process's peak over that after a small decode, beside what is promised: 64 MiB and eight times the output.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from inrcodec.export.bitstream import to_bytes
from inrcodec.export.quantize import group_of
from inrcodec.models.image.pyramid import CHROMA, Size, architecture
from inrcodec.runtime.grids import kinds
from inrcodec.runtime.native import SWITCH
from inrcodec.runtime.pixels import Metadata
from inrcodec.runtime.segment import Segment
from inrcodec.runtime.syntax import Signal

SMALL = Path(__file__).parents[1] / "vectors" / "rgb8.inr"
MEASURE = """
import sys, time
import inrcodec
from inrcodec.runtime.speed import peak_memory
inrcodec.decode(sys.argv[1], 1)
before, began = peak_memory(), time.monotonic()
pixels = inrcodec.decode(sys.argv[2], 1)
growth, promised, seconds = peak_memory() - before, 64 + 8 * pixels.nbytes / 2**20, time.monotonic() - began
print(f"{growth:.0f} MiB more, {promised:.0f} promised; {seconds:.1f} s")
"""


SIZES = {"raster": Size(14, 6, 32), "parallel": Size(8, 4, 16, 8)}


def made_up(side: int, order: str) -> bytes:
    """A file of large networks and noisy latents, unfitted."""
    made = architecture(Signal(side, side), SIZES[order], order, chroma=CHROMA if order == "raster" else ())
    tensors = made.init(torch.full((1, 3, 8, 8), 0.5), torch.Generator().manual_seed(0)).tensors
    groups = {}
    for group, members in made.manifest.groups.items():
        groups[group] = group_of(tensors, [name for name, _ in members], 8)
    shapes = [shape for kind in kinds(made.manifest, made.signal) for shape in (*kind.hyper[::-1], *kind.shapes[::-1])]
    rng = np.random.default_rng(0)
    grids = [np.rint(rng.laplace(0, 0.12, shape)).astype(np.int32) for shape in shapes]
    return to_bytes(made, Segment(made.sizes, groups, grids), Metadata())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.inr"
        for order in SIZES:
            path.write_bytes(made_up(options.side, order))
            for name, switch in (("with the kernel", "1"), ("NumPy alone", "0")):
                command = [sys.executable, "-c", MEASURE, str(SMALL), str(path)]
                done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, SWITCH: switch})
                print(f"{options.side}x{options.side}, {order} order, {name}: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
