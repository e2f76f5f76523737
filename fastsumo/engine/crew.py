"""Workers on threads: started, watched from the main thread, stopped by Ctrl-C; and the clock that times them.

The main thread only watches, so that Ctrl-C is heard within a twentieth of a second whatever the kernels do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from fastsumo.engine.blocks import Blocks
from fastsumo.engine.interface import Watcher
from fastsumo.statistics.snapshot import Snapshot

_LOOK = 0.05  # seconds between two looks at the workers


class Hand(Protocol):
    """A worker, as the crew sees it."""

    trials_done: int
    ended: threading.Event
    error: BaseException | None

    def loop(self, blocks: Blocks) -> None: ...
    def stop(self) -> None: ...
    def snapshot(self, workers: Sequence[Any]) -> Snapshot | None: ...


class Clock:
    """Seconds that trials took. Those in which a thread compiles do not count: the others soon wait for the same."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._lock = threading.Lock()
        self._compilers = 0  # threads that compile, or wait for one that does
        self._compiled_for = 0.0

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """While a thread of the run compiles."""
        with self._lock:
            self._compilers += 1
            if self._compilers == 1:
                self._compiling_since = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._compilers -= 1
                if self._compilers == 0:
                    self._compiled_for += time.perf_counter() - self._compiling_since

    @property
    def stage(self) -> str:
        """What the run is at."""
        return "compiling" if self._compilers else "running"

    @contextmanager
    def running(self) -> Iterator[None]:
        """While trials run; `elapsed` is set at the end."""
        began, self._compiled_for = time.perf_counter(), 0.0
        yield
        self.elapsed = time.perf_counter() - began - self._compiled_for


class Crew:
    """Workers that share blocks, and whether they are to stop."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.stopped = False

    def run(self, workers: Sequence[Hand], blocks: Blocks, watcher: Watcher, unwatched: bool = False) -> bool:
        """Run all blocks on the workers' threads; whether Ctrl-C ended it early.

        ``unwatched``: the one worker runs on this thread; for what takes less time than a thread takes to start. Ctrl-C
        is a KeyboardInterrupt there.
        """
        self.stopped = False
        watcher.stage("running")
        with self.clock.running():
            if unwatched:
                workers[0].loop(blocks)
            interrupted = not unwatched and self._watch(workers, blocks, watcher)
            for worker in workers:
                if worker.error is not None:
                    raise worker.error
            self._report(workers, watcher)
        return interrupted

    def _watch(self, workers: Sequence[Hand], blocks: Blocks, watcher: Watcher) -> bool:
        threads = [threading.Thread(target=worker.loop, args=(blocks,), daemon=True) for worker in workers]
        interrupted, stage = False, "running"
        try:
            for thread in threads:
                thread.start()
            for worker in workers:
                while not (worker.ended.wait(_LOOK) or self.stopped):
                    if stage != (stage := self.clock.stage):
                        watcher.stage(stage)
                    self._report(workers, watcher)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self.stopped = True
            for worker in workers:
                worker.stop()
            for worker, thread in zip(workers, threads, strict=True):
                if thread.ident is not None:
                    worker.ended.wait()  # a join that Ctrl-C interrupted takes its thread for dead, to Python 3.12
                    thread.join()
        return interrupted

    def _report(self, workers: Sequence[Hand], watcher: Watcher) -> None:
        watcher.update(sum(worker.trials_done for worker in workers), lambda: workers[0].snapshot(workers))
