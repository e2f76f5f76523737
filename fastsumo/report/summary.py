"""A `Result` in words: the table that `print` shows, and the JSON of the command line.

Plain text in 80 columns. Every number comes from `Result`, `tails` or `theory`; nothing is estimated here,
and figures are in `plot`.
"""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fastsumo.base.text import (
    NARROWEST,
    WIDTH,
    Column,
    Rows,
    count,
    counted,
    have_no_value,
    labelled,
    short,
    table,
    with_error,
)
from fastsumo.estimators.estimators import IWAE, JVI, MLMC, SUMO, SingleTerm, Taylor
from fastsumo.estimators.labels import label
from fastsumo.plot.protocols import Run, Trial
from fastsumo.tails import mean_interval
from fastsumo.tails._intervals import one_sided
from fastsumo.tails._runs import hill_of, is_constant
from fastsumo.theory import tail_law

if TYPE_CHECKING:
    from fastsumo.estimators.estimators import Estimator
    from fastsumo.tails import TailIndex

_SHOWN = 5  # extremes
_HEAVY = 0.5  # a k-hat of weights beyond which they have no variance
_FEW = 20  # trials of which nothing is said about the tail
_BAR = 20


def summary(result: Run, width: int = WIDTH) -> str:
    """Everything worth knowing about a run, as a table.

    Parameters
    ----------
    result : Result
    width : int
        Columns that there are; at least 40.

    Returns
    -------
    str
        Lines of at most ``width`` columns.

    Examples
    --------
    >>> import fastsumo as fs
    >>> print(summary(fs.simulate(fs.models.note(), fs.ELBO(), 1000)).splitlines()[0])
    model           note
    """
    width = max(width, NARROWEST)
    shown = [labelled(each, width) if isinstance(each, Rows) else table(each, width) for each in blocks(result) if each]
    return "\n\n".join(shown)


def blocks(result: Run) -> list[Rows | list[Column]]:
    """What `summary` shows, before it is text: labelled rows and tables; empty where there is nothing to say."""
    hill = hill_of(result)
    return [
        what(result),
        Rows([*_estimate(result, hill), *_spread(result, hill), *_tail(result, hill)]),
        extremes(result),
        octaves(result),
        Rows(_speed(result)),
    ]


def trial_summary(trial: Trial, estimator: Estimator, width: int = WIDTH) -> str:
    """One replayed trial as a table: its value, its first samples, and for SUMO its largest contributions.

    Parameters
    ----------
    trial : Trial
    estimator : Estimator
        Of the trial.
    width : int
        Columns that there are; at least 40.

    Returns
    -------
    str

    Examples
    --------
    >>> import fastsumo as fs
    >>> one = fs.replay(fs.models.note(), fs.SUMO(), trial=7)
    >>> print(trial_summary(one, fs.SUMO()).splitlines()[2])
    terms K         23
    """
    width, kept = max(width, NARROWEST), trial.log_weights.size
    rows = [
        ("trial", f"{trial.trial} of seed {trial.seed}"),
        ("value", f"{trial.value:.17g}"),
        ("terms K", count(trial.terms)),
        ("samples", f"{count(kept)} kept"),
    ]
    if isinstance(estimator, Taylor):
        rows.append(("log center", f"{trial.log_center:.17g}"))
    if trial.iwae.size:
        rows.append(("path", f"L_1 = {trial.iwae[0]:.10g} to L_{trial.iwae.size} = {trial.iwae[-1]:.10g}"))
    shown = (labelled(rows, width), _contributions(trial, estimator, width))
    return "\n\n".join(block for block in shown if block)


def to_json(numbers: dict[str, Any]) -> str:
    """JSON that every reader takes: NaN becomes ``null``, infinities the strings "Infinity" and "-Infinity".

    Examples
    --------
    >>> to_json({"mean": float("-inf"), "variance": float("nan")})
    '{"mean": "-Infinity", "variance": null}'
    """
    return json.dumps(_jsonable(numbers), allow_nan=False)


def trials_done(result: Run) -> str:
    """Which trials of which seed, such as ``trials 0 to 999 of seed 0``."""
    parts = []
    for seed, spans in result.ranges.items():
        shown = [str(low) if high == low + 1 else f"{low} to {high - 1}" for low, high in spans[:4]]
        more = f" and {counted(len(spans) - 4, 'more range')}" if len(spans) > 4 else ""
        parts.append(f"{', '.join(shown)}{more} of seed {seed}")
    more = f"; and {counted(len(parts) - 4, 'more seed')}" if len(parts) > 4 else ""
    return "; ".join(parts[:4]) + more


