"""The orders in which the latents of a grid are coded, and which of those before a latent sees. A profile has one.

`raster`: one network. Latents follow each other row by row, in wavefronts, and see earlier ones of their grid.
`parallel`: the latents are the four cosets of 2x2 cells, with a network each, and each is coded at once. The first coset, a
quarter, sees the next coarser grid, whose lattice is the same; each other the cosets before it, on all sides. (Two cosets:
the checkerboard of He et al. 2021; four: the quadtree of Li et al. 2023, DCVC-DC, in space alone.)
"""

from collections.abc import Sequence
from functools import cache

COSETS = ((0, 0), (1, 1), (0, 1), (1, 0))  # first (row, column) of each, in coding order
ORDERS = {"raster": 1, "parallel": len(COSETS)}  # how many networks each has
NEIGHBOURS_MAX = 24
MARGIN = 4  # rows and columns that neighbours reach, on a grid of their own kind
FAR = 5  # rows and columns within which cosets look around: three of another coset
PARENT = len(COSETS)  # stands for the coarser grid among the cosets

Offsets = Sequence[tuple[int, int]]

# Causal neighbours (row, column) in raster order. Nearest first, but those that would make the wavefronts steeper come
# last: with 14 of them two rows at a time are under way, and a grid takes 2 h + w steps.
CAUSAL = (
    *((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-2, -1)),
    *((-2, 1), (-2, -2), (-2, 2), (0, -3), (-3, 0), (-2, 3), (-1, 2), (-1, -3)),
    *((-1, 3), (-3, -1), (-3, 1), (-2, -3), (-3, -2), (-3, 2), (0, -4), (-4, 0)),
)


def slope(neighbours: Offsets) -> int:
    """The least slope at which all `neighbours` lie in earlier wavefronts: those of equal slope * row + column."""
    return max((dx // -dy + 1 for dy, dx in neighbours if dy < 0), default=1)


@cache
def around(coset: int, count: int) -> tuple[tuple[int, int, int], ...]:
    """What a latent of COSETS[coset] sees, the `count` nearest: of which plane, and how many rows and columns away on it.

    A plane is that of an earlier coset or, for the first coset, the PARENT.
    """
    span = range(-FAR, FAR + 1)
    if coset == 0:
        near = [(dy, dx) for dy in span for dx in span]
        return tuple((PARENT, dy, dx) for dy, dx in sorted(near, key=_distance)[:count])
    row, column = COSETS[coset]
    near = [(dy, dx) for dy in span for dx in span if ((row + dy) % 2, (column + dx) % 2) in COSETS[:coset]]
    seen = [(row + dy, column + dx) for dy, dx in sorted(near, key=_distance)[:count]]
    return tuple((COSETS.index((y % 2, x % 2)), y // 2, x // 2) for y, x in seen)


def _distance(at: tuple[int, int]) -> tuple[int, int, tuple[int, int]]:
    return at[0] ** 2 + at[1] ** 2, abs(at[0]), at
