"""Quantiles of a sample, or of what is kept of one: exact at its ends, between them to the width of a bin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate

from ._checks import FloatArray, IntArray
from ._summary import Summary, as_summary

QUANTILE = np.dtype([(name, np.float64) for name in ("q", "value", "low", "high")])


@own_errstate
def quantile(sample: ArrayLike | Summary, q: ArrayLike, *, lower: int = 0) -> FloatArray:
    """Quantiles of a sample, interpolated between neighbours as `numpy.quantile` does.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
        Of an incomplete summary those among the extremes are exact; others come from its histogram, and their deviation
        from the centre is as good as its bins are narrow.
    q : array_like, any shape
        Probabilities in [0, 1].
    lower : int
        Values below all of these, known in number only.

    Returns
    -------
    ndarray of float64, shape of `q`
        ``-inf`` among the values below.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, a `q` is outside [0, 1], or the summary has no histogram.

    Examples
    --------
    >>> quantile([4.0, 1.0, 2.0], [0.0, 0.5, 0.75]).tolist()
    [1.0, 2.0, 3.0]
    """
    known, wanted = as_summary(sample, None), _probabilities(q)
    last = known.trials + checks.whole("lower", lower, 0) - 1
    place = wanted * last
    first = np.floor(place).astype(np.int64)
    (low, _, _), (high, _, _) = (_ranked(known, rank - lower) for rank in (first, np.minimum(first + 1, last)))
    part = place - first
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where((part == 0.0) | np.isneginf(low), low, low + part * (high - low)))


@own_errstate
def quantile_interval(
    sample: ArrayLike | Summary, q: ArrayLike, *, level: float = 0.95, lower: int = 0
) -> NDArray[np.void]:
    """Confidence intervals for quantiles of the law that a sample comes from; no moment of it need exist.

    Each is between two order statistics, whose ranks the binomial law gives: rank ``l`` is at or below the quantile
    unless fewer than ``l`` of ``n`` values are (David & Nagaraja, Order Statistics, 2003, section 7.1). Where these are
    not kept, the interval reaches to the far edges of their bins.

    Parameters
    ----------
    sample, q, lower
        As in `quantile`.
    level : float
        Confidence level of each; at least that.

    Returns
    -------
    structured array of the shape of `q`
        q, value, low, high; the ends infinite where there are too few values to bound the quantile, and further out
        than the value where the quantile lies beyond all of them.

    Raises
    ------
    TypeError, ValueError
        As `quantile`.

    Examples
    --------
    >>> found = quantile_interval([float(i) for i in range(1, 101)], 0.5)
    >>> float(found["low"]), float(found["high"])
    (40.0, 61.0)
    """
    known, wanted = as_summary(sample, None), _probabilities(q)
    tail = 0.5 * (1.0 - checks.real("level", level, 0.0, 1.0))
    n = known.trials + checks.whole("lower", lower, 0)
    table = np.zeros(wanted.shape, QUANTILE)
    table["q"], table["value"] = wanted, quantile(known, wanted, lower=lower)
    table["low"] = _ranked(known, _rank_below(n, wanted, tail) - 1 - lower)[1]
    table["high"] = _ranked(known, n - _rank_below(n, 1.0 - wanted, tail) - lower)[2]
    return table


def unbounded(q: ArrayLike) -> NDArray[np.void]:
    """Of values that are all ``-inf``: so are their quantiles, and nothing is known of any other value.

    Examples
    --------
    >>> unbounded(0.5).tolist()
    (0.5, -inf, -inf, inf)
    """
    wanted = _probabilities(q)
    table = np.zeros(wanted.shape, QUANTILE)
    table["q"], table["value"], table["low"], table["high"] = wanted, -np.inf, -np.inf, np.inf
    return table


def _probabilities(q: ArrayLike) -> FloatArray:
    wanted = checks.floats("q", q)
    if not np.all((wanted >= 0.0) & (wanted <= 1.0)):
        raise ValueError(f"q must lie between 0 and 1, got {q!r}")
    return wanted


def _rank_below(n: int, q: FloatArray, tail: float) -> IntArray:
    """The largest ``l`` with ``P(Bin(n, q) < l) <= tail``, from 1; 0 where there is none."""
    from scipy.special import bdtr, bdtrik

    inside = np.clip(q, 1e-300, 1.0 - 1e-16)
    found = np.floor(np.nan_to_num(bdtrik(tail, float(n), inside), nan=-1.0))
    found = np.where(bdtr(np.maximum(found, 0.0), n, inside) > tail, found - 1.0, found)  # of rounding
    return np.where(q == 0.0, 0.0, np.where(q == 1.0, n, np.clip(found + 1.0, 0.0, n))).astype(np.int64)


def _ranked(known: Summary, rank: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Values of ranks, from 0, and between which two numbers each lies; below all ``-inf``, beyond all ``inf``."""
    ordered = np.sort(known.extremes)
    left = len(ordered) if known.complete else int(np.count_nonzero(ordered < known.center))
    right = known.trials - (len(ordered) - left)
    value = ordered[np.clip(np.where(rank < left, rank, rank - known.trials + len(ordered)), 0, len(ordered) - 1)]
    found = value, value, value
    between = (rank >= left) & (rank < right)
    if np.any(between):
        bins = known.histogram
        if bins is None or int(bins.counts.sum()) != known.trials:
            raise ValueError("this summary has no histogram of all its values, which this quantile needs")
        place = np.clip(np.searchsorted(np.cumsum(bins.counts), rank, side="right"), 0, len(bins.counts) - 1)
        edges = bins.middles[place], bins.low[place], bins.high[place]
        found = tuple(np.where(between, bins.center + edge, value) for edge in edges)  # type: ignore[assignment]
    outside = np.where(rank < 0, -np.inf, np.inf)
    kept = (rank >= 0) & (rank < known.trials)
    return tuple(np.where(kept, each, outside) for each in found)  # type: ignore[return-value]
