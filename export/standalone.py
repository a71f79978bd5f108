"""A file for programs that have ONNX Runtime and no range coder: one model that needs no inputs, or graphs and tensors.

Both hold the tensors as they are after entropy decoding, so they are many times larger than the `.inr` file.
"""

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..runtime.decoder import InrFile, graph_tensors
from ..runtime.profile import session
from ..runtime.syntax import Signal

LINK = "features"  # the name under which each graph takes the output of the one before
PIXELS = "pixels"
MODEL_MAX = 2**31 - 1  # bytes; protobuf's limit
INTEGERS = (np.int8, np.int16, np.int32)


class StandaloneError(ValueError):
    """A picture that does not fit into one ONNX model; says what was wanted and what came."""


def standalone(file: InrFile) -> bytes:
    """An ONNX model whose only output, `pixels` (height, width, channels), is the picture in uint8 or uint16.

    It needs no inputs. Its tensors are initializers; one, the last of the first graph's, is an optional input too, of
    which ONNX Runtime warns: were all constant, it would decode while it loads, and keep every intermediate.
    """
    model = merged([onnx.load_from_string(graph) for graph in file.profile.graphs])
    tensors, inputs = graph_tensors(file.segment()), list(model.graph.input)
    optional = [node.name for node in inputs if node.name.startswith("0/")][-1]
    del model.graph.input[:]
    casts = [give(model.graph, node.name, tensors[_name(node.name)], node.name == optional) for node in inputs]
    nodes = [*(cast for cast in casts if cast), *model.graph.node, *pixel_nodes(model.graph, file.header.signal)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    if (size := model.ByteSize()) > MODEL_MAX:
        raise StandaloneError(f"wanted a model of at most {MODEL_MAX} bytes, got {size}: export without --standalone")
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def merged(models: list[onnx.ModelProto]) -> onnx.ModelProto:
    """The graphs in a row; every name of the k-th gets the prefix "k/", so that an input is "k/tensor's name"."""
    whole = onnx.compose.add_prefix(models[0], "0/")
    for k, model in enumerate(models[1:], 1):
        link = whole.graph.output[0].name, f"{k}/{LINK}"
        whole = onnx.compose.merge_models(whole, onnx.compose.add_prefix(model, f"{k}/"), io_map=[link])
    del whole.metadata_props[:]
    whole.producer_name = "inrcodec"
    return whole


def _name(prefixed: str) -> str:
    return prefixed.partition("/")[2]


def give(graph: onnx.GraphProto, name: str, values: np.ndarray, optional: bool) -> onnx.NodeProto | None:
    """Make `values` the tensor `name`: as they are, or latents as small integers and the cast that widens them."""
    stored, cast = name, None
    if _name(name).startswith("latents."):
        stored, largest = f"{name}/integers", np.abs(values).max(initial=0)
        values = values.astype(next(kind for kind in INTEGERS if largest <= np.iinfo(kind).max))
        cast = helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT)
    graph.initializer.append(numpy_helper.from_array(values, stored))
    if optional:
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        graph.input.append(helper.make_tensor_value_info(stored, kind, values.shape))
    return cast


def pixel_nodes(graph: onnx.GraphProto, signal: Signal) -> list[onnx.NodeProto]:
    """The last output, (1, channels, height, width) near [0, 1], as `pixels`; what `runtime.pixels.quantize` does."""
    kind = TensorProto.UINT8 if signal.bit_depth == 8 else TensorProto.UINT16
    constants = {"peak": np.float32(2**signal.bit_depth - 1), "zero": np.float32(0), "first": np.array([0])}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    image = graph.output.pop().name
    shape = signal.height, signal.width, signal.channels
    graph.output.append(helper.make_tensor_value_info(PIXELS, kind, shape))
    return [
        helper.make_node("Mul", [image, "peak"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "zero", "peak"], ["clipped"]),
        helper.make_node("Round", ["clipped"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["integers"], to=kind),
        helper.make_node("Squeeze", ["integers", "first"], ["planes"]),
        helper.make_node("Transpose", ["planes"], [PIXELS], perm=[1, 2, 0]),
    ]


def unpacked(file: InrFile) -> dict[str, bytes]:
    """File name -> bytes: the graphs, a `.bin` of little-endian float32 per tensor, and, last, `manifest.json`.

    The manifest says how to run them; nothing but a JSON reader and ONNX Runtime is needed.
    """
    graphs = [(_graph_facts(graph, k), graph) for k, graph in enumerate(file.profile.graphs)]
    taken = {name for facts, _ in graphs for name in facts["inputs"]}
    tensors = {name: values for name, values in graph_tensors(file.segment()).items() if name in taken}
    metadata = {f"metadata.{name}": value for name, value in vars(file.metadata).items() if value}
    manifest = {
        "format": "inrcodec-unpacked",
        "version": 1,
        "signal": vars(file.header.signal) | {"channels": file.header.signal.channels},
        "graphs": [facts for facts, _ in graphs],
        "tensors": {
            name: {"file": f"{name}.bin", "dtype": "float32", "byte_order": "little", "shape": values.shape}
            for name, values in tensors.items()
        },
        "pixels": _pixel_facts(file.header.signal, graphs[-1][0]["output"]),
        "metadata": sorted(metadata),
    }
    return {
        **{facts["file"]: graph for facts, graph in graphs},
        **{f"{name}.bin": values.astype("<f4").tobytes() for name, values in tensors.items()},
        **metadata,
        "manifest.json": json.dumps(manifest, indent=1).encode(),
    }


def _graph_facts(graph: bytes, k: int) -> dict[str, Any]:
    """`inputs` by name: tensors, or what a graph before gives as `output`."""
    ready = session(graph, 1)
    output = ready.get_outputs()[0].name
    return {"file": f"{k:02}_{output}.onnx", "inputs": [node.name for node in ready.get_inputs()], "output": output}


def _pixel_facts(signal: Signal, image: str) -> dict[str, Any]:
    """pixels = transpose(cast(round(clip(scale * image, 0, scale))))."""
    return {
        "from": image,
        "from_layout": ["1", "channels", "height", "width"],
        "scale": 2**signal.bit_depth - 1,
        "clip": [0, 2**signal.bit_depth - 1],
        "round": "half to even",
        "dtype": "uint8" if signal.bit_depth == 8 else "uint16",
        "layout": ["height", "width", "channels"],
    }
