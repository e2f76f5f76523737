"""Figures of a heavy tail, one question each: its survival, its index, its mean excess, which moments it has.

Nothing is estimated here.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fastsumo import tails
from fastsumo.base.floats import own_errstate
from fastsumo.tails import HillPath, MaxToSum, MeanExcess, Summary
from fastsumo.theory import tail_survival

from ._source import Source, center_name, has_constant, law_of, quietly, says_nothing, summary_of
from ._style import BLUE, GREEN, GREY, ORANGE, STYLES, label_few_decades, legend, new_axes, nothing
from .protocols import Run, is_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from fastsumo.tails._checks import Side

FloatArray = NDArray[np.float64]
_POINTS = 1000  # of a survival function


@own_errstate
def tail(
    source: Source,
    *,
    index: float | None = None,
    constant: float | None = None,
    center: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Share of trials beyond a distance from the centre, on both sides and on each, with the power law.

    Parameters
    ----------
    source : Result, Summary, or array_like of shape (n,)
        Of an incomplete summary the tail is drawn from the extremes, and the body from its histogram if it has one.
    index, constant : float, optional
        Predicted ``P(|X - center| > x) ~ constant*x**-index``; of a run by default what first-order theory predicts.
        Where there is no prediction, Hill's estimate is drawn.
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> tail([1.0 / i for i in range(1, 100)], center=0.0).get_xscale()
    'log'
    """
    axes, known = new_axes(ax), summary_of(source, center)
    where = f" from {center_name(source)}" if is_run(source) else ""
    axes.set(xlabel=f"distance $x${where} (nats)", ylabel="share of trials beyond $x$")
    if known is None:
        return nothing(axes)
    reach = 0.0
    for side, color, style in (("both", BLUE, "-"), ("right", ORANGE, "--"), ("left", GREEN, ":")):
        x, share = _survival(known, side)
        if len(x):
            name = {"both": "both sides", "right": "above", "left": "below"}[side]
            axes.plot(x, share, style, color=color, lw=1.8 if side == "both" else 1.3, label=name)
            reach = max(reach, float(x[-1]))
    if reach == 0.0:
        tails._checks.warn("nothing to draw: every value equals the center")
        return nothing(axes)
    axes.set(xscale="log", yscale="log")
    x, share = _survival(known, "both")
    low = float(x[np.argmax(share <= 0.9)])
    if is_run(source) and (index is None or constant is None):
        _draw_theory(axes, source, known, low, 1.6 * reach)
    else:
        _draw_law(axes, known, index, constant)
    axes.set(xlim=(low, 1.6 * reach), ylim=(0.4 / known.trials, 1.5))
    legend(axes)
    return axes


