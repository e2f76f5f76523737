"""Taylor's series of the log around a number c (`fs.Taylor`): its centre, its moments, its tail.

With ``y = 1 - mean of b weights / c``, ``c = g Z`` and ``q = chi_square / b``, ``E y = 1 - 1 / g`` and ``E y^2 =
(E y)^2 + q / g^2``; the second moment of the sum of the series is ``sum_{k,j} (E y^2)^m (E y)^|k-j| / (k j P(K >= m))``
with ``m = min(k, j)`` (Chopin, Crucinio & Singh, arXiv 2403.20313).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.errors import ModelError
from fastsumo.estimators.estimators import (
    FURTHEST_CENTER,
    Estimator,
    Stratum,
    Taylor,
    best_center,
    estimated_center,
)
from fastsumo.estimators.roulette import Geometric

from ._content import ByContent, look_at
from ._frullani import log_evidence_of
from ._moments import gamma_of
from ._quantities import INFINITE, UNKNOWN, ChiSquare, Quantity
from ._survival import SurvivalFormula
from ._tails import LIGHT, Tail
from ._weights import drawn_log_weights, log_sum, tails_of_weights, weights_of

if TYPE_CHECKING:
    from fastsumo.models.model import Model

Floats = NDArray[np.float64]

_MOST_TERMS = 2_000_000  # of a sum that is added up
_EDGE = 1e-12  # relative distance from r at which E y^2 is on the edge
_DOUBTFUL = 3.0  # standard errors of a pilot
_MOST_DRAWN = 2**22  # weights, for the moments of the means of blocks
_HIGHEST = 30.0  # tail index that is looked for
_APART = 1.3  # ratio of the bounds of an index, up to which it is called one
_GROUPS = 16  # of drawn weights
_STEP = 1.01  # ratio of orders that are tried
_ERRORS = 6.0  # standard errors of the mean of so few: twice what Student's 99 % are
_FAR = 300.0  # distance of log c from log Z beyond which nothing changes to what floats see


@own_errstate
def centered(model: Model, estimator: Estimator) -> Estimator:
    """The estimator with a number for a ``log_center`` of None; any other as it is.

    Parameters
    ----------
    model : Model
        Without data.
    estimator : Estimator

    Returns
    -------
    Estimator
        With ``log Z + log(1 + chi_square / block)``, rounded to a multiple of 2^-8: what the model declares of both,
        the rest from 16 384 weights that are a function of the model alone. So it depends on no seed.

    Raises
    ------
    ValueError
        If all of these weights are zero, or the number is too large for its digits to be enough.

    Examples
    --------
    >>> import fastsumo as fs
    >>> centered(fs.models.gamma(1.0), fs.Taylor(block=4)).log_center
    0.22265625
    """
    if isinstance(estimator, Stratum):
        return replace(estimator, estimator=centered(model, estimator.estimator))
    if not isinstance(estimator, Taylor) or estimator.log_center is not None:
        return estimator
    evidence, chi2 = model.log_evidence, model.chi_square
    if evidence is not None and chi2 is not None and math.isfinite(chi2):
        center = best_center(evidence, chi2, estimator.block)
    else:
        log_weights = _drawn(model)
        if log_weights.size == 0:
            return replace(estimator, log_center=0.0)  # none is a log weight: the first trial will say so
        if not np.any(np.isfinite(log_weights)):
            raise ValueError(f"the weights of a pilot of model {model.name!r} are all zero: give Taylor a log_center")
        center = estimated_center(log_weights, estimator.block, evidence)
    if not abs(center) < FURTHEST_CENTER:
        raise ValueError(
            f"the log evidence of model {model.name!r} is near {center:g}, where floats have too few digits for "
            "Taylor: take a constant off its log weights"
        )
    return replace(estimator, log_center=center)


def _drawn(model: Model) -> Floats:
    """Log weights that are drawn; without those that are none, at which a run will say so."""
    look_at(model)
    try:
        drawn = drawn_log_weights(model)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"model {model.name!r} raised {type(error).__name__}: {error}, where its weights were looked at for the "
            "centre of Taylor's series"
        ) from None
    return drawn[drawn < np.inf]


class Series(NamedTuple):
    """What theory needs of an estimator on a model.

    ``ratio`` is ``c / Z`` and ``q`` the chi-square of the mean of a block; ``sure`` says that both are known, and not
    from a pilot, from which ``E y^2`` has a standard error. NaN where not known.
    """

    ratio: float
    q: float
    evidence: Quantity
    sure: bool
    error: float = 0.0

    @property
    def mean(self) -> float:
        """``E y``."""
        return 1.0 - 1.0 / self.ratio

    @property
    def square(self) -> float:
        """``E y^2``."""
        return square_of(self.ratio, self.q)

    @property
    def diverges(self) -> bool:
        """Whether ``E y <= -1``; it is below 1, though floats may not see it."""
        return self.ratio <= 0.5

    @property
    def has_mean(self) -> bool:
        """Whether ``E y^2 < 1``, and so ``E |y|``, which floats may not see either."""
        return 1.0 + self.q < 2.0 * self.ratio


def log_mean(log_weights: Floats) -> float:
    """Log of the mean weight; NaN where all are zero."""
    top = float(np.max(log_weights, initial=-np.inf))
    return top + math.log(float(np.mean(np.exp(log_weights - top)))) if math.isfinite(top) else math.nan


def square_of(ratio: float, q: float) -> float:
    """``E y^2`` for ``c = ratio Z`` and the chi-square ``q`` of the mean of a block."""
    return (1.0 - 1.0 / ratio) ** 2 + q / ratio**2


def series_of(model: Model, estimator: Taylor, chi2: ChiSquare) -> Series:
    """Of an estimator that has a centre."""
    assert estimator.log_center is not None
    found, evidence = log_evidence_of(model), UNKNOWN
    if found is not None:
        weights = weights_of(model) if model.log_evidence is None else None
        evidence = Quantity(found, "exact", 0.0 if weights is None else weights.error)
    distance = estimator.log_center - (log_mean(_drawn(model)) if found is None else found)
    ratio = math.exp(float(np.clip(distance, -_FAR, _FAR)))
    series = Series(ratio, float(chi2) / estimator.block, evidence, found is not None and chi2.source != "pilot")
    if series.sure:
        return series
    error = chi2.error / estimator.block / ratio**2
    if found is None:  # the mean of the pilot's weights is Z but for an error of its own
        slope = 2.0 * (1.0 - (1.0 + series.q) / ratio) / ratio
        error = math.hypot(error, slope * math.sqrt(float(chi2) / _drawn(model).size))
    return series._replace(error=error)


def evidence_of(model: Model) -> float:
    """The log evidence: known, integrated, or of weights that are drawn.

    Parameters
    ----------
    model : Model

    Returns
    -------
    float
        NaN where all that are drawn are zero.

    Examples
    --------
    >>> import fastsumo as fs
    >>> evidence_of(fs.models.gamma(1.0))
    0.0
    """
    found = log_evidence_of(model)
    return log_mean(_drawn(model)) if found is None else found


@own_errstate
def best_series(q: float, p: float) -> tuple[float, float]:
    """The least variance of Taylor's series under ``Geometric(p)``, and the centre that has it.

    Parameters
    ----------
    q : float
        Chi-square of the mean of a block, positive.
    p : float

    Returns
    -------
    variance : float
        Infinite where none is finite.
    distance : float
        ``log(c / Z)``.

    Examples
    --------
    >>> best_series(1.0, 0.8)[0], [round(x, 3) for x in best_series(1.0, 0.25)]
    (inf, [0.58, 1.062])
    """
    from scipy.optimize import minimize_scalar

    inside = 1.0 - (1.0 + q) * p  # E y^2 < 1 - p for 1 / g between (1 - root) / (1 + q) and (1 + root) / (1 + q)
    if not inside > 0.0:
        return math.inf, math.nan
    root = math.sqrt(inside)
    formula = SurvivalFormula.of(Geometric(p))
    low, high = math.log((1.0 + q) / (1.0 + root)), math.log((1.0 + q) / max(1.0 - root, 1e-9))

    def value(distance: float) -> float:
        mean = -math.expm1(-distance)
        found = variance(formula, mean, square_of(math.exp(distance), q))[0]
        return found if math.isfinite(found) else 1e300

    bounds = low, min(high, math.log1p(q) + 1.0 - 0.5 * math.log(p))  # the best lies nearer, whatever q and p
    found = minimize_scalar(value, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(found.fun), float(found.x)


def mean_of(estimator: Taylor, series: Series, tail: Tail) -> Quantity:
    """Of the value: the log evidence, or with a cap the sum of the series up to it."""
    last = SurvivalFormula.of(estimator.roulette).last
    center, mean = float(estimator.log_center or 0.0), series.mean
    if math.isinf(last):
        if series.diverges and series.evidence.kind == "exact":
            return Quantity(math.nan, "infinite")
        if series.sure and series.has_mean:
            return series.evidence
        exists = tail.exists(1.0)
        if exists is False:
            return Quantity(math.nan, "infinite")
        return series.evidence if exists else UNKNOWN
    if series.evidence.kind != "exact" or math.isnan(mean):
        return UNKNOWN
    total = _sum_of_means(mean, last)
    return Quantity(center - total, "exact", series.evidence.error) if math.isfinite(total) else UNKNOWN


def _sum_of_means(mean: float, last: float) -> float:
    """``sum_{k <= last} mean^k / k``."""
    if abs(mean) < 1.0:
        needed = 1.0 if mean == 0.0 else -40.0 / math.log(abs(mean))
        if min(last, needed) > _MOST_TERMS or needed < last:
            return -math.log1p(-mean)  # to what floats see, or as near as makes no difference: the rest is below
    k = np.arange(1.0, min(last, _MOST_TERMS) + 1.0)
    with np.errstate(over="ignore"):
        return float(np.sum(mean**k / k)) if last <= _MOST_TERMS else math.nan


def variance_of(estimator: Taylor, series: Series) -> tuple[Quantity, tuple[str, ...]]:
    """Of the value, and what is to be said of it."""
    if math.isnan(series.ratio) or math.isnan(series.q):
        return UNKNOWN, ()
    formula = SurvivalFormula.of(estimator.roulette)
    kind = "exact" if series.sure else "first-order"
    notes = () if series.sure else ("log Z / c and chi-square are a pilot's: so are variance and tail",)
    if math.isinf(formula.last) and abs(series.square - decay_of(formula)) <= _DOUBTFUL * series.error:
        return UNKNOWN, (*notes, _ON_THE_EDGE.format("the pilot"))
    value, error = variance(formula, series.mean, series.square)
    if math.isinf(value):
        return (INFINITE, notes) if math.isinf(formula.last) else (UNKNOWN, (*notes, _TOO_LARGE))
    if math.isnan(value):
        return UNKNOWN, (*notes, _ON_THE_EDGE.format("float64"))
    return Quantity(value, kind, error), notes  # type: ignore[arg-type]


_ON_THE_EDGE = "E y^2 is on the edge of a finite variance, as far as {} can tell"
_TOO_LARGE = "the variance is finite, but too large for a float"


def decay_of(formula: SurvivalFormula) -> float:
    """``r``: the factor by which ``P(K >= k)`` falls from ``k`` to ``k + 1`` far out; 1 for powers, 0 with a cap."""
    if math.isfinite(formula.last):
        return 0.0
    return math.exp(-formula.decay) if formula.geometric else 1.0


@own_errstate
def variance(formula: SurvivalFormula, mean: float, square: float) -> tuple[float, float]:
    """Variance of the sum of a series and the error of the number; infinite, or NaN on the edge.

    Parameters
    ----------
    formula : SurvivalFormula
    mean, square : float
        ``E y`` and ``E y^2``.
    """
    r, last = decay_of(formula), formula.last
    if math.isinf(square):
        return math.inf, 0.0
    if math.isinf(last):
        if abs(square - r) <= _EDGE * r:
            return math.nan, 0.0
        if square > r:
            return math.inf, 0.0
    if square == 0.0:
        return 0.0, 0.0
    slope = math.log(square / r) if r else math.inf
    needed = -45.0 / slope if slope < 0.0 else math.inf
    terms = int(max(2.0, min(last, needed + 2.0, _MOST_TERMS)))
    if math.isfinite(last) and terms < last and square >= 1.0:
        return math.inf, 0.0
    after = 2.0 if mean == 0.0 else min(-45.0 / math.log(abs(mean)), float(_MOST_TERMS)) if abs(mean) < 1.0 else 0.0
    whole = int(min(last, terms + after))
    m = np.arange(1.0, whole + 1.0)
    rest = _rest(mean, m, whole < last)[:terms]
    m = m[:terms]
    with np.errstate(over="ignore"):
        weighted = np.exp(m * math.log(square) - _log_survival(formula, m)) / m * (1.0 / m + 2.0 * rest)
    missing = 0.0
    if terms < min(last, needed):  # what is left out falls like r^k / k^2 at most
        missing = float(abs(weighted[-1])) * terms
    total = float(np.sum(weighted[::-1]))
    first = _sum_of_means(mean, last)
    if not math.isfinite(first):
        return math.inf, 0.0
    return max(total - first * first, 0.0), missing + 1e-14 * total


def _rest(mean: float, m: Floats, goes_on: bool) -> Floats:
    """``sum_{j > m} mean^(j - m) / j`` for all ``m``, up to the last or to infinity: from the last back."""
    from scipy.linalg import solve_banded

    end = mean / ((1.0 - mean) * (m[-1] + 1.0)) if goes_on and mean < 1.0 else 0.0
    bands = np.outer([-mean, 1.0], np.ones_like(m))  # rest - mean * the next = mean / (m + 1)
    found: Floats = solve_banded((0, 1), bands, np.append(mean / (m[:-1] + 1.0), end))
    return found


def _log_survival(formula: SurvivalFormula, k: Floats) -> Floats:
    """``log P(K >= k)``, where the probability itself may be too small for a float."""
    if not formula.smooth:
        return np.log(formula.survival(k))
    law = formula.law
    beyond = np.maximum(k - law.head, 0.0)
    tail = np.where(beyond > 0.0, beyond * law.log_decay, 0.0) if law.log_decay else 0.0
    return -law.power * np.log(np.minimum(k, law.head)) + tail


def tail_of(model: Model, estimator: Taylor, series: Series, ends: bool = False) -> Tail:
    """The index ``a`` with ``E |y|^a = r^(a - 1)``: a long trial whose factors are large; or that of a weight alone.

    That of a weight where a cap bounds `K`, or ``ends`` says that a stratum does.
    """
    formula = SurvivalFormula.of(estimator.roulette)
    weight = tails_of_weights(model).weight
    if ends or math.isfinite(formula.last):
        if math.isinf(weight.low):
            return LIGHT
        note = "set by the weights' own tail: where K is bounded a value is a polynomial of weights"
        return Tail(weight.low if weight.known else math.nan, math.nan, note, True, True, weight.low, weight.high)
    r = decay_of(formula)
    if series.evidence.kind == "exact" and series.diverges:
        return Tail(1.0, math.nan, _DIVERGES, low=0.0, high=1.0)
    if series.sure and series.square == 0.0:
        return LIGHT
    index, low, high, how = _root(model, estimator, series, r)
    low, high = min(low, weight.low), min(high, weight.high)
    if series.sure and series.square < r * (1.0 - _EDGE):
        low = max(low, math.nextafter(2.0, 3.0))
    elif series.sure and series.square > r * (1.0 + _EDGE):
        high = min(high, 2.0)
    if series.sure and series.has_mean:
        low = max(low, math.nextafter(1.0, 2.0))
    high = max(low, high)
    if high <= _APART * low and not math.isnan(index):
        note = f"E|y|^a = {r:.4g}^(a - 1), {how}long trials, and factors y above 1 in size"
        return Tail(float(np.clip(index, low, high)), math.nan, note, low=low, high=high)
    note = f"above {low:.3g}" if math.isinf(high) else f"below {high:.3g}" if low == 0.0 else f"{low:.3g} to {high:.3g}"
    if (low, high) == (0.0, math.inf):
        note = "the moments of the factors are not known"
    elif how:
        note += ", as far as a pilot shows"
    return Tail(math.nan, math.nan, note, low=low, high=high)


_DIVERGES = "c is at most half of Z, so that the series has no mean, under any law of K that goes on"


def _root(model: Model, estimator: Taylor, series: Series, r: float) -> tuple[float, float, float, str]:
    """Where ``E |y|^a = r^(a - 1)``, its bounds, and words for a pilot; infinite beyond 30, NaN where not known."""
    gamma, known, center = gamma_of(model), weights_of(model), float(estimator.log_center or 0.0)
    if gamma is not None and series.evidence.kind == "exact":
        index = _crossing(_gamma_moment(gamma.shape * estimator.block, series.ratio), r)
        return index, min(index, _HIGHEST), index, ""
    if known is not None and estimator.block == 1:
        some = known.mass > 0.0
        logs, log_mass = _log_of_factor(known.log_weight[some] + known.log_evidence - center), np.log(known.mass[some])
        index = _crossing(lambda a: log_sum(a * logs + log_mass), r)
        return index, min(0.99 * index, _HIGHEST), 1.01 * index, ""
    return (*_root_by_pilot(ByContent(model), estimator.block, center, r), "by a pilot: ")


@lru_cache(maxsize=32)
def _root_by_pilot(key: ByContent, block: int, center: float, r: float) -> tuple[float, float, float]:
    """As `_root`, by blocks of weights that are drawn.

    They come in groups that share no weight, so that their moments have an error. A mean of positive numbers is more
    than 100 times its expectation once in 100 times at most (Markov), which bounds the index from above however rare
    the factors are that rule the moment. From below there is no such bound: rarer ones may lie beyond all that were
    drawn. So no moment is believed of a higher order than the tails of the blocks and of the weights allow where the
    draws end.
    """
    log_weights = _pilot(key.model, center)
    scale = float(np.max(log_weights, initial=-np.inf))
    if math.isinf(scale) or scale > 20.0 or block > _MOST_DRAWN // 2**10:
        return math.nan, 0.0, math.inf
    weights = means = np.exp(log_weights - scale)
    if block > 1:
        generator, blocks = np.random.default_rng(1), min(2**14, _MOST_DRAWN // _GROUPS // block)
        places = (generator.integers(0, weights.shape[1], (block, blocks)) for _ in range(_GROUPS))
        means = np.stack([group[place].mean(axis=0) for group, place in zip(weights, places, strict=True)])
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(1.0 - math.exp(scale) * means))
    top = float(np.max(logs))
    if math.isinf(top):
        return math.inf, _HIGHEST, math.inf

    def log_moment(a: float, side: float = 0.0) -> float:
        moments = np.exp(a * (logs - top)).mean(axis=1)
        mean, error = float(moments.mean()), _ERRORS * float(moments.std(ddof=1)) / math.sqrt(_GROUPS)
        return a * top + math.log(max(mean + side * error, mean / 100.0))

    def bound(side: float) -> float:
        """The nearest place on a side at which the moment is too small, or too large, for all its error."""
        a = min(index, _HIGHEST)
        while 1e-3 < a <= _HIGHEST and side * (log_moment(a, -side) - (a - 1.0) * math.log(r)) < 0.0:
            a *= _STEP**side
        return a if a <= _HIGHEST else math.inf

    index = _crossing(log_moment, r)
    low, high = bound(-1.0), bound(1.0)
    share = 1.0 / math.sqrt(weights.size)
    seen = min(0.7 * _index_at(means, 3.0 * share), 0.85 * _index_at(weights, share))
    return index, min(low, seen, _HIGHEST), high


def _pilot(model: Model, center: float) -> Floats:
    """Logs of weights over c that are drawn, by group; of known ones more."""
    known = weights_of(model)
    if known is None:
        log_weights = _drawn(model)
        log_weights = log_weights[: log_weights.size // _GROUPS * _GROUPS] - center
    else:
        drawn = np.random.default_rng(2).random(_GROUPS * 2**16)
        places = np.searchsorted(np.cumsum(known.mass), drawn * float(np.sum(known.mass)))
        log_weights = known.log_weight[np.minimum(places, known.mass.size - 1)] + (known.log_evidence - center)
    return log_weights.reshape(_GROUPS, -1)


def _index_at(values: Floats, share: float) -> float:
    """Hill's estimate of the tail index of positive numbers, from this share of the largest; infinite of equal ones."""
    count = int(share * values.size)
    largest = np.partition(values, -count - 1, axis=None)[-count - 1 :]
    with np.errstate(divide="ignore"):
        return float(1.0 / np.mean(np.log(largest[1:] / largest[0])))


