"""A file for programs that have ONNX Runtime and no range coder: one model that needs no inputs, or graphs and tensors.

Both hold the tensors as they are after entropy decoding, so they are many times larger than the `.inr` file.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..runtime.file import InrFile
from ..runtime.grids import stacks
from ..runtime.profile import Profile, session
from ..runtime.squares import linear
from ..runtime.syntax import Signal
from ..runtime.synthesis import LEARNED, Window, mixing, network_tensors, positions

LINK = "features"  # the name under which each graph takes the output of the run before
PIXELS = "pixels"
MODEL_MAX = 2**31 - 1  # bytes; protobuf's limit
INTEGERS = (np.int8, np.int16, np.int32)


class StandaloneError(ValueError):
    """What does not fit into one ONNX model; says what was wanted and what came."""


@dataclass(frozen=True)
class Run:
    """One run of a graph: what each of its inputs takes and what its output is called, among tensors and earlier outputs."""

    graph: int
    inputs: dict[str, str]
    output: str


def runs(profile: Profile, tensors: dict[str, np.ndarray]) -> list[Run]:
    """How the graphs make the picture of `tensors`, in order; what `runtime.synthesis` does window by window."""
    plan: list[Run] = []
    levels = sum(name.startswith("latents.") for name in tensors)
    last = f"latents.{levels - 1}"
    for level in range(levels - 2, -1, -1):
        inputs = {LINK: last, "finer": f"latents.{level}"}
        inputs |= {name: f"{name}.{level}" for name in LEARNED if f"{name}.{level}" in tensors}
        plan.append(Run(0, inputs, f"stack.{level}"))
        if level in profile.manifest.mixed:
            plan.append(Run(1, {LINK: plan[-1].output, **mixing(level, tensors)}, f"mixed.{level}"))
        last = plan[-1].output
    for k in range(len(profile.own) - 1 if levels else 0, len(profile.own)):
        names = [node.name for node in session(profile.graphs[k], 1).get_inputs()]
        plan.append(Run(k, {name: last if name == LINK else name for name in names}, f"output.{k}"))
        last = plan[-1].output
    return plan


def export_tensors(file: InrFile, frame: int = 0) -> dict[str, np.ndarray]:
    """float32 by name: network tensors, kernel.k, filter.k (upsampling's rows) and latents.k (1, n, h, w), finest first; or,
    without latents, the positions of a frame's pixels. Raises StandaloneError."""
    k, within = file.place(frame)
    segment, signal = file.segment(k, within), file.signal(k)
    levels, tensors = file.profile.manifest.levels, network_tensors(segment)
    if file.profile.manifest.motion and signal.frames > 1:
        raise StandaloneError(f"wanted frames that do not depend on others, got those of {file.profile.manifest.name}")
    if not levels:
        whole = Window((0, signal.height), (0, signal.width))
        tensors |= positions(signal, whole.shape, whole, within)
    for taken, name in LEARNED.items():
        tensors |= {f"{taken}.{level}": row for level, row in enumerate(tensors.pop(name, ()))}
    grids = stacks(file.profile.manifest, segment.grids) if levels else []
    return tensors | {f"latents.{level}": stack[None].astype(np.float32) for level, stack in enumerate(grids)}


def standalone(file: InrFile, frame: int = 0) -> bytes:
    """An ONNX model whose only output, `pixels` (height, width, channels), is the picture in uint8 or uint16.

    It needs no inputs. Its tensors are initializers; one of the first run's is an optional input too, of which ONNX Runtime
    warns: were all constant, it would decode while it loads, and keep every intermediate.
    """
    tensors = export_tensors(file, frame)
    plan = runs(file.profile, tensors)
    model = merged([onnx.load_from_string(graph) for graph in file.profile.own], plan)
    inputs = list(model.graph.input)
    optional = [node.name for node in inputs if node.name.startswith("0/")][-1]
    del model.graph.input[:]
    taken = {f"{k}/{name}": source for k, run in enumerate(plan) for name, source in run.inputs.items()}
    casts = [give(model.graph, node.name, taken[node.name], tensors, node.name == optional) for node in inputs]
    last = square_nodes if file.profile.manifest.squares else pixel_nodes
    nodes = [*(cast for cast in casts if cast), *model.graph.node, *last(model.graph, file.header.signal)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    if (size := model.ByteSize()) > MODEL_MAX:
        raise StandaloneError(f"wanted a model of at most {MODEL_MAX} bytes, got {size}: export without --standalone")
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def merged(models: list[onnx.ModelProto], plan: list[Run]) -> onnx.ModelProto:
    """The runs in a row; every name of the k-th run gets the prefix "k/"."""
    whole = onnx.compose.add_prefix(models[plan[0].graph], "0/")
    for k, run in enumerate(plan[1:], 1):
        link = whole.graph.output[0].name, f"{k}/{LINK}"
        whole = onnx.compose.merge_models(whole, onnx.compose.add_prefix(models[run.graph], f"{k}/"), io_map=[link])
    del whole.metadata_props[:]
    whole.producer_name = "inrcodec"
    return whole


def give(
    graph: onnx.GraphProto, name: str, source: str, tensors: dict[str, np.ndarray], optional: bool
) -> onnx.NodeProto | None:
    """Make tensor `source` the value `name`: as it is, or latents as small integers and the cast that widens them."""
    stored, cast, values = name, None, tensors[source]
    if source.startswith("latents."):
        stored, largest = f"{name}/integers", np.abs(values).max(initial=0)
        values = values.astype(next(kind for kind in INTEGERS if largest <= np.iinfo(kind).max))
        cast = helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT)
    graph.initializer.append(numpy_helper.from_array(values, stored))
    if optional:
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        graph.input.append(helper.make_tensor_value_info(stored, kind, values.shape))
    return cast


def pixel_nodes(graph: onnx.GraphProto, signal: Signal) -> list[onnx.NodeProto]:
    """The last output, (1, channels, height, width) or more near [0, 1], as `pixels`; what `runtime.pixels.quantize` does."""
    kind = TensorProto.UINT8 if signal.bit_depth == 8 else TensorProto.UINT16
    constants = {"peak": np.float32(2**signal.bit_depth - 1), "zero": np.float32(0), "first": np.array([0]), **_cut(signal)}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    image = graph.output.pop().name
    shape = signal.height, signal.width, signal.channels
    graph.output.append(helper.make_tensor_value_info(PIXELS, kind, shape))
    return [
        helper.make_node("Slice", [image, "starts", "ends", "axes"], ["image"]),
        helper.make_node("Mul", ["image", "peak"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "zero", "peak"], ["clipped"]),
        helper.make_node("Round", ["clipped"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["integers"], to=kind),
        helper.make_node("Squeeze", ["integers", "first"], ["planes"]),
        helper.make_node("Transpose", ["planes"], [PIXELS], perm=[1, 2, 0]),
    ]


def _cut(signal: Signal) -> dict[str, np.ndarray]:
    """What a Slice takes to leave a frame: graphs that make whole ones may make them larger."""
    return {"starts": np.array([0, 0]), "ends": np.array([signal.height, signal.width]), "axes": np.array([2, 3])}


def square_nodes(graph: onnx.GraphProto, signal: Signal) -> list[onnx.NodeProto]:
    """The last output, bytes of 4:2:0, as `pixels`; what `runtime.squares` does."""
    weights, bias = linear()
    levels = {"peak": np.float32(255), "zero": np.float32(0)}
    constants = {"matrix": weights[..., None, None], "offset": bias, **levels, **_cut(signal)}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "first"))
    squares = graph.output.pop().name
    shape = signal.height, signal.width, signal.channels
    graph.output.append(helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, shape))
    return [
        helper.make_node("Cast", [squares], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["levels", "matrix", "offset"], ["scaled"]),
        helper.make_node("Floor", ["scaled"], ["rounded"]),
        helper.make_node("Clip", ["rounded", "zero", "peak"], ["clipped"]),
        helper.make_node("DepthToSpace", ["clipped"], ["whole"], blocksize=2, mode="CRD"),
        helper.make_node("Slice", ["whole", "starts", "ends", "axes"], ["image"]),
        helper.make_node("Cast", ["image"], ["integers"], to=TensorProto.UINT8),
        helper.make_node("Squeeze", ["integers", "first"], ["planes"]),
        helper.make_node("Transpose", ["planes"], [PIXELS], perm=[1, 2, 0]),
    ]


