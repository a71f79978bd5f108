"""A step of a fit on a GPU as one CUDA graph: recorded once, then replayed, and nothing waits for the host in between.

Its hundreds of kernels are small; one by one they would be launched more slowly than they run.
"""

from collections.abc import Callable, Hashable
from threading import Lock

import torch

BEFORE = 3  # steps that are taken as they are, before one is recorded: kernels are compiled, and moments come to be
RECORDING = Lock()  # one at a time in a process

Step = Callable[..., None]  # of the numbers that change from step to step, as tensors


class Recorder:
    """`take(key, step, numbers)` takes a step; those of the same key differ in their numbers alone."""

    def __init__(self, noise: torch.Generator, numbers: int) -> None:
        self.noise, self.numbers = noise, torch.zeros(numbers, device=noise.device)
        self.taken: dict[Hashable, int] = {}
        self.graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}

    def take(self, key: Hashable, step: Step, numbers: tuple[float, ...]) -> None:
        self.numbers.copy_(torch.tensor(numbers).pin_memory(), non_blocking=True)
        taken = self.taken[key] = self.taken.get(key, 0) + 1
        if taken <= BEFORE:
            with RECORDING:  # of kernels only one is to be compiled
                step(*self.numbers)
            return
        if key not in self.graphs:
            self.graphs[key] = self.record(step)
        self.graphs[key].replay()

    def record(self, step: Step) -> torch.cuda.CUDAGraph:
        graph, here, aside = torch.cuda.CUDAGraph(), torch.cuda.current_stream(), torch.cuda.Stream()
        graph.register_generator_state(self.noise)
        with RECORDING:
            aside.wait_stream(here)
            with torch.cuda.stream(aside):
                graph.capture_begin(capture_error_mode="thread_local")
                step(*self.numbers)
                graph.capture_end()
            here.wait_stream(aside)
        return graph
