"""The chi-square divergence of a model's target from its proposal: declared, integrated or from a pilot."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fastsumo.base.floats import own_errstate

from ._quantities import ChiSquare
from ._weights import ByContent, log_weights_at, weights_of

if TYPE_CHECKING:
    from fastsumo.models.model import Model

_PILOT = 1 << 14  # log weights, of NumPy's generator and in plain Python


@own_errstate
def chi_square(model: Model) -> ChiSquare:
    """``Var(w) / Z^2`` of a model's weights, the number that all first-order theory hangs on.

    Parameters
    ----------
    model : Model
        One that declares it, else one with at most two random numbers a sample and a smooth log weight,
        which is integrated; else 16 384 weights are drawn.

    Returns
    -------
    ChiSquare
        With the standard error of a pilot by the delta method; an underestimate where weights are
        heavy-tailed.

    Examples
    --------
    >>> import fastsumo as fs
    >>> chi_square(fs.models.note())
    0.7329437063 (declared)
    """
    if model.chi_square is not None:
        return ChiSquare(model.chi_square, 0.0, "declared")
    if model.weight_tail_index is not None and model.weight_tail_index <= 2.0:
        return ChiSquare(math.inf, 0.0, "declared")
    weights = weights_of(model)
    if weights is not None:
        return ChiSquare(weights.chi_square, 0.0, "quadrature")
    return _pilot(ByContent(model))


@lru_cache(maxsize=32)
def _pilot(key: ByContent) -> ChiSquare:
    """From the first two moments; the error by the influence of each weight on their ratio."""
    model = key.model
    if model.data is not None:
        return ChiSquare(math.nan, 0.0, "pilot")
    generator = np.random.default_rng(0)
    shape = (_PILOT, model.noise_dim)
    noise = generator.standard_normal(shape) if model.noise == "normal" else generator.random(shape)
    log_weight = log_weights_at(model, noise)
    top = float(np.max(log_weight))
    if not math.isfinite(top) or np.isnan(log_weight).any():
        return ChiSquare(math.nan, 0.0, "pilot")
    weight = np.exp(log_weight - top)
    weight /= weight.mean()
    second = float(np.mean(weight**2))
    influence = weight**2 - second - 2.0 * second * (weight - 1.0)
    return ChiSquare(second - 1.0, float(np.std(influence)) / math.sqrt(_PILOT), "pilot")
