"""Share of the variance by octave of `K`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.estimators.estimators import IWAE, JVI, MLMC
from fastsumo.tails._checks import as_sample
from fastsumo.tails._runs import is_constant

from ._style import BLUE, ORANGE, legend, new_axes, nothing
from .protocols import Run, is_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = 8


@own_errstate
def octaves(
    source: Run | ArrayLike,
    shares: ArrayLike | None = None,
    *,
    trials: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Share of the variance that each octave of `K` holds; of a run also the share of the cost.

    Parameters
    ----------
    source : Result, or array_like of shape (rows,)
        A run; or the smallest `K` of each octave: 1, 2, 4, ...
    shares : array_like, shape (rows,)
        With an array: share of the variance, 1 in all.
    trials : array_like, shape (rows,), optional
        With an array: trials in each octave, whose share is drawn as points.
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
    >>> len(octaves([1, 2, 4], [0.2, 0.5, 0.3]).patches)
    3
    """
    axes = new_axes(ax)
    if is_run(source):
        table = source.by_terms
        levels = isinstance(source.provenance.estimator, MLMC)
        axes.set(xlabel=("level" if levels else "terms $K$") + ", from", ylabel="share (%)")
        if not has_octaves(source):
            return nothing(axes, "every trial takes as many samples")
        if len(table) == 0 or not np.isfinite(table["share"]).any() or is_constant(source):
            return nothing(axes)
        return _draw(axes, table["low"], table["share"], table["cost"], "of the cost")

    if shares is None:
        raise TypeError("octaves needs a Result, or the octaves and their shares")
    starts, heights = as_sample(cast("ArrayLike", source), "octaves"), as_sample(shares, "shares")
    if starts.shape != heights.shape or (starts <= 0).any():
        raise ValueError("octaves must be above 0 and as many as shares")
    counts = None if trials is None else as_sample(trials, "trials")
    if counts is not None and counts.shape != starts.shape:
        raise ValueError("trials must be as many as octaves")
    axes.set(xlabel="terms $K$, from", ylabel="share (%)")
    return _draw(axes, starts, heights, counts, "of the trials")


def has_octaves(result: Run) -> bool:
    """Whether trials differ in the samples that they take."""
    return not isinstance(result.provenance.estimator, (IWAE, JVI))


def _draw(
    axes: Axes, starts: NDArray[np.float64], shares: NDArray[np.float64], other: NDArray[np.float64] | None, name: str
) -> Axes:
    place, top = np.log2(starts), 100.0 * float(np.nanmax(shares))
    axes.bar(place, 100.0 * shares, 0.8, color=BLUE, label="of the variance")
    if other is not None:
        points = 100.0 * other / other.sum()
        axes.plot(place, points, "o", color=ORANGE, ms=4.5, mec="white", mew=0.7, label=name)
        top = max(top, float(points.max()))
    shown = place[:: math.ceil(len(place) / _TICKS)]
    axes.set_xticks(shown, [f"{2 ** int(p)}" if p < 7 else f"$2^{{{p:g}}}$" for p in shown])
    axes.set_xlim(place[0] - 0.7, place[-1] + 0.7)
    axes.set_ylim(0.0, 1.08 * top)
    legend(axes)
    return axes
