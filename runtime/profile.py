"""Profiles: decoder graphs (ONNX) with a manifest that says which tensors they take and how those are coded.

A profile is one or more graphs, run in sequence, each taking tensors by name and the output of the one before. The
manifest is JSON in the first graph's `metadata_props`. Standard profiles ship beside this file under a number; any other
is named by the digest of its graphs, and travels in the file or lies in a folder.
"""

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .entropy import Counts
from .orders import ORDERS
from .tables import ESCAPE
from .vetting import vet
from .wire import BitstreamError, Reader, Wire, Writer

if TYPE_CHECKING:
    import onnxruntime

FOLDER = Path(__file__).parent / "profiles"
# Numbers on the wire; never reused.
STANDARD = {
    **{1: "pyramid7", 2: "pyramid8", 3: "pyramid9"},
    **{4: "pyramid7_parallel", 5: "pyramid8_parallel", 6: "pyramid9_parallel"},
    **{7: "siren", 8: "coin5", 9: "coin10", 10: "coin13"},
    **{11: "cool_chic", 12: "c3", 13: "eqlinr"},
    **{14: "fourier", 15: "strumpler", 16: "strumpler_meta32", 17: "strumpler_meta64"},
    **{18: "l0onie", 19: "rqat_inr", 20: "nif", 21: "hash_grid", 22: "coinpp", 23: "pham", 24: "sinco", 25: "sanjeet"},
    **{26: "pyramid7_chroma", 27: "pyramid8_chroma", 28: "pyramid9_chroma"},
    **{29: "pyramid7_mixed", 30: "pyramid8_mixed", 31: "pyramid9_mixed"},
    **{32: "nerv_small", 33: "nerv_large", 34: "hnerv_small", 35: "hnerv_large"},
    **{36: "e_nerv_small", 37: "e_nerv_large", 38: "ps_nerv_small", 39: "ps_nerv_large"},
    **{40: "boosting_nerv_small", 41: "boosting_nerv_large", 42: "diff_nerv_small", 43: "diff_nerv_large"},
    **{50: "ffnerv_small", 51: "ffnerv_large", 52: "hinerv_small", 53: "hinerv_large"},
    **{54: "gomes_small", 55: "gomes_large", 56: "nvrc_small", 57: "nvrc_large"},
    **{64: "vq_nerv_small", 65: "vq_nerv_large", 66: "t_nerv_small", 67: "t_nerv_large", 68: "nrff"},
    **{70: "d_nerv_small", 71: "d_nerv_large", 72: "nirvana_small", 73: "nirvana_large", 74: "player"},
    **{80: "reel7"},
}
Dimension = int | str  # a number, or a sum of names of sizes
Entry = tuple[str, tuple[Dimension, ...], str]  # of `Manifest.tensors`
KEY = "inrcodec"  # of the manifest among the metadata
# Of a manifest's facts: written only where they say something.
OPTIONAL = ("counts", "method", "macs", "framewise", "squares", "motion", "chroma", "mixed")
OPTIMIZATION = "ORT_ENABLE_EXTENDED"  # ONNX Runtime's level: for few channels faster than all of them
LEVELS_MAX, HALO_MAX, PERIOD_MAX = 16, 64, 1024
COUNT_MAX, HISTOGRAMS_MAX = 2**24, 1024  # of a histogram, and of a group
ARENA_MAX = 1 << 30  # bytes that a graph which is not ours may take; HNeRV's for 720 rows does not fit in 768 MiB
WEIGHTS_MAX = 2**24  # values over all tensors of a segment
GRAPHS_MAX, GRAPH_MAX = 8, 2**20  # graphs of a profile, bytes of one


@dataclass(frozen=True)
class Motion:
    """Of frames that are predicted from others: the finest levels of what is `added` to the prediction and of `flow`, and the
    `period` of their `hierarchy`."""

    added: int
    flow: int
    period: int