def what(result: Run) -> Rows:
    """What was run, how much of it, and the trials of zero weight."""
    return Rows([*_what(result), *_zero_weight(result)])


def _what(result: Run) -> list[tuple[str, str]]:
    run = result.provenance
    numbers = ", ".join(f"{p:g}" for p in run.params[:6]) + (", ..." if len(run.params) > 6 else "")
    rows = [
        ("model", f"{run.model}, params [{numbers}]" if run.params else run.model),
        ("estimator", label(run.estimator)),
        ("trials", f"{count(result.trials)}   ({trials_done(result)})"),
    ]
    if result.interrupted:
        rows.append(("INTERRUPTED", "the run was stopped early; only the trials named above were done"))
    per_trial = f"{result.cost / result.trials:.4g} a trial"
    rows.append(("cost", f"{count(result.cost)} importance samples, {per_trial}"))
    if _is_fixed(result):
        return rows
    if result.stratified > 1:
        rows.append(("stratified", in_blocks(result.stratified)))
    capped = f" (capped at {count(run.estimator.plan().law.cap)})" if _capped(result) else ""
    return [
        *rows,
        ("largest level" if _has_levels(result) else "largest K", count(result.largest_terms) + capped),
    ]


def in_blocks(size: int) -> str:
    """What is said of stratified trials."""
    return f"blocks of {count(size)} trials; errors are from the means of blocks"


def _zero_weight(result: Run) -> list[tuple[str, str]]:
    zero = result.zero_weight_trials
    if zero == 0:
        return []
    text = f"{have_no_value(zero)} ({zero / result.trials:.2%}): a prefix of the weights was all zero. "
    text += "So the mean is -inf" + ("; what follows is about the others." if zero < result.trials else ".")
    return [("zero weight", text)]


def _estimate(result: Run, hill: TailIndex | None) -> list[tuple[str, str]]:
    finite = result.statistics.finite
    if finite == 0:
        return [("estimate", "-inf: no trial has a finite value")]
    if result.statistics.overflowed:
        return [("estimate", f"none: {counted(result.statistics.overflowed, 'value')} too large for sums of powers")]
    mean, error = result.finite_mean, result.finite_error
    rows = [("estimate", f"{with_error(mean, error)}   (one standard error)")]
    if finite == 1:
        rows = [("estimate", f"{mean:.10g}   (one trial: no error)")]
    if result.zero_weight_trials:
        rows = [("finite mean", rows[0][1])]
    rows += truth(result, mean, error)
    return rows + _interval(result, hill)


def _is_fixed(result: Run) -> bool:
    """Whether the estimator uses a fixed number of samples, and so is biased."""
    return isinstance(result.provenance.estimator, (IWAE, JVI))


def _has_levels(result: Run) -> bool:
    """Whether `K` counts dyadic levels."""
    return isinstance(result.provenance.estimator, MLMC)


def _capped(result: Run) -> bool:
    """Whether a cap on `K` bounds the samples of a trial."""
    estimator = result.provenance.estimator
    return isinstance(estimator, (SUMO, SingleTerm)) and estimator.plan().law.capped


def truth(result: Run, mean: float, error: float) -> list[tuple[str, str]]:
    """The known log evidence beside the estimate, and what the estimate is of, where that is not log Z."""
    truth, run = result.log_evidence, result.provenance
    rows = []
    if truth is not None:
        away = f"{abs(mean - truth):.2g} {'above' if truth > mean else 'below'} the estimate"
        if error > 0.0 and not _is_fixed(result):
            away += f": {abs(mean - truth) / error:.2f} std. errors"
        rows.append(("known log Z", f"{truth:.10g}   ({away})"))
    if _is_fixed(result):
        bias = "biased, but less than IWAE" if isinstance(run.estimator, JVI) else "a lower bound in expectation"
        rows.append(("", f"The estimate is {bias}."))
    elif isinstance(run.estimator, Taylor):
        cap = run.estimator.plan().law.cap
        if run.estimator.plan().law.capped:
            rows.append(("", f"With its cap the series ends after {cap:,} terms, so the estimate is biased."))
    elif _capped(result):
        plan = run.estimator.plan()
        samples = plan.samples(plan.law.cap)
        text = f"With its cap the estimate is of E[L_{samples}], "
        if result.zero_weight_trials:
            return [*rows, ("", f"{text}which is -inf, since all of {samples:,} weights may be zero.")]
        text += "below log Z"
        known = run.chi_square is not None and math.isfinite(run.chi_square)
        text += f": by about {run.chi_square / (2 * samples):.2g}." if known and run.chi_square else "."
        rows.append(("", text))
    return rows


