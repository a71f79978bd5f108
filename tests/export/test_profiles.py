"""The shipped decoder graphs do what torch does, at every size, and their manifests say what they take."""

import numpy as np
import onnx
import pytest
import torch

from inrcodec.export.graphs import to_onnx
from inrcodec.models.image import pyramid
from inrcodec.models.image.pyramid import Pyramid, Size
from inrcodec.runtime.profile import STANDARD, bundle, load, run, session, unbundle
from inrcodec.runtime.syntax import Signal


@pytest.mark.parametrize("name", STANDARD.values())
def test_manifest_and_inputs_agree(name):
    profile = load(name)
    levels, order = int(name.removeprefix("pyramid")[0]), name.partition("_")[2] or "raster"
    assert profile.manifest == pyramid.manifest(levels, order)
    taken = {node.name for graph in profile.graphs for node in session(graph, 1).get_inputs()} - {"features"}
    coded = {name for name, _, group in profile.manifest.tensors if not group.startswith(("context", "inter", "upsampling"))}
    assert taken == coded | {"finer", "kernel", "filter"}


@pytest.mark.parametrize("levels, size", [(7, (1, 1)), (7, (33, 50)), (8, (130, 67)), (9, (1, 200))])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_graphs_equal_torch(levels, size, channels):
    torch.manual_seed(0)
    architecture = Pyramid(Signal(*size, ("grey", "grey+alpha", "rgb", "rgba")[channels - 1]), Size(6, 2, 5))
    vars(architecture)["levels"] = levels  # as if the picture were larger
    inr = architecture.init(torch.rand(channels, *size), torch.Generator().manual_seed(0))
    tensors = {name: tensor + 0.1 * torch.randn(tensor.shape) for name, tensor in inr.tensors.items()}
    latents = torch.round(torch.randn(inr.latents.shape) * 2) * architecture.mask(torch.device("cpu"))
    feeds = {name: tensor.numpy() for name, tensor in tensors.items()}
    grids = [grid.numpy()[None, None] for grid in architecture.canvas.split(latents)[:levels]]
    upsampling, synthesis = load(f"pyramid{levels}").graphs
    feeds["features"] = grids[-1]
    for level in range(levels - 2, -1, -1):
        feeds |= {"finer": grids[level], "kernel": feeds["upsampling.kernels"][level]}
        feeds["filter"] = feeds["upsampling.filters"][level]
        feeds["features"] = run(upsampling, feeds, 1)
    image = architecture.render(tensors, latents)
    np.testing.assert_allclose(run(synthesis, feeds, 1)[0], image, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("k", [0, 1])
def test_the_shipped_graphs_are_what_the_source_makes(k):
    """Operators and wiring; a newer exporter may name values otherwise."""
    made, shipped = (onnx.load_from_string(g) for g in (to_onnx(pyramid.graphs()[k]), load("pyramid7").graphs[k]))
    assert [node.op_type for node in made.graph.node] == [node.op_type for node in shipped.graph.node]


def test_graphs_are_small():
    assert all(len(graph) < 9_000 for name in STANDARD.values() for graph in load(name).graphs)


def test_bundles_round_trip():
    profile = load("pyramid8")
    assert unbundle(bundle(profile)) == profile and unbundle(bundle(profile)).digest == profile.digest
