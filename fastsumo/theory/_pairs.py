"""Covariances of log averages from the Laplace transform of a weight, and from them the variances of the estimators.

``Cov(log A, log B) = int int (E exp(-s A - t B) - E exp(-s A) E exp(-t B)) / (s t) ds dt`` (Frullani's integral twice);
for sums ``A`` and ``B`` of ``a`` and ``b`` weights with ``c`` in common the expectations are powers of ``phi(s)``,
``phi(t)`` and ``phi(s + t)``. What an estimator needs are ``Var L_k``, and ``Cov(L_k, L_n)`` with its last ``L_n``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.estimators.estimators import IWAE, JVI, MLMC, SUMO, Estimator, SingleTerm

from ._chi_square import chi_square
from ._content import ByContent
from ._far import far_out
from ._frullani import log_laplace_table
from ._moments import FirstOrder, gamma_of
from ._sums import series
from ._survival import SurvivalFormula
from ._tails import MOST
from ._weights import GOOD, tails_of_weights, weights_of

if TYPE_CHECKING:
    from fastsumo.models.model import Model

Floats = NDArray[np.float64]

_PANELS = ((-40.0, -10.0, 3, 12), (-10.0, 14.0, 12, 16))  # of log t: from, to, how many, nodes in each
_GROWTH, _NODES = 1.4, 12  # of panels beyond
_NEAR = 512  # log averages of up to so many weights are taken as they are, of more to first order
_LEVELS = 50
_CHECKED = 3  # variances that a second formula gives too
_FEWEST = 16  # points of a transform that can be interpolated
_FINER = 12  # levels, whose differences have to do with one: 4^-12 is left out
_ROUNDING = 3e-11  # of the interpolated transform


class Pairs:
    """Second moments of log averages ``L_k - log Z`` of one law of the weights.

    Attributes
    ----------
    error : float
        Of a covariance.
    of_each : float
        What each weight of a sum adds to it.
    """

    def __init__(self, u: Floats, log_phi: Floats, error: float, of_each: float) -> None:
        from scipy.interpolate import make_interp_spline

        self._u, self._log_phi = u, log_phi
        known = np.isfinite(log_phi) & (log_phi < 0.0)
        curve = make_interp_spline(u[known], np.log(-log_phi[known]) - u[known], k=7)
        at, self._weight = _rule(float(u[known][-1]))
        self._last = float(u[known][-1])

        def transform(x: Floats) -> Floats:
            inside = np.minimum(x, self._last)
            return np.asarray(-np.exp(curve(inside) + inside))

        self._one = transform(at)
        self._both = transform(np.logaddexp(at[:, None], at))
        self._scale = np.exp(np.minimum(at, 700.0))
        self.error, self.of_each = error + _ROUNDING, of_each

    def bias(self, k: float) -> float:
        """``E L_k - log Z``."""
        return float(self._weight @ (np.exp(-k * self._scale) - np.exp(k * self._one)))

    def spread(self, k: int) -> float:
        """``Var L_k``, by a single integral.

        With ``E`` of the exponential law, ``phi(t)^k = P(E > t W)`` for the sum ``W`` of ``k`` weights: it is how
        ``log E - log W`` survives ``log t``, whose variance is that of ``log W`` and ``pi^2 / 6``. Its moments are
        taken about a point of the table; for the kink there the trapezoidal rule errs by ``step^2 / 12``, no more.
        """
        at, step = self._u, float(self._u[1] - self._u[0])
        survival, gone = np.exp(k * self._log_phi), -np.expm1(k * self._log_phi)
        middle = int(np.argmin(np.abs(survival - 0.5)))
        above, below, away = slice(middle + 1, None), slice(middle), np.abs(at - at[middle])
        mean = step * (math.fsum(survival[above]) - math.fsum(gone[below]) + float(survival[middle]) - 0.5)
        square = step * (math.fsum((away * survival)[above]) + math.fsum((away * gone)[below])) + step**2 / 12.0
        return 2.0 * square - mean**2 - math.pi**2 / 6.0

    def joint(self, k: int) -> Floats:
        """The integrand of ``Var L_k``."""
        own = np.exp(k * self._one)
        return np.asarray(np.exp(k * self._both) - own[:, None] * own)

    def walk(self, first: int, last: int) -> Iterator[tuple[int, Floats]]:
        """``joint`` of each number of weights in turn."""
        for k in range(first, last + 1):
            yield k, self.joint(k)

    def covariance(self, joint: Floats, left: float = 0.0, right: float = 0.0) -> float:
        """Of log sums, from the ``joint`` of what they share, with so many further weights on each side."""
        a, b = (self._weight * np.exp(more * self._one) for more in (left, right))
        return float(a @ joint @ b)

    def vanishes(self, k: int, index: float) -> bool:
        """Whether what lies beyond the table does not count in ``Var L_k``."""
        return self.rest(k, index) < GOOD

    def rest(self, k: int, index: float) -> float:
        """What about lies beyond the table of ``Var L_k``."""
        if not k * index > 2.0:
            return math.inf
        return math.exp(k * self._one[-1]) * self._last**2 / min(k * index - 2.0, 1.0)


def _rule(last: float) -> tuple[Floats, Floats]:
    """Gauss's rule on panels up to ``last``."""
    edges = [(low + i * (high - low) / n, (high - low) / n, m) for low, high, n, m in _PANELS for i in range(n)]
    low = _PANELS[-1][1]
    while low < last:
        width = min(max((_GROWTH - 1.0) * low, 4.0), last - low)
        edges.append((low, width, _NODES))
        low += width
    nodes, weights = [], []
    for low, width, count in edges:
        x, w = np.polynomial.legendre.leggauss(count)
        nodes.append(low + 0.5 * width * (x + 1.0))
        weights.append(0.5 * width * w)
    at = np.concatenate(nodes)
    keep = at < last
    return at[keep], np.concatenate(weights)[keep]