def _crossing(log_moment, r: float) -> float:  # type: ignore[no-untyped-def]
    from scipy.optimize import brentq

    def above(a: float) -> float:
        return float(log_moment(a) - (a - 1.0) * math.log(r))

    if above(_HIGHEST) <= 0.0:
        return math.inf
    return float(brentq(above, 1e-3, _HIGHEST, xtol=1e-8)) if above(1e-3) < 0.0 else 0.0


def _gamma_moment(a: float, ratio: float):  # type: ignore[no-untyped-def]
    """``log E |1 - w / ratio|^p`` for gamma weights of mean 1 and shape ``a``, as a function of ``p``."""
    from scipy.integrate import quad

    def log_moment(p: float) -> float:
        def log_term(x: float) -> float:
            gap = abs(1.0 - math.exp(x) / ratio)
            return a * (x - math.exp(x)) + (p * math.log(gap) if gap > 0.0 else -math.inf)

        width, peak = 40.0 / math.sqrt(a), math.log1p(p / a)
        ends = math.log(ratio), max(math.log(ratio) + 1.0, peak) + width
        begin = min(-60.0 / a - 5.0, math.log(ratio) - 1.0) if a < 100.0 else min(-1.5 * width, math.log(ratio) - width)
        grid = np.concatenate([np.linspace(begin, ends[1], 4001), np.linspace(-width, peak + width, 4001)])
        top = max(log_term(x) for x in grid)
        inner = -width, 0.0, peak, peak + width, math.log(ratio) - width, math.log(ratio) + width
        edges = sorted({begin, *ends, *(x for x in inner if begin < x < ends[1])})
        total = sum(
            quad(lambda x: math.exp(log_term(x) - top), low, high, limit=200)[0]
            for low, high in itertools.pairwise(edges)
        )
        return top + math.log(total) + a * math.log(a) - math.lgamma(a)

    return log_moment


def _log_of_factor(distance: Floats) -> Floats:
    """``log |1 - exp(distance)|``, without overflow."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(distance, 0.0) + np.log(-np.expm1(-np.abs(distance))))
