"""All latent grids of a picture on one canvas, so that a step of training touches them in one call.

The finest grid lies on the left, the second on its right, below that the third and beside this one all others; those that
are coded alone have a column of their own. Around each is a margin of zeros as wide as the context's reach. Flattened, a
neighbour is a constant offset away on every grid. They begin at even rows and columns, so that cells of 2x2, and cosets of
cells, are the same ones on the canvas.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from ...runtime.orders import COSETS, MARGIN

CELL = 2
ALIGNED = 4  # floats that a GPU reads at once


@dataclass(frozen=True)
class Canvas:
    """Where each grid lies: `shapes` finest first, latents, then hyper-latents, then as many as are coded `alone`; `margin`:
    rows and columns around each, even."""

    shapes: tuple[tuple[int, int], ...]
    margin: int = MARGIN
    alone: int = 0
    kept: dict[Hashable, Tensor] = field(default_factory=dict, init=False, compare=False, repr=False)

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

    def join(self, grids: Sequence[Tensor | None], cell: int = 1) -> Tensor:
        """The canvas that holds `grids` (..., h, w); zero elsewhere, and for None. Fewer grids leave the last ones zero.

        With `cell` 2 a value of theirs is for a cell of 2x2, and so is one of the canvas.
        """
        there = [(corner, grid) for corner, grid in zip(self.corners, grids) if grid is not None]
        canvas = there[0][1].new_zeros(*there[0][1].shape[:-2], *(side // cell for side in self.size))
        for corner, grid in there:
            r, c = (place // cell for place in corner)
            canvas[..., r : r + grid.shape[-2], c : c + grid.shape[-1]] = grid
        return canvas

    def gathered(self, canvas: Tensor) -> tuple[Tensor, ...]:
        """As `split`, of (rows, columns), in one call."""
        flat = canvas.flatten().index_select(0, self._listed(canvas.device, "all"))
        pieces = flat.split([-(-h * w // ALIGNED) * ALIGNED for h, w in self.shapes])
        return tuple(piece[: h * w].view(h, w) for piece, (h, w) in zip(pieces, self.shapes))

    def spread(self, grids: Sequence[Tensor | None]) -> Tensor:
        """As `join`, of grids (h, w), in two calls."""
        there = [grid for grid in grids if grid is not None]
        flat = torch.cat([*(grid.flatten() for grid in there), there[0].new_zeros(1)])
        given = tuple(k for k, grid in enumerate(grids) if grid is not None)
        return flat.index_select(0, self._listed(flat.device, given)).view(self.size)

    def _listed(self, device: torch.device, given: tuple[int, ...] | Literal["all"]) -> Tensor:
        """Where on the canvas the values of all grids lie, each filled up to whole lines of ALIGNED; or which of the values
        of the `given` grids lies at each place of the canvas, the last being zero."""
        if (key := (device, given)) not in self.kept:
            rows, columns = self.size
            places = [each.flatten() for each in self.views(torch.arange(rows * columns).view(rows, columns))]
            if given == "all":
                found = torch.cat([F.pad(each, (0, -len(each) % ALIGNED)) for each in places])
            else:
                here = torch.cat([places[k] for k in given])
                found = torch.full((rows * columns,), len(here))
                found[here] = torch.arange(len(here))
            self.kept[key] = found.to(device)
        return self.kept[key]

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
        ctx.set_materialize_grads(False)
        ctx.listed = canvas.is_cuda and canvas.dim() == 2
        if ctx.listed:
            return places.gathered(canvas)
        return tuple(view.clone() for view in places.views(canvas))

    @staticmethod
    def backward(ctx, *grads: Tensor | None):  # pyright: ignore[reportIncompatibleMethodOverride]
        if all(grad is None for grad in grads):
            return None, None
        return (ctx.places.spread if ctx.listed else ctx.places.join)(grads), None


def cosets(x: Tensor) -> Tensor:
    """(..., rows, columns), both even -> (..., 4, rows / 2, columns / 2): the planes of COSETS."""
    return torch.stack([x[..., row::2, column::2] for row, column in COSETS], -3)
