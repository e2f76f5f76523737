"""Confidence intervals for a mean, from the summary of a sample whose variance may be infinite or unknown.

Each method is one function of a `Summary`; `mean_interval` checks and dispatches. Tail indices come from
``_index.py``.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown
from fastsumo.base.text import Column, Rows, count

from ._checks import MIN_POINTS, FloatArray, Side, TailWarning, normal_quantile, warn
from ._index import TailIndex, tail_index
from ._khat import psis_tail_length
from ._summary import Summary, degrees_of_freedom, summarize

_LIGHT = 4.0  # a tail index from which nothing is extrapolated
_BALANCED = 0.3  # how far from a half the share of one side may be


@dataclass(frozen=True)
class Interval(Shown):
    """A confidence interval for a mean.

    Attributes
    ----------
    low, high : float
    level : float
        Nominal confidence level.
    method : str
    center : float
        The estimate of the mean that goes with the method; not always halfway.
    trials : int
    assumes : str
        What the level relies on, in words.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.mean_interval(values, "median-of-means")
    >>> found.low < found.center < found.high, found.half_width < 0.2
    (True, True)
    """

    low: float
    high: float
    level: float
    method: str
    center: float
    trials: int
    assumes: str

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return 0.5 * (self.high - self.low)

    def __str__(self) -> str:
        return f"{self._ends()} ({100 * self.level:g} %, {self.method})"

    def _ends(self) -> str:
        """Both ends, to a hundredth of the length."""
        if not (math.isfinite(self.half_width) and self.half_width > 0.0):
            return f"{self.low:.10g} to {self.high:.10g}"
        digits = min(15, max(0, 2 - math.floor(math.log10(self.half_width))))
        return f"{self.low:.{digits}f} to {self.high:.{digits}f}"

    def _blocks(self) -> list[Rows | list[Column]]:
        kind = f"{100 * self.level:g} % interval"
        rows = [(kind, self._ends()), ("center", f"{self.center:.10g}"), ("method", self.method)]
        return [Rows([*rows, ("trials", count(self.trials)), ("relies on", self.assumes)])]


@dataclass(frozen=True)
class _Options:
    level: float
    groups: int
    trim: int | None
    index: float | None
    constant: float | None
    variance: float | None


ASSUMES = {
    "normal": "the central limit theorem: a finite variance, or index 2 with very many trials",
    "median-of-means": "groups whose means have the mean for median: balanced tails or a finite variance",
    "catoni": "the variance that it was given, or that the sample variance is not too small",
    "trimmed": "trimmed values that balance: nearly symmetric tails",
    "self-normalised": "nearly symmetric deviations, with tails of any weight",
    "index-2": "a tail index of exactly 2, and a tail that is a power law beyond the extremes",
    "subsampling": "the right tail index, and groups large enough to be near their stable limit",
    "one-sided": "a power tail beyond the extremes that Hill's estimate uses; infinite where its index may be 1",
}


@own_errstate
def mean_interval(
    sample: ArrayLike | Summary,
    method: str = "median-of-means",
    level: float = 0.95,
    *,
    groups: int = 16,
    trim: int | None = None,
    index: float | None = None,
    constant: float | None = None,
    variance: float | None = None,
) -> Interval:
    """Confidence interval for the mean.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
        Which parts of a summary are needed: ``power_sums`` for "normal" and "self-normalised"; these and the
        ``extremes`` for "trimmed" and "index-2"; these and the ``histogram`` for "catoni"; ``group_counts``
        and ``group_sums`` for "median-of-means" and "subsampling" (and the extremes, where no `index` is
        given).
    method : str
        - "normal": ``mean ± z*s/sqrt(n)``; of values that are independent between groups only, by the groups' means and
          Student's t. At index 2 right only in the limit (Giné, Götze & Mason, Annals of
          Probability 25, 1997), below it not even then. With symmetric tails it covers, as wide as the
          largest value makes it.
        - "median-of-means": the sign test's interval for a median, among the means of `groups` groups
          (Lugosi & Mendelson 2019 for the estimate). Where tails of index below 2 are one-sided the median of
          the means is not the mean, the less so the more groups.
        - "catoni": Catoni's M-estimate (Annales IHP 48, 2012), with `variance` or else the sample's; valid
          for every law of that variance and so wider than "normal" by 1.39.
        - "trimmed": without the `trim` largest and smallest values, with the winsorised error of Tukey &
          McLaughlin 1963. The shortest for symmetric tails, of no use for one-sided ones: a 95 % interval covered in
          16 % of samples of index 1.5.
        - "self-normalised": ``|sum(x - mu)| <= sqrt(2*log(2/(1 - level))) * sqrt(sum((x - mu)**2))``, exact
          for symmetric laws of any tail (Efron 1969; de la Peña, Lai & Shao 2009) and so wider than "normal"
          by 1.39.
        - "index-2": ``mean ± z*a/n`` with ``a**2 = n*E[X**2; |X| < a]``, the truncated second moment measured
          up to the extremes and continued as ``2*constant*log``: the normal limit with its
          ``sqrt(n*log(n))``. Too short even there: of SUMO with index 2 it covered in 87 % of runs of 10**4 trials
          and 92 % of 10**6. For no other index: in 20 % where it is 1.
        - "subsampling": quantiles of the groups' means, rescaled by ``(size/n)**(1 - 1/index)`` (Politis,
          Romano & Wolf 1999, chapter 11). Too short near an index of 1: it covered in 61 to 86 % of runs of SUMO under
          the paper's law.
        - "one-sided": the mean of all values but the largest on each heavy side, and beyond these that of a power tail
          by Hill's estimate (Peng, Statistics & Probability Letters 52, 2001), widened to hold the interval of
          "median-of-means" with 8 groups. The upper end (of a left tail, the lower) is infinite where the index may be
          1: then there may be no mean.
    level : float
        Confidence level.
    groups : int
        Groups of "median-of-means", at least 6 at a level of 0.95.
    trim : int, optional
        Values trimmed at each end; ``ceil(log(2/(1 - level)))``, 4 at 0.95, where None.
    index, constant : float, optional
        Known tail index ("subsampling") and constant of ``P(|X - center| > x) ~ constant*x**-2`` ("index-2");
        estimated from the extremes where None.
    variance : float, optional
        Known variance, or a bound of it ("catoni").

    Returns
    -------
    Interval
        NaN, with a `TailWarning`, for fewer than 20 values, for constant ones, and where the tail does not
        let the method work (an index of at most 1 has no mean; too few extremes to trim).

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, a part of the summary is missing, an argument is not
        allowed, or the method takes values for independent that are not.

    Notes
    -----
    Actual coverage, in percent, of 95 % intervals from 10 000 values (500 repetitions, so plus or minus 1 or
    more). Student's t is symmetric, Lomax's law is one-sided with that index:

    =========================  ======  ====  ====  ====  =======  =======  =========
    method                     normal  t 3   t 2   t1.5  Lomax 3  Lomax 2  Lomax 1.5
    =========================  ======  ====  ====  ====  =======  =======  =========
    normal                     96      96    96    96    95       93       79
    median-of-means, 16        97      98    99    98    98       96       77
    median-of-means, 8         99      99    100   99    99       100      96
    catoni                     100     99    100   100   100      98       86
    trimmed                    95      95    96    97    84       58       16
    self-normalised            100     99    100   100   100      98       87
    index-2                    100     98    93    61    98       86       42
    subsampling                95      95    98    95    97       92       80
    =========================  ======  ====  ====  ====  =======  =======  =========

    For laws with one heavy tail see also the table of ``bench/coverage.py`` in ``fastsumo guide tails``. The same of
    SUMO on `fs.models.note`, under the harmonic law (index 2) and under `HarmonicGeometric` (the paper's; index 1),
    from 10**4 and 10**6 trials (2000 repetitions of ``bench/coverage.py``, so plus or minus 0.5 or more):

    =========================  ============  ============  =========  =========
    method                     harmonic 1e4  harmonic 1e6  paper 1e4  paper 1e6
    =========================  ============  ============  =========  =========
    normal                     96            96            97         96
    median-of-means, 16        98            98            97         97
    catoni                     100           100           100        100
    trimmed                    95            95            94         90
    self-normalised            100           100           100        100
    index-2                    87            92            69         20
    subsampling                98            96            79         73
    =========================  ============  ============  =========  =========

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).standard_t(3, 10_000)
    >>> interval = mean_interval(values, "normal")
    >>> interval.low < 0 < interval.high
    True
    """
    checks.choice("method", method, tuple(ASSUMES))
    options = _Options(
        level=checks.real("level", level, 0.0, 1.0),
        groups=checks.whole("groups", groups, 2),
        trim=None if trim is None else checks.whole("trim", trim, 0),
        index=None if index is None else checks.real("index", index, 0.0),
        constant=None if constant is None else checks.real("constant", constant, 0.0),
        variance=None if variance is None else checks.real("variance", variance, 0.0),
    )
    known = sample if isinstance(sample, Summary) else summarize(sample)
    if known.grouped and method not in _BY_GROUPS:
        raise ValueError(
            f"{method} takes values for independent, and those of stratified trials are so between groups only: "
            f"use {' or '.join(_BY_GROUPS)}"
        )
    if known.trials < MIN_POINTS:
        bounds = _nothing(f"no {method} interval: only {known.trials} trials")
    elif known.extremes.max() == known.extremes.min():
        bounds = _nothing(f"no {method} interval: all values are the same")
    elif known.power_sums is not None and known.variance < np.finfo(np.float64).tiny:
        bounds = _nothing(f"no {method} interval: the variance is lost below the smallest numbers")
    else:
        bounds = _METHODS[method](known, options)
    low, middle, high = (known.center + bound for bound in bounds)
    return Interval(low, high, options.level, method, middle, known.trials, ASSUMES[method])


_Bounds = tuple[float, float, float]


def _nothing(message: str) -> _Bounds:
    warn(message)
    return math.nan, math.nan, math.nan


def _around(middle: float, half: float) -> _Bounds:
    return middle - half, middle, middle + half


def _normal(known: Summary, options: _Options) -> _Bounds:
    quantile = normal_quantile(options.level)
    if known.grouped and known.group_counts is not None:
        from scipy.special import stdtrit

        if np.count_nonzero(known.group_counts) < 2:
            return _nothing("no normal interval: all trials are of one block")
        quantile = float(stdtrit(degrees_of_freedom(known.group_counts), 0.5 + 0.5 * options.level))
    half = quantile * known.std_error
    return _around(known.mean - known.center, half)


def _self_normalised(known: Summary, options: _Options) -> _Bounds:
    squared = 2.0 * math.log(2.0 / (1.0 - options.level))
    n = known.trials
    if squared >= n:
        return _nothing(f"no self-normalised interval: {n} trials are too few for level {options.level}")
    spread = known.variance * (n - 1) / n
    return _around(known.mean - known.center, math.sqrt(squared * spread / (n - squared)))


def _median_of_means(known: Summary, options: _Options) -> _Bounds:
    from scipy.special import bdtr

    counts, sums = merged_groups(known, options.groups)
    means = np.sort(sums / counts)
    outside = np.arange(len(means) // 2)
    covered = 1.0 - 2.0 * bdtr(outside, len(means), 0.5)
    wide_enough = outside[covered >= options.level]
    if len(wide_enough) == 0:
        return _nothing(f"no median-of-means interval: {len(means)} groups are too few for level {options.level}")
    rank = int(wide_enough[-1])
    return float(means[rank]), float(np.median(means)), float(means[-1 - rank])


def merged_groups(known: Summary, groups: int) -> tuple[FloatArray, FloatArray]:
    """Merge neighbouring groups into no more than `groups` of nearly equal size; return counts and sums."""
    if known.group_counts is None or known.group_sums is None:
        raise ValueError("this summary has no group_counts and group_sums, which this method needs")
    filled = known.group_counts > 0
    counts, sums = known.group_counts[filled].astype(np.float64), known.group_sums[filled]
    starts = np.linspace(0, len(counts), min(groups, len(counts)), endpoint=False).astype(np.int64)
    return np.add.reduceat(counts, starts), np.add.reduceat(sums, starts)


def _catoni(known: Summary, options: _Options) -> _Bounds:
    from scipy.optimize import brentq

    n, reach = known.trials, math.log(2.0 / (1.0 - options.level))
    if n <= 2.0 * reach:
        return _nothing(f"no Catoni interval: {n} trials are too few for level {options.level}")
    spread = known.variance if options.variance is None else options.variance
    half = math.sqrt(2.0 * spread * reach / (n - 2.0 * reach))
    scale = math.sqrt(2.0 * reach / (n * (spread + half**2)))
    influence = _influence(known, scale)
    middle = known.mean - known.center
    low, high = middle - half, middle + half
    while influence(low) < 0.0:
        low -= 2.0 * (high - low)
    while influence(high) > 0.0:
        high += 2.0 * (high - low)
    return _around(float(brentq(influence, low, high, rtol=1e-12, xtol=1e-9 * half)), half)


def _influence(known: Summary, scale: float) -> Callable[[float], float]:
    """Sum of Catoni's influence function, as a function of the location.

    The linear part comes from the first power sum; only the rest, which is small except for the largest
    values, is taken at the middles of the histogram's bins.
    """
    if known.complete:
        points, counts = known.extremes - known.center, np.ones(known.trials)
    elif known.histogram is not None:
        points, counts = known.histogram.middles, known.histogram.counts.astype(np.float64)
        points = points + (known.histogram.center - known.center)
    else:
        raise ValueError("this summary has no histogram, which the Catoni interval needs")
    first = (known.mean - known.center) * known.trials

    def total(location: float) -> float:
        u = scale * (points - location)
        size = np.abs(u)
        rest = np.sign(u) * (np.log1p(size * (1.0 + 0.5 * size)) - size)
        return scale * (first - known.trials * location) + float(counts @ rest)

    return total


def _trimmed(known: Summary, options: _Options) -> _Bounds:
    from scipy.special import stdtrit

    n = known.trials
    trim = math.ceil(math.log(2.0 / (1.0 - options.level))) if options.trim is None else options.trim
    right, left = known.deviations("right"), -known.deviations("left")
    if 2 * trim + 2 > n or min(len(right), len(left)) <= trim:
        return _nothing(f"no trimmed interval: {trim} values cannot be trimmed at each end")
    kept = n - 2 * trim
    cut = np.concatenate([right[:trim], left[:trim]])
    first = (known.mean - known.center) * n - cut.sum()
    second = known.variance * (n - 1) + n * (known.mean - known.center) ** 2 - (cut**2).sum()
    winsorised = first + trim * (right[trim] + left[trim])
    squares = second + trim * (right[trim] ** 2 + left[trim] ** 2) - winsorised**2 / n
    error = math.sqrt(max(squares, 0.0) / (n - 1)) * math.sqrt(n) / kept
    quantile = float(stdtrit(kept - 1, 0.5 + 0.5 * options.level))
    return _around(float(first) / kept, quantile * error)


def _index_two(known: Summary, options: _Options) -> _Bounds:
    middle = known.mean - known.center
    spread = index_two_spread(known, options.constant)
    if math.isnan(spread):
        return math.nan, math.nan, math.nan
    return _around(middle, normal_quantile(options.level) * spread / known.trials)


def index_two_spread(known: Summary, constant: float | None = None) -> float:
    """Solve ``a**2 = n*E[X**2; |X| < a]`` with ``constant*x**-2`` beyond the values that PSIS fits."""
    hill = tail_index(known, k=min(psis_tail_length(known.trials), len(known.extremes) - 1))
    if math.isnan(hill.estimate):
        return math.nan
    n, k, threshold = known.trials, hill.k, hill.threshold
    middle = known.mean - known.center
    largest = known.deviations()[:k]
    tail = k / n * threshold**2 if constant is None else constant
    squares = known.variance * (n - 1) + n * middle**2
    body = max((squares - float((largest**2).sum())) / n - middle**2, 0.0)
    spread = max(math.sqrt(n * body), threshold)
    for _ in range(50):
        spread = max(math.sqrt(n * (body + 2.0 * tail * math.log(spread / threshold))), threshold)
    return spread


def _subsampling(known: Summary, options: _Options) -> _Bounds:
    counts, sums = merged_groups(known, known.trials)
    if len(counts) < MIN_POINTS:
        return _nothing(f"no subsampling interval: only {len(counts)} groups")
    index, borderline = _rate_index(known, options.index)
    if not index > 1.0:
        return _nothing(f"no subsampling interval: with tail index {index:.3g} there is no rate")
    n, size, total = known.trials, known.trials / len(counts), sums.sum()
    others = (total - sums) / (n - counts)
    rate = (size / n) ** (1.0 - 1.0 / min(index, 2.0))
    if borderline and size > 2.0:
        rate *= math.sqrt(math.log(n) / math.log(size))
    tail = 0.5 * (1.0 - options.level)
    low, high = np.quantile(sums / counts - others, [tail, 1.0 - tail]) * rate
    middle = float(total) / n
    return middle - float(high), middle, middle - float(low)


def _rate_index(known: Summary, index: float | None) -> tuple[float, bool]:
    """The index whose rate to use, and whether the logarithm of index 2 belongs to it."""
    if index is not None:
        return index, index == 2.0
    hill = tail_index(known)
    return (2.0, True) if hill.low <= 2.0 <= hill.high else (hill.estimate, False)


def _one_sided(known: Summary, options: _Options) -> _Bounds:
    """What holds two intervals: by extrapolated tails, and by medians of means of few groups."""
    low, middle, high = _extrapolated(known, options)
    if known.group_counts is None:
        return low, middle, high
    few = max(8, math.ceil(1.0 - math.log2(1.0 - options.level)))
    groups = _median_of_means(known, dataclasses.replace(options, groups=few))
    low, high = min(low, groups[0]), max(high, groups[2])
    return low, known.mean - known.center if math.isnan(middle) else middle, high


def _extrapolated(known: Summary, options: _Options) -> _Bounds:
    """The mean up to a threshold on each heavy side, and ``p t a / (a - 1)`` beyond it (Peng 2001; Johansson 2003)."""
    n, normal = known.trials, normal_quantile(options.level)
    first = (known.mean - known.center) * n
    second = known.variance * (n - 1) + first**2 / n
    middle, below, above = 0.0, 0.0, 0.0
    sides: tuple[tuple[Side, float], ...] = (("right", 1.0), ("left", -1.0))
    for side, sign in sides:
        hill = _hill_of_side(known, side, options.level)
        if hill is None:
            continue
        if hill.estimate <= 1.0:
            return -math.inf if sign < 0.0 else known.mean - known.center, math.nan, math.inf
        top, share = known.deviations(side)[: hill.k], hill.k / n
        first -= sign * float(top.sum())
        second -= float((top**2).sum())
        mean, least, most = (
            share * hill.threshold * a / (a - 1.0) if a > 1.0 else math.inf
            for a in (hill.estimate, hill.high, hill.low)
        )
        count = normal * share * hill.threshold / (hill.estimate - 1.0) / math.sqrt(hill.k)
        middle += sign * mean
        lower, upper = math.hypot(mean - least, count), math.hypot(most - mean, count)
        below, above = (
            (math.hypot(below, lower), math.hypot(above, upper))
            if sign > 0.0
            else (math.hypot(below, upper), math.hypot(above, lower))
        )
    body = normal * math.sqrt(max(second / n - (first / n) ** 2, 0.0) / n)
    middle += first / n
    return middle - math.hypot(below, body), middle, middle + math.hypot(above, body)


def _hill_of_side(known: Summary, side: Side, level: float) -> TailIndex | None:
    """Hill's estimate of one tail, where that is heavy enough to be extrapolated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TailWarning)
        hill = tail_index(known, side=side, level=level)
    return hill if hill.estimate < _LIGHT else None


def one_sided(known: Summary, k: int) -> bool:
    """Whether one side has nearly all of the largest deviations."""
    largest = known.extremes[np.argsort(-np.abs(known.extremes - known.center))[:k]]
    share = float(np.mean(largest > known.center))
    return abs(share - 0.5) > _BALANCED


_BY_GROUPS = ("median-of-means", "normal")  # methods that need no more than independent groups
_METHODS: dict[str, Callable[[Summary, _Options], _Bounds]] = {
    "normal": _normal,
    "median-of-means": _median_of_means,
    "catoni": _catoni,
    "trimmed": _trimmed,
    "self-normalised": _self_normalised,
    "index-2": _index_two,
    "subsampling": _subsampling,
    "one-sided": _one_sided,
}
