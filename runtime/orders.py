"""The orders in which the latents of a grid are coded, and which of those before a latent sees. A profile has one.

`raster`: one network. Latents follow each other row by row, in wavefronts.
`parallel`: the latents are the four cosets of 2x2 cells, with a network each. The first coset, a quarter, sees inter-grid
features alone; each other is coded at once, from all before it on all sides (two cosets: the checkerboard of He et al.
2021; four: the quadtree of Li et al. 2023, DCVC-DC, in space alone). Grids that are so coarse that they have no inter-grid
features are small: there the first coset is coded as a raster of its own.
"""

from collections.abc import Sequence

COSETS = ((0, 0), (1, 1), (0, 1), (1, 0))  # first (row, column) of each, in coding order
ORDERS = {"raster": 1, "parallel": len(COSETS)}  # how many networks each has
NEIGHBOURS_MAX = 24
MARGIN = 4  # rows and columns that neighbours reach, on a grid of their own kind
FAR = 5  # rows and columns within which cosets look around: three of another coset

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


def around(coset: int, count: int) -> list[tuple[int, int]]:
    """The `count` nearest (row, column) of earlier cosets about a latent of COSETS[coset], coset > 0."""
    (row, column), earlier = COSETS[coset], COSETS[:coset]
    span = range(-FAR, FAR + 1)
    known = [(dy, dx) for dy in span for dx in span if ((row + dy) % 2, (column + dx) % 2) in earlier]
    return sorted(known, key=lambda at: (at[0] ** 2 + at[1] ** 2, abs(at[0]), at))[:count]


def across(coset: int, neighbour: tuple[int, int]) -> tuple[int, int, int]:
    """`neighbour` of a latent of COSETS[coset] on the grids of the cosets: which coset, and by how many rows and columns."""
    row, column = COSETS[coset][0] + neighbour[0], COSETS[coset][1] + neighbour[1]
    return COSETS.index((row % 2, column % 2)), row // 2, column // 2
