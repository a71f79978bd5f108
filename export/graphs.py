"""Decoder graphs: a method's modules as ONNX files of dynamic size, with the manifest in their metadata.

`python -m inrcodec.export.graphs` writes the standard profiles into the runtime; they never change once released.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch

from ..models import METHODS
from ..models.method import Graph
from ..runtime.profile import FOLDER, KEY, STANDARD, Manifest

OPSET = 18
NUMBERS = "standard.json"


class _Positional(torch.nn.Module):
    """A function of named tensors as a module of tensors in a row: what the exporter traces."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.graph.function(dict(zip(self.graph.inputs, inputs)))


def to_onnx(graph: Graph) -> bytes:
    """The ONNX file of one graph; its inputs bear the tensors' names."""
    names = list(graph.inputs)
    shapes = tuple(dict.fromkeys(graph.dynamic.get(name, {}), torch.export.Dim.DYNAMIC) for name in names)
    program = torch.onnx.export(
        _Positional(graph).eval(),
        tuple(graph.inputs.values()),
        input_names=names,
        output_names=[graph.output],
        opset_version=OPSET,
        dynamic_shapes=(shapes,),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:  # names of source files and stacks are no part of a decoder
        node.ClearField("doc_string")
        del node.metadata_props[:]
    del model.graph.value_info[:]
    del model.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "inrcodec", "", ""
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def with_manifest(graph: bytes, manifest: Manifest) -> bytes:
    """The same ONNX file, with the manifest in its metadata."""
    model = onnx.load_from_string(graph)
    model.metadata_props.add(key=KEY, value=manifest.to_json())
    return model.SerializeToString(deterministic=True)


def profiles() -> Iterator[tuple[Manifest, tuple[Graph, ...]]]:
    """The standard ones; those that share a graph have it under the same name."""
    for method in METHODS.values():
        yield from method().profiles()


def write_standard_profiles(folder: Path = FOLDER) -> None:
    """NAME.txt lists a profile's graphs. The first bears the manifest and the profile's name, others may be shared.

    standard.json has the profiles' numbers, for decoders that are not in Python.
    """
    folder.mkdir(exist_ok=True)
    (folder / NUMBERS).write_text(json.dumps(STANDARD, indent=1) + "\n")
    made: dict[str, bytes] = {}
    for manifest, graphs in profiles():
        for graph in graphs:
            made[graph.name] = made.get(graph.name) or to_onnx(graph)
        first, *others = graphs
        (folder / f"{manifest.name}.onnx").write_bytes(with_manifest(made[first.name], manifest))
        for graph in others:
            (folder / f"{graph.name}.onnx").write_bytes(made[graph.name])
        names = [manifest.name, *(graph.name for graph in others)]
        (folder / f"{manifest.name}.txt").write_text(" ".join(f"{name}.onnx" for name in names) + "\n")


if __name__ == "__main__":
    write_standard_profiles()
