"""Figures of a `Result`: four panels that show what its tail does, each also a function of its own.

Every function takes ``ax=None`` and returns the Axes; nothing is shown, and Matplotlib is imported when the
first figure is drawn. Figures of tail estimates are in `fastsumo.tails`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.specs import compact

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from fastsumo.result import Result

# Okabe and Ito's colours: distinct with every common colour vision, and of different lightness in grey.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
_BINS = 120  # of the density
_POINTS = 600  # of a tail
_FEWEST = 10  # trials in a bin of the density, where there are so many
_SMALL = 8  # points, of legends

FloatArray = NDArray[np.float64]


def overview(result: Result, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Density, both tails, running mean and variance, and share of the variance by octave of `K`.

    Parameters
    ----------
    result : Result
    figure : matplotlib Figure or SubFigure, optional
        To draw on; by default a new one, which no window owns. Save it with ``savefig``.

    Returns
    -------
    matplotlib Figure or SubFigure

    Examples
    --------
    >>> import fastsumo as fs
    >>> len(overview(fs.simulate(fs.models.note(), fs.SUMO(), 1000)).axes)
    5
    """
    from matplotlib.figure import Figure

    if figure is None:
        figure = Figure(figsize=(10.0, 7.5), dpi=120, layout="constrained")
    grid = figure.add_gridspec(2, 2)
    density(result, figure.add_subplot(grid[0, 0]))
    tail(result, figure.add_subplot(grid[0, 1]))
    running = grid[1, 0].subgridspec(2, 1, hspace=0.05)
    upper = figure.add_subplot(running[0])
    lower = figure.add_subplot(running[1], sharex=upper)
    running_mean(result, upper)
    running_variance(result, lower)
    upper.set_xlabel("")
    upper.tick_params(labelbottom=False)
    octaves(result, figure.add_subplot(grid[1, 1]))
    figure.suptitle(_title(result), fontsize=10)
    return figure


def density(result: Result, ax: Axes | None = None) -> Axes:
    """Density of the values around the centre, from the histogram; a wide axis is logarithmic far from it.

    Parameters
    ----------
    result : Result
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import fastsumo as fs
    >>> density(fs.simulate(fs.models.note(), fs.SUMO(), 1000)).get_yscale()
    'log'
    """
    axes = _axes(ax)
    axes.set(xlabel=f"value − {_center_name(result)}", ylabel="density")
    edges, heights, scale, far = _density(result)
    if len(heights) == 0:
        return _nothing(axes)
    axes.stairs(heights, edges, fill=True, color=BLUE, alpha=0.35)
    axes.stairs(heights, edges, color=BLUE, lw=1.2, baseline=None)
    axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
    if far:
        axes.set_xscale("symlog", linthresh=scale, linscale=1.0)
        _tick_symlog(axes, scale, max(-edges[0], edges[-1]))
    axes.set_yscale("log")
    axes.set_xlim(edges[0], edges[-1])
    return axes


def tail(result: Result, ax: Axes | None = None) -> Axes:
    """Share of trials beyond a distance from the centre on either side, with the predicted law if known.

    Parameters
    ----------
    result : Result
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import fastsumo as fs
    >>> tail(fs.simulate(fs.models.note(), fs.SUMO(), 1000)).get_xscale()
    'log'
    """
    axes = _axes(ax)
    axes.set(xlabel=f"distance $x$ from {_center_name(result)}", ylabel="share of trials beyond $x$")
    sides = [_one_tail(result, right) for right in (True, False)]
    reach = max((float(x[-1]) for x, _ in sides if len(x)), default=0.0)
    if reach == 0.0 or _says_nothing(result):
        return _nothing(axes)
    styles = ((BLUE, "-", "above"), (ORANGE, "--", "below"))
    for (x, share), (color, style, label) in zip(sides, styles, strict=True):
        axes.plot(x, share, style, color=color, lw=1.6, label=label, drawstyle="steps-pre")
    low = max(_typical(result) / 3.0, reach * 1e-12)
    axes.set(xscale="log", yscale="log", xlim=(low, 1.6 * reach), ylim=(0.4 / result.statistics.finite, 1.5))
    _predict_tail(axes, result, low, 1.6 * reach)
    axes.legend(frameon=False, fontsize=_SMALL, loc="lower left")
    return axes


def running_mean(result: Result, ax: Axes | None = None) -> Axes:
    """Mean of the first trials with two standard errors on either side, and the known log evidence.

    Parameters
    ----------
    result : Result
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import fastsumo as fs
    >>> running_mean(fs.simulate(fs.models.note(), fs.SUMO(), 1000)).get_xscale()
    'log'
    """
    axes = _axes(ax)
    axes.set(xlabel="trials $n$", ylabel="mean of the first $n$")
    rows = result.trace[result.trace["trials"] >= 2]
    if len(rows) == 0 or _says_nothing(result):
        return _nothing(axes)
    trials, mean = rows["trials"], rows["mean"]
    error = np.sqrt(rows["variance"] / trials)
    axes.fill_between(trials, mean - 2 * error, mean + 2 * error, color=BLUE, alpha=0.2, lw=0, label="± 2 std. errors")
    axes.plot(trials, mean, color=BLUE, lw=1.6, marker="o", ms=2.5, label="mean")
    if result.log_evidence is not None:
        truth = result.log_evidence
        axes.axhline(truth, color=ORANGE, lw=1.4, ls="--", label=rf"$\log Z$ = {truth:.6g}")
    axes.set_xscale("log")
    _focus(axes, trials, mean, error, result.log_evidence)
    axes.legend(fontsize=_SMALL, loc="upper right", ncols=3, framealpha=0.8, edgecolor="none")
    return axes


