"""What one thread of a run does: blocks of trials and pieces of giant ones, into a tally or into arrays of values."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo._glance import Glance, glance_of
from fastsumo.giants import NO_GIANT

if TYPE_CHECKING:
    from fastsumo.running import Blocks, Run

BLOCK = 65_536  # trials, for the cheapest estimators


class Worker:
    """One thread's buffers and what it has done."""

    def __init__(self, run: Run) -> None:
        from fastsumo.kernels.job import Work

        self.run, self.work = run, Work(run.job)
        self.found = np.zeros((BLOCK, 2), np.int64)  # giants of a block: trial, K
        self.done: list[tuple[int, int]] = []
        self.trials_done = 0
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def compile(self) -> None:
        """Compile what the run will call, before there are threads."""
        from fastsumo.kernels import _jit

        _jit.compile_for(*self._kernel_call(0, 0))
        if self.run.giants is not None and self.run.expects_giants:
            self.run.giants.compile(self.work)

    def loop(self, blocks: Blocks) -> None:
        """Work until there is nothing left, the run stops, or the model fails."""
        try:
            while not self.run.stopped and (self._giant() or self._next_block(blocks)):
                pass
        except BaseException as error:  # handed to the main thread, which raises it
            self.error = error
            self.run.stopped = True
        finally:
            self.ended.set()

    def _giant(self) -> bool:
        """Do a piece of a giant trial, or wait for one to become ready; False if there is no giant."""
        from fastsumo.kernels.job import OK

        giants = self.run.giants
        if giants is None or not giants.pending:
            return False
        worked, giant, status = giants.step(self.work)
        self._check(status)
        if giant is not None:
            value = giant.value() if status == OK else self._alone(giant.trial)
            self._keep(giant.trial, giant.terms, value)
        return worked

    def _alone(self, trial: int) -> float:
        """The value of one trial, whatever its size, on this thread."""
        from fastsumo.kernels.block import kernels_of

        value, terms = np.empty(1), np.empty(1, np.int64)
        self.run.any_scale()
        job = self.run.job._replace(giant=NO_GIANT)
        addresses = value.ctypes.data, terms.ctypes.data, self.found.ctypes.data
        sample_block = kernels_of(job.kind)[1]
        self._check(sample_block(job, self.work.address, np.uint64(trial), 1, *addresses)[0])
        return float(value[0])

    def _next_block(self, blocks: Blocks) -> bool:
        """Do the next block; False if there is none and no giant is under way either."""
        block = blocks.take()
        if block is not None:
            self._block(*block)
            return True
        if self.run.giants is None or not self.run.giants.pending:
            return False
        time.sleep(0.001)  # others hold all pieces that are ready
        return True

    def _check(self, status: int) -> None:
        from fastsumo.errors import trial_error
        from fastsumo.kernels.job import BAD_WEIGHT, RAISED

        if status in (RAISED, BAD_WEIGHT):
            raise trial_error(self.run.model, self.run.estimator, self.run.seed, int(self.work.report[0]), status)

    def _block(self, first: int, count: int) -> None:
        status, done, found = self._call(first, count)
        self._check(status)
        for trial, terms in self.found[:found].tolist():
            if self.run.giants is not None and trial < first + done:
                self.run.giants.add(trial, terms)
        if done:
            if self.done and self.done[-1][1] == first:
                self.done[-1] = (self.done[-1][0], first + done)
            else:
                self.done.append((first, first + done))
        self.trials_done += done

    def _call(self, first: int, count: int) -> tuple[int, int, int]:
        """Run a block: status, trials done, giants found."""
        from fastsumo.kernels import _jit
        from fastsumo.kernels.job import WIDE

        kernel, *arguments = self._kernel_call(first, count)
        status, done, found = kernel(*arguments)
        if status == WIDE:
            with self.run.compiling():
                self.run.any_scale()
                self.run.plain = False
                _jit.compile_for(*self._kernel_call(0, 0))
            kernel, *arguments = self._kernel_call(first + done, count - done, found)
            status, more, others = kernel(*arguments)
            done, found = done + more, found + others
        return status, done, found

    def _kernel_call(self, first: int, count: int, found: int = 0) -> tuple[Any, ...]:
        """The kernel that runs a block, and its arguments; so many giants of the block were found before."""
        raise NotImplementedError

    def _keep(self, trial: int, terms: int, value: float) -> None:
        """Take a finished giant."""
        raise NotImplementedError

    def glance(self, workers: list[Any]) -> Glance | None:
        """A rough view of the run for whoever is looking; None where there is none."""
        return None


