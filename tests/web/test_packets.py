"""A clip's sound as the page unpacks it: the packets and times that FFmpeg finds; of damaged bytes an error or packets."""

import importlib.util
import sys
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from inrcodec.runtime.mux import LEAD
from inrcodec.train.video import remuxed

HERE = Path(__file__).parent
LATE = Fraction(1, 10)  # seconds after the first sound is the first picture
spec = importlib.util.spec_from_file_location("test_decoder", HERE / "test_decoder.py")
assert spec and spec.loader
decoder = sys.modules["test_decoder"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(decoder)
pytestmark = decoder.pytestmark


def carried(wave: np.ndarray, codec: str, format: str, rate: int, late: Fraction) -> bytes:
    """The sound (channels, samples) as a clip carries it whose first picture is so late after it."""
    file, layout = BytesIO(), {1: "mono", 2: "stereo"}[len(wave)]
    with av.open(file, "w", format=format) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        for first in range(0, wave.shape[1], 1024):
            samples = np.ascontiguousarray(wave[:, first : first + 1024])
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    source: Any = av.open(file)
    with source as container:
        packets = [packet for packet in container.demux(container.streams.audio) if packet.size]
        return remuxed(container.streams.audio, packets, late)


def sound(codec: str, format: str, rate: int) -> bytes:
    """A second of noise, in a clip that begins LATE."""
    wave = np.random.default_rng(0).normal(0, 0.1, (2, 40 * 1024)).astype(np.float32)
    return carried(wave, codec, format, rate, LATE)


@pytest.mark.parametrize(
    ("codec", "format", "rate"),
    [
        ("libopus", "matroska", 48_000),
        ("aac", "mp4", 44_100),
        ("flac", "matroska", 44_100),
        ("pcm_s16le", "matroska", 16_000),
    ],
)
def test_packets_and_times(codec, format, rate, tmp_path):
    path = tmp_path / "sound.mka"
    path.write_bytes(sound(codec, format, rate))
    source: Any = av.open(str(path))
    with source as container:
        lead = float(Fraction(container.metadata.get(LEAD, "0")))
        wanted = [[float(p.pts * p.time_base) - lead, p.size] for p in container.demux(container.streams.audio) if p.size]
    (track,) = decoder.node("packets.mjs", path)[path.name]
    assert len(wanted) > 5 and [size for _, size in track["packets"]] == [size for _, size in wanted]
    times = [time for time, _ in track["packets"]]
    np.testing.assert_allclose(times, [time for time, _ in wanted], atol=1e-3)
    assert times[0] < 0


def test_damaged_bytes_end_in_an_error_or_packets(tmp_path):
    data, paths = sound("libopus", "matroska", 48_000), []
    rng = np.random.default_rng(0)
    for k in range(200):
        damaged = bytearray(data[: rng.integers(1, len(data))] if k % 4 == 0 else data)
        for at in rng.integers(0, min(len(damaged), 600), 1 + k % 5):
            damaged[at] = rng.integers(256)
        paths.append(tmp_path / f"{k}.mka")
        paths[-1].write_bytes(damaged)
    found = decoder.node("packets.mjs", *paths)
    errors = [result["error"] for result in found.values() if isinstance(result, dict)]
    assert len(found) == 200 and 0 < len(errors) < 200
    assert {error.partition(":")[0] for error in errors} == {"Error"}
