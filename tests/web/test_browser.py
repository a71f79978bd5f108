"""What a page shows in headless Chromium: golden files, previews, damaged files, and what it costs."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLAYWRIGHT = ROOT / "build" / "web" / "node_modules" / "playwright-core" / "index.mjs"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
PHOTO = ROOT / "tests" / "benchmarks" / "results" / "kodak" / "0.0005" / "kodim20.inr"  # 768x512
MUTATED = 200


def beside(name: str):
    """The module NAME of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec and spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


decoder = beside("test_decoder")
pytestmark = [
    pytest.mark.skipif(not decoder.NODE, reason="there is no node to drive a browser"),
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium: apt-get install chromium, or CHROMIUM=path"),
    pytest.mark.skipif(not PLAYWRIGHT.exists(), reason="playwright-core is not installed: make test-web does"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def seen(folder) -> dict:
    mutated = folder / "mutated"
    mutated.mkdir()
    paths = decoder.write_mutated(mutated, MUTATED)
    (mutated / "cut.inr").write_bytes(PHOTO.read_bytes()[:1000])
    config = {
        **{"playwright": str(PLAYWRIGHT), "browser": CHROMIUM, "photo": str(PHOTO), "screenshot": str(folder / "photo.png")},
        **{"golden": list(map(str, decoder.GOLDEN)), "mutated": list(map(str, paths))},
    }
    (folder / "config.json").write_text(json.dumps(config))
    command = [decoder.NODE, HERE / "browser.mjs", folder / "config.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", decoder.GOLDEN, ids=lambda path: path.stem)
def test_golden_files(path, seen, folder):
    """As in node, whose symbols and samples `test_decoder.py` compares with NumPy's."""
    in_node = decoder.decoded(folder, [path])[path.name]
    samples = hashlib.sha256((folder / f"{path.name}.samples").read_bytes()).hexdigest()
    found = seen["golden"][path.name]
    assert (found["width"], found["height"], found["symbols"]) == (in_node["width"], in_node["height"], in_node["symbols"])
    assert found["samples"] == samples


def test_a_picture_takes_its_room_and_grows_clear(seen):
    found = seen["streamed"]
    assert (found["box"]["width"], found["box"]["height"]) == (768, 512)
    assert found["complete"] and found["inks"] > 2, found["inks"]
    assert "image a photo" in found["tree"]
    assert found["lines"] == []


def test_damaged_files_say_so(seen):
    found = seen["damaged"]
    assert found["shown"] == ["what was lost", "what was cut", "This picture could not be shown."]
    lines = sorted(line.partition("inr-image: ")[2].partition(".")[2] for line in found["lines"] if "inr-image" in line)
    assert len(lines) == 3, found["lines"]
    assert "damaged or cut file: wanted checksum" in lines[1] and "not an .inr file" in lines[0] + lines[2], lines


def test_mutated_files_leave_the_page_alive(seen):
    found = seen["mutated"]
    assert found["pictures"] + found["errors"] == MUTATED and found["pictures"] and found["errors"]
    assert found["after"] > 0
    assert len(found["lines"]) == found["errors"] and all("error: inr-image: " in line for line in found["lines"])


def test_what_a_page_costs(seen, capsys):
    """Time is only said: a busy machine is no failure."""
    cost = seen["timed"]
    assert cost["bytes"] == sum((decoder.WEB / "dist" / name).stat().st_size for name in decoder.PAGE) < decoder.PAGE_MAX
    with capsys.disabled():
        print(f"\n768x512: {cost['bytes']} bytes of decoder, first pixels {cost['cold']:.0f} ms, warm {cost['warm']:.0f} ms")
