"""`inrc play`: frames are due by the clip's clock, late ones dropped; a window where there is a display, else a figure."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import inrcodec
from inrcodec.runtime.clip import ClipFacts, code_facts
from inrcodec.runtime.entropy import Stepped, Zeros
from inrcodec.runtime.group import Group
from inrcodec.runtime.play import Clock, Playback, fitted, pnm
from inrcodec.runtime.profile import STANDARD, standard
from inrcodec.runtime.segment import Segment, write_segment
from inrcodec.runtime.syntax import Header, Signal, read_header, write_segments
from inrcodec.runtime.wire import Writer
from inrcodec.train.cli import main

VECTORS = Path(__file__).parents[1] / "vectors"
FACTS = ClipFacts(6, 40, 80, rate=Fraction(50))
SIZES = {"grid_rows": 1, "grid_columns": 2, **{f"width{i}": 4 for i in range(5)}}


def clip(facts: ClipFacts = FACTS) -> bytes:
    """Six frames of one colour in three segments."""
    number = next(number for number, name in STANDARD.items() if name == "hnerv_small")
    manifest, signal, wire = standard(number).manifest, Signal(40, 80, frames=2), Writer()
    known = {**signal.sizes, **SIZES}
    groups = {
        name: Group(0, Zeros(), {t: np.zeros(manifest.shape(d, known), np.int64) for t, d in tensors})
        for name, tensors in manifest.groups.items()
    }
    grey = Group(0, Stepped(40, int(np.float16(0.25).view(np.uint16))), {"head.bias": np.array([1, 0, -1])})
    segment = Segment(SIZES, groups | {"head.bias": grey})
    first, other = write_segment(manifest, signal, segment), write_segment(manifest, signal, segment, lambda: segment)
    code_facts(wire, (6, 40, 80), facts)
    header = Header(replace(signal, frames=6), number, sections={"clip": bytes(wire.data)})
    return write_segments(header, [(2, first), (2, other), (2, other)])


DATA = clip()


@pytest.fixture
def path(tmp_path) -> Path:
    (tmp_path / "x.inr").write_bytes(DATA)
    return tmp_path / "x.inr"


@pytest.fixture
def unseen(monkeypatch):
    """There is no display."""
    monkeypatch.delenv("DISPLAY", raising=False)
    if sys.platform != "linux":
        monkeypatch.setattr("inrcodec.runtime.play.shown", lambda *options: None)


class Hand:
    """A clock's hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def playback(facts: ClipFacts = FACTS, loop: bool = False) -> tuple[Playback, Hand]:
    hand = Hand()
    return Playback(facts, Clock(hand), loop), hand


def test_frames_are_due_at_the_clips_rate():
    play, hand = playback()
    for hand.seconds, frame in ((0.0, 0), (0.019, 0), (0.021, 1), (0.101, 5), (0.119, 5), (0.121, None)):
        assert play.due() == frame


def test_frames_are_due_by_their_time_stamps():
    play, hand = playback(replace(FACTS, time_base=Fraction(1, 10), timestamps=(0, 1, 5, 6, 7, 8)))
    for hand.seconds, frame in ((0.05, 0), (0.1, 1), (0.49, 1), (0.55, 2), (0.81, 5), (0.83, None)):
        assert play.due() == frame


def test_late_frames_are_dropped():
    play, hand = playback()
    for hand.seconds in (0.0, 0.021, 0.105):
        play.seen(play.due() or 0)
    assert (play.frames, play.dropped) == (3, 3)


def test_holding_and_seeking():
    play, hand = playback(replace(FACTS, rate=Fraction(1)))
    hand.seconds = 2.5
    play.clock.hold()
    hand.seconds = 99.0
    assert play.due() == 2
    play.seek(2)
    play.seen(play.due() or 0)
    assert (play.last, play.dropped) == (4, 0)
    play.seek(-60)
    assert play.due() == 0
    play.seek(60)
    assert play.due() == 5
    play.clock.hold()
    hand.seconds += 1.01
    assert play.due() is None


def test_it_waits_for_the_next_frame_and_no_longer():
    play, hand = playback()
    play.seen(play.due() or 0)
    hand.seconds = 0.013
    assert play.wait() == 7
    hand.seconds = 0.05
    assert play.wait() == 1


def test_it_begins_again_where_that_is_wanted():
    play, hand = playback(loop=True)
    play.seen(5)
    hand.seconds = 0.13
    assert play.due() == 0 and play.last == -1
    hand.seconds += 0.03
    assert play.due() == 1


