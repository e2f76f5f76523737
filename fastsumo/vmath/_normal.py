"""The normal law and the error functions, without a branch or a table: erf, erfc, normal_cdf, normal_log_pdf.

Other distributions are elsewhere.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fastsumo.jit.bits import bits_float, fabs, float_bits, fma, select
from fastsumo.jit.options import inlined
from fastsumo.vmath._call import compiled_as, elementwise
from fastsumo.vmath._exponential import _expm1_sum, _scale
from fastsumo.vmath._polynomial import polynomial

_SIGN = -0x8000000000000000
_HALF_LOG_TWO_PI = 0.9189385332046728

# (t + 4) erfcx(t) in (t - 4) / (t + 4) for 0 <= t <= 28; 2**-58
_ERFCX = (
    1.095995661000491,
    -0.9765487290808821,
    0.7732087022652367,
    -0.5408538313132247,
    0.3308515878780293,
    -0.17401093724029548,
    0.07638151490901529,
    -0.02637005333457135,
    0.0061120556583018504,
    -0.00028095891580446285,
    -0.0004550526988821451,
    0.00017681308306670404,
    -3.6351098460532585e-06,
    -1.8861759337845492e-05,
    4.694235767492346e-06,
    1.4260062603897906e-06,
    -8.458771623195567e-07,
    -7.781653886345201e-08,
    1.2385717712900172e-07,
    2.4521538484724357e-09,
    -1.5396265356905203e-08,
    -3.194948882700165e-10,
    1.0394681756698392e-09,
)
# (t + 5.5) M(t) in (t - 5.5) / (t + 5.5) for 0 <= t <= 39.6, M(t) = exp(t**2 / 2) normal_cdf(-t); 2**-57.6
_MILLS = (
    0.7737696342764068,
    -0.6851834205743381,
    0.5355964890624949,
    -0.3670490652936195,
    0.21787243285794433,
    -0.10970308995872943,
    0.045097580815220334,
    -0.013923510565438254,
    0.0024429826709546935,
    0.0002696039979880201,
    -0.0003245226296571714,
    7.141487139954474e-05,
    1.6319900199845785e-05,
    -1.2118987108227155e-05,
    4.465306753167869e-07,
    1.4840981171180958e-06,
    -2.679991997741535e-07,
    -1.7796473158234253e-07,
    5.036759115654895e-08,
    2.3262221504805347e-08,
    -5.621335757498343e-09,
    -2.698824233534837e-09,
    -4.435784384937428e-11,
)
# erf(t) / t in t**2 for |t| <= 1/2; 2**-57.8
_ERF = (
    1.1283791670955126,
    -0.37612638903183465,
    0.11283791670924813,
    -0.02686617063271574,
    0.005223977370326539,
    -0.0008548297524464964,
    0.00012053324318751822,
    -1.4845583895635687e-05,
    1.4723217159602895e-06,
)


@inlined
def _upper(t, scale, offset, coefficients):
    """``exp(-scale t**2) P(y) / (t + offset)`` with ``y = (t - offset) / (t + offset)``; ``t >= 0``."""
    # The rounding error of t**2 is worth hundreds of ulp in exp(-t**2): fma finds it and exp takes it along.
    square = t * t
    q, shifted = _expm1_sum(-scale * square, -scale * fma(t, t, -square))
    inverse = 1.0 / (t + offset)
    decay = polynomial(fma(t + t, inverse, -1.0), coefficients) * inverse
    return _scale(fma(q, decay, decay), shifted)


@inlined
def _erfc(x):
    t = fabs(x)
    t = select(t > 28.0, 28.0, t)
    tail = _upper(t, 1.0, 4.0, _ERFCX)
    near = fma(-x, polynomial(x * x, _ERF), 1.0)
    far = select(x > 0.0, tail, 2.0 - tail)
    return select(t < 0.5, near, far)


@inlined
def _erf(x):
    t = fabs(x)
    t = select(t > 28.0, 28.0, t)
    value = select(t < 0.5, t * polynomial(t * t, _ERF), 1.0 - _upper(t, 1.0, 4.0, _ERFCX))
    return bits_float(float_bits(value) | (float_bits(x) & _SIGN))


@inlined
def _lower_half(x):
    """``normal_cdf(-|x|)``."""
    t = fabs(x)
    return _upper(select(t > 39.5, 39.5, t), 0.5, 5.5, _MILLS)


@inlined
def _normal_cdf(x):
    tail = _lower_half(x)
    return select(x > 0.0, 1.0 - tail, tail)


@inlined
def _normal_log_pdf(x):
    return fma(-0.5 * x, x, -_HALF_LOG_TWO_PI)


def erf(x: ArrayLike) -> Any:
    """The error function ``2 / sqrt(pi) * integral of exp(-t**2) from 0 to x``.

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
    Error below 3 ulp. erf(±inf) = ±1, erf(-0.0) = -0.0. Method: an odd polynomial of degree 17 for ``|x| <
    1/2``, one minus `erfc` beyond.

    Examples
    --------
    >>> erf(0.0)
    0.0
    """
    return elementwise(_erf, x)


def erfc(x: ArrayLike) -> Any:
    """``1 - erf(x)``, accurate in the upper tail.

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
    Error below 5 ulp, also in the tail down to subnormal numbers. erfc(-inf) = 2, erfc(inf) = 0. Method:
    ``exp(-x**2) erfcx(x)`` with ``x**2`` in two parts and ``(x + 4) erfcx(x)`` a polynomial in ``(x - 4) / (x
    + 4)`` (M. M. Shepherd and J. G. Laframboise, Math. Comp. 36, 1981).

    Examples
    --------
    >>> erfc(0.0)
    1.0
    """
    return elementwise(_erfc, x)


def normal_cdf(x: ArrayLike) -> Any:
    """Distribution function of the standard normal law.

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
    Error below 5 ulp, relative also in the lower tail down to subnormal numbers (``x`` about -38.4).
    normal_cdf(-inf) = 0, normal_cdf(inf) = 1. Method: as `erfc`, with a polynomial of its own.

    Examples
    --------
    >>> normal_cdf(-40.0), normal_cdf(40.0)
    (0.0, 1.0)
    """
    return elementwise(_normal_cdf, x)


def normal_log_pdf(x: ArrayLike) -> Any:
    """Log density of the standard normal law, ``-x**2 / 2 - log(2 pi) / 2``.

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
    Error below 2 ulp. normal_log_pdf(±inf) = -inf.

    Examples
    --------
    >>> normal_log_pdf(0.0)
    -0.9189385332046728
    """
    return elementwise(_normal_log_pdf, x)


compiled_as(erf, _erf)
compiled_as(erfc, _erfc)
compiled_as(normal_cdf, _normal_cdf)
compiled_as(normal_log_pdf, _normal_log_pdf)
