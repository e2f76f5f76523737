"""`diagnose`: the verdict over everything in ``fastsumo.tails``, as fields and in words.

It only asks the other files and decides; no estimator lives here.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown
from fastsumo.base.text import Column, Rows, counted, percent

from ._checks import MIN_POINTS
from ._index import TailIndex, tail_index
from ._intervals import Interval, mean_interval, one_sided
from ._khat import ParetoKhat, pareto_khat
from ._summary import Summary, summarize
from ._tests import (
    DropLargest,
    IndexTest,
    TailConstantTest,
    drop_largest,
    index_test,
    tail_constant_test,
)

_YES, _NO, _OPEN = "exists", "does not exist", "cannot be told"


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Shown):
    """What a heavy-tailed sample allows one to say; `text` says it in words.

    Attributes
    ----------
    trials : int
    mean, variance : float
        Of the sample.
    regime : str
        "finite variance", "index 2", "infinite variance", "mean in doubt", "no mean" or "undetermined".
    index : float
        The index that the verdict rests on: as predicted, else 2 if that is the regime, else the smaller of
        the two measured.
    index_source : str
        "predicted" or "measured".
    hill, gpd : TailIndex
        Measured, by Hill and by the generalised-Pareto fit.
    khat : ParetoKhat
    test : IndexTest
        Against 2.
    agrees : bool or None
        Whether the measured interval of Hill or of the fit holds the predicted index; None without a
        prediction.
    moments : dict of int to str
        For p = 1..4: "exists", "does not exist" or "cannot be told".
    interval : Interval
        The one to use: "normal" where there is a variance, else a median of means where the largest deviations are on
        both sides, and "one-sided" where they are not.
    normal : Interval
        For comparison.
    largest : DropLargest
        Without the ten largest deviations.
    constant : TailConstantTest or None
        If a constant was predicted.
    error : float
        Half the length of `interval`.
    wanted_error : float
        As asked, or a tenth of `error`.
    trials_needed : float
        For the wanted error at the same level; infinite without a mean.
    cap : float
        Terms at which to cap the harmonic law for a bias of a quarter of the wanted error, ``2*chi2/error``;
        NaN unless the index is 2 and the constant, which is chi2, was predicted.
    cap_variance : float
        Variance of one trial at that cap, to first order: ``chi2*log(cap)``.
    advice : str
        The law of K that would mend it.
    text : str

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> values = np.random.default_rng(1).standard_t(2, 10_000)
    >>> found = tails.diagnose(values)
    >>> found.regime, found.trials, sorted(found.moments)
    ('index 2', 10000, [1, 2, 3, 4])
    """

    trials: int
    mean: float
    variance: float
    regime: str
    index: float
    index_source: str
    hill: TailIndex
    gpd: TailIndex
    khat: ParetoKhat
    test: IndexTest
    agrees: bool | None
    moments: dict[int, str]
    interval: Interval
    normal: Interval
    largest: DropLargest
    constant: TailConstantTest | None
    error: float
    wanted_error: float
    trials_needed: float
    cap: float
    cap_variance: float
    advice: str
    text: str

    def __str__(self) -> str:
        """Return the verdict in words."""
        return self.text

    def __repr__(self) -> str:
        kind = f"regime={self.regime!r}, index={self.index:.4g} ({self.index_source})"
        return f"Diagnosis({kind}, mean={self.mean:.6g}, interval={self.interval}, trials={self.trials:,})"

    def _blocks(self) -> list[Rows | list[Column]]:
        verdict = ("verdict", f"{self.regime}; {self.index_source} index {self.index:.3g}")
        numbers = [("mean", f"{self.mean:.8g}"), ("interval", str(self.interval))]
        return [Rows([verdict, *numbers]), Rows(("", text) for text in paragraphs(self))]


@own_errstate
def diagnose(
    sample: ArrayLike | Summary,
    *,
    level: float = 0.95,
    index: float | None = None,
    constant: float | None = None,
    wanted_error: float | None = None,
    can_change_law: bool = True,
    is_capped: bool = False,
) -> Diagnosis:
    """Say which moments exist, which interval to use, how many trials are needed and what would help.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
        A summary needs ``extremes`` and ``power_sums``; with groups the interval can be a median of means.
    level : float
        Confidence level of every interval.
    index, constant : float, optional
        Predicted tail ``P(|X - center| > x) ~ constant*x**-index``. An infinite index is no power law.
    wanted_error : float, optional
        Half-length of interval that is wanted; a tenth of the present one where None.
    can_change_law : bool
        Whether the sample is of a roulette estimator, so that another law of K is an advice.
    is_capped : bool
        Whether that law has a cap, so that another is no advice.

    Returns
    -------
    Diagnosis
        Its numbers are NaN, with a `TailWarning`, where the data do not allow them.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, the summary has no power sums, or an argument is not
        allowed.

    Examples
    --------
    >>> import numpy as np
    >>> verdict = diagnose(np.random.default_rng(0).standard_t(1.2, 20_000))
    >>> verdict.regime, verdict.moments[1], verdict.moments[2]
    ('infinite variance', 'exists', 'does not exist')
    """
    checks.real("level", level, 0.0, 1.0)
    known = sample if isinstance(sample, Summary) else summarize(sample)
    predicted = _prediction(index)
    hill, gpd = tail_index(known, level=level), tail_index(known, method="gpd", level=level)
    moments = _moments(hill, gpd, predicted)
    regime = _regime(moments, hill, gpd, predicted)
    interval, normal = _best_interval(known, regime, level, hill.k), mean_interval(known, "normal", level)
    wanted = 0.1 * _finite(interval, normal) if wanted_error is None else checks.real("wanted_error", wanted_error, 0.0)
    used = min(hill.estimate, gpd.estimate) if math.isnan(predicted) else predicted
    used = 2.0 if regime == "index 2" else used
    cap = 2.0 * constant / wanted if constant and regime == "index 2" else math.nan
    parts: dict[str, Any] = {
        "trials": known.trials,
        "mean": known.mean,
        "variance": known.variance,
        "regime": regime,
        "index": used,
        "index_source": "measured" if math.isnan(predicted) else "predicted",
        "hill": hill,
        "gpd": gpd,
        "khat": pareto_khat(known),
        "test": index_test(known, 2.0),
        "agrees": None if math.isnan(predicted) else _agrees(hill, gpd, predicted),
        "moments": moments,
        "interval": interval,
        "normal": normal,
        "largest": drop_largest(known, min(10, len(known.extremes), max(known.trials - 2, 0))),
        "constant": None if constant is None else _constant_test(known, constant, used),
        "error": interval.half_width,
        "wanted_error": wanted,
        "trials_needed": trials_needed(wanted, known.trials, interval.half_width, used),
        "cap": cap,
        "cap_variance": math.nan if constant is None else constant * math.log(max(cap, 1.0)),
        "advice": "",
        "text": "",
    }
    draft = Diagnosis(**parts)
    return with_advice(draft, _advice(draft, can_change_law, is_capped))


def with_advice(found: Diagnosis, advice: str) -> Diagnosis:
    """The same verdict with another advice."""
    told = replace(found, advice=advice)
    return replace(told, text=_words(told))


def _finite(interval: Interval, normal: Interval) -> float:
    """Half the length of the interval to use, or of the normal one where that is infinite."""
    return interval.half_width if math.isfinite(interval.half_width) else normal.half_width


@own_errstate
def trials_needed(error: float, trials: int, half_width: float, index: float) -> float:
    """Trials for an interval of half-length `error`, given its half-length now and the tail index.

    Half-lengths fall as ``n**(1/a - 1)`` with an index ``1 < a < 2``, as ``sqrt(log(n)/n)`` at 2 and as
    ``n**-0.5`` above.

    Parameters
    ----------
    error : float
    trials : int
    half_width : float
        With so many trials.
    index : float

    Returns
    -------
    float
        Infinite for an index of at most 1, and for no error at all, unless there is none now; NaN if an argument is
        NaN.

    Examples
    --------
    >>> trials_needed(0.1, 1000, 1.0, 3.0), trials_needed(0.1, 1000, 1.0, 1.5)
    (100000.0, 1000000.0)
    """
    if math.isnan(error) or math.isnan(half_width) or math.isnan(index):
        return math.nan
    if index <= 1.0 or half_width == math.inf:
        return math.inf
    if error == 0.0:
        return float(trials) if half_width == 0.0 else math.inf
    ratio = half_width / error
    if index != 2.0:
        exponent = 1.0 - 1.0 / min(index, 2.0)
        log_needed = math.log(trials) + (math.log(ratio) / exponent if ratio > 0 else -math.inf)
        return float(round(math.exp(log_needed), 6)) if log_needed < 700 else math.inf
    needed = trials * ratio**2
    for _ in range(60):
        needed = trials * ratio**2 * math.log(max(needed, 3.0)) / math.log(max(trials, 3))
    return needed


def _prediction(index: float | None) -> float:
    if index is None:
        return math.nan
    return math.inf if index == math.inf else checks.real("index", index, 0.0)


def _moments(hill: TailIndex, gpd: TailIndex, predicted: float) -> dict[int, str]:
    """Judge each moment by the prediction, or by the interval of Hill's index widened to that of the fit."""
    if not math.isnan(predicted):
        return {p: _YES if p < predicted else _NO for p in range(1, 5)}
    low = min(hill.low, gpd.low)
    high = max(hill.high, gpd.high)
    return {p: _YES if p < low else _NO if p >= high else _OPEN for p in range(1, 5)}


