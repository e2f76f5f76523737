"""``P(K >= k)`` of a law of `K`, and its reciprocal: for NumPy, and for compiled code. Written here and nowhere else.

``k**-power`` up to ``head``, then a factor ``exp(log_decay)`` for each further step; or a table. The reciprocal is the
same formula with the opposite ``power`` and ``log_decay``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks, exact
from fastsumo.base.floats import own_errstate
from fastsumo.jit.options import inlined
from fastsumo.trial.plan import FINITE_HEAD, Law
from fastsumo.vmath import _log_positive, exp

Floats = NDArray[np.float64]

_STEEPEST = 1e290  # decay that is safe to multiply by 0 and by any K; exp of it is 0 all the same


@own_errstate
def survival(law: Law, k: ArrayLike) -> Floats:
    """``P(K >= k)``: 1 for ``k <= 1``, 0 beyond the cap; between whole numbers the formula's value.

    Examples
    --------
    >>> survival(Law(1.0, np.inf, 0.0, 4, np.empty(0)), [0, 1, 2, 4, 5])
    array([1.  , 1.  , 0.5 , 0.25, 0.  ])
    """
    terms = np.maximum(checks.floats("k", k), 1.0)
    return np.where(terms > law.cap, 0.0, uncapped(law, terms))


@own_errstate
def uncapped(law: Law, k: Floats) -> Floats:
    """`survival` for ``k >= 1`` as if nothing capped the formula; a table goes on with its last value."""
    if law.table.size:
        return law.table[np.minimum(k, law.cap).astype(np.int64) - 1]
    return _formula(k, law.power, law.head, max(law.log_decay, -_STEEPEST))


@own_errstate
def reciprocals(law: Law, size: int) -> Floats:
    """``1 / P(K >= j)`` for ``j = 0 .. size - 1``, as if nothing capped the formula; 1 for ``j = 0``, past a table."""
    if law.table.size:
        out = np.ones(size)
        known = min(law.table.size, size - 1)
        out[1 : known + 1] = 1.0 / law.table[:known]
        return out
    return _reciprocals(law.power, law.head, law.log_decay, size)


@lru_cache(maxsize=64)
def _reciprocals(power: float, head: float, log_decay: float, size: int) -> Floats:
    terms = np.maximum(np.arange(size, dtype=np.float64), 1.0).tolist()
    found = np.array([_exact(k, power, head, -log_decay) for k in terms])
    found.flags.writeable = False
    return found


def exact_survival(law: Law, k: int) -> float:
    """`survival` at one whole number, as kernels are told it: correctly rounded.

    Examples
    --------
    >>> law = Law(1.0, np.inf, 0.0, 4, np.empty(0))
    >>> exact_survival(law, 1), exact_survival(law, 3), exact_survival(law, 5)
    (1.0, 0.3333333333333333, 0.0)
    """
    if k > law.cap or law.table.size:
        return 0.0 if k > law.cap else float(law.table[max(k, 1) - 1])
    return _exact(float(max(k, 1)), -law.power, law.head, law.log_decay)


def _exact(k: float, power: float, head: float, log_decay: float) -> float:
    """`_formula` at one number, correctly rounded."""
    beyond = max(k - head, 0.0)
    return exact.power_product(min(k, head), power, beyond * log_decay if beyond > 0.0 else 0.0)


def _formula(k: Floats, power: float, head: float, log_decay: float) -> Floats:
    beyond = np.maximum(k - head, 0.0)
    with np.errstate(invalid="ignore"):  # of 0 times an infinite decay, where the head goes on
        return np.minimum(k, head) ** -power * np.exp(np.where(beyond > 0.0, beyond * log_decay, 0.0))


@inlined
def reciprocal(law: Any, j: float) -> Any:
    """``1 / P(K >= j)`` for ``j >= 1`` in compiled code, of whatever has ``power``, ``head`` and ``log_decay``."""
    weight = min(j, law.head)
    if law.power != 1.0:
        weight = exp(law.power * _log_positive(weight))
    if law.head < FINITE_HEAD:
        beyond = max(j - law.head, 0.0)
        weight *= exp(-beyond * law.log_decay) if beyond > 0.0 else 1.0
    return weight
