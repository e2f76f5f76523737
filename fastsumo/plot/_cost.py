"""Variance against cost: which of several runs buys most."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastsumo.base.floats import own_errstate
from fastsumo.estimators.labels import label
from fastsumo.tails._runs import hill_of
from fastsumo.theory import tail_law

from ._style import GREY, SMALL, STYLES, label_few_decades, legend, new_axes, nothing, plain
from .protocols import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_LEGEND = 8  # names, beyond which they are left out


@own_errstate
def cost(results: Iterable[Run], *, labels: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Variance of a trial against the importance samples that it takes, on average; grey lines join equal products.

    Half the product is twice as good: as many samples then give half the variance of the mean. Marks without filling
    are runs whose variance or expected cost is infinite in theory, or whose tail index is at most 2 as far as it was
    measured.

    Parameters
    ----------
    results : iterable of Result
    labels : sequence of str, optional
        Runs of the same label share a mark; by default model and estimator.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import fastsumo as fs
    >>> cost([fs.simulate(fs.models.note(), fs.IWAE(k), 1000) for k in (1, 2)]).get_xlabel()
    'importance samples a trial'
    """
    axes, runs = new_axes(ax), list(results)
    axes.set(xlabel="importance samples a trial", ylabel="variance of a trial (nats$^2$)")
    names = [label(run.provenance.estimator) for run in runs] if labels is None else list(labels)
    if labels is None and len({run.provenance.model for run in runs}) > 1:
        names = [f"{run.provenance.model}, {name}" for run, name in zip(runs, names, strict=True)]
    if len(names) != len(runs):
        raise ValueError(f"labels must be as many as results, {len(runs)}, got {len(names)}")
    shown = [(name, run) for name, run in zip(names, runs, strict=True) if run.finite_variance > 0.0]
    if not shown:
        return nothing(axes)
    axes.set(xscale="log", yscale="log")
    kinds = list(dict.fromkeys(name for name, _ in shown))
    for i, kind in enumerate(kinds):
        color, _, mark = STYLES[i % len(STYLES)]
        mark = (mark, "v", "P", "X", "*")[i // len(STYLES) % 5]
        for j, run in enumerate(run for name, run in shown if name == kind):
            face = "none" if _is_infinite(run) else color
            options = {"color": color, "mfc": face, "ms": 5.5, "label": plain(kind) if j == 0 else None}
            axes.plot(run.cost / run.trials, run.finite_variance, mark, **options)  # type: ignore[arg-type]
    _draw_products(axes)
    label_few_decades(axes.xaxis, axes.yaxis)
    if len(kinds) <= _LEGEND:
        legend(axes, 1, bbox_to_anchor=(-0.1, 1.0))
        if ax is None:
            axes.figure.set_figheight(axes.figure.get_figheight() + 0.14 * len(kinds))  # type: ignore[union-attr]
    else:
        _number(axes, [run for _, run in shown], runs)
    return axes


def _number(axes: Axes, shown: list[Run], runs: list[Run]) -> None:
    """Each mark's place among the runs, where they are too many for a legend."""
    for run in shown:
        place = run.cost / run.trials, run.finite_variance
        number = next(i for i, each in enumerate(runs) if each is run)
        axes.annotate(f"{number}", place, xytext=(4, 2), textcoords="offset points", fontsize=SMALL - 1)


def _is_infinite(run: Run) -> bool:
    if math.isinf(run.provenance.estimator.expected_cost()):
        return True
    law = tail_law(run.tail_source)
    if law is not None:
        return law.index <= 2.0
    hill = hill_of(run)
    return hill is not None and hill.estimate <= 2.0


def _draw_products(axes: Axes) -> None:
    """Lines of equal variance times cost, one for each power of ten."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    left, right, low, high = 0.7 * left, 1.4 * right, 0.5 * low, 2.0 * high
    first, last = math.floor(math.log10(left * low)), math.ceil(math.log10(right * high))
    for power in range(first, last + 1, max(1, (last - first) // 8)):
        axes.plot(np.array([left, right]), 10.0**power / np.array([left, right]), ":", color=GREY, lw=0.6, zorder=0)
    axes.set(xlim=(left, right), ylim=(low, high))