@lru_cache(maxsize=16)
def _pairs(key: ByContent) -> Pairs | None:
    model = key.model
    table = log_laplace_table(model)
    if table is None:
        return None
    u, log_phi, _ = table
    if np.count_nonzero(np.isfinite(log_phi) & (log_phi < 0.0)) < _FEWEST:
        return None
    weights = weights_of(model) if model.laplace is None else None
    error, depth = (0.0, 0.0) if weights is None else (weights.error, weights.depth)
    return Pairs(u, log_phi, 4.0 * error, depth**2 * error)


def pairs_of(model: Model) -> Pairs | None:
    """Those of a model whose Laplace transform is declared or can be integrated; else None."""
    return _pairs(ByContent(model))


def variance(model: Model, estimator: Estimator, chi2: float) -> tuple[float, float] | None:
    """The variance of an estimator and its error, where the model's Laplace transform is known; else None.

    Log averages of more than 512 weights are taken to first order in ``chi2``, and the error has that of first order.
    """
    pairs = pairs_of(model)
    if pairs is None:
        return None
    far = FirstOrder(chi2 if chi2 < MOST else math.nan)
    with np.errstate(over="ignore", under="ignore"):
        found = _variance(_Variances(pairs, far, tails_of_weights(model).near_zero.low), model, estimator)
    return None if found is None or math.isnan(found[0]) else (float(found[0]), float(found[1]))


def _variance(found: _Variances, model: Model, estimator: Estimator) -> tuple[float, float] | None:
    if isinstance(estimator, SUMO):
        return found.sumo(estimator)
    if isinstance(estimator, SingleTerm):
        return found.single_term(estimator)
    if isinstance(estimator, MLMC):
        return found.mlmc(estimator, model)
    if isinstance(estimator, JVI):
        return found.jackknife(estimator)
    return found.iwae(estimator.k) if isinstance(estimator, IWAE) else None


