"""From latents and network tensors to samples: the profile's graphs, run on as much of the picture as is wanted.

A pyramid's first graph doubles a stack of grids and puts the next finer level's on top; it runs once per level. The last
graph makes an image of the finest stack; where there is one between, it gives the stacks of some levels more features. All
look only a few samples around, so that a window of the picture needs windows of the grids: large pictures are made in
tiles, the finest step in bands that stay in cache, a region alone where it is wanted.

Graphs without latents are functions of a pixel's position, and make a picture of any size: they take `rows` (h,) and
`columns` (w,), positions in pixels of the picture as it was encoded, and `size` (2,), its height and width; of several
frames also `frame` (1,), which one, of `frames` (1,). Those that say no halo make whole frames, perhaps a little larger, of
which the runtime takes what it wants.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .grids import stacks
from .pixels import quantize
from .profile import Profile, run
from .segment import Segment
from .squares import PLANES, to_rgb
from .syntax import Signal
from .wire import BitstreamError

BAND_PIXELS = 1 << 15  # rows that the last graph makes at a time hold about so many: its hidden layer then stays in cache
TILE_PIXELS = 1 << 21  # rows of a picture whose coarser stacks are held at a time
# Inputs of the first graph and their tensors, a row for each level but the coarsest; fixed upsampling has none.
LEARNED = {"kernel": "upsampling.kernels", "filter": "upsampling.filters"}
REACH = 2  # samples of a coarser stack that a doubled one depends on, to either side
MIXING = 1  # the same, of a stack that is mixed

Span = tuple[int, int]  # first row or column, and the one behind the last


@dataclass(frozen=True)
class Window:
    """Rows and columns of a grid."""

    rows: Span
    columns: Span

    @property
    def origin(self) -> tuple[int, int]:
        return self.rows[0], self.columns[0]

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def of(self, array: np.ndarray, origin: tuple[int, int] = (0, 0)) -> np.ndarray:
        """A view of (..., h, w), whose first sample lies at `origin` of the grid."""
        (top, bottom), (left, right) = self.rows, self.columns
        return array[..., top - origin[0] : bottom - origin[0], left - origin[1] : right - origin[1]]

    def grown(self, by: int, shape: tuple[int, int]) -> "Window":
        """`by` more to all sides, but not beyond a grid of `shape`."""
        return Window(_grown(self.rows, by, shape[0]), _grown(self.columns, by, shape[1]))

    def halved(self, shape: tuple[int, int]) -> "Window":
        """Of the next coarser grid, of `shape`, what a doubling needs to make this window."""
        rows, columns = ((span[0] // 2, -(-span[1] // 2)) for span in (self.rows, self.columns))
        return Window(rows, columns).grown(REACH, shape)


def _grown(span: Span, by: int, end: int) -> Span:
    return max(0, span[0] - by), min(end, span[1] + by)


def shaped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same array. Raises BitstreamError where a graph, not one of ours, gave another shape."""
    if array.shape != shape:
        raise BitstreamError(f"wanted {shape} from a decoder graph, got {array.shape}")
    return array


def network_tensors(segment: Segment) -> dict[str, np.ndarray]:
    """float32, by name."""
    return {name: values for group in segment.groups.values() for name, values in group.values().items()}


