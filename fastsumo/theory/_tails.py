"""Tail laws ``P(|value - log Z| > x) ~ C x^-a`` of the estimators, to first order."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from fastsumo.estimators.estimators import MLMC, SUMO, Estimator, SingleTerm
from fastsumo.estimators.roulette import Roulette
from fastsumo.trial.plan import MAX_TERMS

from ._survival import SurvivalFormula


@dataclass(frozen=True)
class Tail:
    """Index and constant, both sides together; the index is infinite for tails lighter than any power."""

    index: float
    constant: float  # NaN where it is not known, or the law has a logarithm
    note: str = ""


LIGHT = Tail(math.inf, math.nan)


def tail_of(estimator: Estimator, chi2: float, weight_index: float | None, deviation: float = math.nan) -> Tail:
    """The tail of an estimator's values.

    Parameters
    ----------
    estimator : Estimator
    chi2 : float
        Infinite where the weights have no variance; NaN where not known (then there is no constant).
    weight_index : float or None
        ``b`` in ``P(w > t) ~ t^-b``; None is taken for light tails.
    deviation : float
        ``E |w / Z - 1|``, which only `SingleTerm` needs.

    Examples
    --------
    >>> import fastsumo as fs
    >>> tail_of(fs.SUMO(fs.roulette.PowerLaw(1.5)), 1.0, None).index
    1.5
    """
    b = math.inf if weight_index is None else weight_index
    if math.isinf(chi2):
        b = min(b, 2.0)
    if isinstance(estimator, SUMO):
        return _capped_note(_sumo(SurvivalFormula.of(estimator.roulette), chi2, b), estimator.roulette, chi2, b)
    if isinstance(estimator, SingleTerm):
        return _single(SurvivalFormula.of(estimator.roulette), deviation)
    if isinstance(estimator, MLMC):
        return _mlmc(estimator, chi2, b)
    return LIGHT


def _sumo(formula: SurvivalFormula, chi2: float, b: float) -> Tail:
    """Two ways to a large value under ``P_k = k^-s``; the smaller index wins.

    A long trial: given `K`, the value spreads like ``K^(s - 1 + 1/b')``, ``b' = min(b, 2)`` (a normal or
    stable law of the mean weight); so the index ``s / (s - 1 + 1/b')``, which is ``2 s / (2 s - 1)`` for
    light weights. A single weight as large as all ``k`` before it, at a ``k`` with ``P(K >= k) = k^-s``:
    the index ``(b - 1 + s) / s``. For ``s = 1`` both give ``min(2, b)``. A geometric tail of `K` has the
    index 1 up to a logarithm.
    """
    if math.isfinite(formula.last) or not formula.smooth:
        return LIGHT
    if formula.geometric:
        return Tail(1.0, math.nan, "the index 1 holds up to a logarithm; E|value| is infinite, but only just")
    s = formula.law.power
    slope = s - 1.0 + 1.0 / min(b, 2.0)
    long_trial = s / slope if slope > 0.0 else math.inf
    jump = (b - 1.0 + s) / s
    if jump < long_trial or b < 2.0 or (b == 2.0 and math.isinf(chi2)):
        return Tail(min(jump, long_trial), math.nan, f"set by the weights' own tail, of index {b:g}")
    return Tail(long_trial, _sumo_constant(s, chi2))


def _sumo_constant(s: float, chi2: float) -> float:
    """``(chi2 / (2 s - 1))^(s / (2 s - 1)) E|N|^a`` with ``a = 2 s / (2 s - 1)``."""
    if s <= 0.5 or not math.isfinite(chi2):
        return math.nan
    index = 2.0 * s / (2.0 * s - 1.0)
    if index > 150.0:
        return math.nan
    return (chi2 / (2.0 * s - 1.0)) ** (index / 2.0) * _normal_moment(index)


def _single(formula: SurvivalFormula, deviation: float) -> Tail:
    """``Delta_k / p_k`` is about ``(w / Z - 1) / (s P_k)``: index 1, constant ``E|w / Z - 1| / s``."""
    if math.isfinite(formula.last) or not formula.smooth:
        return LIGHT
    why = "E|value| = sum E|Delta_k| diverges, whatever the law: the mean does not exist without a cap"
    if formula.geometric:
        return Tail(1.0, math.nan, why + "; the index 1 holds up to a logarithm")
    return Tail(1.0, deviation / formula.law.power, why)


def _mlmc(estimator: MLMC, chi2: float, b: float) -> Tail:
    """``D_l / p_l ~ (2 ratio)^-l N^2`` while ``p_l ~ ratio^l``: the index ``log ratio / log(2 ratio)``.

    A single weight as large as a whole level does the same with the index ``1 + (b - 1) log 2 / log(1 /
    ratio)``. The constant is the mean over a period of ``log x``: levels are discrete, and the tail wavers
    about it.
    """
    r = estimator.ratio
    quiet = math.log(r) / math.log(2.0 * r) if r < 0.5 else math.inf
    jump = 1.0 + (b - 1.0) * math.log(2.0) / -math.log(r)
    if jump < quiet or b <= 2.0:
        return Tail(min(jump, quiet), math.nan, f"set by the weights' own tail, of index {b:g}")
    if math.isinf(quiet):
        return LIGHT
    scale = chi2 / (4.0 * estimator.base) if estimator.first else chi2 / (2.0 * estimator.base)
    return Tail(quiet, _mlmc_constant(estimator, quiet, scale), "on the right side; wavers with log x about a power")


def _mlmc_constant(estimator: MLMC, index: float, scale: float) -> float:
    r = estimator.ratio
    if index > 60.0:
        return math.nan
    if estimator.kind == "single":
        moment = _normal_moment(2.0 * index)
        return (1.0 - r) * (scale / (1.0 - r)) ** index * moment / -math.log(r)
    if abs(index - round(index)) > 1e-9:
        return math.nan
    return (1.0 - r) * scale**index * _decayed_moment(2.0 * r, round(index)) / -math.log(r)


def _decayed_moment(factor: float, order: int) -> float:
    """``E[Y^order]`` of ``Y = sum factor^i N_i^2``, by its cumulants ``2^(m-1) (m-1)!/(1 - factor^m)``."""
    cumulants = [2.0 ** (m - 1) * math.factorial(m - 1) / (1.0 - factor**m) for m in range(1, order + 1)]
    moments = [1.0]
    for n in range(1, order + 1):
        moments.append(sum(math.comb(n - 1, m - 1) * cumulants[m - 1] * moments[n - m] for m in range(1, n + 1)))
    return moments[order]


def _normal_moment(p: float) -> float:
    """``E |N|^p`` of a standard normal."""
    return math.exp(0.5 * p * math.log(2.0) + math.lgamma(0.5 * (p + 1.0))) / math.sqrt(math.pi)


def _capped_note(tail: Tail, roulette: Roulette, chi2: float, b: float) -> Tail:
    """What the tail of a capped law looks like before the cap shows."""
    law = roulette.law()
    if math.isfinite(tail.index) or not law.capped or law.table.size or law.cap < 100:
        return tail
    before = _sumo(SurvivalFormula(law._replace(cap=MAX_TERMS), math.inf), chi2, b)
    if math.isinf(before.index):
        return tail
    return replace(tail, note=f"up to the cap the tail looks like one of index {before.index:.4g}")