def running_variance(result: Result, ax: Axes | None = None) -> Axes:
    """Variance of the first trials: level where the variance is finite, growing in jumps where it is not.

    Parameters
    ----------
    result : Result
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import fastsumo as fs
    >>> running_variance(fs.simulate(fs.models.note(), fs.SUMO(), 1000)).get_xscale()
    'log'
    """
    axes = _axes(ax)
    axes.set(xlabel="trials $n$", ylabel="variance")
    rows = result.trace[result.trace["trials"] >= 2]
    if len(rows) == 0 or not (rows["variance"] > 0).any() or _says_nothing(result):
        return _nothing(axes)
    axes.plot(rows["trials"], rows["variance"], color=BLUE, lw=1.6, marker="o", ms=2.5, label="of the first $n$")
    axes.set_xscale("log")
    late = rows["variance"][rows["trials"] >= min(100, rows["trials"][-1])]
    if late.max() > 30.0 * late[late > 0].min():
        axes.set_yscale("log")
    else:
        axes.set_ylim(0.0, 1.25 * float(late.max()))
    return axes


def octaves(result: Result, ax: Axes | None = None) -> Axes:
    """Share of the sum of squares, and of the cost, that each octave of `K` holds.

    Parameters
    ----------
    result : Result
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import fastsumo as fs
    >>> octaves(fs.simulate(fs.models.note(), fs.SUMO(), 1000)).get_ylabel()
    'share (%)'
    """
    axes = _axes(ax)
    axes.set(xlabel="terms $K$, from", ylabel="share (%)")
    table = result.by_terms
    if len(table) == 0 or not np.isfinite(table["share"]).any():
        return _nothing(axes)
    place = np.log2(table["low"])
    cost = 100.0 * table["cost"] / table["cost"].sum()
    axes.bar(place, 100.0 * table["share"], 0.8, color=BLUE, label="of the variance")
    axes.plot(place, cost, "o", color=ORANGE, ms=5, mec="white", mew=0.7, label="of the cost")
    shown = place[:: math.ceil(len(place) / 9)]
    axes.set_xticks(shown, [f"{2 ** int(p)}" if p < 10 else f"$2^{{{p:g}}}$" for p in shown])
    axes.set_xlim(place[0] - 0.7, place[-1] + 0.7)
    axes.set_ylim(0.0, 1.25 * float(np.nanmax([100.0 * table["share"], cost])))
    axes.legend(frameon=False, fontsize=_SMALL, loc="upper left", ncols=2)
    return axes


def _axes(ax: Axes | None) -> Axes:
    """``ax``, or new axes: pyplot's in a session that uses pyplot, else those of a figure no window owns."""
    if ax is not None:
        return ax
    import sys

    size: dict[str, Any] = {"figsize": (5.0, 3.75), "layout": "constrained"}
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        return pyplot.figure(**size).add_subplot()
    from matplotlib.figure import Figure

    return Figure(**size).add_subplot()


def _says_nothing(result: Result) -> bool:
    """Whether the values are too few for a picture of their law, or all the same but for rounding."""
    smallest, largest = result.statistics.smallest, result.statistics.largest
    same = largest - smallest <= 1e-10 * max(1.0, abs(result.center))
    return same or result.statistics.finite < _FEWEST


