"""The decoder: bitstream syntax, entropy coding, graph execution, pixels. NumPy, ONNX Runtime and constriction alone."""

from .decoder import decode
from .file import InrFile, open
from .wire import BitstreamError

__all__ = ["BitstreamError", "InrFile", "decode", "open"]
