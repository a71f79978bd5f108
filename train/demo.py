"""`inrc demo`: the main job once, on the bundled photo, with a picture to look at."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ..runtime.pixels import write_atomically, write_image
from .compare import JPEG, nearest_in_bytes
from .encode import encode_picture
from .goal import Goal
from .metrics import psnr
from .pictures import read_picture
from .progress import shown

PHOTO = Path(__file__).parent / "data" / "dandelion.png"
LMBDA = 2e-3
# The decoder's process: any import of torch fails there.
DECODE = "import sys; sys.modules['torch'] = None; from inrcodec.train.cli import main; sys.exit(main(sys.argv[1:]))"


def demo(folder: Path, seconds: float) -> None:
    """Encode, decode where torch cannot be imported, and write original | decoded | JPEG of the same size."""
    folder.mkdir(parents=True, exist_ok=True)
    file, decoded = folder / "dandelion.inr", folder / "decoded.png"
    picture = read_picture(PHOTO)
    print(f"encoding {PHOTO.name}, {picture.pixels.shape[1]}x{picture.pixels.shape[0]}, for {seconds:g} s ...", flush=True)
    with shown(quiet=False) as watch:
        result = encode_picture(picture, goal=Goal("lmbda", LMBDA), seconds=seconds, watch=watch)
    write_atomically(file, result.data)
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", DECODE, "decode", str(file), str(decoded)], check=True)
    decode_seconds = time.monotonic() - began
    pixels = np.asarray(Image.open(decoded))
    jpeg_file, jpeg, _ = nearest_in_bytes(PHOTO, JPEG, len(result.data))
    side_by_side = folder / "side_by_side.png"
    write_image(side_by_side, np.concatenate([picture.pixels, pixels, jpeg], axis=1))
    jpeg_bytes, bpp = len(jpeg_file), 8 / (pixels.shape[0] * pixels.shape[1])
    ours, theirs = psnr(picture.pixels, pixels), psnr(picture.pixels, jpeg)
    print(f"  {file}: {len(result.data)} bytes, {len(result.data) * bpp:.3f} bpp, {ours:.2f} dB")
    print(f"  JPEG at no more bytes: {jpeg_bytes} bytes, {jpeg_bytes * bpp:.3f} bpp, {theirs:.2f} dB")
    print(f"  encoded in {result.seconds:.0f} s ({result.iterations} iterations)")
    print(f"  decoded without torch in {decode_seconds:.2f} s")
    print(f"  original | decoded | JPEG: {side_by_side}")
