"""`logsumexp` over an array, a tuple or a loop: one exponential a term, one logarithm at the end, and no array made.

Sums of weights as the engine takes them are elsewhere.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from fastsumo.jit.bits import fabs
from fastsumo.jit.options import INLINED, inlined, kernel
from fastsumo.vmath._call import as_float64, compiled_as
from fastsumo.vmath._exponential import _exp
from fastsumo.vmath._logarithm import log

_INF = float("inf")


@inlined
def _step(top, term):
    """``(new top, factor, weight)``: the sum over ``exp(new top)`` is ``factor`` times that over ``exp(top)``, plus
    ``weight``.
    """
    gap = 0.0 if top == term else fabs(top - term)  # inf - inf has no difference
    e, up = _exp(-gap), term > top
    return (term if up else top), (e if up else 1.0), (1.0 if up else e)


def _log_sum_step(top, term):
    """`_step` for compiled code, lanes included (see `lifted.py`)."""
    raise NotImplementedError("compiled code only")


compiled_as(_log_sum_step, _step)


def logsumexp(terms: Any, count: int | None = None, *arguments: Any) -> Any:
    """``log(sum(exp(term)))`` without overflow: of an array, a tuple, or the terms that a function gives in a loop.

    Parameters
    ----------
    terms : array_like, or callable ``(k, *arguments) -> float``
        One-dimensional; compiled code also takes a tuple. A function, which needs ``numba.njit`` where a model uses it,
        gives term ``k``: a mixture with any number of components needs no array, and stays SIMD.
    count : int, optional
        For a function: how many terms, ``k = 0, ..., count - 1``.
    *arguments
        Passed on to it.

    Returns
    -------
    float

    Notes
    -----
    Error below 2 ulp of the largest of ``|largest term|``, ``log(count)`` and the result, plus ``count`` times 2^-53.
    -inf for no terms and where all are -inf, inf where one is, NaN where one is NaN. Method: the sum relative to the
    largest term so far, in the order of the terms.

    Examples
    --------
    >>> logsumexp([1000.0, 1000.0]) == 1000.0 + log(2.0)
    True
    >>> logsumexp(lambda k, x: -0.5 * (x - k) ** 2, 3, 1.0) == logsumexp([-0.5, 0.0, -0.5])
    True
    """
    if callable(terms):
        values = [terms(k, *arguments) for k in range(_checked_count(count))]
    elif count is None and not arguments:
        values = terms
    else:
        raise TypeError("logsumexp takes one array, or a function, how many terms it gives, and its arguments")
    array = as_float64(values)
    if array.ndim != 1:
        raise ValueError(f"logsumexp takes one dimension, got an array of shape {array.shape}")
    return float(_loop(np.require(array, np.float64, ["C", "A", "W"])))


def _checked_count(count: Any) -> int:
    if isinstance(count, (bool, np.bool_)) or not isinstance(count, (int, np.integer)) or count < 0:
        raise TypeError(f"logsumexp of a function needs how many terms there are, got {count!r}")
    return int(count)


@kernel
def _loop(x):
    top, total = -_INF, 0.0
    for i in range(x.size):
        top, factor, weight = _step(top, x[i])
        total = total * factor + weight
    return top + log(total)


@overload(logsumexp, jit_options=INLINED)
def _logsumexp(terms, count=None, *arguments):
    if isinstance(terms, types.Dispatcher) and isinstance(count, types.Integer):

        def over_loop(terms, count=None, *arguments):
            top, total = -_INF, 0.0
            for k in range(count):
                top, factor, weight = _log_sum_step(top, terms(k, *arguments))
                total = total * factor + weight
            return top + log(total)

        return over_loop
    if count not in (None, types.none) and not isinstance(count, types.Omitted):
        return None
    if (isinstance(terms, types.Array) and terms.ndim == 1) or isinstance(terms, types.UniTuple):

        def over_array(terms, count=None, *arguments):
            top, total = -_INF, 0.0
            for i in range(len(terms)):
                top, factor, weight = _log_sum_step(top, terms[i])
                total = total * factor + weight
            return top + log(total)

        return over_array
    return None
