"""One pass over a video, decoding all of it: how many frames there are, when each is shown, whether they are whole.

Containers say less than that, and some of it wrongly; fitting takes so much longer that certainty costs nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.stream import Disposition

from ..runtime.clip import DEPTHS, RGB, TICKS_MAX, UNSPECIFIED, ClipError, ClipFacts
from ..runtime.syntax import PIXELS_MAX, SIDE_MAX

CHROMAS = {(1, 1): "420", (1, 2): "422", (2, 2): "444"}  # samples (across, down) of 2x2 pixels; others become 4:4:4
DEFAULT_RATE = Fraction(25)  # where neither the file nor the timestamps say
RATE_TERM = 10_000  # the largest mean rate, its largest denominator, and that of the smallest
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
TEXT = "tty"  # FFmpeg would draw it
MISSING = Fraction(1)  # second after the last frame's that a file speaks of: worth a note
WOVEN = "interlaced frames are encoded as they are, two fields woven into one picture"


@dataclass(frozen=True)
class Scan:
    facts: ClipFacts
    notes: tuple[str, ...]  # one line for each thing that is not carried
    timestamps: tuple[int, ...]  # of each frame, in the stream's time base; none where they do not tell frames apart
    keys: tuple[int, ...]  # numbers of the frames at which decoding may start
    start: Fraction  # seconds of the first frame, on the clock of the audio


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream. Raises `ClipError` for what FFmpeg cannot open, or where there is none."""
    if not path.is_file() or path.stat().st_size == 0:
        came = "an empty file" if path.is_file() else "no file" if not path.exists() else "something else"
        raise ClipError(f"{path}: wanted a video file or a folder of pictures, got {came}")
    try:
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except FFmpegError as error:
        raise ClipError(f"{path}: wanted a whole file that FFmpeg can open, got: {error.strerror}") from error
    with container:
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams or container.format.name == TEXT:
            pictures = "text" if container.format.name == TEXT else "a cover"
            kinds = {pictures if stream.type == "video" else stream.type for stream in container.streams}
            raise ClipError(f"{path}: wanted a video stream, got {' and '.join(sorted(kinds)) or 'nothing'} alone")
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


def scan(path: Path) -> Scan:
    """Raises `ClipError` where a frame is damaged, saying how many before it are whole, and for sizes beyond the limits."""
    first, pts, keys, notes = None, [], [], set()
    with opened(path) as (container, stream):
        try:
            for frame in _whole_frames(container, stream):
                first = first or frame
                _check_size(frame, first)
                notes |= {WOVEN} if frame.interlaced_frame else set()
                keys += [len(pts)] if frame.key_frame else []
                pts.append(frame.pts)
        except (FFmpegError, ClipError) as error:
            said = str(error) if isinstance(error, ClipError) else error.strerror
            raise ClipError(f"{path}: its first {len(pts)} frames can be read, then: {said}") from error
        if first is None:
            raise ClipError(f"{path}: wanted a video of one frame or more, got none")
        timed = None not in pts and all(0 < after - before <= TICKS_MAX for before, after in pairwise(pts))
        rate, ticks = timing([t - pts[0] for t in pts] if timed else [], stream)
        times = {"rate": rate, "timestamps": ticks, "time_base": stream.time_base if ticks else Fraction(1)}
        facts = ClipFacts(len(pts), **_form(first), **times, pixel_aspect=stream.sample_aspect_ratio or Fraction(1))
        lost = (*sorted(notes), *_lost(container, stream, first, (pts[-1] - pts[0]) * stream.time_base if timed else None))
        return Scan(facts, lost, tuple(pts) if timed else (), tuple(keys), (pts[0] or 0) * stream.time_base)


