"""`replay`: one trial again, whole, and `Trial`, which holds what went into it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown
from fastsumo.base.text import counted
from fastsumo.base.words import spelled
from fastsumo.engine.devices import open_engine
from fastsumo.errors import ModelError
from fastsumo.estimators.estimators import ELBO, Estimator, Taylor, estimated_center
from fastsumo.models.model import PILOT_TRIAL, ROW_TRIALS, Model
from fastsumo.models.parsing import as_model
from fastsumo.runs.arguments import check_run, settled, thread_count, what_to_run
from fastsumo.trial.sizes import ROW_PILOT


@dataclass(frozen=True, eq=False)
class Trial(Shown):
    """One trial whole, as `replay` gives it.

    Attributes
    ----------
    trial, seed, terms : int
        ``terms`` is `K`.
    value : float
        The same bits as in `sample`; NaN where there is none.
    log_weights : ndarray, shape (samples,)
    iwae : ndarray, shape (samples,)
        ``L_1, L_2, ...``: the logs of the running means of the weights.
    increments : ndarray, shape (samples - 1,)
        ``L_{k+1} - L_k``.
    roulette_weights : ndarray, shape (K,)
        ``1 / P(K >= j)``; empty for `IWAE`.
    factors : ndarray, shape (K,)
        For `Taylor`, the factors ``y_i = 1 - mean of a block / c``; else empty. Its ``increments``, shape (K,), are
        ``-y_1 ... y_k / k``, and the value is ``log_center + increments @ roulette_weights``.
    log_center : float
        For `Taylor`, the number that was used; else NaN.

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
    factors: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    log_center: float = math.nan

    def __repr__(self) -> str:
        return (
            f"Trial {self.trial} (seed {self.seed}): value {self.value:.10g}, K = {self.terms}, "
            f"{counted(self.log_weights.size, 'sample')} kept"
        )


@own_errstate
@spelled
def replay(
    model: Model | str,
    estimator: Estimator | str,
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

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled or raises; a NaN or +inf is shown, not raised.
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> import fastsumo as fs
    >>> estimator = fs.SUMO(fs.roulette.Harmonic())
    >>> one = fs.replay(fs.models.note(), estimator, trial=7)
    >>> bool(one.value == fs.sample(fs.models.note(), estimator, 8)[0][7])
    True
    """
    offset, at, made = 0, trial, as_model(model)
    if row is not None:
        offset = made.check_row(row) * ROW_TRIALS
        at = checks.whole("trial", trial, 0, ROW_TRIALS - 1)
        made = made.at_row(row)
    made, kind = what_to_run(made, estimator)
    _, at = check_run(1, seed, at, "trial")
    kind = settled(made, kind) if row is None else _at_row(made, kind, offset)
    number = offset + at
    keep = checks.whole("max_samples", max_samples, 1)
    engine = open_engine(made, kind, int(seed), threads=thread_count(None, made))
    plan = kind.plan()
    terms = engine.terms(number)
    log_weights = engine.log_weights(number, min(plan.samples(terms), keep))
    counts = np.arange(1.0, log_weights.size + 1.0)
    with np.errstate(invalid="ignore"):
        iwae = np.logaddexp.accumulate(log_weights) - np.log(counts)
        increments = np.diff(iwae)
    kept = np.arange(1, min(terms, keep) + 1)
    whole = getattr(kind, "estimator", kind)  # of a stratum, that of the whole
    law = getattr(whole, "roulette", None)
    weights = np.empty(0) if law is None else 1.0 / law.survival(kept)
    bad = ~(log_weights <= np.finfo(float).max)
    factors, center = np.empty(0), math.nan
    if isinstance(whole, Taylor) and whole.log_center is not None:
        center = whole.log_center
        factors, increments = _series(log_weights, whole.block, center)
        weights = weights[: factors.size]
    try:
        value = math.nan if bad.any() else float(engine.sample(number, 1)[0][0])
    except ModelError:
        if math.isnan(center):
            raise
        value = math.nan  # products of the series that no float64 holds
    return Trial(at, int(seed), terms, value, log_weights, iwae, increments, weights, factors, center)


def _series(
    log_weights: NDArray[np.float64], block: int, center: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The factors of a series, and its terms, of those blocks that are whole."""
    count = log_weights.size // block
    relative = log_weights[: count * block].reshape(count, block) - center
    with np.errstate(over="ignore", invalid="ignore"):
        factors = 1.0 - np.exp(relative).mean(axis=1)
        return factors, -np.cumprod(factors) / np.arange(1.0, count + 1.0)


def _at_row(model: Model, estimator: Estimator, first: int) -> Estimator:
    """The estimator as `evaluate` runs it for a row, whose first trial is given."""
    if not isinstance(estimator, Taylor):
        return estimator
    if estimator.log_center is not None:
        raise ValueError("a row of fs.evaluate has a centre of its own: leave log_center None")
    engine = open_engine(model, ELBO(), 0, threads=1)
    center = estimated_center(engine.log_weights(first + PILOT_TRIAL, ROW_PILOT), estimator.block)
    return replace(estimator, log_center=0.0 if math.isnan(center) else center)
