"""The decoder: bitstream syntax, entropy coding, graph execution, pixels. NumPy, ONNX Runtime and constriction alone."""

from .decoder import InrFile, decode, open
from .wire import BitstreamError

__all__ = ["BitstreamError", "InrFile", "decode", "open"]
