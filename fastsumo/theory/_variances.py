"""Variances of the estimators from the moments of IWAE, its increments and its dyadic differences.

All rest on the same facts, exact for gamma weights and true to first order for all others: increments are
uncorrelated with one another and with later averages, ``Cov(L_m, Delta_k) = -Var(Delta_k)``, and the same
for dyadic differences.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastsumo.estimators.estimators import JVI, MLMC, SUMO, SingleTerm

from ._frullani import LogLaplace, covariance
from ._moments import Moments
from ._sums import Term, series
from ._survival import SurvivalFormula

Floats = NDArray[np.float64]

_LEVELS = 50  # beyond, levels are in their limit to all digits


def sumo(moments: Moments, estimator: SUMO) -> float:
    """Variance of SUMO; infinite where the sum diverges.

    With ``q_j`` the weight's survival probability and ``M_k`` the mean path given `K`, ``Var[L_m] + sum (1
    / q_j - 2) v_j + sum q_j (M_j^2 - M_{j-1}^2) - (sum m_j)^2``, by the law of total variance; by exchange
    of sums, ``sum q_j (M_j^2 - M_{j-1}^2) = sum m_j (m_j + 2 sum_{i>j} m_i) / q_j``.

    Examples
    --------
    >>> import fastsumo as fs
    >>> from fastsumo.theory._moments import Gamma
    >>> round(sumo(Gamma(1.0), fs.SUMO(fs.roulette.Geometric(1.0))), 6)  # K = 1: that of L_2
    0.644934
    """
    formula, skipped, m = SurvivalFormula.of(estimator.roulette), 1.0 - estimator.start, float(estimator.minimum)
    if formula.geometric or (formula.smooth and math.isinf(formula.last) and formula.law.power >= 1.0):
        return math.inf
    end = m + formula.last - skipped
    below, left = _remaining(moments, end)

    def term(j: Floats) -> Floats:
        k = m + j - 1.0
        mean = moments.mean_increment(k)
        square = moments.var_increment(k) + mean * (mean + 2.0 * (below - moments.bias(k + 1.0)))
        return square / formula.survival(j + skipped)

    total = _sum(term, formula, formula.last - skipped)
    start = float(moments.variance(m))
    return start + total - 2.0 * (start - left) - (below - float(moments.bias(m))) ** 2


def single_term(moments: Moments, estimator: SingleTerm) -> float:
    """Variance of the single term, ``Var[L_1] + sum (v_k + m_k^2) / p_k - 2 sum v_k - (sum m_k)^2``."""
    formula = SurvivalFormula.of(estimator.roulette)
    if math.isinf(formula.last):
        return math.inf
    below, left = _remaining(moments, formula.last + 1.0)

    def term(k: Floats) -> Floats:
        return (moments.var_increment(k) + moments.mean_increment(k) ** 2) / formula.mass(k)

    start = float(moments.variance(1.0))
    total = _sum(term, formula, formula.last - 1.0) + float(term(np.array([formula.last]))[0])
    return start + total - 2.0 * (start - left) - (below - float(moments.bias(1.0))) ** 2


def mlmc(moments: Moments, estimator: MLMC, log_evidence: float) -> float:
    """Variance of randomised multilevel Monte Carlo; infinite for ratios up to 1/4.

    Single term: ``sum (V_l + m_l^2) / p_l`` less the square of the mean, over the levels that are drawn.
    Sum of levels: as `sumo`, the levels in place of the increments.
    """
    r, base = estimator.ratio, float(estimator.base)
    if r <= 0.25:
        return math.inf
    level = np.arange(1.0, _LEVELS + 1.0)
    half = base * 2.0 ** (level - 1.0)
    mean, variance = moments.level_mean(half), moments.level_variance(half)
    below = -float(moments.bias(base))  # the sum of all levels' means
    start = float(moments.variance(base))
    survival = r ** (level - 1.0 if estimator.first else level)
    if estimator.kind == "sum":
        square = variance + mean * (mean - 2.0 * moments.bias(2.0 * half))
        total = start + _with_rest(square / survival, r) - below**2
        return total if estimator.first else total - 2.0 * math.fsum(variance)
    total = _with_rest((variance + mean**2) / ((1.0 - r) * survival), r)
    if estimator.first:
        return start + total - below**2
    whole = (start + (log_evidence - below) ** 2) / (1.0 - r)
    return whole + total - log_evidence**2


def jackknife(log_laplace: LogLaplace, estimator: JVI) -> float:
    """Variance of the jackknife for weights with a known Laplace transform, from covariances of logs of sums.

    Two subsets that leave out ``i`` and ``j`` of the ``k`` weights leave out ``r`` in common with the
    hypergeometric probability; each pair is one integral (`covariance`). Cancellation costs about ``order``
    factors of ``k^2``.

    Examples
    --------
    >>> import fastsumo as fs
    >>> round(jackknife(lambda t: -np.log1p(t), fs.JVI(2)), 6)  # of 2 L_2 - (log w_1 + log w_2) / 2
    0.822467
    """
    k, coefficients = estimator.k, estimator.coefficients()
    parts = []
    for i, left in enumerate(coefficients):
        for j, right in enumerate(coefficients):
            for r in range(max(0, i + j - k), min(i, j) + 1):
                chance = math.comb(i, r) * math.comb(k - i, j - r) / math.comb(k, j)
                common = k - i - j + r
                parts.append(left * right * chance * covariance(log_laplace, common, j - r, i - r))
    return math.fsum(parts)


def _remaining(moments: Moments, end: float) -> tuple[float, float]:
    """``E[L_end] - log Z`` and ``Var[L_end]``, 0 where nothing ends."""
    return (0.0, 0.0) if math.isinf(end) else (float(moments.bias(end)), float(moments.variance(end)))


def _sum(term: Term, formula: SurvivalFormula, last: float) -> float:
    return series(term, last, smooth=formula.smooth, knot=formula.law.head, pace=formula.decay)


def _with_rest(terms: Floats, ratio: float) -> float:
    """The sum of terms that end as a geometric series with the factor ``1 / (4 ratio)``."""
    factor = 0.25 / ratio
    return math.fsum(terms) + float(terms[-1]) * factor / (1.0 - factor)
