"""Automatic choice of how many order statistics a tail estimate uses.

Two rules: the least asymptotic mean square error of Hill's estimate, and the double bootstrap.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate

from ._checks import MIN_POINTS, SIDES, FloatArray, IntArray, Side, warn
from ._summary import Summary, as_summary


@own_errstate
def choose_k(
    sample: ArrayLike | Summary,
    *,
    method: str = "amse",
    side: Side = "both",
    center: float = 0.0,
    seed: int = 0,
    repetitions: int = 100,
) -> int:
    """Number of order statistics at which Hill's estimate has the least mean square error.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
    method : {"amse", "bootstrap"}
        "amse" fits ``j*log(X_j/X_{j+1}) = (shape + b*j/(k+1))*E_j`` to the spacings of the k largest, for
        each k (Beirlant, Dierckx, Goegebeur & Matthys, Extremes 2, 1999, with second-order index -1), and
        minimises the relative ``1/k + (b/(2*shape))**2``, the last averaged over an octave of k, over the
        largest tenth of the sample. "bootstrap" is the double bootstrap of Danielsson, de Haan, Peng & de
        Vries (J. Multivariate Analysis 76, 2001) with sizes ``n**0.9`` and ``n**0.8``, whose largest values
        are drawn directly by Rényi's representation of uniform order statistics.
    side : {"both", "right", "left"}
    center : float
        For an array.
    seed, repetitions : int
        Of the bootstrap.

    Returns
    -------
    int
        0, with a `TailWarning`, where fewer than 20 positive deviations are known or all are the same.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> pareto = (np.arange(1, 2001) / 2000) ** (-1 / 1.5)
    >>> choose_k(pareto) > 100
    True
    """
    checks.choice("method", method, ("amse", "bootstrap"))
    checks.choice("side", side, SIDES)
    known = as_summary(sample, center)
    ordered = known.deviations(side)
    ordered = ordered[ordered > 0]
    if len(ordered) < MIN_POINTS or ordered[0] == ordered[-1]:
        warn(f"no choice of k: {len(ordered)} usable values")
        return 0
    logs = np.log(ordered)
    if method == "amse":
        return _least_amse(logs[: max(known.trials // 10, 100)])
    return _double_bootstrap(logs, known.trials, seed, checks.whole("repetitions", repetitions, 10))


def _least_amse(logs: FloatArray) -> int:
    """Minimise the asymptotic mean square error over log-spaced k."""
    most = len(logs) - 1
    k = np.unique(np.geomspace(MIN_POINTS // 2, most, 200).astype(np.int64))
    shape, slope = _spacing_regression(logs, k)
    spread = 0.5 * math.log(2.0)
    log_k = np.log(k)
    total = np.concatenate([[0.0], np.cumsum(slope**2)])
    first = np.searchsorted(log_k, log_k - spread, side="left")
    last = np.searchsorted(log_k, log_k + spread, side="right")
    bias = 0.25 * (total[last] - total[first]) / (last - first)
    error = np.full(len(k), np.inf)
    np.divide(bias, shape**2, out=error, where=shape > 0)
    return int(k[np.argmin(error + 1.0 / k)])


def _spacing_regression(logs: FloatArray, k: IntArray) -> tuple[FloatArray, FloatArray]:
    """Hill's shape, and the least-squares slope of the scaled log spacings on ``j/(k + 1)``, for each k."""
    rank = np.arange(1, len(logs))
    spacings = rank * (logs[:-1] - logs[1:])
    total, moment = np.cumsum(spacings)[k - 1], np.cumsum(rank * spacings)[k - 1]
    shape = total / k
    centered = moment / (k + 1.0) - 0.5 * total
    return shape, centered * 12.0 * (k + 1.0) / (k * (k - 1.0))


def _double_bootstrap(logs: FloatArray, trials: int, seed: int, repetitions: int) -> int:
    rng = np.random.default_rng(seed)
    n1 = max(int(trials**0.9), MIN_POINTS)
    n2 = max(int(n1 * (n1 / trials)), MIN_POINTS)
    k1 = _bootstrap_argmin(logs, trials, n1, rng, repetitions)
    k2 = _bootstrap_argmin(logs, trials, n2, rng, repetitions)
    log_n1, log_k1 = math.log(n1), math.log(k1)
    factor = (log_k1 / (2.0 * log_n1 - log_k1)) ** (2.0 * (log_n1 - log_k1) / log_n1)
    return min(max(round(k1**2 / k2 * factor), 2), len(logs) - 1)


def _bootstrap_argmin(logs: FloatArray, trials: int, size: int, rng: np.random.Generator, repetitions: int) -> int:
    """Argmin over k of the mean of ``(M_k - 2*shape_k**2)**2`` in bootstrap samples of a smaller size."""
    known = len(logs) / trials
    most = min(int(0.8 * known * size), size - 1, 20_000)
    if most < MIN_POINTS:
        warn(f"the double bootstrap needs more extremes: they reach rank {most} of a sample of {size}")
        return max(most, 2)
    rank = np.arange(1, most + 1)
    total = np.zeros(most)
    for _ in range(repetitions):
        arrivals = np.cumsum(rng.standard_exponential(most + 1))
        uniforms = arrivals / (arrivals[-1] + rng.standard_gamma(size - most))
        drawn = logs[np.minimum((uniforms * trials).astype(np.int64), len(logs) - 1)]
        drop = drawn[:-1] - drawn[0]
        first, second = np.cumsum(drop) / rank, np.cumsum(drop**2) / rank
        step = drawn[1:] - drawn[0]
        shape = first - step
        total += (second - 2.0 * step * first + step**2 - 2.0 * shape**2) ** 2
    lowest = max(MIN_POINTS // 4, 2)
    return int(rank[lowest - 1 + np.argmin(total[lowest - 1 :])])