def unpacked(file: InrFile, frame: int = 0) -> dict[str, bytes]:
    """File name -> bytes: the graphs, a `.bin` of little-endian float32 per tensor, and, last, `manifest.json`.

    The manifest says how to run them; nothing but a JSON reader and ONNX Runtime is needed.
    """
    tensors = export_tensors(file, frame)
    plan = runs(file.profile, tensors)
    taken = {name for run in plan for name in run.inputs.values()}
    tensors = {name: values for name, values in tensors.items() if name in taken}
    metadata = {f"metadata.{name}": value for name, value in vars(file.metadata).items() if value}
    names = [f"graph.{k}.onnx" for k in range(len(file.profile.own))]
    manifest = {
        "format": "inrcodec-unpacked",
        "version": 1,
        "signal": vars(file.header.signal) | {"channels": file.header.signal.channels},
        "runs": [{"graph": names[run.graph], "inputs": run.inputs, "output": run.output} for run in plan],
        "tensors": {
            name: {"file": f"{name}.bin", "dtype": "float32", "byte_order": "little", "shape": values.shape}
            for name, values in tensors.items()
        },
        "pixels": _pixel_facts(file.header.signal, plan[-1].output, file.profile.manifest.squares),
        "metadata": sorted(metadata),
    }
    return {
        **dict(zip(names, file.profile.own)),
        **{f"{name}.bin": values.astype("<f4").tobytes() for name, values in tensors.items()},
        **metadata,
        "manifest.json": json.dumps(manifest, indent=1).encode(),
    }


def _pixel_facts(signal: Signal, image: str, squares: bool) -> dict[str, Any]:
    """pixels = transpose(cast(round(clip(scale * image, 0, scale)))), or of bytes of 4:2:0 what `runtime.squares` does; rows
    and columns beyond `cut` are no part of the frame."""
    cut = [signal.height, signal.width]
    if squares:
        matrix, offset = linear()
        return {
            "from": image,
            "from_layout": ["1", "luma of a square's four pixels, Cb, Cr", "height / 2", "width / 2"],
            "matrix": matrix.tolist(),
            "offset": offset.tolist(),
            "round": "down",
            "clip": [0, 255],
            "to_layout": ["1", "3 colours of 4 pixels, left before right, upper before lower", "height / 2", "width / 2"],
            "cut": cut,
            "dtype": "uint8",
            "layout": ["height", "width", "channels"],
        }
    return {
        "from": image,
        "from_layout": ["1", "channels", "height", "width"],
        "scale": 2**signal.bit_depth - 1,
        "clip": [0, 2**signal.bit_depth - 1],
        "round": "half to even",
        "cut": cut,
        "dtype": "uint8" if signal.bit_depth == 8 else "uint16",
        "layout": ["height", "width", "channels"],
    }
