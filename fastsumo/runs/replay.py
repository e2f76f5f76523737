"""`replay`: one trial again, whole, and `Trial`, which holds what went into it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.engine.devices import open_engine
from fastsumo.estimators.estimators import Estimator
from fastsumo.models.model import ROW_TRIALS, Model
from fastsumo.runs.arguments import check_run, thread_count


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


@own_errstate
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
        at = checks.whole("trial", trial, 0, ROW_TRIALS - 1)
        model = model.at_row(row)
    _, at = check_run(model, estimator, 1, seed, at, "trial")
    number = offset + at
    keep = checks.whole("max_samples", max_samples, 1)
    engine = open_engine(model, estimator, int(seed), threads=thread_count(None, model))
    plan = estimator.plan()
    terms = engine.terms(number)
    log_weights = engine.log_weights(number, min(plan.samples(terms), keep))
    counts = np.arange(1.0, log_weights.size + 1.0)
    with np.errstate(invalid="ignore"):
        iwae = np.logaddexp.accumulate(log_weights) - np.log(counts)
        increments = np.diff(iwae)
    kept = np.arange(1, min(terms, keep) + 1)
    law = getattr(getattr(estimator, "estimator", estimator), "roulette", None)  # of a stratum, that of the whole
    weights = np.empty(0) if law is None else 1.0 / law.survival(kept)
    bad = ~(log_weights <= np.finfo(float).max)
    value = math.nan if bad.any() else float(engine.sample(number, 1)[0][0])
    return Trial(at, int(seed), terms, value, log_weights, iwae, increments, weights)
