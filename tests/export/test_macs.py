"""The multiply-accumulates that `inrc info` states are those of the graphs' convolutions and matrix products."""

from pathlib import Path

import numpy as np
import onnx
import pytest

import inrcodec
from inrcodec import encode
from inrcodec.export.standalone import export_tensors, runs
from inrcodec.models import METHODS
from inrcodec.runtime.inspect import macs_per_pixel
from inrcodec.runtime.profile import run, session

VECTORS = Path(__file__).parents[1] / "vectors"
PRODUCTS = ("Conv", "MatMul", "Gemm", "QLinearConv")
WEIGHTS = {"QLinearConv": 3}  # which input they are, where not the second


def macs(graph: bytes, tensors: dict[str, np.ndarray]) -> int:
    """Counted by running the graph with what every product takes and gives laid open."""
    model = onnx.load_from_string(graph)
    products = [node for node in model.graph.node if node.op_type in PRODUCTS]
    constants = {constant.name: tuple(constant.dims) for constant in model.graph.initializer}
    shapes = constants | {name: tensor.shape for name, tensor in tensors.items()}
    opened = sorted({name for node in products for name in (weights_of(node), node.output[0])} - shapes.keys())
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in opened)
    ready = session(model.SerializeToString(), 1)
    values = ready.run(opened, {node.name: tensors[node.name] for node in ready.get_inputs()})
    shapes |= {name: np.shape(value) for name, value in zip(opened, values)}
    return sum(int(np.prod(shapes[node.output[0]])) * terms(node, shapes[weights_of(node)]) for node in products)


def weights_of(node: onnx.NodeProto) -> str:
    return node.input[WEIGHTS.get(node.op_type, 1)]


def terms(node: onnx.NodeProto, weights: tuple[int, ...]) -> int:
    """That each output sums."""
    if node.op_type.endswith("Conv"):
        return int(np.prod(weights[1:]))
    assert not any(attribute.name.startswith("trans") and attribute.i for attribute in node.attribute)
    return weights[-2]


def per_pixel(file: inrcodec.InrFile) -> list[float]:
    """Counted, by graph."""
    tensors, graphs = export_tensors(file), file.profile.own
    counted = [0 for _ in graphs]
    for step in runs(file.profile, tensors):
        feeds = {name: tensors[source] for name, source in step.inputs.items()}
        counted[step.graph] += macs(graphs[step.graph], feeds)
        tensors[step.output] = run(graphs[step.graph], feeds, 1)
    return [count / (file.signal().height * file.signal().width) for count in counted]


@pytest.mark.parametrize("method, tune", [*((name, None) for name in METHODS), ("strumpler", "meta"), ("player", "small")])
@pytest.mark.parametrize("size", [(64, 128), (137, 150)])
def test_stated_macs_are_the_graphs(size, method, tune):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    file = inrcodec.open(encode(pixels, method=method, tune=tune, iterations=2))
    stated = macs_per_pixel(file.profile.manifest, file.header.signal, file.segment())
    *upsampling, synthesis = per_pixel(file)
    assert synthesis == pytest.approx(stated["synthesis"], rel=1e-3)  # the last patches may reach beyond the picture
    assert upsampling == pytest.approx([stated["upsampling"]] if upsampling else [], rel=0.1)


@pytest.mark.parametrize("name", ["chroma_rgb8_odd", "mixed_rgb8_odd"])
def test_stated_macs_with_grids_for_colour_and_mixed_features(name):
    file = inrcodec.open(VECTORS / f"{name}.inr")
    stated = macs_per_pixel(file.profile.manifest, file.header.signal, file.segment())
    *upsampling, synthesis = per_pixel(file)
    assert (sum(upsampling), synthesis) == pytest.approx((stated["upsampling"], stated["synthesis"]), rel=0.1)
