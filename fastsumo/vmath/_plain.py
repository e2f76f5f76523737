"""What the processor does in one or two instructions: sqrt, fabs, minimum, maximum.

What needs a polynomial is elsewhere.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fastsumo.jit import bits
from fastsumo.jit.bits import select
from fastsumo.jit.options import inlined
from fastsumo.vmath._call import compiled_as, elementwise


@inlined
def _sqrt(x):
    return bits.sqrt(x)


@inlined
def _fabs(x):
    return bits.fabs(x)


@inlined
def _minimum(x, y):
    return select((x < y) | (x != x), x, y)


@inlined
def _maximum(x, y):
    return select((x > y) | (x != x), x, y)


def sqrt(x: ArrayLike) -> Any:
    """Square root.

    Parameters
    ----------
    x : float or array_like
        At least 0.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `x`.

    Notes
    -----
    Correctly rounded, by the processor. sqrt(-0.0) = -0.0, sqrt(inf) = inf, NaN below zero, never a warning.

    Examples
    --------
    >>> sqrt(2)
    1.4142135623730951
    """
    return elementwise(_sqrt, x)


def fabs(x: ArrayLike) -> Any:
    """Absolute value.

    Parameters
    ----------
    x : float or array_like
        Any real number.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `x`.

    Notes
    -----
    Exact; fabs(-0.0) = 0.0.

    Examples
    --------
    >>> fabs(-2)
    2.0
    """
    return elementwise(_fabs, x)


def minimum(x: ArrayLike, y: ArrayLike) -> Any:
    """The smaller of two numbers.

    Parameters
    ----------
    x, y : float or array_like
        Any real numbers.

    Returns
    -------
    float or numpy.ndarray
        float64, of the broadcast shape.

    Notes
    -----
    Exact. NaN where either is NaN, as in NumPy.

    Examples
    --------
    >>> minimum(1, 2)
    1.0
    """
    return elementwise(_minimum, x, y)


def maximum(x: ArrayLike, y: ArrayLike) -> Any:
    """The larger of two numbers.

    Parameters
    ----------
    x, y : float or array_like
        Any real numbers.

    Returns
    -------
    float or numpy.ndarray
        float64, of the broadcast shape.

    Notes
    -----
    Exact. NaN where either is NaN, as in NumPy.

    Examples
    --------
    >>> maximum(1, 2)
    2.0
    """
    return elementwise(_maximum, x, y)


compiled_as(sqrt, _sqrt)
compiled_as(fabs, _fabs)
compiled_as(minimum, _minimum)
compiled_as(maximum, _maximum)
