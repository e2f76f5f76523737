"""`simulate`, `sample` and `replay`: runs of trials on threads. The only callers of the kernels.

A run hands out blocks of consecutive trials to a pool of threads; each thread fills its own tally. Tallies add
exactly, so nothing depends on who ran what. Ctrl-C stops at the next buffer and keeps every finished tile.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo import _check
from fastsumo._glance import Glance, glance_of
from fastsumo.estimators import LAST, PREFIX, Estimator
from fastsumo.giants import GIANT, NO_GIANT, Giants
from fastsumo.machine import available_threads
from fastsumo.model import ROW_TRIALS, Model
from fastsumo.progress import Progress, make_progress
from fastsumo.specs import compact

if TYPE_CHECKING:
    from fastsumo.kernels.job import Job
    from fastsumo.result import Result

MAX_TRIALS = 2**63 - 1
MAX_SEED = 2**64 - 1
_BLOCK = 65_536  # trials, for the cheapest estimators ...
_BLOCK_WORK = 2**22  # ... numbers drawn, for the dearest
_PILOT_SAMPLES = 2**12
_MOST_UNTIL = 2**50  # trials, where only a standard error is asked for


def simulate(
    model: Model,
    estimator: Estimator,
    trials: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | Progress | None = None,
    *,
    first_trial: int = 0,
    until: Mapping[str, float] | None = None,
) -> Result:
    """Run many trials and keep their statistics.

    Parameters
    ----------
    model : Model
    estimator : Estimator
        For example ``fs.SUMO(fs.roulette.Harmonic())``.
    trials : int
        How many; integral floats such as ``1e7`` are welcome. With ``until``, the most that may be run.
    seed : int
        From 0 to ``2**64 - 1``. A trial is a function of model, estimator, seed and trial number alone.
    threads : int, optional
        By default the cores that this process may use.
    progress : bool or Progress, optional
        A bar; by default where somebody is looking (a terminal, a notebook).
    first_trial : int
        Number of the first trial, so that a run can be continued and merged with what came before.
    until : dict, optional
        ``dict(std_error=1e-4)`` runs until the standard error of the mean is that small, and refuses to where the
        variance is infinite.

    Returns
    -------
    Result
        After Ctrl-C, the trials done so far, marked ``interrupted``.

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled, raises, or returns NaN or +inf; names the trial, so that `replay` shows it.
    ValueError, TypeError
        If an argument is not as above, or ``until`` asks for a standard error that does not exist.

    Examples
    --------
    >>> import fastsumo as fs
    >>> r = fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), trials=100_000, seed=1)
    >>> r.trials, abs(r.mean - r.log_evidence) < 0.1
    (100000, True)
    """
    from fastsumo.result import Provenance, Result

    if until is not None:
        from fastsumo.stopping import simulate_until

        most, start = _checked(model, estimator, _MOST_UNTIL if trials is None else trials, seed, first_trial)
        options = {"seed": seed, "threads": threads, "progress": progress}
        return simulate_until(model, estimator, until, most, first_trial=start, **options)
    if trials is None:
        raise TypeError("simulate needs a number of trials, or until=dict(std_error=...)")
    count, start = _checked(model, estimator, trials, seed, first_trial)
    workers = available_threads() if threads is None else _check.whole("threads", threads, 1, 4096)
    run = _Run(model, estimator, seed, workers)
    with make_progress(progress, count, f"{model.name} · {compact(repr(estimator))}") as bar:
        bar.stage("compiling")
        run.prepare()
        center = run.center
        statistics, ranges, interrupted = run.tally(start, count, center, bar)
    return Result(
        provenance=Provenance.of(model, estimator),
        statistics=statistics,
        ranges={int(seed): ranges},
        center=center,
        elapsed=run.elapsed,
        threads=workers,
        interrupted=interrupted,
    )


def sample(
    model: Model,
    estimator: Estimator,
    trials: int,
    seed: int = 0,
    threads: int | None = None,
    *,
    first_trial: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The values of trials, one by one.

    Parameters
    ----------
    model, estimator, trials, seed, threads, first_trial
        As in `simulate`.

    Returns
    -------
    values : ndarray of float64, shape (trials,)
        ``-inf`` where a prefix had no weight at all.
    terms : ndarray of int64, shape (trials,)
        `K` of each trial; the number of samples for `IWAE`.

    Examples
    --------
    >>> import fastsumo as fs
    >>> values, terms = fs.sample(fs.models.note(), fs.ELBO(), 1000)
    >>> values.shape, int(terms.max())
    ((1000,), 1)
    """
    count, start = _checked(model, estimator, trials, seed, first_trial)
    workers = available_threads() if threads is None else _check.whole("threads", threads, 1, 4096)
    run = _Run(model, estimator, seed, workers)
    run.prepare()
    return run.values(start, count)


