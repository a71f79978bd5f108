"""A clip's sound as the page unpacks it: the packets and times that FFmpeg finds; of damaged bytes an error or packets."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from drivers import needs_node, node
from soundtracks import carried

from inrcodec.runtime.mux import LEAD

LATE = Fraction(1, 10)  # seconds after the first sound is the first picture
pytestmark = needs_node


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
    (track,) = node("packets.mjs", path)[path.name]
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
    found = node("packets.mjs", *paths)
    errors = [result["error"] for result in found.values() if isinstance(result, dict)]
    assert len(found) == 200 and 0 < len(errors) < 200
    assert {error.partition(":")[0] for error in errors} == {"Error"}