def _whole_frames(container: Any, stream: Any) -> Iterator[av.VideoFrame]:
    """FFmpeg mends what it can and marks it; a mended frame is not what was filmed."""
    cut = ClipError("wanted a whole packet, got a damaged or cut one")
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except FFmpegError as error:  # of this packet, where one thread decodes
            if packet.is_corrupt:
                raise cut from error
            raise
        for frame in frames:
            if frame.is_corrupt:
                raise ClipError("wanted a whole frame, got a damaged one")
            yield frame
        if packet.is_corrupt:
            raise cut


def _check_size(frame: av.VideoFrame, first: av.VideoFrame) -> None:
    if max(frame.width, frame.height) > SIDE_MAX or frame.width * frame.height > PIXELS_MAX:
        wanted = f"sides up to {SIDE_MAX} and {PIXELS_MAX} pixels"
        raise ClipError(f"wanted {wanted}, got {frame.width}x{frame.height}")
    if (frame.width, frame.height) != (first.width, first.height):
        raise ClipError(f"wanted {first.width}x{first.height} as before, got {frame.width}x{frame.height}")


def _form(first: av.VideoFrame) -> dict[str, Any]:
    """What a frame says of itself."""
    form = first.format
    colours = [component for component in form.components if not component.is_alpha]
    rgb, grey = form.is_rgb or form.has_palette, len(colours) == 1
    bits = max(component.bits for component in colours)
    # Grey that does not say is of full range to FFmpeg.
    full = first.color_range == FULL_RANGE or (grey and not first.color_range) or form.name.startswith("yuvj")
    return {
        "height": first.height,
        "width": first.width,
        "bit_depth": next((depth for depth in DEPTHS if depth >= bits), DEPTHS[-1]),
        "chroma": "444" if rgb else "grey" if grey else CHROMAS.get((form.chroma_width(2), form.chroma_height(2)), "444"),
        "full_range": rgb or full,
        "matrix": RGB if rgb else first.colorspace or UNSPECIFIED,
        "primaries": first.color_primaries,
        "transfer": first.color_trc,
        "turns": round(first.rotation / 90) % 4,
    }


def timing(ticks: Sequence[int], stream: Any) -> tuple[Fraction, tuple[int, ...]]:
    """Frames a second, and the ticks again where no rate explains them. Without ticks the stream's word is taken."""
    said = [rate for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate) if rate and rate > 0]
    if len(ticks) < 2:
        return (*said, DEFAULT_RATE)[0], ()
    mean = min((len(ticks) - 1) / (ticks[-1] * stream.time_base), Fraction(RATE_TERM))
    mean = mean.limit_denominator(RATE_TERM) or Fraction(1, RATE_TERM)
    steady_rates = (rate for rate in (*said, mean) if steady(ticks, stream.time_base * rate))
    rate = next(steady_rates, None)
    return (mean, tuple(ticks)) if rate is None else (rate, ())


def steady(ticks: Sequence[int], frames_a_tick: Fraction) -> bool:
    """Whether each frame is shown within a tick, and within half a frame, of its turn."""
    a, b = frames_a_tick.as_integer_ratio()
    return all(abs(tick * a - k * b) <= a and 2 * abs(tick * a - k * b) < b for k, tick in enumerate(ticks))


def _lost(container: Any, stream: Any, first: av.VideoFrame, seconds: Fraction | None) -> Iterator[str]:
    """Notes on what does not travel, and on a file that seems cut. `seconds`: from the first frame to the last."""
    others = [other.type for other in container.streams if other.type != "audio" and other is not stream]
    if others:
        yield f"only the first video stream and audio are carried, not: {', '.join(others)}"
    if any(component.is_alpha for component in first.format.components):
        yield "alpha is dropped"
    if first.rotation % 90:
        yield f"a rotation by {first.rotation} degrees is carried as one by {round(first.rotation / 90) * 90}"
    said = stream.duration * stream.time_base if stream.duration else Fraction(container.duration or 0, av.time_base)
    if seconds is not None and said - seconds > MISSING + 1 / (stream.average_rate or DEFAULT_RATE):
        yield f"the file says that it lasts {float(said):.1f} seconds, its last frame is at {float(seconds):.1f}: is it cut?"