def _nothing(axes: Axes) -> Axes:
    """Say so where there is nothing to draw."""
    axes.text(0.5, 0.5, "nothing to draw", transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set(xticks=[], yticks=[])
    return axes


def _title(result: Result) -> str:
    run, many = result.provenance, "trial" if result.trials == 1 else "trials"
    text = f"{run.model} · {compact(run.estimator)} · {result.trials:,} {many}"
    if result.zero_weight_trials:
        text += f" · without {result.zero_weight_trials:,} of value −inf"
    return (text + (" · interrupted" if result.interrupted else "")).replace("$", r"\$")


def _center_name(result: Result) -> str:
    return r"$\log Z$" if result.center == result.log_evidence else f"the centre, {result.center:.6g}"


def _typical(result: Result, share: float = 0.5) -> float:
    """The distance from the centre that ``share`` of the trials stay within."""
    bins = result.histogram
    far = np.maximum(np.abs(bins.low), np.abs(bins.high))
    order = np.argsort(far)
    reached = np.cumsum(bins.counts[order]) >= share * bins.counts.sum()
    return float(far[order][np.argmax(reached)])


def _density(result: Result) -> tuple[FloatArray, FloatArray, float, bool]:
    """Edges and heights of a coarser histogram, the scale of its axis, and whether that is logarithmic."""
    bins = result.histogram
    if _says_nothing(result):
        return np.empty(0), np.empty(0), 1.0, False
    scale = _typical(result, 0.75)
    low, high = result.statistics.smallest - result.center, result.statistics.largest - result.center
    far = max(-low, high) > 20.0 * scale
    if far:
        edges = scale * np.sinh(np.linspace(np.arcsinh(low / scale), np.arcsinh(high / scale), _BINS + 1))
    else:
        edges = np.linspace(low, high, _BINS + 1)
    below = np.cumsum(bins.counts)
    points = np.column_stack([bins.low, bins.high]).reshape(-1)
    cumulated = np.column_stack([below - bins.counts, below]).reshape(-1).astype(float)
    inside = np.interp(edges, points, cumulated)
    inside[0], inside[-1] = 0.0, below[-1]
    kept = _merged(inside)
    edges, inside = edges[kept], inside[kept]
    return edges, np.diff(inside) / np.diff(edges) / below[-1], scale, far


def _merged(cumulated: FloatArray) -> NDArray[np.int64]:
    """Edges to keep so that bins hold `_FEWEST` trials, or a hundredth of all; walks out from the mode."""
    fewest = min(_FEWEST, 0.01 * cumulated[-1])
    middle = int(np.argmax(np.diff(cumulated)))
    kept = {0, middle, middle + 1, len(cumulated) - 1}
    for start, stop, step in ((middle + 1, len(cumulated), 1), (middle, -1, -1)):
        last = start
        for edge in range(start, stop, step):
            if abs(cumulated[edge] - cumulated[last]) >= fewest:
                kept.add(edge)
                last = edge
        kept -= set(range(last + step, stop - step, step))
    return np.array(sorted(kept), np.int64)


def _tick_symlog(axes: Axes, scale: float, reach: float) -> None:
    """Ticks at 0 and at a few powers of ten on either side."""
    first, last = math.ceil(math.log10(scale)), math.floor(math.log10(reach))
    powers = range(first, last + 1, max(1, (last - first + 2) // 3))
    places = [sign * 10.0**power for power in powers for sign in (-1, 1)]
    axes.set_xticks([0.0, *places], ["0", *(_power_label(place) for place in places)])
    axes.xaxis.set_minor_locator(_no_ticks())


def _power_label(place: float) -> str:
    size = abs(place)
    text = f"{size:g}" if 0.01 <= size <= 1000 else f"10^{{{math.log10(size):.0f}}}"
    return f"${'-' if place < 0 else ''}{text}$"


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _one_tail(result: Result, right: bool) -> tuple[FloatArray, FloatArray]:
    """Distances and the share of the finite trials beyond each, on one side, thinned to what is visible."""
    bins = result.histogram
    side = bins.low >= 0 if right else bins.high <= 0
    near = bins.low[side] if right else -bins.high[side][::-1]
    counts = bins.counts[side] if right else bins.counts[side][::-1]
    share = np.cumsum(counts[::-1])[::-1] / result.statistics.finite
    if len(near) > _POINTS:
        rows = np.unique(np.linspace(0, len(near) - 1, _POINTS).astype(int))
        near, share = near[rows], share[rows]
    positive = near > 0
    return near[positive], share[positive]


def _predict_tail(axes: Axes, result: Result, low: float, high: float) -> None:
    """First-order theory, half of it on each side: the power law where there is one, else the whole curve."""
    from fastsumo.theory import tail_law, tail_survival

    law = tail_law(result.provenance)
    x = np.geomspace(low, high, 400)
    if law is not None and math.isfinite(law.constant):
        curve, what = law.constant * x**-law.index, _law_name(result, law.index)
    else:
        found = tail_survival(result.provenance, x)
        if found is None:
            return
        curve, what = found, "for this law of $K$"
    shown = (curve < 0.2) & (curve > 0.02 / result.statistics.finite)
    axes.plot(x[shown], 0.5 * curve[shown], "-.", color="black", lw=1.3, label=f"theory: {what}, half on each side")


def _law_name(result: Result, index: float) -> str:
    if result.provenance.law["power"] == 1.0:
        return rf"$\chi^2/x^2$, $\chi^2$ = {result.provenance.chi_square:.4g}"
    return rf"$C\,x^{{-{index:.3g}}}$"


def _focus(axes: Axes, trials: NDArray[Any], mean: FloatArray, error: FloatArray, truth: float | None) -> None:
    """Limit the axis to what the later half of the decades needs; early means would flatten it."""
    late = trials >= math.sqrt(float(trials[-1]))
    low = float(np.min((mean - 2.5 * error)[late]))
    high = float(np.max((mean + 2.5 * error)[late]))
    if truth is not None:
        low, high = min(low, truth), max(high, truth)
    margin = 0.08 * (high - low)
    if margin > 0.0:
        axes.set_ylim(low - margin, high + 3.0 * margin)
