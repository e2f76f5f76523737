"""How a `Comparison` is shown: as a table with words below it, and as a figure. No number is made here."""

from __future__ import annotations

import math
import textwrap
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from fastsumo._text import NARROWEST, Column, short, table

if TYPE_CHECKING:
    from fastsumo.compare import Comparison
    from fastsumo.estimators import Estimator


def text(found: Comparison, width: int) -> str:
    """The table, and below it what numbers cannot say."""
    width = max(width, NARROWEST)
    names = [short_name(row.estimator) for row in found.rows]
    infinite = [row.prediction.variance.kind == "infinite" for row in found.rows]
    marks = ["*" if each else "" for each in infinite]
    marked = [(row, mark) for row, mark in zip(found.rows, marks, strict=True)]
    columns = [
        Column("estimator", names, left=True),
        Column("trials", [short(row.result.trials) for row in found.rows], rank=2),
        Column("bias", [f"{row.bias:+.2e}" for row in found.rows]),
        Column("error", [f"{row.bias_error:.1e}{mark}" for row, mark in marked], rank=1),
        Column("variance", [f"{row.result.variance:.4g}{mark}" for row, mark in marked], rank=4),
        Column("var x cost", [f"{row.variance_times_cost:.4g}{mark}" for row, mark in marked]),
        Column("tail", [f"{row.tail_index:.3g}" for row in found.rows], rank=1),
        Column("theory", [f"{row.predicted_tail_index:.3g}" for row in found.rows], rank=3),
        Column("largest", [f"{100.0 * row.largest_share:.2g} %" for row in found.rows], rank=3),
    ]
    about = f"{found.reference:.10g} ({found.reference_source})"
    if found.reference_error:
        about = f"{found.reference:.10g} ± {found.reference_error:.1g} (the mean of {found.reference_source})"
    title = f"{found.model}: estimators at {found.budget:g} importance samples each; bias from {about}"
    notes = [f"{name}: {row.words}" for name, row in zip(names, found.rows, strict=True) if row.words]
    if any(infinite):
        notes.append("* no more than what these trials gave: another run may differ by any factor")
    said = [textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False) for line in notes]
    head = textwrap.fill(title, width, break_on_hyphens=False)
    return "\n".join([head, "", table(columns, width), *([""] if notes else []), *said])


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
