"""`inrc`, the command. Light to import: torch and Pillow are loaded by the commands that need them."""

import argparse
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from ..export.cli import add_commands as add_export_commands
from ..runtime.cli import add, add_json, add_threads, whole
from ..runtime.cli import add_commands as add_runtime_commands
from ..runtime.pixels import write_atomically
from .compare_command import add_compare
from .evaluate_command import JOBS_MAX, add_evaluate, add_variants
from .kinds import NO_SECONDS, is_clip
from .presets import DEFAULT, HELP

EXTRA = "inrc {}: wanted the encoder's packages, {} is missing: pip install 'inrcodec[train]'"
LIBRARIES = ("torch", "onnx", "onnxscript", "PIL", "rich", "scipy", "matplotlib", "imagecodecs")
CLUSTER = "inrc {}: wanted Ray with --cluster: pip install 'inrcodec[cluster]'"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, 1 (failed, one line on stderr) or 2 (usage)."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in (*LIBRARIES, "ray"):
            raise
        return fail((CLUSTER if missing == "ray" else EXTRA).format(options.command, missing))
    except UsageError as error:
        return fail(f"inrc {options.command}: {error}", 2)
    except (ValueError, OSError, MemoryError) as error:
        return fail(f"inrc {options.command}: {describe(error)}")
    except KeyboardInterrupt:
        return fail(f"inrc {options.command}: interrupted", 130)
    return 0


class UsageError(ValueError):
    """Options that do not go together."""


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def fail(message: str, status: int = 1) -> int:
    print(" ".join(message.split()), file=sys.stderr)
    return status


def describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"wanted access to {error.filename}, got: {error.strerror}" if error.filename else error.strerror
    return str(error) or error.__class__.__name__


