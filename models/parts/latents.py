"""All latent grids of a picture on one canvas, so that a step of training touches them in one call.

The finest grid lies on the left, the second on its right, below that the third and beside this one all others; those that
are coded alone have a column of their own. Around each is a margin of zeros as wide as the context's reach. Flattened, a
neighbour is a constant offset away on every grid. They begin at even rows and columns, so that cells of 2x2, and cosets of
cells, are the same ones on the canvas.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.autograd import Function

from ...runtime.orders import COSETS, MARGIN

CELL = 2


@dataclass(frozen=True)
class Canvas:
    """Where each grid lies: `shapes` finest first, latents, then hyper-latents, then as many as are coded `alone`; `margin`:
    rows and columns around each, even."""

    shapes: tuple[tuple[int, int], ...]
    margin: int = MARGIN
    alone: int = 0

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """(rows, columns) that each grid takes: whole cells of 2x2."""
        return [(h + h % CELL, w + w % CELL) for h, w in self.shapes]

    @cached_property
    def corners(self) -> list[tuple[int, int]]:
        """(row, column) of each grid's first value."""
        corners = [(self.margin, self.margin)]
        row, column = self.margin, 2 * self.margin + self.places[0][1]
        for i, (h, w) in enumerate(self.places[1:], 1):
            if i == len(self.shapes) - self.alone:
                right = max(c + places[1] for (_, c), places in zip(corners, self.places))
                row, column = self.margin, right + self.margin
            corners.append((row, column))
            if i == 2:
                column += w + self.margin
            else:
                row += h + self.margin
        return corners

    @cached_property
    def size(self) -> tuple[int, int]:
        bottom = max(r + h for (r, _), (h, _) in zip(self.corners, self.places))
        right = max(c + w for (_, c), (_, w) in zip(self.corners, self.places))
        return bottom + self.margin, right + self.margin

    def split(self, canvas: Tensor) -> list[Tensor]:
        """The grids (..., h, w) on `canvas` (..., rows, columns)."""
        return list(_Split.apply(canvas, self))  # pyright: ignore[reportArgumentType]

    def views(self, canvas: Tensor) -> tuple[Tensor, ...]:
        """The places of the grids on `canvas`."""
        return tuple(canvas[..., r : r + h, c : c + w] for (r, c), (h, w) in zip(self.corners, self.shapes))

    def join(self, grids: list[Tensor], cell: int = 1) -> Tensor:
        """The canvas that holds `grids` (..., h, w); zero elsewhere. Fewer grids than shapes leave the last ones zero.

        With `cell` 2 a value of theirs is for a cell of 2x2, and so is one of the canvas.
        """
        canvas = grids[0].new_zeros(*grids[0].shape[:-2], *(side // cell for side in self.size))
        for corner, grid in zip(self.corners, grids):
            r, c = (place // cell for place in corner)
            canvas[..., r : r + grid.shape[-2], c : c + grid.shape[-1]] = grid
        return canvas

    def parents(self, grids: list[Tensor], levels: int) -> Tensor:
        """The plane (rows / 2, columns / 2), of the cosets' lattice, on which each grid's next coarser one lies; the coarsest
        of the first `levels`, and of the rest, have none, nor those that are coded alone."""
        plane = grids[0].new_zeros(self.size[0] // 2, self.size[1] // 2)
        for k in range(len(grids) - self.alone - 1):
            if k != levels - 1:
                (r, c), (h, w) = self.corners[k], grids[k + 1].shape
                plane[r // 2 : r // 2 + h, c // 2 : c // 2 + w] = grids[k + 1]
        return plane

    def mask(self, device: torch.device | str = "cpu") -> Tensor:
        """1 where a latent lies, 0 on the margins: (rows, columns)."""
        return self.join([torch.ones(shape, device=device) for shape in self.shapes])


class _Split(Function):
    """Copies of `views`; their gradients go onto one canvas, where those of views would each be given one."""

    @staticmethod
    def forward(ctx, canvas: Tensor, places: Canvas):
        ctx.places = places
        return tuple(view.clone() for view in places.views(canvas))

    @staticmethod
    def backward(ctx, *grads: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.places.join(list(grads)), None


def cosets(x: Tensor) -> Tensor:
    """(..., rows, columns), both even -> (..., 4, rows / 2, columns / 2): the planes of COSETS."""
    return torch.stack([x[..., row::2, column::2] for row, column in COSETS], -3)
