"""What all runs check of their arguments, before anything is compiled."""

from __future__ import annotations

from typing import Any

from fastsumo.base import checks
from fastsumo.base.machine import available_threads
from fastsumo.estimators.estimators import Estimator, Taylor, whole_of
from fastsumo.estimators.parsing import as_estimator
from fastsumo.models.model import Model
from fastsumo.models.parsing import as_model
from fastsumo.theory import centered

MAX_TRIALS = 2**63 - 1
MAX_SEED = 2**64 - 1


def what_to_run(model: Any, estimator: Any) -> tuple[Model, Estimator]:
    """A model without data and an estimator, of themselves or of words for them.

    Raises
    ------
    TypeError, ValueError
        If one is neither, or the model has data.
    """
    made, kind = as_model(model), as_estimator(estimator)
    if made.data is not None:
        raise ValueError(
            f"model {made.name!r} has data: use fs.evaluate (`fastsumo evaluate`), which takes every row in turn, or "
            "one row with its at_row"
        )
    return made, kind


def check_run(trials: Any, seed: Any, first: Any = 0, first_name: str = "first_trial") -> tuple[int, int]:
    """The number of trials and the first one; errors before anything is compiled."""
    count = checks.whole("trials", trials, 1, MAX_TRIALS)
    checks.whole("seed", seed, 0, MAX_SEED)
    return count, checks.whole(first_name, first, 0, MAX_TRIALS - count)


def settled(model: Model, estimator: Estimator) -> Estimator:
    """The estimator as it is run: one of Taylor's series with a number for its centre.

    Raises
    ------
    ValueError
        If the model knows its log evidence, and by that the series diverges.
    """
    found = centered(model, estimator)
    series = whole_of(found)
    if isinstance(series, Taylor) and series.log_center is not None and model.log_evidence is not None:
        below = model.log_evidence - series.log_center
        if below >= _LOG_2 and not series.plan().law.capped:
            raise ValueError(
                f"log_center={series.log_center:.6g} lies {below:.4g} below the log evidence of model {model.name!r}, "
                f"{model.log_evidence:.6g}: from log 2 on Taylor's series diverges, and the estimator has no mean. "
                "Take a larger one, or log_center=None"
            )
    return found


_LOG_2 = 0.6931471805599453


def thread_count(threads: Any, model: Model) -> int:
    """How many threads; by default the cores that this process may use, or one for a vectorised model."""
    if threads is None:
        return 1 if model.vectorized else available_threads()
    return checks.whole("threads", threads, 1, 4096)
