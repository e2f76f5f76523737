"""What one thread of a run does: blocks of trials and pieces of split ones, into a tally, arrays of values, or rows."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastsumo.engine.blocks import BLOCK, Blocks
from fastsumo.engine.cpu.kernels.block import kernels_of, trials_at
from fastsumo.engine.cpu.kernels.data_rows import run_rows
from fastsumo.engine.cpu.kernels.scratch import Work
from fastsumo.engine.cpu.split_trials import compile_split
from fastsumo.engine.interface import Floats, Ints
from fastsumo.engine.status import BAD_VALUE, BAD_WEIGHT, EXTENDED, NO_CENTER, OK, RAISED
from fastsumo.jit.options import compile_for
from fastsumo.statistics.row_sums import RowSums, no_trials
from fastsumo.statistics.snapshot import Snapshot, snapshot_of
from fastsumo.statistics.spans import Spans
from fastsumo.statistics.statistics import Statistics
from fastsumo.statistics.tally import Tally, compile_taking
from fastsumo.trial.params import NEVER

if TYPE_CHECKING:
    from fastsumo.engine.cpu.engine import OpenModel

_FEWEST_HELD, _MOST_HELD = 20, 1024  # largest deviations behind the tail index of a row


class Worker:
    """One thread's scratch memory and what it has done."""

    def __init__(self, run: OpenModel) -> None:
        self.run, self.scratch = run, run.scratch()
        self.found = np.zeros((0 if run.split is None else BLOCK, 2), np.int64)  # split trials of a block: trial, K
        self.done: Spans = []
        self.trials_done = 0
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def compile(self) -> None:
        """Compile what the run will call, before there are threads."""
        compile_for(*self._kernel_call(0, 0))
        self.run.find_trials()
        if self.run.expects_split:
            compile_split(self.run.params)

    def loop(self, blocks: Blocks) -> None:
        """Work until there is nothing left, the run stops, or the model fails."""
        try:
            while not self.run.crew.stopped and (self._piece() or self._next_block(blocks)):
                pass
        except BaseException as error:  # handed to the main thread, which raises it
            self.error = error
            self.run.crew.stopped = True
        finally:
            self.ended.set()

    def stop(self) -> None:
        """Let the kernel that runs end early."""
        self.scratch.stop()

    def _piece(self) -> bool:
        """Do a piece of a split trial, or wait for one to become ready; False if there is no split trial."""
        split = self.run.split
        if split is None or not split.pending:
            return False
        with self.scratch.serving(Work(self.run.seed, 0, 0)):
            worked, trial, status = split.step(self.scratch)
        self._check(status)
        if trial is not None:
            value = trial.value() if status == OK else self._alone(trial.trial)
            self._keep(trial.trial, trial.terms, value)
        return worked

    def _alone(self, trial: int) -> float:
        """The value of one trial, whatever its size, on this thread."""
        value, terms = np.empty(1), np.empty(1, np.int64)
        params = self.run.params._replace(split_above=NEVER)
        addresses = value.ctypes.data, terms.ctypes.data, self.found.ctypes.data
        sample_block, trials = kernels_of(params.block_bits > 0)[1], trials_at(params.kind, linear=False)
        with self.scratch.serving(Work(self.run.seed, trial, trial + 1)):
            status = sample_block(params, trials, self.scratch.address, np.uint64(trial), 1, *addresses)[0]
        self._check(status)
        return float(value[0])

    def _next_block(self, blocks: Blocks) -> bool:
        """Do the next block; False if there is none and no split trial is under way either."""
        block = blocks.take()
        if block is not None:
            self._block(*block)
            return True
        if self.run.split is None or not self.run.split.pending:
            return False
        time.sleep(0.001)  # others hold all pieces that are ready
        return True

    def _check(self, status: int) -> None:
        if status in (RAISED, BAD_WEIGHT, BAD_VALUE):
            raise self.run.error(int(self.scratch.report[0]), status)
        if status == NO_CENTER:
            row, name = int(self.scratch.report[0]) >> 32, self.run.model.name
            raise ValueError(
                f"the weights of a pilot of row {row} of model {name!r} are all zero: Taylor has no centre there; take "
                "another estimator, or leave out the row"
            )

    def _block(self, first: int, count: int) -> None:
        status, done, found = self._call(first, count)
        self._check(status)
        for trial, terms in self.found[:found].tolist():
            if self.run.split is not None and trial < first + done:
                self.run.split.add(trial, terms)
        if done:
            if self.done and self.done[-1][1] == first:
                self.done[-1] = (self.done[-1][0], first + done)
            else:
                self.done.append((first, first + done))
        self.trials_done += done

    def _call(self, first: int, count: int) -> tuple[int, int, int]:
        """Run a block: status, trials done, split trials found."""
        with self.scratch.serving(Work(self.run.seed, first, first + count)):
            return self._called(first, count)

    def _called(self, first: int, count: int) -> tuple[int, int, int]:
        kernel, *arguments = self._kernel_call(first, count)
        status, done, found = kernel(*arguments)
        if status == EXTENDED:
            with self.run.crew.clock.compiling():
                self.run.linear = False
                self.run.find_trials()
            kernel, *arguments = self._kernel_call(first + done, count - done, found)
            status, more, others = kernel(*arguments)
            done, found = done + more, found + others
        return status, done, found

    def _kernel_call(self, first: int, count: int, found: int = 0) -> tuple[Any, ...]:
        """The kernel that runs a block, and its arguments; so many split trials of the block were found before."""
        raise NotImplementedError

    def _keep(self, trial: int, terms: int, value: float) -> None:
        """Take a finished split trial."""
        raise NotImplementedError

    def snapshot(self, workers: Sequence[Any]) -> Snapshot | None:
        """A rough view of the run for whoever is looking; None where there is none."""
        return None