def _interval(result: Run, hill: TailIndex | None) -> list[tuple[str, str]]:
    if result.zero_weight_trials:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = result.stratified == 1
        lopsided = plain and hill is not None and hill.low <= 2.0 and one_sided(result.summary(), hill.k)
        found = mean_interval(result.summary(), "one-sided") if lopsided else result.interval(0.95)
    if math.isnan(found.low):
        return [("95 % interval", "none" if is_constant(result) else "none: too few trials")]
    size = found.half_width if math.isfinite(found.half_width) else result.finite_error
    digits = max(0, 2 - math.floor(math.log10(size))) if size > 0 else 12
    low, high = (f"{bound:.{min(digits, 15)}f}" for bound in (found.low, found.high))
    return [("95 % interval", f"{low} to {high}   ({'one-sided' if lopsided else 'median of means'})")]


def _spread(result: Run, hill: TailIndex | None) -> list[tuple[str, str]]:
    if result.statistics.finite < 2 or result.statistics.overflowed:
        return []
    smallest, largest = result.statistics.smallest, result.statistics.largest
    if is_constant(result):
        return [("variance", f"{result.finite_variance:.3g}: all values are the same, but for rounding")]
    known = not math.isnan(result.variance_error)
    rows = [
        ("variance", with_error(result.variance, result.variance_error) if known else f"{result.finite_variance:.6g}"),
        ("range", f"{smallest:.6g} to {largest:.6g}"),
    ]
    if hill is not None and hill.low > 4.0 and known:
        rows.insert(1, ("shape", f"skewness {result.skewness:.3g}, kurtosis {result.kurtosis:.3g}"))
    squares = float(result.by_terms["sum_squares"].sum())
    if squares > 0.0:
        share = (float(result.extremes["value"][0]) - result.center) ** 2 / squares
        rows.append(("largest trial", f"{share:.2%} of the sum of squares"))
    return rows


def _tail(result: Run, hill: TailIndex | None) -> list[tuple[str, str]]:
    """The tail index, measured and predicted, and what follows for the variance."""
    if result.statistics.finite < _FEW or is_constant(result):
        return []
    law = tail_law(result.tail_source)
    rows = []
    if hill is not None:
        measured = f"{hill.estimate:.3g}, 95 % {hill.low:.3g} to {hill.high:.3g}"
        rows.append(("tail index", f"{measured}   (Hill, {counted(hill.k, 'largest trial')})"))
    if law is not None and law.note:
        rows.append(("", f"Theory: {law.index:.3g}, {law.note}."))
    elif law is not None and not weights_words(result):
        log = " up to a logarithm" if math.isnan(law.constant) and law.index == 1.0 else ""
        sure = result.provenance.chi_square is not None or result.tail_source.weight_tail_index is not None
        given = "" if sure else ", if the weights have a finite variance"
        rows.append(("", f"First-order theory for this law of K{given}: {law.index:.3g}{log}."))
    rows += [("", text) for text in _caveats(result, hill, None if law is None else law.index)]
    return rows + [("weights", text) for text in weights_words(result)[:1]]


def weights_words(result: Run) -> list[str]:
    """That the weights themselves have no variance, or do not seem to; nothing where they have one."""
    source = result.tail_source
    khat = source.weight_khat
    mend = "Single weights rule the largest trials, and no law of K mends that: take a wider proposal, such as "
    mend += "fs.proposals.StudentT."
    if source.chi_square == math.inf or source.weight_variance is False:
        return [f"The weights themselves have no variance. {mend}"]
    if khat is not None and khat > _HEAVY:
        return [f"The weights themselves seem to have no variance: the Pareto k-hat of a sample is {khat:.2f}. {mend}"]
    return []


