"""A `Result` in words: the table that `print` shows, and the JSON of the command line.

Plain text in 80 columns. Every number comes from `Result`, `tails` or `theory`; nothing is estimated here, and
figures are in `plot.py`.
"""

from __future__ import annotations

import json
import math
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fastsumo.roulette import MAX_TERMS

if TYPE_CHECKING:
    from fastsumo.result import Result
    from fastsumo.simulate import Trial
    from fastsumo.tails import TailIndex

WIDTH = 80
_LABEL = 16
_SHOWN = 5  # extremes
_FEW = 20  # trials of which nothing is said about the tail
_BAR = 16


def summary(result: Result) -> str:
    """Everything worth knowing about a run, as a table.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
        Lines of at most 80 columns.

    Examples
    --------
    >>> import fastsumo as fs
    >>> print(summary(fs.simulate(fs.models.note(), fs.ELBO(), 1000)).splitlines()[0])
    model           note
    """
    hill = _hill(result)
    blocks = [
        _lines([*_what(result), *_zero_weight(result)]),
        _lines([*_estimate(result), *_spread(result, hill), *_tail(result, hill)]),
        _extremes(result),
        _octaves(result),
        _lines(_speed(result)),
    ]
    return "\n\n".join(block for block in blocks if block)


def trial_summary(trial: Trial) -> str:
    """One replayed trial as a table: its value, its first samples, and its largest contributions.

    Parameters
    ----------
    trial : Trial

    Returns
    -------
    str
    """
    kept = trial.log_weights.size
    rows = [
        ("trial", f"{trial.trial} of seed {trial.seed}"),
        ("value", f"{trial.value:.17g}"),
        ("terms K", count(trial.terms)),
        ("samples kept", count(kept)),
    ]
    if kept:
        rows.append(("first L_1", f"{trial.iwae[0]:.10g}"))
        rows.append(("last kept", f"L_{kept} = {trial.iwae[-1]:.10g}"))
    return "\n\n".join(block for block in (_lines(rows), _contributions(trial)) if block)


def to_json(numbers: dict[str, Any]) -> str:
    """JSON that every reader takes: NaN becomes ``null``, infinities the strings "Infinity" and "-Infinity".

    Examples
    --------
    >>> to_json({"mean": float("-inf"), "variance": float("nan")})
    '{"mean": "-Infinity", "variance": null}'
    """
    return json.dumps(_jsonable(numbers), allow_nan=False)


def count(number: int) -> str:
    """A whole number with thousands set apart.

    Examples
    --------
    >>> count(10_000_000)
    '10,000,000'
    """
    return f"{number:,}"


def with_error(value: float, error: float) -> str:
    """``value ± error``, the error to two digits and the value to as many decimals.

    Examples
    --------
    >>> with_error(1.837908848, 0.0009975)
    '1.83791 ± 0.00100'
    """
    if not (math.isfinite(value) and math.isfinite(error)):
        return f"{value:.10g}" if math.isnan(error) else f"{value:.10g} ± {error:.2g}"
    if error == 0.0:
        return f"{value:.15g} ± 0"
    decimals = 1 - math.floor(math.log10(error))
    if not 0 <= decimals <= 12:
        return f"{value:.12g} ± {error:.2g}"
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def trials_done(result: Result) -> str:
    """Which trials of which seed, such as ``trials 0 to 999 of seed 0``."""
    parts = []
    for seed, spans in result.ranges.items():
        shown = [str(low) if high == low + 1 else f"{low} to {high - 1}" for low, high in spans[:4]]
        more = f" and {len(spans) - 4} more ranges" if len(spans) > 4 else ""
        parts.append(f"{', '.join(shown)}{more} of seed {seed}")
    more = f"; and {len(parts) - 4} more seeds" if len(parts) > 4 else ""
    return "; ".join(parts[:4]) + more


def _lines(rows: list[tuple[str, str]]) -> str:
    """Label and text per row, the text wrapped beside the label."""
    out: list[str] = []
    for label, text in rows:
        wrapped = textwrap.wrap(text, WIDTH - _LABEL, break_on_hyphens=False) or [""]
        out.append(f"{label:<{_LABEL}}{wrapped[0]}".rstrip())
        out += [" " * _LABEL + line for line in wrapped[1:]]
    return "\n".join(out)


def _what(result: Result) -> list[tuple[str, str]]:
    run = result.provenance
    numbers = ", ".join(f"{p:g}" for p in run.params[:6]) + (", ..." if len(run.params) > 6 else "")
    rows = [
        ("model", f"{run.model}, params [{numbers}]" if run.params else run.model),
        ("estimator", run.estimator),
        ("trials", f"{count(result.trials)}   ({trials_done(result)})"),
    ]
    if result.interrupted:
        rows.append(("INTERRUPTED", "the run was stopped early; only the trials named above were done"))
    per_trial = f"{result.cost / result.trials:.4g} a trial"
    rows.append(("cost", f"{count(result.cost)} importance samples, {per_trial}"))
    if _is_bound(result):
        return rows
    capped = f" (capped at {count(run.law['cap'])})" if run.law["cap"] < MAX_TERMS else ""
    return [*rows, ("largest K", f"{count(result.largest_terms)}{capped}")]


