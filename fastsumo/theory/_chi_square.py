"""The chi-square divergence of a model's target from its proposal: declared, integrated or from a pilot."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from fastsumo import tails
from fastsumo.base.floats import own_errstate

from ._far import far_out
from ._quantities import ChiSquare
from ._weights import GOOD, attempt, drawn_log_weights

if TYPE_CHECKING:
    from fastsumo.models.model import Model

_TRUSTED = 0.5  # inverse tail index of the weights up to which their sample variance is one


@own_errstate
def chi_square(model: Model) -> ChiSquare:
    """``Var(w) / Z^2`` of a model's weights, the number that all first-order theory hangs on.

    Parameters
    ----------
    model : Model
        One that declares it; else its tails are followed far out, where it shows whether ``E w^2`` exists. If it does,
        a model of one or two dimensions is integrated, and of another 16 384 weights are drawn.

    Returns
    -------
    ChiSquare
        With the standard error of a pilot by the delta method. NaN where it cannot be told: where tails balance on the
        edge, quadrature and simulation disagree, or the largest weights rule the pilot, or fall off too slowly (Pareto
        k-hat above a half).

    Notes
    -----
    For the k-hat of importance weights: Vehtari, Simpson, Gelman, Yao & Gabry (JMLR 2024).

    Examples
    --------
    >>> import fastsumo as fs
    >>> chi_square(fs.models.note())
    0.7329437063 (declared)
    """
    if model.chi_square is not None:
        return ChiSquare(model.chi_square, 0.0, "declared")
    if model.weight_tail_index is not None and model.weight_tail_index < 2.0:
        return ChiSquare(math.inf, 0.0, "declared")
    if model.data is not None:
        return ChiSquare(math.nan, 0.0, "unknown", "the model has data: every row has weights of its own")
    has_square = far_out(model).has_square
    if has_square is False:
        return ChiSquare(math.inf, 0.0, "tails")
    if has_square is None:
        return ChiSquare(math.nan, 0.0, "unknown", "the tails of w^2 q do not tell whether it can be integrated")
    weights = attempt(model)
    if weights is not None and not weights.doubt and weights.square_error < GOOD:
        if math.isinf(weights.chi_square):
            return ChiSquare(math.nan, 0.0, "unknown", "chi-square is finite, but too large for a float")
        error = weights.square_error * (1.0 + weights.chi_square)
        return ChiSquare(weights.chi_square, error, "quadrature")
    return _pilot(model, "" if weights is None else weights.doubt)


def _pilot(model: Model, doubt: str) -> ChiSquare:
    """From the first two moments; the error by the influence of each weight on their ratio."""
    log_weight = drawn_log_weights(model)
    top = float(np.max(log_weight))
    if not math.isfinite(top) or np.isnan(log_weight).any():
        return ChiSquare(math.nan, 0.0, "unknown", "log weights of a pilot are NaN, +inf or all -inf")
    weight = np.exp(log_weight - top)
    weight /= weight.mean()
    second = float(np.mean(weight**2))
    if second - 1.0 < 1e-14:
        return ChiSquare(0.0, 0.0, "pilot", doubt)
    khat = khat_of_weights(model)
    influence = weight**2 - second - 2.0 * second * (weight - 1.0)
    error = float(np.std(influence)) / math.sqrt(weight.size)
    if khat > _TRUSTED or error > 0.5 * second:
        rule = error > 0.5 * second
        seen = "rule their variance" if rule else "fall off like those of weights without a variance"
        why = f"the largest of {weight.size:,} weights {seen} (Pareto k-hat {khat:.2f})"
        return ChiSquare(math.nan, 0.0, "unknown", f"{why}; {doubt}" if doubt else why)
    return ChiSquare(second - 1.0, error, "pilot", doubt)


@own_errstate
def khat_of_weights(model: Model) -> float:
    """Pareto k-hat of some thousand weights that are drawn; 1/b of weights with the tail index b, NaN of equal ones.

    Parameters
    ----------
    model : Model
        Without data.

    Returns
    -------
    float

    Examples
    --------
    >>> import fastsumo as fs
    >>> khat_of_weights(fs.models.note()) < 0.5 < khat_of_weights(fs.models.gaussian_scale(0.4))
    True
    """
    log_weight = drawn_log_weights(model)
    with np.errstate(invalid="ignore"):
        weight = np.exp(log_weight - np.max(log_weight))
    if not np.all(np.isfinite(weight)):
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tails.TailWarning)
        return tails.pareto_khat(weight, tail="right").khat
