"""How a `Comparison` is shown: as a table with words below it, and as a figure. No number is made here."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastsumo.compare import Comparison
    from fastsumo.estimators import Estimator


def text(found: Comparison) -> str:
    """The table, and below it what numbers cannot say."""
    heads = ("trials", "bias", "error", "variance", "var x cost", "tail", "theory", "largest")
    names = [short_name(row.estimator) for row in found.rows]
    wide = max(len("estimator"), *map(len, names))
    lines = ["estimator".ljust(wide) + "".join(f"{head:>11}" for head in heads)]
    for name, row in zip(names, found.rows, strict=True):
        infinite = row.prediction.variance.kind == "infinite"
        mark = "*" if infinite else ""
        cells = (
            f"{row.result.trials:.4g}",
            f"{row.bias:+.2e}",
            f"{row.bias_error:.1e}{mark}",
            f"{row.result.variance:.4g}{mark}",
            f"{row.variance_times_cost:.4g}{mark}",
            f"{row.tail_index:.3g}",
            f"{row.predicted_tail_index:.3g}",
            f"{100.0 * row.largest_share:.2g} %",
        )
        lines.append(name.ljust(wide) + "".join(f"{cell:>11}" for cell in cells))
    about = f"{found.reference:.10g} ({found.reference_source})"
    if found.reference_error:
        about = f"{found.reference:.10g} ± {found.reference_error:.1g} (the mean of {found.reference_source})"
    title = f"{found.model}: estimators at {found.budget:g} importance samples each; bias from {about}"
    notes = [f"{name}: {row.words}" for name, row in zip(names, found.rows, strict=True) if row.words]
    if any(row.prediction.variance.kind == "infinite" for row in found.rows):
        notes.append("* no more than what these trials gave: another run may differ by any factor")
    return "\n".join([title, "", *lines, *([""] if notes else []), *notes])


def short_name(estimator: Estimator) -> str:
    """``repr`` without what is left at its default."""
    parts = []
    for field in fields(estimator):
        value = getattr(estimator, field.name)
        if not field.repr or (field.default is not MISSING and value == field.default):
            continue
        law = hasattr(value, "law") and value.__dataclass_params__.repr
        text = short_name(value) if law else f"{value:.4g}" if isinstance(value, float) else repr(value)
        parts.append(text if law else f"{field.name}={text}")
    return f"{type(estimator).__name__}({', '.join(parts)})"


def plot(found: Comparison, figure: Any) -> Any:
    """Bias with its error, variance times cost, tail index: one panel each, one line for each estimator."""
    import matplotlib.pyplot as plt

    height = 1.8 + 0.4 * len(found.rows)
    figure = plt.figure(figsize=(11.0, height), layout="constrained") if figure is None else figure
    bias, work, tail = figure.subplots(1, 3, sharey=True)
    at = range(len(found.rows))
    bias.errorbar([row.bias for row in found.rows], at, xerr=[3.0 * row.bias_error for row in found.rows], fmt="o")
    bias.axvline(0.0, color="black", lw=0.8)
    bias.set(
        xlabel="bias, three standard errors",
        yticks=list(at),
        yticklabels=[short_name(r.estimator) for r in found],
    )
    bias.invert_yaxis()
    for i, row in enumerate(found.rows):
        infinite = row.prediction.variance.kind == "infinite"
        work.plot(row.variance_times_cost, i, "x" if infinite else "o", color="C3" if infinite else "C0")
        if math.isfinite(row.prediction.variance_times_cost.value):
            work.plot(row.prediction.variance_times_cost.value, i, "k|", ms=14)
        ends = [[row.tail_index - row.tail_low], [row.tail_high - row.tail_index]]
        tail.errorbar([row.tail_index], [i], xerr=ends, fmt="o", color="C0")
        if math.isfinite(row.predicted_tail_index):
            tail.plot(row.predicted_tail_index, i, "k|", ms=14)
    work.set(xscale="log", xlabel="variance x cost (x: infinite in theory)")
    tail.set(xscale="log", xlabel="tail index (bar: theory)")
    tail.axvline(2.0, color="0.7", lw=0.8)
    figure.suptitle(f"{found.model}, {found.budget:g} importance samples each")
    return figure
