"""A model's function at points of the caller's choice, compiled; the engine itself draws its points (`weights.py`).

For tuning, where the same points count under many proposals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastsumo.engine.cpu.kernels.weights import compiled
from fastsumo.engine.faults import compiling
from fastsumo.errors import ModelError
from fastsumo.models.proof import Proof

if TYPE_CHECKING:
    from fastsumo.models.model import Model


def values_at(model: Model, points: np.ndarray) -> np.ndarray:
    """The function of a model without data at points (n, dim): the log weight, or the log density with a proposal.

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled, raises, or gives NaN or +inf; names the point.
    """
    out = model.values(points) if model.vectorized else _compiled_values(model, points)
    bad = ~(out <= np.finfo(np.float64).max)
    if bad.any():
        at = points[int(np.argmax(bad))]
        raise ModelError(
            f"model {model.name!r} returned {out[bad][0]} at {at.tolist()}; allowed are finite numbers and -inf"
        )
    return out


def _compiled_values(model: Model, points: np.ndarray) -> np.ndarray:
    with compiling(model):
        found = compiled(model, Proof(model))
    out = found.values_at(points)
    if out is None:
        at = next(each for each in points if found.values_at(each[None]) is None)
        raise ModelError(f"model {model.name!r} raised {_raised(model, at)} at {at.tolist()}")
    return out


def _raised(model: Model, point: np.ndarray) -> str:
    """What the plain function raises at a point, in words."""
    try:
        model.values(point[None])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "an exception"
