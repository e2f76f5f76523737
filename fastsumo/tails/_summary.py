"""`Summary`: what a run keeps of its trials, which is all that the functions of ``fastsumo.tails`` need.

A run fills one from its accumulators; `summarize` fills one from a plain array. No estimator lives here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown
from fastsumo.base.text import Column, Rows, count, labelled, with_error

from ._checks import MIN_POINTS, FloatArray, IntArray, as_counts, as_sample, warn
from ._checks import SIDES as _SIDES
from ._histogram import Histogram, log_histogram

_NOWHERE_NEAR = 20.0  # interquartile ranges from the center to the median


@dataclass(frozen=True, eq=False, repr=False)
class Trace(Shown):
    """Running statistics at growing numbers of trials; one row each.

    Attributes
    ----------
    trials : ndarray of int64, shape (rows,)
    mean, variance : ndarray of float64, shape (rows,)
        Of the first `trials` trials.
    largest : ndarray of float64, shape (rows,)
        Largest ``|value - center|`` among them.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> rows = tails.trace(values)
    >>> int(rows.trials[-1]), bool(np.all(np.diff(rows.largest) >= 0))
    (10000, True)
    """

    trials: IntArray
    mean: FloatArray
    variance: FloatArray
    largest: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Summary(Shown):
    """Mergeable statistics of `trials` values, seen as deviations ``value - center``.

    Only `trials` and `extremes` are always needed; a function that needs another part says which one is
    missing.

    Attributes
    ----------
    trials : int
        Number of values in all.
    extremes : ndarray of float64, shape (m,)
        The `m` values with the largest ``|value - center|``, in any order; ``m == trials`` is a whole sample.
        A structured array with a field ``value`` is read as that field.
    center : float
        Point that deviations are taken from.
    power_sums : ndarray of float64, shape (4,), optional
        ``sum((value - center)**p)`` for p = 1..4. The third and fourth may have overflowed to an infinity.
    group_counts, group_sums : ndarray, shape (groups,), optional
        Number of values and ``sum(value - center)`` in each of some groups of trials made without looking at
        the values (consecutive trials, say).
    histogram : Histogram, optional
    trace : Trace, optional
    extreme_ranks : ndarray of int64, shape (m,), optional
        How many values there were when each of the extremes came, itself counted.
    grouped : bool
        Whether values are independent between groups only, as those of stratified trials are.

    Raises
    ------
    TypeError, ValueError
        If a part cannot be read, holds NaN or an infinity, or has the wrong shape.

    Examples
    --------
    >>> Summary(trials=10**10, extremes=[912.0, -850.5, 423.25], center=1.8).trials
    10000000000
    """

    trials: int
    extremes: FloatArray
    center: float = 0.0
    power_sums: FloatArray | None = None
    group_counts: IntArray | None = None
    group_sums: FloatArray | None = None
    histogram: Histogram | None = None
    trace: Trace | None = None
    extreme_ranks: IntArray | None = None
    grouped: bool = False

    def __post_init__(self) -> None:
        """Check and convert each part once, so that no estimator has to."""
        extremes = as_sample(self.extremes, "extremes")
        object.__setattr__(self, "extremes", extremes)
        object.__setattr__(self, "trials", checks.whole("trials", self.trials, len(extremes)))
        object.__setattr__(self, "center", checks.real("center", self.center))
        if self.power_sums is not None:
            object.__setattr__(self, "power_sums", _power_sums(self.power_sums))
        if self.extreme_ranks is not None:
            ranks = as_counts(self.extreme_ranks, "extreme_ranks")
            if ranks.shape != extremes.shape:
                raise ValueError(f"extreme_ranks has {len(ranks)} entries and extremes {len(extremes)}")
            object.__setattr__(self, "extreme_ranks", ranks)
        if (self.group_counts is None) != (self.group_sums is None):
            raise ValueError("group_counts and group_sums must be given together")
        if self.group_counts is not None and self.group_sums is not None:
            counts, sums = (
                as_counts(self.group_counts, "group_counts"),
                as_sample(self.group_sums, "group_sums"),
            )
            if counts.shape != sums.shape:
                raise ValueError(f"group_counts has {len(counts)} entries and group_sums {len(sums)}")
            object.__setattr__(self, "group_counts", counts)
            object.__setattr__(self, "group_sums", sums)

    def __str__(self) -> str:
        return labelled(self._rows())

    def _blocks(self) -> list[Rows | list[Column]]:
        return [self._rows()]

    def _rows(self) -> Rows:
        """The numbers that these statistics hold, and what is kept besides."""
        rows = [("trials", count(self.trials)), ("center", f"{self.center:.10g}")]
        if self.power_sums is not None:
            error = (self.variance / self.trials) ** 0.5
            rows += [("mean", with_error(self.mean, error)), ("variance", f"{self.variance:.6g}")]
        furthest = self.extremes[np.argsort(-np.abs(self.extremes - self.center))[:3]]
        rows.append(("furthest", f"{', '.join(f'{value:.6g}' for value in furthest)} of {len(self.extremes):,} kept"))
        parts = ("power_sums", "group_sums", "histogram", "trace", "extreme_ranks")
        kept = [name for name in parts if getattr(self, name) is not None]
        return Rows([*rows, ("arrays", ", ".join(["extremes", *kept]))])

    @property
    def complete(self) -> bool:
        """Whether the extremes are the whole sample."""
        return len(self.extremes) == self.trials

    @property
    def mean(self) -> float:
        """Sample mean, from the power sums."""
        return self.center + float(self._sums()[0]) / self.trials

    @property
    def variance(self) -> float:
        """Sample variance with divisor ``trials - 1``, from the power sums; NaN for a single value."""
        first, second = self._sums()[:2]
        if self.trials < 2:
            return float("nan")
        return max(float(second - first * (first / self.trials)), 0.0) / (self.trials - 1)

    @property
    def std_error(self) -> float:
        """Standard error of the mean: the root of variance over trials, or by the groups where these matter."""
        if not self.grouped:
            return math.sqrt(self.variance / self.trials)
        if self.group_counts is None or self.group_sums is None:
            raise ValueError("this summary has no group_counts and group_sums, which its standard error needs")
        return error_by_groups(self.group_counts, self.group_sums)

    def deviations(self, side: str = "both") -> FloatArray:
        """Return the known top order statistics of one side, largest first.

        ``value - center`` for the right, ``center - value`` for the left, ``|value - center|`` for both. Of
        an incomplete sample a single side has only the extremes that lie on it: below the smallest of them in
        size nothing is known.
        """
        checks.choice("side", side, _SIDES)
        shifted = self.extremes - self.center
        if not np.isfinite(shifted).all():
            raise ValueError(f"value - center overflows with center {self.center!r}")
        signed = np.abs(shifted) if side == "both" else shifted if side == "right" else -shifted
        if not self.complete and side != "both":
            signed = signed[signed > 0]
        return np.sort(signed)[::-1]

    def _sums(self) -> FloatArray:
        if self.power_sums is None:
            raise ValueError("this summary has no power_sums, which this statistic needs")
        return self.power_sums


def error_by_groups(counts: IntArray, sums: FloatArray) -> float:
    """Standard error of a mean of values that are independent between groups only; NaN of fewer than two groups.

    ``sqrt(sum (S_g - n_g m)^2 / (1 - sum (n_g / n)^2)) / n``, for groups of any sizes (Liang & Zeger, Biometrika 73,
    1986): its square is unbiased where the sum of a group has a variance in proportion to its size, and too large where
    small groups have more. The common factor ``G / (G - 1)`` is that of equal groups.

    Examples
    --------
    >>> error_by_groups(np.array([2, 2]), np.array([0.0, 4.0]))
    1.0
    """
    if np.count_nonzero(counts) < 2:
        return math.nan
    n, shares = counts.sum(), counts / counts.sum()
    off = sums - counts * (sums.sum() / n)
    return math.sqrt(float(off @ off) / (1.0 - float(shares @ shares))) / float(n)


def degrees_of_freedom(counts: IntArray) -> float:
    """About that many has `error_by_groups`: ``G - 1`` of equal groups, as if there were fewer of unequal ones.

    Examples
    --------
    >>> degrees_of_freedom(np.array([2, 2, 2, 2])), degrees_of_freedom(np.array([64, 1]))
    (3.0, 1.0)
    """
    shares = counts / counts.sum()
    return max(1.0 / float(shares @ shares) - 1.0, 1.0)


@own_errstate
def summarize(values: ArrayLike, center: float | None = None, *, groups: int = 256, points: int = 200) -> Summary:
    """Summarize a plain array of values.

    Parameters
    ----------
    values : array_like, shape (n,)
        Independent values, in the order in which they were drawn.
    center : float, optional
        Point that deviations are taken from; the median where None.
    groups : int
        Number of groups of consecutive values (fewer where there are fewer values).
    points : int
        Rows of the trace.

    Returns
    -------
    Summary
        With all its parts but ``extreme_ranks``; its extremes are the whole sample.

    Raises
    ------
    TypeError, ValueError
        If the values are not finite real numbers in one dimension, or squares of their deviations overflow.

    Examples
    --------
    >>> summarize([1.0, 2.0, 6.0]).mean
    3.0
    """
    sample = as_sample(values)
    middle = float(np.median(sample)) if center is None else checks.real("center", center)
    n, deviations = len(sample), _deviations(sample, middle)
    starts = np.linspace(0, n, min(checks.whole("groups", groups, 1), n), endpoint=False).astype(np.int64)
    return Summary(
        trials=n,
        extremes=sample,
        center=middle,
        power_sums=_powers(deviations),
        group_counts=np.diff(starts, append=n),
        group_sums=np.add.reduceat(deviations, starts),
        histogram=log_histogram(sample, middle),
        trace=trace(sample, middle, points=points),
    )


def as_summary(sample: ArrayLike | Summary, center: float | None, *, by_distance: bool = False) -> Summary:
    """Read an array as the extremes of itself, without the other parts; a summary passes as it is.

    For what goes by the distances from the center, warns of one that the values are nowhere near.
    """
    if isinstance(sample, Summary):
        return sample
    values = as_sample(sample)
    if by_distance and center is not None and len(values) >= MIN_POINTS:
        with np.errstate(over="ignore", invalid="ignore"):
            first, middle, third = np.quantile(values, [0.25, 0.5, 0.75])
            far = abs(middle - center) > _NOWHERE_NEAR * (third - first) > 0.0
        if far:
            warn(f"values lie far from the center {center:.6g}; distances from it say nothing: try center={middle:.6g}")
    return Summary(len(values), values, 0.0 if center is None else center)


@own_errstate
def trace(values: ArrayLike, center: float = 0.0, *, points: int = 200) -> Trace:
    """Running mean, variance and largest deviation at log-spaced numbers of values.

    Parameters
    ----------
    values : array_like, shape (n,)
        In the order in which they were drawn.
    center : float
        Point that the largest deviations are taken from.
    points : int
        Rows wanted; fewer are returned where they would coincide.

    Returns
    -------
    Trace

    Raises
    ------
    TypeError, ValueError
        If the values are not finite real numbers in one dimension, or squares of their deviations overflow.

    Examples
    --------
    >>> trace([1.0, 3.0, 2.0, 6.0]).mean.tolist()
    [2.0, 2.0, 3.0]
    """
    sample = as_sample(values)
    n, deviations = len(sample), _deviations(sample, checks.real("center", center))
    middle = float(np.median(sample))  # about which squares lose nothing, whatever the center
    near = _deviations(sample, middle)
    rows = np.unique(np.geomspace(min(2, n), n, checks.whole("points", points, 1)).round().astype(np.int64))
    first, second = np.cumsum(near)[rows - 1], np.cumsum(near**2)[rows - 1]
    spread = np.maximum(second - first * (first / rows), 0.0) / np.maximum(rows - 1, 1)
    largest = np.maximum.accumulate(np.abs(deviations))[rows - 1]
    return Trace(rows, middle + first / rows, np.where(rows > 1, spread, np.nan), largest)


def _deviations(sample: FloatArray, center: float) -> FloatArray:
    with np.errstate(over="ignore"):
        deviations = sample - center
        if not np.isfinite(deviations @ deviations):
            raise ValueError(f"values are too large: squares of value - center overflow, with center {center!r}")
    return deviations


def _powers(deviations: FloatArray) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        square = deviations * deviations
        return np.array([deviations.sum(), square.sum(), (square * deviations).sum(), (square * square).sum()])


def _power_sums(values: ArrayLike) -> FloatArray:
    sums = checks.floats("power_sums", values)
    if sums.shape != (4,):
        raise ValueError(f"power_sums must be four numbers, not of shape {sums.shape}")
    if not np.isfinite(sums[:2]).all() or sums[1] < 0:
        raise ValueError(f"the first two power sums must be finite, and the second not negative: {sums[:2]}")
    return sums
