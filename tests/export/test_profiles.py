"""The shipped decoder graphs do what torch does, at every size, and their manifests say what they take."""

import json
from functools import partial

import numpy as np
import onnx
import pytest
import torch

from inrcodec.export.graphs import NUMBERS, profiles, to_onnx
from inrcodec.models import METHODS
from inrcodec.models.field import WHOLE
from inrcodec.models.image import pyramid
from inrcodec.models.parts.mixing import TENSORS as MIXING
from inrcodec.models.parts.perceptron import Perceptron
from inrcodec.runtime.grids import stacks
from inrcodec.runtime.prediction import ADDED
from inrcodec.runtime.profile import FOLDER, STANDARD, bundle, load, run, session, unbundle
from inrcodec.runtime.syntax import COLOURS, Signal
from inrcodec.runtime.synthesis import LEARNED

MADE = {manifest.name: (manifest, graphs) for manifest, graphs in profiles()}


def test_every_profile_is_made_and_shipped():
    assert sorted(MADE) == sorted(STANDARD.values())
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(MADE)
    assert json.loads((FOLDER / NUMBERS).read_text()) == {str(number): name for number, name in STANDARD.items()}


@pytest.mark.parametrize("name", METHODS)
def test_manifests_name_their_method(name):
    assert {manifest.method or manifest.name for manifest, _ in METHODS[name]().profiles()} == {name}


@pytest.mark.parametrize("name", STANDARD.values())
def test_manifest_and_inputs_agree(name):
    profile = load(name)
    assert profile.manifest == MADE[name][0]
    taken = {node.name for graph in profile.graphs for node in session(graph, 1).get_inputs()}
    tensors = [(n.removeprefix(ADDED), group) for n, _, group in profile.manifest.tensors]
    tensors = [(n.partition(".")[2] if n.startswith("mixing") else n, group) for n, group in tensors]
    coded = {n for n, group in tensors if not group.startswith(("context", "inter", "upsampling"))}
    learned = {"kernel", "filter"} if "upsampling" in profile.manifest.groups else set()
    given = {"features", "finer"} | learned if profile.manifest.levels else {"rows", "columns", "size"}
    frames = any("frames" in dimensions for _, dimensions, _ in profile.manifest.tensors)
    if profile.manifest.halo == WHOLE and not profile.manifest.levels:
        given, frames = given & taken, True
    given |= {"references", "motion", "place"} if profile.manifest.motion else set()
    given |= {"frames"} & taken
    given |= {"frame"} if frames or "frames" in taken else set()
    assert taken == coded | given


@pytest.mark.parametrize("name", ["siren", "coin5", "coin13"])
@pytest.mark.parametrize("size", [(1, 1), (17, 40)])
@pytest.mark.parametrize("channels", [1, 3])
def test_field_graphs_equal_torch(name, size, channels):
    manifest, (graph,) = MADE[name]
    layers = sum(n.startswith("hidden") for n, _, _ in manifest.tensors) // 2 + 1
    network = Perceptron(("width",) * layers, omega=30.0)
    tensors = network.start({"width": 12, "channels": channels}, torch.Generator().manual_seed(0))
    assert list(tensors) == [n for n, _, _ in manifest.tensors]
    rows, columns = (torch.arange(float(side)) for side in size)
    tensors |= {"rows": rows, "columns": columns, "size": torch.tensor([float(side) for side in size])}
    image = run(load(name).graphs[0], {n: tensor.numpy() for n, tensor in tensors.items()}, 1)
    np.testing.assert_allclose(image, graph.function(tensors), atol=1e-4)


def pyramid_of(levels, chroma=(), mixing=0):
    """As if the picture were as large as that."""
    return lambda signal: pyramid.architecture(signal, pyramid.Size(6, 2, 5, mixing=mixing), levels=levels, chroma=chroma)


GRIDS = {f"pyramid{levels}": pyramid_of(levels) for levels in pyramid.LEVELS}
GRIDS |= {f"pyramid{levels}_chroma": pyramid_of(levels, pyramid.CHROMA) for levels in pyramid.LEVELS}
GRIDS |= {f"pyramid{levels}_mixed": pyramid_of(levels, pyramid.CHROMA, 4) for levels in pyramid.LEVELS}
GRIDS |= {name: partial(METHODS[name]().build, nbytes=0) for name in ("cool_chic", "c3", "eqlinr")}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("size", [(1, 1), (33, 50), (130, 67), (1, 200)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_graphs_equal_torch(name, size, channels):
    torch.manual_seed(0)
    architecture = GRIDS[name](Signal(*size, COLOURS[channels - 1]))
    levels = architecture.manifest.levels
    inr = architecture.init(torch.rand(1, channels, *size), torch.Generator().manual_seed(0))
    tensors = {name: tensor + 0.1 * torch.randn(tensor.shape) for name, tensor in inr.tensors.items()}
    latents = torch.round(torch.randn(inr.latents.shape) * 2) * architecture.mask(torch.device("cpu"))
    feeds = {name: tensor.numpy() for name, tensor in tensors.items()}
    coded = [grid.numpy() for grid in architecture.grids(latents)]
    grids = [stack[None] for stack in stacks(architecture.manifest, coded)]
    upsampling, *mixing, synthesis = load(name).graphs
    feeds["features"] = grids[-1]
    for level in range(levels - 2, -1, -1):
        feeds |= {taken: feeds[rows][level] for taken, rows in LEARNED.items() if rows in feeds}
        feeds |= {"finer": grids[level]}
        feeds["features"] = run(upsampling, feeds, 1)
        if level in architecture.manifest.mixed:
            own = {name: feeds[f"mixing{level}.{name}"] for name in MIXING}
            feeds["features"] = run(mixing[0], feeds | own, 1)
    (image,) = architecture.render(tensors, latents)
    np.testing.assert_allclose(run(synthesis, feeds, 1)[0], image, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["pyramid7", "pyramid7_chroma", "pyramid7_mixed", "siren", "coin5", "c3", "eqlinr"])
def test_the_shipped_graphs_are_what_the_source_makes(name):
    """Operators and wiring; a newer exporter may name values otherwise."""
    for graph, there in zip(MADE[name][1], load(name).graphs):
        made, shipped = onnx.load_from_string(to_onnx(graph)), onnx.load_from_string(there)
        assert [node.op_type for node in made.graph.node] == [node.op_type for node in shipped.graph.node]


def test_graphs_are_small():
    """But for those that hold what all pictures of their method share, the ten tables' lookups, and many layers or warps."""
    large = {"coinpp": 290_000, "pham": 80_000, "strumpler_meta32": 32_000, "strumpler_meta64": 80_000, "hash_grid": 40_000}
    large |= {
        "ffnerv": 26_000,
        "hinerv": 60_000,
        "nvrc": 60_000,
        "gomes": 32_000,
        "player": 40_000,
    }  # by the method, where there are several
    large |= dict.fromkeys(("e_nerv", "ps_nerv", "boosting_nerv", "d_nerv"), 50_000)
    for profile in map(load, STANDARD.values()):
        most = large.get(profile.manifest.name) or large.get(profile.manifest.method, 20_000)
        assert all(len(graph) < most for graph in profile.graphs)


def test_bundles_round_trip():
    profile = load("pyramid8")
    assert unbundle(bundle(profile)) == profile and unbundle(bundle(profile)).digest == profile.digest
