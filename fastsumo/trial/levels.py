"""Arithmetic of dyadic levels, in compiled code: what a level's difference counts, and the difference itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastsumo.jit.memory import floats
from fastsumo.jit.options import inlined
from fastsumo.trial.sizes import SHORT
from fastsumo.vmath import _log_positive


@inlined
def factor_of(params: Any, level: Any, terms: Any) -> Any:
    """What the difference of a level counts in a trial of `K` terms."""
    k = level + 1 - params.first
    return 0.0 if params.single and k != terms else floats(params.reciprocal_at, SHORT + 2)[k]


@inlined
def difference(a: float, b: float, gap: float) -> Any:
    """`D` from the sums of the halves and ``b - a``; -inf where a half has no weight at all."""
    total = a + b
    r = gap / total
    q = r * r
    near = q < 0.25
    x = 1.0 - q if near else 4.0 * (a / total) * (b / total)
    lost = ((1.0 - x) - q) / x if near else 0.0
    d = -0.5 * (_log_positive(x) + lost)
    return d if (a > 0.0) & (b > 0.0) else -np.inf