@dataclass(frozen=True)
class Manifest:
    """How a profile's tensors are sized and coded.

    `sizes`: (name, largest value) of the numbers chosen per picture. `tensors`: (name, dimensions, group) in the order of
    the stream; a dimension is a number or a sum of names such as "neighbours+features" ("channels" and "frames"
    are the signal's). Tensors of one group share a step and an entropy model. `levels`, `hyper`: latent and hyper-latent
    grids, if any; `order`: in which their latents are coded. `halo`: rows that the last graph needs beyond those it makes, if
    it may be run in bands. `counts`: histograms of groups that may be coded by them. `method`: whose profile it is, if named
    otherwise. `macs`: multiply-accumulates per pixel by matrices that the graphs hold themselves. `framewise`: tensors that
    begin with a row for each frame travel frame by frame, and graphs take one row. `squares`: the last graph makes bytes of
    4:2:0 as `squares.to_rgb` takes them. `motion`: how frames after the first are predicted, where latents may be of several.
    `chroma`: the levels, finest first, that have a pair of grids for colour beside their own. `mixed`: those whose stack the
    second graph gives more features, by tensors "mixingK.", K being the level.
    """

    name: str
    sizes: tuple[tuple[str, int], ...]
    tensors: tuple[Entry, ...]
    levels: int = 0
    hyper: int = 0
    halo: int = -1
    order: str = "raster"
    counts: dict[str, Counts] = field(default_factory=dict)
    method: str = ""
    macs: float = 0.0
    framewise: bool = False
    squares: bool = False
    motion: Motion | None = None
    chroma: tuple[int, ...] = ()
    mixed: tuple[int, ...] = ()

    def shape(self, dimensions: tuple[Dimension, ...], sizes: dict[str, int]) -> tuple[int, ...]:
        return tuple(d if isinstance(d, int) else sum(sizes[name] for name in d.split("+")) for d in dimensions)

    def parameters(self, sizes: dict[str, int]) -> int:
        """How many numbers its tensors hold, of such sizes."""
        return sum(math.prod(self.shape(dimensions, sizes)) for _, dimensions, _ in self.tensors)

    @property
    def groups(self) -> dict[str, list[tuple[str, tuple[Dimension, ...]]]]:
        groups: dict[str, list[tuple[str, tuple[Dimension, ...]]]] = {}
        for name, dimensions, group in self.tensors:
            groups.setdefault(group, []).append((name, dimensions))
        return groups

    @property
    def alone(self) -> dict[str, list[tuple[str, tuple[Dimension, ...]]]]:
        """The groups that travel frame by frame, of one row each."""
        rows = {name: [(n, (1, *d[1:])) for n, d in members if d[:1] == ("frames",)] for name, members in self.groups.items()}
        return {name: members for name, members in rows.items() if self.framewise and len(members) == len(self.groups[name])}

    def to_json(self) -> str:
        facts = {k: v for k, v in vars(self).items() if v or k not in OPTIONAL}
        return json.dumps(facts | ({"motion": vars(self.motion)} if self.motion else {}), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Raises BitstreamError where `text` is no manifest."""
        try:
            facts = dict(json.loads(text))
            sizes = tuple((str(name), _dimension(most)) for name, most in facts.pop("sizes"))
            tensors = tuple(
                (str(n), tuple(d if isinstance(d, str) else _dimension(d) for d in dims), str(g))
                for n, dims, g in facts.pop("tensors")
            )
            grids = {name: int(facts.pop(name)) for name in ("levels", "hyper", "halo")}
            if not (0 <= grids["hyper"] <= grids["levels"] <= LEVELS_MAX and -1 <= grids["halo"] <= HALO_MAX):
                raise ValueError(f"grids out of bounds: {grids}")
            if (order := facts.pop("order")) not in ORDERS:
                raise ValueError(f"wanted an order of {', '.join(ORDERS)}, got {order!r}")
            counts = {str(group): _counts(rows) for group, rows in dict(facts.pop("counts", {})).items()}
            name, method, macs = str(facts.pop("name")), str(facts.pop("method", "")), float(facts.pop("macs", 0))
            flags = {name: bool(facts.pop(name, False)) for name in ("framewise", "squares")}
            if not 0 <= macs < math.inf:
                raise ValueError(f"macs out of bounds: {macs}")
            motion = _motion(dict(facts.pop("motion")), grids["levels"]) if "motion" in facts else None
            below = 0 if motion else grids["levels"]
            given = {"order": order, "counts": counts, "method": method, "macs": macs, "motion": motion}
            given |= {"chroma": _levels(facts, "chroma", below), "mixed": _levels(facts, "mixed", below - 1)}
            convolutions = {name for name, dimensions, _ in tensors if len(dimensions) == 4}
            if lacking := {f"mixing{level}.last.weight" for level in given["mixed"]} - convolutions:
                raise ValueError(f"mixed levels without {', '.join(sorted(lacking))}")
            return replace(cls(name, sizes, tensors), **grids, **flags, **given)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise BitstreamError(f"wanted a profile's manifest, got {error}") from None


def _motion(facts: dict[str, object], levels: int) -> Motion:
    """Raises ValueError, TypeError or KeyError for what is none of a profile with so many `levels`."""
    added, flow, period = (int(facts[name]) for name in ("added", "flow", "period"))  # pyright: ignore[reportArgumentType]
    if not (0 <= added < levels and 0 <= flow < levels and 1 <= period <= PERIOD_MAX):
        raise ValueError(f"motion out of bounds: {facts}")
    return Motion(added, flow, period)


def _dimension(number: object) -> int:
    """Raises ValueError for what is none of a tensor."""
    if not (isinstance(number, int) and 0 < number <= WEIGHTS_MAX):
        raise ValueError(f"wanted dimensions and sizes of 1 to {WEIGHTS_MAX}, got {number!r}")
    return number


def _levels(facts: dict[str, Any], name: str, below: int) -> tuple[int, ...]:
    """Raises ValueError or TypeError for what are no ascending levels `below` that."""
    levels = tuple(int(level) for level in facts.pop(name, ()))
    if list(levels) != sorted(set(levels) & set(range(below))):
        raise ValueError(f"{name} out of bounds: {levels}")
    return levels


def _counts(rows: object) -> Counts:
    """Raises ValueError or TypeError for what are no histograms of one length."""
    counts = tuple(tuple(int(count) for count in row) for row in rows)  # pyright: ignore[reportGeneralTypeIssues]
    lengths = {len(row) for row in counts}
    bounded = len(counts) <= HISTOGRAMS_MAX and all(0 <= count < COUNT_MAX for row in counts for count in row)
    if len(lengths) != 1 or not 0 < max(lengths) <= ESCAPE or not bounded:
        raise ValueError(f"wanted up to {HISTOGRAMS_MAX} histograms of 1 to {ESCAPE} counts below {COUNT_MAX}")
    return counts


@dataclass(frozen=True)
class Profile:
    """The graphs' bytes."""

    graphs: tuple[bytes, ...]

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(b"".join(self.graphs)).digest()[:8]

    @cached_property
    def manifest(self) -> Manifest:
        """Raises BitstreamError where the first graph brings none, or one of another number of graphs."""
        metadata = session(self.graphs[0], 1).get_modelmeta().custom_metadata_map
        manifest = Manifest.from_json(metadata.get(KEY, "null"))
        wanted = (4 if manifest.motion else 3 if manifest.mixed else 2) if manifest.levels else len(self.graphs)
        if len(self.graphs) != wanted:
            raise BitstreamError(f"wanted {wanted} graphs of {manifest.name}, got {len(self.graphs)}")
        return manifest

    @property
    def own(self) -> tuple[bytes, ...]:
        """The graphs that make what depends on no other frame."""
        return self.graphs[:2] if self.manifest.motion else self.graphs


@cache
def _limited_arena() -> None:
    """From now on sessions may ask for an arena that gives at most ARENA_MAX bytes."""
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(ARENA_MAX, -1, -1, -1))