def test_pictures_of_a_window():
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4) << 8
    np.testing.assert_array_equal(fitted(grey, FACTS, (99, 99))[..., 0], grey >> 8)
    turned = fitted(grey, replace(FACTS, turns=1, pixel_aspect=Fraction(2)), (99, 99))
    np.testing.assert_array_equal(turned[..., 0], np.rot90(np.repeat(grey >> 8, 2, axis=1)))
    frame = inrcodec.open(DATA)[0]
    assert fitted(frame, FACTS, (10, 99)).shape == (10, 20, 3)
    assert fitted(frame, replace(FACTS, turns=3), (10, 99)).shape == (10, 5, 3)
    assert fitted(np.dstack([frame, frame[..., :1]]), FACTS, (99, 99)).shape == (40, 80, 3)
    assert pnm(frame) == b"P6 80 40 255\n" + frame.tobytes()


def test_without_a_display_it_gives_a_figure(path, unseen, capsys):
    assert main(["play", str(path), "--json", "--threads", "1"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["window"], row["frames"], row["dropped"], row["rate"]) == (False, 6, 0, 50) and row["fps"] > 1
    assert main(["play", str(path)]) == 0
    assert "frames a second of 50; 6 frames decoded: no display" in capsys.readouterr().out


def test_a_cut_clip_plays_if_that_is_allowed(path, unseen, capsys):
    path.write_bytes(DATA[:-1])
    assert main(["play", str(path)]) == 1
    assert "damaged or cut file" in capsys.readouterr().err
    assert main(["play", str(path), "--allow-partial", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 4
    path.write_bytes(DATA[: read_header(DATA)[1]])
    assert main(["play", str(path), "--allow-partial"]) == 1
    assert "wanted a clip with a whole segment, got none" in capsys.readouterr().err


def test_what_does_not_play(path, tmp_path, unseen, capsys):
    bent = tmp_path / "bent.inr"
    bent.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    for name, wanted in (
        (bent, "damaged segment 2 (frames 4 to 5)"),
        (VECTORS / "rgb8.inr", "wanted a clip, got a file of 1 picture: inrc decode"),
        (tmp_path / "none.inr", "No such file"),
        (__file__, "not an .inr file"),
    ):
        assert main(["play", str(name)]) == 1
        err = capsys.readouterr().err
        assert wanted in err and err.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["play", str(path), "--seconds", "-1"])
    assert "wanted a positive number, got -1" in capsys.readouterr().err


@pytest.fixture(scope="module")
def display():
    """What a process with a virtual one has in its environment: Tk ends a process whose display goes."""
    pytest.importorskip("tkinter")
    if not (server := shutil.which("Xvfb")):
        pytest.skip("no Xvfb")
    ends = os.pipe()
    process = subprocess.Popen([server, "-displayfd", str(ends[1])], pass_fds=ends[1:], stderr=subprocess.DEVNULL)
    os.close(ends[1])
    with open(ends[0]) as number:
        yield {**os.environ, "DISPLAY": f":{number.readline().strip()}"}
    process.terminate()
    process.wait()


def seen(script: str, path: Path, display: dict[str, str]) -> subprocess.CompletedProcess:
    arguments = [sys.executable, "-c", script, str(path)]
    return subprocess.run(arguments, env=display, capture_output=True, text=True, timeout=60)


COMMAND = "import sys; from inrcodec.train.cli import main; sys.exit(main(['play', sys.argv[1], '--threads', '1', {}]))"


def test_in_a_window(path, display):
    data = clip(replace(FACTS, rate=Fraction(10)))
    path.write_bytes(data)
    done = seen(COMMAND.format("'--json'"), path, display)
    row = json.loads(done.stdout)
    assert row["window"] and 0 < row["frames"] + row["dropped"] <= 6 and 0 < row["fps"] <= 10
    done = seen(COMMAND.format("'--loop', '--seconds', '1'"), path, display)
    assert done.returncode == 0 and "frames a second of 10;" in done.stdout and "dropped" in done.stdout
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = seen(COMMAND.format("'--loop'"), path, display)
    assert done.returncode == 1 and done.stderr.startswith("inrc play: damaged segment 2")


KEYS = """
import sys, tkinter
import inrcodec
from inrcodec.runtime.play import Window

root, file = tkinter.Tk(), inrcodec.open(sys.argv[1])
window = Window(file, root, False, None)
clock, states = window.playback.clock, [window.image.get(3, 5) == tuple(file[0][5, 3])]
root.focus_force()
for key in ("<space>", "<Right>", "<Left>", "<Left>", "<space>"):
    before = clock.seconds
    root.event_generate(key)
    root.update()
    states += [clock.held, clock.seconds - before > 1.9, clock.seconds == 0]
print(*map(int, states), flush=True)
root.event_generate("<q>")
root.mainloop()
"""


def test_keys(path, display):
    """Frames reach the window; it holds, seeks, goes on, and ends."""
    path.write_bytes(clip(replace(FACTS, rate=Fraction(1, 10))))
    done = seen(KEYS, path, display)
    assert (done.returncode, done.stdout.split()) == (0, list("1100110100101000")), done