def _regime(moments: dict[int, str], hill: TailIndex, gpd: TailIndex, predicted: float) -> str:
    """Name the regime; where Hill's estimate and the fit differ, the heavier."""
    if math.isnan(hill.estimate) and math.isnan(predicted):
        return "undetermined"
    if moments[1] != _YES:
        return "no mean" if moments[1] == _NO else "mean in doubt"
    if not math.isnan(predicted):
        return "index 2" if predicted == 2.0 else "finite variance" if predicted > 2.0 else "infinite variance"
    if min(hill.high, gpd.high) < 2.0:
        return "infinite variance"
    return "finite variance" if moments[2] == _YES else "index 2"


def _agrees(hill: TailIndex, gpd: TailIndex, predicted: float) -> bool:
    return hill.low <= predicted <= hill.high or gpd.low <= predicted <= gpd.high


def _best_interval(known: Summary, regime: str, level: float, k: int) -> Interval:
    """The method that covered at its level in every law of its regime that it was tried on."""
    grouped = known.group_counts is not None
    if regime == "finite variance":
        return mean_interval(known, "normal", level)
    if regime in ("index 2", "infinite variance", "mean in doubt") and k and not known.grouped and one_sided(known, k):
        return mean_interval(known, "one-sided", level)
    if regime == "index 2" and grouped:
        return mean_interval(known, "median-of-means", level, groups=16)
    if grouped:
        return mean_interval(known, "median-of-means", level, groups=max(8, math.ceil(1 - math.log2(1 - level))))
    return mean_interval(known, "self-normalised", level)


