"""Density of the values of a run: all of it on logarithmic axes, and its middle on linear ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.tails import histogram_quantile

from ._source import minus_center, says_nothing
from ._style import BLUE, GREY, ORANGE, legend, new_axes, nothing
from .protocols import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_BINS = 120
_MIDDLE_BINS = 60
_QUARTILES = 1.3489795003921634  # between those of the standard normal law
_FEWEST = 10  # trials in a bin, where there are so many

FloatArray = NDArray[np.float64]


@own_errstate
def histogram(result: Run, *, ax: Axes | None = None) -> Axes:
    """Density of all values around the centre, on a logarithmic axis; a wide axis is logarithmic far from it.

    Its middle, on linear axes, is what `density` draws of a run.

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
    >>> histogram(fs.simulate(fs.models.note(), fs.SUMO(), 1000)).get_yscale()
    'log'
    """
    axes = new_axes(ax)
    axes.set(xlabel=f"value {minus_center(result)} (nats)", ylabel="density (1/nat)")
    edges, heights, scale, far = _density(result)
    if len(heights) == 0:
        return nothing(axes)
    axes.stairs(heights, edges, fill=True, color=BLUE, alpha=0.35)
    axes.stairs(heights, edges, color=BLUE, lw=1.2, baseline=None)
    axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
    if far:
        axes.set_xscale("symlog", linthresh=scale, linscale=1.0)
        _tick_symlog(axes, scale, max(-edges[0], edges[-1]))
    axes.set_yscale("log")
    axes.set_xlim(edges[0], edges[-1])
    return axes


@own_errstate
def middle(result: Run, ax: Axes | None = None) -> Axes:
    """Density of the middle 99 % of the values on linear axes, beside a normal law of the same quartiles."""
    axes = new_axes(ax)
    axes.set(xlabel="value (nats)", ylabel="density (1/nat)")
    if says_nothing(result):
        return nothing(axes)
    low, first, median, third, high = histogram_quantile(result.histogram, [0.005, 0.25, 0.5, 0.75, 0.995])
    edges = np.linspace(low, high, _MIDDLE_BINS + 1)
    heights = np.diff(_counted(result, edges - result.center)) / np.diff(edges) / result.statistics.finite
    axes.stairs(heights, edges, fill=True, color=BLUE, alpha=0.35)
    axes.axvline(median, color=BLUE, lw=1.4, label=f"median {median:.4g}")
    if result.log_evidence is not None:
        axes.axvline(result.log_evidence, color=ORANGE, lw=1.4, ls="--", label=rf"$\log Z$ = {result.log_evidence:.6g}")
    if third > first:
        spread, x = (third - first) / _QUARTILES, np.linspace(low, high, 200)
        curve = np.exp(-0.5 * ((x - 0.5 * (first + third)) / spread) ** 2) / (math.sqrt(2.0 * math.pi) * spread)
        axes.plot(x, curve, ":", color=GREY, lw=1.2, label="normal, same quartiles")
    axes.set(xlim=(low, high), ylim=(0.0, None))
    legend(axes)
    return axes


def _typical(result: Run, share: float = 0.5) -> float:
    """The distance from the centre that ``share`` of the trials stay within."""
    bins = result.histogram
    far = np.maximum(np.abs(bins.low), np.abs(bins.high))
    order = np.argsort(far)
    reached = np.cumsum(bins.counts[order]) >= share * bins.counts.sum()
    return float(far[order][np.argmax(reached)])


def _density(result: Run) -> tuple[FloatArray, FloatArray, float, bool]:
    """Edges and heights of a coarser histogram, the scale of its axis, and whether that is logarithmic."""
    bins = result.histogram
    if says_nothing(result):
        return np.empty(0), np.empty(0), 1.0, False
    scale = _typical(result, 0.75)
    low, high = result.statistics.smallest - result.center, result.statistics.largest - result.center
    far = max(-low, high) > 20.0 * scale
    if far:
        edges = scale * np.sinh(np.linspace(np.arcsinh(low / scale), np.arcsinh(high / scale), _BINS + 1))
    else:
        edges = np.linspace(low, high, _BINS + 1)
    inside = _counted(result, edges)
    inside[0], inside[-1] = 0.0, bins.counts.sum()
    kept = _merged(inside)
    edges, inside = edges[kept], inside[kept]
    return edges, np.diff(inside) / np.diff(edges) / inside[-1], scale, far


def _counted(result: Run, edges: FloatArray) -> FloatArray:
    """How many values are less than each edge beyond the centre; inside a bin in proportion."""
    bins, below = result.histogram, np.cumsum(result.histogram.counts)
    points = np.column_stack([bins.low, bins.high]).reshape(-1)
    cumulated = np.column_stack([below - bins.counts, below]).reshape(-1).astype(float)
    return np.interp(edges, points, cumulated)


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
    from matplotlib.ticker import NullLocator

    first, last = math.ceil(math.log10(0.5 * scale)), math.floor(math.log10(reach))
    powers = range(first, last + 1, max(1, math.ceil((last - first + 1) / 3)))
    places = [sign * 10.0**power for power in powers for sign in (-1, 1)]
    axes.set_xticks([0.0, *places], ["0", *(_power_label(place) for place in places)])
    axes.xaxis.set_minor_locator(NullLocator())


def _power_label(place: float) -> str:
    size = abs(place)
    text = f"{size:g}" if 0.01 <= size <= 1000 else f"10^{{{math.log10(size):.0f}}}"
    return f"${'-' if place < 0 else ''}{text}$"
