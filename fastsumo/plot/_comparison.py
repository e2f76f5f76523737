"""Estimators side by side: the figure of a `Comparison`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fastsumo.base.floats import own_errstate
from fastsumo.estimators.labels import label

from ._style import BLUE, GREY, ORANGE, SMALL, figure_or_new, is_narrow, label_few_decades, letters, plain
from .protocols import Compared, SideBySide

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


@own_errstate
def comparison(found: SideBySide, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Bias with its error, variance times cost, tail index: one panel each, one line for each estimator.

    Parameters
    ----------
    found : Comparison
        What `fs.compare` gave.
    figure : matplotlib Figure or SubFigure, optional

    Returns
    -------
    matplotlib Figure or SubFigure

    Examples
    --------
    >>> import fastsumo as fs
    >>> len(comparison(fs.compare(fs.models.note(), [fs.IWAE(5), fs.MLMC()], cost=1e4)).axes)
    3
    """
    many = len(found.rows)
    figure = figure_or_new(figure, (11.0, 1.8 + 0.4 * many), 0.9 + 0.21 * many)
    bias, work, tail = figure.subplots(*((3, 1) if is_narrow(figure) else (1, 3)), sharey=True)
    places = range(len(found.rows))
    open_ended = [place for place, row in enumerate(found.rows) if not math.isfinite(row.bias_error)]
    errors = [0.0 if place in open_ended else 3.0 * row.bias_error for place, row in enumerate(found.rows)]
    for place in open_ended:
        bias.axhline(place, color=BLUE, lw=0.8, ls="--")
    bias.errorbar([row.bias for row in found.rows], places, xerr=errors, fmt="o", color=BLUE, capsize=2)
    bias.axvline(0.0, color="black", lw=0.8)
    bias.set(xlabel="bias (nats), ± 3 std. errors", yticks=list(places))
    bias.set_yticklabels([plain(label(row.estimator, "brief")) for row in found.rows])
    bias.invert_yaxis()
    for place, row in zip(places, found.rows, strict=True):
        _draw_work(work, row, place)
        _draw_index(tail, row, place)
    work.set(xscale="log", xlabel="variance × cost (nats$^2$), ± 3 s.e.")
    tail.set(xscale="log", xlabel="tail index, 95 %")
    tail.axvline(2.0, color=GREY, lw=0.8, ls=":")
    label_few_decades(tail.xaxis, work.xaxis)
    _name_marks(figure, any(map(_is_infinite, found.rows)), bool(open_ended))
    letters([bias, work, tail])
    figure.suptitle(plain(f"{found.model}, {found.budget:g} importance samples each"), fontsize="medium", wrap=True)
    return figure


def _name_marks(figure: Figure | SubFigure, infinite: bool, open_ended: bool) -> None:
    """What the marks of all panels mean, below them."""
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], marker="o", ls="", color=BLUE, label="measured")]
    marks.append(Line2D([], [], marker="|", ms=10, ls="", color="black", label="theory"))
    if infinite:
        marks.append(Line2D([], [], marker="X", ls="", color=ORANGE, label="infinite in theory"))
    if open_ended:
        marks.append(Line2D([], [], color=BLUE, lw=0.8, ls="--", label="no error of the bias is known"))
    figure.legend(
        handles=marks,
        loc="outside lower center",
        ncols=2 if len(marks) > 3 and is_narrow(figure) else len(marks),
        frameon=False,
        fontsize=SMALL,
    )


def _is_infinite(row: Compared) -> bool:
    return bool(row.prediction.variance_times_cost.kind == "infinite")


def _draw_work(axes: Axes, row: Compared, place: int) -> None:
    infinite = _is_infinite(row)
    axes.plot(row.variance_times_cost, place, "X" if infinite else "o", color=ORANGE if infinite else BLUE)
    reach = 3.0 * row.variance_times_cost_error
    if reach < row.variance_times_cost:  # and neither is NaN
        axes.errorbar(row.variance_times_cost, place, xerr=reach, color=BLUE, capsize=2)
    if math.isfinite(row.prediction.variance_times_cost.value):
        axes.plot(row.prediction.variance_times_cost.value, place, "k|", ms=14)


def _draw_index(axes: Axes, row: Compared, place: int) -> None:
    if math.isfinite(row.tail_index):
        ends = [[row.tail_index - row.tail_low], [row.tail_high - row.tail_index]]
        axes.errorbar([row.tail_index], [place], xerr=ends, fmt="o", color=BLUE, capsize=2)
    if math.isfinite(row.predicted_tail_index):
        axes.plot(row.predicted_tail_index, place, "k|", ms=14)
