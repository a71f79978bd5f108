"""Bytes from strangers: whatever they say, decoding ends soon, with a picture or with BitstreamError."""

import json
import math
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import numpy as np
import onnx
import pytest

from inrcodec.runtime.coder import Meter, decoder
from inrcodec.runtime.context import ContextModel, code_grids
from inrcodec.runtime.decoder import decode
from inrcodec.runtime.entropy import TAGS, Apart, Laplace
from inrcodec.runtime.file import InrFile
from inrcodec.runtime.group import EXPONENTS, Group, code_group, code_record
from inrcodec.runtime.native import SWITCH
from inrcodec.runtime.network import Network
from inrcodec.runtime.pixels import Metadata
from inrcodec.runtime.profile import Manifest, Profile, bundle, standard
from inrcodec.runtime.range_coder import Encoder
from inrcodec.runtime.segment import code_segment, read_segment
from inrcodec.runtime.syntax import COLOURS, Header, Signal, read_file, write_file
from inrcodec.runtime.wire import BitstreamError

CHECKED = 8  # the first byte that the checksum covers, but for magic and version
SECONDS_MAX = 2.0


@pytest.fixture(scope="session")
def files() -> list[bytes]:
    """RGB of 8 bits; grey of 16; RGBA of odd sides with metadata; RGB again, for fast decoding."""
    from inrcodec.train.encode import encode_picture
    from inrcodec.train.pictures import Picture

    def encoded(height: int, width: int, channels: int, dtype: type, metadata: Metadata = Metadata(), tune=None) -> bytes:
        y, x = np.mgrid[:height, :width]
        waves = [0.5 + 0.2 * np.sin(y / period) + 0.2 * np.cos(x / (period + 3)) for period in (2, 3, 5, 7)]
        pixels = (np.stack(waves[:channels], axis=2) * np.iinfo(dtype).max).astype(dtype)
        return encode_picture(Picture(pixels, metadata, ()), tune=tune, iterations=12, threads=1).data

    carried = Metadata(icc=b"profile" * 9, exif=b"MM\0*", xmp=b"<x/>")
    plain, grey = encoded(24, 32, 3, np.uint8), encoded(20, 28, 1, np.uint16)
    return [plain, grey, encoded(17, 23, 4, np.uint8, carried), encoded(24, 32, 3, np.uint8, tune="fastdecode")]


def repaired(body: bytes) -> bytes:
    """A file of `body` with a good checksum."""
    return b"INR\x01" + zlib.crc32(b"INR\x01" + body).to_bytes(4, "little") + body


def flipped(rng: np.random.Generator, data: bytes) -> bytes:
    body = bytearray(data[CHECKED:])
    for _ in range(rng.integers(1, 9)):
        body[rng.integers(len(body))] ^= rng.integers(1, 256)
    return repaired(bytes(body))


def cut(rng: np.random.Generator, data: bytes) -> bytes:
    header, payload = read_file(data)
    return write_file(header, payload[: rng.integers(len(payload))])


def inserted(rng: np.random.Generator, data: bytes) -> bytes:
    at = rng.integers(CHECKED, len(data) + 1)
    return repaired(data[CHECKED:at] + rng.bytes(rng.integers(1, 20)) + data[at:])


def random_payload(rng: np.random.Generator, data: bytes) -> bytes:
    """Behind what the header and the first bytes say."""
    header, payload = read_file(data)
    return write_file(header, payload[: rng.integers(0, 12)] + rng.bytes(rng.integers(400)))


def another_header(rng: np.random.Generator, data: bytes) -> bytes:
    header, payload = read_file(data)
    height, width = rng.integers(1, 200, 2).tolist()
    signal = Signal(height, width, COLOURS[rng.integers(4)], int(rng.choice([8, 16])))
    profile = int(rng.integers(0, 9))
    return write_file(Header(signal, profile, b"" if profile else rng.bytes(8), header.sections), payload)


