"""Do other processors decode the same? The golden files under qemu-user: Haswell, Nehalem and, given its Python, aarch64.

    python tests/benchmarks/emulated.py [--aarch64 ROOT SITE]

Needs Debian's qemu-user. ROOT holds an aarch64 Python 3.11 with its libraries (Debian's packages, unpacked), SITE wheels of
numpy and onnxruntime for it, unpacked (onnxruntime 1.22: 1.32 crashes in qemu 7.2); aarch64-linux-gnu-gcc then makes the
kernel. There is no constriction for aarch64, so that the decoder in Python takes its turn. Ends with status 1 where pixels
are off by more than a level, as they would be all over if a latent were.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
NAMES = ("rgb8", "rgb8_high_rate", "grey8_odd", "grey16", "rgba8_metadata", "rgba16_pixel")
NAMES += ("fast_rgb8", "fast_rgb8_high_rate", "fast_grey16_strip", "fast_rgba8", "fast_rgb16_pixel")
NAMES += ("siren_rgb8", "coin_rgb8_five")
DECODE = """
import sys
import numpy as np
import inrcodec
from inrcodec.runtime import native, segment
from inrcodec.runtime.pure import PureDecoder
decoders = [PureDecoder] + ([native.NativeDecoder] if native.library() else [])
try:
    from inrcodec.runtime.range_coder import Decoder
    decoders.append(Decoder)
except ImportError:
    pass
for name in sys.argv[2:]:
    file = inrcodec.open(f"{sys.argv[1]}/{name}.inr", 1)
    wanted = np.load(f"{sys.argv[1]}/{name}.npz")["pixels"].astype(int)
    for decoder in decoders:
        segment.decoder = decoder
        off = abs(file[0] - wanted)
        print(name, decoder.__name__, off.max(), f"{np.mean(off > 0):.5f}", sep="\\t")
"""


def decode(command: list[str], paths: list[Path]) -> list[list[str]]:
    """Rows of the emulated process: file, decoder, largest difference of a sample, share of samples that differ."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*command, "-c", DECODE, str(VECTORS), *NAMES], capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return [line.split("\t") for line in done.stdout.splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aarch64", nargs=2, type=Path, metavar=("ROOT", "SITE"))
    options = parser.parse_args()
    machines = {name: (["qemu-x86_64", "-cpu", name, sys.executable], []) for name in ("Haswell-v4", "Nehalem-v2")}
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        if options.aarch64:
            root, site = options.aarch64
            package = Path(folder) / "inrcodec"
            (package / "runtime").mkdir(parents=True)
            for path in (ROOT / "__init__.py", *(ROOT / "runtime").glob("*.py")):
                (package / path.relative_to(ROOT)).write_bytes(path.read_bytes())
            (package / "runtime" / "profiles").symlink_to(ROOT / "runtime" / "profiles")
            kernel = ["aarch64-linux-gnu-gcc", "-std=c99", "-O3", "-shared", "-fPIC", ROOT / "runtime" / "kernel.c"]
            subprocess.run([*kernel, "-o", package / "runtime" / "_kernel.so"], check=True)
            python = ["qemu-aarch64", "-L", str(root), str(root / "usr" / "bin" / "python3.11")]
            machines["aarch64"] = python, [Path(folder), site]
        print("machine", "file", "decoder", "largest", "share", sep="\t")
        for machine, (command, paths) in machines.items():
            for name, decoder, largest, share in decode(command, paths):
                print(machine, name, decoder, largest, share, sep="\t")
                failed |= int(largest) > (16 if "16" in name else 1)
    return failed


if __name__ == "__main__":
    sys.exit(main())
