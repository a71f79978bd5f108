"""The probability tables: discretized Laplace distributions as 24-bit integer frequencies.

Built by integer arithmetic alone from `DECAY`, so that every machine has the same tables. A row is one scale and one
sixteenth of the mean's fraction; its columns are the symbols -31 ... 31, counted from the mean rounded down, and an escape.
A symbol is coded in two steps: whether it is its row's likeliest, which most are, and if not, which other.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

PRECISION = 24  # bits; every row sums to 2**24
REACH = 31  # the largest symbol that a row codes without escape
ESCAPE = 2 * REACH + 1  # the last column
SCALES = 64  # scale i is 2**((i - SCALE_ZERO) / SCALES_PER_OCTAVE) quantization steps
SCALES_PER_OCTAVE = 8
SCALE_ZERO = 40  # the index of scale 1
FRACTION_BITS = 4
FRACTIONS = 1 << FRACTION_BITS  # what the mean has beyond a whole number, in sixteenths

# floor(2**32 * exp(-1 / (16 * scale))): how much a Laplace tail loses in one sixteenth of a step.
# fmt: off
DECAY = (
    581_260_615, 686_215_098, 799_036_310, 918_726_428, 1_044_178_423, 1_174_220_339, 1_307_656_790,
    1_443_305_845, 1_580_030_168, 1_716_761_895, 1_852_521_206, 1_986_428_948, 2_117_713_904, 2_245_715_466,
    2_369_882_518, 2_489_769_347, 2_605_029_347, 2_715_407_188, 2_820_730_046, 2_920_898_383, 3_015_876_648,
    3_105_684_221, 3_190_386_796, 3_270_088_366, 3_344_923_893, 3_415_052_718, 3_480_652_712, 3_541_915_164,
    3_599_040_368, 3_652_233_859, 3_701_703_250, 3_747_655_612, 3_790_295_335, 3_829_822_416, 3_866_431_115,
    3_900_308_936, 3_931_635_878, 3_960_583_919, 3_987_316_691, 4_011_989_318, 4_034_748_382, 4_055_731_996,
    4_075_069_961, 4_092_883_986, 4_109_287_957, 4_124_388_246, 4_138_284_039, 4_151_067_683, 4_162_825_044,
    4_173_635_859, 4_183_574_095, 4_192_708_297, 4_201_101_925, 4_208_813_684, 4_215_897_841, 4_222_404_521,
    4_228_379_999, 4_233_866_970, 4_238_904_802, 4_243_529_782, 4_247_775_344, 4_251_672_274, 4_255_248_917,
    4_258_531_358,
)
# fmt: on


def _frequencies() -> np.ndarray:
    """(SCALES * FRACTIONS, ESCAPE + 1): of a Laplace distribution of each scale about each sixteenth."""
    tails = [np.full(SCALES, 1 << 32, np.uint64)]  # 2**32 * exp(-d / (16 * scale)), d = 0, 1, ...
    for _ in range(FRACTIONS * (REACH + 1) + FRACTIONS // 2 + FRACTIONS):
        tails.append(tails[-1] * np.array(DECAY, np.uint64) >> np.uint64(32))
    edges = (
        FRACTIONS * np.arange(-REACH, REACH + 2) - FRACTIONS // 2 - np.arange(FRACTIONS)[:, None]
    )  # between symbols, in 1/16
    half = np.array(tails, np.int64).T[:, np.abs(edges)]  # (SCALES, FRACTIONS, edges)
    cumulative = np.where(edges < 0, half, (1 << 33) - half)  # 2**33 * P(symbol < edge)
    room = (1 << PRECISION) - ESCAPE - 1  # the rest gives every column at least 1
    inside = (np.diff(cumulative * room >> 33) + 1).reshape(SCALES * FRACTIONS, ESCAPE)
    return np.concatenate([inside, (1 << PRECISION) - inside.sum(1, keepdims=True)], axis=1)


def _others(frequencies: np.ndarray, likeliest: np.ndarray) -> np.ndarray:
    """The same, given that it is another column than `likeliest` (rows,), which keeps a frequency of 1."""
    rows = np.arange(len(frequencies))
    others = frequencies.copy()
    others[rows, likeliest] = 0
    room = (1 << PRECISION) - ESCAPE - 1
    inside = others[:, :ESCAPE] * room // others.sum(1, keepdims=True) + 1
    return np.concatenate([inside, (1 << PRECISION) - inside.sum(1, keepdims=True)], axis=1)


@dataclass(frozen=True, eq=False)
class Table:
    """Frequencies (rows, ESCAPE + 1) of the symbols -REACH ... REACH and an escape; each row sums to 2**PRECISION."""

    frequencies: np.ndarray

    @cached_property
    def cumulative(self) -> np.ndarray:
        """(rows, ESCAPE + 2) uint32"""
        return np.pad(self.frequencies.cumsum(1), ((0, 0), (1, 0))).astype(np.uint32)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """As constriction takes them with `perfect=False`: it gives symbol k the frequency p_k + 1 when p are integers that
        sum to 2**24 - n. All its sums are exact, in float32 too, which takes half the memory of float64."""
        return (self.frequencies - 1).astype(np.float32)


@lru_cache(maxsize=16)
def histogram(counts: tuple[tuple[int, ...], ...]) -> Table:
    """A row for each of `counts`, how often each of n symbols from -(n // 2) on was seen; n at most ESCAPE."""
    frequencies = np.zeros((len(counts), ESCAPE + 1), np.int64)
    first = REACH - len(counts[0]) // 2
    frequencies[:, first : first + len(counts[0])] = counts
    rows, most = np.arange(len(counts)), frequencies.argmax(1)
    frequencies = frequencies * ((1 << PRECISION) - ESCAPE - 1) // np.maximum(frequencies.sum(1, keepdims=True), 1) + 1
    frequencies[rows, most] += (1 << PRECISION) - frequencies.sum(1)
    return Table(frequencies)


FREQUENCIES = _frequencies()  # (SCALES * FRACTIONS, ESCAPE + 1)
LIKELIEST = FREQUENCIES.argmax(1) - REACH  # of each row: 0, or 1 where the fraction is above 8
LIKELIEST_FREQUENCY = FREQUENCIES.max(1).astype(np.uint32)
OTHERS = Table(_others(FREQUENCIES, LIKELIEST + REACH))  # SCALES * FRACTIONS rows


def row(scale: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """The row of scale index 0 ... SCALES - 1 and fraction 0 ... 15 (sixteenths)."""
    return (scale << FRACTION_BITS) + fraction
