"""The logarithm of the gamma function, without a branch or a table.

Other special functions are elsewhere.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fastsumo.jit.bits import fabs, fma, rint, select
from fastsumo.jit.options import inlined
from fastsumo.vmath._call import compiled_as, elementwise
from fastsumo.vmath._logarithm import _LN2_HIGH, _LN2_LOW, _log, _log1p_parts, _split_any
from fastsumo.vmath._polynomial import polynomial
from fastsumo.vmath._trigonometric import _sincos_turns

_INF = float("inf")
_EULER = 0.5772156649015329
_LOG_PI = 1.1447298858494002
_STIRLING_CONSTANT = 0.4189385332046727  # (log(2 pi) - 1) / 2
_FAR = 8.0  # from here on by Stirling's series

# (lgamma(2 + t) - (1 - Euler) t) / t**2 for |t| <= 1/2; 2**-58
_NEAR_TWO = (
    0.3224670334241132,
    -0.0673523010531981,
    0.02058080842778338,
    -0.007385551028673429,
    0.002890510330865901,
    -0.00119275391176255,
    0.0005096695196526673,
    -0.00022315475602710603,
    9.945761692157133e-05,
    -4.492628637818162e-05,
    2.050601970174762e-05,
    -9.43891959627718e-06,
    4.3828545383846665e-06,
    -2.043022895180944e-06,
    9.242852225162277e-07,
    -4.3454173670260496e-07,
    2.7475390051909663e-07,
    -1.3029870239068415e-07,
)
# x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2) in 1 / x**2 for x >= 8; 2**-54
_STIRLING = (
    0.0833333333333333,
    -0.002777777777606244,
    0.0007936506649488252,
    -0.0005952025951802712,
    0.0008372834512071336,
    -0.0016526004455595122,
)


@inlined
def _factor(y, k, j):
    """``y - j`` for ``j <= k``, else 1."""
    return select(j > k, 1.0, y - j)


@inlined
def _lgamma_positive(x):
    """For ``x > 0``; NaN stays NaN, and 0 gives a meaningless number."""
    far = x >= _FAR
    y = select(far, _FAR, x)
    # y = 2 + k + t, |t| <= 1/2: Gamma(y) is Gamma(2 + t) times, or below 1.5 over, a product p.
    k = rint(y - 2.0)
    k = select(k < 0.0, 0.0, k)
    above = y - 2.0 - k
    p = (_factor(y, k, 1.0) * _factor(y, k, 2.0)) * (_factor(y, k, 3.0) * _factor(y, k, 4.0))
    p = p * (_factor(y, k, 5.0) * _factor(y, k, 6.0))
    low, tiny = y < 1.5, y < 0.5
    p = select(tiny, y * (y + 1.0), select(low, y, p))
    t = select(tiny, y, select(low, y - 1.0, above))
    e, f = _split_any(select(far, x, p))
    half, rest = _log1p_parts(f)
    sign = select(low, -1.0, 1.0)
    # Beside 1, log(p) = log(1 + t) has t in common with (1 - Euler) t: there t - f is 0, or exact.
    beside_one = low & (y >= 0.5)
    slope = select(beside_one, -_EULER, 1.0 - _EULER)
    whole = fma(sign * e, _LN2_HIGH, sign * f + select(beside_one, t, 0.0))
    small = fma(e, _LN2_LOW, rest) - half
    near = fma(t, fma(t, polynomial(t, _NEAR_TWO), slope), whole + sign * small)
    inverse = 1.0 / x
    log_less_one = fma(e, _LN2_HIGH, f - 1.0) + small
    series = fma(inverse, polynomial(inverse * inverse, _STIRLING), _STIRLING_CONSTANT)
    beyond = fma(x - 0.5, log_less_one, series)
    return select(far, beyond, near)


@inlined
def _lgamma(x):
    size = fabs(x)
    negative = x < 0.0
    value = _lgamma_positive(select(negative, 1.0 - x, x))
    # Gamma(x) Gamma(1 - x) = pi / sin(pi x), by the distance from the nearest integer
    distance = fabs(size - rint(size))
    small, sine = distance < 1e-9, _sincos_turns(0.5 * distance)[0]  # pi x where it is small, down to subnormal x
    mirrored = select(small, 0.0, _LOG_PI) - _log(select(small, distance, sine)) - value
    pole = (x <= 0.0) & (distance == 0.0)
    return select(pole | (size == _INF), _INF, select(negative, mirrored, value))


def lgamma(x: ArrayLike) -> Any:
    """Logarithm of the absolute value of the gamma function.

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
    Error below 4 ulp for ``x > 0``, also beside the zeros at 1 and 2. Below 0 the function has a zero between any two
    of its poles, and the error is below 3 ulp of the largest of the result, ``log(pi / |sin(pi x)|)`` and
    ``lgamma(1 - x)``. lgamma(0) = lgamma(-1) = ... = inf, lgamma(±inf) = inf. Method: from 8 on Stirling's series;
    below, a step by step shift to [1.5, 2.5] and a polynomial of degree 19; below 0 the reflection.

    Examples
    --------
    >>> lgamma(1.0), lgamma(0.5)
    (0.0, 0.5723649429247001)
    """
    return elementwise(_lgamma, x)


compiled_as(lgamma, _lgamma)
