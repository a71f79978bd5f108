"""Synthesis on a GPU, in Chromium on a software one: within a level of NumPy's, and of float graphs without sines alone."""

from pathlib import Path

import numpy as np
import pytest
from drivers import GOLDEN, ONNXRUNTIME, in_browser, needs_browser

FLAGS = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"]
GPU, WASM = "ort-wasm-simd-threaded.jspi.wasm", "ort-wasm-simd-threaded.wasm"
pytestmark = [
    *needs_browser,
    pytest.mark.skipif(not (ONNXRUNTIME / GPU).exists(), reason="onnxruntime-web is not installed: make test-web does"),
]
MODULES = {
    **dict.fromkeys(("cool_chic", "c3", "eqlinr", "hnerv", "diff_nerv", "t_nerv"), GPU),
    **dict.fromkeys(("siren", "hinerv", "player", "reel"), WASM),
}


def golden(name: str) -> Path:
    """The first file of a method."""
    return next(path for path in GOLDEN if path.stem.startswith(name))


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("gpu")
    paths = [str(golden(name)) for name in MODULES]
    found = in_browser(folder, only=["gpu"], golden=paths, flags=FLAGS)["gpu"]
    if not found["adapter"]:
        pytest.skip(f"this browser has no software GPU with {' '.join(FLAGS)}")
    return found["results"]


@pytest.mark.parametrize("name", MODULES)
def test_synthesis(name, seen):
    path = golden(name)
    found = seen[path.name]
    assert found["modules"] == ["decoder.wasm", MODULES[name]] and found["lines"] == []
    within_a_level(path, found["samples"])


def test_without_its_module_synthesis_is_in_webassembly(seen):
    path = golden("cool_chic")
    found = seen["without"]
    assert found["modules"] == ["decoder.wasm", WASM]
    within_a_level(path, found["samples"])


def within_a_level(path: Path, samples: list[int]) -> None:
    wanted = np.load(path.with_suffix(".npz"))["pixels"]
    pixels = np.array(samples).reshape(-1)
    off = np.abs(pixels - wanted.reshape(-1)[: pixels.size].astype(int))
    assert off.max() <= 1 and np.mean(off > 0) <= 1e-2
