"""The two ranges of weights: linear, where a weight is one number, and extended, where it is a mantissa and a power.

In the linear range a weight is kept as ``weight / 2**shift`` in one float64, with the ``shift`` of its run, and so are
sums and ratios of weights. In the extended range it is ``mantissa * 2**power``, which no log weight overflows. Where
both exist they have the same digits, since powers of 2 round nothing. How they are made is in `lazy_sums.py`.
"""

import math

import numpy as np
from numba import uint32, uint64
from numpy.typing import NDArray

from fastsumo.jit.bits import fabs, float_bits
from fastsumo.jit.options import inlined
from fastsumo.vmath import _pow2

LOG_2 = 0.6931471805599453
RANGE = 300.0  # powers of 2 around the shift, up and down, for which weights, their sums and ratios are linear
SMALLEST_LINEAR, LARGEST_LINEAR = 2.0**-RANGE, 2.0**RANGE
_FAR = 1000.0  # powers of 2
_SAFE_BITS = 61  # of a float64: those that its exponent changes in 2**9 powers of 2, and those below
_SAFE = uint64((1023 - 255) << 52)  # the bits of the first of these, which are well within the range
NO_RANGE = uint32(0xFFFFFFFF), uint32(0)
_LOWEST, _HIGHEST = uint32(((1023 - int(RANGE)) << 20) - 1), uint32((1023 + int(RANGE)) << 20)
LARGEST_SHIFT = 2.0**40  # beyond, log weights have too few digits for linear weights
FURTHEST = 2.0**500  # log weights are at most so far from 0, so that squares of them are numbers


@inlined
def is_log_weight(x):
    """Whether a trial can have the log weight: not NaN, nor +inf, nor a finite number beyond `FURTHEST`."""
    return (fabs(x) <= FURTHEST) | (x == -math.inf)


def are_log_weights(x: NDArray[np.float64]) -> NDArray[np.bool_]:
    """`is_log_weight` of each number of an array, in Python."""
    return (np.abs(x) <= FURTHEST) | (x == -np.inf)


@inlined
def is_linear(weight):
    """Whether a weight over ``2**shift`` is in the linear range; NaN is not, 0 is."""
    return ((weight >= SMALLEST_LINEAR) | (weight == 0.0)) & (weight <= LARGEST_LINEAR)


@inlined
def widened(lowest, highest, weight):
    """The range of weights so far, and one more: upper halves of their bits, the lower end less 1, so that 0 is none.

    For a GPU, where comparing float64 costs as much as adding them. It begins with `NO_RANGE`.
    """
    high = uint32(float_bits(weight) >> 32)
    below = uint32(high - uint32(1))
    return (below if below < lowest else lowest), (high if high > highest else highest)


@inlined
def are_linear(lowest, highest):
    """Whether all weights of a range are linear; the very largest that is counts as none."""
    return (lowest >= _LOWEST) & (highest < _HIGHEST)


@inlined
def marks_of(weight):
    """Bits of which the upper ones are 0 for most of the linear range; in two instructions, and for none outside it."""
    return uint64(float_bits(weight)) - _SAFE


@inlined
def is_safely_linear(marks):
    """Whether all weights are in the linear range, if the marks of any ("or") say so; where not, `count_outside`."""
    return marks >> uint64(_SAFE_BITS) == 0


@inlined
def count_outside(weights):
    """How many weights are not in the linear range."""
    found = 0
    for i in range(weights.size):
        found += not (is_linear(weights[i]))
    return found


@inlined
def to_linear(mantissa, power):
    """The bits of the linear weight where there is one, with the power relative to the shift; else nothing linear."""
    return mantissa * _pow2(max(min(power, _FAR), -_FAR))
