"""A run of trials on threads. With `workers` the only callers of the kernels of trials.

A run hands out blocks of consecutive trials to a pool of threads; each thread fills its own tally. Tallies add
exactly, so nothing depends on who ran what. Ctrl-C stops at the next buffer and keeps every finished tile.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.estimators import LAST, PREFIX, Estimator
from fastsumo.giants import GIANT, Giants
from fastsumo.model import Model
from fastsumo.progress import Progress
from fastsumo.spans import joined, without
from fastsumo.workers import BLOCK, SampleWorker, TallyWorker

if TYPE_CHECKING:
    from fastsumo.kernels.job import Job

MAX_TRIALS = 2**63 - 1
_BLOCK_WORK = 2**22  # numbers drawn in a block, for the dearest estimators
_PILOT_SAMPLES = 2**12
_FEW = 0.1  # giants expected in a run, below which nothing is compiled for them in advance


class Run:
    """One (model, estimator, seed) on some threads."""

    def __init__(self, model: Model, estimator: Estimator, seed: int, threads: int) -> None:
        self.model, self.estimator, self.seed, self.threads = model, estimator, int(seed), threads
        self.stopped = False
        self.plain = True  # no weight was met so far that is too large or small for a plain number
        self.expects_giants = False
        self._lock = threading.Lock()
        self._compilers = 0  # threads that compile, or wait for one that does
        self._compiled_for = 0.0  # seconds
        self.elapsed = 0.0  # seconds that trials took, without what was compiled for them

    def prepare(self) -> None:
        """Compile the model, or find it compiled."""
        from fastsumo.errors import compiling
        from fastsumo.kernels.job import make_job, shift_of
        from fastsumo.kernels.weights import compiled

        with compiling(self.model):
            self._compiled = compiled(self.model)
        plan = self.estimator.plan()
        self._owned = make_job(self._compiled, plan, self.seed)
        self.job = self._owned.job
        self.center = self._center()
        self.job = self.job._replace(shift=shift_of(self.center))
        if plan.kind not in (PREFIX, LAST):
            self.any_scale()
            self.plain = False
        self.giants: Giants | None = None
        if self.threads > 1 and plan.kind in (PREFIX, LAST) and self.job.minimum + self.job.cap > GIANT:
            self.job = self.job._replace(giant=GIANT)
            self.giants = Giants(self.job, self.threads)

    def _giant_share(self) -> float:
        """The probability that a trial is a giant."""
        law = getattr(self.estimator, "roulette", None)
        return 1.0 if law is None else float(law.survival(GIANT))

    def any_scale(self) -> None:
        """From now on weights may be too large or too small for plain numbers; what that takes is compiled."""
        from fastsumo.errors import compiling

        with compiling(self.model):
            self.job = self.job._replace(any_address=self._compiled.any_address)

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """While a thread of the run compiles: others soon wait for the same, so it does not count as running."""
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

    def _center(self) -> float:
        """Where powers of ``value - center`` are taken: the known log evidence, else a pilot estimate of it.

        The pilot uses the last trial number of seed 0, so it is a function of the model alone.
        """
        if self.model.log_evidence is not None:
            return self.model.log_evidence
        log_weights, _ = self._first_log_weights(self.job._replace(key=np.uint64(0)), MAX_TRIALS, _PILOT_SAMPLES)
        finite = log_weights[np.abs(log_weights) <= np.finfo(float).max]
        if finite.size == 0:
            return 0.0
        top = finite.max()
        return float(top + np.log(np.sum(np.exp(finite - top)) / log_weights.size))

    def tally(self, first: int, count: int, center: float, bar: Progress) -> tuple[Any, list[tuple[int, int]], bool]:
        """Statistics of the trials, the ranges of trials done, and whether Ctrl-C ended it early."""
        from fastsumo.accumulate import Statistics

        blocks = Blocks(first, count, block_size(self.estimator, self.model))
        workers = [TallyWorker(self, center) for _ in range(self._workers(blocks))]
        interrupted = self._work(workers, blocks, bar)
        statistics = None
        for worker in workers:
            part = Statistics.of(worker.tally, self.seed, center)
            statistics = part if statistics is None else statistics.merged(part, center)
        done = joined([span for worker in workers for span in worker.done])
        for trial in self.giants.pending if self.giants else ():
            done = without(done, trial)
        if not done:
            raise KeyboardInterrupt
        return statistics, done, interrupted

    def values(self, first: int, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Values and `K` of the trials."""
        values, terms = np.empty(count), np.empty(count, np.int64)
        blocks = Blocks(first, count, block_size(self.estimator, self.model))
        workers = [SampleWorker(self, first, values, terms) for _ in range(self._workers(blocks))]
        if self._work(workers, blocks, Progress()):
            raise KeyboardInterrupt
        return values, terms

    def _workers(self, blocks: Blocks) -> int:
        """How many threads have something to do."""
        return self.threads if self.giants else min(self.threads, blocks.total)

    def terms(self, trial: int) -> int:
        """`K` of one trial."""
        from fastsumo.kernels.draw import draw_terms

        terms = np.empty(1, np.int64)
        draw_terms(self.job, np.uint64(trial), terms.ctypes.data, 1)
        return int(terms[0])

    def log_weights(self, trial: int, count: int) -> NDArray[np.float64]:
        """The first log weights of one trial."""
        from fastsumo.errors import trial_error
        from fastsumo.kernels.job import RAISED

        log_weights, status = self._first_log_weights(self.job, trial, count)
        if status == RAISED:
            raise trial_error(self.model, self.estimator, self.seed, trial, RAISED)
        return log_weights

    def _first_log_weights(self, job: Job, trial: int, count: int) -> tuple[NDArray[np.float64], int]:
        """The first log weights of a trial, NaN from where the model raises; and the status."""
        from fastsumo.kernels.block import log_weights_of
        from fastsumo.kernels.job import WIDE, Work

        out, work = np.full(count, np.nan), Work()
        where = work.address, np.uint64(trial), 0, count, out.ctypes.data
        status = log_weights_of(job, *where)
        if status == WIDE:
            self.any_scale()
            status = log_weights_of(job._replace(any_address=self.job.any_address), *where)
        return out, status

    def _work(self, workers: list[Any], blocks: Blocks, bar: Progress) -> bool:
        """Run all blocks on the workers' threads; whether Ctrl-C ended it early. The main thread only watches."""
        self.expects_giants = self.giants is not None and blocks.trials * self._giant_share() > _FEW
        workers[0].compile()
        bar.stage("running")
        began, self._compiled_for = time.perf_counter(), 0.0
        threads = [threading.Thread(target=worker.loop, args=(blocks,), daemon=True) for worker in workers]
        interrupted, stage = False, "running"
        try:
            for thread in threads:
                thread.start()
            for worker in workers:
                while not (worker.ended.wait(0.05) or self.stopped):
                    if stage != (stage := "compiling" if self._compilers else "running"):
                        bar.stage(stage)
                    bar.update(sum(worker.trials_done for worker in workers), lambda: workers[0].glance(workers))
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self.stopped = True
            for worker in workers:
                worker.work.stop()
            for worker, thread in zip(workers, threads, strict=True):
                if thread.ident is not None:
                    worker.ended.wait()  # a join that Ctrl-C interrupted takes its thread for dead, to Python 3.12
                    thread.join()
        for worker in workers:
            if worker.error is not None:
                raise worker.error
        bar.update(sum(worker.trials_done for worker in workers), lambda: workers[0].glance(workers))
        self.elapsed = time.perf_counter() - began - self._compiled_for
        return interrupted


class Blocks:
    """Hands out blocks of trials, aligned to multiples of their size."""

    def __init__(self, first: int, count: int, size: int) -> None:
        self._first, self._stop, self._size = first, first + count, size
        self.trials = count
        self._next = first // size
        self.total = -(-self._stop // size) - self._next
        self._lock = threading.Lock()

    def take(self) -> tuple[int, int] | None:
        """The next block as (first trial, trials), or None."""
        with self._lock:
            low = max(self._next * self._size, self._first)
            self._next += 1
        high = min(self._next * self._size, self._stop)
        return (low, high - low) if low < high else None


def block_size(estimator: Estimator, model: Model) -> int:
    """Trials of a block: a power of two that depends on the estimator and the model's dimension only."""
    cost = min(estimator.expected_cost(), 1e15)
    if not math.isfinite(estimator.expected_cost()):
        cost = estimator.plan().minimum + 40.0
    return 2 ** int(math.log2(max(1.0, min(BLOCK, _BLOCK_WORK / (cost * max(model.noise_dim, 2))))))
