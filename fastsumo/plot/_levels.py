"""Moments by dyadic level: the figure of `Levels`, as studies of multilevel Monte Carlo show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastsumo.base.floats import own_errstate

from ._style import BLUE, GREY, ORANGE, figure_or_new, is_narrow, legend, letters, plain
from .protocols import ByLevel

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure


@own_errstate
def levels(found: ByLevel, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Four panels by level: log2 of the variance, log2 of the mean, consistency, kurtosis.

    Parameters
    ----------
    found : Levels
        What `fs.levels` measured.
    figure : matplotlib Figure or SubFigure, optional

    Returns
    -------
    matplotlib Figure or SubFigure

    Examples
    --------
    >>> import fastsumo as fs
    >>> len(levels(fs.levels(fs.models.note(), max_terms=31, samples=200)).axes)
    4
    """
    figure = figure_or_new(figure, (9.0, 7.0), 2.8)
    narrow = is_narrow(figure)
    shape = (4, 1) if narrow else (2, 2)
    axes = figure.subplots(*shape, sharex=True, squeeze=False).reshape(2, 2)
    rows, level = found.dyadic, found.dyadic["level"]
    with np.errstate(all="ignore"):
        for axis, what, rate in ((axes[0, 0], "variance", found.beta), (axes[0, 1], "mean", found.alpha)):
            fine, difference = np.log2(np.abs(rows[f"fine_{what}"])), np.log2(np.abs(rows[what][1:]))
            axis.plot(level, fine, "s--", color=ORANGE, label="$L$ of $2^l$ samples")
            axis.plot(level[1:], difference, "o-", color=BLUE, label=f"$D_l$, falls by {rate} a level")
            legend(axis, 1 if narrow else 2)
    axes[1, 0].plot(level[1:], rows["consistency"][1:], "o-", color=BLUE)
    axes[1, 0].axhspan(-3.0, 3.0, color=GREY, alpha=0.15, lw=0, zorder=0)
    axes[1, 1].plot(level[1:], rows["kurtosis"][1:], "o-", color=BLUE)
    titles = ("$\\log_2$ variance", "$\\log_2$ |mean|", "halves differ by (standard errors)", "kurtosis (normal: 3)")
    for axis, title in zip(axes.flat, titles, strict=True):
        axis.set(ylabel=title)
        axis.xaxis.get_major_locator().set_params(integer=True)
        if axis.get_subplotspec().is_last_row():
            axis.set_xlabel("level $l$")
    letters(list(axes.flat))
    figure.suptitle(
        plain(f"{found.model}: dyadic antithetic levels, {found.samples:,} sequences"), fontsize="medium", wrap=True
    )
    return figure
