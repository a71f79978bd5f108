"""docs/format.md says what the code does: its numbers, and a decoder of its words."""

import re
from pathlib import Path

import numpy as np
import pytest

from inrcodec.runtime import entropy, network, syntax, tables
from inrcodec.runtime.orders import CAUSAL, slope
from inrcodec.runtime.profile import Manifest, standard
from inrcodec.runtime.segment import read_segment
from inrcodec.runtime.syntax import Signal, read_file

TEXT = (Path(__file__).parents[1] / "docs" / "format.md").read_text()
VECTORS = Path(__file__).parent / "vectors"
ROWS = re.findall(r"^\| (\d) \| (\w+) \| (.*?) \|", TEXT, re.M)
ALL = 2**64 - 1


def test_entropy_models():
    stated = {int(tag): (name, re.findall(r"(\w+) < (\d[\d,]*\d|\d)", fields)) for tag, name, fields in ROWS}
    records = {}
    for tag, kind in entropy._MODELS.items():
        sizes = [(f.name, f"{f.metadata['size']:,}") for f in entropy.fields(kind) if "size" in f.metadata]
        records[tag] = kind.__name__, sizes
    assert stated == records


def test_numbers():
    assert ", ".join(syntax.SECTIONS[:-1]) in TEXT and f"at most 2**{syntax.SECTION_MAX.bit_length() - 1} bytes" in TEXT
    assert ", ".join(syntax.COLOURS) in TEXT and f"sides of 1 to {syntax.SIDE_MAX:,}" in TEXT
    assert f"at most 2**{syntax.PIXELS_MAX.bit_length() - 1} pixels" in TEXT
    assert f"index {tables.SCALE_ZERO} being one step" in TEXT and f"symbols -{tables.REACH} ... {tables.REACH}" in TEXT
    assert f"integer below {entropy.TAGS}, the tag" in TEXT and f"integers below {entropy.ESCAPE_BITS}" in TEXT
    assert f"2**{network.SUM_BITS - network.CENTRE_BITS}" in TEXT and f"0, {int(network.HIGHEST[1, 0])})" in TEXT