class Chooser(Encoder):
    """An encoder that makes its symbols up: well-formed nonsense, which gets deeper than bytes do."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.rng, self.wildness = rng, rng.random() / 4

    def flags(self, rows, flags=None):
        return super().flags(rows, self.rng.integers(0, 2, len(rows)))

    def tabled(self, rows, symbols=None):
        wild = self.rng.random(len(rows)) < self.wildness
        return super().tabled(rows, np.where(wild, self.rng.integers(0, 64, len(rows)), self.rng.integers(30, 33, len(rows))))

    def uniform(self, sizes, values=None):
        return super().uniform(sizes, self.rng.integers(0, sizes) if values is None else values)

    def integer(self, size, value=None):
        if size == TAGS:
            return super().integer(size, int(self.rng.choice([0, 1, 2, Apart.tag])))
        return super().integer(size, int(self.rng.integers({EXPONENTS: 10}.get(size, size))))


def made_up(rng: np.random.Generator, data: bytes) -> bytes:
    coder, signal, profile = Chooser(rng), read_file(data)[0].signal, int(rng.integers(1, 7))
    with suppress(BitstreamError):  # what was written until then is a file, too
        code_segment(coder, standard(profile).manifest, signal)
    return write_file(Header(signal, profile), coder.finish())


MUTATIONS = (flipped, cut, inserted, random_payload, another_header, made_up)


@pytest.mark.parametrize(("kernel", "count"), [("1", 350), ("0", 60)])
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_picture_or_an_error(files, mutation, kernel, count, monkeypatch):
    """All with good checksums; by the kernel in C, where it was built, and without."""
    monkeypatch.setenv(SWITCH, kernel)
    for seed in range(count):
        data, began = mutation(np.random.default_rng(seed), files[seed % len(files)]), time.monotonic()
        try:
            file = InrFile(data, threads=1)
            pixels = file[0]
            assert pixels.shape == file.shape and pixels.dtype in (np.uint8, np.uint16)
        except BitstreamError as error:
            assert str(error)
        except BaseException as error:
            pytest.fail(f"{mutation.__name__} {seed}: {error!r}")
        assert time.monotonic() - began < SECONDS_MAX, (mutation.__name__, seed)


def test_the_mutations_reach_all_parts(files):
    """Of the same files some decode, and the others fail at many places."""
    messages = set()
    for mutation in MUTATIONS:
        for seed in range(20):
            try:
                decode(mutation(np.random.default_rng(seed), files[seed % len(files)]), threads=1)
                messages.add("")
            except BitstreamError as error:
                messages.add(" ".join(str(error).split()[:4]))
    assert "" in messages and len(messages) >= 6, messages


def test_every_truncation_is_refused(files):
    for length in range(len(files[1])):
        with pytest.raises(BitstreamError):
            decode(files[1][:length])


def test_every_flipped_bit_is_refused(files):
    for bit in range(8 * len(files[1])):
        damaged = bytearray(files[1])
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            decode(damaged)


@pytest.mark.parametrize(
    ("body", "options", "wanted"),
    [
        (b"\x02\x01\xfe\xff\x03\xfe\xff\x03", {}, "wanted at most 268435456 pixels, got 65535x65535"),
        (b"\x02\x01\xe7\x07\xe7\x07", {"pixels_max": 999_999}, "wanted at most 999999 pixels, got 1000x1000"),
        (b"\x02\x01\xff\xff\xff\xff\xff\xff", {}, "wanted a number up to 65534"),
        (b"\x0a\x01\x00\x00\x01\x80\x80\x40", {}, "truncated: wanted 1048576 bytes"),
        (b"\x0a\x01\x00\x00\x01\xff\xff\xff\xff\x7f", {}, "wanted a number up to 1048576"),
    ],
)
def test_declared_sizes_are_checked_before_memory_is_taken(body, options, wanted):
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(BitstreamError, match=wanted):
            decode(repaired(body + bytes(100)), **options)
        assert tracemalloc.get_traced_memory()[1] < 2**20 and time.monotonic() - began < 0.5
    finally:
        tracemalloc.stop()


def test_a_segment_has_no_more_frames_than_memory():
    """Past a payload's end come zeros: each of its frames would have grids."""
    manifest = standard(80).manifest
    began = time.monotonic()
    for signal in (Signal(1, 1, frames=2**14 + 1), Signal(2**10, 2**10, frames=2**8 + 1)):
        with pytest.raises(BitstreamError, match="wanted latents of at most 268435456 pixels"):
            read_segment(manifest, signal, b"")
    assert time.monotonic() - began < 0.5


def test_symbols_are_within_their_range():
    """A Laplace as wide as it can be reads larger ones, of which sums would wrap."""
    group = Group(0, Laplace(191), {"w": np.array([2**23 - 1, 0])})
    for symbol in (2**23 - 1, 2**23, -(2**30)):
        coder = Encoder()
        code_record(coder, group)
        group.model.code(coder, 2, np.array([symbol, 0]))
        read = decoder(coder.finish())
        if abs(symbol) < 2**23:
            assert code_group(read, group.shapes).symbols["w"].tolist() == [symbol, 0]
        else:
            with pytest.raises(BitstreamError, match="wanted symbols from -8388607 to 8388607"):
                code_group(read, group.shapes)


