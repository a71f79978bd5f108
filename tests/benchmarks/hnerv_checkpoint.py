"""A known answer: HNeRV's published quantized checkpoint of Bunny, as an .inr file that our runtime decodes.

    python tests/benchmarks/hnerv_checkpoint.py quant_vid.pth BUNNY [--finer 4] [--first 2] [--every 4] [-o bunny.inr]

`quant_vid.pth` lies in HNeRV's repository (checkpoints/): embeddings and weights as bytes, value = min + scale * byte with a
min and a scale for each row of some dimensions. BUNNY is the clip that it was fitted to, a video or a folder of its pictures,
of which the middle 640 rows count. Steps of ours have no offset and are one a tensor: powers of two, at most 1 / `finer` of
the checkpoint's median one. The network's strides are no standard profile's, so that its graph travels in the file.
"""

import argparse
from collections.abc import Mapping
from math import ceil, log2
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inrcodec.export.graphs import to_onnx, with_manifest
from inrcodec.export.quantize import group_of
from inrcodec.models.clip import GRID
from inrcodec.models.field import WHOLE, field_graph
from inrcodec.models.method import Tensors
from inrcodec.models.parts.upconv import Stages
from inrcodec.models.video.hnerv import STEM, bounded, stem
from inrcodec.runtime.clip import ClipFacts, code_facts
from inrcodec.runtime.file import InrFile
from inrcodec.runtime.pixels import write_atomically
from inrcodec.runtime.profile import Manifest, Profile, bundle
from inrcodec.runtime.segment import Segment, write_segment
from inrcodec.runtime.syntax import Header, Signal, write_file
from inrcodec.runtime.wire import Writer
from inrcodec.train.clips import open_clip
from inrcodec.train.metrics import psnr

STAGES = Stages((5, 4, 4, 2, 2), (1, 3, 5, 5, 5))
MANIFEST = Manifest("hnerv_320", (*GRID, *STAGES.sizes), (*STEM, *STAGES.entries), halo=WHOLE, method="hnerv")
# Ours by theirs, but for the numbers of stages.
NAMES = {"decoder.0.conv.downconv": "stem", "head_layer": "head"}
NAMES |= {f"decoder.{i + 1}.conv.upconv.0": f"stage{i}" for i in range(len(STAGES.strides))}


def image(tensors: Tensors) -> torch.Tensor:
    return bounded(STAGES.image(stem(tensors), tensors))


def profile() -> Profile:
    return Profile((with_manifest(to_onnx(field_graph(MANIFEST, image)), MANIFEST),))


def read(checkpoint: Mapping[str, Any]) -> tuple[Tensors, dict[str, float]]:
    """Our tensors, and the median scale of each. Raises KeyError for what is no such checkpoint."""
    theirs = {f"{NAMES[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": t for name, t in checkpoint["model"].items()}
    theirs["embedding"] = checkpoint["embed"]
    tensors, scales = {}, {}
    for name, _, _ in MANIFEST.tensors:
        low, scale = theirs[name]["min"].double(), theirs[name]["scale"].double()
        values = (low + scale * theirs[name]["quant"]).float()
        if name.startswith("stage"):
            values = values.unflatten(0, (-1, STAGES.strides[int(name[5])] ** 2))
        tensors[name], scales[name] = values, float(scale.median())
    return tensors, scales


def encode(checkpoint: Mapping[str, Any], finer: float) -> bytes:
    """The whole file; its frames are as many as there are embeddings."""
    tensors, scales = read(checkpoint)
    frames, _, rows, columns = tensors["embedding"].shape
    widths = [len(tensors["stem.weight"]), *(len(tensors[f"stage{i}.weight"]) for i in range(len(STAGES.strides)))]
    sizes = {"grid_rows": rows, "grid_columns": columns, **{f"width{i}": n for i, n in enumerate(widths)}}
    groups = {name: group_of(tensors, [name], ceil(log2(finer / scales[name]))) for name in tensors}
    signal = Signal(rows * STAGES.scale, columns * STAGES.scale, frames=frames)
    wire, graphs = Writer(), profile()
    code_facts(wire, (frames, signal.height, signal.width), ClipFacts(frames, signal.height, signal.width))
    header = Header(signal, 0, graphs.digest, {"graphs": bundle(graphs), "clip": bytes(wire.data)})
    return write_file(header, write_segment(MANIFEST, signal, Segment(sizes, groups)))


def middle(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
    return frame[top : top + height, left : left + width]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--finer", type=float, default=4)
    parser.add_argument("--first", type=int, default=2, help="frame that is measured (default 2)")
    parser.add_argument("--every", type=int, default=4, help="frames to the next that is (default 4)")
    parser.add_argument("-o", "--output", type=Path, help="where the file goes")
    options = parser.parse_args()
    data = encode(torch.load(options.checkpoint, map_location="cpu", weights_only=True), options.finer)
    if options.output:
        write_atomically(options.output, data)
    file, clip = InrFile(data, trust_graph=True), open_clip(options.clip)
    height, width, _ = file.shape
    numbers = range(options.first, len(file), options.every)
    found = [psnr(middle(clip.read(k, k + 1)[0], height, width), file[k]) for k in numbers]
    bpp = 8 * len(data) / file.header.signal.pixels
    some = f"{len(found)} frames from {options.first} by {options.every}"
    print(f"{len(data)} bytes, {bpp:.4f} bpp; {np.mean(found):.2f} dB over {some}: {min(found):.2f} to {max(found):.2f}")


if __name__ == "__main__":
    main()
