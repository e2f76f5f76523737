"""Sums of float64 without rounding, so that statistics merge exactly in any order and any grouping.

A sum is a row of int64 limbs of 32 bits each, together one integer multiple of ``2**-1074``: every float64 is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numba import int64
from numpy.typing import NDArray

from fastsumo.jit.bits import float_bits
from fastsumo.jit.memory import ints
from fastsumo.jit.options import device, inlined

_UNIT = 1074  # sums are integer multiples of 2^-1074
LIMBS = 68  # 2098 bits of a float64's range, and 78 bits of room above
SUM_BYTES = 8 * LIMBS
_LOW = int64(0xFFFFFFFF)
_MANTISSA = int64((1 << 52) - 1)


@inlined
def digits_of(x):
    """Where the lowest of three limbs lies that ``x`` adds to, and what it adds; -1 for infinite and NaN ``x``."""
    bits = float_bits(x)
    biased = (bits >> 52) & 0x7FF
    mantissa = (bits & _MANTISSA) | (int64(1 << 52) if biased > 0 else int64(0))
    place = max(biased, 1) - 1
    limb, shift = place >> 5, place & 31
    low, high = (mantissa & _LOW) << shift, (mantissa >> 32) << shift
    sign = 1 if bits >= 0 else -1
    middle = (low >> 32) + (high & _LOW)
    return (limb if biased < 0x7FF else int64(-1)), sign * (low & _LOW), sign * middle, sign * (high >> 32)


@device
def deposit(sum_at, x):
    """Add ``x`` to the sum at an address, exactly. Whether it could: an infinite or NaN ``x`` cannot be added."""
    limbs = ints(sum_at, LIMBS)
    limb, low, middle, high = digits_of(x)
    if limb < 0:
        return False
    limbs[limb] += low
    limbs[limb + 1] += middle
    limbs[limb + 2] += high
    return True


@device
def move(sum_at, to):
    """Move a sum to where there is zero, or back to where it is, in digits: limbs of 32 bits, and all of its sign.

    Returns the first limb that is not zero, and the one after the last. To be called before 2^30 deposits.
    """
    source, target = ints(sum_at, LIMBS), ints(to, LIMBS)
    begin, end, over = 0, LIMBS, int64(0)
    while begin < end and source[begin] == 0:
        begin += 1
    while begin < end and source[end - 1] == 0:
        end -= 1
    for limb in range(begin, end):
        over = (source[limb] + over) >> 32
    sign, over, limb = int64(-1 if over < 0 else 1), int64(0), begin
    low, high = LIMBS, 0
    while limb < LIMBS and (limb < end or over != 0):
        value = sign * source[limb] + over
        digit, over = value & _LOW, value >> 32
        source[limb] = 0
        target[limb] = sign * digit
        if digit != 0:
            low, high = min(low, limb), limb + 1
        limb += 1
    return low, high


class Digits(NamedTuple):
    """Sums of which most are zero: ``sums[rows, low : low + width] = digits``, each digit with the sign of its sum."""

    rows: NDArray[np.int64]  # ascending
    low: int
    digits: NDArray[np.int64]

    def between(self, first: int, end: int) -> Digits:
        """Those of the rows ``first .. end - 1``, numbered from 0."""
        inside = slice(*np.searchsorted(self.rows, (first, end)))
        return Digits(self.rows[inside] - first, self.low, self.digits[inside])

    def rounded(self, size: int) -> NDArray[np.float64]:
        """All ``size`` sums as float64."""
        values = np.zeros(size)
        values[self.rows] = rounded(self.digits, self.low)
        return values


def exact_value(limbs: Sequence[int], low: int = 0) -> Fraction:
    """The sum that limbs from limb ``low`` on spell, in digits or not."""
    total = 0
    for limb in reversed(limbs):
        total = (total << 32) + limb
    above = 32 * low - _UNIT
    return Fraction(total << above) if above >= 0 else Fraction(total, 1 << -above)


def to_float(x: Fraction) -> float:
    """Correctly rounded, infinite where float64 ends."""
    try:
        return float(x)
    except OverflowError:
        return np.inf if x > 0 else -np.inf


def rounded(sums: NDArray[np.int64], low: int = 0) -> NDArray[np.float64]:
    """Exact sums as float64, one for each row of limbs from limb ``low`` on."""
    *shape, width = sums.shape
    rows = sums.reshape(math.prod(shape), width).tolist()
    values = [to_float(exact_value(row, low)) if any(row) else 0.0 for row in rows]
    return np.array(values, np.float64).reshape(shape)
