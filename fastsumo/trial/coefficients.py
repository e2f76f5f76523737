"""What the log of each prefix counts in a trial of SUMO, in compiled code: by numbers that every engine is told."""

from __future__ import annotations

from typing import Any

from fastsumo.jit.bits import float_bits
from fastsumo.jit.memory import floats
from fastsumo.jit.options import device, inlined
from fastsumo.trial.sizes import SHORT
from fastsumo.trial.survival import reciprocal

TINY, HUGE = 2.0**-1000, 2.0**1000  # a product of prefixes beyond has lost digits


@inlined
def is_harmonic(params: Any, j: Any) -> Any:
    """Whether the log of the prefix after increment ``j`` has the coefficient -1: it goes into the product."""
    return params.product and float(j) <= params.head - 1.0


@inlined
def leaves_head(params: Any, j: Any) -> Any:
    """Whether ``j``, which is not harmonic, is the first such: the product is turned into a sum of logs."""
    return params.product and float(j) <= params.head


@inlined
def is_empty(product: Any) -> Any:
    """Whether a product is that of a trial whose first prefix has no weight; it keeps its sign, even as a zero."""
    return float_bits(product) < 0


@device
def coefficient_of(params: Any, j: Any) -> Any:
    """Of the log of the prefix after increment ``j``, inside a short trial."""
    reciprocals = floats(params.reciprocal_at, SHORT + 2)
    return reciprocals[j] - reciprocals[j + 1]


@device
def reciprocal_any(params: Any, j: Any) -> Any:
    """``1 / P(K >= j)`` within the cap, any law; 1 for ``j = 0``."""
    if j < 1:
        return 1.0
    if params.table_size:
        return 1.0 / floats(params.table_at, params.table_size)[min(j, params.table_size) - 1]
    return reciprocal(params, float(j))


@inlined
def inverse_of(params: Any, n: Any) -> Any:
    """``1 / n`` for a whole number up to `SHORT`, without a division."""
    return floats(params.reciprocal_at, 2 * SHORT + 3)[SHORT + 2 + n]
