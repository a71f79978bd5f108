"""`Image.open("x.inr")` and `image.save("x.inr")`: the Pillow plugin.

Pillow discovers no plugins outside itself, and decoding must not load Pillow. So `import inrcodec` registers at once where
Pillow is loaded already, and else leaves a note that registers when somebody imports it. Saving needs the `train` extra.
"""

import importlib.util
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .file import open as open_inr
from .syntax import MAGIC
from .wire import BitstreamError

if TYPE_CHECKING:
    from PIL import Image

Encode = Callable[..., bytes]
FORMAT, EXTENSION, MIME = "INR", ".inr", "image/x-inr"


def register_inr_opener(encode: Encode) -> None:
    """Teach Pillow `.inr` files; `encode` (array, **options) -> bytes serves `save`."""
    from PIL import Image, ImageFile

    class InrImageFile(ImageFile.ImageFile):
        """Decoded on load; the size is known from the header. A set's pictures are its frames."""

        format, format_description = FORMAT, "inrcodec picture"

        def _open(self) -> None:
            try:
                self._file = open_inr(self.fp.read())  # pyright: ignore[reportOptionalMemberAccess]
            except BitstreamError as error:
                raise SyntaxError(str(error)) from error  # how a Pillow plugin says no
            signal = self._file.header.signal
            self._size = (signal.width, signal.height)
            self._mode = {1: "I;16" if signal.bit_depth == 16 else "L", 2: "LA", 3: "RGB", 4: "RGBA"}[signal.channels]
            names = {"icc": "icc_profile", "exif": "exif", "xmp": "xmp"}
            self.info |= {names[k]: v for k, v in vars(self._file.metadata).items() if v}
            self.tile, self._frame = [], 0
            self.n_frames, self.is_animated = len(self._file), len(self._file) > 1

        def seek(self, frame: int) -> None:
            if self._seek_check(frame):
                self._frame, self._im = frame, None

        def tell(self) -> int:
            return self._frame

        def load(self) -> Any:
            if self._im is None:
                pixels = self._file[self._frame]
                if pixels.dtype != "uint8" and self._mode != "I;16":  # Pillow has no deeper colour
                    pixels = (pixels >> 8).astype("uint8")
                self._im = Image.fromarray(pixels).im
                self.fp = None
            return super().load()

    Image.register_open(FORMAT, InrImageFile, lambda prefix: prefix.startswith(MAGIC))
    Image.register_save(FORMAT, _saver(encode))
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME)


def _saver(encode: Encode) -> Callable[["Image.Image", IO[bytes], str | bytes], None]:
    """`image.save("x.inr", preset="fast", lmbda=0.001, ...)`: the options of `encode`."""

    def save(image: "Image.Image", file: IO[bytes], name: str | bytes) -> None:
        options: dict[str, Any] = image.encoderinfo  # pyright: ignore[reportAttributeAccessIssue]
        file.write(encode(np.asarray(image), **options))

    return save


class _WhenPillowLoads(MetaPathFinder):
    """Lets the import of PIL.Image happen as ever, then registers."""

    def __init__(self, encode: Encode) -> None:
        self.encode = encode

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != "PIL.Image":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            register_inr_opener(self.encode)

        spec.loader.exec_module = exec_module
        return spec


def register_when_pillow_loads(encode: Encode) -> None:
    """Now if Pillow is loaded, else as soon as it is."""
    if "PIL.Image" in sys.modules:
        register_inr_opener(encode)
    elif not any(isinstance(finder, _WhenPillowLoads) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenPillowLoads(encode))
