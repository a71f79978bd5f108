"""A step of a fit of `pyramid` on a GPU: whether it is a CPU's, what its kernels take, and how many a second there are.

    python tests/benchmarks/gpu.py PHOTO.png

Takes a minute or two, most of it for compiling. The networks are those of larger files in colour.
"""

import argparse
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch

from inrcodec.models.image.pyramid import CHROMA, Size, architecture, recipe
from inrcodec.models.method import Inr
from inrcodec.runtime.syntax import Signal
from inrcodec.train.fit import Fit
from inrcodec.train.sweep import read_bare

LMBDA, SIZE = 0.001, Size(14, 6, 32, mixing=8)
BEFORE, STEPS, SHOWN = 40, 200, 30  # steps that compile and record, those that are timed; kernels
DIFFERENT = 5e-3  # of a gradient's norm: products of factors of ten bits differ by less


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--one", action="store_true", help="steps of one fit, timed when a line comes on stdin")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("wanted a GPU, torch finds none")
    if options.one:
        return one(options.photo)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    compare(options.photo)
    profile(options.photo)
    for count in (1, 2, 4, 8):
        print(f"recorded, {count} threads: {in_threads(options.photo, count):.2f} ms a step, of whichever", flush=True)
    for count in (1, 2, 4, 8):
        print(f"recorded, {count} processes: {in_processes(options.photo, count):.2f} ms a step, of whichever", flush=True)
    return None


def fit_of(photo: Path, device: str) -> Fit:
    pixels = read_bare(photo).pixels
    target = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None].contiguous()
    height, width, _ = pixels.shape
    return Fit(architecture(Signal(height, width), SIZE, chroma=CHROMA), target.to(device), LMBDA, recipe(LMBDA), 0)


def take(fit: Fit, steps: int) -> None:
    for _ in range(steps):
        fit.step(fit.recipe.phases[0], 0.0)
    torch.cuda.current_stream().synchronize()


def compare(photo: Path) -> None:
    """Cost and gradients of one state on both."""
    cpu, gpu = fit_of(photo, "cpu"), fit_of(photo, "cuda")
    take(cpu, 20)
    gpu.begin(
        Inr({name: tensor.detach().cuda() for name, tensor in cpu.inr.tensors.items()}, cpu.inr.latents.detach().cuda())
    )
    found = []
    for fit in (cpu, gpu):
        tensors, latents = fit.inr.tensors, fit.inr.latents
        cost = fit.distortion(tensors, latents) + LMBDA * fit.rate(tensors, latents)
        gradients = torch.autograd.grad(cost, [*tensors.values(), latents])
        found.append((cost.item(), [gradient.cpu().double() for gradient in gradients]))
    print(f"cost {found[0][0]:.8f} on the CPU, {found[1][0]:.8f} on the GPU")
    off = {
        name: (torch.linalg.vector_norm(mine - theirs) / torch.linalg.vector_norm(mine)).item()
        for name, mine, theirs in zip([*cpu.inr.tensors, "latents"], found[0][1], found[1][1])
        if mine.any()
    }
    wrong = [f"{name} {by:.1e}" for name, by in off.items() if not by < DIFFERENT]
    print(
        f"gradients differ by at most {max(off.values()):.1e} of their norm; too much: {', '.join(wrong) or 'none'}",
        flush=True,
    )


def profile(photo: Path) -> None:
    """Kernels of steps that are not recorded."""
    fit = fit_of(photo, "cuda")
    fit.recorder = None
    take(fit, 12)
    began = time.perf_counter()
    take(fit, 20)
    print(f"call by call: {1000 * (time.perf_counter() - began) / 20:.2f} ms a step")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiled:
        take(fit, 4)
    events = sorted(profiled.key_averages(), key=lambda event: -event.self_device_time_total)
    total, count = (sum(getattr(event, name) for event in events) / 4 for name in ("self_device_time_total", "count"))
    print(f"kernels: {count:.0f} a step, {total / 1000:.2f} ms")
    for event in events[:SHOWN]:
        print(f"{event.self_device_time_total / 4:9.1f} us {event.count / 4:6.1f} x  {event.key[:90]}")
    sys.stdout.flush()


def in_threads(photo: Path, count: int) -> float:
    """Milliseconds a step of fits that go on at once, each on a stream of its own."""
    fits, ready = [fit_of(photo, "cuda") for _ in range(count)], threading.Barrier(count + 1)

    def work(fit: Fit) -> None:
        torch.cuda.set_stream(torch.cuda.Stream())
        take(fit, BEFORE)
        ready.wait()
        take(fit, STEPS)
        ready.wait()

    for fit in fits:
        threading.Thread(target=work, args=(fit,), daemon=True).start()
    ready.wait()
    began = time.perf_counter()
    ready.wait()
    return 1000 * (time.perf_counter() - began) / (count * STEPS)


def in_processes(photo: Path, count: int) -> float:
    """The same of processes."""
    command = [sys.executable, __file__, str(photo), "--one"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(count)]
    for process in processes:
        process.stdout.readline()
    began = time.perf_counter()
    for process in processes:
        print(file=process.stdin, flush=True)
    for process in processes:
        process.stdout.readline()
    return 1000 * (time.perf_counter() - began) / (count * STEPS)


def one(photo: Path) -> None:
    fit = fit_of(photo, "cuda")
    take(fit, BEFORE)
    print("ready", flush=True)
    sys.stdin.readline()
    take(fit, STEPS)
    print("done", flush=True)


if __name__ == "__main__":
    main()
