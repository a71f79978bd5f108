"""How `player` plays at 1280x720: frames a second, seeks anywhere and memory, of a clip of ten minutes.

    python tests/benchmarks/playback.py CLIP [--minutes 10]

The networks are as a fit starts: a linear decoder of eight of the clip's frames, which repeat. A segment holds ten seconds;
all but the first are differences to it. `inrc bench` then measures each of the three sizes in a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from inrcodec.export.quantize import CODINGS
from inrcodec.models.parts.integers import rounded
from inrcodec.models.video import player
from inrcodec.runtime.clip import ClipFacts, code_facts
from inrcodec.runtime.file import open as open_inr
from inrcodec.runtime.profile import STANDARD
from inrcodec.runtime.segment import Segment, write_segment
from inrcodec.runtime.syntax import Header, Signal, write_segments
from inrcodec.runtime.wire import Writer
from inrcodec.train.clips import open_clip
from inrcodec.train.metrics import psnr

HEIGHT, WIDTH, RATE, SECONDS = 720, 1280, 25, 10
DISTINCT, EVERY = 8, 4  # frames that differ, and how many lie between them
NBYTES = 1e7  # wide networks
INRC = Path(sys.executable).with_name("inrc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=int, default=10)
    options = parser.parse_args()
    pixels = open_clip(options.clip).read(0, DISTINCT * EVERY)[::EVERY]
    if pixels.shape[1:3] != (HEIGHT, WIDTH):
        parser.error(f"wanted a clip of {WIDTH}x{HEIGHT}, got {pixels.shape[2]}x{pixels.shape[1]}")
    with tempfile.TemporaryDirectory() as folder:
        for tune in player.WIDTHS:
            path = Path(folder) / f"{tune}.inr"
            path.write_bytes(made(tune, pixels, options.minutes * 60 // SECONDS))
            decoded = open_inr(path)
            fidelity = psnr(pixels, np.stack([decoded[k] for k in range(DISTINCT)]))
            ran = subprocess.run([INRC, "bench", path, "--json"], capture_output=True, check=True)
            print(f"{tune}, {path.stat().st_size / 2**20:.0f} MiB, {fidelity:.1f} dB:", end=" ")
            facts = json.loads(ran.stdout)
            print(said(facts), said(facts["all_threads"]), sep="; ")


def said(row: dict[str, float]) -> str:
    seeks = f"seeks {row['seek_ms']:.0f} ms, {row['longest_seek_ms']:.0f} at most"
    return f"{row['threads']} threads {row['fps']:.1f} fps, {seeks}, {row['peak_memory_mib']:.0f} MiB"


def made(tune: str, pixels: np.ndarray, segments: int, seconds: int = SECONDS) -> bytes:
    """The file of so many segments, each of so many seconds, of frames (DISTINCT, height, width, 3)."""
    height, width = pixels.shape[1:3]
    target = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    architecture = player.player(tune).build(Signal(height, width, frames=DISTINCT), NBYTES)
    tensors = rounded(architecture.init(target, torch.Generator().manual_seed(0)).tensors, 1.0)
    frames = RATE * seconds
    for name, dimensions, _ in player.ENTRIES:
        if dimensions[0] == "frames":
            tensors[name] = tensors[name][torch.arange(frames) % DISTINCT]
    groups = {
        group: CODINGS["integers"](tensors, [name for name, _ in members])
        for group, members in player.MANIFEST.groups.items()
    }
    segment, signal = Segment(architecture.sizes, groups), Signal(height, width, frames=frames)
    first = write_segment(player.MANIFEST, signal, segment)
    other = write_segment(player.MANIFEST, signal, segment, base=lambda: segment)
    whole, wire = Signal(height, width, frames=frames * segments), Writer()
    code_facts(wire, (whole.frames, height, width), ClipFacts(whole.frames, height, width))
    number = {name: number for number, name in STANDARD.items()}["player"]
    header = Header(whole, number, sections={"clip": bytes(wire.data)})
    return write_segments(header, [(frames, first)] + [(frames, other)] * (segments - 1))


if __name__ == "__main__":
    main()
