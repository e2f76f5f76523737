"""Closed forms for weights ``Gamma(a) / a``, whose IWAE increments are independent: means, variances, costs.

``psi`` is the digamma function, ``psi1`` the trigamma function; ``L_k = log((w_1 + ... + w_k) / k)``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, digamma, gammainc, gammaincc, polygamma

Floats = NDArray[np.float64]


def iwae(a: float, k: int) -> tuple[float, float]:
    """Mean and variance of ``L_k``."""
    return float(digamma(k * a) - math.log(k * a)), float(polygamma(1, k * a))


def sumo(a: float, survival: Floats, minimum: int = 1) -> tuple[float, float]:
    """Mean and variance of SUMO under the law with ``P(K >= 1), P(K >= 2), ...`` (all that is not 0).

    Increments are independent, and their covariance with ``L_minimum`` is minus their variance.
    """
    k = np.arange(minimum, minimum + survival.size, dtype=np.float64)
    m = digamma((k + 1) * a) - digamma(k * a) + np.log(k / (k + 1))
    v = polygamma(1, k * a) - polygamma(1, (k + 1) * a)
    path = np.cumsum(m / survival)
    before = np.concatenate([[0.0], path[:-1]])
    start, spread = iwae(a, minimum)
    variance = spread + np.sum((1 / survival - 2) * v) + np.sum(survival * (path**2 - before**2)) - np.sum(m) ** 2
    return start + float(np.sum(m)), float(variance)


def cost(survival: Floats, minimum: int = 1) -> tuple[float, float]:
    """Mean and variance of the samples of one trial."""
    k = np.arange(1, survival.size + 1)
    mean = float(np.sum(survival))
    return minimum + mean, float(np.sum((2 * k - 1) * survival)) - mean**2


def mlmc_tail(shape: float, x: float, ratio: float, levels: int = 60) -> float:
    """``P(|D_l / p_l| > x)`` of ``MLMC(first=False)`` on gamma weights.

    ``D_0 = log w``; beyond, with ``n`` the shape of the sum of a half, ``D_l = -log(4 u (1 - u)) / 2`` where ``u`` is a
    half's share of both, which is Beta(n, n).
    """
    total = 0.0
    for level in range(levels):
        probability = (1.0 - ratio) * ratio**level
        t = probability * x
        if level == 0:
            given = gammaincc(shape, shape * math.exp(t)) + gammainc(shape, shape * math.exp(-t))
        else:
            half = shape * 2.0 ** (level - 1)
            given = 2.0 * betainc(half, half, -0.5 * math.expm1(0.5 * math.log(-math.expm1(-2.0 * t))))
        total += probability * float(given)
    return total
