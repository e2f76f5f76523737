"""A `Comparison` in words: a table with notes below it. No number is made here; the figure is in `plot`."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from fastsumo.base.text import NARROWEST, Column, percent, short, table, with_error
from fastsumo.estimators.labels import label
from fastsumo.plot.protocols import SideBySide


def text(found: SideBySide, width: int) -> str:
    """The table, and below it what numbers cannot say."""
    width = max(width, NARROWEST)
    said = [textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False) for line in notes(found)]
    head = textwrap.fill(title(found), width, break_on_hyphens=False)
    return "\n".join([head, "", table(columns(found), width), *([""] if said else []), *said])


def title(found: SideBySide) -> str:
    """What was compared, and what biases are taken from."""
    about = f"{found.reference:.10g} ({found.reference_source})"
    if found.reference_error:
        about = f"{found.reference:.10g} ± {found.reference_error:.1g} (the mean of {found.reference_source})"
    return f"{found.model}: estimators at {found.budget:g} importance samples each; bias from {about}"


def columns(found: SideBySide) -> list[Column]:
    """One line for each estimator; a star where no more can be said than what these trials gave."""
    rows = [(row, _star(row.prediction.variance)) for row in found.rows]
    return [
        Column("estimator", [label(row.estimator) for row, _ in rows], left=True),
        Column("trials", [short(row.result.trials) for row, _ in rows], rank=2),
        Column("bias", [f"{row.bias:+.2e}" for row, _ in rows]),
        Column("error", [f"{row.bias_error:.1e}{mark}" for row, mark in rows], rank=1),
        Column(
            "variance", [_measured(row.result.variance, row.result.variance_error, mark) for row, mark in rows], rank=4
        ),
        Column(
            "var x cost",
            [
                _measured(
                    row.variance_times_cost,
                    row.variance_times_cost_error,
                    _star(row.prediction.variance_times_cost),
                )
                for row, _ in rows
            ],
        ),
        Column("tail", [_measured(row.tail_index, row.tail_error, "") for row, _ in rows], rank=1),
        Column("theory", [f"{row.predicted_tail_index:.3g}" for row, _ in rows], rank=3),
        Column("largest", [percent(row.largest_share) for row, _ in rows], rank=3),
    ]


def _star(quantity: Any) -> str:
    """Of what is infinite in theory."""
    return "*" if quantity.kind == "infinite" else ""


def _measured(value: float, error: float, mark: str) -> str:
    """A number with its standard error; with a question mark where the error is not to be had."""
    if mark or math.isnan(value):
        return f"{value:.4g}{mark}"
    if math.isnan(error):
        return f"{value:.4g} ± ?"
    return with_error(value, error)


def notes(found: SideBySide) -> list[str]:
    """What the numbers do not say for themselves."""
    said = [f"{label(row.estimator)}: {row.words}" for row in found.rows if row.words]
    if math.isinf(found.reference_error):
        said.append("biases are differences from the reference, whose own bias or variance is not known to be finite")
    if any(_star(row.prediction.variance_times_cost) for row in found.rows):
        said.append("* no more than what these trials gave: another run may differ by any factor")
    if any("±" in cell and "?" in cell for column in columns(found) for cell in column.cells):
        said.append("? no error can be told: the fourth moment is infinite, or it is not known whether it exists")
    return said
