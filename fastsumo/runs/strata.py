"""Strata of `K`: how its range is parted, and how many trials each part gets. Nothing is run here.

The formulas of both: with ``p_j = P(K in j)``, ``c_j`` the cost of a trial there and ``s_j`` its standard deviation,
``sum p_j mean_j`` has the variance ``sum p_j^2 s_j^2 / n_j``, least at a given cost for ``n_j ~ p_j s_j / sqrt(c_j)``
(Neyman, 1934); never above that of plain trials at the same cost (Vihola, Operations Research 2018).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.estimators.estimators import MLMC, Estimator, Stratum, law_with_strata, probability_of
from fastsumo.trial.survival import survival

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST = 16  # trials of a stratum, for its errors to mean anything
_SINGLE = 16  # terms up to which each is a stratum
_PARTS = 4  # of an octave beyond
_USUAL = 200  # trials that each stratum shall have at least, where nothing says how far strata go
_LEAST = 2.0**-60  # P(K >= low) of the last stratum, likewise
_STEPS = 64  # of the way from one allocation to another
_SURELY = 0.95  # of the variance of plain trials, as a pilot sees both


def parted(estimator: Estimator, cost: float, strata: Iterable[int] | None, largest: int | None) -> tuple[Stratum, ...]:
    """The strata, ascending; without those that the law gives no probability.

    Raises
    ------
    TypeError, ValueError
    """
    law = law_with_strata(estimator)
    limit = law.cap if largest is None else min(checks.whole("largest_terms", largest, 1), law.cap)
    if strata is not None:
        if isinstance(strata, str) or not isinstance(strata, Iterable):
            raise TypeError(f"strata must be a sequence of the smallest K of each, got {strata!r}")
        edges = [checks.whole("strata", low, 1) for low in strata]
        if edges[:1] != [1] or any(low >= high for low, high in itertools.pairwise(edges)) or edges[-1] > limit:
            raise ValueError(
                f"strata are the smallest K of each, ascending from 1 to at most {limit}; got {edges[:5]}"
                f"{'...' if len(edges) > 5 else ''}"
            )
        ranges = [(low, high - 1) for low, high in itertools.pairwise([*edges, limit + 1])]
        return tuple(Stratum(estimator, low, high) for low, high in ranges if probability_of(law, low, high) > 0.0)
    found: list[Stratum] = []
    low, trial, usual = 1, 0.0, 0  # the cost of a trial in each of the strata so far
    while low <= limit and survival(law, low) > 0.0:
        high = min(_end(estimator, low), limit)
        if probability_of(law, low, high) > 0.0:
            stratum = Stratum(estimator, low, high)
            trial += stratum.expected_cost()
            if largest is None and found and (2 * FEWEST * trial > cost or survival(law, low) < _LEAST):
                return tuple(found[:usual])
            found.append(stratum)
            usual = len(found) if _USUAL * trial <= cost else max(usual, 1)
        low = high + 1
    return tuple(found)


def _end(estimator: Estimator, low: int) -> int:
    """The last `K` of the stratum that begins at ``low``: a quarter of an octave, and half of the survival."""
    if low <= _SINGLE or isinstance(estimator, MLMC):
        return low
    law = estimator.plan().law
    half = 0.5 * survival(law, low)
    inside, outside = low, low + int(max(1.0, low * (2.0 ** (1.0 / _PARTS) - 1.0)))
    while outside - inside > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if survival(law, middle + 1) >= half else (inside, middle)
    return inside


def pilot_trials(costs: Floats, budget: float) -> int:
    """Trials of each stratum that a pilot may take, a twentieth of the budget in all."""
    return int(np.clip(0.05 * budget / costs.sum(), FEWEST, 1000))


def allocated(kind: str, budget: float, spent: float, p: Floats, costs: Floats, pilot: Floats) -> Ints:
    """Trials of each stratum, of a budget of which a pilot has ``spent`` some.

    The columns of ``pilot`` are mean, spread, and spread of the squared deviation.
    """
    budget, whole = max(budget - spent, FEWEST * costs.sum()), budget
    means, spreads, squares = pilot.T
    if kind == "variance":
        return _trials(budget, _share(p * squares * np.sqrt(costs)), costs)
    neyman, even = _share(p * spreads * np.sqrt(costs)), _share(costs)
    if kind == "mean":
        return _trials(budget, neyman, costs)
    plain = (p @ (spreads**2 + (means - p @ means / p.sum()) ** 2)) * (p @ costs) / p.sum()  # variance times cost
    all_of_it = p.sum() > 1.0 - 1e-9  # else the mean of plain trials is another, if there is one
    for step in range((_STEPS if all_of_it else _STEPS // 2) + 1):  # as even as the mean allows
        share = (1.0 - step / _STEPS) * even + step / _STEPS * neyman
        with np.errstate(divide="ignore", invalid="ignore"):
            reached = np.nansum(p**2 * spreads**2 * costs / share)
        if reached / budget <= _SURELY * plain / whole:
            break
    return _trials(budget, share, costs)


def _share(weights: Floats) -> Floats:
    return weights / weights.sum() if weights.sum() > 0.0 else np.full(weights.size, 1.0 / weights.size)


def _trials(budget: float, share: Floats, costs: Floats) -> Ints:
    return np.maximum(budget * share / costs, FEWEST).astype(np.int64)
