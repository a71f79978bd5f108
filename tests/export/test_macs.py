"""The multiply-accumulates that `inrc info` states are those of the graphs' convolutions."""

import numpy as np
import onnx
import pytest

import inrcodec
from inrcodec.export.standalone import export_tensors, runs
from inrcodec.runtime.inspect import macs_per_pixel
from inrcodec.runtime.profile import run, session
from inrcodec.train.encode import encode


def convolution_macs(graph: bytes, tensors: dict[str, np.ndarray]) -> int:
    """Counted by running the graph with every convolution's output and weights laid open."""
    model = onnx.load_from_string(graph)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    wanted = {name for node in convolutions for name in (node.output[0], node.input[1])}
    shapes = {name: tensors[name].shape for name in wanted if name in tensors}
    opened = sorted(wanted - shapes.keys())
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in opened)
    ready = session(model.SerializeToString(), 1)
    values = ready.run(opened, {node.name: tensors[node.name] for node in ready.get_inputs()})
    shapes |= {name: np.shape(value) for name, value in zip(opened, values)}
    return sum(np.prod(shapes[n.output[0]]) * np.prod(shapes[n.input[1]][1:]) for n in convolutions)


@pytest.mark.parametrize("method", ["pyramid", "c3", "eqlinr"])
@pytest.mark.parametrize("size", [(64, 128), (137, 150)])
def test_stated_macs_are_the_graphs(size, method):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    file = inrcodec.open(encode(pixels, method=method, iterations=2))
    segment = file.segment()
    tensors = export_tensors(file)
    stated = macs_per_pixel(file.profile.manifest, file.header.signal, segment)
    counted = dict.fromkeys((0, 1), 0)
    for step in runs(file.profile, tensors):
        feeds = {name: tensors[source] for name, source in step.inputs.items()}
        counted[step.graph] += convolution_macs(file.profile.graphs[step.graph], feeds)
        tensors[step.output] = run(file.profile.graphs[step.graph], feeds, 1)
    assert counted[0] / pixels[..., 0].size == pytest.approx(stated["upsampling"], rel=0.1)
    assert counted[1] / pixels[..., 0].size == pytest.approx(stated["synthesis"])