def _caveats(result: Run, hill: TailIndex | None, theory: float | None) -> list[str]:
    if theory is not None and theory <= 1.0:
        return ["The mean itself is on the border of existing: no interval here can be trusted."]
    if theory is not None and theory <= 2.0:
        text = "So the variance is infinite: that of a sample grows with its trials, and the standard error "
        return [text + "misleads. Trust the interval."]
    if hill is None or hill.low > 2.0:
        return []
    if hill.low <= 1.0 and theory is None and not _capped(result):
        return ["The index may be near 1, where the mean stops existing: no interval here can be trusted."]
    if _capped(result):
        text = "So far the tail looks like one of infinite variance. The cap makes it finite, but the "
        return [text + "standard error is too small until many trials have come near the cap."]
    text = "The index may be 2 or less. Then the variance is infinite, that of a sample grows with its trials, "
    return [text + "and the standard error misleads: trust the interval."]


def _terms(result: Run) -> str:
    return "level" if _has_levels(result) else "terms K"


def extremes(result: Run, shown: int = _SHOWN) -> list[Column]:
    """A table of the trials furthest from the centre."""
    rows = result.extremes[:shown]
    if rows.size == 0:
        return []
    columns = [
        Column("furthest trials", [f"{trial}" for trial in rows["trial"]]),
        Column("value", [f"{value:.10g}" for value in rows["value"]]),
        Column(_terms(result), [count(int(terms)) for terms in rows["terms"]], rank=1),
    ]
    if len(result.ranges) > 1:
        columns.append(Column("seed", [f"{seed}" for seed in rows["seed"]]))
    return columns


def octaves(result: Run) -> list[Column]:
    """The breakdown by octave of `K`, with a bar for the share of the variance."""
    rows = result.by_terms
    if len(rows) < 2 or result.statistics.finite == 0:
        return []
    share = np.nan_to_num(rows["share"]) * (not is_constant(result))  # else they are of rounding
    bars = np.round(_BAR * share / max(float(share.max()), 1e-300)).astype(int)
    return [
        Column(_terms(result), [_span(int(row["low"]), int(row["high"])) for row in rows], left=True),
        Column("trials", [count(int(row["trials"])) for row in rows], rank=1),
        Column("mean", [_mean(row["mean"], result.center) if row["trials"] else "-" for row in rows], rank=3),
        Column("cost", [f"{part:.1%}" for part in rows["cost"] / rows["cost"].sum()], rank=2),
        Column("variance", [f"{part:.1%}" for part in share]),
        Column("", ["#" * bar for bar in bars], rank=4, left=True),
    ]


def _mean(mean: float, center: float) -> str:
    """To five digits; to more where the distance from a large centre has not two of them."""
    away = abs(mean - center)
    digits = 2 + math.floor(math.log10(abs(mean) / away)) if 0.0 < 1e-9 * abs(mean) < away else 5
    return f"{mean:.{max(5, digits)}g}"


def _span(low: int, high: int) -> str:
    if low < 10_000:
        return str(low) if low == high else f"{low} to {high}"
    return f"2^{low.bit_length() - 1} to 2^{low.bit_length()}"


def _speed(result: Run) -> list[tuple[str, str]]:
    threads = counted(result.threads, "thread")
    rows = [("time", f"{result.elapsed:.3g} s on {threads}, fastsumo {result.provenance.version}")]
    if result.elapsed > 0.0:
        per_sample = result.elapsed * result.threads / result.cost * 1e9
        speed = f"{short(result.trials / result.elapsed)} trials/s, {per_sample:.3g} ns a sample and thread"
        rows.append(("speed", speed))
    return rows


def _contributions(trial: Trial, estimator: Estimator, width: int) -> str:
    """The largest products of increment and weight, of the sum that a trial of SUMO or of Taylor's series is."""
    if not isinstance(estimator, (SUMO, Taylor)):
        return ""
    minimum = 1 if isinstance(estimator, Taylor) else estimator.plan().minimum
    j = np.arange(max(1, 2 - minimum), trial.roulette_weights.size + 1)
    j = j[minimum + j - 2 < trial.increments.size]
    if j.size == 0:
        return ""
    increments, weights = trial.increments[minimum + j - 2], trial.roulette_weights[j - 1]
    with np.errstate(invalid="ignore", over="ignore"):
        products = increments * weights
    order = np.argsort(-np.abs(products), kind="stable")[:_SHOWN]
    columns = [
        Column("largest terms: k", [count(int(k)) for k in j[order]]),
        Column("increment", [f"{increment:.8g}" for increment in increments[order]], rank=1),
        Column("1 / P(K >= k)", [f"{weight:.8g}" for weight in weights[order]], rank=1),
        Column("product", [f"{product:.8g}" for product in products[order]]),
    ]
    return table(columns, width)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