@dataclass(frozen=True, eq=False)
class Trial:
    """One trial whole, as `replay` gives it.

    Attributes
    ----------
    trial, seed, terms : int
        ``terms`` is `K`.
    value : float
        The same bits as in `sample`.
    log_weights : ndarray, shape (samples,)
    iwae : ndarray, shape (samples,)
        ``L_1, L_2, ...``: the logs of the running means of the weights.
    increments : ndarray, shape (samples - 1,)
        ``L_{k+1} - L_k``.
    roulette_weights : ndarray, shape (K,)
        ``1 / P(K >= j)``; empty for `IWAE`.

    Examples
    --------
    >>> import fastsumo as fs
    >>> one = fs.replay(fs.models.note(), fs.SUMO(), trial=7)
    >>> one.terms, one.log_weights.size, one.increments.size, one.roulette_weights[:3]
    (23, 24, 23, array([1., 2., 3.]))
    >>> bool(abs(one.iwae[0] + one.increments @ one.roulette_weights - one.value) < 1e-9)
    True
    """

    trial: int
    seed: int
    terms: int
    value: float
    log_weights: NDArray[np.float64]
    iwae: NDArray[np.float64]
    increments: NDArray[np.float64]
    roulette_weights: NDArray[np.float64]

    def __repr__(self) -> str:
        return (
            f"Trial {self.trial} (seed {self.seed}): value {self.value:.10g}, K = {self.terms}, "
            f"{self.log_weights.size} samples kept"
        )


def replay(
    model: Model,
    estimator: Estimator,
    trial: int,
    seed: int = 0,
    *,
    max_samples: int = 2**22,
    row: int | None = None,
) -> Trial:
    """One trial again, with everything that went into it.

    Parameters
    ----------
    model, estimator, seed
        As in `simulate`.
    trial : int
        Its number.
    max_samples : int
        Of a longer trial only the first ``max_samples`` log weights are kept; the value is that of all.
    row : int, optional
        Of a model with data: the row whose trial it is, as in `fs.evaluate`.

    Returns
    -------
    Trial

    Examples
    --------
    >>> import fastsumo as fs
    >>> estimator = fs.SUMO(fs.roulette.Harmonic())
    >>> one = fs.replay(fs.models.note(), estimator, trial=7)
    >>> bool(one.value == fs.sample(fs.models.note(), estimator, 8)[0][7])
    True
    """
    offset, at = 0, trial
    if row is not None and isinstance(model, Model):
        offset = model.check_row(row) * ROW_TRIALS
        at = _check.whole("trial", trial, 0, ROW_TRIALS - 1)
        model = model.at_row(row)
    _, at = _checked(model, estimator, 1, seed, at, "trial")
    number = offset + at
    keep = _check.whole("max_samples", max_samples, 1)
    run = _Run(model, estimator, seed, available_threads())
    run.prepare()
    plan = estimator.plan()
    terms = run.terms(number)
    log_weights = run.log_weights(number, min(plan.samples(terms), keep))
    counts = np.arange(1.0, log_weights.size + 1.0)
    with np.errstate(invalid="ignore"):
        iwae = np.logaddexp.accumulate(log_weights) - np.log(counts)
        increments = np.diff(iwae)
    kept = np.arange(1, min(terms, keep) + 1)
    law = getattr(estimator, "roulette", None)
    weights = np.empty(0) if law is None else 1.0 / law.survival(kept)
    bad = ~(log_weights <= np.finfo(float).max)
    value = math.nan if bad.any() else float(run.values(number, 1)[0][0])
    return Trial(at, run.seed, terms, value, log_weights, iwae, increments, weights)


