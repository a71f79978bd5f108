"""Golden files: NAME.inr, and what it decodes to in NAME.npz. Made once; a file that is there is never made anew.

python tests/vectors/make.py
"""

import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

from inrcodec.models import METHODS
from inrcodec.models.image.pyramid import Size
from inrcodec.runtime.decoder import decode
from inrcodec.runtime.pixels import Metadata
from inrcodec.runtime.profile import STANDARD
from inrcodec.train.clips import clip_from_array
from inrcodec.train.encode import encode_picture
from inrcodec.train.goal import Goal
from inrcodec.train.pictures import Picture
from inrcodec.train.segments import encode_clip

HERE = Path(__file__).parent
# height, width, channels, samples, lambda, iterations: every profile, depth, number of channels and context size; odd sides.
# Those whose names begin with "fast" are tuned for fast decoding, others with their method's; a "set" is of three pictures,
# and "chroma" has grids for colour, "mixed" mixed features as well, and as many levels as it says, however small. Of "apart"
# the tensors have steps of their own, as all may have that were made since.
KINDS = {
    "rgb8": (64, 96, 3, np.uint8, 1e-3, 300),
    "rgb8_high_rate": (128, 128, 3, np.uint8, 1e-5, 200),
    "grey8_odd": (33, 47, 1, np.uint8, 1e-3, 100),
    "grey16": (40, 56, 1, np.uint16, 1e-4, 100),
    "grey_alpha8": (17, 90, 2, np.uint8, 1e-3, 100),
    "rgb16_strip": (1, 301, 3, np.uint16, 1e-4, 60),
    "rgba8_metadata": (51, 40, 4, np.uint8, 1e-3, 100),
    "rgba16_pixel": (1, 1, 4, np.uint16, 1e-3, 20),
    "rgb8_eight_levels": (257, 4096, 3, np.uint8, 1e-2, 8),
    "grey8_nine_levels": (4097, 769, 1, np.uint8, 1e-2, 8),
    "fast_rgb8": (65, 97, 3, np.uint8, 1e-3, 300),
    "fast_rgb8_high_rate": (256, 256, 3, np.uint8, 3e-6, 60),
    "fast_grey16_strip": (1, 301, 1, np.uint16, 1e-4, 60),
    "fast_rgba8": (33, 46, 4, np.uint8, 1e-3, 100),
    "fast_rgb16_pixel": (1, 1, 3, np.uint16, 1e-3, 20),
    "fast_grey8_eight_levels": (4096, 257, 1, np.uint8, 1e-3, 20),
    "siren_rgb8": (40, 56, 3, np.uint8, 1e-4, 300),
    "coin_rgb8_five": (64, 96, 3, np.uint8, 1e-5, 200),
    "coin_grey16_ten": (64, 96, 1, np.uint16, 3e-6, 100),
    "coin_rgba8_thirteen": (63, 95, 4, np.uint8, 1e-7, 600),
    "cool_chic_rgb8": (64, 96, 3, np.uint8, 1e-3, 200),
    "cool_chic_grey16_odd": (33, 47, 1, np.uint16, 1e-4, 100),
    "c3_rgb8": (64, 96, 3, np.uint8, 1e-3, 200),
    "c3_rgba8_strip": (1, 301, 4, np.uint8, 1e-4, 60),
    "eqlinr_rgb8": (64, 96, 3, np.uint8, 1e-3, 200),
    "eqlinr_grey_alpha8_odd": (51, 33, 2, np.uint8, 1e-4, 100),
    "fourier_rgb8": (40, 56, 3, np.uint8, 1e-4, 200),
    "strumpler_rgb8": (40, 56, 3, np.uint8, 1e-4, 200),
    "strumpler_meta_rgb8_narrow": (40, 56, 3, np.uint8, 1e-4, 200),
    "strumpler_meta_rgb16_wide": (64, 96, 3, np.uint16, 2e-6, 100),
    "l0onie_grey8": (40, 56, 1, np.uint8, 1e-4, 200),
    "rqat_inr_rgb8_odd": (33, 47, 3, np.uint8, 1e-4, 200),
    "nif_rgba8": (40, 56, 4, np.uint8, 1e-3, 100),
    "hash_grid_rgb8": (64, 96, 3, np.uint8, 1e-4, 200),
    "coinpp_rgb8_odd": (65, 97, 3, np.uint8, 1e-3, 60),
    "pham_rgb16_odd": (65, 97, 3, np.uint16, 1e-3, 60),
    "sinco_rgb8": (40, 56, 3, np.uint8, 1e-4, 200),
    "sanjeet_rgb8_set": (40, 56, 3, np.uint8, 1e-4, 200),
    "coinpp_rgb8_set": (40, 56, 3, np.uint8, 1e-3, 60),
    "fast_grey8_nine_levels": (769, 4097, 1, np.uint8, 1e-2, 8),
    "chroma_rgb8_odd": (67, 99, 3, np.uint8, 1e-3, 200),
    "chroma_rgba16_strip": (301, 1, 4, np.uint16, 1e-4, 60),
    "chroma_rgb8_eight_levels": (40, 290, 3, np.uint8, 1e-3, 60),
    "chroma_rgb8_nine_levels": (300, 33, 3, np.uint8, 1e-3, 60),
    "mixed_rgb8_odd": (67, 99, 3, np.uint8, 1e-3, 200),
    "mixed_rgba16": (50, 80, 4, np.uint16, 1e-3, 100),
    "mixed_rgb8_eight_levels": (40, 290, 3, np.uint8, 1e-3, 60),
    "mixed_rgb8_nine_levels": (290, 40, 3, np.uint8, 1e-3, 60),
    "apart_rgb8_odd": (67, 99, 3, np.uint8, 3e-3, 200),
}
# Every video method: two segments of small frames, and one with the graphs of large ones, where the method has those.
CLIPS = {f"{name}_clip": (6, 33, 47) for name, build in METHODS.items() if build().kind == "video"}
CLIPS |= {f"{name}_clip": (2, 90, 170) for name in STANDARD.values() if name.endswith("_large")}