def _zero_weight(result: Result) -> list[tuple[str, str]]:
    zero = result.zero_weight_trials
    if zero == 0:
        return []
    text = f"{count(zero)} trials ({zero / result.trials:.2%}) have the value -inf: a prefix of their weights was all zero. "
    text += "So the mean is -inf" + ("; what follows is about the others." if zero < result.trials else ".")
    return [("zero weight", text)]


def _estimate(result: Result) -> list[tuple[str, str]]:
    finite = result.statistics.finite
    if finite == 0:
        return [("estimate", "-inf: no trial has a finite value")]
    if result.statistics.overflowed:
        return [("estimate", f"none: {count(result.statistics.overflowed)} values are too large for sums of powers")]
    mean, error = result.finite_mean, _error(result)
    rows = [("estimate", f"{with_error(mean, error)}   (one standard error)")]
    if finite == 1:
        rows = [("estimate", f"{mean:.10g}   (one trial: no error)")]
    if result.zero_weight_trials:
        rows = [("finite mean", rows[0][1])]
    rows += _truth(result, mean, error)
    return rows + _interval(result)


def _is_bound(result: Result) -> bool:
    """Whether the estimator is a lower bound in expectation, with a fixed number of samples."""
    return result.provenance.estimator.startswith(("IWAE(", "ELBO("))


def _error(result: Result) -> float:
    """Standard error of the mean of the finite trials."""
    finite = result.statistics.finite
    return math.sqrt(result.finite_variance / finite) if finite > 1 else math.nan


def _truth(result: Result, mean: float, error: float) -> list[tuple[str, str]]:
    """The known log evidence beside the estimate, and what the estimate is of, where that is not log Z."""
    truth, run = result.log_evidence, result.provenance
    cap = run.law["cap"]
    rows = []
    if truth is not None:
        away = f"{abs(mean - truth):.2g} {'above' if truth > mean else 'below'} the estimate"
        if error > 0.0 and not _is_bound(result):
            away += f": {abs(mean - truth) / error:.2f} std. errors"
        rows.append(("known log Z", f"{truth:.10g}   ({away})"))
    if _is_bound(result):
        rows.append(("", "The estimate is a lower bound in expectation."))
    elif cap < MAX_TERMS and run.estimator.startswith("SUMO("):
        samples = cap + run.minimum
        text = f"With its cap the estimate is of E[L_{samples}], just below log Z"
        known = run.chi_square is not None and math.isfinite(run.chi_square)
        text += f": by about {run.chi_square / (2 * samples):.2g}." if known and run.chi_square else "."
        rows.append(("", text))
    return rows


def _interval(result: Result) -> list[tuple[str, str]]:
    if result.zero_weight_trials:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = result.interval(0.95)
    if math.isnan(found.low):
        return [("95 % interval", "none" if _constant(result) else "none: too few trials")]
    digits = max(0, 2 - math.floor(math.log10(found.half_width))) if found.half_width > 0 else 12
    low, high = (f"{bound:.{min(digits, 15)}f}" for bound in (found.low, found.high))
    return [("95 % interval", f"{low} to {high}   (median of means)")]


def _hill(result: Result) -> TailIndex | None:
    if result.statistics.finite == 0 or _constant(result):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = result.tail_index("hill")
    return None if math.isnan(found.estimate) else found


def _constant(result: Result) -> bool:
    """Whether all finite values are the same but for rounding."""
    smallest, largest = result.statistics.smallest, result.statistics.largest
    return largest - smallest <= 1e-10 * max(1.0, abs(result.center))


def _spread(result: Result, hill: TailIndex | None) -> list[tuple[str, str]]:
    if result.statistics.finite < 2 or result.statistics.overflowed:
        return []
    smallest, largest = result.statistics.smallest, result.statistics.largest
    if _constant(result):
        return [("variance", f"{result.finite_variance:.3g}: all values are the same, but for rounding")]
    rows = [
        ("variance", f"{result.finite_variance:.6g}"),
        ("range", f"{smallest:.6g} to {largest:.6g}"),
    ]
    if hill is not None and hill.low > 4.0 and not result.zero_weight_trials:
        rows.insert(1, ("shape", f"skewness {result.skewness:.3g}, kurtosis {result.kurtosis:.3g}"))
    squares = float(result.by_terms["sum_squares"].sum())
    if squares > 0.0:
        share = (float(result.extremes["value"][0]) - result.center) ** 2 / squares
        rows.append(("largest trial", f"{share:.2%} of the sum of squares"))
    return rows


