"""Every video method from frames to bytes to frames."""

import numpy as np
import pytest

import inrcodec
from inrcodec.models import METHODS
from inrcodec.runtime.decoder import decode
from inrcodec.runtime.profile import STANDARD
from inrcodec.train.encode import encode_picture
from inrcodec.train.metrics import psnr
from inrcodec.train.pictures import as_set, from_array

VIDEO = [name for name, build in METHODS.items() if build().kind == "video"]


def moving(frames: int = 6, height: int = 64, width: int = 96) -> list[np.ndarray]:
    """A disc that crosses a gradient."""
    y, x = np.mgrid[0:height, 0:width] / height
    discs = [((y - 0.5) ** 2 + (x - 0.3 - 0.15 * k) ** 2 < 0.04).astype(float) for k in range(frames)]
    planes = [[0.2 + 0.3 * x + 0.3 * disc, 0.8 - 0.5 * y, 0.4 + 0.4 * disc * x] for disc in discs]
    return [(255 * np.clip(np.stack(each, -1), 0, 1)).astype(np.uint8) for each in planes]


@pytest.mark.parametrize("method", VIDEO)
def test_every_method_end_to_end(method):
    """`encode_picture` itself asserts that the runtime's pixels are within a level of torch's."""
    frames = moving()
    result = encode_picture(as_set([from_array(frame) for frame in frames]), method=method, iterations=60)
    file = inrcodec.open(result.data)
    sequential = decode(result.data)
    assert sequential.shape == (6, 64, 96, 3) and len(file) == 6
    for k in (5, 0, 3):
        np.testing.assert_array_equal(inrcodec.open(result.data)[k], sequential[k])
    assert psnr(np.stack(frames), sequential) == pytest.approx(result.psnr, abs=1e-6)
    size = len(result.data)
    assert result.psnr > 13 and size < 15_000


@pytest.mark.parametrize("method", VIDEO)
@pytest.mark.parametrize("size", [(1, 1, 1), (2, 33, 47), (1, 90, 41)])
def test_any_size(method, size):
    frames, height, width = size
    pictures = [from_array(frame) for frame in moving(frames, height, width)]
    data = encode_picture(as_set(pictures), method=method, iterations=2).data
    assert decode(data).shape == ((frames,) if frames > 1 else ()) + (height, width, 3)


@pytest.mark.parametrize("method", [name for name in VIDEO if f"{name}_large" in STANDARD.values()])
def test_graphs_of_large_frames(method, monkeypatch):
    """Those from 2**19 pixels on have, of small ones; that they equal torch `encode_picture` asserts."""
    monkeypatch.setattr("inrcodec.models.clip.LARGE", 1)
    frames = moving(2, 90, 170)
    file = inrcodec.open(encode_picture(as_set([from_array(frame) for frame in frames]), method=method, iterations=2).data)
    assert (file.profile.manifest.name, file[1].shape) == (f"{method}_large", (90, 170, 3))
