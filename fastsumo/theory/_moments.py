"""Moments of IWAE, its increments and its dyadic differences: closed for gamma weights, else first order.

``L_k`` is IWAE with ``k`` samples, ``Delta_k = L_{k+1} - L_k``, and ``D`` of ``n`` the antithetic difference
of ``2 n`` samples and their halves. What estimators make of these moments is in `_variances.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.models.builtin import _gamma_log_weight

if TYPE_CHECKING:
    from fastsumo.models.model import Model

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]

_FAR = 24.0  # from here on the asymptotic series below are good to rounding error
_BERNOULLI = ((2, 1 / 6), (4, -1 / 30), (6, 1 / 42), (8, -1 / 30), (10, 5 / 66), (12, -691 / 2730))


class Moments:
    """Base of the two kinds. All functions take arrays of sample numbers, as floats, and return arrays."""

    exact: bool

    def bias(self, k: ArrayLike) -> Floats:
        """``E[L_k] - log Z``, negative."""
        raise NotImplementedError

    def variance(self, k: ArrayLike) -> Floats:
        """``Var[L_k]``."""
        raise NotImplementedError

    def mean_increment(self, k: ArrayLike) -> Floats:
        """``E[Delta_k]``."""
        raise NotImplementedError

    def var_increment(self, k: ArrayLike) -> Floats:
        """``Var[Delta_k]``: also ``Var[L_k] - Var[L_{k+1}]``, and ``-Cov[L_j, Delta_k]`` for ``j <= k``."""
        raise NotImplementedError

    def level_mean(self, n: ArrayLike) -> Floats:
        """``E[D]`` of ``2 n`` samples."""
        raise NotImplementedError

    def level_variance(self, n: ArrayLike) -> Floats:
        """``Var[D]`` of ``2 n`` samples."""
        raise NotImplementedError


@dataclass(frozen=True)
class FirstOrder(Moments):
    """Leading terms in ``1/k`` by the delta method, from the chi-square divergence alone.

    ``E[L_k] = log Z - chi2 / (2 k)``, ``Var[L_k] = chi2 / k`` (Nowozin, ICLR 2018, propositions 1 and 2, to
    first order), ``D = chi2 N^2 / (4 n)`` with ``N`` standard normal (Ishikawa & Goda, UAI 2021, bound
    these rates).

    Examples
    --------
    >>> FirstOrder(2.0).var_increment(1.0)
    array(1.)
    """

    chi_square: float
    exact = False

    def bias(self, k: ArrayLike) -> Floats:
        return -0.5 * self.chi_square / np.asarray(k, dtype=np.float64)

    def variance(self, k: ArrayLike) -> Floats:
        return np.asarray(self.chi_square / np.asarray(k, dtype=np.float64))

    def mean_increment(self, k: ArrayLike) -> Floats:
        return 0.5 * self.var_increment(k)

    def var_increment(self, k: ArrayLike) -> Floats:
        x = np.asarray(k, dtype=np.float64)
        return np.asarray(self.chi_square / (x * (x + 1.0)))

    def level_mean(self, n: ArrayLike) -> Floats:
        return np.asarray(self.chi_square / (4.0 * np.asarray(n, dtype=np.float64)))

    def level_variance(self, n: ArrayLike) -> Floats:
        return 2.0 * self.level_mean(n) ** 2


@dataclass(frozen=True)
class Gamma(Moments):
    """Weights ``Gamma(shape) / shape``: sums are gamma too, and ratios of prefix sums independent and beta.

    ``E log Gamma(x) = digamma(x)``, ``Var log Gamma(x) = trigamma(x)``. Differences of these are taken term
    by term in the asymptotic series (Abramowitz & Stegun 6.3.18, 6.4.12) where the argument is large.

    Examples
    --------
    >>> Gamma(1.0).var_increment([1.0, 2.0, 1e6])
    array([1.0e+00, 2.5e-01, 1.0e-12])
    """

    shape: float
    exact = True

    def bias(self, k: ArrayLike) -> Floats:
        from scipy.special import digamma

        return self._evaluate(
            k,
            lambda x: digamma(x) - np.log(x),
            lambda x: -0.5 / x - sum(b / j * x**-j for j, b in _BERNOULLI),
        )

    def variance(self, k: ArrayLike) -> Floats:
        from scipy.special import polygamma

        return np.asarray(polygamma(1, self.shape * np.asarray(k, dtype=np.float64)))

    def mean_increment(self, k: ArrayLike) -> Floats:
        from scipy.special import digamma

        a = self.shape
        return self._evaluate(
            k,
            lambda x: digamma(x + a) - digamma(x) - np.log1p(a / x),
            lambda x: -0.5 * self._drop(x, 1) - sum(b / j * self._drop(x, j) for j, b in _BERNOULLI),
        )

    def var_increment(self, k: ArrayLike) -> Floats:
        from scipy.special import polygamma

        def far(x: Floats) -> Floats:
            rest = sum(b * self._drop(x, j + 1) for j, b in _BERNOULLI)
            return -self._drop(x, 1) - 0.5 * self._drop(x, 2) - rest

        return self._evaluate(k, lambda x: polygamma(1, x) - polygamma(1, x + self.shape), far)

    def level_mean(self, n: ArrayLike) -> Floats:
        from scipy.special import digamma

        return self._evaluate(
            n,
            lambda x: digamma(2.0 * x) - digamma(x) - np.log(2.0),
            lambda x: 0.25 / x + sum(b / j * (1.0 - 2.0**-j) * x**-j for j, b in _BERNOULLI),
        )

    def level_variance(self, n: ArrayLike) -> Floats:
        from scipy.special import polygamma

        return self._evaluate(
            n,
            lambda x: 0.5 * polygamma(1, x) - polygamma(1, 2.0 * x),
            lambda x: 0.125 * x**-2 + sum(b * (0.5 - 2.0 ** -(j + 1)) * x ** -(j + 1) for j, b in _BERNOULLI),
        )

    def _evaluate(self, k: ArrayLike, near: Function, far: Function) -> Floats:
        """``near`` or ``far`` of ``shape * k``, each only where it is good."""
        x = self.shape * np.asarray(k, dtype=np.float64)
        return np.asarray(np.piecewise(x, [x < _FAR], [near, far]))

    def _drop(self, x: Floats, power: int) -> Floats:
        """``(x + shape)**-power - x**-power``."""
        return np.asarray(x**-power * np.expm1(-power * np.log1p(self.shape / x)))


def gamma_of(model: Model) -> Gamma | None:
    """The closed forms of a model with gamma weights, or None for other models."""
    return Gamma(model.dim / 2.0) if model.function is _gamma_log_weight else None