def scene(height: int, width: int, channels: int, dtype: type) -> np.ndarray:
    """A disc before a gradient, waves, and a little noise."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    disc = ((y - 0.3) ** 2 + (x - 0.5) ** 2 < 0.05).astype(float)
    waves = 0.1 * np.sin(60 * x) * np.cos(45 * y)
    planes = [0.2 + 0.5 * x + 0.3 * disc + waves, 0.8 - 0.6 * y + waves, 0.5 + 0.4 * disc * x, 0.3 + 0.5 * y][:channels]
    noise = np.random.default_rng(0).normal(0, 0.01, (height, width, channels))
    return (np.clip(np.stack(planes, -1) + noise, 0, 1) * np.iinfo(dtype).max).astype(dtype)


def crossing(frames: int, height: int, width: int) -> np.ndarray:
    """A scene that moves by two pixels a frame."""
    wide = scene(height, width + 2 * frames, 3, np.uint8)
    return np.stack([wide[:, 2 * k : 2 * k + width] for k in range(frames)])


def main() -> None:
    pictures()
    for name, size in CLIPS.items():
        path = HERE / f"{name}.inr"
        if path.exists():
            continue
        method = max((method for method in METHODS if name.startswith(f"{method}_")), key=len)
        options = {"method": method, "iterations": 60, "threads": 1}
        options |= {"first_frames": [0, 4]} if "large" not in name else {}
        with tempfile.TemporaryDirectory() as folder, patch("inrcodec.models.clip.LARGE", 1 if "large" in name else 2**19):
            clip = clip_from_array(crossing(*size))
            path.write_bytes(encode_clip(clip, Path(folder) / "segments", goal=Goal("lmbda", 1e-3), **options).data)
        save(path)


def pictures() -> None:
    for name, (height, width, channels, dtype, lmbda, iterations) in KINDS.items():
        path = HERE / f"{name}.inr"
        if path.exists():
            continue
        carried = Metadata(icc=b"profile" * 9, exif=b"MM\0*", xmp=b"<x/>") if "metadata" in name else Metadata()
        pixels = scene(height, width, channels, dtype)
        if name.endswith("_set"):
            pixels = np.stack([pixels, pixels[::-1], pixels[:, ::-1]])
        picture = Picture(pixels, carried, ())
        method = max((method for method in METHODS if name.startswith(f"{method}_")), key=len, default="pyramid")
        options = {"tune": "fastdecode"} if name.startswith("fast_") else {"method": method}
        options |= {"tune": "meta"} if "_meta_" in name else {}
        sizes = {"WIDE": 2**32}
        if name.startswith("mixed_"):
            sizes["RICH_SIZES"] = ((float("inf"), Size(6, 2, 8, mixing=5)),)
        if name.startswith(("chroma_", "mixed_")):
            sizes |= {"WIDE": 1, "RICH": 0, "LARGE": 0 if "levels" in name else 2**32, "HUGE": 0 if "nine" in name else 2**32}
        with patch.multiple("inrcodec.models.image.pyramid", **sizes):
            result = encode_picture(picture, goal=Goal("lmbda", lmbda), iterations=iterations, threads=1, **options)
        path.write_bytes(result.data)
        save(path)


def save(path: Path) -> None:
    np.savez_compressed(path.with_suffix(".npz"), pixels=decode(path))
    print(path.name, path.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
