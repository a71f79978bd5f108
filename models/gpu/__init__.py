"""What `fused.py` does in C on a CPU, in Triton on a GPU."""

from .conv3x3 import conv3x3, conv3x3_back
from .filtered import filtered, filtered_back, filtered_back_both
from .orthonormal import orthonormal
from .pointwise import pointwise, pointwise_back
from .rate import rate
from .rounding import soft_round_noise

__all__ = [
    "conv3x3",
    "conv3x3_back",
    "filtered",
    "filtered_back",
    "filtered_back_both",
    "orthonormal",
    "pointwise",
    "pointwise_back",
    "rate",
    "soft_round_noise",
]