def _constant_test(known: Summary, constant: float, index: float) -> TailConstantTest:
    return tail_constant_test(known, constant, index=index if math.isfinite(index) else 2.0)


def _advice(d: Diagnosis, can_change_law: bool, is_capped: bool) -> str:
    if d.regime == "undetermined":
        return "More trials: these do not show a tail."
    if d.regime == "finite variance":
        return "No other law of K is needed for the variance."
    if not can_change_law:
        return "Truncate the estimator at a known bias, or use one with a finite variance."
    other = (
        "Taylor's series, fs.taylor_law, has a finite variance at a finite cost if the weights have a finite variance, "
        "and so have dyadic levels, fs.MLMC, if they have no heavy tail near zero either"
    )
    if d.index_source == "predicted" and d.regime == "infinite variance":
        other += "; if it is the weights that are heavy, mend the proposal first, as no law of K will help"
    if is_capped:
        return f"{other}. Or a lower cap: this one makes the variance finite, but few trials have come near it."
    if not math.isnan(d.cap):
        return (
            f"{other}. Or cap the law at {d.cap:.3g} terms: the bias is then about a quarter of the wanted "
            f"error, and the variance finite, to first order {d.cap_variance:.3g}."
        )
    return f"{other}. Or cap the law: the mean is then IWAE's, and the variance finite unless the weights are heavy."


