"""The figure of a run: what ``result.plot()`` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastsumo.base.floats import own_errstate
from fastsumo.estimators.labels import label

from ._octaves import octaves
from ._running import running_mean, running_variance
from ._style import plain
from ._tail import tail
from ._values import histogram
from .protocols import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure


@own_errstate
def overview(result: Run, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Density, both tails, running mean and variance, and share of the variance by octave of `K`.

    Parameters
    ----------
    result : Run
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
        figure = Figure(figsize=(10.0, 7.5), dpi=110, layout="constrained")
    grid = figure.add_gridspec(2, 2)
    histogram(result, ax=figure.add_subplot(grid[0, 0]))
    tail(result, ax=figure.add_subplot(grid[0, 1]))
    running = grid[1, 0].subgridspec(2, 1, hspace=0.05)
    upper = figure.add_subplot(running[0])
    lower = figure.add_subplot(running[1], sharex=upper)
    running_mean(result, ax=upper)
    running_variance(result, ax=lower)
    upper.set(xlabel="", ylabel="mean (nats)")
    lower.set_ylabel("variance (nats$^2$)")
    upper.tick_params(labelbottom=False)
    octaves(result, ax=figure.add_subplot(grid[1, 1]))
    figure.suptitle(_title(result), fontsize=10)
    return figure


def _title(result: Run) -> str:
    run, many = result.provenance, "trial" if result.trials == 1 else "trials"
    text = f"{run.model} · {label(run.estimator)} · {result.trials:,} {many}"
    if result.zero_weight_trials:
        text += f" · without {result.zero_weight_trials:,} of value −inf"
    return plain(text + (" · interrupted" if result.interrupted else ""))
