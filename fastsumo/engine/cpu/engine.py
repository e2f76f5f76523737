"""Trials on the threads of this machine: models compiled, blocks handed to workers, tallies put together.

Each thread fills its own tally, and tallies add exactly, so nothing depends on who ran what. Ctrl-C stops at the next
buffer and keeps every finished tile. What one thread does is in `workers.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

import numpy as np

from fastsumo.base import exact
from fastsumo.engine.blocks import Blocks, block_size, is_short, rows_of_block, sequences_of_batch
from fastsumo.engine.cpu.culprit import culprit
from fastsumo.engine.cpu.feed import Feed
from fastsumo.engine.cpu.kernels.block import log_weights_of, trials_are_kept, trials_at
from fastsumo.engine.cpu.kernels.increments import increments_block
from fastsumo.engine.cpu.kernels.scratch import Scratch, Work
from fastsumo.engine.cpu.kernels.weights import compiled, looked_up
from fastsumo.engine.cpu.split_trials import SPLIT_ABOVE, SplitTrials, compile_split
from fastsumo.engine.cpu.workers import RowWorker, SampleWorker, TallyWorker
from fastsumo.engine.crew import Crew
from fastsumo.engine.faults import compiling, trial_error
from fastsumo.engine.interface import Floats, Ints, RowsDone, Tallied, Unwatched, Wanted, Watcher
from fastsumo.engine.status import BAD_VALUE, OK, RAISED
from fastsumo.estimators.estimators import IWAE, Estimator
from fastsumo.jit.beside import beside, nothing
from fastsumo.models.model import PILOT_TRIAL, ROW_TRIALS, Model
from fastsumo.models.proof import Proof
from fastsumo.statistics.merger import merged
from fastsumo.statistics.row_sums import no_trials
from fastsumo.statistics.spans import joined, without
from fastsumo.statistics.tally import compile_taking
from fastsumo.trial import kinds
from fastsumo.trial.draw import draw_terms
from fastsumo.trial.increments import width_of
from fastsumo.trial.params import KernelParams, OwnedParams, params_of, with_center, with_model
from fastsumo.trial.plan import Plan
from fastsumo.trial.sizes import ROW_PILOT
from fastsumo.trial.survival import survival
from fastsumo.vmath import exp

_LAST_TRIAL = 2**63 - 1
_PILOT_SAMPLES = 2**12
_FEW = 0.1  # split trials expected in a run, below which nothing is compiled for them in advance
_AHEAD = 64  # batches that are begun before the first is taken


@lru_cache(maxsize=256)
def _plan_of(estimator: Estimator) -> tuple[Plan, OwnedParams]:
    """The plan of an estimator, and what kernels are told of it, which takes as long as some hundred trials."""
    plan = estimator.plan()
    return plan, params_of(plan)


def open_trials(wanted: Wanted) -> CpuEngine:
    """See `devices.open_engine`."""
    return CpuEngine(wanted)


def require(number: int) -> None:
    """See `devices.require_device`: there always is a CPU."""


def open_rows(model: Model, estimator: Estimator, seed: int, threads: int) -> CpuRowEngine:
    """See `devices.open_row_engine`."""
    return CpuRowEngine(model, estimator, seed, threads)


def _compiled_beside(plan: Plan, linear: bool, *more: Callable[[], object]) -> Callable[[], None]:
    """Have another process compile what runs the trials, and more, if there may be one; a function that waits for it.

    It takes as long as all else that a run compiles.
    """
    return beside(partial(trials_are_kept, plan.kind, linear), partial(trials_at, plan.kind, linear), *more)


class OpenModel:
    """A compiled model under an estimator and a seed: what kernels are told of it, and the threads that may run it.

    ``linear``: it begins with weights in the linear range. ``wait`` waits for what is compiled beside.
    """

    def __init__(
        self, model: Model, estimator: Estimator, seed: int, threads: int, linear: bool, wait: Callable[[], None]
    ) -> None:
        self.model, self.estimator, self.seed, self.threads = model, estimator, int(seed), threads
        self.plan, of_plan = _plan_of(estimator)
        proof = Proof(model)
        if model.vectorized:
            proof.look()
            self._compiled = looked_up()
        else:
            with compiling(model):
                self._compiled = compiled(model, proof)
        self._owned = with_model(of_plan, self._compiled, self.seed)
        self.params = self._owned.params
        self.crew = Crew()
        self.split: SplitTrials | None = None
        self.linear = linear  # no weight was met so far that is outside the linear range
        self.expects_split = False
        self.trials_at, self._wait = 0, wait

    @property
    def elapsed(self) -> float:
        return self.crew.clock.elapsed

    def scratch(self) -> Scratch:
        """Memory for a worker, and who feeds its kernels if the model is vectorised."""
        scratch = Scratch.taken(self.params)
        scratch.feed = Feed(self, scratch) if self.model.vectorized else None
        return scratch

    def find_trials(self) -> None:
        """Compile what runs the trials now, after all else: it may be compiled beside."""
        self._wait()
        self.trials_at = trials_at(self.plan.kind, self.linear)

    def drawn_by(self, trial: int, estimator: Estimator | None) -> tuple[Estimator, int]:
        """The estimator, the run's unless one is given, and the seed that a trial's samples are of.

        The pilot of a row of data has its own.
        """
        if self.model.data is not None and trial % ROW_TRIALS == PILOT_TRIAL:
            return IWAE(ROW_PILOT), 0
        return estimator or self.estimator, self.seed

    def error(self, trial: int, status: int, estimator: Estimator | None = None) -> Exception:
        """What is wrong with a trial, of the run's estimator or of another that took the same log weights."""
        (estimator, seed), found = self.drawn_by(trial, estimator), None
        if status != BAD_VALUE:
            plan, of_plan = _plan_of(estimator)
            params = with_model(of_plan, self._compiled, seed).params
            found = culprit(self.model, self._compiled, params, plan, trial)
        return trial_error(self.model, estimator, seed, trial, status, found)