class TallyWorker(Worker):
    """A worker that keeps statistics."""

    def __init__(self, run: OpenModel, center: float) -> None:
        super().__init__(run)
        self.center, self.tally = center, Tally.taken()

    def compile(self) -> None:
        super().compile()
        compile_taking()

    def statistics(self) -> Statistics:
        """What was tallied, and the end of this worker: its tally goes to another one."""
        found = Statistics.of(self.tally, self.run.seed, self.center)
        self.tally.give_back()
        self.scratch.give_back()
        return found

    def _kernel_call(self, first: int, count: int, found: int = 0, known: int = 0) -> tuple[Any, ...]:
        return (
            kernels_of(self.run.params.block_bits > 0)[0],
            self.run.params,
            self.run.trials_at,
            self.scratch.address,
            np.uint64(first),
            count,
            self.center,
            self.tally.address,
            self.found[found:].ctypes.data,
            known,
        )

    def _call(self, first: int, count: int) -> tuple[int, int, int]:
        outcome = super()._call(first, count)
        self.tally.compact()
        return outcome

    def _keep(self, trial: int, terms: int, value: float) -> None:
        self.scratch.hold(trial, terms, value)
        kernel, *arguments = self._kernel_call(trial, 0, known=1)
        kernel(*arguments)

    def snapshot(self, workers: Sequence[Any]) -> Snapshot | None:
        grouped = self.run.params.block_bits > 0
        return snapshot_of([worker.tally for worker in workers], self.center, grouped)


class SampleWorker(Worker):
    """A worker that writes values into shared arrays, each to its own place."""

    def __init__(self, run: OpenModel, first: int, values: Floats, terms: Ints) -> None:
        super().__init__(run)
        self.first, self.values, self.terms = first, values, terms

    def _kernel_call(self, first: int, count: int, found: int = 0) -> tuple[Any, ...]:
        offset = max(first - self.first, 0)
        return (
            kernels_of(self.run.params.block_bits > 0)[1],
            self.run.params,
            self.run.trials_at,
            self.scratch.address,
            np.uint64(first),
            count,
            self.values[offset:].ctypes.data,
            self.terms[offset:].ctypes.data,
            self.found[found:].ctypes.data,
        )

    def _keep(self, trial: int, terms: int, value: float) -> None:
        self.values[trial - self.first] = value


class RowWorker(Worker):
    """A worker that fills the sums of rows of data; its blocks are blocks of rows."""

    def __init__(self, run: OpenModel, trials: int, sums: RowSums) -> None:
        super().__init__(run)
        held = int(min(math.isqrt(trials), _MOST_HELD))
        self.trials, self.sums = trials, sums
        self.held = np.zeros((held if held >= _FEWEST_HELD else 1) + 1)

    def compile(self) -> None:
        compile_for(*self._kernel_call(0, 1))
        self.run.find_trials()

    def _block(self, first: int, count: int) -> None:
        kernel, *arguments = self._kernel_call(first, count)
        with self.scratch.serving(Work(self.run.seed, first, first + count, trials=self.trials, rows=self.rows)):
            status, done = kernel(*arguments)
        self._check(status)
        self.sums[first + done : first + count] = no_trials(count - done)
        self.trials_done += done * self.trials
        if done:
            self.done.append((first, first + done))

    def _kernel_call(self, first: int, count: int, found: int = 0) -> tuple[Any, ...]:
        self.rows = self.run.model.rows(first, first + count)
        where = self.rows.ctypes.data, self.rows.shape[1], first, count, self.trials
        addresses = self.held.ctypes.data, self.held.size, self.sums[first:].ctypes.data
        return run_rows, self.run.params, self.run.trials_at, self.scratch.address, *where, *addresses
