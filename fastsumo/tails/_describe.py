"""Descriptions of a heavy-tailed sample: moment ratios, mean excess, QQ, growth of the variance.

Each function answers one question and returns a small frozen dataclass. Tests with p-values are in
``_tests.py``, figures in `fastsumo.plot`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown

from ._checks import MIN_POINTS, FloatArray, IntArray, Side, says_nothing, warn
from ._summary import Summary, Trace, as_summary, summarize

_FIRST = 50  # extremes, before which a path of ratios says nothing


@dataclass(frozen=True, eq=False, repr=False)
class MaxToSum(Shown):
    """Ratios ``max |x|**p / sum |x|**p`` as values accumulate; they fall to 0 if the p-th moment is finite.

    Attributes
    ----------
    powers : tuple of float
    trials : ndarray of int64, shape (rows,)
    ratios : ndarray of float64, shape (len(powers), rows)
        NaN where a summary does not hold what is needed.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.max_to_sum(values)
    >>> found.powers, found.ratios.shape == (4, found.trials.size)
    ((1.0, 2.0, 3.0, 4.0), True)
    """

    powers: tuple[float, ...]
    trials: IntArray
    ratios: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class MeanExcess(Shown):
    """Mean excess ``E[X - u | X > u]`` at the order statistics; slope ``1/(a - 1)`` for an index a > 1.

    Attributes
    ----------
    threshold, excess, std_error : ndarray of float64, shape (rows,)
    count : ndarray of int64, shape (rows,)
        Values beyond each threshold.
    side : str

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.mean_excess(values)
    >>> found.threshold.shape == found.excess.shape
    True
    """

    threshold: FloatArray
    excess: FloatArray
    std_error: FloatArray
    count: IntArray
    side: str


@dataclass(frozen=True, eq=False, repr=False)
class TailQQ(Shown):
    """Largest deviations beside the quantiles that a law predicts for them.

    Attributes
    ----------
    predicted, observed : ndarray of float64, shape (rows,)
        Largest first.
    low, high : ndarray of float64, shape (rows,)
        Pointwise band of the observed at `level`, if the law is right.
    outside : float
        Share of the rows outside their band; neighbours are not independent.
    level : float

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.tail_qq(values, index=2.0, constant=1.0)
    >>> found.predicted.shape == found.observed.shape, 0.0 <= found.outside <= 1.0
    (True, True)
    """

    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    outside: float
    level: float


@dataclass(frozen=True)
class VarianceGrowth(Shown):
    """How the running variance grows with the number of trials.

    Attributes
    ----------
    per_log : float
        Slope of the variance on ``log(n)``; the tail constant if the index is 2.
    power : float
        Slope of ``log(variance)`` on ``log(n)``: about 0 for a finite variance, ``2/a - 1`` for an index a <
        2.
    r2_log, r2_power : float
        Share of the variance's (of its log's) changes that each line explains.
    rows : int
        Rows of the trace that were used.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.variance_growth(tails.trace(values))
    >>> found.rows > 5, found.r2_log <= 1.0
    (True, True)
    """

    per_log: float
    power: float
    r2_log: float
    r2_power: float
    rows: int


@own_errstate
def max_to_sum(
    sample: ArrayLike | Summary,
    *,
    powers: tuple[float, ...] = (1, 2, 3, 4),
    center: float = 0.0,
    points: int = 200,
) -> MaxToSum:
    """Ratio of the largest p-th power to the sum of all (Embrechts, Klüppelberg & Mikosch 1997, 6.2.6).

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
        Of an array the whole path, in its order. Of a summary the last row, from its power sums for even
        powers and from its histogram (to 1 %, times p) for the others; the path of p = 2 from its trace, and of the
        others, if it has ``extreme_ranks``, from the extremes, which hold nearly all of the sum that jumps: what
        the other values add is taken to grow in proportion to their number.
    powers : tuple of float
    center : float
        For an array.
    points : int
        Rows, log-spaced.

    Returns
    -------
    MaxToSum

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or a power is not above 0.

    Examples
    --------
    >>> max_to_sum([1.0, 1.0, 2.0, 4.0], powers=(1,)).ratios[0, -1]
    np.float64(0.5)
    """
    orders = tuple(checks.real("power", p, 0.0) for p in powers)
    if isinstance(sample, Summary):
        return _max_to_sum_of_summary(sample, orders)
    known = as_summary(sample, center)
    size = np.abs(known.extremes - known.center)
    rows = _log_spaced(1, len(size), points)
    unit = size.max() if size.max() > 0 else 1.0
    if size.max() == 0:
        warn("no max-to-sum ratios: every value equals the center")
    ratios = np.empty((len(orders), len(rows)))
    for row, p in enumerate(orders):
        scaled = (size / unit) ** p
        total = np.cumsum(scaled)[rows - 1]
        largest = np.maximum.accumulate(scaled)[rows - 1]
        ratios[row] = np.divide(largest, total, out=np.full(len(rows), np.nan), where=total > 0)
    return MaxToSum(orders, rows, ratios)


def _max_to_sum_of_summary(known: Summary, orders: tuple[float, ...]) -> MaxToSum:
    largest = float(np.abs(known.extremes - known.center).max())
    trace = known.trace
    rows = np.array([known.trials]) if trace is None else np.append(trace.trials, known.trials)
    ratios = np.full((len(orders), len(rows)), np.nan)
    for row, p in enumerate(orders):
        ratios[row, -1] = _last_ratio(known, p, largest)
        if p == 2 and trace is not None:
            squares = trace.variance * (trace.trials - 1) + trace.trials * (trace.mean - known.center) ** 2
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios[row, :-1] = trace.largest**2 / squares
        elif trace is not None and known.extreme_ranks is not None:
            ratios[row, :-1] = _path(known, trace, p, largest, float(ratios[row, -1]))
    return MaxToSum(orders, rows, ratios)


def _path(known: Summary, trace: Trace, p: float, largest: float, last: float) -> FloatArray:
    """Ratios at the rows of a trace, in units of the largest deviation; NaN before fifty extremes have come."""
    assert known.extreme_ranks is not None
    if not last > 0.0:
        return np.full(len(trace.trials), np.nan)
    order = np.argsort(known.extreme_ranks)
    sums = np.append(0.0, np.cumsum((np.abs(known.extremes - known.center)[order] / largest) ** p))
    come = np.searchsorted(known.extreme_ranks[order], trace.trials, side="right")
    others = max(1.0 / last - float(sums[-1]), 0.0) * trace.trials / known.trials
    top = (trace.largest / largest) ** p
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(come >= min(_FIRST, len(order)), top / np.maximum(sums[come] + others, top), np.nan)


def _last_ratio(known: Summary, p: float, largest: float) -> float:
    if largest == 0:
        return math.nan
    if known.power_sums is not None and p in (2, 4) and np.isfinite(known.power_sums[int(p) - 1]):
        total = float(known.power_sums[int(p) - 1])
        return largest**p / total if total > 0.0 else math.nan
    if known.histogram is None:
        return math.nan
    size = np.abs(known.histogram.middles + (known.histogram.center - known.center)) / largest
    return min(1.0 / float(known.histogram.counts @ size**p), 1.0)


@own_errstate
def mean_excess(sample: ArrayLike | Summary, *, side: Side = "both", center: float = 0.0) -> MeanExcess:
    """Mean excess over each of the largest deviations (Embrechts, Klüppelberg & Mikosch 1997, 6.2.2).

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
    side : {"both", "right", "left"}
    center : float
        For an array.

    Returns
    -------
    MeanExcess
        One row for each known order statistic from the third; without rows, and with a `TailWarning`, if
        there are fewer than 20 or all are the same.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or the side is not allowed.

    Examples
    --------
    >>> mean_excess([float(i) for i in range(20)]).excess[0]
    np.float64(1.5)
    """
    ordered = as_summary(sample, center).deviations(side)
    if says_nothing(ordered, "mean excess"):
        return MeanExcess(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64), side)
    count = np.arange(2, len(ordered))
    drop = (ordered - ordered[0]) / (unit := max(float(np.ptp(ordered)), 1e-300))
    first = np.cumsum(drop)[count - 1] / count
    second = np.cumsum(drop**2)[count - 1] / count
    error = np.sqrt(np.maximum(second - first**2, 0.0) / (count - 1))
    return MeanExcess(ordered[count], (first - drop[count]) * unit, error * unit, count, side)


@own_errstate
def tail_qq(
    sample: ArrayLike | Summary,
    *,
    index: float | None = None,
    constant: float | None = None,
    quantile: Callable[[FloatArray], ArrayLike] | None = None,
    side: Side = "both",
    center: float = 0.0,
    level: float = 0.95,
    most: int = 10_000,
) -> TailQQ:
    """Largest deviations against the quantiles of a predicted law.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
    index, constant : float, optional
        Of the tail ``P(deviation > x) = constant*x**-index``.
    quantile : callable, optional
        Instead of these: the deviation that is exceeded with each of the given probabilities.
    side : {"both", "right", "left"}
    center : float
        For an array.
    level : float
        Of the pointwise band, from the beta law of uniform order statistics.
    most : int
        Rows wanted.

    Returns
    -------
    TailQQ
        `outside` is NaN, with a `TailWarning`, if fewer than 20 deviations are known or all are the same.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or neither law nor index and constant are given.

    Examples
    --------
    >>> exact = [((i - 0.5) / 100) ** -0.5 for i in range(1, 101)]
    >>> tail_qq(exact, index=2, constant=1).outside
    0.0
    """
    from scipy.special import betaincinv

    checks.real("level", level, 0.0, 1.0)
    known = as_summary(sample, center)
    if quantile is None:
        if index is None or constant is None:
            raise ValueError("tail_qq needs index and constant, or quantile")
        a, c = checks.real("index", index, 0.0), checks.real("constant", constant, 0.0)

        def quantile(p: FloatArray) -> ArrayLike:
            return (c / p) ** (1.0 / a)

    ordered = known.deviations(side)
    observed = ordered[: checks.whole("most", most, 1)]
    rank, n = np.arange(1.0, len(observed) + 1), known.trials
    tail = 0.5 * (1.0 - level)
    predicted = np.asarray(quantile((rank - 0.5) / n), dtype=np.float64)
    most_likely = np.asarray(betaincinv(rank, n + 1 - rank, 1.0 - tail), dtype=np.float64)
    least_likely = np.asarray(betaincinv(rank, n + 1 - rank, tail), dtype=np.float64)
    low = np.asarray(quantile(most_likely), dtype=np.float64)
    high = np.asarray(quantile(least_likely), dtype=np.float64)
    silent = says_nothing(ordered, "verdict on the predicted law")
    outside = math.nan if silent else float(np.mean((observed < low) | (observed > high)))
    return TailQQ(predicted, observed, low, high, outside, level)


@own_errstate
def variance_growth(sample: ArrayLike | Summary | Trace, *, center: float = 0.0) -> VarianceGrowth:
    """Fit the running variance with a line in ``log(n)`` and with a power of ``n``.

    For index 2 with ``P(|X - center| > x) ~ C*x**-2`` the typical variance of n values grows as ``C*log(n)``;
    for an index a < 2 as ``n**(2/a - 1)`` (Feller, volume II, XVII.5); for a > 2 it settles. The rows of a
    trace are not independent and one large trial moves all later ones: this is a description, not a test.

    Parameters
    ----------
    sample : array_like of shape (n,), Summary with a trace, or Trace
    center : float
        For an array.

    Returns
    -------
    VarianceGrowth
        From the rows with at least 20 trials. NaN, with a `TailWarning`, if there are fewer than five or the
        variance is 0.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or the summary has no trace.

    Examples
    --------
    >>> n = np.array([20, 40, 80, 160, 320])
    >>> rows = Trace(n, np.zeros(5), np.log(n), np.ones(5))
    >>> round(variance_growth(rows).per_log, 6)
    1.0
    """
    if isinstance(sample, Summary):
        rows = sample.trace
    else:
        rows = sample if isinstance(sample, Trace) else summarize(sample, center).trace
    if rows is None:
        raise ValueError("this summary has no trace, which variance_growth needs")
    kept = (rows.trials >= MIN_POINTS) & (rows.variance > 0)
    if np.count_nonzero(kept) < 5:
        warn("no growth of the variance: fewer than five rows of at least 20 trials with a variance above 0")
        return VarianceGrowth(math.nan, math.nan, math.nan, math.nan, int(np.count_nonzero(kept)))
    log_n, variance = np.log(rows.trials[kept]), rows.variance[kept]
    per_log, r2_log = _line(log_n, variance)
    power, r2_power = _line(log_n, np.log(variance))
    return VarianceGrowth(per_log, power, r2_log, r2_power, int(np.count_nonzero(kept)))


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Slope, and the share of the variance of y that it explains."""
    unit = float(np.abs(y).max()) or 1.0  # squares of large numbers overflow
    dx, dy = x - x.mean(), y / unit - (y / unit).mean()
    slope = float(dx @ dy) / float(dx @ dx)
    total = float(dy @ dy)
    return slope * unit, slope * float(dx @ dy) / total if total > 0 else math.nan


def _log_spaced(first: int, last: int, points: int) -> IntArray:
    wanted = checks.whole("points", points, 2)
    return np.unique(np.geomspace(first, last, wanted).round().astype(np.int64))
