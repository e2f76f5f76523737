"""A density: of a two-dimensional target beside its proposal, or of the middle of a run's values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.models.model import Model

from ._style import BLUE, ORANGE, legend, new_axes, plain
from ._values import middle
from .protocols import Run, is_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
_GRID = 150  # points a side
_PALE = 0.2  # opacity of the outer region
_SHARES = (0.5, 0.9, 0.99)  # of the mass, that the regions drawn hold
_PILOT = 4000  # samples, which say how far to look
_OUTER = 1e-3  # quantile at the edge of the view


@own_errstate
def density(source: Model | Run, *, ax: Axes | None = None) -> Axes:
    """A two-dimensional target, and over it the contours of its proposal; or the middle of a run's values.

    Target and proposal are drawn as the smallest regions that hold 50, 90 and 99 % of their mass. Of a model without a
    proposal of its own, the plane is that of the noise: target is the weight times the density of the noise.

    Of a run: the density of the middle 99 % of its values, on linear axes, with its median, the known log evidence, and
    a normal law of the same quartiles. All values, tails included, on logarithmic axes are in `histogram`.

    Parameters
    ----------
    source : Model or Result
        A model of dimension 2, or a `Result`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If it is no run and no model of dimension 2, or has data: see `Model.at_row`.

    Examples
    --------
    >>> import fastsumo as fs
    >>> density(fs.models.note()).get_aspect()
    1.0
    """
    if is_run(source):
        return middle(source, ax)
    if not isinstance(source, Model):
        raise TypeError(f"density draws a fastsumo Model or Result, got {source!r}")
    if source.dim != 2:
        raise ValueError(f"density draws models of dimension 2; {source.name!r} has dimension {source.dim}")
    if source.data is not None:
        raise ValueError(f"model {source.name!r} has data: give one row of it, as in model.at_row(0)")
    axes = new_axes(ax)
    (x, y), log_target, log_proposal = _on_grid(source)
    _draw(axes, x, y, log_target, log_proposal)
    _name(axes, source.name)
    coordinate = "x" if source.proposal is not None else "z"
    axes.set(xlabel=f"${coordinate}_1$", ylabel=f"${coordinate}_2$", aspect="equal")
    return axes


def _on_grid(model: Model) -> tuple[tuple[Floats, Floats], Floats, Floats]:
    """Coordinates of a grid that holds both, and the logs of both densities on it."""
    generator = np.random.default_rng(0)
    uniform = model.proposal is None and model.noise == "uniform"
    noise = generator.random((_PILOT, 2)) if uniform else generator.standard_normal((_PILOT, model.noise_dim))
    points = noise if model.proposal is None else model.proposal.points(noise)
    edges = np.array([[0.0, 0.0], [1.0, 1.0]]) if uniform else _view(points, model(noise))
    x, y = (np.linspace(edges[0, i], edges[1, i], _GRID + 2)[1:-1] for i in range(2))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    if model.proposal is not None:
        log_q = model.proposal.log_density(grid)
        log_p = model.values(grid)
    else:
        log_q = np.zeros(len(grid)) if uniform else -0.5 * np.sum(grid**2, axis=1)
        log_p = model(grid) + log_q
    return (x, y), log_p.reshape(_GRID, _GRID), log_q.reshape(_GRID, _GRID)


def _view(points: Floats, log_weights: Floats) -> Floats:
    """Corners of a rectangle that holds the bulk of the proposal and of the target."""
    weights = np.exp(log_weights - np.max(log_weights))
    weights /= weights.sum()
    target = points[np.random.default_rng(1).choice(len(points), len(points), p=weights)]
    sides = np.stack([np.quantile(each, [4 * _OUTER, 1 - 4 * _OUTER], axis=0) for each in (points, target)])
    low, high = sides[:, 0].min(axis=0), sides[:, 1].max(axis=0)
    margin = 0.2 * (high - low)
    return np.stack([low - margin, high + margin])


def _draw(axes: Axes, x: Floats, y: Floats, log_target: Floats, log_proposal: Floats) -> None:
    from matplotlib.colors import to_rgba

    levels = _levels(log_target)
    shades = [to_rgba(BLUE, alpha) for alpha in np.linspace(_PALE, 0.8, len(levels))]
    axes.contourf(x, y, log_target, [*levels, np.max(log_target) + 1.0], colors=shades)
    axes.contour(x, y, log_target, levels, colors=[BLUE], linestyles="-", linewidths=0.5)
    if np.ptp(log_proposal) > 0.0:
        axes.contour(x, y, log_proposal, _levels(log_proposal), colors=[ORANGE], linestyles="--", linewidths=1.2)


def _name(axes: Axes, name: str) -> None:
    """What is what, above the axes."""
    from matplotlib.colors import to_rgba
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shares = ", ".join(f"{100 * share:g}" for share in _SHARES)
    target = Patch(fc=to_rgba(BLUE, 0.5), ec=BLUE, label=f"{plain(name)}: {shares} %")
    proposal = Line2D([], [], color=ORANGE, ls="--", label="proposal: the same")
    legend(axes, handles=[target, proposal], loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _levels(log_density: Floats) -> list[float]:
    """Heights of the contours that hold the `_SHARES` of the mass on the grid, lowest first."""
    ordered = np.sort(log_density.ravel())[::-1]
    mass = np.cumsum(np.exp(ordered - ordered[0]))
    heights = {float(ordered[np.searchsorted(mass, share * mass[-1])]) for share in _SHARES}
    return sorted(heights)
