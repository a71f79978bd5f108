"""What travels frame by frame: a frame needs no other's bytes, and iterating runs but one frame ahead."""

from dataclasses import replace

import numpy as np
import pytest

import inrcodec
from inrcodec.runtime.file import InrFile
from inrcodec.runtime.segment import read_frame, read_segment
from inrcodec.runtime.syntax import read_file
from inrcodec.runtime.synthesis import Synthesis, assemble
from inrcodec.runtime.wire import BitstreamError
from inrcodec.train.encode import encode_picture
from inrcodec.train.pictures import as_set, from_array

FRAMES = 4


@pytest.fixture(scope="module")
def data():
    y, x = np.mgrid[:33, :50]
    frames = [(127 + 60 * np.sin((x + 3 * k) / 7) + 60 * np.cos(y / 5)).astype(np.uint8) for k in range(FRAMES)]
    pictures = [from_array(np.stack([frame, frame.T[::-1, ::-1].T, frame // 2], -1)) for frame in frames]
    return encode_picture(as_set(pictures), method="player", iterations=12).data


@pytest.mark.parametrize("k", [0, 3])
def test_a_frame_needs_no_other_frames_bytes(data, k):
    file = inrcodec.open(data)
    header, payload = read_file(data)
    segment = read_segment(file.profile.manifest, header.signal, payload)
    assert len(segment.streams) == FRAMES and not segment.groups["latent0"].symbols
    alone = replace(segment, streams=tuple(s if i == k else b"" for i, s in enumerate(segment.streams)))
    synthesis = Synthesis(header.signal, file.profile, read_frame(file.profile.manifest, alone, k), 1, frame=k)
    pixels = assemble(header.signal, synthesis.whole, synthesis.parts(synthesis.whole))
    np.testing.assert_array_equal(pixels, file[k])


@pytest.mark.parametrize("change, message", [(lambda p: p + b"\0", "bytes of streams"), (lambda p: p[:-1], "truncated")])
def test_streams_fill_the_payload(data, change, message):
    header, payload = read_file(data)
    with pytest.raises(BitstreamError, match=message):
        read_segment(inrcodec.open(data).profile.manifest, header.signal, change(payload))


def test_iterating_is_a_frame_ahead(data, monkeypatch):
    made, read = [], InrFile.read
    monkeypatch.setattr(InrFile, "read", lambda self, frame: made.append(frame) or read(self, frame))
    for k, _ in enumerate(inrcodec.open(data)):
        if k == 1:
            break
    assert made in ([0, 1], [0, 1, 2])


def test_a_failure_comes_in_its_place(data, monkeypatch):
    read = InrFile.read

    def failing(self, frame):
        if frame == 2:
            raise BitstreamError("no such luck")
        return read(self, frame)

    monkeypatch.setattr(InrFile, "read", failing)
    frames = iter(inrcodec.open(data))
    assert len([next(frames), next(frames)]) == 2
    with pytest.raises(BitstreamError, match="no such luck"):
        next(frames)
