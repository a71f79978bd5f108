"""The survey's video methods, ours and conventional codecs on two small clips, at equal bytes and iterations.

    python tests/benchmarks/video_small.py CLIPS_DIR hnerv x264      some
    python tests/benchmarks/video_small.py CLIPS_DIR all             every method, and the conventional codecs

The first 32 frames of both clips, rows 40 to 679, made 320x160 by Lanczos; 0.2 bpp are 41 kB. Resumes: rows go to
results/video_small.tsv, files to the folder of its name; other iterations want another folder than results (-o). All is on
one thread. Conventional codecs have their rows in video_small_conventional.tsv: bytes are those of their packets, without a
container, and pixels of 8-bit 4:2:0 by BT.601, made RGB by the exact formulae.
"""

import argparse
import math
import os
import tempfile
from fractions import Fraction
from functools import partial
from itertools import chain, groupby, pairwise, product
from pathlib import Path
from statistics import fmean

import av
import numpy as np
from aimed import aimed, chosen, file_of
from methods import markdown
from PIL import Image

from inrcodec.models import METHODS
from inrcodec.runtime.clip import ClipFacts
from inrcodec.runtime.planes import to_planes, to_rgb
from inrcodec.runtime.speed import bench_clip
from inrcodec.train.clips import open_clip
from inrcodec.train.evaluate import measure, timed
from inrcodec.train.runs import Run, append_run, read_runs

HERE = Path(__file__).parent
CLIPS = {"bunny": "bunny_1280x720_132f.mp4", "flower": "flower_1280x720_300f.264"}
FRAMES, BOX, SIZE = 32, (0, 40, 1280, 680), (320, 160)  # left, top, right, bottom; width, height
RATE, ITERATIONS = 0.2, 600
LOWER = (0.05, 0.1)  # rates of OURS, too: where it has others' PSNR
OURS = "reel"
CONVENTIONAL = {
    "x264": ("libx264", "h264", {"preset": "medium"}, (20, 24, 28, 32, 36)),
    "x265": ("libx265", "hevc", {"preset": "medium", "x265-params": "log-level=none"}, (20, 24, 28, 32, 36)),
    "svt-av1": ("libsvtav1", "libdav1d", {"preset": "8"}, (24, 32, 40, 48, 56)),
}
FACTS = ClipFacts(FRAMES, SIZE[1], SIZE[0], Fraction(25), chroma="420", matrix=6)
HEADING = ("method", "year", *chain(*((f"{clip}, bytes", "dB") for clip in CLIPS)), "encode s", "decode fps")
RANKS = ("nerv", "e_nerv", "hnerv", "boosting_nerv"), ("hnerv", "hinerv")  # the papers' orders, from the weakest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, metavar="CLIPS_DIR", help=f"holds {' and '.join(CLIPS.values())}")
    parser.add_argument("codecs", nargs="+", metavar="METHOD", choices=["all", *METHODS, *CONVENTIONAL])
    parser.add_argument("--iterations", type=int, default=ITERATIONS, metavar="N")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results", metavar="DIR")
    options = parser.parse_args()
    tsv, failures = options.output / "video_small.tsv", []
    names = [*chosen(options.codecs, "video"), *(CONVENTIONAL if "all" in options.codecs else ())]
    with tempfile.TemporaryDirectory() as folder:
        frames = {name: cut(options.clips / file) for name, file in CLIPS.items()}
        for name, pixels in frames.items():
            np.save(Path(folder) / f"{name}.npy", pixels)
        sources, runs = [Path(folder) / f"{name}.npy" for name in CLIPS], []
        for name in dict.fromkeys(names):
            if name in CONVENTIONAL:
                runs += conventional(name, frames, tsv.with_stem(f"{tsv.stem}_conventional"))
                continue
            try:
                rates = (*LOWER, RATE) if name == OURS else (RATE,)
                runs += aimed(name, sources, rates, options.iterations, tsv)
            except ValueError as error:
                failures.append(error)
    print(markdown([HEADING, *rows(runs, tsv)]))
    for clip in CLIPS:
        print(f"{clip}:", *verdicts([run for run in runs if run.image == clip]), sep="\n    ")
    assert not failures, failures


def cut(path: Path) -> np.ndarray:
    """(FRAMES, height, width, 3) uint8"""
    pixels = open_clip(path).read(0, FRAMES)
    return np.stack([Image.fromarray(frame).crop(BOX).resize(SIZE, Image.Resampling.LANCZOS) for frame in pixels])


