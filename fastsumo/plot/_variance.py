"""Why a variance is what it is: what each octave of trial lengths adds to it, estimators side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsumo import _check
from fastsumo.estimators import MLMC, SUMO, Estimator
from fastsumo.model import Model
from fastsumo.roulette import HarmonicGeometric

from ._style import GREY, STYLES, legend, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastsumo.theory import Parts

Floats = NDArray[np.float64]
_FEWEST = 10  # trials of a mark
_NAMES = {SUMO(): "SUMO, $P(K\\geq k)=1/k$", SUMO(HarmonicGeometric()): "SUMO, the paper's law", MLMC(): "MLMC"}


def variance(
    model: Model,
    estimators: Sequence[Estimator] | None = None,
    *,
    trials: int = 1_000_000,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """What trials of each length add to the variance: theory as lines, a run of each estimator as marks.

    The sum over the octaves is the variance about ``log Z``. Under the law ``1/k`` all octaves add the same, so that it
    grows with the logarithm of the longest trial; under a law that falls faster, later octaves add more and more, and
    are seldom seen; under MLMC they add less and less. The legend has variance and expected cost of a trial.

    Parameters
    ----------
    model : Model
        With a known, finite chi-square divergence and log evidence.
    estimators : sequence of SUMO and MLMC, optional
        By default the harmonic law, that of the paper and MLMC.
    trials, seed : int
        Of the runs; 0 trials for theory alone.
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
    >>> len(variance(fs.models.gamma(1.0), trials=0).lines)
    3
    """
    from fastsumo.theory import log_evidence_of, parts

    count = _check.whole("trials", trials, 0)
    chosen = list(_NAMES) if estimators is None else list(estimators)
    if not 0 < len(chosen) <= len(STYLES):
        raise ValueError(f"variance draws 1 to {len(STYLES)} estimators, got {len(chosen)}")
    predicted = [parts(model, estimator) for estimator in chosen]
    truth = model.log_evidence if model.log_evidence is not None else log_evidence_of(model)
    if count and truth is None:
        raise ValueError(f"the log evidence of model {model.name!r} is not known: give trials=0")
    axes, lowest, tallest = new_axes(ax), math.inf, 0.0
    for estimator, part, (color, style, mark) in zip(chosen, predicted, STYLES, strict=False):
        axes.plot(part.middle, part.square, style, color=color, lw=1.6, label=_label(model, estimator))
        seen = part.square[part.share * max(count, 10**6) > 30.0]
        if count and truth is not None:
            x, square, error = _measured(model, estimator, part, count, seed, truth)
            options = {"ms": 3.5, "mfc": "white", "elinewidth": 0.8, "capsize": 0}
            axes.errorbar(x, square, error, fmt=mark, color=color, **options)  # type: ignore[arg-type]
            seen = square
        lowest, tallest = min(lowest, float(seen.min())), max(tallest, float(seen.max()))
    axes.set(xscale="log", yscale="log", xlabel="importance samples in a trial")
    axes.set_ylabel("variance by octave (nats$^2$)")
    axes.set_xscale("log", base=2)
    axes.set_xlim(1.6, 0.125 * max(count, 10**6))
    axes.set_ylim(0.5 * lowest, 5.0 * tallest)
    if count:
        axes.plot([], [], "o", ms=3.5, mfc="white", color=GREY, label=f"lines: theory; marks: {count:,} trials")
    legend(axes, loc="lower left", bbox_to_anchor=(-0.1, 1.0))
    return axes


def _label(model: Model, estimator: Estimator) -> str:
    """The estimator's name, its variance and its cost."""
    from fastsumo._side_by_side import short_name
    from fastsumo.theory import predict

    found = predict(model, estimator)
    value, cost = found.variance.value, estimator.expected_cost()
    words = [f"{what} {'∞' if math.isinf(x) else f'{x:.3g}'}" for what, x in (("variance", value), ("cost", cost))]
    return f"{_NAMES.get(estimator, short_name(estimator))}: {', '.join(words)}"  # type: ignore[call-overload]


def _measured(
    model: Model, estimator: Estimator, part: Parts, trials: int, seed: int, truth: float
) -> tuple[Floats, Floats, Floats]:
    """Middles of the bins that a run reached, their parts of the mean square about ``log Z``, and the errors."""
    from fastsumo.simulate import sample

    values, terms = sample(model, estimator, trials, seed)
    values, terms = values[np.isfinite(values)], terms[np.isfinite(values)]
    if isinstance(estimator, MLMC):
        samples = estimator.base * (1.0 + 2.0**terms)
    else:
        samples = terms + float(estimator.plan().minimum)
    place, bins = np.searchsorted(part.low, samples, side="right") - 1, part.low.size
    squares = (values - truth) ** 2
    mean, fourth = (np.bincount(place, squares**p, bins) / trials for p in (1, 2))
    seen = np.bincount(place, minlength=bins) >= _FEWEST
    error = np.minimum(np.sqrt(np.maximum(fourth - mean**2, 0.0) / trials), 0.9 * mean)
    return part.middle[seen], (mean / part.width)[seen], (error / part.width)[seen]
