"""inrcodec: an image codec that overfits a small neural representation to each picture and decodes it anywhere.

pixels = inrcodec.decode("photo.inr")         numpy, onnxruntime and constriction alone
data = inrcodec.encode("photo.png")           needs the `train` extra
"""

import builtins
from typing import Any

from .runtime import BitstreamError, InrFile, decode, open
from .runtime.InrImagePlugin import register_when_pillow_loads

__version__ = "0.1.0"
__all__ = ["BitstreamError", "InrFile", "decode", "encode", "open"]


def encode(
    source: Any,
    *,
    lmbda: float | None = None,
    bpp: float | None = None,
    bytes: int | None = None,
    psnr: float | None = None,
    method: str | None = None,
    tune: str | None = None,
    coding: str | None = None,
    preset: str | None = None,
    iterations: int | None = None,
    seconds: float | None = None,
    device: str | None = None,
    threads: int | None = None,
    seed: int | None = None,
) -> builtins.bytes:
    """The bytes of an .inr file; options are those of `inrc encode`, and what is None is as there; of the goals (`lmbda` to
    `psnr`) at most one.

    `source` is a path of a picture or a clip, an array (H, W[, C]) of uint8 or uint16, or, for methods that take sets, a
    list of such. Raises ValueError for what cannot be encoded so.
    """
    from .train.goal import Goal
    from .train.sources import encode

    options = {"method": method, "tune": tune, "coding": coding, "preset": preset, "iterations": iterations}
    options |= {"seconds": seconds, "device": device, "threads": threads, "seed": seed}
    chosen: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    return encode(source, Goal.of(lmbda, bpp, bytes, psnr), **chosen)


register_when_pillow_loads(encode)
