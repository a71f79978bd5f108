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
    coding: str = "paper",
    preset: str = "fast",
    iterations: int | None = None,
    seconds: float | None = None,
    device: str = "auto",
    threads: int = 0,
    seed: int = 0,
) -> builtins.bytes:
    """The bytes of an .inr file; options are those of `inrc encode`, of the goals (`lmbda` to `psnr`) at most one.

    `source` is a path of a picture or a clip, an array (H, W[, C]) of uint8 or uint16, or, for methods that take sets, a
    list of such. Raises ValueError for what cannot be encoded so.
    """
    from .train.goal import Goal
    from .train.sources import encode

    options: dict[str, Any] = {"method": method} if method else {}  # which it is else depends on the source
    options |= {"tune": tune, "coding": coding, "preset": preset, "iterations": iterations, "seconds": seconds}
    return encode(source, Goal.of(lmbda, bpp, bytes, psnr), device=device, threads=threads, seed=seed, **options)


register_when_pillow_loads(encode)
