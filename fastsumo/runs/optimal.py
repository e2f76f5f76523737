"""`optimal`: the law of `K` of least variance at a given expected cost, from measured or known increments."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.words import spelled
from fastsumo.engine.devices import open_engine
from fastsumo.estimators.estimators import ELBO
from fastsumo.estimators.roulette import Harmonic, Table
from fastsumo.models.model import Model
from fastsumo.models.parsing import parse_model
from fastsumo.runs.arguments import thread_count
from fastsumo.runs.levels import Levels
from fastsumo.theory import has_zero_weights, terms_of_sumo

Floats = NDArray[np.float64]

_LARGEST_TABLE = 10_000_000
_PILOT_TERMS, _PILOT_SEQUENCES = 128, 20_000
_ZERO = "a weight{} may be zero: SUMO is -inf then, and no law of K gives it a variance"
_RAREST = 1e-12  # the least P(K >= k) of a table, so that no trial is divided by 0


@own_errstate
@spelled
def optimal(
    source: Model | Levels, cap: int, expected_cost: float | None = None, *, variance: float | None = None
) -> Table:
    """The law of ``K <= cap`` with the least variance of SUMO at an expected cost; or the least cost at a variance.

    For a given cap all laws have the same mean, and nothing beats ``P(K >= k) = 1``, which is `IWAE` with ``cap + 1``
    samples, in variance times cost. What a law can do is to spend less on a trial.

    Parameters
    ----------
    source : Model or Levels
        What `fs.levels` measured; or a model, whose increments are known for gamma weights, are integrated in one and
        two dimensions, and else measured on 20 000 sequences of up to 129 weights.
    cap : int
        Length of the table.
    expected_cost : float, optional
        Importance samples of a trial, ``1 + E[K]``: from 2 to ``cap + 1``. By default that of the capped harmonic law.
    variance : float, optional
        Of a trial, in place of ``expected_cost``: the cheapest law with no more.

    Returns
    -------
    Table

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above, or no law of this cap has so small a variance.

    Notes
    -----
    With ``n = cap + 1`` the variance is a constant plus ``sum beta_k / P_k``, ``beta_k = E Delta_k^2 + 2 sum_{j>k} E
    Delta_k Delta_j``, so that ``P_k = min(1, sqrt(beta_k / lambda))``; where that would increase, neighbours share the
    mean of their ``beta`` (pool adjacent violators: Barlow & Brunk, JASA 67, 1972). Rhee & Glynn (Operations Research,
    2015), section 3, have the case without a cap, where increments do not correlate. For large ``k`` it is ``1 / k``
    times a constant, whatever the model.

    Examples
    --------
    >>> import fastsumo as fs
    >>> law = optimal(fs.models.gamma(1.0), cap=1000, expected_cost=6.0)
    >>> law.survival([1, 2, 4]).round(4), round(1.0 + law.expected_terms(), 6)
    (array([1.    , 0.3272, 0.1588]), 6.0)
    """
    last = checks.whole("cap", cap, 1, _LARGEST_TABLE)
    if expected_cost is not None and variance is not None:
        raise ValueError("give expected_cost or variance, not both")
    fixed, beta = _terms(source, last)
    if not np.all(np.isfinite(beta)) or not np.any(beta > 0.0):
        raise ValueError("the second moments of the increments must be positive and finite")
    falling = np.maximum(_falling(beta[1:]), 0.0)  # P(K >= 1) is 1 whatever its term
    if variance is not None:
        root = _root_of_variance(falling, checks.real("variance", variance, 0.0) - fixed - float(beta[0]))
    else:
        cost = 1.0 + Harmonic(cap=last).expected_terms() if expected_cost is None else expected_cost
        root = _root_of_cost(falling, checks.real("expected_cost", cost, 2.0, last + 1.0, closed="low high") - 2.0)
    scaled = np.sqrt(falling) * min(root, 1e300)
    return Table(np.append(1.0, np.clip(scaled, _RAREST, 1.0)))


def _terms(source: Model | Levels | str, last: int) -> tuple[float, Floats]:
    """``fixed`` and ``beta``: the variance of SUMO is ``fixed + sum beta_k / P_k``."""
    if isinstance(source, Levels):
        return _of_levels(source, last)
    if isinstance(source, str):
        source = parse_model(source)
    if isinstance(source, Model):
        if source.data is not None:
            raise ValueError(f"model {source.name!r} has data: take one row, model.at_row(i)")
        if has_zero_weights(source):
            raise ValueError(_ZERO.format(f" of model {source.name!r}"))
        known = terms_of_sumo(source, last)
        return _of_pilot(source, last) if known is None else known
    raise TypeError(f"optimal needs a fastsumo Model or what fs.levels returned, got {source!r}")


def _of_levels(source: Levels, last: int) -> tuple[float, Floats]:
    """As if increments were uncorrelated, which they are to first order: levels do not keep their products."""
    if source.left_out:
        raise ValueError(_ZERO.format(""))
    k = np.arange(1.0, last + 1.0)
    square, mean = source.second_moment(k), source.mean_increment(k)
    rest = np.append(np.cumsum(mean[::-1])[::-1][1:], 0.0)
    spread = square - mean**2
    fixed = float(source.dyadic["variance"][0]) - 2.0 * float(spread.sum()) - float(mean.sum()) ** 2
    return fixed, square + 2.0 * mean * rest


def _of_pilot(model: Model, last: int) -> tuple[float, Floats]:
    """From whole sequences of increments; beyond the longest they fall like ``1 / k^2``, and are uncorrelated."""
    near = min(last, _PILOT_TERMS)
    marks = np.arange(1, near + 1, dtype=np.int64)
    engine = open_engine(model, ELBO(), 0, threads=thread_count(None, model))
    rows = np.concatenate(list(engine.increments(marks, near + 1, _PILOT_SEQUENCES)))
    steps, first = rows[:, :near], rows[:, near]
    if not np.isfinite(rows).all():
        raise ValueError(_ZERO.format(f" of model {model.name!r}"))
    square, mean = np.mean(steps**2, axis=0), steps.mean(axis=0)
    k = np.arange(near + 1.0, last + 1.0)
    share = near * (near + 1.0) / (k * (k + 1.0))
    tail = slice(-max(near // 8, 1), None)
    at = np.arange(1.0, near + 1.0)
    scale = [float(np.mean((at * (at + 1.0) * each)[tail])) / (near * (near + 1.0)) for each in (square, mean)]
    beyond = scale[1] * share
    after = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1] - steps
    beta = np.mean(steps * (steps + 2.0 * after), axis=0) + 2.0 * mean * float(beyond.sum())
    rest = np.append(np.cumsum(beyond[::-1])[::-1][1:], 0.0) if k.size else beyond
    shared = float(np.mean((first - first.mean()) * (steps.sum(axis=1) - mean.sum())))
    fixed = float(np.var(first)) + 2.0 * shared - (float(mean.sum()) + float(beyond.sum())) ** 2
    return fixed, np.append(beta, scale[0] * share + 2.0 * beyond * rest)


def _root_of_cost(falling: Floats, terms: float) -> float:
    """``1 / sqrt(lambda)`` for which ``min(1, sqrt(beta / lambda))`` adds up to ``terms``."""
    roots = np.sqrt(falling)
    if terms >= np.count_nonzero(roots) or not roots.any():
        return math.inf if terms > 0.0 and roots.any() else 0.0
    rest = np.append(np.cumsum(roots[::-1])[::-1], 0.0)  # of those that are below 1, if the first `count` are 1
    for count in range(roots.size):
        scale = (terms - count) / rest[count]
        if scale * roots[count] <= 1.0:
            return float(scale)
    return math.inf


def _root_of_variance(falling: Floats, budget: float) -> float:
    """``1 / sqrt(lambda)`` for which the sum of ``beta / P`` is the budget."""
    roots = np.sqrt(falling)
    before = np.append(0.0, np.cumsum(falling))  # of those with P = 1
    rest = np.append(np.cumsum(roots[::-1])[::-1], 0.0)
    if budget < before[-1] - 1e-9 * float(before[-1]):
        raise ValueError(
            f"no law with a cap of {falling.size + 1} has so small a variance: the least, with P(K >= k) = 1, is "
            f"larger by {before[-1] - budget:.4g}"
        )
    for count in range(roots.size):
        if budget <= before[count]:
            break
        scale = rest[count] / (budget - before[count])
        if scale * roots[count] <= 1.0:
            return float(scale)
    return math.inf


def _falling(values: Floats) -> Floats:
    """The nearest non-increasing sequence: what rises is replaced by its mean (pool adjacent violators)."""
    if np.all(values[1:] <= values[:-1]):
        return values
    means: list[float] = []
    counts: list[int] = []
    for value in values.tolist():
        mean, count = value, 1
        while means and means[-1] < mean:
            mean = (means[-1] * counts[-1] + mean * count) / (counts[-1] + count)
            count += counts[-1]
            means.pop()
            counts.pop()
        means.append(mean)
        counts.append(count)
    return np.repeat(means, counts)
