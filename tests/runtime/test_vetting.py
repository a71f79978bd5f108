"""Graphs from strangers: harmless ones run, in a small arena; others are refused before ONNX Runtime sees them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inrcodec.runtime.profile import FOLDER, run
from inrcodec.runtime.vetting import CONSTANT_MAX, vet
from inrcodec.runtime.wire import BitstreamError


def model(*nodes, initializers=(), shape=(2,)) -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    graph = helper.make_graph(list(nodes), "g", [x], [y], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


RELU = helper.make_node("Relu", ["x"], ["y"])


def test_harmless_graphs_run():
    graph = model(RELU).SerializeToString()
    vet(graph)
    np.testing.assert_array_equal(run(graph, {"x": np.array([-1, 2], np.float32)}, 1), [0, 2])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.onnx")), ids=lambda path: path.name)
def test_our_own_graphs_are_harmless(path):
    vet(path.read_bytes())


def external() -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "c")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return model(helper.make_node("Add", ["x", "c"], ["y"]), initializers=[tensor])


def subgraph() -> onnx.ModelProto:
    branch = model(RELU).graph
    return model(helper.make_node("Relu", ["x"], ["y"], body=branch))


def huge() -> onnx.ModelProto:
    tensor = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=[2**20, 2**20])
    return model(RELU, initializers=[tensor])


def function() -> onnx.ModelProto:
    whole = model(RELU)
    whole.functions.add(name="f", domain="d")
    return whole


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (lambda: model(helper.make_node("Loop", ["x"], ["y"])), "wanted operators that decoders need, got 'Loop'"),
        (lambda: model(helper.make_node("Relu", ["x"], ["y"], domain="com.evil")), "another domain's"),
        (external, "a reference to a file"),
        (subgraph, "without subgraphs"),
        (huge, f"wanted constants of at most {CONSTANT_MAX} values, got {2**40}"),
        (function, "without functions"),
    ],
)
def test_others_are_refused(build, wanted):
    with pytest.raises(BitstreamError, match=wanted):
        run(build().SerializeToString(), {"x": np.zeros(2, np.float32)}, 1)


def test_what_is_no_graph_is_refused():
    rng = np.random.default_rng(0)
    good = model(RELU).SerializeToString()
    for data in [b"", b"\x07", b"\x3a\xff", *(rng.bytes(n) for n in range(1, 60)), *(good[:n] for n in range(len(good)))]:
        try:
            run(data, {"x": np.zeros(2, np.float32)}, 1)
        except BitstreamError:
            continue
        assert data != good  # cut where a field ends, it may still be a graph


def test_a_small_graph_cannot_take_gigabytes():
    shape = numpy_helper.from_array(np.array([2**15, 2**15], np.int64), "shape")
    nodes = (
        helper.make_node("ConstantOfShape", ["shape"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
    )
    bomb = model(*nodes, helper.make_node("Add", ["x", "sum"], ["y"]), initializers=[shape])
    with pytest.raises(BitstreamError):
        run(bomb.SerializeToString(), {"x": np.zeros(2, np.float32)}, 1)
