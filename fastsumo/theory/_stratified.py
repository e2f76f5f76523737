"""What stratified uniforms take off a variance: that of the means of equal parts of the law of `K`.

The trials of a whole block have one uniform in each of ``B`` equal parts, so that ``B`` times the variance of their
mean is the mean of the variances within parts: the variance of a trial less that of the parts' means ``B int E[S |
K(u)] du`` (Vihola, Operations Research 2018). The means given `K` are sums of those of increments, or of levels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.estimators.estimators import MLMC, SUMO, Estimator, SingleTerm
from fastsumo.trial.plan import MAX_TERMS
from fastsumo.trial.survival import survival

from ._moments import FirstOrder, Moments
from ._pairs import Pairs
from ._survival import SurvivalFormula

Floats = NDArray[np.float64]

_NEAR = 512  # log averages of up to so many weights are taken as they are, of more to first order
_MOST = 2**22  # values of K that are as likely as a part of the law


class PairsMoments(FirstOrder):
    """Means from the Laplace transform of a weight, and to first order beyond 512 weights."""

    def __init__(self, pairs: Pairs, chi_square: float) -> None:
        super().__init__(chi_square)
        object.__setattr__(self, "_known", np.array([pairs.bias(float(k)) for k in range(1, _NEAR + 1)]))

    _known: Floats

    def bias(self, k: ArrayLike) -> Floats:
        x = np.asarray(k, dtype=np.float64)
        near = np.clip(x, 1.0, _NEAR).astype(np.int64) - 1
        return np.where(x <= _NEAR, self._known[near], super().bias(x))

    def mean_increment(self, k: ArrayLike) -> Floats:
        x = np.asarray(k, dtype=np.float64)
        return np.where(x < _NEAR, self.bias(x + 1.0) - self.bias(x), super().mean_increment(x))

    def level_mean(self, n: ArrayLike) -> Floats:
        x = np.asarray(n, dtype=np.float64)
        return np.where(2.0 * x <= _NEAR, self.bias(2.0 * x) - self.bias(x), super().level_mean(x))


def between(moments: Moments, estimator: SUMO | SingleTerm | MLMC, log_evidence: float) -> float:
    """Variance of the means of the parts; NaN where too many values of `K` would have to be looked at.

    Examples
    --------
    >>> import fastsumo as fs
    >>> from fastsumo.theory._moments import Gamma
    >>> law = fs.roulette.Table([1.0, 0.5])  # K = 1 and K = 2: L_2, and L_2 + 2 (L_3 - L_2)
    >>> found = between(Gamma(1.0), fs.SUMO(law, stratified=2), 0.0)
    >>> abs(found - float(Gamma(1.0).mean_increment(2.0)) ** 2) < 1e-15
    True
    """
    size, law, cap = estimator.stratified, estimator.plan().law, _largest(estimator)
    last = 1
    while last < min(cap, _MOST) and float(survival(law, last + 1)) * size >= 1.0:
        last = int(min(2 * last, cap, _MOST))
    if last == _MOST < cap:
        return math.nan
    k = np.arange(1.0, last + 2.0)
    above = np.where(k <= cap, survival(law, k), 0.0)
    given, beyond = _given(moments, estimator, log_evidence, k, above)
    upper = np.arange(1.0, size + 1.0) / size
    at = np.searchsorted(-above[:last], -upper, side="right") - 1  # the largest k with P(K >= k) >= u, counted from 0
    integral = beyond[at + 1] + given[at] * (upper - above[at + 1])  # of E[S | K(u)] up to u
    return float(np.var(np.diff(integral, prepend=0.0) * size))


def _largest(estimator: Estimator) -> float:
    """The largest `K`; infinite where nothing caps it."""
    if isinstance(estimator, SUMO | SingleTerm):
        return SurvivalFormula.of(estimator.roulette).last
    return float(estimator.plan().law.cap)


def _given(
    moments: Moments, estimator: SUMO | SingleTerm | MLMC, log_evidence: float, k: Floats, above: Floats
) -> tuple[Floats, Floats]:
    """``E[S | K = k]``, but for what all have, and of that ``E[S; K >= k]``."""
    cap = _largest(estimator)
    if isinstance(estimator, MLMC):
        level, base = k - (0.0 if estimator.first else 1.0), float(estimator.base)
        half = base * 2.0 ** np.maximum(level - 1.0, 0.0)
        steps = np.where(level >= 1.0, moments.level_mean(half), 0.0)
        if estimator.kind == "sum":
            return _sums(steps, -moments.bias(np.where(level >= 1.0, 2.0 * half, base)), above)
        rest = -moments.bias(half)  # of this level and all finer ones
        if not estimator.first:
            steps[0], rest[0] = log_evidence + float(moments.bias(base)), log_evidence
        return _over(steps, (1.0 - estimator.ratio) * above), np.where(above > 0.0, rest, 0.0)
    first = estimator.plan().minimum if isinstance(estimator, SUMO) else 1
    end = 0.0 if cap >= MAX_TERMS else float(moments.bias(first + cap))
    before = np.maximum(first + k - 1.0, 1.0)  # samples that the k-th increment adds one to
    steps = np.where(first + k > 1.0, moments.mean_increment(before), 0.0)
    if isinstance(estimator, SUMO):
        return _sums(steps, end - moments.bias(first + k), above)
    return _over(steps, above - np.append(above[1:], 0.0)), np.where(above > 0.0, end - moments.bias(before), 0.0)


def _sums(steps: Floats, rest: Floats, above: Floats) -> tuple[Floats, Floats]:
    """``M_k``, the sums of steps over their survival, and ``E[M_K; K >= k]``: ``P_k M_k`` and the ``rest`` of steps."""
    sums = np.cumsum(_over(steps, above))
    return sums, np.where(above > 0.0, above * sums + rest, 0.0)


def _over(a: Floats, b: Floats) -> Floats:
    """``a / b``, and 0 where ``b`` is."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0.0)
