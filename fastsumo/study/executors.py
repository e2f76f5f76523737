"""Where chunks of trials run: the function that a worker calls, and one face for all kinds of executors.

What is run, and what becomes of it, is in `coordinator.py`.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import math
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastsumo.base import checks
from fastsumo.base.machine import available_threads
from fastsumo.engine.blocks import block_size
from fastsumo.engine.devices import require_device
from fastsumo.errors import ModelError
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.serialization import estimator_from_json
from fastsumo.models.serialization import Recipe, made
from fastsumo.report.progress import Progress
from fastsumo.runs.simulate import run_trials, simulate
from fastsumo.statistics.packed import pack
from fastsumo.trial.sizes import TILE

PILOT_SECONDS = 0.3
NAMES = ("threads", "processes", "loky", "mpi", "dask:ADDRESS")


@dataclass(frozen=True)
class Task:
    """A range of trials for one worker; without a ``center`` it is the pilot that finds it and times trials."""

    cell: int
    first: int
    stop: int
    seed: int
    estimator: str
    recipe: Recipe
    center: float | None
    threads: int
    threshold: float = -1.0  # of the extremes, see `statistics.packed.pack`
    attempt: int = 0  # differs where a lost task is sent again


@dataclass(frozen=True)
class Outcome:
    """What became of a task: statistics, or how it failed. ``stopped`` is neither: it may be sent again."""

    task: Task
    packed: bytes = b""
    elapsed: float = 0.0
    maker: tuple[str, ...] = ()
    error: str = ""
    stopped: bool = False
    pilot: dict[str, Any] = field(default_factory=dict)


class _Stoppable(Progress):
    """Ends a run of trials in a thread as Ctrl-C ends one in the main thread."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def update(self, done: int, look: object) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt


def run_task(task: Task, stop: threading.Event | None = None, device: str = "cpu") -> Outcome:
    """Run the trials of a task in this process. Called by workers; never raises but for what ends the process."""
    progress = Progress() if stop is None else _Stoppable(stop)
    try:
        estimator = estimator_from_json(task.estimator)
        model = made(task.recipe)
        if task.center is None:
            return _pilot(task, model, estimator, progress, device)
        return _chunk(task, model, estimator, progress, device)
    except KeyboardInterrupt:
        return Outcome(task, stopped=True)
    except ModelError as error:
        return Outcome(task, error=str(error))
    except Exception as error:  # whatever it is, it is this cell's, and the others go on
        return Outcome(
            task,
            error=f"{type(error).__name__}: {error}" if not isinstance(error, MemoryError) else "not enough memory",
        )


def _chunk(task: Task, model: Any, estimator: Estimator, progress: Progress, device: str) -> Outcome:
    size, where = task.stop - task.first, (task.seed, task.threads, progress, task.first, task.center)
    result = run_trials(model, estimator, size, *where, device=device)
    if result.interrupted:
        return Outcome(task, stopped=True)
    run = result.provenance
    packed = pack(result.statistics, result.center, task.threshold)
    return Outcome(task, packed, result.elapsed * result.threads, (run.version, run.numba, run.cpu))


def _pilot(task: Task, model: Any, estimator: Estimator, progress: Progress, device: str) -> Outcome:
    """Growing runs of trials, to see how long one takes: at most a sixteenth of them all."""
    piece = min(block_size(estimator, model), TILE)
    trials, times = min(piece, task.stop), [math.inf]
    while True:
        result = simulate(model, estimator, trials, task.seed, 1, progress, device=device)
        if result.interrupted:
            return Outcome(task, stopped=True)
        times.append(result.elapsed)
        if sum(times[1:]) > PILOT_SECONDS or 16 * trials > task.stop:
            break
        trials *= 2
    fixed = min(times[:-1])  # what hardly any trials take
    seconds = times[-1] - fixed if fixed < times[-1] / 2 else times[-1]
    measured = {"piece": piece, "center": result.center, "trials": trials, "seconds": seconds}
    return Outcome(task, pilot=measured | {"provenance": result.provenance.to_dict()})


