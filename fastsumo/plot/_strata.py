"""The tail of a run by strata, over all its decades. Nothing is estimated here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastsumo.base.floats import own_errstate
from fastsumo.base.text import short
from fastsumo.theory import tail_survival

from ._style import BLUE, ORANGE, legend, new_axes
from ._tail import _survival
from .protocols import ByStrata, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PER_DECADE = 16


@own_errstate
def strata(found: ByStrata, ax: Axes | None = None, *, brute_force: Run | None = None) -> Axes:
    """``P(|S - c| > x)`` measured by strata, with three errors on either side and what is out of reach; and theory.

    Parameters
    ----------
    found : Stratified
    ax : matplotlib Axes, optional
    brute_force : Result, optional
        Plain trials of the same estimator, to be drawn beside it.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import fastsumo as fs
    >>> strata(fs.stratify(fs.models.note(), fs.SUMO(), cost=1e5)).get_yscale()
    'log'
    """
    axes = new_axes(ax)
    tail = found.tail(found.distances(_PER_DECADE))
    tail = tail[tail["probability"] > 0.0]
    x, p, error = tail["x"], tail["probability"], 3.0 * tail["std_error"]
    if found.missing:
        shown = "out of reach" if np.any(tail["missing"] > 0.02 * p) else "_"
        axes.fill_between(x, p, p + tail["missing"], color=ORANGE, alpha=0.25, lw=0, label=shown)
    axes.fill_between(x, np.maximum(p - error, 0.05 * p), p + error, color=BLUE, alpha=0.3, lw=0, label="± 3 errors")
    axes.plot(x, p, color=BLUE, lw=1.6, label="by strata")
    if brute_force is not None:
        seen, share = _survival(brute_force.summary(), "both")
        axes.plot(seen, share, color=ORANGE, lw=1.6, ls="--", label=f"{short(brute_force.trials)} plain trials")
    theory = tail_survival(found.provenance, x)
    if theory is not None:
        axes.plot(x[theory < 0.2], theory[theory < 0.2], "-.", color="black", lw=1.2, label="theory, first order")
    axes.set(xscale="log", yscale="log", xlabel="distance $x$ from the centre (nats)", ylabel="$P(|S - c| > x)$")
    if p.size:
        axes.set(xlim=(x[0] / 1.3, 1.3 * x[-1]), ylim=(0.3 * p.min(), 1.5))
    legend(axes)
    return axes
