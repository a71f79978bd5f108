"""`inrc play`: a clip in a window, at its rate and without its sound; where there is no display, as fast as it decodes."""

import argparse
import json
import math
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .clip import ClipFacts
from .file import InrFile
from .file import open as open_inr
from .gallery import serve, site
from .speed import decoded_for
from .wire import BitstreamError

UNSEEN = 5.0  # seconds that a clip is decoded where it cannot be seen
SEEK = 2.0  # seconds that an arrow key moves
IDLE = 20  # ms between looks at the clock while nothing moves
SCREEN = 0.9  # of the screen's sides that a window takes at most


def play_command(options: argparse.Namespace) -> None:
    if options.browser:
        serve(site(Path(options.input), options.onnxruntime), 0, options.input, browser=True)
        return
    file = open_inr(options.input, options.threads, trust_graph=options.trust_graph, allow_partial=options.allow_partial)
    if file.facts is None:
        raise ValueError(f"wanted a clip, got a file of {len(file)} picture{'s' * (len(file) > 1)}: inrc decode shows those")
    if len(file) == 0:
        raise ValueError("wanted a clip with a whole segment, got none")
    row = shown(file, options.input, options.loop, options.seconds) or measured(file, options.seconds or UNSEEN)
    if options.json:
        print(json.dumps(row))
        return
    late = f", {row['dropped']} dropped" if row["window"] else " decoded: no display"
    print(f"{row['fps']:.1f} frames a second of {row['rate']:g}; {row['frames']} frames{late}")


def measured(file: InrFile, seconds: float) -> dict[str, Any]:
    """As fast as it goes."""
    assert file.facts
    frames, took = decoded_for(file, seconds)
    return {"window": False, "rate": float(file.facts.rate), "frames": frames, "dropped": 0, "fps": frames / took}


class Clock:
    """Seconds from a clip's first frame, going on or held."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now, self.at, self.since = now, 0.0, now()
        self.held = False

    @property
    def seconds(self) -> float:
        return self.at if self.held else self.at + self.now() - self.since

    def set(self, seconds: float) -> None:
        self.at, self.since = max(0.0, seconds), self.now()

    def hold(self) -> None:
        """Or go on."""
        self.set(self.seconds)
        self.held = not self.held


class Playback:
    """Which frame is due, and how many never were seen."""

    def __init__(self, facts: ClipFacts, clock: Clock, loop: bool = False) -> None:
        self.facts, self.clock, self.loop = facts, clock, loop
        self.last, self.frames, self.dropped = -1, 0, 0

    def due(self) -> int | None:
        """The frame to be seen by now; None where the clip is over."""
        if self.clock.seconds >= self.facts.time(self.facts.frames):
            if not self.loop:
                return None
            self.seek(-self.clock.seconds)
        return bisect_right(range(self.facts.frames), self.clock.seconds, key=self.facts.time) - 1

    def seen(self, frame: int) -> None:
        self.dropped += max(0, frame - self.last - 1)
        self.last, self.frames = frame, self.frames + 1

    def seek(self, by: float) -> None:
        """What lies between counts as neither seen nor dropped."""
        end = float(self.facts.time(self.facts.frames - 1))
        self.clock.set(min(end, self.clock.seconds + by))
        self.last = (self.due() or 0) - 1

    def wait(self) -> int:
        """ms until the next frame is due."""
        left = float(self.facts.time(self.last + 1)) - self.clock.seconds
        return IDLE if self.clock.held else max(1, min(IDLE, round(1000 * left)))


def shown(file: InrFile, name: str, loop: bool = False, seconds: float | None = None) -> dict[str, Any] | None:
    """In a window, for so many seconds or to its end; None where there is no display. Raises BitstreamError."""
    try:
        import tkinter
    except ImportError:
        return None
    try:
        root = tkinter.Tk()
    except tkinter.TclError:
        return None
    root.title(f"{name} - inrc play")
    window = Window(file, root, loop, seconds)
    root.mainloop()
    if window.error:
        raise window.error
    playback, rate = window.playback, float(window.facts.rate)
    seen = playback.frames / max(1, playback.frames + playback.dropped)
    return {"window": True, "rate": rate, "frames": playback.frames, "dropped": playback.dropped, "fps": rate * seen}


class Window:
    """Space holds and goes on, arrows seek, q ends."""

    def __init__(self, file: InrFile, root: Any, loop: bool, seconds: float | None) -> None:
        import tkinter

        assert file.facts
        self.file, self.root, self.facts = file, root, file.facts
        self.error: BitstreamError | None = None
        self.room = SCREEN * root.winfo_screenheight(), SCREEN * root.winfo_screenwidth()
        self.image = tkinter.PhotoImage(master=root)
        tkinter.Label(root, image=self.image, borderwidth=0).pack()
        keys = {"<space>": lambda: self.playback.clock.hold(), "<q>": root.destroy, "<Escape>": root.destroy}
        keys |= {"<Left>": lambda: self.playback.seek(-SEEK), "<Right>": lambda: self.playback.seek(SEEK)}
        for key, action in keys.items():
            root.bind(key, lambda event, action=action: action())
        self.draw(0)  # before the clock goes: a first frame, and a window, take longer than others
        root.update()
        self.playback = Playback(file.facts, Clock(), loop)
        self.end = time.monotonic() + seconds if seconds else math.inf
        root.after(0, self.tick)

    def tick(self) -> None:
        frame = self.playback.due()
        if frame is None or self.error or time.monotonic() > self.end:
            self.root.destroy()
            return
        if frame != self.playback.last:
            self.draw(frame)
            self.playback.seen(frame)
        self.root.after(self.playback.wait(), self.tick)

    def draw(self, frame: int) -> None:
        try:
            self.image.configure(data=pnm(fitted(self.file[frame], self.facts, self.room)))
        except BitstreamError as error:
            self.error = error


def fitted(frame: np.ndarray, facts: ClipFacts, room: tuple[float, float]) -> np.ndarray:
    """(h, w, 1 or 3) uint8: pixels square, within `room` (height, width), turned as a player does; by the nearest samples."""
    frame = frame.reshape(*frame.shape[:2], -1)
    frame = frame[..., : 1 if frame.shape[2] < 3 else 3]
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    sides = frame.shape[0], frame.shape[1] * float(facts.pixel_aspect)
    factor = min(1.0, *(most / side for most, side in zip(room[:: -1 if facts.turns % 2 else 1], sides)))
    counts = [max(1, round(factor * side)) for side in sides]
    if counts != list(frame.shape[:2]):
        rows, columns = (np.arange(count) * n // count for count, n in zip(counts, frame.shape))
        frame = frame[rows[:, None], columns]
    return np.rot90(frame, facts.turns)


def pnm(pixels: np.ndarray) -> bytes:
    """A file of (h, w, 1 or 3) uint8."""
    height, width, channels = pixels.shape
    return f"P{6 if channels == 3 else 5} {width} {height} 255\n".encode() + pixels.tobytes()
