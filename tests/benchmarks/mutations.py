"""Files from strangers, in numbers: mutated files with good checksums must give a picture or BitstreamError, soon.

    python tests/benchmarks/mutations.py [--count 100000] [--seed 0]

Every file of tests/vectors/ is flipped, cut, lengthened and given a random payload. BaseException counts as a failure, so
that panics do. Ends with status 1 if any file failed.
"""

import argparse
import sys
import time
import zlib
from pathlib import Path

import numpy as np

from inrcodec.runtime.decoder import decode
from inrcodec.runtime.speed import peak_memory
from inrcodec.runtime.syntax import read_file, write_file
from inrcodec.runtime.wire import BitstreamError

VECTORS = Path(__file__).parents[1] / "vectors"
CHECKED = 8  # the first byte that the checksum covers, but for magic and version
LARGEST = 2_000  # bytes of a file that is mutated: the larger ones take most of the time and show nothing else
SECONDS_MAX = 2.0
PIXELS_MAX = 2**16  # lower than the default: else most of the time goes into large pictures of nothing


def mutated(rng: np.random.Generator, data: bytes) -> bytes:
    body = bytearray(data[CHECKED:])
    kind = rng.integers(4)
    if kind == 0:
        for _ in range(rng.integers(1, 9)):
            body[rng.integers(len(body))] ^= rng.integers(1, 256)
    elif kind == 1:
        del body[rng.integers(len(body)) :]
    elif kind == 2:
        at = rng.integers(len(body) + 1)
        body[at:at] = rng.bytes(rng.integers(1, 20))
    else:
        header, payload = read_file(data)
        return write_file(header, payload[: rng.integers(0, 40)] + rng.bytes(rng.integers(400)))
    return b"INR\x01" + zlib.crc32(b"INR\x01" + body).to_bytes(4, "little") + bytes(body)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = [data for path in sorted(VECTORS.glob("*.inr")) if len(data := path.read_bytes()) < LARGEST]
    for data in files:
        decode(data, threads=1)
    pictures = errors = failures = 0
    slowest, began, memory = 0.0, time.monotonic(), peak_memory() or 0
    for k in range(options.count):
        data, start = mutated(np.random.default_rng([options.seed, k]), files[k % len(files)]), time.monotonic()
        try:
            decode(data, threads=1, pixels_max=PIXELS_MAX)
            pictures += 1
        except BitstreamError:
            errors += 1
        except BaseException as error:
            failures += 1
            print(f"{k}: {error!r}", file=sys.stderr)
        taken = time.monotonic() - start
        slowest = max(slowest, taken)
        if taken > SECONDS_MAX:
            failures += 1
            print(f"{k}: {taken:.1f} s", file=sys.stderr)
    seconds, growth = time.monotonic() - began, (peak_memory() or 0) - memory
    print(f"{options.count} files in {seconds:.0f} s: {pictures} pictures, {errors} errors, {failures} failures")
    print(f"slowest {1000 * slowest:.0f} ms, memory grew by {growth:.0f} MiB")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