class CpuEngine(OpenModel):
    """One model, estimator, seed and centre; see `interface.Engine`."""

    def __init__(self, wanted: Wanted) -> None:
        (plan, of_plan), threads = _plan_of(wanted.estimator), wanted.threads
        along_samples = plan.kind in (kinds.SUMO, kinds.IWAE)
        linear = along_samples or plan.kind == kinds.TAYLOR
        splits = threads > 1 and along_samples and plan.samples(plan.largest) > SPLIT_ABOVE
        more = [partial(_compile_split_if_expected, plan, of_plan.params, wanted.trials)] if splits else []
        wait = _compiled_beside(plan, linear, *more, compile_taking) if threads > 1 and wanted.trials else nothing
        super().__init__(wanted.model, wanted.estimator, wanted.seed, threads, linear, wait)
        self.center = self._find_center() if wanted.center is None else wanted.center
        self.params = with_center(self.params, self.center)
        if splits:
            self.params = self.params._replace(split_above=SPLIT_ABOVE)
            self.split = SplitTrials(self.params, threads)

    def tally(self, first: int, count: int, watcher: Watcher) -> Tallied:
        blocks = self._blocks(first, count)
        workers = [TallyWorker(self, self.center) for _ in range(self._workers(blocks))]
        interrupted = self._run(workers, blocks, watcher)
        parts = [worker.statistics() for worker in workers]
        spans = joined([span for worker in workers for span in worker.done])
        for trial in self.split.pending if self.split else ():
            spans = without(spans, trial)
        if not spans:
            raise KeyboardInterrupt
        return Tallied(merged(parts, self.center), spans, interrupted)

    def sample(self, first: int, count: int) -> tuple[Floats, Ints]:
        values, terms = np.empty(count), np.empty(count, np.int64)
        blocks = self._blocks(first, count)
        workers = [SampleWorker(self, first, values, terms) for _ in range(self._workers(blocks))]
        if self._run(workers, blocks, Unwatched()):
            raise KeyboardInterrupt
        return values, terms

    def terms(self, trial: int) -> int:
        terms = np.empty(1, np.int64)
        draw_terms(self.params, np.uint64(trial), terms.ctypes.data, 1)
        return int(terms[0])

    def log_weights(self, trial: int, count: int) -> Floats:
        log_weights, status = self._first_log_weights(self.params, trial, count)
        if status == RAISED:
            raise self.error(trial, RAISED)
        return log_weights

    def increments(self, marks: Ints, n: int, count: int) -> Iterator[Floats]:
        size, width, local = sequences_of_batch(n), width_of(marks.size, n), threading.local()
        starts = range(0, count, size)

        def batch(first: int) -> Floats:
            if not hasattr(local, "scratch"):
                local.scratch, local.log_weights = self.scratch(), np.empty(n)
            rows = np.empty((min(size, count - first), width))
            where = local.scratch.address, np.uint64(first), rows.shape[0], n, marks.ctypes.data, marks.size
            addresses = local.log_weights.ctypes.data, rows.ctypes.data
            with local.scratch.serving(Work(self.seed, first, first + len(rows), n)):
                status, done = increments_block(self.params, *where, *addresses, width)
            if status != OK:
                raise self.error(first + int(done), status, IWAE(n))
            return rows

        with ThreadPoolExecutor(self.threads) as pool:
            for i in range(0, len(starts), _AHEAD):
                yield from pool.map(batch, starts[i : i + _AHEAD])

    def _find_center(self) -> float:
        """The known log evidence, else a pilot estimate of it.

        The pilot uses the last trial number of seed 0, so it is a function of the model alone.
        """
        if self.model.log_evidence is not None:
            return self.model.log_evidence
        params = self.params._replace(key=np.uint64(0))
        log_weights, _ = self._first_log_weights(params, _LAST_TRIAL, _PILOT_SAMPLES)
        finite = log_weights[np.abs(log_weights) <= np.finfo(float).max]
        if finite.size == 0:
            return 0.0
        top = finite.max()
        return float(top + exact.log(exact.total(exp(finite - top)) / log_weights.size))

    def _first_log_weights(self, params: KernelParams, trial: int, count: int) -> tuple[Floats, int]:
        """The first log weights of a trial, NaN from where the model raises; and the status."""
        out, scratch = np.full(count, np.nan), self.scratch()
        where = scratch.address, np.uint64(trial), 0, count, out.ctypes.data
        with scratch.serving(Work(int(params.key), trial, trial + 1, count, strict=False)):
            status = log_weights_of(params, *where)
        scratch.give_back()
        return out, status

    def _blocks(self, first: int, count: int) -> Blocks:
        return Blocks(first, count, block_size(self.estimator, self.model))

    def _workers(self, blocks: Blocks) -> int:
        """How many threads have something to do."""
        return self.threads if self.split else min(self.threads, blocks.total)

    def _run(self, workers: list[Any], blocks: Blocks, watcher: Watcher) -> bool:
        """Run all blocks; whether Ctrl-C ended it early."""
        self.expects_split = self.split is not None and _expects_split(self.plan, blocks.trials)
        workers[0].compile()
        short = not self.model.vectorized and is_short(self.estimator, self.model, blocks.trials)
        return self.crew.run(workers, blocks, watcher, short and len(workers) == 1)


