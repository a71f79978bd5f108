"""Containers: frames coded by x264 or VP9 and audio packets as they are, through PyAV, which is loaded on use."""

import heapq
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .clip import UNSPECIFIED, ClipError, ClipFacts
from .planes import LUMA, to_planes

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer

BT601_CODE = 6  # H.273 matrix of what `planes` makes without one
LEAD = "INR_LEAD"  # metadata of our audio: seconds that it starts before the first frame


@dataclass(frozen=True)
class Container:
    """How FFmpeg calls a format, and what frames are coded with there: the codec's own loss should not be seen."""

    format: str
    codec: str
    options: dict[str, str]
    even: bool  # takes odd sides in 4:4:4 alone


X264 = ("libx264", {"crf": "12", "preset": "veryfast"}, True)
VP9 = ("libvpx-vp9", {"crf": "12", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}, False)
CONTAINERS = {
    ".mp4": Container("mp4", *X264),
    ".mov": Container("mov", *X264),
    ".mkv": Container("matroska", *X264),
    ".webm": Container("webm", *VP9),
}


def write_container(path: Path, frames: Iterator[np.ndarray], facts: ClipFacts, audio: bytes, to: Container) -> None:
    """Frames (H, W, 1 or 3) and the audio packets, in the order of their times. Raises `ClipError`.

    WebM shows pixels as squares: PyAV has no way to tell it otherwise.
    """
    try:
        import av
        from av.error import FFmpegError
    except ImportError as error:
        raise ClipError(f"{to.format} wants PyAV: pip install 'inrcodec[train]', or write .y4m or a folder/") from error
    facts = _storable(facts, to, {format.name for format in av.Codec(to.codec, "w").video_formats or ()})
    try:
        with av.open(str(path), "w", format=to.format) as container:
            pictures = _video_packets(_add_video(container, facts, to), frames, facts)
            sound = _audio_packets(container, audio, to) if audio else iter(())
            for packet in heapq.merge(pictures, sound, key=_time):
                container.mux(packet)
    except FFmpegError as error:
        sound = " and audio" if audio else ""
        raise ClipError(f"wanted to write {to.codec}{sound} into {to.format}, got: {error.strerror}") from error


def _time(packet: Any) -> Fraction:
    return packet.dts * packet.time_base


def _storable(facts: ClipFacts, to: Container, formats: set[str]) -> ClipFacts:
    """The same facts, or those nearest to them that the codec knows; grey as 4:2:0, which more players show."""
    chroma = "420" if facts.chroma == "grey" else facts.chroma
    odd = facts.height % 2 or facts.width % 2
    facts = replace(facts, chroma="444" if odd and to.even else chroma)
    if pixel_format(facts) not in formats:
        raise ClipError(f"wanted a depth that {to.codec} knows, got {facts.bit_depth} bits; write .mkv, .y4m or a folder/")
    return facts if facts.matrix in (*LUMA, UNSPECIFIED) else replace(facts, matrix=BT601_CODE)


def pixel_format(facts: ClipFacts) -> str:
    """FFmpeg's name of samples stored so, in planes."""
    name = "gray" if facts.chroma == "grey" else f"yuv{facts.chroma}p"
    return name if facts.bit_depth == 8 else f"{name}{facts.bit_depth}le"


def _add_video(container: "OutputContainer", facts: ClipFacts, to: Container) -> Any:
    stream: Any = container.add_stream(to.codec, rate=facts.rate, options=to.options)
    stream.width, stream.height, stream.pix_fmt = facts.width, facts.height, pixel_format(facts)
    stream.time_base = stream.codec_context.time_base = facts.time_base if facts.timestamps else 1 / facts.rate
    stream.codec_context.sample_aspect_ratio = facts.pixel_aspect
    stream.codec_context.color_range = 1 + facts.full_range  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
    stream.codec_context.colorspace = facts.matrix
    stream.codec_context.color_primaries, stream.codec_context.color_trc = facts.primaries, facts.transfer
    if facts.turns:
        stream.set_display_rotation(90 * facts.turns)
    return stream


def _video_packets(stream: Any, frames: Iterator[np.ndarray], facts: ClipFacts) -> "Iterator[av.Packet]":
    import av

    for k, pixels in enumerate(frames):
        frame = av.VideoFrame(facts.width, facts.height, pixel_format(facts))
        for plane, samples in zip(frame.planes, to_planes(pixels, facts)):
            rows_apart = (plane.line_size, samples.itemsize)
            np.ndarray(samples.shape, samples.dtype, memoryview(plane), strides=rows_apart)[:] = samples
        frame.time_base = facts.time_base if facts.timestamps else 1 / facts.rate
        frame.pts = facts.timestamps[k] if facts.timestamps else k
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _audio_packets(container: "OutputContainer", audio: bytes, to: Container) -> "Iterator[av.Packet]":
    """The packets as they are; their streams are added at once, and the container's header is written."""
    import av

    source: Any = av.open(BytesIO(audio), "r", format="matroska", metadata_errors="replace")
    try:
        lead = Fraction(source.metadata.get(LEAD, "0"))
        copies = {stream.index: container.add_stream_from_template(stream) for stream in source.streams.audio}
        container.start_encoding()
    except (ValueError, ArithmeticError) as error:  # PyAV's own, FFmpeg's of an invalid argument, or of foreign metadata
        names = ", ".join(stream.codec_context.name for stream in source.streams.audio if stream.codec_context)
        raise ClipError(f"wanted audio that {to.format} can hold, got {names or 'none'}; write .mkv") from error

    def packets() -> "Iterator[av.Packet]":
        with closing(source):
            for packet in source.demux(source.streams.audio):
                if packet.size:
                    if packet.pts is None or packet.dts is None:
                        raise ClipError("wanted the time of an audio packet, got none")
                    early = round(lead / packet.time_base)
                    packet.pts, packet.dts = packet.pts - early, packet.dts - early
                    packet.stream = copies[packet.stream.index]
                    yield packet

    return packets()
