"""The commands that need no torch: `inrc decode`, `info` and what `play` and `bench` take. `train.cli` adds the others."""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .file import InrFile
from .file import open as open_inr
from .gallery import gallery_command, serve_command
from .inspect import macs_per_pixel, section_bytes
from .pixels import encode_image, write_image
from .play import play_command
from .speed import bench_command
from .view import SCALES, Region

Command = Callable[[argparse.Namespace], None]
THREADS_MAX, RUNS_MAX = 1024, 10**6
STANDARD = "-"  # input or output instead of a file


def add_commands(commands: Any) -> None:
    decode = add(commands, "decode", decode_command, "decode a file to a picture")
    add_input(decode)
    kinds = ".png .jpg .webp .avif .tif .ppm .npy, by its ending; - is a PNG on standard output; of a set a folder; "
    decode.add_argument("output", metavar="OUT", help=kinds + "of a clip a folder, .y4m .mp4 .mkv ...")
    decode.add_argument("--frame", type=whole(2**31), metavar="K", help="only this one of a set, the first being 0")
    decode.add_argument("--frames", type=span, metavar="A:B", help="of a clip, from frame A up to before B")
    decode.add_argument("--region", type=region, metavar="X,Y,W,H", help="only this part, in pixels of the whole picture")
    scales = decode.add_mutually_exclusive_group()
    scales.add_argument("--scale", type=scale, default=1, metavar="1/2", help="1, 1/2, 1/4 or 1/8 of its size (default 1)")
    scales.add_argument("--size", type=times, metavar="2x", help="any multiple of its size: of methods without latent grids")
    help = "decode the start of a file, too: what it lacks is guessed"
    decode.add_argument("--allow-partial", action="store_true", help=help)
    add_threads(decode)
    add_trust(decode)
    info = add(commands, "info", info_command, "sections and bytes, bpp, method, sizes, cost")
    add_input(info)
    add_json(info)
    add_trust(info)
    play = add(commands, "play", play_command, "show a clip in a window; without a display, time it as fast as it decodes")
    play.add_argument("input", metavar="IN.inr", help="a clip; keys: space holds, left and right seek, q ends")
    play.add_argument("--loop", action="store_true", help="again from the first frame, until q")
    play.add_argument("--seconds", type=positive, metavar="S", help="no longer than S seconds (without a display 5)")
    play.add_argument("--allow-partial", action="store_true", help="the start of a clip's file, too")
    play.add_argument("--browser", action="store_true", help="in a web page")
    add_onnxruntime(play)
    add_threads(play)
    add_json(play)
    add_trust(play)
    bench = add(commands, "bench", bench_command, "time the stages of decoding, on one thread and on all")
    bench.add_argument("input", metavar="IN.inr")
    bench.add_argument("--runs", type=whole(RUNS_MAX), default=5, metavar="N", help="the median of N is printed (default 5)")
    add_json(bench)
    serve = add(commands, "serve", serve_command, "show a folder's files in a browser, from this machine")
    serve.add_argument("--port", type=whole(65535), default=8000, metavar="N", help="0 takes a free one (default 8000)")
    serve.add_argument("--browser", action="store_true", help="open it, too")
    gallery = add(commands, "gallery", gallery_command, "write the same page for any web host")
    gallery.add_argument("-o", "--output", default="site", metavar="DIR", help="where it goes (default site)")
    for parser in (serve, gallery):
        help = "of .inr files, or one; pictures of the same name are compared with them"
        parser.add_argument("folder", metavar="DIR", help=help)
        add_onnxruntime(parser)


