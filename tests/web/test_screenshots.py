"""What a gallery, its slider and the player look like; with DOCS=docs the README's pictures, of longer fits."""

import os
from pathlib import Path

import numpy as np
import pytest
from drivers import ONNXRUNTIME, in_browser, needs_browser
from PIL import Image

from inrcodec import encode
from inrcodec.runtime.gallery import site as web_site
from inrcodec.runtime.gallery import write_site
from inrcodec.runtime.pixels import write_image
from inrcodec.train.clips import clip_from_array
from inrcodec.train.compare import JPEG, WEBP, nearest_in_bytes
from inrcodec.train.demo import PHOTO
from inrcodec.train.segments import encode_clip

DOCS = os.environ.get("DOCS")
ITERATIONS = (1500, 300) if DOCS else (10, 3)  # of the picture, of the clip
HEIGHT, WIDTH, FRAMES = 180, 320, 24  # of the clip
BYTES_MAX = 60_000  # of a PNG
COLOURS = 64
SCALES = {"gallery": 0.75, "slider": 1, "player": 1}  # of the pictures by name

pytestmark = needs_browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="module")
def site(folder) -> Path:
    """The bundled photo beside its original and others of its bytes, and a way across it as a clip."""
    shown, site = folder / "shown", folder / "site"
    shown.mkdir()
    photo = np.asarray(Image.open(PHOTO).convert("RGB").resize((384, 288), Image.Resampling.LANCZOS))
    write_image(shown / "dandelion.png", photo)
    data = encode(photo, lmbda=2e-3, iterations=ITERATIONS[0], threads=1)
    (shown / "dandelion.inr").write_bytes(data)
    for ending, codec in {"jpg": JPEG, "webp": WEBP}.items():
        (shown / f"dandelion.{ending}").write_bytes(nearest_in_bytes(shown / "dandelion.png", codec, len(data))[0])
    whole = np.asarray(Image.open(PHOTO).convert("RGB"))
    way = [whole[4 * k : 4 * k + HEIGHT, 6 * k : 6 * k + WIDTH] for k in range(FRAMES)]
    options = {"method": "player", "iterations": ITERATIONS[1], "threads": 1}
    clip = encode_clip(clip_from_array(np.stack(way)), folder / "segments", **options)
    (shown / "crossing.inr").write_bytes(clip.data)
    write_site(web_site(shown, ONNXRUNTIME), site)
    return site


def test_screenshots(folder, site):
    seen = in_browser(folder, only=["screenshots"], site=str(site))["screenshots"]
    assert seen["lines"] == []
    for name, scale in SCALES.items():
        image = Image.open(folder / f"{name}.png").convert("RGB")
        image = image.resize((round(scale * image.width), round(scale * image.height)), Image.Resampling.LANCZOS)
        assert np.asarray(image).std() > 10  # something is shown
        small = folder / f"{name}_small.png"
        image.quantize(COLOURS, dither=Image.Dither.NONE).save(small, optimize=True)
        assert small.stat().st_size < BYTES_MAX
        if DOCS:
            (Path(DOCS) / f"{name}.png").write_bytes(small.read_bytes())
