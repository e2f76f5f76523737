"""Figures of a heavy tail: one question each, on given axes or on new ones of column width.

Nothing is estimated here, and Matplotlib is imported when the first figure is drawn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ._checks import FloatArray, Side, as_number, as_sample, warn
from ._describe import MaxToSum, MeanExcess, max_to_sum, mean_excess
from ._index import HillPath, hill_path, tail_index
from ._summary import Summary, Trace, as_summary, trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colours, distinct with every common colour vision.
_BLUE, _ORANGE, _GREEN, _PURPLE, _GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
_STYLES = ((_BLUE, "-"), (_ORANGE, "--"), (_GREEN, "-."), (_PURPLE, ":"))


def plot_tail(
    sample: ArrayLike | Summary,
    *,
    index: float | None = None,
    constant: float | None = None,
    center: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Survival of the deviations on both sides, with the measured or the predicted power law.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
        Of an incomplete summary the tail is drawn from the extremes, and the body from its histogram if it
        has one.
    index, constant : float, optional
        Predicted ``P(|X - center| > x) ~ constant*x**-index``; Hill's estimate is drawn where None.
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> plot_tail([1.0 / i for i in range(1, 100)], center=0.0).get_xscale()
    'log'
    """
    axes, known = _axes(ax), as_summary(sample, center)
    spans = []
    for side, color, style in (("both", "black", "-"), ("right", _BLUE, "--"), ("left", _ORANGE, ":")):
        x, survival = _survival(known, side)
        if len(x):
            axes.plot(x, survival, style, color=color, lw=1.5, label="both" if side == "both" else side)
            spans.append(x[[0, -1]])
    if not spans:
        warn("nothing to draw: every value equals the center")
        return axes
    _draw_law(axes, known, index, constant)
    axes.set(xscale="log", yscale="log", xlabel="deviation $x$", ylabel="share of trials beyond $x$")
    x, survival = _survival(known, "both")
    axes.set_xlim(left=float(x[np.argmax(survival <= 0.9)]))
    axes.legend(frameon=False, fontsize=8)
    return axes


