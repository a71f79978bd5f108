"""Runs: what was measured of pictures and clips through codecs, one row of a TSV each."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from ..runtime.pixels import write_atomically

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """One picture or clip through one codec at one setting: a row of the TSV, its columns in this order."""

    image: str  # file name without suffix
    codec: str  # a method, or "jpeg", …
    preset: str
    lmbda: float  # or a conventional codec's quality, or the bpp aimed at
    width: int
    height: int
    bytes: int  # of the file
    bpp: float
    psnr: float  # dB, of 8-bit RGB; the mean over a clip's frames
    ms_ssim: float | None  # None: the picture is too small, or a clip
    encode_s: float
    decode_ms: float
    iterations: int
    seed: int  # as asked for: the same seed gives the same bytes, whatever the encoder tried in between
    networks_bytes: int
    cpu_s: float | None = None  # of the encode, all threads; None: not measured

    @property
    def key(self) -> tuple[str, str, str, float, int]:
        """What makes a run the same run."""
        return self.image, self.codec, self.preset, self.lmbda, self.seed


COLUMNS = [field.name for field in fields(Run)]
PARSE = {str: str, int: int, float: float, float | None: lambda cell: float(cell) if cell else None}


def read_runs(path: Path) -> list[Run]:
    """The rows of a TSV that `append_run` wrote; ValueError names the line that is not one."""
    (_, *rows), columns = _lines(path)
    return [_parse(line, columns, f"{path}:{number}") for number, line in rows]


def append_run(path: Path, run: Run) -> None:
    """Add one row, at once on disk; a new file first gets its provenance and its columns. Of an older file it keeps these."""
    assert is_cell(run.image), run.image
    columns = _lines(path)[1] if path.exists() else len(COLUMNS)
    row = "\t".join("" if cell is None else str(cell) for cell in astuple(run)[:columns])
    path.parent.mkdir(parents=True, exist_ok=True)
    append_lines(path, [row] if path.exists() else [*provenance(), "\t".join(COLUMNS), row])


def drop_runs(path: Path, dropped: Callable[[Run], bool]) -> list[Run]:
    """Take rows out; returns them."""
    _, columns = _lines(path)
    gone, kept, heading = [], [], True
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        run = None if line.startswith("#") or heading else _parse(line, columns, f"{path}:{number}")
        heading &= line.startswith("#")
        if run and dropped(run):
            gone.append(run)
        else:
            kept.append(f"{line}\n")
    write_atomically(path, "".join(kept).encode())
    return gone


def _lines(path: Path) -> tuple[list[tuple[int, str]], int]:
    """All but comments, with their numbers; and how many columns: older files are without the last."""
    lines = [(n, line) for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if not line.startswith("#")]
    heading = lines[0][1].split("\t") if lines else []
    if heading not in (COLUMNS, COLUMNS[:-1]):
        raise ValueError(f"{path}: wanted the columns {' '.join(COLUMNS)}")
    return lines, len(heading)


def is_cell(text: str) -> bool:
    """Whether a row can begin with it: no comment, one line, one column."""
    return not text.startswith("#") and "\t" not in text and len(f"{text}.".splitlines()) == 1


def _parse(line: str, columns: int, where: str) -> Run:
    try:
        return Run(*(PARSE[field.type](cell) for field, cell in zip(fields(Run)[:columns], line.split("\t"), strict=True)))
    except ValueError as error:
        raise ValueError(f"{where}: not a run: {error}") from error


def append_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("ab", buffering=0) as file:  # one write: two processes' rows do not mix
        file.write("".join(f"{line}\n" for line in lines).encode())
        os.fsync(file.fileno())


def provenance() -> list[str]:
    """What made the rows below: command (of full paths the names), machine, commit (where there is one), date."""
    command = shlex.join([Path(sys.argv[0]).name, *(Path(each).name if each[:1] == "/" else each for each in sys.argv[1:])])
    facts = {"command": command, "machine": f"{_cpu()}, {os.cpu_count()} cores", "commit": _commit()}
    facts["date"] = datetime.now(UTC).date().isoformat()
    return [f"# {name}: {fact}" for name, fact in facts.items() if fact]


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    """Of this source tree, with "-dirty" where it was changed since; "" for an installed package."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return ""
    describe = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(describe, capture_output=True, text=True).stdout.strip()