def conventional(name: str, clips: dict[str, np.ndarray], tsv: Path) -> list[Run]:
    """What `tsv` does not hold yet is encoded at each constant rate factor, which the column `lmbda` holds."""
    encoder, decoder, settings, factors = CONVENTIONAL[name]
    known = {run.key: run for run in read_runs(tsv)} if tsv.exists() else {}
    keys = [(clip, name, settings["preset"], float(factor), 0) for clip, factor in product(clips, factors)]
    for key in keys:
        if key not in known:
            pixels = clips[key[0]]
            packets, encode_s = timed(partial(packets_of, pixels, encoder, {**settings, "crf": f"{key[3]:g}"}))
            decoded, decode_s = timed(partial(frames_of, packets, decoder))
            facts = {"size": sum(packet.size for packet in packets), "encode_s": encode_s, "decode_s": decode_s}
            known[key] = measure(*key[:4], original=pixels, decoded=decoded, **facts)
            append_run(tsv, known[key])
    return [known[key] for key in keys]


def packets_of(pixels: np.ndarray, codec: str, settings: dict[str, str]) -> list[av.Packet]:
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = *SIZE, "yuv420p"
    context.time_base, context.framerate, context.thread_count = 1 / FACTS.rate, FACTS.rate, 1
    context.options = settings
    packets = []
    for k, frame in enumerate(pixels):
        samples = np.concatenate([plane.ravel() for plane in to_planes(frame, FACTS)])
        picture = av.VideoFrame.from_ndarray(samples.reshape(-1, SIZE[0]), format="yuv420p")
        picture.pts = k
        packets += context.encode(picture)
    packets += context.encode(None)
    del context  # SVT-AV1 makes its caller a real-time thread
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return packets


def frames_of(packets: list[av.Packet], codec: str) -> np.ndarray:
    """(frames, height, width, 3) uint8"""
    context = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    frames = [frame for packet in [*packets, None] for frame in context.decode(packet)]
    frames.sort(key=lambda frame: frame.pts)
    return np.stack([to_rgb(planes_of(frame.to_ndarray()), FACTS) for frame in frames])


def planes_of(samples: np.ndarray) -> tuple[np.ndarray, ...]:
    """Y, and Cb and Cr below it, each row of theirs half a row."""
    height, width = SIZE[1], SIZE[0]
    chroma = samples[height:].reshape(2, height // 2, width // 2)
    return samples[:height], chroma[0], chroma[1]


def rows(runs: list[Run], tsv: Path) -> list[tuple[str, ...]]:
    """One for each codec and setting, beside each other what it does to the clips."""
    lines = []
    for (codec, setting), found in groupby(sorted(runs, key=by_setting), by_setting):
        of = {run.image: run for run in found}
        cells = [(f"{of[clip].bytes:,}", f"{of[clip].psnr:.2f}") if clip in of else ("", "") for clip in CLIPS]
        if codec in METHODS:
            name, year = f"`{codec}`", f"{METHODS[codec]().paper.year}"
            fps = fmean(bench_clip(file_of(run, tsv), threads=1)["fps"] for run in of.values())
        else:
            name, year, fps = f"{codec}, crf {setting:g}", "", 1e3 * FRAMES / fmean(run.decode_ms for run in of.values())
        encode_s = fmean(run.encode_s for run in of.values())
        lines.append((name, year, *chain(*cells), f"{encode_s:.1f}" if encode_s < 1 else f"{encode_s:.0f}", f"{fps:.0f}"))
    return lines


def by_setting(run: Run) -> tuple[str, float]:
    return run.codec, run.lmbda


def verdicts(runs: list[Run]) -> list[str]:
    """Whether the papers' order holds, and how many bytes OURS takes for each other's PSNR."""
    psnrs = {run.codec: run.psnr for run in runs}
    said = []
    for weak, strong in chain.from_iterable(map(pairwise, RANKS)):
        if {weak, strong} <= psnrs.keys():
            holds = "holds" if psnrs[weak] < psnrs[strong] else "does not hold"
            said.append(f"{weak} < {strong} {holds}: {psnrs[weak]:.2f}, {psnrs[strong]:.2f} dB")
    ours = sorted((run.psnr, math.log(run.bytes)) for run in runs if run.codec == OURS)
    for run in runs if ours else []:
        theirs = f"{run.codec}'s {run.psnr:.2f} dB"
        if run.codec == OURS or run.psnr > ours[-1][0]:
            continue
        if run.psnr < ours[0][0]:
            if run.bytes > math.exp(ours[0][1]):
                said.append(f"{OURS} has more than {theirs} in {math.exp(ours[0][1]):,.0f} bytes instead of {run.bytes:,}")
            continue
        needed = math.exp(np.interp(run.psnr, *zip(*ours)))
        said.append(f"{OURS} at {theirs}: {100 * (needed / run.bytes - 1):+.0f} % of bytes")
    return said


if __name__ == "__main__":
    main()
