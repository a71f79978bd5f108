"""Segments written as differences to a clip's first: exact, to be had alone, and refused where the first does not fit."""

import time
from dataclasses import replace

import numpy as np
import pytest

import inrcodec
from inrcodec.runtime.entropy import Apart, Bits, EntropyModel, Half, Laplace, SparseHalf, SparseStepped, Stepped, Zeros
from inrcodec.runtime.file import InrFile
from inrcodec.runtime.group import Group
from inrcodec.runtime.profile import STANDARD, standard
from inrcodec.runtime.segment import Segment, read_segment, write_segment
from inrcodec.runtime.syntax import Header, Signal, read_header, write_file, write_segments
from inrcodec.runtime.wire import BitstreamError

NUMBER = next(number for number, name in STANDARD.items() if name == "hnerv_small")
MANIFEST = standard(NUMBER).manifest
SIGNAL = Signal(40, 80, frames=2)
SIZES = {"grid_rows": 1, "grid_columns": 2, "width0": 5, "width1": 4, "width2": 4, "width3": 3, "width4": 3}
STEP = int(np.float16(0.01).view(np.uint16))
MODELS = (Laplace(60), Stepped(60, STEP), SparseStepped(60, STEP, 20), Bits(8), Half(), SparseHalf(20), Zeros(), Apart(60))
LITTLE = Laplace(20)


def symbols(rng: np.random.Generator, model: EntropyModel, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(model, Zeros):
        return np.zeros(shape, np.int64)
    if isinstance(model, Half):
        return rng.normal(0, 0.1, shape).astype(np.float16).view(np.uint16).astype(np.int64)
    return rng.integers(0, 9, shape)


def first(signal: Signal = SIGNAL, sizes: dict[str, int] = SIZES, models=MODELS) -> Segment:
    """Whole; its groups take turns at the models."""
    rng, known = np.random.default_rng(0), {**signal.sizes, **sizes}
    groups = {}
    for k, (name, tensors) in enumerate(MANIFEST.groups.items()):
        model, shapes = models[k % len(models)], {t: MANIFEST.shape(d, known) for t, d in tensors}
        if isinstance(model, Apart):
            each = [int(np.prod(shape)) for shape in shapes.values()]
            model = Apart(60, tuple(range(len(each))), (-1,) * len(each), tuple(each))
        groups[name] = Group(5, model, {t: symbols(rng, model, shape) for t, shape in shapes.items()})
    return Segment(sizes, groups)


def near(base: Segment, seed: int) -> Segment:
    """Every other group as small differences to `base`, some of them none."""
    rng, groups = np.random.default_rng(seed), dict(base.groups)
    for k, (name, group) in enumerate(base.groups.items()):
        moved = {t: np.clip(s + rng.integers(-1, 2, s.shape), *group.model.range) for t, s in group.symbols.items()}
        if k % 2 == seed % 2:
            groups[name] = replace(group, symbols=moved, differences=LITTLE)
    return replace(base, groups=groups)


def clip(segments: list[Segment]) -> bytes:
    """The first is written alone, the others with it as their base."""
    payloads = [write_segment(MANIFEST, SIGNAL, segments[0])]
    payloads += [write_segment(MANIFEST, SIGNAL, segment, lambda: segments[0]) for segment in segments[1:]]
    header = Header(replace(SIGNAL, frames=2 * len(segments)), NUMBER)
    return write_segments(header, [(2, payload) for payload in payloads])


BASE = first()
SEGMENTS = [BASE, near(BASE, 1), near(BASE, 2), BASE]  # the last is whole
DATA = clip(SEGMENTS)


def damaged(data: bytes, k: int) -> InrFile:
    """A byte of the k-th segment is another."""
    header, begin = read_header(data)
    at = begin + sum(entry.size for entry in header.index[:k]) + 9
    return inrcodec.open(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])


def test_symbols_come_back():
    file = inrcodec.open(DATA)
    for k, wanted in enumerate(SEGMENTS):
        for name, group in file.segment(k).groups.items():
            there = wanted.groups[name]
            assert (group.model, group.exponent, group.differences) == (there.model, there.exponent, there.differences)
            for tensor, values in there.values().items():
                np.testing.assert_array_equal(group.symbols[tensor], there.symbols[tensor])
                np.testing.assert_array_equal(group.values()[tensor], values)


def test_differences_are_small():
    index = inrcodec.open(DATA).index
    assert index[1].size < 0.5 * index[3].size and index[2].size < index[3].size


def test_a_frame_alone_is_as_in_sequence():
    frames = list(inrcodec.open(DATA))
    assert len({frame.tobytes() for frame in frames}) > 4
    for k in (7, 2, 4, 0, 3, 6):
        np.testing.assert_array_equal(inrcodec.open(DATA)[k], frames[k])