class Pool:
    """An executor as the coordinator sees it: tasks go in, finished ones come out of ``finished`` as futures.

    Parameters
    ----------
    executor : concurrent.futures.Executor, callable or None
        A callable makes an executor, anew where one breaks; None is a pool of threads in this process.
    threads : int or None
        Of this process; with an executor, of every chunk.
    workers : int or None
        How many chunks the executor runs at a time, where it does not say so itself.
    devices : sequence of str, optional
        Without an executor: where the chunks run, one at a time on each.

    Raises
    ------
    TypeError
        If it is no executor.
    ValueError
        If there is no such device, an executor beside devices, or workers without one.
    """

    def __init__(
        self, executor: Any, threads: int | None, workers: int | None, devices: Sequence[str] | None = None
    ) -> None:
        if threads is not None:
            threads = checks.whole("threads", threads, 1, 4096)
        if workers is not None and executor is None:
            raise ValueError("workers is for an executor that does not say how many it has; here take threads")
        self._given_workers = None if workers is None else checks.whole("workers", workers, 1, 10**6)
        self._stop = threading.Event() if executor is None else None
        self._devices = None if devices is None else _queue_of(devices, executor)
        local = (threads or available_threads()) if devices is None else len(devices)
        self.task_threads = 1 if executor is None else threads or 1
        if devices is not None:
            self.task_threads = threads or available_threads()
        self.remakes = 0 if executor is None or hasattr(executor, "submit") else 3
        self.finished: queue.SimpleQueue[tuple[Task, Any]] = queue.SimpleQueue()
        if executor is None:
            self._executor: Any = concurrent.futures.ThreadPoolExecutor(local, "fastsumo")
            self._make, self._own = None, True
        elif hasattr(executor, "submit"):
            self._executor, self._make, self._own = as_executor(executor), None, False
        elif callable(executor):
            self._make, self._own = executor, True
            self._executor = as_executor(executor())
        else:
            raise TypeError(
                f"executor must be a concurrent.futures.Executor or a function that makes one, got {executor!r}"
            )
        self._counted, self._workers = -1e9, 1

    def submit(self, task: Task) -> Any:
        """Hand a task to a worker; `BrokenExecutor` where there is none any more."""
        function = run_task if self._stop is None else _Bound(self._stop, self._devices)
        future = self._executor.submit(function, task)
        future.add_done_callback(lambda done: self.finished.put((task, done)))
        return future

    @property
    def workers(self) -> int:
        """Chunks that run at a time; looked up now and then, as clusters grow and shrink."""
        if self._given_workers is not None:
            return self._given_workers
        now = time.monotonic()
        if now - self._counted > 5.0:
            self._counted, self._workers = now, max(1, _worker_count(self._executor))
        return self._workers

    @property
    def broken(self) -> bool:
        """Whether the executor can do no more, as far as it says so."""
        return bool(getattr(self._executor, "_broken", False))

    def remake(self) -> bool:
        """Another executor for one that broke; whether there is one."""
        if self._make is None or self.remakes == 0:
            return False
        self.remakes -= 1
        self._executor.shutdown(wait=False)
        self._executor = as_executor(self._make())
        return True

    def close(self) -> None:
        """Stop what still runs in this process; leave an executor that was given as it is."""
        if self._stop is not None:
            self._stop.set()
        if self._own:
            self._executor.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Bound:
    """`run_task` in this process."""

    stop: threading.Event
    devices: queue.SimpleQueue[str] | None  # those that are free

    def __call__(self, task: Task) -> Outcome:
        if self.devices is None:
            return run_task(task, self.stop)
        device = self.devices.get()
        try:
            return run_task(task, self.stop, device)
        finally:
            self.devices.put(device)


def _queue_of(devices: Sequence[str], executor: Any) -> queue.SimpleQueue[str]:
    """Devices that are there, to be taken one by one."""
    if executor is not None:
        raise ValueError("a study runs on an executor or on devices, not on both")
    if isinstance(devices, str) or not devices:
        raise ValueError(f"devices must be a list such as ['cuda:0', 'cuda:1'], got {devices!r}")
    free: queue.SimpleQueue[str] = queue.SimpleQueue()
    for device in devices:
        require_device(device)
        free.put(device)
    return free


def as_executor(executor: Any) -> Any:
    if hasattr(executor, "get_executor"):
        raise TypeError("a Dask Client is not an executor: pass client.get_executor()")
    if not callable(getattr(executor, "submit", None)):
        raise TypeError(f"executor must be a concurrent.futures.Executor, got {executor!r}")
    return executor


def _worker_count(executor: Any) -> int:
    """How many tasks an executor runs at a time, as far as it says so."""
    client = getattr(executor, "_client", None)  # Dask
    if client is not None:
        return int(sum(client.ncores().values()))
    for name in ("num_workers", "_max_workers"):  # mpi4py; the standard library and loky
        number = getattr(executor, name, None)
        if isinstance(number, int) and number > 0:
            return number
    return available_threads()


@contextmanager
def named(text: str, workers: int | None = None) -> Iterator[Any]:
    """The executor that a word names, to be used in a ``with`` block; None for threads of this process.

    Parameters
    ----------
    text : {"threads", "processes", "loky", "mpi", "dask:ADDRESS"}
    workers : int, optional
        By default the cores that this process may use, or all ranks but one.

    Raises
    ------
    ValueError
        If there is none of that name, or its package is not installed.
    """
    kind, _, address = text.partition(":")
    checks.choice("executor", kind, [name.split(":")[0] for name in NAMES])
    count = available_threads() if workers is None else checks.whole("workers", workers, 1, 10**6)
    if kind == "threads":
        yield None
    elif kind == "processes":
        spawn = multiprocessing.get_context("spawn")
        made = concurrent.futures.ProcessPoolExecutor(count, spawn, initializer=_prepare_worker)
        with _killed_at_once(made, cancel_futures=True) as executor:
            yield executor
    elif kind == "loky":
        made = _package("loky").ProcessPoolExecutor(count, initializer=_prepare_worker)
        with _killed_at_once(made, kill_workers=True) as executor:
            yield executor
    elif kind == "mpi":
        with _package("mpi4py.futures", "fastsumo[mpi]").MPIPoolExecutor(workers, main=False) as executor:
            yield executor
    else:
        if not address:
            raise ValueError("say where Dask's scheduler is, as in dask:tcp://127.0.0.1:8786")
        with _package("distributed", "fastsumo[dask]").Client(address) as client:
            yield client.get_executor(pure=False)


@contextmanager
def _killed_at_once(executor: Any, **how: bool) -> Iterator[Any]:
    """After Ctrl-C or an error nobody waits for chunks in the middle: what is finished is stored.

    The executor is told first, in its own words: it would complain of processes that die, and of cancelled futures.
    """
    try:
        yield executor
    except BaseException:
        processes = list((executor._processes or {}).values())
        executor.shutdown(wait=False, **how)
        for process in processes:
            process.terminate()
        raise
    executor.shutdown()


def _prepare_worker() -> None:
    """In a worker process: Ctrl-C is for the coordinator to hear, and the worker does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    if parent.sentinel is not None:
        parent.join()
    else:  # loky's, which cannot be waited for
        while os.getppid() == parent.pid:
            time.sleep(1.0)
    os._exit(1)


def _package(name: str, extra: str = "") -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"this executor needs a package ({error}): pip install '{extra or name}'") from None
