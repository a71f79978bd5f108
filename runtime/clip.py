"""What is known of a clip beside its samples: when each frame is shown, and what the numbers mean as colours."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise, repeat

from .wire import BitstreamError, Wire

DEPTHS = (8, 10, 12, 16)  # bits
CHROMAS = ("420", "422", "444", "grey")
TERM_MAX = 2**31 - 1  # of a fraction; FFmpeg holds no more
TICKS_MAX = 2**48  # from one frame to the next
RGB, UNSPECIFIED = 0, 2  # ITU-T H.273 codes of a matrix; the latter of primaries and transfers, too


class ClipError(ValueError):
    """A clip that cannot be read or written as it is; one line that says what was wanted and what came."""


@dataclass(frozen=True)
class ClipFacts:
    """A clip beside its samples. What `matrix`, `primaries` and `transfer` say is in ITU-T H.273, tables 2 to 4."""

    frames: int
    height: int  # pixels
    width: int
    rate: Fraction = Fraction(25)  # frames a second; their mean where it varies
    time_base: Fraction = Fraction(1)  # seconds a tick
    timestamps: tuple[int, ...] = ()  # of each frame, in ticks from the first one; none where the rate is constant
    bit_depth: int = 8  # of DEPTHS, as stored: frames of more than 8 bits are handed out as full-range uint16
    chroma: str = "420"  # of CHROMAS, as stored: frames are handed out as RGB
    full_range: bool = False  # all of 0 ... 2^bit_depth - 1, or luma from 16 to 235 (of 8 bits) as in television
    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    pixel_aspect: Fraction = Fraction(1)  # width to height of a pixel
    turns: int = 0  # quarter turns counterclockwise that a player makes; the frames are not turned

    def time(self, frame: int) -> Fraction:
        """Seconds from the first frame to this one; one past the last is shown as long after it as the mean."""
        if not self.timestamps:
            return frame / self.rate
        return self.timestamps[min(frame, self.frames - 1)] * self.time_base + (frame == self.frames) / self.rate


def code_facts(wire: Wire, sizes: tuple[int, int, int], given: ClipFacts | None = None) -> ClipFacts:
    """All but the `sizes` (frames, height, width), which a header has: flags, rate, colours, then what is seldom there."""
    facts = given or ClipFacts(*sizes)
    seldom = facts.pixel_aspect != 1 or facts.turns > 0
    flags = wire.byte(
        DEPTHS.index(facts.bit_depth)
        | CHROMAS.index(facts.chroma) << 2
        | facts.full_range << 4
        | bool(facts.timestamps) << 5
        | seldom << 6
    )
    if flags > 127:
        raise BitstreamError(f"wanted a clip's flags up to 127, got {flags}: a newer version of inrcodec may read this file")
    rate = _code_fraction(wire, facts.rate)
    matrix, primaries, transfer = (wire.byte(code) for code in (facts.matrix, facts.primaries, facts.transfer))
    time_base, timestamps = _code_times(wire, sizes[0], facts) if flags >> 5 & 1 else (Fraction(1), ())
    aspect, turns = (_code_fraction(wire, facts.pixel_aspect), wire.byte(facts.turns)) if flags >> 6 else (Fraction(1), 0)
    if turns > 3:
        raise BitstreamError(f"wanted 0 to 3 quarter turns, got {turns}")
    samples = (DEPTHS[flags & 3], CHROMAS[flags >> 2 & 3], bool(flags >> 4 & 1))
    return ClipFacts(*sizes, rate, time_base, timestamps, *samples, matrix, primaries, transfer, aspect, turns)


def _code_fraction(wire: Wire, value: Fraction) -> Fraction:
    """Each term less one: neither is zero."""
    numerator = wire.varint(value.numerator - 1, TERM_MAX - 1) + 1
    return Fraction(numerator, wire.varint(value.denominator - 1, TERM_MAX - 1) + 1)


def _code_times(wire: Wire, frames: int, facts: ClipFacts) -> tuple[Fraction, tuple[int, ...]]:
    """The time base, then the ticks from each frame to the next, less one."""
    time_base = _code_fraction(wire, facts.time_base)
    steps = [after - before for before, after in pairwise(facts.timestamps)] or repeat(1, frames - 1)
    return time_base, tuple(accumulate((wire.varint(step - 1, TICKS_MAX) + 1 for step in steps), initial=0))
