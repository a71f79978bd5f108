"""A clip's sound, made for tests."""

from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np

from inrcodec.train.video import remuxed


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
