"""Tests of a tail index and a tail constant, and what the largest trials alone are worth.

Descriptions without p-values are in ``_describe.py``; the verdict over all of them is in ``_diagnose.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown

from ._checks import FloatArray, Side, says_nothing, warn
from ._index import tail_index
from ._summary import Summary, as_summary, summarize


@dataclass(frozen=True)
class IndexTest(Shown):
    """Test of a tail index against a value, from Hill's estimate.

    Attributes
    ----------
    index : float
        The value tested.
    estimate : float
    k : int
    p_at_most : float
        p-value of "the index is at most `index`"; small means that moments of that order exist.
    p_at_least : float
        p-value of "the index is at least `index`"; small means that they do not.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.index_test(values, 1.0)
    >>> found.index, found.p_at_most < 0.01
    (1.0, True)
    """

    index: float
    estimate: float
    k: int
    p_at_most: float
    p_at_least: float


@dataclass(frozen=True, eq=False, repr=False)
class DropLargest(Shown):
    """What the mean and the variance become without the largest deviations.

    Attributes
    ----------
    dropped : int
    mean, mean_without : float
    variance, variance_without : float
    share : float
        Share of the sum of squared deviations from the center that the dropped values hold.
    shares : ndarray of float64, shape (dropped,)
        Of each of them, largest first.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.drop_largest(values, 3)
    >>> found.dropped, found.variance_without < found.variance
    (3, True)
    """

    dropped: int
    mean: float
    mean_without: float
    variance: float
    variance_without: float
    share: float
    shares: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class TailConstantTest(Shown):
    """Measured ``P(|X - center| > x) * x**index`` against a predicted constant.

    Attributes
    ----------
    constant : float
        Predicted.
    measured, low, high : float
        At the `threshold`, with the exact Poisson interval at `level`.
    p_value : float
        Two-sided, exact for the count beyond the threshold; the threshold comes from the prediction alone.
    threshold : float
    count : int
    expected : float
    level : float
    x, scaled : ndarray of float64, shape (rows,)
        ``P * x**index`` at the known order statistics, for a figure.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.tail_constant_test(values, 1.0)
    >>> found.constant, found.low < found.measured < found.high
    (1.0, True)
    """

    constant: float
    measured: float
    low: float
    high: float
    p_value: float
    threshold: float
    count: int
    expected: float
    level: float
    x: FloatArray
    scaled: FloatArray


@own_errstate
def index_test(
    sample: ArrayLike | Summary,
    index: float = 2.0,
    *,
    k: int | str = "auto",
    side: Side = "both",
    center: float = 0.0,
) -> IndexTest:
    """Test whether the tail index is at most (at least) a value.

    If the tail is a power law of index a beyond the k-th largest value, ``k*a/estimate`` has the law Gamma(k)
    with Hill's estimate, exactly. The bias of a tail that is not one is not in the p-values.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
    index : float
    k : int, "auto" or "bootstrap"
        As in `tail_index`.
    side : {"both", "right", "left"}
    center : float
        For an array.

    Returns
    -------
    IndexTest
        NaN where `tail_index` gives NaN.

    Raises
    ------
    TypeError, ValueError
        As `tail_index`; and if `index` is not above 0.

    Examples
    --------
    >>> light = [(i / 1000) ** -0.25 for i in range(1, 1001)]
    >>> index_test(light, 2.0).p_at_most < 0.001
    True
    """
    from scipy.special import gammainc, gammaincc

    value = checks.real("index", index, 0.0)
    hill = tail_index(sample, k=k, side=side, center=center)
    if math.isnan(hill.estimate):
        return IndexTest(value, math.nan, hill.k, math.nan, math.nan)
    at = hill.k * value / hill.estimate
    return IndexTest(value, hill.estimate, hill.k, float(gammainc(hill.k, at)), float(gammaincc(hill.k, at)))


@own_errstate
def drop_largest(sample: ArrayLike | Summary, drop: int = 10) -> DropLargest:
    """Mean and variance without the `drop` largest deviations, and their share of the sum of squares.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
        Of an array, deviations are from its median.
    drop : int
        At most the number of known extremes, and two less than the number of trials.

    Returns
    -------
    DropLargest
        The shares are NaN, with a `TailWarning`, if every value equals the center; the variance without them is NaN
        where fewer than two values are left.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or `drop` is too large.

    Examples
    --------
    >>> drop_largest([0.0, 1.0, -1.0, 10.0, 0.0], 1).variance_without
    0.6666666666666666
    """
    known = sample if isinstance(sample, Summary) else summarize(sample)
    n, middle = known.trials, known.mean - known.center
    drop = checks.whole("drop", drop, 0, max(min(len(known.extremes), n - 2), 0))
    shifted = known.extremes - known.center
    cut = shifted[np.argsort(-np.abs(shifted), kind="stable")[:drop]]
    squares = known.variance * (n - 1) + n * middle**2
    if squares == 0:
        warn("no share of the variance: every value equals the center")
    shares = cut**2 / squares if squares > 0 else np.full(drop, np.nan)
    left = n - drop
    mean_left = (n * middle - cut.sum()) / left
    squares_left = max(squares - float((cut**2).sum()) - left * mean_left**2, 0.0)
    return DropLargest(
        dropped=drop,
        mean=known.mean,
        mean_without=known.center + float(mean_left),
        variance=known.variance,
        variance_without=float(squares_left) / (left - 1) if left > 1 else math.nan,
        share=float(shares.sum()),
        shares=shares,
    )


@own_errstate
def tail_constant_test(
    sample: ArrayLike | Summary,
    constant: float,
    *,
    index: float = 2.0,
    side: Side = "both",
    center: float = 0.0,
    expected: float | None = None,
    level: float = 0.95,
) -> TailConstantTest:
    """Compare the measured ``P(deviation > x) * x**index`` with a predicted constant.

    Under the prediction the number of deviations beyond ``x = (constant*n/expected)**(1/index)`` is Poisson
    with mean `expected`. That x depends on the prediction alone, so the p-value is exact.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
    constant : float
        Predicted limit; the chi-square divergence for SUMO with ``P(K >= k) = 1/k`` and both sides.
    index : float
    side : {"both", "right", "left"}
    center : float
        For an array.
    expected : float, optional
        Wanted mean count; a quarter of the known values, but at most 400 and a hundredth of the trials, where
        None. More is a sharper test, less is deeper in the tail.
    level : float
        Of the interval for the measured constant.

    Returns
    -------
    TailConstantTest
        If x lies below every known extreme, the count is only known to be at least their number: the test is
        then made at the smallest one. NaN, with a `TailWarning`, if fewer than 20 positive deviations are known or all
        are the same.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or an argument is not allowed.

    Examples
    --------
    >>> exact = [(i / 1000) ** -0.5 for i in range(1, 1001)]
    >>> tail_constant_test(exact, 1.0).p_value > 0.5
    True
    """
    from scipy.special import gammaincinv, pdtr, pdtrc

    checks.real("level", level, 0.0, 1.0)
    c, a = checks.real("constant", constant, 0.0), checks.real("index", index, 0.0)
    known = as_summary(sample, center)
    ordered = known.deviations(side)
    ordered = ordered[ordered > 0]
    if says_nothing(ordered, "tail-constant test"):
        nan, empty = math.nan, np.zeros(0)
        return TailConstantTest(c, nan, nan, nan, nan, nan, 0, nan, level, empty, empty)
    if expected is None:
        expected = max(min(len(ordered) / 4.0, 400.0, known.trials / 100.0), 1.0)
    threshold = (c * known.trials / checks.real("expected", expected, 0.0)) ** (1.0 / a)
    if not known.complete:
        threshold = max(threshold, float(ordered[-1]))
    mean = known.trials * c * threshold**-a
    count = int(np.count_nonzero(ordered > threshold))
    p_value = min(2.0 * min(float(pdtr(count, mean)), float(pdtrc(count - 1, mean)) if count else 1.0), 1.0)
    tail = 0.5 * (1.0 - level)
    unit = threshold**a / known.trials
    low = float(gammaincinv(count, tail)) if count else 0.0
    high = float(gammaincinv(count + 1, 1.0 - tail))
    with np.errstate(over="ignore"):
        scaled = np.arange(1, len(ordered) + 1) / known.trials * ordered**a
    return TailConstantTest(
        c, count * unit, low * unit, high * unit, p_value, threshold, count, mean, level, ordered, scaled
    )
