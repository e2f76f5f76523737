"""Tail laws ``P(|value - log Z| > x) ~ C x^-a`` of the estimators, to first order."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fastsumo.estimators.estimators import IWAE, JVI, MLMC, SUMO, Estimator, SingleTerm, Stratum
from fastsumo.estimators.roulette import Roulette
from fastsumo.trial.plan import MAX_TERMS

from ._far import Index
from ._survival import SurvivalFormula


@dataclass(frozen=True)
class Tail:
    """Index and constant, both sides together; the index is infinite for tails lighter than any power.

    ``slow`` says that the index is a limit which a slowly varying factor may spoil: then nothing is known of the moment
    of just that order.
    """

    index: float
    constant: float  # NaN where it is not known, or the law has a logarithm
    note: str = ""
    slow: bool = False
    of_weights: bool = False  # whether the weights' own tail sets it, and not the law of K
    low: float = math.nan  # bounds of the index; NaN where they are the index itself
    high: float = math.nan

    def exists(self, moment: float) -> bool | None:
        """Whether ``E |value|^moment`` is finite; None where that is not known.

        Examples
        --------
        >>> Tail(2.0, math.nan).exists(1.0), Tail(2.0, math.nan).exists(2.0), Tail(2.0, math.nan, slow=True).exists(2.0)
        (True, False, None)
        """
        low, high = (self.index, self.index) if math.isnan(self.low) else (self.low, self.high)
        if low > moment:
            return True
        return None if high > moment or (self.slow and high == moment) else False


MOST = 1e50  # a chi-square of which first order says anything at all
LIGHT = Tail(math.inf, math.nan)


def tail_of(estimator: Estimator, chi2: float, weight: Index, near_zero: Index, deviation: float = math.nan) -> Tail:
    """The tail of an estimator's values.

    Parameters
    ----------
    estimator : Estimator
        But `Taylor`, see `_taylor.tail_of`. A stratum that ends has no more than the tails of log averages; one that
        goes on as long as the law has that of the whole.
    chi2 : float
        Infinite where the weights have no variance; NaN where not known (then there is no constant).
    weight, near_zero : Index
        ``b`` in ``P(w > t) ~ t^-b``, and in ``P(log w < -x) ~ x^-b``.
    deviation : float
        ``E |w / Z - 1|``, which only `SingleTerm` needs.

    Returns
    -------
    Tail
        The index NaN, between bounds, where those of the weights are not known well enough.

    Examples
    --------
    >>> import fastsumo as fs
    >>> light = Index(math.inf, math.inf)
    >>> tail_of(fs.SUMO(fs.roulette.PowerLaw(1.5)), 1.0, light, light).index
    1.5
    """
    if chi2 == 0.0:  # equal weights
        return LIGHT
    low, high = (
        min(_right(estimator, chi2, b, deviation), _left(estimator, zero), key=lambda tail: tail.index)
        for b, zero in ((weight.low, near_zero.low), (weight.high, near_zero.high))
    )
    if low.index == high.index:
        return low
    if high.index - low.index < 0.02 * low.index:
        return replace(low, index=0.5 * (low.index + high.index), low=low.index, high=high.index)
    note = "the tails of the weights do not tell which index there is"
    return Tail(math.nan, math.nan, note, low=low.index, high=high.index)


def first_prefix(estimator: Estimator) -> int:
    """The fewest weights whose log average enters a trial's value with a coefficient other than 0.

    With ``P(K >= 1) = 1`` the ``L_1`` of SUMO cancels, and so does the next as long as no trial ends there.

    Examples
    --------
    >>> import fastsumo as fs
    >>> first_prefix(fs.SUMO()), first_prefix(fs.SUMO(minimum=3, start=0)), first_prefix(fs.JVI(10, order=2))
    (2, 3, 8)
    """
    if isinstance(estimator, SUMO):
        formula = SurvivalFormula.of(estimator.roulette)
        steps = (
            np.arange(1.0, min(formula.last, 1e6) + 1.0) if not formula.smooth or formula.law.power == 0.0 else [1.0]
        )
        survival = formula.survival(np.asarray(steps) + 1.0) * (np.asarray(steps) < formula.last)
        always = int(np.argmax(survival < 1.0)) if np.any(survival < 1.0) else len(steps) - 1
        return estimator.plan().minimum + 1 + always
    if isinstance(estimator, Stratum):
        whole = estimator.estimator
        if isinstance(whole, MLMC) and not whole.first and whole.kind == "single":
            return whole.base << max(estimator.low - 2, 0)  # a half of its least level
        return first_prefix(whole)
    if isinstance(estimator, SingleTerm):
        return 2 if SurvivalFormula.of(estimator.roulette).last == 1.0 else 1
    if isinstance(estimator, MLMC):
        return estimator.base
    if isinstance(estimator, JVI):
        return estimator.k - estimator.order
    return estimator.k if isinstance(estimator, IWAE) else 1


def _left(estimator: Estimator, near_zero: float) -> Tail:
    """A prefix is as small as all its weights: ``P(L_k < -x) ~ P(log w < -x)^k``."""
    count = first_prefix(estimator)
    if math.isinf(near_zero):
        return LIGHT
    note = f"set by weights near zero, of which P(log w < -x) falls like x^-{near_zero:g}"
    note += f"; it takes {count} of them at once" if count > 1 else ""
    return Tail(count * near_zero, math.nan, note, of_weights=True)


def is_bounded(estimator: Estimator) -> bool:
    """Whether it is a stratum that ends before the law of `K` does, so that its values are of so many weights at most.

    Examples
    --------
    >>> import fastsumo as fs
    >>> is_bounded(fs.Stratum(fs.SUMO(), 4, 7)), is_bounded(fs.Stratum(fs.MLMC(), 4, 2**52)), is_bounded(fs.SUMO())
    (True, False, False)
    """
    return isinstance(estimator, Stratum) and estimator.high < estimator.plan().law.cap


def _right(estimator: Estimator, chi2: float, b: float, deviation: float) -> Tail:
    if isinstance(estimator, Stratum):
        return LIGHT if is_bounded(estimator) else _right(estimator.estimator, chi2, b, deviation)
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
        slow = b < 2.0 or s < 1.0
        return Tail(min(jump, long_trial), math.nan, f"set by the weights' own tail, of index {b:g}", slow, True)
    return Tail(long_trial, _sumo_constant(s, chi2))


def _sumo_constant(s: float, chi2: float) -> float:
    """``(chi2 / (2 s - 1))^(s / (2 s - 1)) E|N|^a`` with ``a = 2 s / (2 s - 1)``."""
    if s <= 0.5 or not chi2 < MOST:
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
    quiet = round(math.log(r) / math.log(2.0 * r), 12) if r < 0.5 else math.inf  # 3 of 2^-1.5, and no more
    jump = 1.0 + (b - 1.0) * math.log(2.0) / -math.log(r)
    if jump < quiet or b <= 2.0:
        return Tail(min(jump, quiet), math.nan, f"set by the weights' own tail, of index {b:g}", True, True)
    if math.isinf(quiet):
        return LIGHT
    scale = chi2 / (4.0 * estimator.base) if estimator.first else chi2 / (2.0 * estimator.base)
    return Tail(quiet, _mlmc_constant(estimator, quiet, scale), "on the right side; wavers with log x about a power")


def _mlmc_constant(estimator: MLMC, index: float, scale: float) -> float:
    r = estimator.ratio
    if index > 60.0 or not scale < MOST:
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