@pytest.mark.parametrize(("exponent", "finer"), [(31, 1), (0, -1), (5, 10**6)])
def test_steps_apart_are_within_their_range(exponent, finer):
    coder, group = Encoder(), Group(exponent, Apart(60, (0, finer), (0, 0), (1, 1)), {"v": np.array([1]), "w": np.array([1])})
    with suppress(BitstreamError):  # what was written until then is as far as a reader gets
        code_record(coder, group, sizes=[1, 1])
    with pytest.raises(
        BitstreamError, match=f"wanted a step of 2\\*\\*0 to 2\\*\\*-31 for each tensor, got 2\\*\\*-{exponent}, "
    ):
        code_group(decoder(coder.finish()), group.shapes)


@pytest.mark.parametrize("order", [(0,), (1,), (0, 0), (1, 0), (0, None)])
def test_graphs_that_do_not_fit(files, order):
    """Trusted, but another's: the first graph alone, the last alone, one twice, in the wrong order, none."""
    header, payload = read_file(files[0])
    profile = Profile(tuple(b"none" if k is None else standard(header.profile).graphs[k] for k in order))
    data = write_file(Header(header.signal, 0, profile.digest, {"graphs": bundle(profile)}), payload)
    with pytest.raises(BitstreamError):
        decode(data, threads=1, trust_graph=True)


@pytest.mark.parametrize("changed", [{"levels": 9}, {"levels": 6}, {"tensors": "upsampling.kernelz"}])
def test_manifests_that_do_not_fit(files, changed):
    """Trusted, but another's: more or fewer levels than its tensors have rows, or none that are called as they should be."""
    header, payload = read_file(files[0])
    model = onnx.load_from_string(standard(header.profile).graphs[0])
    text = model.metadata_props[0].value
    if "tensors" in changed:
        text = text.replace("upsampling.kernels", changed["tensors"])
    else:
        text = text.replace('"levels":7', f'"levels":{changed["levels"]}')
    model.metadata_props[0].value = text
    profile = Profile((model.SerializeToString(), *standard(header.profile).graphs[1:]))
    data = write_file(Header(header.signal, 0, profile.digest, {"graphs": bundle(profile)}), payload)
    with pytest.raises(BitstreamError):
        decode(data, threads=1, trust_graph=True)


@pytest.mark.parametrize(
    "changed",
    [
        *({"macs": macs} for macs in (-1, math.nan, 10**400)),
        *({"levels": math.inf}, {"sizes": 3}, {"sizes": [["hidden", 0]]}, {"sizes": [["hidden", 2.5]]}),
        *({"tensors": [["w", [size], "g"]]} for size in (0, -(2**26), 2**25, 2**40, 1.5, None)),
    ],
)
def test_manifests_of_nonsense(changed):
    with pytest.raises(BitstreamError, match="wanted a profile's manifest"):
        Manifest.from_json(json.dumps(json.loads(standard(22).manifest.to_json()) | changed))


@pytest.mark.parametrize("kernel", ["1", "0"])
@pytest.mark.parametrize(
    ("name", "dimensions"),
    [
        ("context.0.first.weight", ["neighbours+features", 3]),
        ("context.0.second.weight", [3, 3]),
        ("context.0.last.weight", ["neighbours+features", 1]),
        ("context.0.skip.weight", [1, 2]),
        ("context.0.first.bias", [7]),
        ("inter.1.bias", [50]),
    ],
)
def test_context_networks_that_do_not_fit(files, name, dimensions, kernel, monkeypatch):
    """Trusted, but another's: a layer too small for the next must not be read beyond its end."""
    monkeypatch.setenv(SWITCH, kernel)
    manifest, signal = standard(1).manifest, Signal(24, 32)
    tensors = tuple((n, tuple(dimensions) if n == name else d, group) for n, d, group in manifest.tensors)
    with pytest.raises(BitstreamError, match="layers fit each other"):
        read_segment(replace(manifest, tensors=tensors), signal, b"")  # which reads as the smallest sizes, all zeros


def test_a_tall_grid_takes_memory_by_its_latents():
    """Not by the square of its height."""
    shapes = (16, 16), (16,), (16, 16), (16,), (16, 2), (2,), (16, 2), (1, 2), (2,)
    *tensors, inter, bias = (np.zeros(shape, np.int64) for shape in shapes)
    model = ContextModel("raster", (Network(*tensors),), ((inter, bias),))
    tracemalloc.start()
    code_grids(Meter(), model, [(1000, 1)], [], [np.ones((1000, 1), np.int32)])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**20


def test_threads_decode_alike(files):
    wanted = [decode(data, threads=1) for data in files]
    jobs = [k % len(files) for k in range(8 * 10)]
    with ThreadPoolExecutor(8) as pool:
        for k, pixels in zip(jobs, pool.map(lambda k: decode(files[k], threads=1), jobs)):
            np.testing.assert_array_equal(pixels, wanted[k])
