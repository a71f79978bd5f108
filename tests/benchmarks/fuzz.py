"""Coverage-guided fuzzing of the parser and the entropy decoder: `pip install atheris`, then

    python tests/benchmarks/fuzz.py -max_total_time=60 [CORPUS_DIR]

The checksum is repaired in every input, so that the fuzzer gets past it. Anything but a picture's symbols or BitstreamError
is a crash, and is written into the working folder.
"""

import sys
import zlib
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["inrcodec"]):
    from inrcodec.runtime.file import InrFile
    from inrcodec.runtime.wire import BitstreamError

PIXELS_MAX = 2**14  # larger pictures only take longer
START = b"INR\x01"


def one_input(body: bytes) -> None:
    data = START + zlib.crc32(START + body).to_bytes(4, "little") + body
    with suppress(BitstreamError):
        InrFile(data, threads=1, pixels_max=PIXELS_MAX).segment()


def main() -> None:
    seeds = [path.read_bytes()[8:] for path in (Path(__file__).parents[1] / "vectors").glob("*.inr")]
    for seed in seeds:
        one_input(seed)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
