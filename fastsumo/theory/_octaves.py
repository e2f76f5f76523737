"""Which trials a variance comes from: its part by octave of the samples that a trial takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown
from fastsumo.estimators.estimators import MLMC, SUMO, Estimator
from fastsumo.models.model import Model

from ._chi_square import chi_square
from ._moments import FirstOrder, Moments
from ._predict import gamma_moments
from ._survival import SurvivalFormula

Floats = NDArray[np.float64]
_MOST = 2**20  # terms summed one by one
_RAREST = 1e-15


@dataclass(frozen=True, eq=False, repr=False)
class Parts(Shown):
    """Parts of ``E[(value - log Z)^2]`` by the samples of a trial.

    Attributes
    ----------
    low, high : ndarray of float64, shape (bins,)
        A bin holds trials of ``low <= n < high`` samples.
    width : ndarray of float64
        Of a bin in octaves: ``log2(high / low)``, or 1 where a bin is a level.
    share : ndarray of float64
        Of the trials.
    square : ndarray of float64
        Of ``E[(value - log Z)^2]``, divided by ``width``.

    Examples
    --------
    >>> import fastsumo as fs
    >>> found = parts(fs.models.gamma(1.0), fs.MLMC())
    >>> found.low[:3], bool(found.square[5] > found.square[6])
    (array([3., 5., 9.]), True)
    """

    low: Floats
    high: Floats
    width: Floats
    share: Floats
    square: Floats

    @property
    def middle(self) -> Floats:
        """Geometric middle of each bin."""
        return np.sqrt(self.low * (self.high - 1.0))


@own_errstate
def parts(model: Model, estimator: Estimator) -> Parts:
    """Parts of the second moment of SUMO or MLMC about ``log Z``, by the samples that a trial takes.

    Exact for gamma weights, to first order in the chi-square divergence else; with ``P(K >= k) = 1/k`` every octave
    has the same part, about ``chi2 ln 2``.

    Parameters
    ----------
    model : Model
    estimator : SUMO, or MLMC with ``first=True`` and ``kind="single"``

    Returns
    -------
    Parts

    Raises
    ------
    TypeError, ValueError
        For other estimators, and where chi-square is not known or infinite.

    Examples
    --------
    >>> import fastsumo as fs
    >>> far = parts(fs.models.gamma(1.0), fs.SUMO()).square[-3:]
    >>> (far / math.log(2.0)).round(2)
    array([1., 1., 1.])
    """
    moments: Moments | None = gamma_moments(model)
    if moments is None:
        chi2 = float(chi_square(model))
        if not math.isfinite(chi2):
            raise ValueError(f"the weights of model {model.name!r} have no known, finite chi-square divergence")
        moments = FirstOrder(chi2)
    if isinstance(estimator, SUMO):
        return _sumo(moments, estimator)
    if isinstance(estimator, MLMC) and estimator.first and estimator.kind == "single":
        return _mlmc(moments, estimator)
    raise TypeError(
        f"parts of a variance are known for SUMO, and MLMC with first=True, kind='single'; got {estimator!r}"
    )


def bins(minimum: int, most: int) -> NDArray[np.int64]:
    """Edges of half octaves of sample numbers, from ``minimum + 1`` on, up to ``most`` at least."""
    count = 2 * math.ceil(math.log2(max(most, minimum + 2))) + 3
    edges = np.unique(np.ceil(2.0 ** (0.5 * np.arange(count))).astype(np.int64))
    edges = np.union1d(edges[edges > minimum + 1], [minimum + 1])
    return edges[: int(np.searchsorted(edges, most + 1)) + 1]


def _sumo(moments: Moments, estimator: SUMO) -> Parts:
    """Given ``K``, variance ``Var L_m + sum (1/P_j^2 - 2/P_j) v_j``; its mean the path's (see `_variances.sumo`)."""
    formula, m = SurvivalFormula.of(estimator.roulette), float(estimator.plan().minimum)
    last = int(min(formula.last, _MOST))
    j = np.arange(1.0, last + 1.0)
    survival = formula.survival(j)
    j = j[: max(1, int(np.count_nonzero(survival > _RAREST)))]
    survival = survival[: j.size]
    if m == 0.0:  # the first term is L_1 itself
        before = np.maximum(j - 1.0, 1.0)
        mean_step, var_step, base = moments.mean_increment(before), moments.var_increment(before), 1.0
        mean_step[0] = var_step[0] = 0.0
    else:
        mean_step, var_step, base = moments.mean_increment(m + j - 1.0), moments.var_increment(m + j - 1.0), m
    start = float(moments.variance(base))
    variance = start + np.cumsum(var_step * (1.0 / survival - 2.0) / survival)
    mean = float(moments.bias(base)) + np.cumsum(mean_step / survival)
    mass = np.append(survival[:-1] - survival[1:], survival[-1] if j.size == formula.last else formula.mass(j[-1:])[0])
    edges = bins(int(m), int(m + j[-1]))
    edges = edges if j[-1] < _MOST else edges[:-1]  # no bin that is cut short
    begin = np.minimum(edges[:-1] - int(m) - 1, j.size - 1).astype(np.int64)
    width = np.log2(edges[1:] / edges[:-1])
    inside = slice(None, int(edges[-1] - m - 1))
    square = np.add.reduceat((mass * (variance + mean**2))[inside], begin) / width
    low, high = edges[:-1].astype(np.float64), edges[1:].astype(np.float64)
    return Parts(low, high, width, np.add.reduceat(mass[inside], begin), square)


def _mlmc(moments: Moments, estimator: MLMC) -> Parts:
    """Given level ``l``, ``L_base + D_l / p_l``, of independent samples; a level is an octave."""
    r, base = estimator.ratio, float(estimator.base)
    level = np.arange(1.0, 21.0)
    half, chance = base * 2.0 ** (level - 1.0), (1.0 - r) * r ** (level - 1.0)
    variance = float(moments.variance(base)) + moments.level_variance(half) / chance**2
    mean = float(moments.bias(base)) + moments.level_mean(half) / chance
    low = base + base * 2.0**level
    return Parts(low, low + 1.0, np.ones(low.size), chance, chance * (variance + mean**2))
