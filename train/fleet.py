"""Where tasks run: in processes of this machine, or on a Ray cluster. Either way a task whose process dies is begun again,
and goes on from its checkpoint.
"""

import logging
import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from .options import EncodeError
from .task import REPORT_SECONDS, Outcome, Report, Task, encode_task

RETRIES = 3  # of a task whose process died
STOP_SECONDS = 30  # in which tasks write their checkpoints

Submit = Callable[[Task], "Future[Outcome]"]
Place = Callable[[Report], AbstractContextManager[Submit]]  # leaving it stops what is under way


def encode_all(tasks: Iterable[Task], place: Place, report: Report) -> Generator[Outcome, None, None]:
    """Outcomes as they come; closing it stops what is under way. `report` is called from several threads."""
    with place(report) as submit:
        names = {submit(task): task.name for task in tasks}
        for future in as_completed(names):
            try:
                yield future.result()
            except Exception as error:  # of the place, not of the task, whose errors are in its outcome
                yield Outcome(names[future], failed=f"{type(error).__name__}: " + " ".join(str(error).split()))


@contextmanager
def processes(count: int, report: Report) -> Iterator[Submit]:
    """So many processes of this machine."""
    idle: SimpleQueue[Worker] = SimpleQueue()
    for _ in range(count):
        idle.put(Worker())
    stop = Event()

    def do(task: Task) -> Outcome:
        for attempt in range(RETRIES + 1):
            worker = idle.get()
            try:
                return worker.do(task, report, stop)
            except (EOFError, OSError):
                status = worker.end()
                worker = Worker()
                if attempt == RETRIES:
                    raise ChildProcessError(f"it ended {attempt + 1} times, the last with status {status}") from None
            finally:
                idle.put(worker)
        raise AssertionError

    with ThreadPoolExecutor(count) as threads:
        try:
            yield partial(threads.submit, do)
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)
            for _ in range(count):
                idle.get().end()


class Worker:
    """A process that does one task after another."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def do(self, task: Task, report: Report, stop: Event) -> Outcome:
        """Raises EOFError or OSError where the process dies, KeyboardInterrupt when it is to stop."""
        self.pipe.send(task)
        while not stop.is_set():
            if self.pipe.poll(REPORT_SECONDS):
                message = self.pipe.recv()
                if isinstance(message, Outcome):
                    return message
                report(*message)
        raise KeyboardInterrupt

    def end(self) -> int | None:
        """Its exit status; what it was doing it stops, and writes a checkpoint."""
        self.process.terminate()
        self.pipe.close()
        self.process.join()
        return self.process.exitcode


def serve(pipe: Connection) -> None:
    """What a worker's process runs, until its pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches whoever asked, who passes it on by SIGTERM
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def report(*message: Any) -> None:
        try:
            pipe.send(message)
        except OSError:
            raise KeyboardInterrupt from None

    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            pipe.send(encode_task(pipe.recv(), report))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is leaving


@contextmanager
def on_ray(address: str, count: int, cpus: int, device: str, report: Report) -> Iterator[Submit]:
    """A cluster at ray://host:port, all of whose machines see the same folders; or "local", of `count` tasks at once, 0 for
    as many as there are cores. A task takes `cpus`, and a GPU where there is one and `device` allows.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.util.queue import Queue

    cores = count * cpus or max(cpus, os.cpu_count() or 1)
    local = {"num_cpus": cores, "include_dashboard": False} if address == "local" else {}
    ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **local)
    gpus = int(device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0)
    if device == "cuda" and not gpus:
        raise EncodeError("--device: wanted cuda, but the cluster has no GPU")
    messages = Queue(actor_options={"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1})
    remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(encode_task)
    running = []

    def listen() -> None:
        for message in iter(messages.get, None):
            report(*message)

    def submit(task: Task) -> "Future[Outcome]":
        running.append(remote.remote(task, lambda *message: messages.put(message)))
        return running[-1].future()

    listener = Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield submit
    finally:
        for reference in running:
            ray.cancel(reference)
        ray.wait(running, num_returns=len(running), timeout=STOP_SECONDS)
        messages.put(None)
        listener.join()
        ray.shutdown()