def _checked(
    model: Any, estimator: Any, trials: Any, seed: Any, first: Any, first_name: str = "first_trial"
) -> tuple[int, int]:
    """The number of trials and the first one; errors before anything is compiled."""
    if not isinstance(model, Model):
        hint = "; decorate it with @fs.model(dim=...)" if callable(model) else ""
        raise TypeError(f"model must be a fastsumo Model, got {model!r}{hint}")
    if not isinstance(estimator, Estimator):
        hint = f"; did you mean {estimator.__name__}(...)?" if isinstance(estimator, type) else ""
        raise TypeError(f"estimator must be one such as fs.SUMO(fs.roulette.Harmonic()), got {estimator!r}{hint}")
    if model.data is not None:
        raise ValueError(
            f"model {model.name!r} has data: use fs.evaluate, which takes every row in turn, or one row with its at_row"
        )
    count = _check.whole("trials", trials, 1, MAX_TRIALS)
    _check.whole("seed", seed, 0, MAX_SEED)
    return count, _check.whole(first_name, first, 0, MAX_TRIALS - count)


class _Run:
    """One (model, estimator, seed) on some threads."""

    def __init__(self, model: Model, estimator: Estimator, seed: int, threads: int) -> None:
        self.model, self.estimator, self.seed, self.threads = model, estimator, int(seed), threads
        self.stopped = False
        self.elapsed = 0.0  # seconds that trials took, without what was compiled for them

    def prepare(self) -> None:
        """Compile the model, or find it compiled."""
        from fastsumo.errors import compiling
        from fastsumo.kernels.job import make_job
        from fastsumo.kernels.weights import compiled

        with compiling(self.model):
            self._compiled = compiled(self.model)
        self.center = self._center()
        self._owned = make_job(self._compiled, self.estimator.plan(), self.seed, self.center)
        self.job = self._owned.job
        self.giants: Giants | None = None
        if self.threads > 1 and self.job.kind in (PREFIX, LAST) and self.job.minimum + self.job.cap > GIANT:
            self.job = self.job._replace(giant=GIANT)
            self.giants = Giants(self.job, self.threads)

    def _center(self) -> float:
        """Where powers of ``value - center`` are taken: the known log evidence, else a pilot estimate of it.

        The pilot uses the last trial number of seed 0, so it is a function of the model alone.
        """
        if self.model.log_evidence is not None:
            return self.model.log_evidence
        from fastsumo.kernels.job import make_job

        pilot = make_job(self._compiled, self.estimator.plan(), 0)
        log_weights, _ = _log_weights(pilot.job, MAX_TRIALS, _PILOT_SAMPLES)
        finite = log_weights[np.abs(log_weights) <= np.finfo(float).max]
        if finite.size == 0:
            return 0.0
        top = finite.max()
        return float(top + np.log(np.sum(np.exp(finite - top)) / log_weights.size))

    def tally(self, first: int, count: int, center: float, bar: Progress) -> tuple[Any, list[tuple[int, int]], bool]:
        """Statistics of the trials, the ranges of trials done, and whether Ctrl-C ended it early."""
        from fastsumo.accumulate import Statistics

        blocks = _Blocks(first, count, _block_size(self.estimator, self.model))
        workers = [_TallyWorker(self, center) for _ in range(self._workers(blocks))]
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
        blocks = _Blocks(first, count, _block_size(self.estimator, self.model))
        workers = [_SampleWorker(self, first, values, terms) for _ in range(self._workers(blocks))]
        if self._work(workers, blocks, Progress()):
            raise KeyboardInterrupt
        return values, terms

    def _workers(self, blocks: _Blocks) -> int:
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

        log_weights, status = _log_weights(self.job, trial, count)
        if status == RAISED:
            raise trial_error(self.model, self.estimator, self.seed, trial, RAISED)
        return log_weights

    def _work(self, workers: list[Any], blocks: _Blocks, bar: Progress) -> bool:
        """Run all blocks on the workers' threads; whether Ctrl-C ended it early. The main thread only watches."""
        workers[0].compile()
        bar.stage("running")
        began = time.perf_counter()
        threads = [threading.Thread(target=worker.loop, args=(blocks,), daemon=True) for worker in workers]
        interrupted = False
        try:
            for thread in threads:
                thread.start()
            for worker in workers:
                while not (worker.ended.wait(0.05) or self.stopped):
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
        self.elapsed = time.perf_counter() - began
        return interrupted


class _Blocks:
    """Hands out blocks of trials, aligned to multiples of their size."""

    def __init__(self, first: int, count: int, size: int) -> None:
        self._first, self._stop, self._size = first, first + count, size
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