def paragraphs(d: Diagnosis) -> list[str]:
    """The verdict in words: of the tail, the moments, the largest trials, the mean; and the advice."""
    if d.regime == "undetermined":
        few = f"{counted(d.trials, 'trial')}, no tail to speak of: constant, tied or fewer than {MIN_POINTS} values."
        return [few, d.advice]
    return [_tail_words(d), _moment_words(d), _single_words(d), _interval_words(d), d.advice]


def _words(d: Diagnosis) -> str:
    return "\n".join(textwrap.fill(line, 100) for line in paragraphs(d))


def _tail_words(d: Diagnosis) -> str:
    level = f"{100 * d.hill.level:g} %"
    said = (
        f"Among {d.trials:,} trials the {d.hill.k:,} largest deviations have tail index "
        f"{d.hill.estimate:.3g} ({level} interval {d.hill.low:.3g} to {d.hill.high:.3g}, Hill); a "
        f"generalised-Pareto fit of {d.gpd.k:,} gives {d.gpd.estimate:.3g} ({d.gpd.low:.3g} to "
        f"{d.gpd.high:.3g}), and the Pareto k-hat is {d.khat.khat:.2f} against a threshold of "
        f"{d.khat.threshold:.2f}."
    )
    if d.agrees is not None:
        said += f" The predicted index {d.index:.3g} {'agrees' if d.agrees else 'does not agree'} with this."
    if d.constant is not None:
        said += (
            f" The tail constant is {d.constant.measured:.3g} ({d.constant.low:.3g} to "
            f"{d.constant.high:.3g}), predicted {d.constant.constant:.3g} (p = {d.constant.p_value:.2g})."
        )
    return said


def _moment_words(d: Diagnosis) -> str:
    names = {1: "the mean", 2: "the variance", 3: "the third moment", 4: "the fourth"}
    verdicts = [
        f"whether {names[p]} exists {verdict}" if verdict == _OPEN else f"{names[p]} {verdict}"
        for p, verdict in d.moments.items()
    ]
    tested = f"p = {d.test.p_at_most:.2g} for an index of at most 2, {d.test.p_at_least:.2g} for at least 2"
    said = f"{', '.join(verdicts)} ({d.index_source} index; {tested})."
    return said[0].upper() + said[1:]


def _single_words(d: Diagnosis) -> str:
    return (
        f"The largest trial holds {percent(float(d.largest.shares[:1].sum()))} of the sum of squares and the "
        f"largest {d.largest.dropped} hold {percent(d.largest.share)}: without them the variance is "
        f"{d.largest.variance_without:.4g} instead of {d.variance:.4g}."
    )


def _interval_words(d: Diagnosis) -> str:
    if d.regime == "no mean":
        said = f"With an index of {d.index:.3g} there is no mean to estimate"
        return f"{said}: the sample mean {d.mean:.6g} is of no use."
    needed = f"An error of {d.wanted_error:.2g} needs about {d.trials_needed:.2g} trials."
    if math.isinf(d.trials_needed):
        needed = "No number of trials promises a smaller error."
    subject = "If there is one, the mean" if d.regime == "mean in doubt" else "The mean"
    mean, low, high, normal_low, normal_high = (
        _to_error(value, d.error) for value in (d.mean, d.interval.low, d.interval.high, d.normal.low, d.normal.high)
    )
    if math.isinf(d.error):
        needed = "The index may be 1, where the mean stops existing: so the interval has no end on the heavy side."
    return (
        f"{subject} is {mean}, between {low} and {high} at {100 * d.interval.level:g} % "
        f"({d.interval.method}; the normal interval would be {normal_low} to {normal_high}). {needed}"
    )


def _to_error(value: float, error: float) -> str:
    """Write a value to three digits of its error."""
    if not (math.isfinite(value) and 0.0 < error < math.inf):
        return f"{value:.6g}"
    digits = 2 + math.floor(math.log10(max(abs(value), error))) - math.floor(math.log10(error))
    return f"{value:.{min(digits + 1, 17)}g}"
