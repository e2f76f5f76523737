"""Why a variance is what it is: what each octave of trial lengths adds to it, estimators side by side. Theory alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastsumo.base.floats import own_errstate
from fastsumo.estimators.estimators import MLMC, SUMO, Estimator
from fastsumo.estimators.labels import label
from fastsumo.estimators.roulette import HarmonicGeometric
from fastsumo.models.model import Model
from fastsumo.theory import parts, predict

from ._style import STYLES, legend, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SEEN = 30.0  # trials of a million that reach what the axis shows
_NAMES: dict[Estimator, str] = {
    SUMO(): "SUMO, $P(K\\geq k)=1/k$",
    SUMO(HarmonicGeometric()): "SUMO, the paper's law",
    MLMC(): "MLMC",
}


@own_errstate
def variance(model: Model, estimators: Sequence[Estimator] | None = None, *, ax: Axes | None = None) -> Axes:
    """What trials of each length add to the variance, to first order in the chi-square divergence.

    The sum over the octaves is the variance about ``log Z``. Under the law ``1/k`` all octaves add the same, so that it
    grows with the logarithm of the longest trial; under a law that falls faster, later octaves add more and more, and
    are seldom seen; under MLMC they add less and less. The legend has variance and expected cost of a trial. What a run
    has of it is in ``Result.by_terms``.

    Parameters
    ----------
    model : Model
        With a known, finite chi-square divergence.
    estimators : sequence of SUMO and MLMC, optional
        By default the harmonic law, that of the paper and MLMC.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Examples
    --------
    >>> import fastsumo as fs
    >>> len(variance(fs.models.gamma(1.0)).lines)
    3
    """
    chosen = list(_NAMES) if estimators is None else list(estimators)
    if not 0 < len(chosen) <= len(STYLES):
        raise ValueError(f"variance draws 1 to {len(STYLES)} estimators, got {len(chosen)}")
    predicted = [parts(model, estimator) for estimator in chosen]
    axes, lowest, tallest = new_axes(ax), math.inf, 0.0
    for estimator, part, (color, style, _) in zip(chosen, predicted, STYLES, strict=False):
        axes.plot(part.middle, part.square, style, color=color, lw=1.6, label=_label(model, estimator))
        seen = part.square[part.share * 1e6 > _SEEN]
        lowest, tallest = min(lowest, float(seen.min())), max(tallest, float(seen.max()))
    axes.set(xscale="log", yscale="log", xlabel="importance samples in a trial")
    axes.set_ylabel("variance by octave (nats$^2$)")
    axes.set_xscale("log", base=2)
    axes.set_xlim(1.6, 0.125 * 1e6)
    axes.set_ylim(0.5 * lowest, 5.0 * tallest)
    legend(axes, 1, bbox_to_anchor=(-0.1, 1.0))
    return axes


def _label(model: Model, estimator: Estimator) -> str:
    """The estimator's name, its variance and its cost."""
    value, cost = predict(model, estimator).variance.value, estimator.expected_cost()
    words = [f"{what} {'∞' if math.isinf(x) else f'{x:.3g}'}" for what, x in (("variance", value), ("cost", cost))]
    return f"{_NAMES.get(estimator, label(estimator))}: {', '.join(words)}"
