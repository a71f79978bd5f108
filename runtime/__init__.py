"""The decoder: bitstream syntax, entropy coding, graph execution, pixels. NumPy, ONNX Runtime and constriction alone."""

from .decoder import InrFile, decode, open
from .InrImagePlugin import register_inr_opener, register_when_pillow_loads
from .wire import BitstreamError

__all__ = ["BitstreamError", "InrFile", "decode", "open", "register_inr_opener"]

register_when_pillow_loads()
