"""Arithmetic of Taylor's series of a log around a number, in compiled code, for every engine."""

from __future__ import annotations

from typing import Any

from fastsumo.jit.bits import floor, fma
from fastsumo.jit.memory import floats
from fastsumo.jit.options import device, inlined, kernel
from fastsumo.trial.coefficients import reciprocal_any
from fastsumo.trial.ranges import LOG_2
from fastsumo.trial.sizes import SHORT
from fastsumo.vmath import exp


@kernel
def scale_of(log_center, block):
    """The shift of linear weights, and what the sum of a block of them is multiplied by: ``1 / (block c)``."""
    shift = floor(log_center / LOG_2)
    return shift, exp(fma(shift, LOG_2, -log_center)) / block


@inlined
def factor_of_block(params: Any, total: float) -> Any:
    """``1 - total / (block c)`` from the sum of a block of linear weights."""
    return fma(-total, params.inverse_center, 1.0)


@device
def term_of(params: Any, k: Any) -> Any:
    """What the product of ``k`` factors counts: ``1 / (k P(K >= k))``."""
    if k < SHORT + 2:
        return floats(params.reciprocal_at, SHORT + 2)[k]
    return reciprocal_any(params, k) / k
