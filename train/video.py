"""Videos through FFmpeg (PyAV), by frame number: no more is decoded than is needed, and no more kept than is asked for."""

from bisect import bisect
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation

from ..runtime.clip import RGB, ClipError
from ..runtime.mux import LEAD, pixel_format
from ..runtime.planes import Planes, to_planes, to_rgb
from .scan import Scan, opened


class Video:
    """A scanned file. It stands before one of its frames, and goes on from there if that is the one asked for."""

    def __init__(self, path: Path, scan: Scan) -> None:
        self.path, self.scan, self.facts = path, scan, scan.facts
        self.position, self.decoded = 0, self._decoded(0)
        self.rgb_format = "rgb24" if self.facts.bit_depth == 8 else "rgb48le"

    def pixels(self, first: int, last: int) -> Iterator[np.ndarray]:
        """Of 8-bit 4:2:0 and 4:2:2 what `ffmpeg -pix_fmt rgb24` makes, which papers measure against; of others `to_rgb`."""
        swscale = self.facts.matrix == RGB or (self.facts.bit_depth == 8 and self.facts.chroma in ("420", "422"))
        for frame in self._frames(first, last):
            if swscale:
                yield frame.to_ndarray(format=self.rgb_format, interpolation=Interpolation.BICUBIC)
            else:
                yield to_rgb(self._planes(frame), self.facts)

    def planes(self, first: int, last: int) -> Iterator[Planes]:
        return map(self._planes, self._frames(first, last))

    def _planes(self, frame: av.VideoFrame) -> Planes:
        """As they are, if they are planes."""
        if self.facts.matrix == RGB:
            return to_planes(frame.to_ndarray(format=self.rgb_format), self.facts)
        wanted, span = pixel_format(self.facts), 1 + self.facts.full_range
        if frame.format.name.replace("yuvj", "yuv") != wanted:
            frame = frame.reformat(format=wanted, src_color_range=span, dst_color_range=span)
        dtype = np.dtype(np.uint8 if self.facts.bit_depth == 8 else "<u2")
        return tuple(
            np.ndarray((plane.height, plane.width), dtype, memoryview(plane), strides=(plane.line_size, dtype.itemsize))
            for plane in frame.planes
        )

    def _frames(self, first: int, last: int) -> Iterator[av.VideoFrame]:
        if first != self.position:
            self.position, self.decoded = first, self._from(first)
        while self.position < last:
            frame = next(self.decoded, None)
            if frame is None or (self.scan.timestamps and frame.pts != self.scan.timestamps[self.position]):
                raise ClipError(f"{self.path}: wanted frame {self.position} as it was scanned, got another: did it change?")
            self.position += 1
            yield frame

    def _from(self, first: int) -> Iterator[av.VideoFrame]:
        """From the key frame before it; where that does not lead to it, as if pictures are renewed by parts, from frame 0."""
        key = self.scan.keys[max(0, bisect(self.scan.keys, first) - 1)] if self.scan.keys else 0
        if self.scan.timestamps and 0 < key <= first:
            frames, wanted = self._decoded(key), self.scan.timestamps[first]
            with suppress(ClipError):
                frame: Any = next((frame for frame in frames if frame.pts is None or frame.pts >= wanted), None)
                if frame is not None and frame.pts == wanted:
                    return chain([frame], frames)
        return islice(self._decoded(0), first, None)

    def _decoded(self, key: int) -> Iterator[av.VideoFrame]:
        with opened(self.path) as (container, stream):
            try:
                if key > 0:
                    container.seek(self.scan.timestamps[key], stream=stream)
                yield from container.decode(stream)
            except FFmpegError as error:
                raise ClipError(f"{self.path}: wanted it as it was scanned, got: {error.strerror}") from error

    def audio(self) -> bytes:
        """All audio packets, untouched, in a Matroska file whose time 0 is the first frame's; b"" where there are none."""
        with opened(self.path) as (container, _):
            streams = container.streams.audio
            packets = [packet for packet in container.demux(streams) if packet.size] if streams else []
            try:
                return remuxed(streams, packets, self.scan.start) if packets else b""
            except (FFmpegError, ValueError, TypeError) as error:  # TypeError: packets without times
                raise ClipError(f"{self.path}: wanted audio that Matroska can hold, got: {error}") from error


def remuxed(streams: Any, packets: list[Any], start: Fraction) -> bytes:
    """Matroska has no time before 0: audio that starts earlier is shifted, and the metadata say by how much.

    `bitexact` leaves out what is random in a Matroska file.
    """
    lead = max(start - min(packet.pts * packet.time_base for packet in packets), Fraction(0))
    file = BytesIO()
    with av.open(file, "w", format="matroska", options={"fflags": "+bitexact"}) as output:
        output.metadata.update({LEAD: str(lead)} if lead else {})
        copies = {stream.index: output.add_stream_from_template(stream) for stream in streams}
        for packet in packets:
            shift = round((lead - start) / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packet.stream = copies[packet.stream.index]
            output.mux(packet)
    return file.getvalue()