def add(commands: Any, name: str, run: Command, summary: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    return parser


def whole(most: int) -> Callable[[str], int]:
    """For argparse: a number 0 ... `most`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) > most:
            raise argparse.ArgumentTypeError(f"wanted a whole number from 0 to {most}, got {text}")
        return int(text)

    return read


def span(text: str) -> tuple[int, int]:
    """For argparse: two numbers with a colon between."""
    first, colon, last = text.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal()):
        raise argparse.ArgumentTypeError(f"wanted A:B, got {text}")
    return int(first), int(last)


def region(text: str) -> Region:
    """For argparse: four numbers with commas between."""
    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"wanted X,Y,W,H in pixels, got {text}")
    x, y, width, height = map(int, numbers)
    return x, y, width, height


def scale(text: str) -> float:
    """For argparse: one of SCALES."""
    names = {"1": SCALES[0], "1/2": SCALES[1], "1/4": SCALES[2], "1/8": SCALES[3]}
    values = names | {str(value): value for value in SCALES}
    if text not in values:
        raise argparse.ArgumentTypeError(f"wanted one of {', '.join(names)}, got {text}")
    return values[text]


def times(text: str) -> float:
    """For argparse: a number followed by x."""
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = math.nan
    if not (text.endswith("x") and 0 < factor < math.inf):
        raise argparse.ArgumentTypeError(f"wanted a multiple such as 2x or 0.5x, got {text}")
    return factor


def positive(text: str) -> float:
    """For argparse: seconds."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"wanted a positive number, got {text}")
    return number


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_onnxruntime(parser: argparse.ArgumentParser) -> None:
    help = "dist/ of the npm package onnxruntime-web: methods other than pyramid need it in a browser"
    parser.add_argument("--onnxruntime", type=Path, metavar="FOLDER", help=help)


def add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN.inr", help="- is standard input")


def source_of(options: argparse.Namespace) -> str | bytes:
    return sys.stdin.buffer.read() if options.input == STANDARD else options.input


def add_threads(parser: argparse.ArgumentParser) -> None:
    help = "0 takes all cores (default)"
    parser.add_argument("--threads", type=whole(THREADS_MAX), default=0, metavar="N", help=help)


def add_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust-graph", action="store_true", help="run a decoder graph that the file itself brings")


def decode_command(options: argparse.Namespace) -> None:
    allowed = {"trust_graph": options.trust_graph, "allow_partial": options.allow_partial}
    file = open_inr(source_of(options), options.threads, **allowed)
    if file.partial:
        print(f"{options.input} is not a whole file: what it lacks is guessed", file=sys.stderr)
    check_frame(file, options.frame or 0)
    if file.facts is not None and options.frame is None:
        decode_clip(file, options)
        return
    if options.frames:
        raise ValueError(f"--frames: wanted a clip, got a file of {len(file)} picture{'s' * (len(file) > 1)}")
    frames = range(len(file)) if options.frame is None else [options.frame]
    pictures = (file.read(k, options.region, options.size or options.scale) for k in frames)
    output = Path(options.output)
    if len(frames) == 1:
        if options.output == STANDARD:
            sys.stdout.buffer.write(encode_image(".png", next(pictures), file.metadata))
            sys.stdout.buffer.flush()
        else:
            write_image(output, next(pictures), file.metadata)
        return
    if options.output == STANDARD or (output.suffix and not output.is_dir()):
        raise ValueError(f"wanted a folder for {len(frames)} pictures, or --frame K for one of them, got {output}")
    output.mkdir(exist_ok=True)
    for k, picture in zip(frames, pictures):
        write_image(output / f"{k:03}.png", picture, file.metadata)


def decode_clip(file: InrFile, options: argparse.Namespace) -> None:
    """The whole clip, with its sound, or some of its frames without."""
    from .footage import write_clip

    assert file.facts
    first, last = options.frames or (0, len(file))
    if not first < last <= len(file):
        raise ValueError(f"--frames: wanted frames within 0:{len(file)}, got {first}:{last}")
    if options.region or options.scale != 1 or options.size:
        raise ValueError("wanted --frame K with --region, --scale or --size: clips decode whole")
    ticks = file.facts.timestamps[first:last]
    facts = replace(file.facts, frames=last - first, timestamps=tuple(tick - ticks[0] for tick in ticks))
    whole = last - first == len(file)
    audio = file.header.sections.get("audio", b"") if whole else b""
    write_clip(options.output, (file[k] for k in range(first, last)), facts, audio)


def check_frame(file: InrFile, frame: int) -> None:
    if frame >= len(file):
        raise ValueError(f"--frame: wanted one below {len(file)}, got {frame}")


def info_command(options: argparse.Namespace) -> None:
    file = open_inr(source_of(options), trust_graph=options.trust_graph)
    facts = describe(file)
    if options.json:
        print(json.dumps(facts))
        return
    sections = ", ".join(f"{name} {size}" for name, size in facts["sections"].items() if size)
    macs = ", ".join(f"{stage} {value:.0f}" for stage, value in facts["macs_per_pixel_by_stage"].items())
    chosen = ", ".join(f"{name} {value}" for name, value in facts["sizes"].items())
    several = f"{facts['frames']} pictures of " if facts["frames"] > 1 else ""
    if "rate" in facts:
        several = f"{facts['frames']} frames in {facts['segments']} segments, {facts['rate']:g} a second, of "
    kind = f"{facts['colour']}, {facts['bit_depth']} bits a sample"
    print(f"{options.input}: {several}{facts['width']}x{facts['height']} {kind}")
    print(f"  {facts['bytes']} bytes, {facts['bpp']:.4f} bpp, checksum {facts['checksum']} (good)")
    print(f"  sections in bytes: {sections}")
    print(f"  method {facts['method']}, profile {facts['profile']}: {chosen}; {facts['parameters']} parameters")
    print(f"  multiply-accumulates per pixel: {macs}")


def describe(file: InrFile) -> dict[str, Any]:
    """What `inrc info --json` prints."""
    signal, manifest, segment = file.header.signal, file.profile.manifest, file.segment()
    macs = macs_per_pixel(manifest, signal, segment)
    return {
        "width": signal.width,
        "height": signal.height,
        "frames": signal.frames,
        "colour": signal.colour,
        "bit_depth": signal.bit_depth,
        "bytes": len(file.data),
        "bpp": 8 * len(file.data) / signal.pixels,
        "checksum": file.data[4:8][::-1].hex(),
        "method": manifest.method or manifest.name,
        "profile": manifest.name,
        "sizes": segment.sizes,
        "parameters": sum(s.size for group in segment.groups.values() for s in group.symbols.values()),
        "sections": section_bytes(file),
        "macs_per_pixel": sum(macs.values()),
        "macs_per_pixel_by_stage": macs,
        "metadata": {name: len(value) for name, value in vars(file.metadata).items() if value},
        **({"rate": float(file.facts.rate), "segments": len(file.index)} if file.facts else {}),
    }
