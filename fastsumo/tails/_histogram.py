"""The signed logarithmic histogram and its quantiles, good to a stated relative error.

The bins are those of the DDSketch of Masson, Rim & Lee (VLDB 2019). No estimate of a tail lives here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown

from ._checks import FloatArray, IntArray, as_counts, as_sample


@dataclass(frozen=True, eq=False, repr=False)
class Histogram(Shown):
    """Counts of ``value - center`` in signed bins, from the most negative to the most positive.

    Attributes
    ----------
    center : float
    low, high : ndarray of float64, shape (bins,)
        Edges of each bin of ``value - center``, ascending. A bin does not straddle 0, except that one bin may
        hold 0 itself. Empty bins may be left out. The outermost edges may be infinite.
    counts : ndarray of int64, shape (bins,)

    Raises
    ------
    TypeError, ValueError
        If the shapes differ or the edges are not ascending.

    Examples
    --------
    >>> found = Histogram(0.0, np.array([1.0, 2.0]), np.array([2.0, 4.0]), np.array([7, 3]))
    >>> found.counts.sum(), found.middles.round(3)
    (np.int64(10), array([1.333, 2.667]))
    """

    center: float
    low: FloatArray
    high: FloatArray
    counts: IntArray

    def __post_init__(self) -> None:
        """Check the shapes and the order of the bins."""
        lower, upper = checks.floats("low", self.low), checks.floats("high", self.high)
        counts = as_counts(self.counts, "counts")
        if not lower.shape == upper.shape == counts.shape:
            raise ValueError(f"edges and counts differ in shape: {lower.shape}, {upper.shape}, {counts.shape}")
        if not ((lower <= upper).all() and (lower[1:] >= upper[:-1]).all()):
            raise ValueError("the bins must be ascending and must not overlap")
        object.__setattr__(self, "center", checks.real("center", self.center))
        object.__setattr__(self, "low", lower)
        object.__setattr__(self, "high", upper)
        object.__setattr__(self, "counts", counts)

    @property
    def middles(self) -> FloatArray:
        """Point of each bin with the smallest largest relative error: the harmonic mean of its edges."""
        straddles = self.low * np.sign(self.high) <= 0
        finite_low = np.where(np.isfinite(self.low), self.low, self.high)
        finite_high = np.where(np.isfinite(self.high), self.high, self.low)
        low, high = np.where(straddles, 1.0, finite_low), np.where(straddles, 1.0, finite_high)
        return np.where(straddles, 0.0, low / (0.5 * (1.0 + low / high)))

    @own_errstate
    def beyond(self, x: ArrayLike, side: str) -> FloatArray:
        """How many values lie at ``x`` or further from the center, on one side.

        Parameters
        ----------
        x : array_like
            Positive distances from the center.
        side : {"right", "left"}

        Returns
        -------
        ndarray of float64, shape of `x`
            Whole numbers at the edges of bins; of the bin around ``x`` the share that lies beyond it in ``log x``.

        Examples
        --------
        >>> found = Histogram(0.0, np.array([-2.0, 1.0]), np.array([-1.0, 4.0]), np.array([5, 10]))
        >>> found.beyond([1.0, 2.0, 4.0], "right").tolist(), found.beyond(1.0, "left").tolist()
        ([10.0, 5.0, 0.0], 5.0)
        """
        low, high, counts, beyond = self._sides[checks.choice("side", side, ("right", "left"))]
        distances = checks.floats("x", x)
        if low.size == 0:
            return np.zeros(distances.shape)
        first = np.searchsorted(low, distances, "left")
        around = np.maximum(first - 1, 0)
        inside = (first > 0) & (high[around] > distances) & np.isfinite(high[around])
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.log(high[around] / distances) / np.log(high[around] / low[around])
        return np.asarray(beyond[first] + np.where(inside, part * counts[around], 0.0))

    @cached_property
    def _sides(self) -> dict[str, tuple[FloatArray, FloatArray, IntArray, IntArray]]:
        """Of each side: edges as distances, ascending, counts, and how many values are in a bin or beyond it."""
        up, down = self.low >= 0.0, self.high <= 0.0
        right = self.low[up], self.high[up], self.counts[up]
        left = -self.high[down][::-1], -self.low[down][::-1], self.counts[down][::-1]
        return {
            side: (low, high, counts, np.append(np.cumsum(counts[::-1])[::-1], 0))
            for side, (low, high, counts) in (("right", right), ("left", left))
        }


@own_errstate
def log_histogram(values: ArrayLike, center: float = 0.0, *, accuracy: float = 0.01) -> Histogram:
    """Count values in signed bins whose middles are within a relative `accuracy` of everything in them.

    Parameters
    ----------
    values : array_like, shape (n,)
    center : float
        Bins are narrow near it: the accuracy is relative to ``|value - center|``.
    accuracy : float
        Guaranteed relative error, between 0 and 1.

    Returns
    -------
    Histogram
        Without empty bins.

    Raises
    ------
    TypeError, ValueError
        If the values are not finite real numbers, or the accuracy is not between 0 and 1.

    Examples
    --------
    >>> log_histogram([-3.0, 0.0, 3.0, 3.0]).counts.tolist()
    [1, 1, 2]
    """
    checks.real("accuracy", accuracy, 0.0, 1.0)
    deviations = as_sample(values) - checks.real("center", center)
    if not np.isfinite(deviations).all():
        raise ValueError(f"value - center overflows with center {center!r}")
    width = np.log1p(accuracy) - np.log1p(-accuracy)
    nonzero = deviations[deviations != 0]
    bins = np.floor(np.log(np.abs(nonzero)) / width).astype(np.int64)
    lower, upper, counts = [], [], []
    for negative in (True, False):
        keys, found = np.unique(bins[(nonzero < 0) == negative], return_counts=True)
        near, far = _edges(keys, width), _edges(keys + 1, width)
        order = slice(None, None, -1) if negative else slice(None)
        lower.append((-far if negative else near)[order])
        upper.append((-near if negative else far)[order])
        counts.append(found[order])
    zeros = [len(deviations) - len(nonzero)] if len(nonzero) < len(deviations) else []
    zero = np.zeros(len(zeros))
    return Histogram(
        center,
        np.concatenate([lower[0], zero, lower[1]]),
        np.concatenate([upper[0], zero, upper[1]]),
        np.concatenate([counts[0], np.array(zeros, np.int64), counts[1]]),
    )


@own_errstate
def merge_histograms(first: Histogram, second: Histogram) -> Histogram:
    """Add two histograms that share their center and their grid of bins.

    Parameters
    ----------
    first, second : Histogram

    Returns
    -------
    Histogram

    Raises
    ------
    ValueError
        If the centers differ or bins of the one partly overlap bins of the other.

    Examples
    --------
    >>> merge_histograms(log_histogram([1.0, 5.0]), log_histogram([5.0])).counts.tolist()
    [1, 2]
    """
    if first.center != second.center:
        raise ValueError(f"histograms around {first.center!r} and {second.center!r} cannot be merged")
    edges = np.column_stack([np.r_[first.low, second.low], np.r_[first.high, second.high]])
    bins, place = np.unique(edges, axis=0, return_inverse=True)
    counts = np.zeros(len(bins), np.int64)
    np.add.at(counts, place.reshape(-1), np.r_[first.counts, second.counts])
    return Histogram(first.center, bins[:, 0], bins[:, 1], counts)


@own_errstate
def histogram_quantile(histogram: Histogram, q: ArrayLike) -> FloatArray:
    """Quantiles of the values counted in a histogram.

    Parameters
    ----------
    histogram : Histogram
    q : array_like, any shape
        Probabilities in [0, 1].

    Returns
    -------
    ndarray of float64, shape of `q`
        For each `q` the value of rank ``floor(q * (n - 1))`` (NumPy's ``method="lower"``). Its deviation from the
        center is off by no more than the relative accuracy of the bins, ``(high - low)/(high + low)``: 1 % with
        `log_histogram` as it stands, from 1e-307 to the largest double.

    Raises
    ------
    ValueError
        If the histogram is empty or a `q` is outside [0, 1].

    Examples
    --------
    >>> round(float(histogram_quantile(log_histogram([1.0, 10.0, 100.0]), 0.5)), 0)
    10.0
    """
    wanted = checks.floats("q", q)
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise ValueError(f"q must lie between 0 and 1, not {q!r}")
    total = int(histogram.counts.sum())
    if total == 0:
        raise ValueError("the histogram is empty")
    ranks = np.floor(wanted * (total - 1)).astype(np.int64)
    place = np.searchsorted(np.cumsum(histogram.counts), ranks, side="right")
    return np.asarray(histogram.center + histogram.middles[place])


def _edges(keys: IntArray, width: float) -> FloatArray:
    largest = np.log(np.finfo(np.float64).max)
    return np.exp(np.minimum(keys * width, largest))
