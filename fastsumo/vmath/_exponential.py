"""The exponential family, without a branch or a table: exp, exp2, expm1, tanh, sigmoid.

`_exp_parts` and `_pow2` are the unscaled halves that sums of weights use. What takes a logarithm is
elsewhere.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fastsumo.jit.bits import bits_float, fabs, float_bits, fma
from fastsumo.jit.options import inlined
from fastsumo.vmath._call import compiled_as, elementwise
from fastsumo.vmath._polynomial import polynomial

_INF = float("inf")
_SIGN = -0x8000000000000000
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471805599453  # all 53 bits: one fma of it, an integer and x is exact near a multiple
_LN2_LOW = 2.3190468138462996e-17
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits of the sum

# (exp(r) - 1 - r) / r**2 on |r| <= 0.347; exp to 2**-57.9
_EXP = (
    0.5000000000000011,
    0.1666666666666641,
    0.04166666666652895,
    0.008333333333495781,
    0.0013888888943995232,
    0.00019841269504596997,
    2.4801492679555365e-05,
    2.755758733361777e-06,
    2.7630410836102003e-07,
    2.50000188268404e-08,
)
# (2**r - 1 - r log 2) / r**2 on |r| <= 1/2; 2**r to 2**-58
_EXP2 = (
    0.2402265069591013,
    0.055504108664820084,
    0.009618129107594122,
    0.001333355814677474,
    0.00015403530457108885,
    1.5252733493021979e-05,
    1.3215435283933465e-06,
    1.0178199613129043e-07,
    7.0737829670346495e-09,
    4.4347654445445993e-10,
)


@inlined
def _clamp(x, low, high):
    """``x`` limited to ``[low, high]``; NaN stays NaN."""
    x = low if x < low else x
    return high if x > high else x


@inlined
def _pow2(n):
    """Exactly ``2**n`` for integral ``n <= 1023``; 0 below -1022."""
    n = -1023.0 if n < -1023.0 else n
    return bits_float(float_bits(n + (_ROUND + 1023.0)) << 52)


@inlined
def _scale(f, shifted):
    """``f * 2**n`` for ``shifted = n + _ROUND``, ``|n| < 2000``; rounded once, also to subnormals and inf."""
    biased = float_bits(shifted) + 2 * 1023
    half = biased >> 1
    return f * bits_float(half << 52) * bits_float((biased - half) << 52)


@inlined
def _expm1_fraction(r):
    """``exp(r) - 1`` for ``|r| <= log(2) / 2``."""
    return fma(r * r, polynomial(r, _EXP), r)


@inlined
def _exp_parts(x):
    """``(f, n)`` with ``exp(x) = f * 2**n``, ``f`` in [0.65, 1.5], ``n`` integral and unlimited.

    ``x`` beyond ±2**50, where neighbouring doubles differ by more than 0.1, counts as ±2**50; -inf gives
    ``f = 0`` and ``n`` about -2**50.5; inf and NaN are the caller's.
    """
    y = _clamp(x, -1125899906842624.0, 1125899906842624.0)
    n = fma(y, _LOG2_E, _ROUND) - _ROUND
    f = 1.0 + _expm1_fraction(fma(-n, _LN2_LOW, fma(-n, _LN2_HIGH, y)))
    return (0.0 if x == -_INF else f), n


@inlined
def _exp_over(x, n, limit):
    """``exp(x) / 2**n`` with the digits of `_exp_parts`; ``x`` is limited to ``limit <= 1000`` powers of 2 around it.

    NaN stays NaN. ``n`` is integral, ``|n| < 2**40``.
    """
    y = _clamp(x, (n - limit) * _LN2_HIGH, (n + limit) * _LN2_HIGH)
    shifted = fma(y, _LOG2_E, _ROUND)
    whole = shifted - _ROUND
    q = _expm1_fraction(fma(-whole, _LN2_LOW, fma(-whole, _LN2_HIGH, y)))
    scale = bits_float(float_bits(shifted + (1023.0 - n)) << 52)
    return fma(scale, q, scale)


@inlined
def _expm1_sum(high, low):
    """``(q, n + _ROUND)`` with ``exp(high + low) = (1 + q) * 2**n``; ``|high| < 2000``, ``low`` tiny."""
    shifted = fma(high, _LOG2_E, _ROUND)
    n = shifted - _ROUND
    return _expm1_fraction(fma(-n, _LN2_HIGH, high) + fma(-n, _LN2_LOW, low)), shifted


@inlined
def _exp(x):
    y = _clamp(x, -746.0, 710.5)
    shifted = fma(y, _LOG2_E, _ROUND)
    n = shifted - _ROUND
    h = fma(-n, _LN2_HIGH, y)
    r = fma(-n, _LN2_LOW, h)
    # h is exact; what 1 + h and r round off goes into the small last term.
    f = 1.0 + h
    rest = fma(-n, _LN2_LOW, (1.0 - f) + h)
    return _scale(f + fma(r * r, polynomial(r, _EXP), rest), shifted)


@inlined
def _exp2(x):
    y = _clamp(x, -1076.0, 1025.0)
    shifted = y + _ROUND
    r = y - (shifted - _ROUND)
    f = fma(r, _LN2_HIGH, 1.0)
    rest = fma(r, _LN2_HIGH, 1.0 - f)
    return _scale(f + fma(r * r, polynomial(r, _EXP2), rest), shifted)


@inlined
def _expm1_reduced(y):
    """``(h, rest, half)`` with ``exp(y) = 2 half (1 + h + rest)``, ``h`` exact; ``|y| <= 709.8``."""
    shifted = fma(y, _LOG2_E, _ROUND)
    n = shifted - _ROUND
    h = fma(-n, _LN2_HIGH, y)
    r = fma(-n, _LN2_LOW, h)
    half = bits_float((float_bits(shifted) + 1022) << 52)  # 2**(n - 1), for n may be 1024
    return h, r, half


@inlined
def _expm1(x):
    h, r, half = _expm1_reduced(_clamp(x, -50.0, 709.8))
    # h is exact; what rounding it off left in r goes into the small last term.
    rest = fma(r * r, polynomial(r, _EXP), r - h)
    result = 2.0 * fma(half, rest, fma(half, h, half - 0.5))
    return x if fabs(x) < 1e-16 else result  # keeps -0 and the last bit of subnormals


@inlined
def _tanh(x):
    y = -2.0 * fabs(x)
    _, r, half = _expm1_reduced(_clamp(y, -50.0, 0.0))
    t = 2.0 * fma(half, _expm1_fraction(r), half - 0.5)
    t = y if fabs(y) < 1e-16 else t
    return bits_float(float_bits(-t / (t + 2.0)) ^ (float_bits(x) & _SIGN))


@inlined
def _sigmoid(x):
    e = _exp(-fabs(x))
    return (1.0 if x >= 0.0 else e) / (1.0 + e)


def exp(x: ArrayLike) -> Any:
    """``e**x``.

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
    Error below 1 ulp. exp(-inf) = 0, exp(inf) = inf; overflow gives inf, underflow a rounded subnormal or 0.
    Method: reduction by multiples of log 2 and a polynomial of degree 11 found by Remez exchange.

    Examples
    --------
    >>> exp(1.0)
    2.718281828459045
    """
    return elementwise(_exp, x)


def exp2(x: ArrayLike) -> Any:
    """``2**x``.

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
    Error below 1 ulp, exact for integers. Overflow gives inf, underflow a rounded subnormal or 0. Method: the
    fraction of `x` by a polynomial of degree 11, its integer as an exponent.

    Examples
    --------
    >>> exp2(-3)
    0.125
    """
    return elementwise(_exp2, x)


def expm1(x: ArrayLike) -> Any:
    """``e**x - 1``, accurate near 0.

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
    Error below 2 ulp. expm1(-inf) = -1, expm1(inf) = inf, expm1(-0.0) = -0.0. Method: as `exp`, the 1 taken
    off before the last rounding.

    Examples
    --------
    >>> expm1(1e-20)
    1e-20
    """
    return elementwise(_expm1, x)


def tanh(x: ArrayLike) -> Any:
    """Hyperbolic tangent.

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
    Error below 3 ulp. tanh(±inf) = ±1, tanh(-0.0) = -0.0. Method: ``-t / (t + 2)`` with ``t = expm1(-2
    |x|)``.

    Examples
    --------
    >>> tanh(20.0)
    1.0
    """
    return elementwise(_tanh, x)


def sigmoid(x: ArrayLike) -> Any:
    """The logistic function ``1 / (1 + exp(-x))``.

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
    Error below 3 ulp, also in the lower tail down to subnormal numbers. sigmoid(-inf) = 0, sigmoid(inf) = 1.
    Method: the exponential of ``-|x|``, which cannot overflow.

    Examples
    --------
    >>> sigmoid(0.0)
    0.5
    """
    return elementwise(_sigmoid, x)


compiled_as(exp, _exp)
compiled_as(exp2, _exp2)
compiled_as(expm1, _expm1)
compiled_as(tanh, _tanh)
compiled_as(sigmoid, _sigmoid)
