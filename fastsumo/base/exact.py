"""Elementary functions of single numbers, correctly rounded: the same bits under any libm and any NumPy.

For the few numbers that the host works out for kernels. They are found with 34 digits by `decimal`, in whole-number
arithmetic, and rounded once; that takes some microseconds. Many numbers at a time are a matter of `vmath`; their sum is
here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_DIGITS = Context(prec=34, Emax=MAX_EMAX, Emin=MIN_EMIN)
_TINY = 1e-17  # relative to 1, where log1p and expm1 round to their argument
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582")
_STIRLING = ((-1, 8), (1, 192), (-1, 640), (17, 14336), (-31, 18432))  # of log Gamma(a + 1/2) - log Gamma(a), in 1 / a
_LARGE = 40  # from where on that series has twenty digits


def exp(x: float) -> float:
    """``e**x``; 0 or infinite beyond what a float64 holds.

    Examples
    --------
    >>> exp(1.0), exp(-math.inf), exp(1000.0)
    (2.718281828459045, 0.0, inf)
    """
    if not abs(x) < 800.0:
        return x if math.isnan(x) else (math.inf if x > 0.0 else 0.0)
    return float(_DIGITS.exp(Decimal(x)))


def expm1(x: float) -> float:
    """``e**x - 1``.

    Examples
    --------
    >>> expm1(1e-20), expm1(-math.inf)
    (1e-20, -1.0)
    """
    if abs(x) < _TINY or not abs(x) < 800.0:
        return x if abs(x) < _TINY else exp(x) - 1.0
    return float(_DIGITS.subtract(_DIGITS.exp(Decimal(x)), Decimal(1)))


def log(x: float) -> float:
    """Natural logarithm of a positive number; of 0 it is ``-inf``.

    Examples
    --------
    >>> log(2.0), log(0.0), log(math.inf)
    (0.6931471805599453, -inf, inf)
    """
    return float(_DIGITS.ln(Decimal(x)))


def log1p(x: float) -> float:
    """``log(1 + x)``; of -1 it is ``-inf``.

    Examples
    --------
    >>> log1p(-0.5), log1p(1e-20), log1p(-1.0)
    (-0.6931471805599453, 1e-20, -inf)
    """
    return x if abs(x) < _TINY else float(_DIGITS.ln(_DIGITS.add(Decimal(1), Decimal(x))))


def log_product(numbers: Iterable[float]) -> float:
    """Log of a product of positive numbers, which may leave the range of a float64.

    Examples
    --------
    >>> log_product([2.0**1000] * 4 + [2.0**-1000] * 4 + [2.0])
    0.6931471805599453
    """
    product = Decimal(1)
    for number in numbers:
        product = _DIGITS.multiply(product, Decimal(number))
    return float(_DIGITS.ln(product))


def total(numbers: NDArray[np.float64]) -> float:
    """What `math.fsum` gives of finite numbers below 1e300, in a fifth of the time.

    The leading digits of all, down to one and the same power of 2, add without rounding; then the next ones do (Rump,
    Ogita & Oishi, SIAM J. Sci. Comput. 31, 2008, section 3).

    Examples
    --------
    >>> total(np.array([1e100, 1.0, -1e100, 1e-300])), total(np.full(10, 0.1))
    (1.0, 1.0)
    """
    heads, rest = [], numbers
    while (largest := float(np.abs(rest).max(initial=0.0))) > 0.0:
        above = math.ldexp(1.0, math.frexp(largest)[1] + rest.size.bit_length())
        head = rest + above - above
        heads.append(float(head.sum()))
        rest = rest - head
    return math.fsum(heads)


@lru_cache(maxsize=1024)
def power_product(x: float, power: float, exponent: float) -> float:
    """``x**power * e**exponent`` of a positive number, rounded once.

    Examples
    --------
    >>> power_product(3.0, 1.0, 0.0), power_product(4.0, -0.5, 0.0), power_product(1.0, 1.0, math.inf)
    (3.0, 0.5, inf)
    """
    if power in (0.0, 1.0) and exponent == 0.0:
        return x if power else 1.0
    if math.isinf(exponent):
        return math.inf if exponent > 0.0 else 0.0
    log_of = _DIGITS.fma(Decimal(power), _DIGITS.ln(Decimal(x)), Decimal(exponent))
    return float(_DIGITS.exp(log_of)) if abs(log_of) < 800 else exp(math.copysign(math.inf, log_of))


@lru_cache(maxsize=1024)
def log_student(df: float, dim: int) -> float:
    """``log Gamma((df + dim) / 2) - log Gamma(df / 2) - dim / 2 log(pi df)``: what normalises a Student t density.

    Every two dimensions give a factor ``(df + 2 j) / (2 pi df)``. For the last of an odd number,
    ``log Gamma(a + 1/2) - log Gamma(a)`` by Stirling's series, from an ``a`` that is made large by
    ``Gamma(a + 1) = a Gamma(a)``.

    Examples
    --------
    >>> log_student(1.0, 1), -math.log(math.pi)
    (-1.1447298858494002, -1.1447298858494002)
    """
    c, freedom, factor, series = _DIGITS, Decimal(df), Decimal(1), Decimal(0)
    per_pair = c.multiply(2 * _PI, freedom)
    for j in range(dim // 2):
        factor = c.multiply(factor, c.divide(c.add(freedom, 2 * j), per_pair))
    if dim % 2:
        a = c.divide(c.add(freedom, dim - 1), 2)
        while a < _LARGE:
            factor = c.multiply(factor, c.divide(a, c.add(a, Decimal("0.5"))))
            a = c.add(a, 1)
        factor = c.multiply(factor, c.sqrt(c.divide(a, c.multiply(_PI, freedom))))
        for n, (above, below) in enumerate(_STIRLING):
            series = c.add(series, c.divide(Decimal(above), c.multiply(below, c.power(a, 2 * n + 1))))
    return float(c.add(c.ln(factor), series))
