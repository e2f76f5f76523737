"""Trigonometry, without a branch or a table: sin, cos, tan, and sine with cosine of an angle in turns.

Nothing here knows of random numbers, whose Box-Muller angles are its main use.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fastsumo.jit.bits import bits_float, fabs, float_bits, fma, select
from fastsumo.jit.options import inlined
from fastsumo.vmath._call import compiled_as, elementwise
from fastsumo.vmath._polynomial import polynomial

_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits of the sum
_TWO_OVER_PI = 0.6366197723675814
# pi / 2 in three doubles, 160 bits (Cody and Waite 1980; fma keeps their products whole).
_NAN = float("nan")
_HALF_PI_1, _HALF_PI_2, _HALF_PI_3 = 1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33
_LARGEST = 35184372088832.0  # 2**45: beyond, the nearest quarter turn is no longer found

# (sin(t) - t) / t**3 and (cos(t) - 1 + t**2 / 2) / t**4 in t**2 for |t| <= pi / 4; 2**-57.9 and 2**-64
_SIN = (
    -0.1666666666666663,
    0.008333333333322063,
    -0.00019841269829542628,
    2.7557313604555563e-06,
    -2.5050745044560973e-08,
    1.5896067988792077e-10,
)
_COS = (
    0.041666666666666595,
    -0.0013888888888872978,
    2.4801587288800472e-05,
    -2.7557314164095516e-07,
    2.087569872373069e-09,
    -1.1358424263509425e-11,
)
# sin(2 pi t) / t and (cos(2 pi t) - 1) / t**2 in t**2 for |t| <= 1/8; 2**-54.5 and 2**-53.8
_SIN_TURNS = (
    6.283185307179586,
    -41.34170224039859,
    81.60524927516164,
    -76.70585948847776,
    42.05865827919348,
    -15.092277999430273,
    3.748221458827714,
)
_COS_TURNS = (
    -19.739208802178485,
    64.93939402238883,
    -85.45681709387233,
    60.244620322363936,
    -26.42426317895774,
    7.810312492686489,
)


@inlined
def _sincos_octant(t, quarter):
    """sin and cos of ``t + quarter * pi / 2`` for ``|t| <= pi / 4``; ``quarter`` counts modulo 4."""
    z = t * t
    s = fma(z * t, polynomial(z, _SIN), t)
    c = fma(z, fma(z, polynomial(z, _COS), -0.5), 1.0)
    return _turned(s, c, quarter)


@inlined
def _turned(s, c, quarter):
    """Sine and cosine of an angle plus ``quarter`` right angles."""
    swap = (quarter & 1) != 0
    sine = select(swap, c, s)
    cosine = select(swap, s, c)
    sine = bits_float(float_bits(sine) ^ ((quarter & 2) << 62))
    cosine = bits_float(float_bits(cosine) ^ (((quarter + 1) & 2) << 62))
    return sine, cosine


@inlined
def _sincos_turns(u):
    """``(sin(2 pi u), cos(2 pi u))`` for ``0 <= u < 1``; the reduction to an octant is exact."""
    shifted = fma(u, 4.0, _ROUND)
    t = fma(shifted - _ROUND, -0.25, u)
    z = t * t
    return _turned(t * polynomial(z, _SIN_TURNS), fma(z, polynomial(z, _COS_TURNS), 1.0), float_bits(shifted))


@inlined
def _sincos(x):
    """``(sin(x), cos(x))`` for ``|x| <= 2**45``, except the sign of ``sin(-0)``."""
    shifted = fma(x, _TWO_OVER_PI, _ROUND)
    k = shifted - _ROUND
    t = fma(-k, _HALF_PI_3, fma(-k, _HALF_PI_2, fma(-k, _HALF_PI_1, x)))
    return _sincos_octant(t, float_bits(shifted))


@inlined
def _in_range(x, result):
    """``result``, or NaN where the reduction of ``x`` has failed."""
    return select(fabs(x) <= _LARGEST, result, _NAN)


@inlined
def _sin(x):
    return _in_range(x, select(fabs(x) < 1e-9, x, _sincos(x)[0]))


@inlined
def _cos(x):
    return _in_range(x, _sincos(x)[1])


@inlined
def _tan(x):
    shifted = fma(x, _TWO_OVER_PI, _ROUND)
    k = shifted - _ROUND
    first = fma(-k, _HALF_PI_1, x)  # exact
    product = k * _HALF_PI_2
    t = first - product
    part = first - t
    low = (first - (t + part)) + (part - product)  # what rounding t took off (Knuth's two-sum), and then the rest
    low = fma(-k, _HALF_PI_3, low - fma(k, _HALF_PI_2, -product))
    z = t * t
    s = t + fma(z * t, polynomial(z, _SIN), low)
    c = 1.0 + fma(z, fma(z, polynomial(z, _COS), -0.5), -t * low)
    odd = (float_bits(shifted) & 1) != 0
    quotient = select(odd, -c, s) / select(odd, s, c)
    return _in_range(x, select(fabs(x) < 1e-9, x, quotient))


def sin(x: ArrayLike) -> Any:
    """Sine of an angle in radians.

    Parameters
    ----------
    x : float or array_like
        ``|x| <= 2**45`` (3.5e13); NaN beyond, rather than a wrong number.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `x`.

    Notes
    -----
    Error below 2 ulp on the whole domain, also beside the zeros. sin(-0.0) = -0.0, sin(±inf) = NaN. Never
    beyond ±1. Method: Cody-Waite reduction to ``|t| <= pi / 4`` with ``pi / 2`` in three parts, then
    polynomials of degree 13 and 14.

    Examples
    --------
    >>> sin(0.5)
    0.479425538604203
    """
    return elementwise(_sin, x)


def cos(x: ArrayLike) -> Any:
    """Cosine of an angle in radians.

    Parameters
    ----------
    x : float or array_like
        ``|x| <= 2**45`` (3.5e13); NaN beyond, rather than a wrong number.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `x`.

    Notes
    -----
    Error below 2 ulp on the whole domain, also beside the zeros. cos(±inf) = NaN. Never beyond ±1. Method: as
    `sin`; in one expression the two share all their work.

    Examples
    --------
    >>> cos(0.0)
    1.0
    """
    return elementwise(_cos, x)


def tan(x: ArrayLike) -> Any:
    """Tangent of an angle in radians.

    Parameters
    ----------
    x : float or array_like
        ``|x| <= 2**45`` (3.5e13); NaN beyond, rather than a wrong number.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `x`.

    Notes
    -----
    Error below 4 ulp on the whole domain. tan(-0.0) = -0.0, tan(±inf) = NaN. Method: the quotient of `sin`
    and `cos`.

    Examples
    --------
    >>> tan(0.0)
    0.0
    """
    return elementwise(_tan, x)


compiled_as(sin, _sin)
compiled_as(cos, _cos)
compiled_as(tan, _tan)