@own_errstate
def hill(
    source: Source | HillPath,
    *,
    index: float | None = None,
    side: Side = "both",
    center: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Hill's estimate against the number of order statistics, with its interval and the automatic choice.

    Parameters
    ----------
    source : Result, Summary, HillPath, or array_like of shape (n,)
    index : float, optional
        A known or predicted index to mark; of a run by default what first-order theory predicts.
    side : {"both", "right", "left"}
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> hill([1.0 / i for i in range(1, 100)]).get_ylabel()
    'tail index'
    """
    axes = new_axes(ax)
    axes.set(xlabel="largest trials used, $k$", ylabel="tail index")
    known = source if isinstance(source, HillPath) else summary_of(source, center)
    if known is None:
        return nothing(axes)
    with quietly() if is_run(source) else nullcontext():
        path = known if isinstance(known, HillPath) else tails.hill_path(known, side=side)
    axes.set_xscale("log")
    law = law_of(source) if is_run(source) else None
    index = law.index if index is None and law is not None else index
    if len(path.k) == 0:
        return nothing(axes)
    axes.fill_between(path.k, path.low, path.high, color=BLUE, alpha=0.2, lw=0, label=f"{100 * path.level:g} %")
    axes.plot(path.k, path.estimate, color=BLUE, lw=1.6, label="Hill")
    axes.axvline(path.chosen, color=GREY, ls=":", lw=1.2, label=f"chosen, $k$ = {path.chosen}")
    if index is not None and math.isfinite(index):
        axes.axhline(index, color="black", ls="-.", lw=1.3, label=f"theory: {index:.3g}")
    settled = path.estimate[path.k >= 10]
    shown = settled if np.isfinite(settled).any() else path.estimate
    top = float(np.nanmax(shown))
    if index is not None and index < 10.0 * top:
        top = max(top, index)
    axes.set_ylim(0.0, 1.3 * top)
    legend(axes)
    return axes


@own_errstate
def mean_excess(
    source: Source | MeanExcess,
    *,
    side: Side = "both",
    center: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Mean excess against the threshold: a rising line for a power law, with slope ``1/(a - 1)``.

    Parameters
    ----------
    source : Result, Summary, MeanExcess, or array_like of shape (n,)
    side : {"both", "right", "left"}
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> mean_excess([1.0 / i for i in range(1, 100)]).get_ylabel()
    'mean excess (nats)'
    """
    axes = new_axes(ax)
    axes.set(xlabel="threshold $u$ (nats)", ylabel="mean excess (nats)")
    known = source if isinstance(source, MeanExcess) else summary_of(source, center)
    if known is None:
        return nothing(axes)
    found = known if isinstance(known, MeanExcess) else tails.mean_excess(known, side=side)
    kept = (found.count >= 10) & (found.threshold > 0) & (found.excess > 0)
    if not kept.any():
        tails._checks.warn("nothing to draw: no mean excess over a threshold above 0 with ten values beyond it")
        return nothing(axes)
    u, excess, error = found.threshold[kept], found.excess[kept], found.std_error[kept]
    rows = np.unique(np.geomspace(1, len(u), 400).astype(int)) - 1
    u, excess, error = u[rows], excess[rows], error[rows]
    low = np.maximum(excess - 1.96 * error, 0.05 * excess)
    axes.fill_between(u, low, excess + 1.96 * error, color=BLUE, alpha=0.2, lw=0, label="95 %")
    axes.plot(u, excess, color=BLUE, lw=1.6, label=r"$E[X-u\,|\,X>u]$")
    axes.set(xscale="log", yscale="log")
    label_few_decades(axes.xaxis, axes.yaxis)
    legend(axes)
    return axes


@own_errstate
def max_sum(source: Source | MaxToSum, *, center: float = 0.0, ax: Axes | None = None) -> Axes:
    """Max-to-sum ratios as values accumulate, one line for each power: to 0 where that moment exists.

    Parameters
    ----------
    source : Result, Summary, MaxToSum, or array_like of shape (n,)
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> len(max_sum([1.0, -2.0, 3.0, 0.5]).lines)
    4
    """
    axes = new_axes(ax)
    axes.set(xlabel="trials $n$", ylabel=r"max / sum of $|X-c|^p$")
    if is_run(source) and says_nothing(source):
        return nothing(axes)
    known = source.summary() if is_run(source) else cast("Summary | MaxToSum | ArrayLike", source)
    found = known if isinstance(known, MaxToSum) else tails.max_to_sum(known, center=center)
    for row, p in enumerate(found.powers):
        color, style, mark = STYLES[row % len(STYLES)]
        drawn = np.isfinite(found.ratios[row])
        one = np.count_nonzero(drawn) == 1
        options: dict[str, Any] = {"color": color, "marker": mark if one else None, "lw": 1.6, "label": f"$p={p:g}$"}
        axes.plot(found.trials[drawn], found.ratios[row][drawn], style, **options)
    axes.set(xscale="log", ylim=(-0.02, 1.05))
    legend(axes, 4)
    return axes


def _survival(known: Summary, side: str) -> tuple[FloatArray, FloatArray]:
    """Deviations and the share of trials at or beyond each, thinned to what a figure can show."""
    ordered = known.deviations(side)
    ordered = ordered[ordered > 0]
    rows = np.unique(np.geomspace(1, max(len(ordered), 1), _POINTS).astype(int))[: len(ordered)] - 1
    x, survival = ordered[rows][::-1], ((rows + 1) / known.trials)[::-1]
    if known.complete or known.histogram is None:
        return x, survival
    below, share = _survival_of_bins(known, side)
    inner = below < (x[0] if len(x) else np.inf)
    return np.concatenate([below[inner], x]), np.concatenate([share[inner], survival])


def _survival_of_bins(known: Summary, side: str) -> tuple[FloatArray, FloatArray]:
    assert known.histogram is not None
    shift, wanted = known.histogram.center - known.center, ("right", "left") if side == "both" else (side,)
    bins = replace(known.histogram, low=known.histogram.low + shift, high=known.histogram.high + shift)
    edges = np.unique(np.concatenate([bins.low if one == "right" else -bins.high for one in wanted]))
    edges = edges[edges > 0]
    return edges, sum((bins.beyond(edges, one) for one in wanted), np.zeros(edges.size)) / known.trials


def _draw_theory(axes: Axes, result: Run, known: Summary, low: float, high: float) -> None:
    """First-order theory of a run: the power law where there is one, else the whole curve, else Hill's line."""
    law, x = law_of(result), np.geomspace(low, high, 400)
    if law is not None and has_constant(law):
        curve = law.constant * x**-law.index
        harmonic = result.provenance.estimator.plan().law.power == 1.0
        words = rf"$\chi^2/x^2$, $\chi^2$ = {law.constant:.4g}" if harmonic else rf"$C\,x^{{-{law.index:.3g}}}$"
    else:
        found = tail_survival(result.tail_source, x)
        if found is None:
            return _draw_law(axes, known, None, None)
        curve, words = found, "for this law of $K$"
    shown = (curve < 0.2) & (curve > 0.02 / known.trials)
    axes.plot(x[shown], curve[shown], "-.", color="black", lw=1.3, label=f"theory: {words}")
    return None


def _draw_law(axes: Axes, known: Summary, index: float | None, constant: float | None) -> None:
    """The predicted power law, or that of Hill's estimate."""
    largest = known.deviations()[0]
    if index is not None and constant is not None:
        x = np.array([min((constant / 0.1) ** (1.0 / index), largest / 2.0), largest])
        axes.plot(x, constant * x**-index, "-.", color="black", lw=1.3, label=f"theory: index {index:.3g}")
        return
    with quietly():
        fit = tails.tail_index(known)
    if math.isfinite(fit.estimate) and math.isfinite(fit.constant):
        x = np.array([min(fit.threshold, largest / 2.0), largest])
        words = f"Hill's fit: index {fit.estimate:.3g}"
        axes.plot(x, fit.constant * x**-fit.estimate, "-", color=GREY, lw=1.0, label=words)
