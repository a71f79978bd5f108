"""The browser's decoder, run by node: equal symbols, pixels within one level, the same files refused, and small."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from drivers import (
    FOLDERS,
    GOLDEN,
    NPM,
    ONNXRUNTIME,
    PAGE,
    PAGE_MAX,
    PYRAMIDS,
    ROOT,
    VECTORS,
    WEB,
    as_rgba,
    decoded,
    needs_node,
    node,
    write_mutated,
)

import inrcodec
from inrcodec.runtime import orders
from inrcodec.runtime.profile import STANDARD, standard
from inrcodec.runtime.tables import LIKELIEST_FREQUENCY, OTHERS
from inrcodec.runtime.wire import BitstreamError
from inrcodec.train.metrics import psnr

PIXELS_MAX = 2**16
PYRAMID_NUMBERS = [number for number, name in STANDARD.items() if name.startswith("pyramid")]
pytestmark = needs_node


def playable() -> list[Path]:
    """All that this machine's decoder can decode: without onnxruntime-web `pyramid` alone."""
    return GOLDEN if ONNXRUNTIME.exists() else PYRAMIDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("decoded")


@pytest.fixture(scope="module")
def golden(folder) -> dict:
    return decoded(folder, playable(), **FOLDERS)


def symbols_digest(file: inrcodec.InrFile, k: int = 0) -> str:
    """As in `tests/runtime/test_vectors.py`; of the k-th segment."""
    found = file.segment(k)
    tensors = {name: symbols for group in found.groups.values() for name, symbols in group.symbols.items()}
    arrays = [tensors[name] for name in sorted(tensors)] + found.grids
    return hashlib.sha256(b"".join(array.astype("<i4").tobytes() for array in arrays)).hexdigest()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files(path, golden, folder):
    if path.name not in golden:
        pytest.skip("onnxruntime-web is not installed: make test-web does")
    file, found = inrcodec.open(path), golden[path.name]
    wanted = np.load(path.with_suffix(".npz"))["pixels"]
    wanted = wanted if len(file) == 1 else wanted[0]
    assert found["symbols"] == symbols_digest(file)
    assert found["sections"] == {name: data.hex() for name, data in file.header.sections.items()}
    pixels = np.fromfile(folder / f"{path.name}.samples", wanted.dtype).reshape(wanted.shape)
    off = np.abs(pixels.astype(int) - wanted)
    assert off.max() <= 1 and (wanted.dtype == np.uint16 or np.mean(off > 0) <= 1e-4)
    rgba = np.fromfile(folder / f"{path.name}.rgba", np.uint8).reshape(*wanted.shape[:2], 4)
    np.testing.assert_array_equal(rgba, as_rgba(pixels.reshape(*wanted.shape[:2], -1)))


