"""Sums of smooth terms over very many, or infinitely many, whole numbers. Knows nothing of estimators."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Term = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_DIRECT = 1 << 12  # terms added one by one; all of them where the terms are not smooth
_CHUNK = 1 << 18
_LARGEST = 2.0**900
_STEEP = 1e-4  # growth in a step beyond which integrals over panels lose digits
_MOST = 1 << 22  # terms of steep growth added one by one; earlier ones are below 1e-20 of these
_NODES = 16


def series(term: Term, last: float, *, smooth: bool = True, knot: float = math.inf, pace: float = 0.0) -> float:
    """``sum(term(k) for k in 1..last)``, directly at first, by integrals over panels far out.

    A sum over a panel is the integral from half a step before it to half a step before the next, corrected
    by the first derivative (Euler-Maclaurin with midpoints); Gauss-Legendre with 16 nodes does a power of
    ``k`` over an octave to rounding error. What is left of an infinite sum beyond all panels is taken for a
    geometric series of panels.

    Parameters
    ----------
    term : callable
        Takes and returns arrays.
    last : float
        May be infinite, for sums that converge.
    smooth : bool
        False to add all terms directly.
    knot : float
        Where the terms change their form; panels end there.
    pace : float
        Beyond the knot the terms may grow like ``exp(pace * k)``; where that is steep they are added one by one.

    Returns
    -------
    float
        Infinite where the sum diverges, or is too large for a float.

    Examples
    --------
    >>> abs(series(lambda k: k**-2.0, math.inf) - math.pi**2 / 6) < 1e-14
    True
    """
    steep = smooth and pace > _STEEP and knot < last
    stop = knot if steep else last
    direct = stop if not smooth else min(stop, float(_DIRECT))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        parts = [_added(term(k)) for k in _chunks(1, int(direct))]
        if stop > direct:
            parts += _panel_sums(term, direct + 1.0, stop, knot, pace)
        if steep:
            parts += [_added(term(k)) for k in _chunks(int(max(knot, last - _MOST)) + 1, int(last))]
    return _added(np.array(parts))


def _added(terms: NDArray[np.float64]) -> float:
    """Correctly rounded; infinite where a term is, or their sum."""
    try:
        return math.fsum(terms)
    except OverflowError:
        return math.inf


def _chunks(first: int, last: int) -> Iterator[NDArray[np.float64]]:
    for low in range(first, last + 1, _CHUNK):
        yield np.arange(low, min(low + _CHUNK, last + 1), dtype=np.float64)


def _panel_sums(term: Term, low: float, last: float, knot: float, pace: float) -> list[float]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    parts: list[float] = []
    while low <= last and low < _LARGEST:
        length = low if low <= knot or pace == 0.0 else min(low, max(2.0 / pace, 64.0))
        high = min(low + math.floor(length), last + 1.0)  # the first of the next panel
        if low <= knot < high - 1.0:
            high = knot + 1.0
        k = low - 0.5 + 0.5 * (high - low) * (nodes + 1.0)
        ends = term(np.array([low, low + 1.0, high - 2.0, high - 1.0]))
        slope = (ends[3] - ends[2]) - (ends[1] - ends[0])
        parts.append(float(0.5 * (high - low) * (weights @ term(k)) - slope / 24.0))
        if not math.isfinite(parts[-1]) or parts[-1] == 0.0:
            break
        low = high
    if math.isinf(last) and len(parts) > 1 and parts[-1] != 0.0:
        ratio = parts[-1] / parts[-2]
        parts.append(parts[-1] * ratio / (1.0 - ratio) if ratio < 1.0 else math.inf)
    return parts