class TallyWorker(Worker):
    """A worker that keeps statistics."""

    def __init__(self, run: Run, center: float) -> None:
        from fastsumo.kernels.statistics import Tally

        super().__init__(run)
        self.center, self.tally = center, Tally()

    def compile(self) -> None:
        from fastsumo.kernels import _jit
        from fastsumo.kernels.block import tally_one

        super().compile()
        if self.run.expects_giants:
            tally = self.center, self.tally.address
            _jit.compile_for(tally_one, self.run.job, self.work.address, np.uint64(0), 1, 0.0, *tally)

    def _kernel_call(self, first: int, count: int, found: int = 0) -> tuple[Any, ...]:
        from fastsumo.kernels.block import kernels_of

        return (
            kernels_of(self.run.job.kind, self.run.plain)[0],
            self.run.job,
            self.work.address,
            np.uint64(first),
            count,
            self.center,
            self.tally.address,
            self.found[found:].ctypes.data,
        )

    def _call(self, first: int, count: int) -> tuple[int, int, int]:
        from fastsumo.accumulate import EXTREMES
        from fastsumo.kernels.statistics import FOUND

        outcome = super()._call(first, count)
        if self.tally.counters[FOUND] > 2 * EXTREMES:
            self._compact()
        return outcome

    def _keep(self, trial: int, terms: int, value: float) -> None:
        from fastsumo.kernels.block import tally_one

        tally_one(self.run.job, self.work.address, np.uint64(trial), terms, value, self.center, self.tally.address)

    def glance(self, workers: list[Any]) -> Glance | None:
        return glance_of([worker.tally for worker in workers], self.center)

    def _compact(self) -> None:
        """Keep the extremes only, and raise the threshold for later ones."""
        from fastsumo.accumulate import EXTREMES
        from fastsumo.kernels.statistics import FOUND, THRESHOLD

        tally, found = self.tally, int(self.tally.counters[FOUND])
        sizes = tally.candidates[:found, 0]
        threshold = np.partition(sizes, found - EXTREMES)[found - EXTREMES]
        kept = np.flatnonzero(sizes >= threshold)
        if kept.size > EXTREMES:
            kept = kept[np.lexsort((tally.candidate_trials[kept], -sizes[kept]))[:EXTREMES]]
        for column in (tally.candidates, tally.candidate_trials, tally.candidate_terms):
            column[:EXTREMES] = column[kept]
        tally.counters[FOUND] = EXTREMES
        tally.limits[THRESHOLD] = threshold


class SampleWorker(Worker):
    """A worker that writes values into shared arrays, each to its own place."""

    def __init__(self, run: Run, first: int, values: NDArray[np.float64], terms: NDArray[np.int64]) -> None:
        super().__init__(run)
        self.first, self.values, self.terms = first, values, terms

    def _kernel_call(self, first: int, count: int, found: int = 0) -> tuple[Any, ...]:
        from fastsumo.kernels.block import kernels_of

        offset = max(first - self.first, 0)
        return (
            kernels_of(self.run.job.kind, self.run.plain)[1],
            self.run.job,
            self.work.address,
            np.uint64(first),
            count,
            self.values[offset:].ctypes.data,
            self.terms[offset:].ctypes.data,
            self.found[found:].ctypes.data,
        )

    def _keep(self, trial: int, terms: int, value: float) -> None:
        self.values[trial - self.first] = value