def test_segments_as_differences(tmp_path):
    """Each is read alone, beside the first; where that is damaged, what needs it says so."""
    if not ONNXRUNTIME.exists():
        pytest.skip("onnxruntime-web is not installed: make test-web does")
    from inrcodec.train.clips import clip_from_array
    from inrcodec.train.segments import encode_clip

    y, x = np.mgrid[:40, :60]
    still = np.stack([np.stack([4 * x, 5 * y, 2 * x + 2 * y], -1)] * 6).astype(np.uint8)
    options = {"first_frames": [0, 2, 4], "method": "hnerv", "iterations": 12, "threads": 1}
    data = encode_clip(clip_from_array(still), tmp_path / "segments", **options).data
    (path := tmp_path / "clip.inr").write_bytes(data)
    file = inrcodec.open(data)
    assert all(any(group.differences for group in file.segment(k).groups.values()) for k in (1, 2))
    for frame in (5, 2):
        found = decoded(tmp_path, [path], frame=frame, **FOLDERS)["clip.inr"]
        assert found["symbols"] == symbols_digest(file, frame // 2)
        pixels = np.fromfile(tmp_path / "clip.inr.samples", np.uint8).reshape(40, 60, 3)
        assert np.abs(pixels.astype(int) - file[frame]).max() <= 1
    at = len(data) - sum(entry.size for entry in file.index) + 9
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    found = decoded(tmp_path, [path], frame=5, **FOLDERS)["clip.inr"]
    assert found["damaged"] and "differences to segment 0: damaged segment 0 (frames 0 to 1)" in found["error"]


def test_player_is_exact(tmp_path):
    """Its frames travel alone, and are of whole numbers to the last."""
    if not ONNXRUNTIME.exists():
        pytest.skip("onnxruntime-web is not installed: make test-web does")
    from inrcodec.train.clips import clip_from_array
    from inrcodec.train.segments import encode_clip

    y, x = np.mgrid[:45, :67]
    moving = np.stack([np.stack([4 * x - k, 5 * y + k, 2 * x + 2 * y], -1) % 256 for k in range(6)]).astype(np.uint8)
    options = {"first_frames": [0, 4], "method": "player", "iterations": 6, "threads": 1}
    (path := tmp_path / "clip.inr").write_bytes(encode_clip(clip_from_array(moving), tmp_path / "segments", **options).data)
    for frame in (5, 1):
        decoded(tmp_path, [path], frame=frame, **FOLDERS)
        pixels = np.fromfile(tmp_path / "clip.inr.samples", np.uint8).reshape(45, 67, 3)
        np.testing.assert_array_equal(pixels, inrcodec.open(path)[frame])
        rgba = np.fromfile(tmp_path / "clip.inr.rgba", np.uint8).reshape(45, 67, 4)
        np.testing.assert_array_equal(rgba, as_rgba(pixels))


def test_frames_that_are_predicted(tmp_path):
    """Of reel: from others before and after them, in any order."""
    if not ONNXRUNTIME.exists():
        pytest.skip("onnxruntime-web is not installed: make test-web does")
    from inrcodec.train.clips import clip_from_array
    from inrcodec.train.segments import encode_clip

    y, x = np.mgrid[:33, :47]
    moving = np.stack([np.stack([4 * x - k, 5 * y + k, 2 * x + 2 * y], -1) % 256 for k in range(5)]).astype(np.uint8)
    options = {"first_frames": [0], "method": "reel", "iterations": 20, "threads": 1}
    (path := tmp_path / "clip.inr").write_bytes(encode_clip(clip_from_array(moving), tmp_path / "segments", **options).data)
    file = inrcodec.open(path)
    for frame in (3, 0):
        assert decoded(tmp_path, [path], frame=frame, **FOLDERS)["clip.inr"]["symbols"] == symbols_digest(file)
        pixels = np.fromfile(tmp_path / "clip.inr.samples", np.uint8).reshape(33, 47, 3)
        off = np.abs(pixels.astype(int) - file[frame])
        assert off.max() <= 1 and np.mean(off > 0) <= 1e-2


def test_what_both_decoders_state():
    facts = node("facts.mjs")
    assert facts["likeliest"] == hashlib.sha256(LIKELIEST_FREQUENCY.tobytes()).hexdigest()
    assert facts["others"] == hashlib.sha256(OTHERS.cumulative.tobytes()).hexdigest()
    assert {*facts["manifests"]} == set(map(str, PYRAMID_NUMBERS))
    for number, manifest in facts["manifests"].items():
        assert manifest == json.loads(standard(int(number)).manifest.to_json())
    most = orders.NEIGHBOURS_MAX
    assert facts["around"] == [[list(seen) for seen in orders.around(i, most)] for i in range(len(orders.COSETS))]
    assert facts["causal"] == [list(offset) for offset in orders.CAUSAL]
    assert facts["slopes"] == [orders.slope(orders.CAUSAL[: i + 1]) for i in range(most)]


def test_the_same_files_are_refused(tmp_path):
    paths = write_mutated(tmp_path, 200)
    results = decoded(tmp_path, paths, pixelsMax=PIXELS_MAX, **FOLDERS)
    for path in paths:
        found = results[path.name]
        try:
            file = inrcodec.open(path, threads=1, pixels_max=PIXELS_MAX)
            wanted = symbols_digest(file)
            file.read()
        except BitstreamError as error:
            assert found.get("damaged"), (path.name, str(error), found)
            continue
        if file.header.profile in PYRAMID_NUMBERS:
            assert found.get("symbols") == wanted, (path.name, found)


@pytest.mark.parametrize("name", ["rgb8_high_rate", "fast_rgb8_high_rate"])
def test_previews_grow_better(name, tmp_path):
    data = (VECTORS / f"{name}.inr").read_bytes()
    whole, quality = inrcodec.decode(data), []
    paths = [tmp_path / f"{percent}.inr" for percent in (30, 50, 70, 90, 99)]
    for path in paths:
        path.write_bytes(data[: int(path.stem) * len(data) // 100])
    decoded(tmp_path, paths, partial=True)
    for path in paths:
        preview = np.fromfile(f"{path}.samples", np.uint8).reshape(whole.shape)
        quality.append(psnr(whole, preview))
        assert quality[-1] > psnr(whole, inrcodec.decode(path, allow_partial=True)) - 1
    assert quality == sorted(quality) and quality[-1] > 30, quality


def test_a_page_of_pictures_is_small():
    assert sum((WEB / "dist" / name).stat().st_size for name in PAGE) < PAGE_MAX


def test_the_wheel_holds_what_a_page_needs():
    project = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'^"inrcodec.runtime" = \[.*"web/dist/\*".*\]$', project, re.M)


def compiler(wasm: bytes) -> str:
    """As the section `producers` names it."""
    found = re.search(rb"clang.(\d+\.\d+\.\d+)", wasm)
    assert found
    return found[1].decode()


def test_the_wasm_is_built_from_these_sources(tmp_path):
    clang, kept = shutil.which("clang"), (WEB / "dist" / "decoder.wasm").read_bytes()
    if not clang or not shutil.which("wasm-ld"):
        pytest.skip(f"wanted clang {compiler(kept)} and lld to build the module again, got none")
    version = re.search(r"\d+\.\d+\.\d+", subprocess.run([clang, "--version"], capture_output=True, text=True).stdout)
    if not version or version[0] != compiler(kept):
        pytest.skip(f"wanted clang {compiler(kept)} to build the module again, got {version and version[0]}")
    made = tmp_path / "decoder.wasm"
    recipe = ["make", "--always-make", "wasm", f"WASM_OUT={made}"]
    subprocess.run(recipe, cwd=ROOT, check=True, capture_output=True)
    assert made.read_bytes() == kept


def test_the_bundle_is_built_from_these_sources(tmp_path):
    if not (NPM / ".bin" / "esbuild").exists():
        pytest.skip("esbuild is not installed: make test-web does")
    recipe = ["make", "--always-make", "--old-file=build/web/node_modules/.stamp", "bundle", f"BUNDLE_OUT={tmp_path}"]
    subprocess.run(recipe, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "MAKEFLAGS": ""})
    made, kept = ({path.name: path.read_bytes() for path in folder.glob("*.js")} for folder in (tmp_path, WEB / "dist"))
    assert made.keys() == kept.keys() and all(made[name] == kept[name] for name in made)
