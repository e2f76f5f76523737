"""Sums of float64 without rounding, so that statistics merge exactly in any order and any grouping.

A sum is a row of int64 limbs of 32 bits each, together one integer multiple of ``2**-1074``: every float64 is one.
"""

import numpy as np
from numba import int64

from fastsumo.jit.bits import float_bits
from fastsumo.jit.memory import ints
from fastsumo.jit.options import device, inlined, kernel

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


@kernel
def carry(sums_at, to, rows):
    """Move so many sums to where there is zero, or back to where they are, every limb but the last in 32 bits again.

    The sums are unchanged by that; where they were there is zero. To be called before 2^30 deposits.
    """
    for row in range(rows):
        source, target = ints(sums_at + row * SUM_BYTES, LIMBS), ints(to + row * SUM_BYTES, LIMBS)
        limb, end = 0, LIMBS
        while limb < end and source[limb] == 0:
            limb += 1
        while limb < end and source[end - 1] == 0:
            end -= 1
        over = int64(0)
        while limb < LIMBS - 1 and (limb < end or over != 0):
            value = source[limb] + over
            source[limb], target[limb], over = 0, value & _LOW, value >> 32
            limb += 1
        if limb == LIMBS - 1:
            value = source[limb] + over
            source[limb], target[limb] = 0, value


def carried(sums: np.ndarray) -> np.ndarray:
    """Sums, one a row, carried in place."""
    carry(sums.ctypes.data, sums.ctypes.data, sums.shape[0])
    return sums
