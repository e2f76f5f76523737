"""Logarithms, without a branch or a table: log, log2, log10, log1p, logaddexp, softplus, log_sigmoid.

`_log_positive` is `log` without its edges, for numbers known to be positive and normal.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fastsumo.jit.bits import bits_float, fabs, float_bits, fma, select, unsigned_shift
from fastsumo.jit.options import inlined
from fastsumo.vmath._call import compiled_as, elementwise
from fastsumo.vmath._exponential import _exp
from fastsumo.vmath._polynomial import polynomial

_INF = float("inf")
_NAN = float("nan")
_SIGN = -0x8000000000000000
_LN2_HIGH = 0.6931471805599453
_LN2_LOW = 2.3190468138462996e-17
_LOG2_E_HIGH, _LOG2_E_LOW = 1.4426950408889634, 2.0355273740931033e-17
_LOG10_E_HIGH, _LOG10_E_LOW = 0.4342944819032518, 1.098319650216765e-17
_LOG10_2_HIGH, _LOG10_2_LOW = 0.30102999566383914, 1.42050232272661e-13
_ONE = 0x3FF0000000000000
_ROOT_HALF = 0x3FE6A09E667F3BCD
_MANTISSA = 0x000FFFFFFFFFFFFF

# (2 atanh(s) - 2 s) / s**3 in s**2 for |s| <= (sqrt 2 - 1) / (sqrt 2 + 1); the logarithm to 2**-63
_ATANH = (
    0.6666666666666734,
    0.39999999999414715,
    0.28571428742381255,
    0.22222198573753668,
    0.1818356429935961,
    0.15314051192626418,
    0.1479594453541166,
)
# -4 atanh(s) / s in s**2 on the same interval; 2**-59
_MINUS_FOUR_ATANH = (
    -4.0,
    -1.3333333333333468,
    -0.7999999999883414,
    -0.5714285748377123,
    -0.44444397244652467,
    -0.36367123751350605,
    -0.30628221912878545,
    -0.2959073090704241,
)
# As _ATANH for 0 <= s <= 1/3
_ATANH_WIDE = (
    0.6666666666666667,
    0.3999999999999398,
    0.28571428572510177,
    0.22222222125459845,
    0.18181823203363337,
    0.15384451920758221,
    0.13336806008593383,
    0.11715948634156477,
    0.10972580382794662,
    0.06994195913721829,
    0.16467717669583484,
)


@inlined
def _split(x):
    """``(e, f)`` with ``x = 2**e (1 + f)``, ``1 + f`` in [sqrt(1/2), sqrt(2)); x positive, normal, finite."""
    bits = float_bits(x) + (_ONE - _ROOT_HALF)
    # The exponent becomes the low bits of 2**52 + exponent: no conversion instruction, which AVX2 lacks.
    e = bits_float(unsigned_shift(bits, 52) | 0x4330000000000000) - 4503599627371519.0
    return e, bits_float((bits & _MANTISSA) + _ROOT_HALF) - 1.0


@inlined
def _log1p_parts(f):
    """``(half, rest)`` with ``log(1 + f) = f - half + rest`` for ``1 + f`` in [sqrt(1/2), sqrt(2))."""
    # log(1 + f) = 2 atanh(s) with s = f / (2 + f), and 2 s = f - s f.
    s = f / (f + 2.0)
    z = s * s
    half = 0.5 * f * f
    return half, s * fma(z, polynomial(z, _ATANH), half)


@inlined
def _log_sum(e, f):
    """``e * log(2) + log(1 + f)``."""
    half, rest = _log1p_parts(f)
    return fma(e, _LN2_HIGH, f - (half - fma(e, _LN2_LOW, rest)))


@inlined
def _log_positive(x):
    """log of a positive, normal, finite number; anything else gives a meaningless number."""
    e, f = _split(x)
    return _log_sum(e, f)


@inlined
def _minus_two_log(x):
    """``-2 log(x)`` of a number as `_log_positive` takes, within 3 ulp: the square of a Box-Muller radius."""
    e, f = _split(x)
    s = f / (f + 2.0)
    return fma(e, -2.0 * _LN2_HIGH, s * polynomial(s * s, _MINUS_FOUR_ATANH))


@inlined
def _log_of(x, n):
    """``log(x * 2**n)`` as `_log_positive`, for an integral ``n``: the same bits however the power is shared out."""
    e, f = _split(x)
    return _log_sum(e + n, f)


@inlined
def _split_any(x):
    """`_split` that takes subnormal numbers too."""
    tiny = x < 2.2250738585072014e-308
    e, f = _split(select(tiny, x * 18014398509481984.0, x))
    return select(tiny, e - 54.0, e), f


@inlined
def _log_edges(x, result):
    """``result`` where ``0 < x < inf``, else what a logarithm gives at 0, below it, at inf and NaN."""
    result = select(x < _INF, result, x)
    return select(x > 0.0, result, select(x == 0.0, -_INF, _NAN))


@inlined
def _log(x):
    e, f = _split_any(x)
    return _log_edges(x, _log_sum(e, f))


@inlined
def _log_scaled(whole, low, f, high_factor, low_factor):
    """``whole + low + log(1 + f) * (high_factor + low_factor)``, the two large terms added without loss."""
    half, rest = _log1p_parts(f)
    p = f * high_factor
    low += fma(f, high_factor, -p) + fma(f, low_factor, (rest - half) * high_factor)
    total = whole + p
    return total + (((whole - total) + p) + low)


@inlined
def _log2(x):
    e, f = _split_any(x)
    return _log_edges(x, _log_scaled(e, 0.0, f, _LOG2_E_HIGH, _LOG2_E_LOW))


@inlined
def _log10(x):
    e, f = _split_any(x)
    # 42 bits of log10(2) times an exponent are exact.
    return _log_edges(x, _log_scaled(e * _LOG10_2_HIGH, e * _LOG10_2_LOW, f, _LOG10_E_HIGH, _LOG10_E_LOW))


@inlined
def _log1p(x):
    u = 1.0 + x
    v = u - 1.0
    lost = (1.0 - (u - v)) + (x - v)  # u + lost == 1 + x exactly (Knuth's two-sum)
    bits = float_bits(u) + (_ONE - _ROOT_HALF)
    exponent = unsigned_shift(bits, 52)
    e = bits_float(exponent | 0x4330000000000000) - 4503599627371519.0
    f = bits_float((bits & _MANTISSA) + _ROOT_HALF) - 1.0
    # For e = 0 this sum is x itself, so no relative accuracy is lost near 0.
    f += lost * (0.5 * bits_float((2047 - exponent) << 52))  # 2**-e; e may be 1024
    result = _log_edges(u, _log_sum(e, f))
    return bits_float(float_bits(result) | (float_bits(x) & _SIGN))  # log1p(-0) is -0


@inlined
def _log1p_unit(e):
    """``log(1 + e)`` for ``0 <= e <= 1``."""
    s = e / (2.0 + e)
    z = s * s
    return fma(s * z, polynomial(z, _ATANH_WIDE), s + s)


@inlined
def _softplus(x):
    return select(x < 0.0, 0.0, x) + _log1p_unit(_exp(-fabs(x)))


@inlined
def _log_sigmoid(x):
    return -_softplus(-x)


@inlined
def _logaddexp(x, y):
    gap = select(x == y, 0.0, fabs(x - y))  # inf - inf has no difference
    top, e = select(x > y, x, y), _exp(-gap)
    # log(1 + e) = 2 atanh(s), s = e / (2 + e), in two parts: where the sum is near 0, each of its roundings counts.
    total = 2.0 + e
    s = e / total
    lost = fma(-s, total, e) - s * (e - (total - 2.0))
    z = s * s
    rest = fma(s * z, polynomial(z, _ATANH_WIDE), lost * (1.0 - s))  # 2 / (2 + e) = 1 - s
    large = s + s
    result = top + large
    part = result - top
    rest += (top - (result - part)) + (large - part)  # what rounding the sum took off (Knuth's two-sum)
    finite = result - result == 0.0
    return result + select(finite, rest, 0.0)


def log(x: ArrayLike) -> Any:
    """Natural logarithm.

    Parameters
    ----------
    x : float or array_like
        Positive; subnormal numbers included.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `x`.

    Notes
    -----
    Error below 1 ulp. log(0) = -inf, log(inf) = inf, NaN below zero, never a warning. Method: ``x = 2**e (1 +
    f)`` and ``log(1 + f) = 2 atanh(f / (2 + f))`` as an odd polynomial of degree 15.

    Examples
    --------
    >>> log(10.0)
    2.302585092994046
    """
    return elementwise(_log, x)


def log2(x: ArrayLike) -> Any:
    """Logarithm to base 2.

    Parameters
    ----------
    x : float or array_like
        Positive; subnormal numbers included.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `x`.

    Notes
    -----
    Error below 2 ulp, exact for powers of 2. log2(0) = -inf, log2(inf) = inf, NaN below zero. Method: as
    `log`, the factor ``1 / log(2)`` in two parts.

    Examples
    --------
    >>> log2(0.125)
    -3.0
    """
    return elementwise(_log2, x)


def log10(x: ArrayLike) -> Any:
    """Logarithm to base 10.

    Parameters
    ----------
    x : float or array_like
        Positive; subnormal numbers included.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `x`.

    Notes
    -----
    Error below 2 ulp, exact for 1, 10, ..., 1e22. log10(0) = -inf, log10(inf) = inf,
    NaN below zero. Method: as `log`, both factors in two parts.

    Examples
    --------
    >>> log10(1000)
    3.0
    """
    return elementwise(_log10, x)


def log1p(x: ArrayLike) -> Any:
    """``log(1 + x)``, accurate near 0.

    Parameters
    ----------
    x : float or array_like
        At least -1.

    Returns
    -------
    float or numpy.ndarray
        float64, of the shape of `x`.

    Notes
    -----
    Error below 2 ulp. log1p(-1) = -inf, log1p(inf) = inf, log1p(-0.0) = -0.0, NaN below -1. Method: as `log`;
    what rounding ``1 + x`` lost is found by Knuth's two-sum and put back into the reduced argument.

    Examples
    --------
    >>> log1p(1e-20)
    1e-20
    """
    return elementwise(_log1p, x)


def logaddexp(x: ArrayLike, y: ArrayLike) -> Any:
    """``log(exp(x) + exp(y))`` without overflow.

    Parameters
    ----------
    x, y : float or array_like
        Any real numbers, inf included.

    Returns
    -------
    float or numpy.ndarray
        float64, of the broadcast shape.

    Notes
    -----
    Error below 2 ulp of the largest of ``|x|``, ``|y|`` and the result; where the result is near 0 its two
    terms cancel, as in NumPy. logaddexp(-inf, y) = y, logaddexp(inf, y) = inf; NaN where either is NaN.
    Method: ``max(x, y) + log1p(exp(-|x - y|))``.

    Examples
    --------
    >>> logaddexp(1000.0, float("-inf"))
    1000.0
    """
    return elementwise(_logaddexp, x, y)


def softplus(x: ArrayLike) -> Any:
    """``log(1 + exp(x))``.

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
    Error below 3 ulp, also in the lower tail. softplus(-inf) = 0, softplus(inf) = inf. Method: ``max(x, 0) +
    log1p(exp(-|x|))``.

    Examples
    --------
    >>> softplus(-800.0), softplus(800.0)
    (0.0, 800.0)
    """
    return elementwise(_softplus, x)


def log_sigmoid(x: ArrayLike) -> Any:
    """``log(sigmoid(x)) = -softplus(-x)``.

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
    Error below 3 ulp. log_sigmoid(-inf) = -inf, log_sigmoid(inf) = -0.0. Method: as `softplus`.

    Examples
    --------
    >>> log_sigmoid(-800.0)
    -800.0
    """
    return elementwise(_log_sigmoid, x)


compiled_as(log, _log)
compiled_as(log2, _log2)
compiled_as(log10, _log10)
compiled_as(log1p, _log1p)
compiled_as(logaddexp, _logaddexp)
compiled_as(softplus, _softplus)
compiled_as(log_sigmoid, _log_sigmoid)
