"""Slow twins of the estimators: the value of a trial from its weights; and plain simulations.

Weights are plain numbers here, so they must be of moderate size. Random numbers are NumPy's; nothing from
the kernels.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import fastsumo as fs

Floats = NDArray[np.float64]


def value(estimator: fs.estimators.Estimator, log_weights: ArrayLike, terms: int) -> float:
    """The value of a trial with `K` equal to ``terms``; -inf where a mean is of zero weights only."""
    weights = np.exp(np.asarray(log_weights, np.float64))
    assert weights.size == estimator.plan().samples(terms)
    try:
        return _VALUES[type(estimator)](estimator, weights, terms)
    except ValueError:  # math.log(0)
        return -math.inf


def _log_mean(weights: Floats) -> float:
    return math.log(math.fsum(weights) / weights.size)


def _iwae(estimator: Any, w: Floats, terms: int) -> float:
    return _log_mean(w)


def _jvi(estimator: Any, w: Floats, terms: int) -> float:
    """``sum_j (-1)^j (k-j)^m / ((m-j)! j!) * mean of L over all subsets of k-j``."""
    k, m, total = estimator.k, estimator.order, 0.0
    for j in range(m + 1):
        subsets = [_log_mean(w[list(subset)]) for subset in itertools.combinations(range(k), k - j)]
        total += (-1) ** j * (k - j) ** m / (math.factorial(m - j) * math.factorial(j)) * np.mean(subsets)
    return float(total)


def _sumo(estimator: Any, w: Floats, terms: int) -> float:
    """``L_m + sum_{j=1..K} (L_{m+j} - L_{m+j-1}) / P_j``; with ``start=0`` the sum is from 2."""
    m, total = estimator.minimum, _log_mean(w[: estimator.minimum])
    for i, j in enumerate(range(2 - estimator.start, terms + 1), start=1):
        step = _log_mean(w[: m + i]) - _log_mean(w[: m + i - 1])
        total += step / float(estimator.roulette.survival(j))
    return total


def _single(estimator: Any, w: Floats, terms: int) -> float:
    law = estimator.roulette
    chance = float(law.survival(terms) - law.survival(terms + 1))
    return _log_mean(w[:1]) + (_log_mean(w) - _log_mean(w[:-1])) / chance


def _mlmc(estimator: Any, w: Floats, terms: int) -> float:
    r, base, level = estimator.ratio, estimator.base, terms if estimator.first else terms - 1
    own, w = (w[:base], w[base:]) if estimator.first else (w[:base], w)
    lowest = 1 if estimator.first else 0

    def difference(n: int) -> float:
        if n == 0:
            return _log_mean(own)
        size = base * 2**n
        halves = _log_mean(w[: size // 2]) + _log_mean(w[size // 2 : size])
        return _log_mean(w[:size]) - halves / 2

    start = _log_mean(own) if estimator.first else 0.0
    if estimator.kind == "single":
        return start + difference(level) / ((1 - r) * r ** (level - lowest))
    return start + sum(difference(j) / r ** (j - lowest) for j in range(lowest, level + 1))


def _taylor(estimator: Any, w: Floats, terms: int) -> float:
    """``log c - sum_k (1 - w_1 / c) ... (1 - w_k / c) / (k P_k)`` with means of blocks for ``w_i``."""
    center, product, total = math.exp(estimator.log_center), 1.0, 0.0
    for k in range(1, terms + 1):
        product *= 1.0 - math.fsum(w[(k - 1) * estimator.block : k * estimator.block]) / estimator.block / center
        total += product / (k * float(estimator.roulette.survival(k)))
    return estimator.log_center - total


_VALUES: dict[type, Any] = {
    fs.ELBO: _iwae,
    fs.IWAE: _iwae,
    fs.JVI: _jvi,
    fs.SUMO: _sumo,
    fs.SingleTerm: _single,
    fs.MLMC: _mlmc,
    fs.Taylor: _taylor,
}


def simulate(estimator: Any, shape: float, trials: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Values and costs of trials on gamma weights; trials with the same `K` are done together, in NumPy."""
    rng = np.random.default_rng(seed)
    plan = estimator.plan()
    terms = _draw(estimator, trials, rng)
    values, costs = np.empty(trials), np.empty(trials, np.int64)
    for k in np.unique(terms):
        which = np.flatnonzero(terms == k)
        costs[which] = plan.samples(int(k))
        for part in np.array_split(which, max(1, which.size * plan.samples(int(k)) // 2_000_000)):
            w = rng.standard_gamma(shape, (part.size, plan.samples(int(k)))) / shape
            values[part] = _together(estimator, w, int(k))
    return values, costs


def _draw(estimator: Any, trials: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if hasattr(estimator, "k"):
        return np.full(trials, estimator.k)
    if isinstance(estimator, fs.MLMC):
        return rng.geometric(1.0 - estimator.ratio, trials)
    cap = estimator.roulette.max_terms
    survival = estimator.roulette.survival(np.arange(1, cap + 1))
    return np.searchsorted(-survival, -rng.random(trials), side="right")


def _together(estimator: Any, w: Floats, k: int) -> Floats:
    """Values of trials with the same `K`, one to a row of weights."""
    if isinstance(estimator, fs.JVI):
        logs = [np.log(w.mean(axis=1))]
        total = w.sum(axis=1)
        for j in range(1, estimator.order + 1):
            subsets = list(itertools.combinations(range(estimator.k), j))
            kept = [np.log((total - w[:, list(out)].sum(axis=1)) / (estimator.k - j)) for out in subsets]
            logs.append(np.mean(kept, axis=0))
        return sum(c * log for c, log in zip(estimator.coefficients(), logs, strict=True))
    if isinstance(estimator, fs.Taylor):
        factors = 1.0 - w.reshape(len(w), k, estimator.block).mean(axis=2) / math.exp(estimator.log_center)
        at = np.arange(1, k + 1)
        return estimator.log_center - np.cumprod(factors, axis=1) @ (1.0 / (at * estimator.roulette.survival(at)))
    if isinstance(estimator, fs.MLMC):
        return np.array([value(estimator, np.log(row), k) for row in w])
    path = np.log(np.cumsum(w, axis=1) / np.arange(1, w.shape[1] + 1))
    if isinstance(estimator, fs.IWAE):
        return path[:, -1]
    law = estimator.roulette
    if isinstance(estimator, fs.SingleTerm):
        chance = law.survival(k) - law.survival(k + 1)
        return path[:, 0] + (path[:, -1] - path[:, -2]) / chance
    first = estimator.minimum
    steps = np.diff(path[:, first - 1 :], axis=1)
    return path[:, first - 1] + steps @ (1.0 / law.survival(np.arange(2 - estimator.start, k + 1)))
