"""PS-NeRV: NeRV for patches, from a frame's time and a patch's place in it. Bai et al. 2023.

    t, patch row, patch column -> PosEnc(1.25, 80) each -> 512 -> map (rows, columns, d) -> stages of 3x3, halved -> sigmoid

A frame is 2x4 patches, all made at once and laid side by side: convolutions do not see across, and nothing hides the seams.
What a stage gives is normalized, and its scale and shift come of the perceptron (AdaIN). Fitted and pruned as NeRV.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..clip import GRID, SCHEDULES, clip_field, grid, profiles_of, schedule
from ..field import WHOLE, Field
from ..method import Method, Paper, Tensors
from ..parts.conditioning import adain, adain_entries
from ..parts.temporal import embedded, time
from .nerv import BASE, BITS, COUNT, LEAST, REDUCTION, hidden_layer, hidden_width, recipe, stages, stem, stem_entries

DOWN, ACROSS = 2, 4  # patches of a frame
FEW = 16  # of the perceptron, which sees three times as much as NeRV's, where the weights are not millions


def manifest(name: str) -> Manifest:
    styles = (e for i in range(len(SCHEDULES[name])) for e in adain_entries(f"style{i + 1}", "hidden", f"width{i + 1}"))
    sizes = (("patches", DOWN * ACROSS), ("hidden", 4096), *GRID, *stages(name).sizes)
    entries = (*stem_entries(6 * COUNT), *styles, *stages(name).entries)
    return Manifest(f"ps_nerv_{name}", sizes, entries, halo=WHOLE, method="ps_nerv")


def features(t: Tensor) -> Tensor:
    """(patches, 6 COUNT)"""
    down, across = (torch.arange(n, device=t.device) / n for n in (DOWN, ACROSS))
    parts = (
        embedded(t, BASE, COUNT)[:, None].expand(DOWN, ACROSS, -1),
        embedded(down, BASE, COUNT)[:, None].expand(-1, ACROSS, -1),
        embedded(across, BASE, COUNT)[None].expand(DOWN, -1, -1),
    )
    return torch.cat(parts, 2).flatten(0, 1)


def stitched(patches: Tensor) -> Tensor:
    """(patches, channels, h, w) -> (channels, DOWN h, ACROSS w)"""
    return patches.unflatten(0, (DOWN, ACROSS)).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)


def image_of(name: str):
    def image(tensors: Tensors) -> Tensor:
        vectors = hidden_layer(features(time(tensors)), tensors)

        def between(i: int, x: Tensor) -> Tensor:
            return adain(f"style{i}", x, vectors, tensors) if i else x

        return torch.sigmoid(stitched(stages(name).images(stem(vectors, tensors), tensors, between)))

    return image


def build(signal: Signal, nbytes: float) -> Field:
    name = schedule(signal)
    parts, most = stages(name), 8 * nbytes / BITS
    patch = replace(signal, height=math.ceil(signal.height / DOWN), width=math.ceil(signal.width / ACROSS))

    def sizes(first: int) -> dict[str, int]:
        fixed = {"patches": DOWN * ACROSS, "hidden": hidden_width(most, FEW)}
        return fixed | grid(patch, parts.scale) | parts.widths(first, REDUCTION, LEAST)

    made = manifest(name)
    return clip_field(signal, made, image_of(name), sizes, most, dict.fromkeys(made.groups, "8 bits"))


profiles = profiles_of(manifest, image_of, most=16)


def ps_nerv() -> Method:
    title = "PS-NeRV: patch-wise stylized neural representations for videos"
    paper = Paper(title, 2023, "Y. Bai, C. Dong, C. Wang, C. Yuan", "ICIP 2023")
    return Method("ps_nerv", "video", paper, build, recipe, profiles, sets=True)
