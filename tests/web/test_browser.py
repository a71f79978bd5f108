"""What a page shows in headless Chromium: golden files, previews, damaged files, and what it costs."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from drivers import (
    FOLDERS,
    GOLDEN,
    ONNXRUNTIME,
    PAGE,
    PAGE_MAX,
    PHOTO,
    VECTORS,
    WEB,
    decoded,
    in_browser,
    needs_browser,
    write_mutated,
)

import inrcodec
from inrcodec.runtime.gallery import site as web_site
from inrcodec.runtime.gallery import write_site
from inrcodec.runtime.pixels import write_image

MUTATED = 200
LENGTH, SEGMENTS = 10, [0, 6]  # of the clip, in frames
FRAMES = [7, 0, 3]  # that are sought

pytestmark = needs_browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def clip(folder) -> Path:
    """Two segments of a disc that crosses a gradient, by hnerv."""
    from inrcodec.train.clips import clip_from_array
    from inrcodec.train.segments import encode_clip

    y, x = np.mgrid[0:64, 0:96] / 64
    discs = [((y - 0.5) ** 2 + (x - 0.3 - 0.1 * k) ** 2 < 0.04).astype(float) for k in range(LENGTH)]
    frames = np.stack([np.stack([0.2 + 0.3 * x + 0.3 * disc, 0.8 - 0.5 * y, 0.4 + 0.4 * disc * x], -1) for disc in discs])
    pixels = (255 * np.clip(frames, 0, 1)).astype(np.uint8)
    options = {"method": "hnerv", "iterations": 8, "threads": 1, "first_frames": SEGMENTS}
    path = folder / "clip.inr"
    data = encode_clip(clip_from_array(pixels), folder / "segments", **options).data
    path.write_bytes(data)
    path.with_stem("clip_half").write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    return path


@pytest.fixture(scope="module")
def gallery(folder, clip) -> Path:
    """A static site of a picture with its original and a JPEG, the clip, and a damaged file."""
    shown, site = folder / "shown", folder / "site"
    shown.mkdir()
    (shown / "disc.inr").write_bytes((VECTORS / "rgb8_high_rate.inr").read_bytes())
    for ending in ("png", "jpg"):
        write_image(shown / f"disc.{ending}", inrcodec.decode(shown / "disc.inr"))
    (shown / "clip.inr").write_bytes(clip.read_bytes())
    (shown / "cut.inr").write_bytes(PHOTO.read_bytes()[:500])
    write_site(web_site(shown, ONNXRUNTIME), site)
    return site


@pytest.fixture(scope="module")
def seen(folder, clip, gallery) -> dict:
    mutated = folder / "mutated"
    mutated.mkdir()
    paths = write_mutated(mutated, MUTATED)
    (mutated / "cut.inr").write_bytes(PHOTO.read_bytes()[:1000])
    return in_browser(
        folder,
        only=["golden", "streamed", "damaged", "mutated", "timed", "video", "gallery"],
        **{"golden": list(map(str, GOLDEN)), "mutated": list(map(str, paths)), "photo": str(PHOTO)},
        **{"clip": str(clip), "frames": FRAMES, "site": str(gallery)},
    )


@pytest.fixture(scope="module")
def in_node(folder) -> dict:
    return decoded(folder, GOLDEN, **FOLDERS)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files(path, seen, in_node, folder):
    """As in node, whose symbols and samples `test_decoder.py` compares with NumPy's."""
    found, wanted = seen["golden"][path.name], in_node[path.name]
    assert (found["width"], found["height"], found["symbols"]) == (wanted["width"], wanted["height"], wanted["symbols"])
    assert found["samples"] == hashlib.sha256((folder / f"{path.name}.samples").read_bytes()).hexdigest()


def test_a_gallery(seen):
    """Live: its table, the cut of its slider by keys, a clip, and a damaged file; as a static site, under its own policy."""
    found = seen["gallery"]
    rows = [row[:2] for row in found["rows"]]
    assert sorted(rows) == [["disc", "jpg"], ["disc", "pyramid"]]
    assert all(float(row[4]) > 15 for row in found["rows"])
    assert found["cut"] == "49.5%" and found["alternatives"] == 2
    assert found["clip"] == LENGTH and "cut.inr: damaged or cut file" in " ".join(found["lines"])
    assert found["summary"] == "3 files, each decoded here."


def test_a_picture_takes_its_room_and_grows_clear(seen):
    found = seen["streamed"]
    assert (found["box"]["width"], found["box"]["height"]) == (768, 512)
    assert found["complete"] and found["previews"] > 0
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
    assert cost["bytes"] == sum((WEB / "dist" / name).stat().st_size for name in PAGE) < PAGE_MAX
    with capsys.disabled():
        print(f"\n768x512: {cost['bytes']} bytes of decoder, first pixels {cost['cold']:.0f} ms, warm {cost['warm']:.0f} ms")


def test_a_clip_is_sought_and_fetched_by_segments(seen, folder, clip):
    found, file = seen["video"], inrcodec.open(clip)
    assert (found["frames"], found["shown"]) == (LENGTH, {str(frame): frame for frame in FRAMES})
    assert found["duration"] == pytest.approx(LENGTH / 25)
    for frame in FRAMES:
        shown = np.fromfile(folder / f"frame{frame}.rgba", np.uint8).reshape(64, 96, 4)
        off = np.abs(shown[..., :3].astype(int) - file[frame])
        assert off.max() <= 1 and np.mean(off > 0) <= 1e-3 and (shown[..., 3] == 255).all()
    header, segment = found["first"]
    begin = len(clip.read_bytes()) - sum(entry.size for entry in file.header.index)
    assert header[0] == 0 and segment == [begin, begin + file.header.index[0].size]


def test_a_clip_plays_and_obeys_keys(seen):
    found = seen["video"]
    assert list(found["keys"].values()) == [0, 1, 2, 1, LENGTH - 1, 0], found["keys"]
    assert found["drawn"] == sorted(found["drawn"]) and found["drawn"][-1] == LENGTH - 1 and len(found["drawn"]) > 1
    assert found["seconds"] > (LENGTH - 1) / 25
    assert found["paused"]
    assert {"group a moving disc", "button Play", "slider Frame", "button One frame back"} <= {*found["tree"]}
    assert found["lines"] == []


def test_a_broken_clip_says_so(seen):
    found = seen["video"]
    assert sum("damaged segment 1 (frames 6 to 9): wanted checksum" in line for line in found["half"]) == 1, found["half"]
    assert found["fallback"] == "what was lost: it could not be shown."
    assert sum("inr-video" in line and "not an .inr file" in line for line in found["broken"]) == 1