def _tail(result: Result, hill: TailIndex | None) -> list[tuple[str, str]]:
    """The tail index, measured and predicted, and what follows for the variance."""
    from fastsumo.theory import tail_law

    if result.statistics.finite < _FEW or _constant(result):
        return []
    law = tail_law(result.provenance)
    rows = []
    if hill is not None:
        measured = f"{hill.estimate:.3g}, 95 % {hill.low:.3g} to {hill.high:.3g}"
        rows.append(("tail index", f"{measured}   (Hill, {count(hill.k)} largest trials)"))
    if law is not None:
        log = " up to a logarithm" if math.isnan(law.constant) and law.index == 1.0 else ""
        given = ", if the weights have a finite variance" if result.provenance.chi_square is None else ""
        rows.append(("", f"First-order theory for this law of K{given}: {law.index:.3g}{log}."))
    return rows + [("", text) for text in _caveats(result, hill, None if law is None else law.index)]


def _caveats(result: Result, hill: TailIndex | None, theory: float | None) -> list[str]:
    if theory is not None and theory <= 1.0:
        return ["The mean itself is on the border of existing: no interval here can be trusted."]
    if theory is not None and theory <= 2.0:
        text = "So the variance is infinite: that of a sample grows with its trials, and the standard error misleads. "
        return [text + "Trust the interval."]
    if hill is None or hill.low > 2.0:
        return []
    if result.provenance.law["cap"] < MAX_TERMS:
        text = "So far the tail looks like one of infinite variance. The cap makes it finite, but the standard error is "
        return [text + "too small until many trials have come near the cap."]
    text = "The index may be 2 or less. Then the variance is infinite, that of a sample grows with its trials, and the "
    return [text + "standard error misleads: trust the interval."]


def _extremes(result: Result) -> str:
    shown = result.extremes[:_SHOWN]
    if shown.size == 0:
        return ""
    several = len(result.ranges) > 1
    head = f"{'furthest trials':<16}{'trial':>20} {'value':>18} {'terms K':>18}"
    lines = [head + (f" {'seed':>6}" if several else "")]
    for row in shown:
        line = f"{'':16}{row['trial']:>20d} {row['value']:>18.10g} {row['terms']:>18,d}"
        lines.append(line + (f" {row['seed']:>6d}" if several else ""))
    return "\n".join(lines)


def _octaves(result: Result) -> str:
    """The breakdown by octave of `K`, with a bar for the share of the variance."""
    table = result.by_terms
    if len(table) < 2 or result.statistics.finite == 0:
        return ""
    lines = [f"{'terms K':<16}{'trials':>15} {'mean':>12} {'cost':>8} {'variance':>9}"]
    cost, most = float(table["cost"].sum()), float(np.nan_to_num(table["share"]).max())
    for row in table:
        mean = f"{row['mean']:.5g}" if row["trials"] else "-"
        share = 0.0 if math.isnan(row["share"]) else float(row["share"])
        bar = "#" * round(_BAR * share / most) if most > 0.0 else ""
        span = _span(int(row["low"]), int(row["high"]))
        line = f"{span:<16}{row['trials']:>15,d} {mean:>12} {row['cost'] / cost:>8.1%} {share:>9.1%} {bar}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _span(low: int, high: int) -> str:
    if low < 10_000:
        return str(low) if low == high else f"{low} to {high}"
    return f"2^{low.bit_length() - 1} to 2^{low.bit_length()}"


def _speed(result: Result) -> list[tuple[str, str]]:
    threads = f"{result.threads} thread{'s' if result.threads > 1 else ''}"
    rows = [("time", f"{result.elapsed:.3g} s on {threads}, fastsumo {result.provenance.version}")]
    if result.elapsed > 0.0:
        per_sample = result.elapsed * result.threads / result.cost * 1e9
        speed = f"{_short(result.trials / result.elapsed)} trials/s, {per_sample:.3g} ns a sample and thread"
        rows.append(("speed", speed))
    return rows


def _short(number: float) -> str:
    """A number to three digits with k, M or G.

    Examples
    --------
    >>> _short(12_345_678)
    '12.3 M'
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def _contributions(trial: Trial) -> str:
    """The largest terms of the sum that a trial is."""
    weights = trial.roulette_weights
    used = min(weights.size, trial.increments.size)
    if used == 0:
        return ""
    start = trial.increments.size - used
    with np.errstate(invalid="ignore", over="ignore"):
        parts = trial.increments[start:] * weights[:used]
    order = np.argsort(-np.abs(parts), kind="stable")[:_SHOWN]
    lines = [f"{'largest terms':<16}{'k':>12} {'increment':>18} {'1 / P(K >= k)':>16} {'product':>16}"]
    for k in order:
        line = f"{'':16}{k + 1:>12,d} {trial.increments[start + k]:>18.8g} {weights[k]:>16.8g} {parts[k]:>16.8g}"
        lines.append(line)
    return "\n".join(lines)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
