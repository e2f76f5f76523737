"""`simulate` and `sample`: what they take, what is wrong with it, and what they give; the engine runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.base.words import spelled
from fastsumo.engine.devices import check_device, open_engine
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.labels import label
from fastsumo.models.model import Model
from fastsumo.report.progress import Progress, make_progress
from fastsumo.runs.arguments import check_run, settled, thread_count, what_to_run
from fastsumo.runs.provenance import Provenance
from fastsumo.runs.result import Result
from fastsumo.runs.until import simulate_until

_MOST_UNTIL = 2**50  # trials, where only a standard error is asked for


@own_errstate
@spelled
def simulate(
    model: Model | str,
    estimator: Estimator | str,
    trials: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | Progress | None = None,
    *,
    first_trial: int = 0,
    until: Mapping[str, float] | None = None,
    device: str = "cpu",
) -> Result:
    """Run many trials and keep their statistics.

    Parameters
    ----------
    model : Model or str
        A word is understood as on the command line: ``"gamma:1.5"``, ``"file.py:name"``, ``"module:name"``.
    estimator : Estimator or str
        For example ``fs.SUMO(fs.roulette.Harmonic())``, or ``"sumo:harmonic:cap=80"``.
    trials : int
        How many; integral floats such as ``1e7`` are welcome. With ``until``, the most that may be run.
    seed : int
        From 0 to ``2**64 - 1``. A trial is a function of model, estimator, seed and trial number alone.
    threads : int, optional
        By default the cores that this process may use; 1 for a vectorised model.
    progress : bool or Progress, optional
        A bar; by default where somebody is looking (a terminal, a notebook).
    first_trial : int
        Number of the first trial, so that a run can be continued and merged with what came before; to the bits of one
        run if it is a multiple of 4096 (see `Result.merge`).
    until : dict, optional
        ``dict(std_error=1e-4)`` runs until the standard error of the mean is that small, and refuses to where the
        variance is infinite.
    device : str
        "cpu"; or "cuda", "cuda:1", ... for an NVIDIA GPU, with the same result to the last bit.

    Returns
    -------
    Result
        After Ctrl-C, the trials done so far, marked ``interrupted``.

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled, raises, or returns NaN or +inf; names the trial, so that `replay` shows it.
    fastsumo.DeviceError
        If the device cannot be used.
    ValueError, TypeError
        If an argument is not as above, or ``until`` asks for a standard error that does not exist.

    Examples
    --------
    >>> import fastsumo as fs
    >>> r = fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), trials=100_000, seed=1)
    >>> r.trials, abs(r.mean - r.log_evidence) < 0.1
    (100000, True)
    """
    check_device(device)
    made, kind = what_to_run(model, estimator)
    if trials is None and until is None:
        raise TypeError("simulate needs a number of trials, or until=dict(std_error=...)")
    most, start = check_run(_MOST_UNTIL if trials is None else trials, seed, first_trial)
    kind = settled(made, kind)
    if until is not None:

        def more(count: int, first: int) -> Result:
            return simulate(made, kind, count, seed, threads, progress, first_trial=first, device=device)

        return simulate_until(more, made, kind, until, most, start)
    return run_trials(made, kind, most, int(seed), thread_count(threads, made), progress, start, device=device)


def run_trials(
    model: Model,
    estimator: Estimator,
    count: int,
    seed: int,
    threads: int,
    progress: bool | Progress | None,
    first: int,
    center: float | None = None,
    device: str = "cpu",
) -> Result:
    """`simulate` of checked arguments, with a centre of the caller's choice where one is given."""
    with make_progress(progress, count, f"{model.name} · {label(estimator)}") as bar:
        bar.stage("compiling")
        engine = open_engine(model, estimator, seed, threads=threads, center=center, device=device, trials=count)
        statistics, spans, interrupted = engine.tally(first, count, bar)
    return Result(
        provenance=Provenance.of(model, estimator),
        statistics=statistics,
        ranges={seed: spans},
        center=engine.center,
        elapsed=engine.elapsed,
        threads=threads,
        interrupted=interrupted,
        _model=model,
    )


@own_errstate
@spelled
def sample(
    model: Model | str,
    estimator: Estimator | str,
    trials: int,
    seed: int = 0,
    threads: int | None = None,
    *,
    first_trial: int = 0,
    device: str = "cpu",
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The values of trials, one by one.

    Parameters
    ----------
    model, estimator, trials, seed, threads, first_trial, device
        As in `simulate`.

    Returns
    -------
    values : ndarray of float64, shape (trials,)
        ``-inf`` where a prefix had no weight at all.
    terms : ndarray of int64, shape (trials,)
        `K` of each trial; the number of samples for `IWAE`.

    Raises
    ------
    fastsumo.ModelError, fastsumo.DeviceError, ValueError, TypeError
        As in `simulate`.

    Examples
    --------
    >>> import fastsumo as fs
    >>> values, terms = fs.sample(fs.models.note(), fs.ELBO(), 1000)
    >>> values.shape, int(terms.max())
    ((1000,), 1)
    """
    made, kind = what_to_run(model, estimator)
    count, start = check_run(trials, seed, first_trial)
    check_device(device)
    kind = settled(made, kind)
    engine = open_engine(made, kind, int(seed), threads=thread_count(threads, made), device=device, trials=count)
    return engine.sample(start, count)
