"""`simulate(..., until=dict(std_error=...))`: chunks of trials until the standard error is small enough.

Where the variance is infinite no number of trials will do: then this refuses and says why.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastsumo.base import checks
from fastsumo.base.text import have_no_value
from fastsumo.estimators.estimators import MLMC, Taylor
from fastsumo.estimators.labels import label
from fastsumo.theory import last_sample, tail

if TYPE_CHECKING:
    from fastsumo.estimators.estimators import Estimator
    from fastsumo.models.model import Model
    from fastsumo.runs.result import Result

_FIRST = 65_536  # trials of the first chunk, for the cheapest estimators ...
_FIRST_COST = 2**24  # ... importance samples, for the dearest
_FEWEST = 256
_TYPICAL_COST = 256.0  # of a trial whose expected cost is infinite
_GROWTH = 4  # a total is at most this many times the one before
_MARGIN = 1.02
_ENOUGH = 1000  # trials whose tail can be judged
_BLOCKS = 32  # of stratified trials that an error can be told from


Simulate = Callable[[int, int], "Result"]  # of so many trials from a number on


def simulate_until(
    simulate: Simulate, model: Model, estimator: Estimator, until: Mapping[str, float], most: int, first_trial: int
) -> Result:
    """Run trials until the standard error of the mean is as small as wanted, or ``most`` are done.

    The totals after each chunk follow from the statistics of the chunks before, which do not depend on threads; and
    chunks end at multiples of their size, so the result is that of one run of as many trials, whoever runs it.

    Raises
    ------
    ValueError
        If the variance is infinite by theory, or, where theory knows nothing of the weights, by the look of
        the first chunk; or if a trial has the value ``-inf``.
    """
    wanted = wanted_error(until)
    refuse_infinite_variance(model, estimator)
    chunk = _first_chunk(estimator)
    total = min(_rounded_up(chunk, first_trial, chunk), most)
    result = simulate(total, first_trial)
    _refuse_heavy_pilot(model, estimator, result)
    while not result.interrupted and result.trials < most:
        if math.isnan(result.variance):
            raise ValueError(
                f"{have_no_value(result.zero_weight_trials)} among {result.trials:,}: the mean has no standard error "
                "to wait for"
            )
        known = result.trials >= _BLOCKS * result.stratified or result.stratified == 1
        if known and result.std_error <= wanted:
            break
        variance = result.std_error**2 * result.trials if known and result.stratified > 1 else result.variance
        needed = _MARGIN * variance / wanted**2
        least = math.ceil(min(max(needed, result.trials + chunk), _GROWTH * result.trials))
        total = min(_rounded_up(least, first_trial, chunk), most)
        result = result.merge(simulate(total - result.trials, first_trial + result.trials))
    return result


def _rounded_up(trials: int, first_trial: int, chunk: int) -> int:
    """So many trials, or a few more, that the last one ends a chunk: merging then gives the bits of one run."""
    return trials + -(first_trial + trials) % chunk


def wanted_error(until: Any) -> float:
    """The standard error that ``until`` asks for."""
    if not isinstance(until, Mapping):
        raise TypeError(f"until must be a dict such as dict(std_error=1e-4), got {until!r}")
    for name in until:
        checks.choice("until", name, ("std_error",))
    if "std_error" not in until:
        raise ValueError("until is empty: say how small an error is wanted, such as until=dict(std_error=1e-4)")
    return checks.real("std_error", until["std_error"], 0.0)


def refuse_infinite_variance(model: Model, estimator: Estimator) -> None:
    """Raise where theory says that the values have no variance."""
    found = tail(model, estimator)
    if found.exists(2.0) is False:
        why = f" ({found.note})" if found.of_weights else ""
        raise ValueError(
            f"the values of {label(estimator)} on {model.name!r} have the tail index {found.index:.4g}{why}, so their "
            "variance is infinite and no number of trials brings the standard error down. "
            f"{_MEND_WEIGHTS if found.of_weights else _advice(model, estimator)}"
        )


_ADVICE = (
    "Cap the law of K, take a lighter one such as fs.roulette.PowerLaw(0.75, cap=...), or use {}; "
    "or run a fixed number of trials and read Result.interval(method='median-of-means')."
)
_SERIES_ADVICE = (
    "Take a larger block, a smaller p of fs.roulette.Geometric(p), or what fs.taylor_law(model) finds; "
    "or run a fixed number of trials and read Result.interval(method='median-of-means')."
)
_MEND_WEIGHTS = (
    "It is the weights that are heavy, and no law of K mends that: take a proposal whose tails are heavier than the "
    "target's where weights are too large, and lighter where they come too near zero; or more samples before the first "
    "increment (minimum), or in IWAE."
)


def _advice(model: Model, estimator: Estimator) -> str:
    if isinstance(estimator, Taylor):
        return _SERIES_ADVICE
    return _ADVICE.format("fs.MLMC()" if tail(model, MLMC()).exists(2.0) else "what fs.taylor_law(model) finds")


def _first_chunk(estimator: Estimator) -> int:
    cost = estimator.expected_cost()
    cost = _TYPICAL_COST if math.isinf(cost) else cost
    return max(_FEWEST, min(_FIRST, 2 ** int(math.log2(max(_FIRST_COST / cost, 1.0)))))


def _refuse_heavy_pilot(model: Model, estimator: Estimator, result: Result) -> None:
    """The Hill estimate of a first chunk must allow for 2, unless the model declares its weights, or a cap bounds `K`.

    For theory judges tails at their very end, and they may be heavy as far as any run sees.
    """
    declared = model.chi_square is not None or model.weight_tail_index is not None
    sure = tail(model, estimator).exists(2.0) and (declared or math.isfinite(last_sample(estimator)))
    if sure or result.statistics.finite < _ENOUGH:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        index = result.tail_index("hill")
    if index.high < 2.0:
        raise ValueError(
            f"the variance of {label(estimator)} on {model.name!r} looks infinite: a Hill estimate from the first "
            f"{result.trials} trials gives the tail index {index.estimate:.3g} ({index.low:.3g} to "
            f"{index.high:.3g}, 95 %). Warning: this is an estimate; declare chi_square on the model, or "
            "weight_tail_index and weight_zero_index, to overrule it. "
            f"{_advice(model, estimator)}"
        )
