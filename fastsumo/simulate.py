"""`simulate`, `sample` and `replay`: what they take, what is wrong with it, and what they give. `running` runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo import _check
from fastsumo.estimators import Estimator
from fastsumo.machine import available_threads
from fastsumo.model import ROW_TRIALS, Model
from fastsumo.progress import Progress, make_progress
from fastsumo.running import MAX_TRIALS, Run
from fastsumo.specs import compact

if TYPE_CHECKING:
    from fastsumo.result import Result

MAX_SEED = 2**64 - 1
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

        most, start = checked(model, estimator, _MOST_UNTIL if trials is None else trials, seed, first_trial)
        options = {"seed": seed, "threads": threads, "progress": progress}
        return simulate_until(model, estimator, until, most, first_trial=start, **options)
    if trials is None:
        raise TypeError("simulate needs a number of trials, or until=dict(std_error=...)")
    count, start = checked(model, estimator, trials, seed, first_trial)
    workers = available_threads() if threads is None else _check.whole("threads", threads, 1, 4096)
    run = Run(model, estimator, seed, workers)
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
    count, start = checked(model, estimator, trials, seed, first_trial)
    workers = available_threads() if threads is None else _check.whole("threads", threads, 1, 4096)
    run = Run(model, estimator, seed, workers)
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
    _, at = checked(model, estimator, 1, seed, at, "trial")
    number = offset + at
    keep = _check.whole("max_samples", max_samples, 1)
    run = Run(model, estimator, seed, available_threads())
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


def checked(
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
