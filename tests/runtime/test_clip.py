"""What is known of a clip: its wire form is one walk, short, and bounded."""

from fractions import Fraction

import pytest

from inrcodec.runtime.clip import CHROMAS, DEPTHS, ClipFacts, code_facts
from inrcodec.runtime.wire import BitstreamError, Reader, Writer

SIZES = (4, 47, 63)
PLAIN = ClipFacts(*SIZES)


def written(facts: ClipFacts) -> bytes:
    wire = Writer()
    assert code_facts(wire, SIZES, facts) == facts
    return bytes(wire.data)


@pytest.mark.parametrize("chroma", CHROMAS)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "rest",
    [
        {},
        {"rate": Fraction(30_000, 1001), "full_range": True, "matrix": 9, "primaries": 9, "transfer": 16},
        {"timestamps": (0, 1, 400, 90_000), "time_base": Fraction(1, 90_000)},
        {"pixel_aspect": Fraction(16, 15)},
        {"turns": 3, "timestamps": (0, 7, 2**40, 2**41)},
    ],
)
def test_facts_are_read_as_written(chroma, depth, rest):
    facts = ClipFacts(*SIZES, bit_depth=depth, chroma=chroma, **rest)
    wire = Reader(written(facts))
    assert code_facts(wire, SIZES) == facts and wire.position == len(wire.data)


def test_usual_facts_are_short():
    assert len(written(PLAIN)) == 6
    assert len(written(ClipFacts(*SIZES, Fraction(30_000, 1001)))) == 9


def test_one_frame_needs_no_times():
    one = ClipFacts(1, 1, 1, timestamps=(0,))
    wire = Writer()
    code_facts(wire, (1, 1, 1), one)
    assert code_facts(Reader(bytes(wire.data)), (1, 1, 1)) == one


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x80", "wanted a clip's flags up to 127, got 128"),
        (b"\x40\x18\x00\2\2\2\0\0\4", "wanted 0 to 3 quarter turns, got 4"),
        (b"\0\xff\xff\xff\xff\xff\0", "wanted a number up to 2147483646"),
        (b"\x20\x18\x00\2\2\2\0\0\0\0", "truncated"),  # one timestamp is lacking
    ],
)
def test_foreign_bytes_are_refused(data, said):
    with pytest.raises(BitstreamError, match=said):
        code_facts(Reader(data), SIZES)
    for cut in range(6):
        with pytest.raises(BitstreamError, match="truncated"):
            code_facts(Reader(written(PLAIN)[:cut]), SIZES)


def test_times():
    assert [PLAIN.time(k) for k in (0, 1, 4)] == [0, Fraction(1, 25), Fraction(4, 25)]
    uneven = ClipFacts(3, 1, 1, Fraction(2), Fraction(1, 10), (0, 1, 10))
    assert [uneven.time(k) for k in range(4)] == [0, Fraction(1, 10), 1, Fraction(3, 2)]