class Synthesis:
    """A segment's graphs, ready to make samples of any window of the picture, or of one 2**`octaves` times smaller.

    A smaller picture is a preview: each finer grid counts by its means, each kernel, filter and convolution by its sum.
    `shape` is that of a picture without latents, any; `frame` is one of those that share the segment. Of frames that are
    predicted from others (`prediction`) this makes the first.
    """

    def __init__(
        self,
        signal: Signal,
        profile: Profile,
        segment: Segment,
        threads: int = 0,
        octaves: int = 0,
        shape: tuple[int, int] | None = None,
        frame: int = 0,
    ) -> None:
        self.signal, self.threads, self.octaves, self.frame = signal, threads, octaves, frame
        self.graphs, self.halo, self.squares = profile.own, profile.manifest.halo, profile.manifest.squares
        self.tensors = {name: from_afar(t) if octaves else t for name, t in network_tensors(segment).items()}
        levels, mixed = profile.manifest.levels, profile.manifest.mixed
        self.mixed = {
            level: {taken: self.tensors[name] for taken, name in mixing(level, self.tensors).items()} for level in mixed
        }
        self.learned = {taken: self.tensors[name] for taken, name in LEARNED.items() if name in self.tensors}
        if any(rows.ndim != 2 or len(rows) != levels - 1 for rows in self.learned.values()):
            raise BitstreamError(f"wanted {levels - 1} rows of upsampling in a profile of {levels} levels")
        if octaves and octaves >= levels:
            raise BitstreamError(f"wanted more than {octaves} levels at that scale, {profile.manifest.name} has {levels}")
        grids = stacks(profile.manifest, segment.grids) if levels else []  # (n, h, w), finest first
        self.grids = grids[octaves:]
        self.means = [self._filtered(k, block_means(grid, octaves - k)) for k, grid in enumerate(grids[:octaves])]
        self.shape = self.grids[0].shape[1:] if grids else shape or (self.signal.height, self.signal.width)

    @property
    def whole(self) -> Window:
        return Window((0, self.shape[0]), (0, self.shape[1]))

    def parts(self, window: Window) -> Iterator[tuple[Window, np.ndarray]]:
        """Bands of `window` from top to bottom, each with its (1, channels, h, w): float32, near [0, 1] but not clipped, or
        bytes."""
        width = window.shape[1]
        if not self.grids:
            for rows in split(window.rows, max(1, BAND_PIXELS // width), self.halo):
                here = Window(rows, window.columns)
                wide = self._grown(here)
                yield here, here.of(self._chain(wide), wide.origin)
            return
        for tile in split(window.rows, max(1, 4 * self.halo, TILE_PIXELS // width), self.halo):
            below = self._seen(self._grown(Window(tile, window.columns)), 0).halved(self._coarser(0))
            stack = self._stack(below, 1)
            for rows in split(tile, max(1, 4 * self.halo, BAND_PIXELS // width), self.halo):
                here = Window(rows, window.columns)
                wide = self._grown(here)
                features = self._double(stack, below, wide, 0)
                for level in reversed(range(self.octaves)):
                    finer, coarser = wide.of(self.means[level])[None], self._doubling(level) * features
                    features = self._mixed(np.concatenate([finer, coarser], 1), level)
                image = run(self.graphs[-1], {**self.tensors, "features": features}, self.threads)
                shaped(image, (1, self.signal.channels, *wide.shape))
                yield here, here.of(image, wide.origin)

    def _filtered(self, level: int, means: np.ndarray) -> np.ndarray:
        """A level's grids (n, h, w) as its filter, which is of the first alone, leaves what hardly changes around."""
        if "filter" in self.learned:
            side = self.learned["filter"][level]
            means[0] *= (1 + side[0] + 2 * side[1:].sum()) ** 2
        return means

    def _doubling(self, level: int) -> np.float32:
        """What the kernel to a level makes of a constant."""
        return np.square(self.learned["kernel"][level].sum()) if "kernel" in self.learned else np.float32(1)

    def _chain(self, window: Window) -> np.ndarray:
        """`window` by graphs without latents, one after the other."""
        tensors = {**positions(self.signal, self.shape, window, self.frame), **self.tensors}
        for graph in self.graphs:
            tensors["features"] = run(graph, tensors, self.threads)
        image = tensors["features"]
        if self.squares:
            image = coloured(image, window.shape)
        if self.halo < 0 and image.ndim == 4:
            image = image[..., : window.shape[0], : window.shape[1]]
        return shaped(image, (1, self.signal.channels, *window.shape))

    def _grown(self, window: Window) -> Window:
        """With what the last graph sees around it; all where its manifest does not say."""
        return window.grown(self.halo, self.shape) if self.halo >= 0 else self.whole

    def _coarser(self, level: int) -> tuple[int, int]:
        """Shape of the grid below."""
        return self.grids[min(level + 1, len(self.grids) - 1)].shape[1:]

    def _stack(self, window: Window, level: int) -> np.ndarray:
        """`window` of the stack at `level`: (1, grids, h, w), finest first."""
        if level >= len(self.grids) - 1:
            return window.of(self.grids[-1])[None].astype(np.float32)
        below = self._seen(window, level).halved(self._coarser(level))
        return self._double(self._stack(below, level + 1), below, window, level)

    def _seen(self, window: Window, level: int) -> Window:
        """Of a level's stack, what `window` of the mixed one is made of."""
        return window.grown(MIXING if self.octaves + level in self.mixed else 0, self.grids[level].shape[1:])

    def _mixed(self, stack: np.ndarray, level: int) -> np.ndarray:
        """A stack (1, grids, h, w) with its level's features, if it has any; `level` is one of the whole picture's."""
        if level not in self.mixed:
            return stack
        _, grids, *shape = stack.shape
        features = run(self.graphs[1], {**self.mixed[level], "features": stack}, self.threads)
        return shaped(features, (1, grids + len(self.mixed[level]["last.weight"]), *shape))

    def _double(self, stack: np.ndarray, below: Window, window: Window, level: int) -> np.ndarray:
        """`window` of the stack at `level`, of the coarser `stack`, which covers `below`."""
        if level >= len(self.grids) - 1:  # the picture is so small that there is but one grid
            return window.of(self.grids[-1])[None].astype(np.float32)
        grid, wide = self.grids[level], self._seen(window, level)
        seen = wide.halved(self._coarser(level))
        made = Window(*((2 * a, min(2 * b, n)) for (a, b), n in zip((seen.rows, seen.columns), grid.shape[1:])))
        feeds = {
            "features": seen.of(stack, below.origin),
            "finer": made.of(grid)[None].astype(np.float32),
            **{taken: rows[self.octaves + level] for taken, rows in self.learned.items()},
        }
        doubled = shaped(run(self.graphs[0], feeds, self.threads), (1, len(grid) + stack.shape[1], *made.shape))
        return window.of(self._mixed(wide.of(doubled, made.origin), self.octaves + level), wide.origin)


def mixing(level: int, names: Iterable[str]) -> dict[str, str]:
    """Inputs of the graph that mixes a level's stack, and which of the tensors' `names` they take."""
    return {name.partition(".")[2]: name for name in names if name.startswith(f"mixing{level}.")}


def positions(signal: Signal, shape: tuple[int, int], window: Window, frame: int = 0) -> dict[str, np.ndarray]:
    """Where the samples of a `window` of a picture of `shape` lie: `frame`, `frames`, `rows`, `columns`, `size`."""

    def along(span: Span, samples: int, pixels: int) -> np.ndarray:
        return ((np.arange(*span) + 0.5) * (pixels / samples) - 0.5).astype(np.float32)

    return {
        "frame": np.array([frame], np.float32),
        "frames": np.array([signal.frames], np.float32),
        "rows": along(window.rows, shape[0], signal.height),
        "columns": along(window.columns, shape[1], signal.width),
        "size": np.array([signal.height, signal.width], np.float32),
    }


def split(span: Span, length: int, halo: int) -> Iterator[Span]:
    """Parts of at most `length`, or all of it where `halo` says that nothing less will do."""
    step = length if halo >= 0 else span[1] - span[0]
    for first in range(*span, step):
        yield first, min(first + step, span[1])


def from_afar(weights: np.ndarray) -> np.ndarray:
    """A convolution's weights (out, in, 3, 3) as they act on what hardly changes around: their sums, in the middle."""
    if weights.ndim < 4:
        return weights
    result = np.zeros_like(weights)
    result[:, :, 1, 1] = weights.sum((2, 3))
    return result


def block_means(grid: np.ndarray, octaves: int) -> np.ndarray:
    """(..., h, w) -> (..., h / n, w / n), rounded up, n = 2**octaves: means of blocks; edges repeat."""
    n, ahead = 1 << octaves, grid.shape[:-2]
    padded = np.pad(grid, [*[(0, 0)] * len(ahead), *((0, -side % n) for side in grid.shape[-2:])], mode="edge")
    h, w = padded.shape[-2:]
    return padded.reshape(*ahead, h // n, n, w // n, n).mean((-3, -1), dtype=np.float32)


def coloured(squares: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(1, 6, h, w) bytes of 4:2:0 -> (1, 3, *shape). Raises BitstreamError for what, from a graph not ours, is none."""
    least, came = (1, PLANES, *(-(-side // 2) for side in shape)), squares.shape
    if squares.dtype != np.uint8 or len(came) != 4 or came[:2] != least[:2] or min(np.subtract(came, least)) < 0:
        raise BitstreamError(f"wanted bytes {least} or more from a decoder graph, got {squares.dtype} {came}")
    return to_rgb(squares[0], *shape).transpose(2, 0, 1)[None]


def assemble(signal: Signal, window: Window, parts: Iterable[tuple[Window, np.ndarray]]) -> np.ndarray:
    """(h, w[, channels]) uint8 or uint16 of the parts of `window`."""
    out = np.empty((*window.shape, signal.channels), np.uint8 if signal.bit_depth == 8 else np.uint16)
    for part, image in parts:
        whole = image[0] if image.dtype == out.dtype else quantize(image[0], signal.bit_depth)
        part.of(out.transpose(2, 0, 1), window.origin)[:] = whole
    return out[..., 0] if signal.channels == 1 else out


def halved(pixels: np.ndarray) -> np.ndarray:
    """(h, w[, channels]) integers -> means of blocks of four, (h / 2, w / 2), rounded up; edges repeat."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, [(0, height % 2), (0, width % 2)] + [(0, 0)] * (pixels.ndim - 2), mode="edge")
    blocks = padded.reshape(-(-height // 2), 2, -(-width // 2), 2, *pixels.shape[2:])
    return np.rint(blocks.mean((1, 3), dtype=np.float32)).astype(pixels.dtype)