class Stream:
    """The range decoder as the document has it, symbol by symbol."""

    def __init__(self, data: bytes) -> None:
        padded = data + bytes(-len(data) % 4 + 8)
        self.words = [int.from_bytes(padded[i : i + 4], "little") for i in range(0, len(padded), 4)]
        self.lower, self.range, self.point, self.at = 0, ALL, self.words[0] << 32 | self.words[1], 2

    def read(self, frequencies: list[int]) -> int:
        scale = self.range >> 24
        quantile, left = (self.point - self.lower & ALL) // scale, 0
        symbol = 0
        while quantile >= left + frequencies[symbol]:
            left, symbol = left + frequencies[symbol], symbol + 1
        self.lower, self.range = self.lower + scale * left & ALL, scale * frequencies[symbol]
        if self.range < 2**32:
            word = self.words[self.at] if self.at < len(self.words) else 0
            self.lower, self.range, self.at = self.lower << 32 & ALL, self.range << 32, self.at + 1
            self.point = (self.point << 32 | word) & ALL
        return symbol

    def integer(self, n: int) -> int:
        return self.read([2**24 // n] * (n - 1) + [2**24 - 2**24 // n * (n - 1)]) if n > 1 else 0

    def laplace(self, scales: list[int], centres: list[int]) -> list[int]:
        wide = [max(0, (s - 56) // 8) for s in scales]
        rows = [16 * (s - 8 * k) + (0 if k else c & 15) for s, c, k in zip(scales, centres, wide)]
        symbols = [int(tables.LIKELIEST[row]) for row in rows]
        likeliest = [int(tables.LIKELIEST_FREQUENCY[row]) for row in rows]
        missed = [i for i, first in enumerate(likeliest) if self.read([first, 2**24 - first])]
        for i in missed:
            symbols[i] = self.read(tables.OTHERS.frequencies[rows[i]].tolist()) - 31
        escaped = [i for i in missed if symbols[i] == 32]
        lengths = [self.integer(25) for _ in escaped]
        for i, length in zip(escaped, lengths):
            v = (1 << length >> 1) + self.integer(max(1, 1 << length >> 1))
            symbols[i] = (v // 2 + 32) * (-1) ** (v % 2)
        symbols = [(symbol << k) - (1 << k >> 1) for symbol, k in zip(symbols, wide)]
        return [(c >> 4) + symbol + self.integer(1 << k) for c, symbol, k in zip(centres, symbols, wide)]


class Words:
    """A segment in raster order, read as the document says."""

    def __init__(self, manifest: Manifest, signal: Signal, payload: bytes) -> None:
        self.manifest, self.stream = manifest, Stream(payload)
        integer = self.stream.integer
        self.sizes = {name: integer(most) + 1 for name, most in manifest.sizes}
        self.exponents, self.tensors = {}, {}
        for members in manifest.groups.values():
            shapes = [manifest.shape(dimensions, {**signal.sizes, **self.sizes}) for _, dimensions in members]
            ends = np.cumsum([np.prod(shape) for shape in shapes])
            exponent, tag = integer(32), integer(16)
            assert tag in (0, 1, 8)
            scale = integer(192) if tag else 0
            finer, larger = ([0] * len(shapes),) * 2
            if tag == 8:
                finer, larger = (self.stream.laplace([index] * len(shapes), [0] * len(shapes)) for index in (40, 48))
            flat = [0] * ends[-1]
            if tag == 1:
                flat = self.stream.laplace([scale] * ends[-1], flat)
            elif tag == 8:
                counts = [int(np.prod(shape)) for shape in shapes]
                batches = [self.stream.laplace([scale + 4 * more] * n, [0] * n) for more, n in zip(larger, counts)]
                flat = [symbol for batch in batches for symbol in batch]
            for (tensor, _), shape, part, more in zip(members, shapes, np.split(np.array(flat), ends[:-1]), finer):
                self.tensors[tensor], self.exponents[tensor] = part.reshape(shape), exponent + more
        self.shapes = [(-(-signal.height // 2**k), -(-signal.width // 2**k)) for k in range(manifest.levels)]
        self.grids = [self.grid(self.shapes[k], None) for k in manifest.chroma[::-1] for _ in range(2)]
        hyper, latents = {}, {}
        for k in range(manifest.levels - 1, manifest.levels - 1 - manifest.hyper, -1):
            hyper[k] = self.grid(self.shapes[k], None)
        for k in range(manifest.levels - 1, -1, -1):
            coarser = [(j, grid[j]) for j in range(k + 1, manifest.levels) for grid in (latents, hyper) if j in grid]
            fine = k < min(3, manifest.levels - 1)
            latents[k] = self.grid(self.shapes[k], self.features(k, coarser) if fine else None)
        self.grids += [*hyper.values(), *latents.values()]

    def fixed(self, name: str) -> np.ndarray:
        return self.tensors[name] << (14 if name.endswith("bias") else 8) - self.exponents[name]

    def features(self, level: int, coarser: list[tuple[int, np.ndarray]]) -> np.ndarray:
        height, width = self.shapes[level + 1]
        seen = [grid.repeat(2 ** (j - level - 1), 0).repeat(2 ** (j - level - 1), 1)[:height, :width] for j, grid in coarser]
        units = np.clip(seen, -64, 64) << 6
        sums = np.einsum("gf,ghw->fhw", self.fixed(f"inter.{level}.weight"), units)
        return np.clip(sums + self.fixed(f"inter.{level}.bias")[:, None, None] >> 8, -4096, 4096)

    def grid(self, shape: tuple[int, int], features: np.ndarray | None) -> np.ndarray:
        (h, w), near = shape, CAUSAL[: self.sizes["neighbours"]]
        grid, inputs = np.zeros(shape, np.int64), np.zeros((h + 8, w + 8), np.int64)
        first, b1, second, b2, last, b3, skip = (
            self.fixed(f"context.0.{name}")
            for name in (
                "first.weight",
                "first.bias",
                "second.weight",
                "second.bias",
                "last.weight",
                "last.bias",
                "skip.weight",
            )
        )
        unit = lambda sums: np.clip(sums, 0, 64 << 14) // 256  # noqa: E731
        steps = slope(near) if self.stream.integer(2) else 0
        for t in range(steps * (h - 1) + w if steps else 0):
            r = np.array([r for r in range(h) if 0 <= t - steps * r < w], int)
            c = t - steps * r
            x = np.zeros((len(first), len(r)), np.int64)
            x[: len(near)] = [inputs[r + 4 + dy, c + 4 + dx] for dy, dx in near]
            if features is not None:
                x[len(near) :] = features[:, r // 2, c // 2]
            h1 = unit(first.T @ x + b1[:, None])
            h2 = unit((second + 256 * np.eye(len(second), dtype=np.int64)).T @ h1 + b2[:, None])
            out = last.T @ h2 + b3[:, None] + skip.T @ x
            centre = np.clip(out[0] + 2**9 >> 10, -1024, 1024)
            scale = np.clip((out[1] + 2**10 >> 11) + 40, 0, 87)
            grid[r, c] = self.stream.laplace(scale.tolist(), centre.tolist())
            inputs[r + 4, c + 4] = np.clip(grid[r, c], -64, 64) << 6
        return grid


@pytest.mark.parametrize("name", ["apart_rgb8_odd", "mixed_rgb8_odd", "chroma_rgba16_strip"])
def test_a_decoder_of_its_words(name):
    header, payload = read_file((VECTORS / f"{name}.inr").read_bytes())
    manifest = standard(header.profile).manifest
    wanted, words = read_segment(manifest, header.signal, payload), Words(manifest, header.signal, payload)
    assert words.sizes == wanted.sizes
    for group in wanted.groups.values():
        for tensor, symbols in group.symbols.items():
            assert words.exponents[tensor] == group.exponents[tensor], tensor
            assert np.array_equal(words.tensors[tensor], symbols), tensor
    assert len(words.grids) == len(wanted.grids) and any(grid.any() for grid in wanted.grids)
    for mine, theirs in zip(words.grids, wanted.grids):
        np.testing.assert_array_equal(mine, theirs)
