"""Coverage of confidence intervals, many of them one above the other: a zip plot."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.tails import Interval

from ._style import BLUE, GREY, ORANGE, legend, new_axes
from .protocols import Run, is_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
_LEVEL = 0.95  # of the interval for the coverage, and of those of results


@own_errstate
def zip(intervals: Iterable[Interval | Run], truth: float | None = None, *, ax: Axes | None = None) -> Axes:
    """Which of many intervals hold the truth, and by how much others miss it: the zip plot of a simulation study.

    Each interval is a line. They are ordered by how far the truth is from their centre, in units of their half-length
    on that side; so at the right level those that hold it end at the height of the level, which is dashed. The band
    about it is where 95 % of studies of as many intervals end. The legend has the coverage with its Monte Carlo
    standard error, ``sqrt(p (1 - p) / n)`` (Morris, White & Crowther, Statistics in Medicine 38, 2019, figure 3 and
    table 6).

    Parameters
    ----------
    intervals : iterable of Interval or Result
        All of one level and method, of independent runs such as other seeds of one study. Of a result its 95 % interval
        is taken; others are what its ``interval`` gives.
    truth : float, optional
        By default the known log evidence of the results.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If these are not intervals or results, are of several levels or methods, or the truth is not known.

    Examples
    --------
    >>> import fastsumo as fs
    >>> rows = [fs.tails.mean_interval(np.sin(i + np.arange(40.0)), "normal") for i in range(30)]
    >>> zip(rows, truth=0.0).get_ylabel()
    'centile of the distance (%)'
    """
    if isinstance(intervals, Interval) or is_run(intervals):
        raise TypeError("zip draws many intervals: give a list of Intervals or of Results")
    given = list(intervals)
    for each in given:
        if not isinstance(each, Interval) and not is_run(each):
            raise TypeError(f"zip draws Intervals or Results, got {each!r}")
    if truth is None:
        known = {run.log_evidence for run in given if is_run(run)}
        if len(known) != 1 or None in known:
            raise ValueError("the truth is not known: give truth=")
        truth = known.pop()
    truth = checks.real("truth", truth)
    found = [each if isinstance(each, Interval) else each.interval(_LEVEL) for each in given]
    kinds = {(each.level, each.method) for each in found}
    if len(kinds) != 1:
        words = ", ".join(f"{method} at {level:g}" for level, method in sorted(kinds))
        raise ValueError(f"intervals must be of one level and one method, got {words or 'none'}")
    level, method = kinds.pop()
    axes = new_axes(ax)
    away = _distances(found, truth)
    order = np.argsort(away, kind="stable")
    low, high = (np.array([getattr(found[i], end) for i in order]) for end in ("low", "high"))
    held, heights = away[order] <= 1.0, 100.0 * (np.arange(len(found)) + 0.5) / len(found)
    covered, edge = float(held.mean()), _edge(low, high, truth)
    for kept, color in ((held, BLUE), (~held, ORANGE)):
        axes.hlines(heights[kept], np.maximum(low, edge[0])[kept], np.minimum(high, edge[1])[kept], color, lw=0.8)
    error = math.sqrt(covered * (1.0 - covered) / len(found))
    axes.plot([], [], color=BLUE, label=f"hold it: {100 * covered:.3g} ± {100 * error:.2g} %")
    axes.plot([], [], color=ORANGE, label="miss it")
    spread = 1.96 * math.sqrt(level * (1.0 - level) / len(found))
    axes.axhspan(100 * (level - spread), min(100.0, 100 * (level + spread)), color=GREY, alpha=0.2, lw=0, zorder=0)
    axes.axhline(100 * level, color=GREY, lw=1.0, ls="--", label=f"level {100 * level:g} %")
    axes.axvline(truth, color="black", lw=0.8, label="truth")
    axes.set(xlabel=f"{method} interval (nats)", ylabel="centile of the distance (%)")
    axes.set(xlim=edge, ylim=(0.0, 100.0))
    legend(axes)
    return axes


def _distances(intervals: list[Interval], truth: float) -> Floats:
    """From each centre to the truth, in half-lengths on that side; NaN, which holds nothing, counts as infinite."""
    away = np.empty(len(intervals))
    for i, each in enumerate(intervals):
        half = each.high - each.center if truth > each.center else each.center - each.low
        away[i] = math.inf if not half > 0.0 else abs(truth - each.center) / half
        if each.low <= truth <= each.high:
            away[i] = min(away[i], 1.0)
        elif math.isfinite(away[i]):
            away[i] = max(away[i], math.nextafter(1.0, 2.0))
    return away


def _edge(low: Floats, high: Floats, truth: float) -> tuple[float, float]:
    """Ends of the axis: all but the furthest hundredth of the finite ends."""
    ends = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)]])
    reach = 1.1 * float(np.quantile(np.abs(ends - truth), 0.99)) if ends.size else 1.0
    return truth - reach, truth + reach
