"""Graphs from strangers: an ONNX graph is a program, and only a harmless one may travel in a file.

Its operators must be among those that decoders need, it holds no subgraphs, functions or outside data, and what it
states as constant is bounded. It then runs in an arena of limited size (`profile.session`).
"""

from collections.abc import Iterator

from .wire import BitstreamError

CONSTANT_MAX = 2**22  # values of one constant
VARINT_MAX = 10  # bytes
# fmt: off
OPERATORS = frozenset((
    "Abs", "Add", "BitwiseAnd", "BitwiseXor", "Cast", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv",
    "ConvTranspose", "Cos", "DepthToSpace", "DequantizeLinear", "Div", "Einsum", "Equal", "Erf", "Exp", "Expand", "Flatten",
    "Floor", "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "Greater", "GridSample", "HardSigmoid", "HardSwish",
    "Identity", "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Less", "Log", "MatMul", "Max", "Min", "Mod",
    "Mul", "Neg", "Pad", "Pow", "QLinearConv", "QuantizeLinear", "Range", "Reciprocal", "ReduceMean", "ReduceSum", "Relu",
    "Reshape", "Resize", "Round", "Shape", "Sigmoid", "Sin", "Slice", "Softmax", "SpaceToDepth", "Split", "Sqrt", "Squeeze",
    "Sub", "Tanh", "Transpose", "Unsqueeze", "Where",
))
# fmt: on
# Field numbers of onnx.proto.
GRAPH, TRAINING, FUNCTIONS = 7, 20, 25  # of a model
NODE, INITIALIZER, SPARSE = 1, 5, 15  # of a graph
ATTRIBUTE, OPERATOR, DOMAIN = 5, 4, 7  # of a node
TENSOR, SUBGRAPH, SUBGRAPHS, SPARSE_TENSOR, SPARSE_TENSORS, TENSORS = 5, 6, 11, 22, 23, 10  # of an attribute
DIMENSION, EXTERNAL, LOCATION = 1, 13, 14  # of a tensor


def vet(graph: bytes) -> None:
    """Raises BitstreamError for a graph that a decoder has no need of."""
    found = False
    for number, value in fields(graph):
        if number in (TRAINING, FUNCTIONS):
            raise BitstreamError("wanted a decoder graph without functions or training, got some")
        if number == GRAPH:
            found = True
            _vet_graph(_message(value))
    if not found:
        raise BitstreamError("wanted an ONNX decoder graph, got none")


def _vet_graph(graph: bytes) -> None:
    for number, value in fields(graph):
        if number == NODE:
            _vet_node(_message(value))
        elif number == INITIALIZER:
            _vet_tensor(_message(value))
        elif number == SPARSE:
            raise BitstreamError("wanted a decoder graph of dense tensors, got a sparse one")


def _vet_node(node: bytes) -> None:
    for number, value in fields(node):
        if number == OPERATOR and (name := _message(value).decode("utf-8", "replace")) not in OPERATORS:
            raise BitstreamError(f"wanted operators that decoders need, got {name[:40]!r}")
        if number == DOMAIN and value not in (b"", b"ai.onnx"):
            raise BitstreamError("wanted operators of ONNX itself, got another domain's")
        if number == ATTRIBUTE:
            for kind, inner in fields(_message(value)):
                if kind in (SUBGRAPH, SUBGRAPHS, SPARSE_TENSOR, SPARSE_TENSORS):
                    raise BitstreamError("wanted a decoder graph without subgraphs or sparse tensors, got one")
                if kind in (TENSOR, TENSORS):
                    _vet_tensor(_message(inner))


def _vet_tensor(tensor: bytes) -> None:
    values = 1
    for number, value in fields(tensor):
        if number in (EXTERNAL, LOCATION) and value:
            raise BitstreamError("wanted a decoder graph that holds its own data, got a reference to a file")
        if number == DIMENSION:
            for size in [value] if isinstance(value, int) else _packed(value):
                values *= size
    if not 0 <= values <= CONSTANT_MAX:
        raise BitstreamError(f"wanted constants of at most {CONSTANT_MAX} values, got {values}")


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a protobuf message's fields; raises BitstreamError where it is none."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind, value = key & 7, b""
        if kind == 0:
            value, position = _varint(message, position)
        elif kind in (1, 2, 5):
            size, position = _varint(message, position) if kind == 2 else ({1: 8, 5: 4}[kind], position)
            if position + size > len(message):
                raise BitstreamError(f"truncated graph: wanted {size} bytes, got {len(message) - position}")
            value, position = message[position : position + size], position + size
        else:
            raise BitstreamError(f"wanted an ONNX decoder graph, got a field of kind {kind}")
        yield key >> 3, value


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise BitstreamError("wanted an ONNX decoder graph, got a number where a message belongs")
    return value


def _packed(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The number, and where it ends."""
    value = 0
    for i, byte in enumerate(data[position : position + VARINT_MAX]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, position + i + 1
    raise BitstreamError("wanted an ONNX decoder graph, got a number without an end")