class _Worker:
    """One thread's buffers and what it has done."""

    def __init__(self, run: _Run) -> None:
        from fastsumo.kernels.job import Work

        self.run, self.work = run, Work(run.job)
        self.found = np.zeros((_BLOCK, 2), np.int64)  # giants of a block: trial, K
        self.done: list[tuple[int, int]] = []
        self.trials_done = 0
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def compile(self) -> None:
        """Compile what the worker calls, before there are threads."""
        from fastsumo.kernels import _jit

        _jit.compile_for(*self._kernel_call(0, 0))
        if self.run.giants is not None:
            self.run.giants.compile(self.work)

    def loop(self, blocks: _Blocks) -> None:
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
        from fastsumo.kernels.block import sample_block

        value, terms = np.empty(1), np.empty(1, np.int64)
        job = self.run.job._replace(giant=NO_GIANT)
        addresses = value.ctypes.data, terms.ctypes.data, self.found.ctypes.data
        self._check(sample_block(job, self.work.address, np.uint64(trial), 1, *addresses)[0])
        return float(value[0])

    def _next_block(self, blocks: _Blocks) -> bool:
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
        kernel, *arguments = self._kernel_call(first, count)
        return tuple(kernel(*arguments))  # type: ignore[return-value]

    def _kernel_call(self, first: int, count: int) -> tuple[Any, ...]:
        """The kernel that runs a block, and its arguments."""
        raise NotImplementedError

    def _keep(self, trial: int, terms: int, value: float) -> None:
        """Take a finished giant."""
        raise NotImplementedError

    def glance(self, workers: list[Any]) -> Glance | None:
        """A rough view of the run for whoever is looking; None where there is none."""
        return None


class _TallyWorker(_Worker):
    """A worker that keeps statistics."""

    def __init__(self, run: _Run, center: float) -> None:
        from fastsumo.kernels.statistics import Tally

        super().__init__(run)
        self.center, self.tally = center, Tally()

    def compile(self) -> None:
        from fastsumo.kernels import _jit
        from fastsumo.kernels.block import tally_one

        super().compile()
        if self.run.giants is not None:
            tally = self.center, self.tally.address
            _jit.compile_for(tally_one, self.run.job, self.work.address, np.uint64(0), 1, 0.0, *tally)

    def _kernel_call(self, first: int, count: int) -> tuple[Any, ...]:
        from fastsumo.kernels.block import kernels_of

        return (
            kernels_of(self.run.job.kind)[0],
            self.run.job,
            self.work.address,
            np.uint64(first),
            count,
            self.center,
            self.tally.address,
            self.found.ctypes.data,
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


class _SampleWorker(_Worker):
    """A worker that writes values into shared arrays, each to its own place."""

    def __init__(self, run: _Run, first: int, values: NDArray[np.float64], terms: NDArray[np.int64]) -> None:
        super().__init__(run)
        self.first, self.values, self.terms = first, values, terms

    def _kernel_call(self, first: int, count: int) -> tuple[Any, ...]:
        from fastsumo.kernels.block import kernels_of

        offset = max(first - self.first, 0)
        return (
            kernels_of(self.run.job.kind)[1],
            self.run.job,
            self.work.address,
            np.uint64(first),
            count,
            self.values[offset:].ctypes.data,
            self.terms[offset:].ctypes.data,
            self.found.ctypes.data,
        )

    def _keep(self, trial: int, terms: int, value: float) -> None:
        self.values[trial - self.first] = value


def joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Disjoint spans (first, last + 1), sorted, neighbours made one."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if out and out[-1][1] == low:
            out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return out


def without(spans: list[tuple[int, int]], trial: int) -> list[tuple[int, int]]:
    """The spans with one trial taken out."""
    cut = [part for low, high in spans for part in ((low, min(high, trial)), (max(low, trial + 1), high))]
    return joined([span for span in cut if span[0] < span[1]])


def _block_size(estimator: Estimator, model: Model) -> int:
    """Trials of a block: a power of two that depends on the estimator and the model's dimension only."""
    cost = min(estimator.expected_cost(), 1e15)
    if not math.isfinite(estimator.expected_cost()):
        cost = estimator.plan().minimum + 40.0
    return 2 ** int(math.log2(max(1.0, min(_BLOCK, _BLOCK_WORK / (cost * max(model.noise_dim, 2))))))


def _log_weights(job: Job, trial: int, count: int) -> tuple[NDArray[np.float64], int]:
    """The first log weights of a trial, NaN from where the model raises; and the status."""
    from fastsumo.kernels.block import log_weights_of
    from fastsumo.kernels.job import Work

    out, work = np.full(count, np.nan), Work()
    status = log_weights_of(job, work.address, np.uint64(trial), 0, count, out.ctypes.data)
    return out, status