def parser() -> argparse.ArgumentParser:
    top = Parser("inrc", description="Pictures and clips as small neural representations: encode, decode, measure.")
    top.add_argument("--version", action="version", version=f"inrc {version('inrcodec')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_encode(commands)
    add_runtime_commands(commands)
    add_json(add(commands, "methods", methods_command, "every method: kind, year, paper, and what it can be tuned to"))
    add_export_commands(commands)
    add_evaluate(commands)
    add_compare(commands)
    demo = add(commands, "demo", demo_command, "encode a bundled photo, decode it without torch, show both beside JPEG")
    demo.add_argument("-o", "--output", default="demo", metavar="DIR", help="where the files go (default demo)")
    demo.add_argument("--seconds", type=float, default=100, help="for encoding (default 100)")
    return top


def add_encode(commands: Any) -> None:
    encode = add(commands, "encode", encode_command, "fit pictures or a clip and write .inr files")
    encode.usage = "inrc encode [options] IN [IN ...] OUT.inr (or OUT/, a folder)"
    pictures = "a picture: PNG, JPEG, WebP, AVIF, TIFF, PPM ...; several for methods that take sets; or a clip: "
    pictures += "whatever FFmpeg opens, or a folder of pictures"
    encode.add_argument("input", nargs="+", metavar="IN", help=pictures)
    output = "where it goes: needed for a set, else the last argument may be; OUT/, or a folder that is there, takes a file "
    output += "for each picture and clip, also of folders, and goes on where an earlier call stopped"
    encode.add_argument("-o", "--output", metavar="OUT.inr", help=output)
    encode.add_argument("--method", help="see `inrc methods` (default pyramid, of clips player, of more than 8 bits hnerv)")
    add_variants(encode)
    encode.add_argument("--preset", default=DEFAULT, help=HELP)
    goal = encode.add_mutually_exclusive_group()
    goal.add_argument(
        "--lmbda", type=float, metavar="X", help="weight of bpp beside MSE in [0, 1]; more: smaller files (0.001)"
    )
    goal.add_argument("--bpp", type=float, metavar="X", help="bits per pixel of the file, within 2 %%")
    goal.add_argument("--bytes", type=float, metavar="N", help="bytes of the file, within 2 %%")
    goal.add_argument("--psnr", type=float, metavar="DB", help="of the decoded integer pixels, within 0.05 dB")
    encode.add_argument("--seconds", type=float, metavar="S", help="of a picture: stop within S seconds, with a whole file")
    encode.add_argument("--iterations", type=whole(2**31), metavar="N", help="instead of the preset's")
    encode.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    encode.add_argument("--seed", type=whole(2**32), default=0, metavar="N", help="same seed, same bytes (default 0)")
    encode.add_argument("--resume", action="store_true", help="go on from OUT.inr.resume, or a clip's OUT.inr.segments")
    encode.add_argument("--jobs", type=whole(JOBS_MAX), default=0, metavar="N", help="into a folder: so many at once")
    encode.add_argument("--cluster", metavar="WHERE", help="into a folder: on Ray, `local` or ray://host:port")
    encode.add_argument("--quiet", action="store_true", help="no progress, no summary")
    add_threads(encode)
    add_json(encode)


def encode_command(options: argparse.Namespace) -> None:
    *inputs, name = [*options.input, options.output] if options.output else options.input
    if not inputs:
        raise UsageError("wanted a picture and an output, got one name")
    if name.endswith(("/", os.sep)) or (Path(name).is_dir() and not name.endswith(".inr")):
        check_folder(Path(name), options.cluster, options.jobs)
        from .fleet_command import encode_folder

        encode_folder(options, inputs, Path(name))
        return
    if options.jobs or options.cluster:
        raise UsageError(f"wanted a folder (OUT/) as output with --jobs or --cluster, got {name}")
    output = check_output(name)
    if options.seconds is not None and len(inputs) == 1 and is_clip(Path(inputs[0])):
        raise UsageError(NO_SECONDS)
    from .goal import Goal
    from .options import chosen
    from .progress import shown, summary
    from .sources import encode_source, open_source

    goal = Goal.of(options.lmbda, options.bpp, options.bytes, options.psnr)
    source = open_source(inputs)
    for note in source.notes:
        print(f"inrc encode: {', '.join(inputs)}: {note}", file=sys.stderr)
    checkpoint, segments = (output.with_name(f"{output.name}.{kind}") for kind in ("resume", "segments"))
    with shown(options.quiet) as watch:
        told = chosen(options, "seconds", "resume")
        result = encode_source(source, checkpoint, segments, goal=goal, watch=watch, **told)
    write_atomically(output, result.data)
    facts = result.facts()
    if options.json:
        print(json.dumps(facts))
    elif not options.quiet:
        print(summary(facts))
    if result.missed:
        print(f"inrc encode: {result.missed}", file=sys.stderr)
    if result.interrupted:
        there = "the segments that are done are" if "segments" in facts else "the best so far is"
        on = "; --resume goes on" if "segments" in facts or checkpoint.exists() else ""
        print(f"inrc encode: interrupted; {there} in {output}{on}", file=sys.stderr)


def check_output(name: str) -> Path:
    """Before long work: a path that can be written. Raises UsageError, OSError."""
    path = Path(name)
    if path.suffix != ".inr":
        raise UsageError(f"wanted an output that ends in .inr, or in / for a folder, got {name}")
    if path.is_dir():
        raise UsageError(f"wanted a file to write, {name} is a directory")
    check_writable(path.parent, name)
    return path


def check_folder(path: Path, cluster: str | None, jobs: int) -> None:
    """Before long work: a folder that can be written, or made. Raises UsageError."""
    if cluster and cluster != "local" and not cluster.startswith("ray://"):
        raise UsageError(f"--cluster: wanted local or ray://host:port, got {cluster}")
    if jobs and cluster not in (None, "local"):
        raise UsageError(f"--jobs: wanted this machine or --cluster local, got {cluster}, which decides by itself")
    if path.exists() and not path.is_dir():
        raise UsageError(f"wanted a folder to write to, {path} is a file")
    check_writable(path if path.exists() else path.parent, path)


def check_writable(folder: Path, output: str | Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"wanted an output in a folder that is there, got {output}")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"wanted a folder that can be written, {folder} cannot")


def methods_command(options: argparse.Namespace) -> None:
    from ..models import METHODS

    rows = []
    for method in (build() for build in METHODS.values()):
        paper = method.paper
        facts = {"title": paper.title, "year": paper.year, "authors": paper.authors, "reproduces": paper.venue}
        variants = {"tunes": method.tunes, "sets": method.sets}
        rows.append({"name": method.name, "kind": method.kind, **facts, **variants})
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        tunes = f"  --tune {', '.join(row['tunes'])}" if row["tunes"] else ""
        sets = "  takes sets" if row["sets"] and row["kind"] == "image" else ""
        print(f"{row['name']:14} {row['kind']:6} {row['year']}  {row['title']} ({row['reproduces']}){tunes}{sets}")


def demo_command(options: argparse.Namespace) -> None:
    from .demo import demo

    demo(Path(options.output), options.seconds)