@cache
def _ours() -> frozenset[bytes]:
    """The graphs that ship with the runtime."""
    return frozenset(path.read_bytes() for path in FOLDER.glob("*.onnx"))


@lru_cache(maxsize=16)
def session(graph: bytes, threads: int) -> "onnxruntime.InferenceSession":
    """A cached session; `threads` 0 takes all cores. Raises BitstreamError for what is no ONNX graph, or no harmless one."""
    import onnxruntime  # as late as this: whoever reads headers alone does without

    options = onnxruntime.SessionOptions()
    if graph not in _ours():
        vet(graph)
        _limited_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.__members__[OPTIMIZATION]
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class for each way to fail, and no common one
        raise BitstreamError(f"wanted an ONNX decoder graph, got {error}") from None


def run(graph: bytes, tensors: dict[str, np.ndarray], threads: int) -> np.ndarray:
    """The graph's only output, given the tensors that it names. Raises BitstreamError where they do not fit."""
    ready = session(graph, threads)
    try:
        return np.asarray(ready.run(None, {node.name: tensors[node.name] for node in ready.get_inputs()})[0])
    except MemoryError:
        raise
    except Exception as error:
        raise BitstreamError(f"the decoder graph failed on this file's tensors: {error}") from None


@cache
def standard(number: int) -> Profile:
    """Raises BitstreamError for a number that this version does not know."""
    if number not in STANDARD:
        raise BitstreamError(f"wanted a profile of {sorted(STANDARD)}, got {number}: a newer inrcodec may read this file")
    return load(STANDARD[number])


@cache
def load(name: str) -> Profile:
    """A shipped profile: `NAME.txt` lists its graphs' files."""
    graphs = (FOLDER / f"{name}.txt").read_text().split()
    return Profile(tuple((FOLDER / graph).read_bytes() for graph in graphs))


def code_bundle(wire: Wire, given: Profile | None = None) -> Profile:
    """A profile on its own: how many graphs, then each."""
    graphs = given.graphs if given else ()
    count = wire.varint(len(graphs), GRAPHS_MAX)
    if count == 0:
        raise BitstreamError("wanted a profile of at least one graph, got none")
    return Profile(tuple(wire.blob(graphs[i] if given else b"", GRAPH_MAX) for i in range(count)))


def bundle(profile: Profile) -> bytes:
    wire = Writer()
    code_bundle(wire, profile)
    return bytes(wire.data)


def unbundle(data: bytes) -> Profile:
    """Raises BitstreamError."""
    return code_bundle(Reader(data))
