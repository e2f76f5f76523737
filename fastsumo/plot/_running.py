"""How mean and variance run as trials accumulate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.tails import Summary, Trace, trace

from ._source import law_of, says_nothing
from ._style import BLUE, ORANGE, legend, new_axes, nothing, power_at_the_right
from .protocols import Run, is_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FIRST = 20  # trials, before which a variance is left out


@own_errstate
def running_mean(source: Run | Summary | Trace | ArrayLike, *, center: float = 0.0, ax: Axes | None = None) -> Axes:
    """Mean of the first trials with two standard errors on either side, and the known log evidence.

    Parameters
    ----------
    source : Result, Summary with a trace, Trace, or array_like of shape (n,)
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If a summary has no trace.

    Examples
    --------
    >>> running_mean([float(i % 7) for i in range(100)]).get_ylabel()
    'mean of the first $n$ (nats)'
    """
    axes = new_axes(ax)
    axes.set(xlabel="trials $n$", ylabel="mean of the first $n$ (nats)")
    rows = _trace(source, center, "running_mean")
    kept = rows.trials >= 2
    if not kept.any() or (is_run(source) and says_nothing(source)):
        return nothing(axes)
    trials, mean = rows.trials[kept], rows.mean[kept]
    error = np.sqrt(rows.variance[kept] / trials)
    if is_run(source) and source.stratified > 1:  # as much less than of independent trials as at the end
        error *= source.finite_error / np.sqrt(source.finite_variance / source.statistics.finite)
    truth = source.log_evidence if is_run(source) else None
    axes.fill_between(trials, mean - 2 * error, mean + 2 * error, color=BLUE, alpha=0.2, lw=0, label="± 2 s.e.")
    axes.plot(trials, mean, color=BLUE, lw=1.6, marker="o", ms=2.5, label="mean")
    if truth is not None:
        axes.axhline(truth, color=ORANGE, lw=1.4, ls="--", label=rf"$\log Z$ = {truth:.6g}")
    axes.set_xscale("log")
    axes.ticklabel_format(axis="y", useOffset=False)
    power_at_the_right(axes)
    _focus(axes, trials, mean, error, truth)
    legend(axes, 3)
    return axes


@own_errstate
def running_variance(
    source: Run | Summary | Trace | ArrayLike,
    *,
    constant: float | None = None,
    center: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Variance of the first trials: level where the variance is finite, growing in jumps where it is not.

    Parameters
    ----------
    source : Result, Summary with a trace, Trace, or array_like of shape (n,)
    constant : float, optional
        Predicted constant of a tail of index 2, of a run by default that of theory: draws the line of slope `constant`
        per ``log(n)`` through the middle of the rows.
    center : float
        For an array.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If a summary has no trace.

    Examples
    --------
    >>> running_variance([float(i % 7) for i in range(100)]).get_xlabel()
    'trials $n$'
    """
    axes = new_axes(ax)
    axes.set(xlabel="trials $n$", ylabel="running variance (nats$^2$)")
    rows = _trace(source, center, "running_variance")
    drawn = rows.trials >= min(_FIRST, rows.trials[-1] if len(rows.trials) else 0)
    kept = drawn & np.isfinite(rows.variance)
    if not (rows.variance[kept] > 0).any() or (is_run(source) and says_nothing(source)):
        return nothing(axes)
    trials, variance = rows.trials[kept], rows.variance[kept]
    axes.plot(trials, variance, color=BLUE, lw=1.6, marker="o", ms=2.5, label="of the first $n$")
    law = law_of(source) if is_run(source) else None
    if constant is None and law is not None and law.index == 2.0 and math.isfinite(law.constant):
        constant = law.constant
    if constant is not None:
        _draw_growth(axes, trials, variance, checks.real("constant", constant, 0.0))
        legend(axes)
    axes.set_xscale("log")
    power_at_the_right(axes)
    late = variance[trials >= min(100, trials[-1])]
    if late.max() > 30.0 * late[late > 0].min():
        axes.set_yscale("log")
    else:
        axes.set_ylim(0.0, 1.15 * float(late.max()))
    return axes


def _trace(source: Any, center: float, name: str) -> Trace:
    if is_run(source):
        rows = source.trace
        return Trace(rows["trials"], rows["mean"], rows["variance"], rows["largest"])
    if isinstance(source, Summary):
        if source.trace is None:
            raise ValueError(f"this summary has no trace, which {name} needs")
        return source.trace
    return source if isinstance(source, Trace) else trace(source, center)


def _draw_growth(axes: Axes, trials: NDArray[np.int64], variance: NDArray[np.float64], slope: float) -> None:
    """The line of a tail of index 2, through the middle of the later rows."""
    late = trials >= math.sqrt(float(trials[-1]))
    log_n = np.log(trials[late])
    line = slope * log_n + np.median(variance[late] - slope * log_n)
    if line[0] > 0.0:  # else the trials are far from where the theory holds
        axes.plot(trials[late], line, "-.", color="black", lw=1.3, label=rf"theory: {slope:.3g} per $\ln n$")


def _focus(
    axes: Axes,
    trials: NDArray[np.int64],
    mean: NDArray[np.float64],
    error: NDArray[np.float64],
    truth: float | None,
) -> None:
    """Limit the axis to what the later half of the decades needs; early means would flatten it."""
    late = trials >= math.sqrt(float(trials[-1]))
    low = float(np.min((mean - 2.5 * error)[late]))
    high = float(np.max((mean + 2.5 * error)[late]))
    if truth is not None:
        low, high = min(low, truth), max(high, truth)
    margin = 0.08 * (high - low)
    if margin > 0.0:
        axes.set_ylim(low - margin, high + margin)