@own_errstate
def terms_of_sumo(model: Model, last: int) -> tuple[float, Floats] | None:
    """``fixed`` and ``beta``: SUMO with ``K <= last`` has the variance ``fixed + sum beta_k / P(K >= k)``, or None.

    From closed forms for gamma weights; else from the Laplace transform, where it is known, and to first order beyond
    log averages of 512 weights.

    Parameters
    ----------
    model : Model
    last : int
        The cap of `K`.

    Returns
    -------
    fixed : float
    beta : ndarray of float64, shape (last,)

    Examples
    --------
    >>> import fastsumo as fs
    >>> fixed, beta = terms_of_sumo(fs.models.gamma(1.0), 3)
    >>> round(fixed + float(beta.sum()), 6)  # of a K that is always 3: IWAE(4)
    0.283823
    """
    gamma = gamma_of(model)
    k = np.arange(1.0, last + 1.0)
    if gamma is not None:
        mean, spread = gamma.mean_increment(k), gamma.var_increment(k)
        below = float(gamma.bias(last + 1.0))
        rest = below - gamma.bias(k + 1.0)
        first, end = float(gamma.variance(1.0)), float(gamma.variance(last + 1.0))
        fixed = first - 2.0 * (first - end) - (below - float(gamma.bias(1.0))) ** 2
        return fixed, spread + mean * (mean + 2.0 * rest)
    pairs = pairs_of(model)
    chi2 = float(chi_square(model))
    if chi2 == 0.0:
        return 0.0, np.zeros(last)
    if pairs is None or not chi2 < MOST or not pairs.vanishes(2, far_out(model).near_zero.low):
        return None
    with np.errstate(over="ignore", under="ignore"):
        found = _Variances(pairs, FirstOrder(chi2), far_out(model).near_zero.low)
        near = min(last + 1, _NEAR)
        square, with_last = found._moments(1, near, last + 1.0)
        end = pairs.bias(last + 1.0)
        beta = 2.0 * np.diff(with_last) - np.diff(square)
        k = k[near - 1 :]
        step = found.far.mean_increment(k)
        beyond = found.far.var_increment(k) + step * (step + 2.0 * (end - found.far.bias(k + 1.0)))
    return float(2.0 * with_last[0] - square[0] - end**2), np.append(beta, beyond)