def plot_hill(
    sample: ArrayLike | Summary | HillPath,
    *,
    index: float | None = None,
    side: Side = "both",
    center: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Hill's estimate against the number of order statistics, with its interval and the automatic choice.

    Parameters
    ----------
    sample : array_like of shape (n,), Summary, or HillPath
    index : float, optional
        A known or predicted index to mark.
    side : {"both", "right", "left"}
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> plot_hill([1.0 / i for i in range(1, 100)]).get_ylabel()
    'tail index'
    """
    path = sample if isinstance(sample, HillPath) else hill_path(sample, side=side, center=center)
    axes = _axes(ax)
    axes.set(xscale="log", xlabel="order statistics $k$", ylabel="tail index")
    if len(path.k) == 0:
        return axes
    axes.fill_between(path.k, path.low, path.high, color=_BLUE, alpha=0.2, lw=0, label=f"{100 * path.level:g} %")
    axes.plot(path.k, path.estimate, color=_BLUE, lw=1.5, label="Hill")
    axes.axvline(path.chosen, color=_GREY, ls=":", lw=1.2, ymax=0.75, label=f"chosen, $k$ = {path.chosen}")
    if index is not None:
        axes.axhline(index, color=_ORANGE, ls="--", lw=1.5, label=f"predicted, {index:.3g}")
    settled = path.estimate[path.k >= 10]
    shown = settled if np.isfinite(settled).any() else path.estimate
    top = max(float(np.nanmax(shown)), index or 0.0)
    axes.set_ylim(0.0, 1.5 * top)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper center")
    return axes


def plot_mean_excess(
    sample: ArrayLike | Summary | MeanExcess,
    *,
    side: Side = "both",
    center: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Mean excess against the threshold: a rising line for a power law, with slope ``1/(a - 1)``.

    Parameters
    ----------
    sample : array_like of shape (n,), Summary, or MeanExcess
    side : {"both", "right", "left"}
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> plot_mean_excess([1.0 / i for i in range(1, 100)]).get_ylabel()
    'mean excess'
    """
    known = sample if isinstance(sample, MeanExcess) else mean_excess(sample, side=side, center=center)
    axes = _axes(ax)
    axes.set(xlabel="threshold $u$", ylabel="mean excess")
    kept = (known.count >= 10) & (known.threshold > 0) & (known.excess > 0)
    if not kept.any():
        warn("nothing to draw: no mean excess over a threshold above 0 with ten values beyond it")
        return axes
    u, excess, error = known.threshold[kept], known.excess[kept], known.std_error[kept]
    rows = np.unique(np.geomspace(1, len(u), 400).astype(int)) - 1
    u, excess, error = u[rows], excess[rows], error[rows]
    low = np.maximum(excess - 1.96 * error, 0.05 * excess)
    axes.fill_between(u, low, excess + 1.96 * error, color=_BLUE, alpha=0.2, lw=0, label="95 %")
    axes.plot(u, excess, color=_BLUE, lw=1.5, label=r"$E[X-u\,|\,X>u]$")
    axes.set(xscale="log", yscale="log")
    _label_few_decades(axes)
    axes.legend(frameon=False, fontsize=8)
    return axes


def plot_max_sum(sample: ArrayLike | Summary | MaxToSum, *, center: float = 0.0, ax: Axes | None = None) -> Axes:
    """Max-to-sum ratios as values accumulate, one line for each power.

    Parameters
    ----------
    sample : array_like of shape (n,), Summary, or MaxToSum
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> len(plot_max_sum([1.0, -2.0, 3.0, 0.5]).lines)
    4
    """
    known = sample if isinstance(sample, MaxToSum) else max_to_sum(sample, center=center)
    axes = _axes(ax)
    for row, p in enumerate(known.powers):
        color, style = _STYLES[row % len(_STYLES)]
        drawn = np.isfinite(known.ratios[row])
        marker = "o" if np.count_nonzero(drawn) == 1 else None
        axes.plot(
            known.trials[drawn],
            known.ratios[row][drawn],
            style,
            color=color,
            marker=marker,
            lw=1.5,
            label=f"$p={p:g}$",
        )
    axes.set(xscale="log", ylim=(-0.02, 1.05), xlabel="trials", ylabel=r"max / sum of $|X-c|^p$")
    axes.legend(frameon=False, fontsize=8)
    return axes


def plot_running(
    sample: ArrayLike | Summary | Trace,
    *,
    constant: float | None = None,
    center: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Running variance against the number of trials.

    Parameters
    ----------
    sample : array_like of shape (n,), Summary with a trace, or Trace
    constant : float, optional
        Predicted constant of a tail of index 2: draws the line of slope `constant` per ``log(n)`` through the
        middle of the rows.
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If the summary has no trace.

    Examples
    --------
    >>> plot_running([float(i % 7) for i in range(100)]).get_ylabel()
    'running variance'
    """
    if isinstance(sample, Summary):
        rows = sample.trace
    else:
        rows = sample if isinstance(sample, Trace) else trace(sample, center)
    if rows is None:
        raise ValueError("this summary has no trace, which plot_running needs")
    axes = _axes(ax)
    drawn = rows.trials >= min(20, rows.trials[-1])
    axes.plot(rows.trials[drawn], rows.variance[drawn], color=_BLUE, lw=1.5, label="variance of the first $n$")
    if constant is not None:
        slope = as_number(constant, "constant", above=0.0)
        late = rows.trials >= math.sqrt(float(rows.trials[-1]))
        log_n = np.log(rows.trials[late])
        line = slope * log_n + np.median(rows.variance[late] - slope * log_n)
        axes.plot(rows.trials[late], line, "--", color=_ORANGE, lw=1.5, label=rf"slope {slope:.3g} per $\log n$")
    axes.set(xscale="log", xlabel="trials $n$", ylabel="running variance")
    axes.set_ylim(bottom=0.0)
    axes.legend(frameon=False, fontsize=8)
    return axes


def plot_octaves(
    octaves: ArrayLike,
    shares: ArrayLike,
    *,
    trials: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Share of the variance that each octave of K holds.

    Parameters
    ----------
    octaves : array_like, shape (rows,)
        Smallest K of each octave: 1, 2, 4, …
    shares : array_like, shape (rows,)
        Share of the variance, 1 in all.
    trials : array_like, shape (rows,), optional
        Trials in each octave, whose share is drawn as points.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If the arrays are not finite real numbers or differ in length.

    Examples
    --------
    >>> len(plot_octaves([1, 2, 4], [0.2, 0.5, 0.3]).patches)
    3
    """
    starts, heights = as_sample(octaves, "octaves"), as_sample(shares, "shares")
    if starts.shape != heights.shape or (starts <= 0).any():
        raise ValueError("octaves must be above 0 and as many as shares")
    axes = _axes(ax)
    place = np.log2(starts)
    axes.bar(place, 100.0 * heights, 0.85, color=_BLUE, label="of the variance")
    if trials is not None:
        counts = as_sample(trials, "trials")
        if counts.shape != starts.shape:
            raise ValueError("trials must be as many as octaves")
        share = 100.0 * counts / counts.sum()
        axes.plot(place, share, "o", color=_ORANGE, ms=4, mec="white", mew=0.6, label="of the trials")
        axes.legend(frameon=False, fontsize=8)
    step = max(1, math.ceil(len(place) / 8))
    axes.set_xticks(place[::step], [f"$2^{{{exponent:g}}}$" for exponent in place[::step]])
    axes.set(xlabel="terms $K$, from", ylabel="share (%)")
    return axes


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(3.5, 2.7), layout="constrained")[1]


def _label_few_decades(axes: Axes) -> None:
    """Label 1, 2 and 5 of each decade, or whole decades where there are more than two."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 200.0 else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _survival(known: Summary, side: str) -> tuple[FloatArray, FloatArray]:
    """Deviations and the share of trials at or beyond each, thinned to what a figure can show."""
    ordered = known.deviations(side)
    ordered = ordered[ordered > 0]
    rows = np.unique(np.geomspace(1, max(len(ordered), 1), 1000).astype(int))[: len(ordered)] - 1
    x, survival = ordered[rows][::-1], ((rows + 1) / known.trials)[::-1]
    if known.complete or known.histogram is None:
        return x, survival
    below, share = _survival_of_bins(known, side)
    inner = below < (x[0] if len(x) else np.inf)
    return np.concatenate([below[inner], x]), np.concatenate([share[inner], survival])


def _survival_of_bins(known: Summary, side: str) -> tuple[FloatArray, FloatArray]:
    bins = known.histogram
    assert bins is not None
    shift = bins.center - known.center
    edges = {"right": bins.lower + shift, "left": -(bins.upper + shift)}
    wanted = ("right", "left") if side == "both" else (side,)
    edge = np.concatenate([edges[one] for one in wanted])
    counts = np.concatenate([np.where(edges[one] >= 0, bins.counts, 0) for one in wanted])
    order = np.argsort(edge)
    share = np.cumsum(counts[order][::-1])[::-1] / known.trials
    kept = edge[order] > 0
    return edge[order][kept], share[kept]


def _draw_law(axes: Axes, known: Summary, index: float | None, constant: float | None) -> None:
    ordered = known.deviations()
    if index is not None and constant is not None:
        a, c, start, label = index, constant, (constant / 0.1) ** (1.0 / index), "predicted"
    else:
        hill = tail_index(known)
        if not math.isfinite(hill.estimate):
            return
        a, c, start, label = hill.estimate, hill.constant, hill.threshold, "Hill"
    x = np.array([min(start, ordered[0] / 2.0), ordered[0]])
    axes.plot(x, c * x**-a, "-.", color=_GREEN, lw=1.5, label=f"{label}, index {a:.3g}")
