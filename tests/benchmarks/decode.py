"""Decoding times for docs/results.md: every decoder of ours beside Pillow's codecs, on the same picture, one thread.

    python tests/benchmarks/decode.py PICTURE.png FILE.inr ... [--runs 15]

Each FILE.inr is an encode of PICTURE.png; the others are encoded to the quality whose bytes come nearest to the first's.
Medians of process time after one decode that is not counted; imports excluded, but for the rows of whole processes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is loaded

import numpy as np
from PIL import Image

from inrcodec.runtime import segment
from inrcodec.runtime.decoder import decode
from inrcodec.runtime.file import InrFile
from inrcodec.runtime.native import NativeDecoder, library
from inrcodec.runtime.pure import PureDecoder
from inrcodec.runtime.range_coder import Decoder
from inrcodec.train.compare import AVIF, JPEG, WEBP, nearest_in_bytes, open_with_pillow, table
from inrcodec.train.metrics import psnr


def milliseconds(run, runs: int) -> float:
    """Median process time of one call, after a first."""
    run()
    times = []
    for _ in range(runs):
        began = time.process_time()
        run()
        times.append(1000 * (time.process_time() - began))
    return float(np.median(times))


def whole_process(path: Path, runs: int) -> float:
    """Median wall milliseconds of `inrc decode` to PNG."""
    inrc = Path(sys.executable).with_name("inrc")
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            began = time.monotonic()
            subprocess.run([inrc, "decode", path, f"{folder}/x.png", "--threads", "1"], check=True)
            times.append(1000 * (time.monotonic() - began))
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.inr")
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    pixels = np.asarray(Image.open(options.picture).convert("RGB"))
    rows = [("decoder", "profile", "bytes", "PSNR", "ms")]
    ours = (("kernel in C", NativeDecoder), ("NumPy + constriction", Decoder), ("Python alone", PureDecoder))
    for path in options.files:
        data, profile = path.read_bytes(), InrFile(path).profile.manifest.name
        for name, decoder in ours:
            if decoder is NativeDecoder and not library():
                continue
            segment.decoder = decoder
            ms = milliseconds(lambda data=data: decode(data, threads=1), options.runs)
            rows.append((f"inrcodec, {name}", profile, f"{len(data)}", f"{psnr(pixels, decode(data)):.2f}", f"{ms:.0f}"))
        rows.append(("`inrc decode`, whole process", profile, f"{len(data)}", "", f"{whole_process(path, 5):.0f}"))
    for codec in (AVIF, WEBP, JPEG):
        other, decoded, _ = nearest_in_bytes(options.picture, codec, options.files[0].stat().st_size)
        ms = milliseconds(lambda other=other: open_with_pillow(other), options.runs)
        rows.append((f"Pillow {codec.name}", "", f"{len(other)}", f"{psnr(pixels, decoded):.2f}", f"{ms:.1f}"))
    print(table(rows))


if __name__ == "__main__":
    main()
