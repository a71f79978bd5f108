"""What an encode aims at: a lambda, or a rate or a PSNR that lambda is steered to."""

import math
from dataclasses import dataclass

LMBDA_MIN, LMBDA_MAX = 1e-7, 10.0
RATE_TOLERANCE = 0.02  # relative
PSNR_TOLERANCE = 0.05  # dB
# How log lambda answers to log rate, and to PSNR in dB: the usual slopes of photographs.
PER_LOG_RATE, PER_DB = 1.5, -0.33


class GoalError(ValueError):
    """A goal that makes no sense; says what was wanted and what came."""


@dataclass(frozen=True)
class Goal:
    """One of lambda (weight of bpp beside the MSE of [0, 1] pixels), bits per pixel, bytes of the file, or PSNR in dB."""

    kind: str
    value: float

    @classmethod
    def of(
        cls,
        lmbda: float | None = None,
        bpp: float | None = None,
        bytes: float | None = None,
        psnr: float | None = None,
    ) -> "Goal":
        """From options of which at most one is given; lambda 0.001 where none is. Raises GoalError."""
        given = {k: v for k, v in {"lmbda": lmbda, "bpp": bpp, "bytes": bytes, "psnr": psnr}.items() if v is not None}
        if len(given) > 1:
            raise GoalError(f"wanted one goal, got {' and '.join('--' + name for name in given)}")
        kind, value = next(iter(given.items()), ("lmbda", 1e-3))
        if not (math.isfinite(value) and value > 0):
            raise GoalError(f"--{kind}: wanted a positive number, got {value}")
        if kind == "lmbda" and not LMBDA_MIN <= value <= LMBDA_MAX:
            raise GoalError(f"--lmbda: wanted {LMBDA_MIN} to {LMBDA_MAX}, got {value}")
        return cls(kind, value)

    def first_lmbda(self, pixels: int) -> float:
        """A guess from the mean of the Kodak pictures, where lambda 0.001 is 0.5 bpp and 34.5 dB."""
        if self.kind in ("bytes", "bpp"):
            return _bounded(1e-3 * (0.5 * pixels / 8 / self.first_bytes(pixels)) ** (1 / 0.7))
        if self.kind == "psnr":
            return _bounded(math.exp(math.log(1e-3) + PER_DB * (self.value - 34.5)))
        return self.value if self.kind == "lmbda" else 1e-3

    def first_bytes(self, pixels: int) -> float:
        """Of the file: as wanted, or a guess from the mean of the Kodak pictures."""
        if self.kind in ("bytes", "bpp"):
            return self.value if self.kind == "bytes" else self.value * pixels / 8
        return 0.5 * (1e-3 / self.first_lmbda(pixels)) ** 0.7 * pixels / 8

    def error(self, nbytes: float, pixels: int, psnr: float) -> float:
        """How far log lambda should move, by the usual slopes; 0 on target, positive to save bytes."""
        if self.kind == "lmbda":
            return 0.0
        if self.kind == "psnr":
            return PER_DB * (self.value - psnr)
        target = self.value if self.kind == "bytes" else self.value * pixels / 8
        return PER_LOG_RATE * math.log(nbytes / target)

    def met(self, nbytes: float, pixels: int, psnr: float) -> bool:
        tolerance = -PER_DB * PSNR_TOLERANCE if self.kind == "psnr" else PER_LOG_RATE * math.log1p(RATE_TOLERANCE)
        return abs(self.error(nbytes, pixels, psnr)) <= tolerance


def _bounded(lmbda: float) -> float:
    return min(max(lmbda, LMBDA_MIN), LMBDA_MAX)


def moved(lmbda: float, error: float) -> float:
    """lambda after a move of its logarithm, within bounds."""
    return _bounded(lmbda * math.exp(error))