def _expects_split(plan: Plan, trials: int) -> bool:
    """Whether a trial among so many is likely to be split."""
    if plan.kind == kinds.IWAE:
        return trials > 0
    return trials * min(1.0, float(survival(plan.law, SPLIT_ABOVE) / survival(plan.law, plan.low))) > _FEW


def _compile_split_if_expected(plan: Plan, params: KernelParams, trials: int) -> None:
    """For the process beside, so that no run that needs none takes the time to know."""
    if _expects_split(plan, trials):
        compile_split(params)


class CpuRowEngine(OpenModel):
    """One model with data, estimator and seed; see `interface.RowEngine`.

    Rows have no common centre, and no split trials, which would leave a row unfinished.
    """

    def __init__(self, model: Model, estimator: Estimator, seed: int, threads: int) -> None:
        wait = _compiled_beside(_plan_of(estimator)[0], linear=False) if threads > 1 else nothing
        super().__init__(model, estimator, seed, threads, linear=False, wait=wait)

    def evaluate(self, trials: int, watcher: Watcher) -> RowsDone:
        assert self.model.data is not None
        rows = self.model.data.shape[0]
        blocks = Blocks(0, rows, rows_of_block(self.estimator, self.model, trials))
        sums = no_trials(rows)
        workers = [RowWorker(self, trials, sums) for _ in range(min(self.threads, blocks.total))]
        workers[0].compile()
        interrupted = self.crew.run(workers, blocks, watcher)
        if interrupted and not any(worker.done for worker in workers):
            raise KeyboardInterrupt
        return RowsDone(sums, len(workers), interrupted)
