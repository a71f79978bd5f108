"""README.md keeps its word: its commands and its Python run, and what it names is there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inrcodec.runtime.clip import ClipFacts
from inrcodec.runtime.decoder import decode
from inrcodec.runtime.footage import write_clip
from inrcodec.runtime.pixels import ENCODERS
from inrcodec.train.cli import main, parser
from inrcodec.train.options import PRESETS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
MADE = ("demo/", "out/")  # by `make demo`, and by `inrc encode photos out/`
FLAG = r"(?<![\w-])--?[a-z][\w-]*"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("inrc ")]
ROWS = re.findall(r"^\| *(`inrc .+?) *\|(.*)\|$", README, re.M)


def options(command: str) -> set[str]:
    """What the parser of one command takes."""
    return set(subcommands()[command]._option_string_actions)


def subcommands() -> dict:
    return next(action.choices for action in parser()._actions if action.dest == "command")


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_parse(line):
    """Options that only the comment names, too."""
    arguments = shlex.split(line, comments=True)[1:]
    assert parser().parse_args(arguments).command == arguments[0]
    assert set(re.findall(FLAG, line)) <= options(arguments[0])


def test_use_it(tmp_path, monkeypatch, capsys):
    """In the reader's order; only the presets are shorter and the picture smaller."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("inrcodec.train.options.PRESETS", dict.fromkeys(PRESETS, 20))
    y, x = np.mgrid[:40, :56]
    picture = np.stack([120 + 2 * x, 200 - 3 * y, x + 2 * y], axis=2).astype(np.uint8)
    Path("photos").mkdir()
    for name in ("photo.png", "photos/photo.png"):
        Image.fromarray(picture).save(name)
    write_clip("clip.mp4", iter([picture] * 3), ClipFacts(3, 40, 56))
    lines = [line for line in COMMANDS if line in section("Use it")]
    assert {shlex.split(line)[1] for line in lines} >= {"encode", "decode", "info", "bench"}
    for line in lines:
        assert main(shlex.split(line, comments=True)[1:]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "photo.inr: 56x40 rgb" in out and "1 thread: ms" in out
    assert Path("out/photo.inr").exists()
    shown = []
    monkeypatch.setattr(Image.Image, "show", lambda image: shown.append(np.asarray(image)))
    ours, theirs = blocks("python")
    names: dict = {}
    exec(ours, names)
    assert names["pixels"].shape == picture.shape and names["pixels"].dtype == np.uint8
    assert names["part"].shape == (24, 32, 3) and names["preview"].shape == (10, 14, 3)
    assert shown.pop().shape == picture.shape
    assert "inrcodec" not in theirs and "inrc export photo.inr -o parts" in section("Decode it elsewhere")
    assert main(["export", "photo.inr", "-o", "parts"]) == 0
    exec(theirs, names)
    np.testing.assert_array_equal(names["pixels"], decode("photo.inr"))


def test_the_table_has_every_command():
    named = [name for command, _ in ROWS for name in re.findall(r"`inrc (\w+)", command)]
    assert sorted(named) == sorted(subcommands().keys())


def test_the_table_has_no_other_option():
    for command, does in ROWS:
        taken = set().union(*(options(name) for name in re.findall(r"`inrc (\w+)", command)))
        assert set(re.findall(FLAG, f"{command} {does}")) <= taken, command


def test_presets_and_formats():
    assert re.findall(r"\w+", re.findall(r"--preset (\w+\\\|\S+)`", README)[0]) == list(PRESETS)
    row = next(does for command, does in ROWS if "inrc decode" in command)
    assert set(re.findall(r"\.[a-z]+\b", row)) <= ENCODERS.keys()


def test_make_targets():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"(?:^|`)make ([\w-]+)", README, re.M)) <= targets


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_files(name):
    page = ROOT / name
    text = page.read_text()
    linked = [page.parent / link for link in re.findall(r"\]\((.+?)\)", text) if not re.match("https?:|#", link)]
    named = [ROOT / path for path in re.findall(r"[`(]([\w.-]+/[\w./-]*)[`)]", text) if not path.startswith(MADE)]
    assert sorted(str(path) for path in {*linked, *named} if not path.exists()) == []


def test_benchmarks_that_pages_name_take_their_options():
    """`python tests/benchmarks/kodak.py KODAK --preset fast` and the like: the script is there, and knows each flag."""
    commands = re.findall(r"`python (tests/benchmarks/\w+\.py)([^`]*)`", README + (ROOT / "docs/results.md").read_text())
    assert commands
    for script, arguments in commands:
        source = (ROOT / script).read_text()
        assert all(f'"{flag}"' in source for flag in re.findall(FLAG, arguments)), script
