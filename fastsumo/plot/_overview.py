"""The figure of a run: what ``result.plot()`` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastsumo.base.floats import own_errstate
from fastsumo.base.text import counted
from fastsumo.estimators.labels import label

from ._octaves import has_octaves, octaves
from ._running import running_mean, running_variance
from ._style import figure_or_new, is_narrow, letters, plain
from ._tail import max_sum, tail
from ._values import histogram
from .protocols import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure


@own_errstate
def overview(result: Run, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Density, both tails, running mean and variance, and share of the variance by octave of `K`.

    Where every trial takes the same number of samples there are no octaves: there the last panel is `max_sum`.

    Parameters
    ----------
    result : Result
    figure : matplotlib Figure or SubFigure, optional
        To draw on; by default a new one, which no window owns. Save it with ``savefig``. On less than 5 inches panels
        stand one below the other.

    Returns
    -------
    matplotlib Figure or SubFigure

    Examples
    --------
    >>> import fastsumo as fs
    >>> len(overview(fs.simulate(fs.models.note(), fs.SUMO(), 1000)).axes)
    5
    """
    figure = figure_or_new(figure, (10.0, 7.5), 2.6)
    if is_narrow(figure):
        grid = figure.add_gridspec(5, 1, height_ratios=[3, 3, 2, 2, 3])
        places = [grid[row] for row in range(5)]
    else:
        grid = figure.add_gridspec(4, 2)
        places = [grid[0:2, 0], grid[0:2, 1], grid[2, 0], grid[3, 0], grid[2:4, 1]]
    panels = [figure.add_subplot(place) for place in places]
    upper, lower = panels[2:4]
    upper.sharex(lower)
    last = octaves if has_octaves(result) else max_sum
    for draw, axes in zip((histogram, tail, running_mean, running_variance, last), panels, strict=True):
        draw(result, ax=axes)
    upper.set(xlabel="", ylabel="mean (nats)")
    lower.set_ylabel("variance (nats$^2$)")
    upper.tick_params(labelbottom=False)
    letters(panels)
    figure.suptitle(_title(result), fontsize="medium", wrap=True)
    return figure


def _title(result: Run) -> str:
    run = result.provenance
    text = f"{run.model} · {label(run.estimator)} · {counted(result.trials, 'trial')}"
    if result.zero_weight_trials:
        text += f" · without {result.zero_weight_trials:,} of value −inf"
    return plain(text + (" · interrupted" if result.interrupted else ""))
