"""inrcodec: an image codec that overfits a small neural representation to each picture and decodes it anywhere.

pixels = inrcodec.decode("photo.inr")         numpy, onnxruntime and constriction alone
data = inrcodec.encode("photo.png")           needs the `train` extra
"""

from typing import Any

from .runtime import BitstreamError, InrFile, decode, open
from .runtime.InrImagePlugin import register_when_pillow_loads

__version__ = "0.1.0"
__all__ = ["BitstreamError", "InrFile", "decode", "encode", "open"]


def encode(source: Any, **options: Any) -> bytes:
    """Encode a picture (a path, or an array (H, W[, C]) of uint8 or uint16) into the bytes of an .inr file.

    Options are those of `inrcodec.train.sources.encode`: method, preset, bpp, psnr, iterations, seconds, device, seed ...
    """
    from .train.sources import encode

    return encode(source, **options)


register_when_pillow_loads(encode)