def test_the_first_segment_is_read_once(monkeypatch):
    reads = []
    real = InrFile.payload
    monkeypatch.setattr(InrFile, "payload", lambda file, k=0: reads.append(k) or real(file, k))
    file = inrcodec.open(DATA)
    for k in (5, 2, 1, 7, 3):
        file[k]
    assert reads == [2, 0, 1, 3, 1]


def test_a_segment_alone_has_no_such_symbol():
    """What a file of one segment held before clips had differences, it holds still."""
    alone = write_segment(MANIFEST, SIGNAL, BASE)
    assert alone == bytes(inrcodec.open(DATA).payload(0))
    np.testing.assert_array_equal(inrcodec.open(write_file(Header(SIGNAL, NUMBER), alone))[1], inrcodec.open(DATA)[1])


def test_without_the_first_segment_whole_ones_decode():
    file, part = inrcodec.open(DATA), damaged(DATA, 0)
    np.testing.assert_array_equal(part[7], file[7])
    with pytest.raises(BitstreamError, match=r"^damaged segment 0 \(frames 0 to 1\): wanted checksum"):
        part[0]
    with pytest.raises(
        BitstreamError, match=r"^segment 2 \(frames 4 to 5\) .* to segment 0: damaged segment 0 \(frames 0 to"
    ):
        part[5]


def test_another_damaged_segment_harms_none():
    file, part = inrcodec.open(DATA), damaged(DATA, 1)
    for k in (0, 4, 6):
        np.testing.assert_array_equal(part[k], file[k])
    with pytest.raises(BitstreamError, match="damaged segment 1"):
        part[2]


def test_of_a_cut_clip_differences_decode():
    index = inrcodec.open(DATA).index
    part = inrcodec.open(DATA[: -index[3].size - 1], allow_partial=True)
    assert len(part) == 4
    np.testing.assert_array_equal(part[3], inrcodec.open(DATA)[3])


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        (first(sizes=SIZES | {"width1": 7}), "wanted differences of tensors .* as the first segment has them, got"),
        (first(replace(SIGNAL, frames=3)), "wanted differences of tensors"),
    ],
)
def test_shapes_that_differ(other, wanted):
    """What is written beside one segment is read beside another."""
    payload = write_segment(MANIFEST, SIGNAL, near(BASE, 1), lambda: BASE)
    payload = write_segment(MANIFEST, SIGNAL, near(BASE, 2), lambda: BASE)
    with pytest.raises(BitstreamError, match=wanted):
        read_segment(MANIFEST, SIGNAL, payload, base=lambda: other)


@pytest.mark.parametrize("model", [Laplace(60), Bits(4), Half()])
def test_symbols_that_leave_their_range(model):
    """They do beside a first segment that has the last symbol everywhere, not beside the one before."""
    name, group = next(iter(first(models=(model,)).groups.items()))
    least, most = model.range

    def beside(symbol: int) -> Segment:
        full = replace(group, symbols={tensor: np.full_like(s, symbol) for tensor, s in group.symbols.items()})
        return replace(BASE, groups=BASE.groups | {name: full})

    for edge, step in ((most, 1), (least, -1)):
        last = beside(edge)
        last.groups[name] = replace(last.groups[name], differences=LITTLE)
        payload = write_segment(MANIFEST, SIGNAL, last, lambda edge=edge, step=step: beside(edge - step))
        with pytest.raises(BitstreamError, match=f"wanted symbols from {least} to {most}, got"):
            read_segment(MANIFEST, SIGNAL, payload, base=lambda edge=edge: beside(edge))


def test_strange_payloads_give_a_frame_or_an_error():
    """After a good first segment, with good checksums: a byte that is another, the first again, noise."""
    payloads = [inrcodec.open(DATA).payload(k) for k in range(3)]
    header, outcomes = Header(replace(SIGNAL, frames=4), NUMBER), set()
    for seed in range(150):
        rng, began = np.random.default_rng(seed), time.monotonic()
        bent = bytearray(payloads[1 + seed % 2])
        bent[rng.integers(-30, 0) if seed % 2 else rng.integers(len(bent))] ^= int(rng.integers(1, 256))
        strange = [bytes(bent), payloads[0], payloads[1][: rng.integers(20)] + rng.bytes(300)][seed % 3]
        try:
            assert inrcodec.open(write_segments(header, [(2, payloads[0]), (2, strange)]))[2].shape == (40, 80, 3)
            outcomes.add("frame")
        except BitstreamError as error:
            outcomes.add(str(error).split()[1])
        assert time.monotonic() - began < 2
    assert "frame" in outcomes and len(outcomes) > 2, outcomes
