"""`tail_index` by Hill, moment, Pickands and generalised-Pareto fits, and the Hill path.

Only the largest order statistics are looked at. How many of them to use is decided in ``_choose.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown

from ._checks import (
    MIN_POINTS,
    SIDES,
    FloatArray,
    IntArray,
    Side,
    normal_quantile,
    warn,
)
from ._choose import choose_k
from ._gpd import fit_sorted
from ._khat import psis_tail_length
from ._summary import Summary, as_summary

METHODS = ("hill", "moment", "pickands", "gpd", "gpd-mle")


@dataclass(frozen=True)
class TailIndex(Shown):
    """An estimate of the tail index ``a`` of ``P(|X| > x) ~ C*x**-a``.

    Attributes
    ----------
    estimate : float
        Infinite where the shape is not positive: no power law. NaN where the data allow no estimate.
    low, high : float
        Confidence interval at `level`. It holds the sampling error of the `k` order statistics, not the bias
        of a tail that is not yet a power law beyond `threshold`.
    k : int
        Order statistics used.
    method, side : str
    level : float
    shape : float
        ``1/a``, which the estimators estimate; 0 or less for a tail lighter than any power.
    std_error : float
        Of `estimate`, to first order (for Hill ``a/sqrt(k)``).
    threshold : float
        Deviation from the center beyond which the `k` values lie.
    trials : int
        Sample size that the order statistics come from.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.tail_index(values, k=500)
    >>> found.k, found.method, bool(found.low < found.estimate < found.high)
    (500, 'hill', True)
    """

    estimate: float
    low: float
    high: float
    k: int
    method: str
    side: str
    level: float
    shape: float
    std_error: float
    threshold: float
    trials: int

    def __str__(self) -> str:
        ends = f"{100 * self.level:g} % {self.low:.3g} to {self.high:.3g}"
        return f"{self.estimate:.3g}, {ends} ({self.method}, {self.k:,} largest trials)"

    @property
    def constant(self) -> float:
        """The ``C`` of ``P(|X - center| > x) ~ C*x**-a`` that belongs to it: ``k/n * threshold**a``."""
        if not math.isfinite(self.estimate):
            return math.nan
        log_constant = math.log(self.k / self.trials) + self.estimate * math.log(self.threshold)
        return math.exp(log_constant) if log_constant < 700 else math.inf


@dataclass(frozen=True, eq=False, repr=False)
class HillPath(Shown):
    """Hill estimates over a range of `k`; one row each.

    Attributes
    ----------
    k : ndarray of int64, shape (rows,)
    estimate, low, high : ndarray of float64, shape (rows,)
        NaN where the k largest are tied with the next.
    threshold : ndarray of float64, shape (rows,)
    chosen : int
        The automatic choice of `k`; 0 where there is none.
    level : float
    side : str

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> path = tails.hill_path(values)
    >>> path.k.shape == path.estimate.shape == path.low.shape
    True
    """

    k: IntArray
    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    threshold: FloatArray
    chosen: int
    level: float
    side: str


@own_errstate
def tail_index(
    sample: ArrayLike | Summary,
    *,
    method: str = "hill",
    k: int | str = "auto",
    side: Side = "both",
    level: float = 0.95,
    center: float = 0.0,
    seed: int = 0,
) -> TailIndex:
    """Estimate the tail index from the largest order statistics.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
        A summary brings its own center.
    method : {"hill", "moment", "pickands", "gpd", "gpd-mle"}
        Hill 1975, with the exact gamma interval of a Pareto tail; the moment estimator of Dekkers, Einmahl &
        de Haan 1989; Pickands 1975 (which uses ``4*(k//4)`` values); a generalised-Pareto fit of the excesses
        by Zhang & Stephens 2009 with the prior of PSIS, or by maximum likelihood with a profile interval.
        Only the last three do not depend on the center (for one side).
    k : int, "auto" or "bootstrap"
        Number of order statistics. "auto" is a quarter (Hill) or half (moment, Pickands) of what minimises
        the asymptotic mean square error, see `choose_k`, so that the bias stays small beside the interval;
        for the generalised-Pareto fits it is the number that PSIS takes, ``3*sqrt(n)``. "bootstrap" is the
        double bootstrap of Danielsson et al. 2001: the least error for the estimate, with an interval that is
        too short (it covers in 50 to 70 % of samples of a Student t instead of 95 %).
    side : {"both", "right", "left"}
        Tail of ``|x - center|``, ``x - center`` or ``center - x``.
    level : float
        Confidence level.
    center : float
        Point that deviations are taken from, for an array. Hill and moment estimates depend on it.
    seed : int
        Of the bootstrap.

    Returns
    -------
    TailIndex
        NaN, with a `TailWarning`, where fewer than 20 positive deviations are known or those used are all the
        same.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or an argument is not allowed.

    Notes
    -----
    Actual coverage, in percent, of 95 % intervals from 10 000 values at the automatic k (200 repetitions, so
    plus or minus 1.5 or more). Where the estimates differ, believe the generalised-Pareto fit:

    ========  ===  ====  ===  ===  ======  =======  ==========  ==========  ==========
    method    t 1  t1.5  t 2  t 3  Pareto  Lomax 2  stable 1.2  stable 1.5  stable 1.8
    ========  ===  ====  ===  ===  ======  =======  ==========  ==========  ==========
    hill      98   96    94   88   96      81       96          90          65
    moment    97   94    94   94   96      96       94          92          88
    pickands  96   98    94   95   92      96       96          92          94
    gpd       96   95    95   96   96      98       94          96          92
    gpd-mle   96   96    94   96   94      98       92          96          88
    ========  ===  ====  ===  ===  ======  =======  ==========  ==========  ==========

    The same of 500 runs of SUMO: of `fs.models.note` and of `gaussian_scale` under the harmonic law, the 60 largest of
    200 000 trials; of `fs.models.note` under the paper's law, the 100 largest of 10**6. Fewer trials of the paper's law
    look like an index of 2, and no method holds its 1:

    ========  ========  =========  =========  =========  ==========  ========
    method    note (2)  paper (1)  0.5 (1.3)  0.6 (1.6)  0.7 (1.96)  0.8 (2)
    ========  ========  =========  =========  =========  ==========  ========
    hill      94        87         94         92         79          93
    moment    91        84         92         92         94          91
    pickands  96        94         94         96         96          94
    gpd       96        89         96         96         97          96
    gpd-mle   93        92         94         93         92          93
    ========  ========  =========  =========  =========  ==========  ========

    Examples
    --------
    >>> import numpy as np
    >>> pareto = (np.arange(1, 2001) / 2000) ** (-1 / 1.5)
    >>> round(tail_index(pareto, k=500).estimate, 1)
    1.5
    """
    checks.choice("method", method, METHODS)
    checks.choice("side", side, SIDES)
    checks.real("level", level, 0.0, 1.0)
    known = as_summary(sample, center, by_distance=method in ("hill", "moment"))
    ordered = known.deviations(side)
    usable = ordered if method.startswith("gpd") else ordered[ordered > 0]
    if k not in ("auto", "bootstrap"):
        k = checks.whole("k", k, 4 if method == "pickands" else 5 if method.startswith("gpd") else 2)
    if len(usable) < MIN_POINTS or usable[0] == usable[-1]:
        why = f"{len(usable)} usable values" if len(usable) < MIN_POINTS else "all values are the same"
        return _no_index(f"no tail index on side {side!r}: {why}", method, side, level, known.trials)
    chosen = _resolve_k(usable, k, method, known.trials, seed)
    if usable[0] == usable[chosen]:
        return _no_index(f"no tail index: the {chosen} largest are tied", method, side, level, known.trials)
    warn_of_ties(usable[: chosen + 1])
    shape, low, high = _ESTIMATORS[method](usable, chosen, level)
    return _as_index((shape, low, high), chosen, method, side, level, float(usable[chosen]), known.trials)


@own_errstate
def hill_path(
    sample: ArrayLike | Summary,
    *,
    side: Side = "both",
    level: float = 0.95,
    center: float = 0.0,
    points: int | None = 400,
) -> HillPath:
    """Hill estimates for every number of order statistics, or for log-spaced ones.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
    side : {"both", "right", "left"}
    level : float
        Confidence level of each row by itself.
    center : float
        For an array.
    points : int, optional
        Number of log-spaced rows; None for every `k` from 2.

    Returns
    -------
    HillPath
        Without rows, and with a `TailWarning`, where fewer than 20 positive deviations are known.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or an argument is not allowed.

    Examples
    --------
    >>> path = hill_path([2.0**i for i in range(30)], points=None)
    >>> len(path.k), path.k[0], path.k[-1]
    (28, np.int64(2), np.int64(29))
    """
    checks.real("level", level, 0.0, 1.0)
    known = as_summary(sample, center, by_distance=True)
    ordered = known.deviations(side)
    ordered = ordered[ordered > 0]
    if len(ordered) < MIN_POINTS or ordered[0] == ordered[-1]:
        warn(f"no Hill path on side {side!r}: {len(ordered)} usable values")
        empty = np.zeros(0)
        return HillPath(np.zeros(0, np.int64), empty, empty, empty, empty, 0, level, side)
    k = np.arange(2, len(ordered))
    if points is not None:
        k = np.unique(np.geomspace(2, len(ordered) - 1, checks.whole("points", points, 2)).round().astype(np.int64))
    shape = hill_shapes(np.log(ordered))[k - 1]
    with np.errstate(divide="ignore"):
        estimate = np.where(shape > 0, 1.0 / shape, np.nan)
    low, high = _gamma_factors(k, level)
    chosen = _resolve_k(ordered, "auto", "hill", known.trials, 0)
    return HillPath(k, estimate, estimate * low, estimate * high, ordered[k], chosen, level, side)


def hill_shapes(log_ordered: FloatArray) -> FloatArray:
    """Hill's ``1/a`` for k = 1, 2, …: the mean of the k largest logs minus the next one."""
    shifted = log_ordered - log_ordered[0]
    return np.cumsum(shifted[:-1]) / np.arange(1, len(shifted)) - shifted[1:]


def warn_of_ties(ordered: FloatArray) -> None:
    """Warn where more than a tenth of the values used repeat their neighbour."""
    ties = int(np.count_nonzero(ordered[1:] == ordered[:-1]))
    if ties > 0.1 * len(ordered):
        warn(f"{ties} of the {len(ordered)} largest values are tied: the estimate is of rounded data")


def _resolve_k(ordered: FloatArray, k: int | str, method: str, trials: int, seed: int) -> int:
    most = len(ordered) - 1
    if isinstance(k, str):
        if method.startswith("gpd") and k == "auto":
            return min(max(psis_tail_length(trials), 5), most)
        known = Summary(max(trials, len(ordered)), ordered)
        if k == "bootstrap":
            return choose_k(known, method="bootstrap", seed=seed)
        part = 4 if method == "hill" else 2
        return max(choose_k(known) // part, MIN_POINTS // 2)
    if k > most:
        raise ValueError(f"k must be at most {most}, one less than the known values of this side, not {k}")
    return int(k)


def _no_index(message: str, method: str, side: str, level: float, trials: int) -> TailIndex:
    warn(message)
    nan = math.nan
    return TailIndex(nan, nan, nan, 0, method, side, level, nan, nan, nan, trials)


def _as_index(
    shapes: tuple[float, float, float], k: int, method: str, side: str, level: float, threshold: float, n: int
) -> TailIndex:
    shape, low, high = shapes
    estimate = 1.0 / shape if shape > 0 else math.inf if shape <= 0 else math.nan
    index_low = 1.0 / high if high > 0 else math.inf if high <= 0 else math.nan
    index_high = 1.0 / low if low > 0 else math.inf if low <= 0 else math.nan
    spread = 0.5 * (high - low) / normal_quantile(level)
    if method == "hill":
        spread = shape / math.sqrt(k)
    error = spread * estimate**2 if math.isfinite(estimate) else math.nan
    return TailIndex(estimate, index_low, index_high, k, method, side, level, shape, error, threshold, n)


def _gamma_factors(k: IntArray | int, level: float) -> tuple[FloatArray, FloatArray]:
    """Bounds of ``a/estimate``, as ``k * a/estimate`` has the law Gamma(k) for a Pareto tail.

    Above k = 10 000 by the cube-root approximation of Wilson & Hilferty 1931, then good to 1e-6 of the width.
    """
    from scipy.special import gammaincinv

    counts, tail = np.asarray(k), 0.5 * (1.0 - level)
    small, z = np.minimum(counts, 10_000), normal_quantile(level)
    bounds = []
    for probability, quantile in ((tail, -z), (1.0 - tail, z)):
        exact = np.asarray(gammaincinv(np.unique(small), probability))
        bound = exact[np.searchsorted(np.unique(small), small)] / small
        cube_root = 1.0 - 1.0 / (9.0 * counts) + quantile / (3.0 * np.sqrt(counts))
        bounds.append(np.where(counts > 10_000, cube_root**3, bound))
    return bounds[0], bounds[1]


def _hill(ordered: FloatArray, k: int, level: float) -> tuple[float, float, float]:
    logs = np.log(ordered[: k + 1])
    shape = float((logs[:k] - logs[k]).mean())
    low, high = _gamma_factors(k, level)
    return shape, shape / float(high), shape / float(low)


def _moment(ordered: FloatArray, k: int, level: float) -> tuple[float, float, float]:
    logs = np.log(ordered[:k] / ordered[k])
    first, second = float(logs.mean()), float((logs**2).mean())
    if first**2 >= second * (1.0 - 1e-12):
        return math.nan, math.nan, math.nan
    shape = first + 1.0 - 0.5 / (1.0 - first**2 / second)
    error = normal_quantile(level) * math.sqrt(_moment_variance(shape) / k)
    return shape, shape - error, shape + error


def _moment_variance(g: float) -> float:
    """Dekkers, Einmahl & de Haan 1989, corollary 3.2."""
    if g >= 0:
        return 1.0 + g * g
    u, v, w = 1.0 - 2.0 * g, 1.0 - 3.0 * g, 1.0 - 4.0 * g
    return (1.0 - g) ** 2 * u * (4.0 - 8.0 * u / v + (5.0 - 11.0 * g) * u / (v * w))


def _pickands(ordered: FloatArray, k: int, level: float) -> tuple[float, float, float]:
    q = k // 4
    top, middle, low = ordered[q - 1], ordered[2 * q - 1], ordered[4 * q - 1]
    if not top > middle > low:
        warn("no Pickands estimate: the order statistics that it compares are tied")
        return math.nan, math.nan, math.nan
    shape = float(np.log((top - middle) / (middle - low))) / math.log(2.0)
    error = normal_quantile(level) * _pickands_deviation(shape) / math.sqrt(q)
    return shape, shape - error, shape + error


def _pickands_deviation(g: float) -> float:
    """Dekkers & de Haan 1989, theorem 2.3; the limit where the shape is 0."""
    if abs(g) < 1e-6:
        return math.sqrt(3.0) / (2.0 * math.log(2.0) ** 2)
    return abs(g * math.sqrt(2.0 ** (2.0 * g + 1.0) + 1.0) / (2.0 * (2.0**g - 1.0) * math.log(2.0)))


def _gpd(ordered: FloatArray, k: int, level: float) -> tuple[float, float, float]:
    fit = fit_sorted(ordered[:k][::-1] - ordered[k], "zhang-stephens", level)
    return fit.shape, fit.low, fit.high


def _gpd_mle(ordered: FloatArray, k: int, level: float) -> tuple[float, float, float]:
    fit = fit_sorted(ordered[:k][::-1] - ordered[k], "mle", level)
    return fit.shape, fit.low, fit.high


_ESTIMATORS = {"hill": _hill, "moment": _moment, "pickands": _pickands, "gpd": _gpd, "gpd-mle": _gpd_mle}