class _Variances:
    """What `variance` finds, estimator by estimator."""

    def __init__(self, pairs: Pairs, far: FirstOrder, near_zero: float) -> None:
        self.pairs, self.far, self.near_zero = pairs, far, near_zero
        sizes = (k for k in (2**i for i in range(_NEAR.bit_length())) if pairs.vanishes(k, near_zero))
        checked = list(itertools.islice(sizes, _CHECKED))
        off = [abs(pairs.covariance(pairs.joint(k)) - pairs.spread(k)) for k in checked]
        self.error = max([pairs.error, *off]) + _NEAR * pairs.of_each  # a wide spread is too much for the rule

    def iwae(self, k: int) -> tuple[float, float] | None:
        if not self.pairs.vanishes(k, self.near_zero):
            return None
        if k > _NEAR:
            return float(self.far.variance(float(k))), self._far_error(k)
        error = self.pairs.error + k * self.pairs.of_each + self.pairs.rest(k, self.near_zero)
        return self.pairs.spread(k), error

    def jackknife(self, estimator: JVI) -> tuple[float, float] | None:
        k, coefficients = estimator.k, estimator.coefficients()
        if k > _NEAR or not self.pairs.vanishes(k - estimator.order, self.near_zero):
            return None
        parts, loss = [], 0.0
        for i, left in enumerate(coefficients):
            for j, right in enumerate(coefficients):
                for r in range(max(0, i + j - k), min(i, j) + 1):
                    chance = math.comb(i, r) * math.comb(k - i, j - r) / math.comb(k, j)
                    joint = self.pairs.joint(k - i - j + r)
                    parts.append(left * right * chance * self.pairs.covariance(joint, j - r, i - r))
                    loss += abs(left * right * chance)
        return math.fsum(parts), loss * self.error

    def sumo(self, estimator: SUMO) -> tuple[float, float] | None:
        """``S = L_m + sum_j (L_{m+j} - L_{m+j-1}) / P_j``, ``m`` the first log average that does not cancel.

        With ``n`` the last, and moments about ``log Z``, ``E S^2 = 2 E L_m L_n - E L_m^2 + sum_j beta_j / P_j`` and
        ``beta_j = 2 E L_n (L_{m+j} - L_{m+j-1}) - E L_{m+j}^2 + E L_{m+j-1}^2``.
        """
        formula, skipped = SurvivalFormula.of(estimator.roulette), estimator.plan().minimum
        always = 0
        while always < min(formula.last, _NEAR) and float(formula.survival(np.array([always + 1.0]))[0]) == 1.0:
            always += 1
        m, last = skipped + always, skipped + formula.last
        if m >= _NEAR or not self.pairs.vanishes(m, self.near_zero):
            return self.iwae(int(last)) if m >= last else None
        near = int(min(last, _NEAR))
        square, with_last = self._moments(m, near, last)
        k = np.arange(m + 1.0, near + 1.0)
        beta = 2.0 * np.diff(with_last) - np.diff(square)
        chance = formula.survival(k - skipped)
        total = 2.0 * with_last[0] - square[0] + math.fsum(beta / chance)
        error = self.error * (4.0 + float(np.sum(3.0 / chance)))
        mean = 0.0 if math.isinf(last) else self._bias(last)
        if last > near:
            rest = self._rest(formula, skipped, near, last, mean)
            total, error = total + rest, error + self._far_error(near) * abs(rest)
        return total - mean**2, error

    def _moments(self, first: int, near: int, last: float) -> tuple[Floats, Floats]:
        """``E L_k^2`` and ``E L_k L_last`` about ``log Z``, for ``k`` from ``first`` to ``near``."""
        end = 0.0 if math.isinf(last) else self._bias(last)
        square, with_last = [], []
        for k, joint in self.pairs.walk(first, near):
            bias = self.pairs.bias(k)
            square.append(self.pairs.covariance(joint) + bias**2)
            shared = 0.0 if math.isinf(last) else self.pairs.covariance(joint, 0.0, last - k)
            with_last.append(shared + bias * end)
        return np.array(square), np.array(with_last)

    def _rest(self, formula: SurvivalFormula, skipped: int, near: int, last: float, mean: float) -> float:
        """``sum beta_j / P_j`` beyond the log averages that are taken as they are, to first order."""
        begin = near - skipped

        def term(j: Floats) -> Floats:
            k = skipped + begin + j - 1.0
            step = self.far.mean_increment(k)
            square = self.far.var_increment(k) + step * (step + 2.0 * (mean - self.far.bias(k + 1.0)))
            return square / formula.survival(begin + j)

        knot = max(formula.law.head - begin, 0.0)
        return series(term, formula.last - begin, smooth=formula.smooth, knot=knot, pace=formula.decay)

    def single_term(self, estimator: SingleTerm) -> tuple[float, float] | None:
        formula = SurvivalFormula.of(estimator.roulette)
        if not formula.last < _NEAR or not self.pairs.vanishes(1, self.near_zero):
            return None
        last = int(formula.last) + 1
        square, _ = self._moments(1, last, last)
        after = [
            self.pairs.covariance(joint, 0.0, 1.0) + self.pairs.bias(k) * self.pairs.bias(k + 1)
            for k, joint in self.pairs.walk(1, last - 1)
        ]
        steps = square[1:] - 2.0 * np.array(after) + square[:-1]
        mass = formula.mass(np.arange(1.0, last))
        first = self.pairs.covariance(self.pairs.joint(1), 0.0, last - 1.0) + self.pairs.bias(1) * self.pairs.bias(last)
        total = 2.0 * first - square[0] + math.fsum(steps / mass)
        return total - self.pairs.bias(last) ** 2, self.error * (4.0 + float(np.sum(4.0 / mass)))

    def mlmc(self, estimator: MLMC, model: Model) -> tuple[float, float] | None:
        """With levels' differences ``D_l``, single level: ``sum E D_l^2 / p_l``.

        Sum of levels: ``sum (E D_l^2 + 2 E D_l (D_{l+1} + ...)) / P(level >= l)``, by exchange of sums.
        """
        r, base = estimator.ratio, estimator.base
        if r <= 0.25 or not self.pairs.vanishes(base, self.near_zero) or 2 * base > _NEAR:
            return None
        summed = estimator.kind == "sum"
        level = np.arange(1.0, _LEVELS + 1.0)
        half = base * 2.0 ** (level - 1.0)
        mean = self.far.level_mean(half)
        squares = self.far.level_variance(half) + mean * (mean - (2.0 * self.far.bias(2.0 * half) if summed else 0.0))
        near = int(np.count_nonzero(2.0 * half <= _NEAR))
        limit = float(squares[near - 1])
        for i, n in enumerate(half[:near].astype(np.int64).tolist()):
            squares[i] = self._square_of_level(n) + (2.0 * self._with_finer(2 * n, n) if summed else 0.0)
        off = float(squares[near - 1]) / limit - 1.0  # from first order, and half as much from level to level
        squares[near:] *= 1.0 + off * 0.5 ** (level[near:] - near)
        chance = r ** (level - (1.0 if estimator.first else 0.0)) * (1.0 if summed else 1.0 - r)
        terms = squares / chance
        factor = 0.25 / r
        rest = math.fsum(terms[near:]) + float(terms[-1]) * factor / (1.0 - factor)
        lost = (4.0 + (4.0 * _FINER if summed else 0.0)) * self.error
        error = self.error + lost * (1.0 + float(np.sum(1.0 / chance[:near])))
        error += (self._far_error(base * 2**near) ** 2 + lost / limit) * abs(rest)
        start = self.pairs.covariance(self.pairs.joint(base))
        below, total = -self.pairs.bias(base), math.fsum(terms[:near]) + rest
        if estimator.first:
            return start + total - below**2, error
        if summed:  # about log Z, which is the mean
            return start + below**2 + 2.0 * self._with_finer(base) + total, error
        evidence = model.log_evidence
        if evidence is None:
            found = weights_of(model)
            evidence = 0.0 if found is None else found.log_evidence
        return (start + (evidence - below) ** 2) / (1.0 - r) + total - evidence**2, error

    def _square_of_level(self, half: int) -> float:
        """``E D^2``, ``D = L(all) - (L(first half) + L(second half)) / 2``."""
        joint, whole = self.pairs.joint(half), self.pairs.joint(2 * half)
        spread = self.pairs.covariance(whole) + 0.5 * self.pairs.covariance(joint)
        spread -= 2.0 * self.pairs.covariance(joint, 0.0, float(half))
        return spread + (self.pairs.bias(2 * half) - self.pairs.bias(half)) ** 2

    def _with_finer(self, samples: int, half: int = 0) -> float:
        """``E D (D_1 + D_2 + ...)``, with the differences of all finer levels; without halves ``D = L - log Z``.

        The first half of a finer level holds all of ``D``'s samples, and the second none: ``Cov(D, D_i) = Cov(D,
        L(all)) - Cov(D, L(first half)) / 2``, which falls by 4 from level to level.
        """
        parts = [(1.0, samples)] + ([(-1.0, half)] if half else [])
        joints = [(sign, part, self.pairs.joint(part)) for sign, part in parts]
        mean = sum(sign * self.pairs.bias(part) for sign, part in parts)
        shared = [
            sum(sign * self.pairs.covariance(joint, 0.0, float(samples * 2**i - part)) for sign, part, joint in joints)
            for i in range(_FINER + 1)
        ]
        return math.fsum(np.array(shared[1:]) - 0.5 * np.array(shared[:-1])) - mean * self.pairs.bias(samples)

    def _bias(self, k: float) -> float:
        return self.pairs.bias(k) if k < 1e7 else float(self.far.bias(k))

    def _far_error(self, k: float) -> float:
        """Relative to what first order gives beyond so many weights: the next order, with a margin for skewness."""
        return 10.0 * (1.0 + self.far.chi_square) / k
