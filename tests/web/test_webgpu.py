"""Synthesis on a GPU, in Chromium on a software one: within a level of NumPy's, and of float graphs without sines alone."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
FLAGS = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"]
GPU, WASM = "ort-wasm-simd-threaded.jspi.wasm", "ort-wasm-simd-threaded.wasm"
spec = importlib.util.spec_from_file_location("test_browser", HERE / "test_browser.py")
assert spec and spec.loader
browser = sys.modules["test_browser"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(browser)
decoder = browser.decoder
pytestmark = [
    *browser.pytestmark,
    pytest.mark.skipif(
        not (decoder.ONNXRUNTIME / GPU).exists(), reason="onnxruntime-web is not installed: make test-web does"
    ),
]
MODULES = {
    **dict.fromkeys(("cool_chic", "c3", "eqlinr", "hnerv", "diff_nerv", "t_nerv"), GPU),
    **dict.fromkeys(("siren", "hinerv", "player", "reel"), WASM),
}


def golden(name: str) -> Path:
    """The first file of a method."""
    return next(path for path in decoder.GOLDEN if path.stem.startswith(name))


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("gpu")
    paths = [str(golden(name)) for name in MODULES]
    found = browser.in_browser(folder, only=["gpu"], golden=paths, flags=FLAGS)["gpu"]
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
