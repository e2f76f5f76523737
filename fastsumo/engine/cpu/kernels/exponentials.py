"""From log weights to weights, in place: for the linear range or for the extended one, see `trial/ranges.py`.

What comes from a model is one log weight a sample, or two, of which the weight is the sum of exponentials.
"""

from numba import uint64

from fastsumo.engine.cpu.kernels.log_weights import TWO
from fastsumo.engine.status import EXTENDED, OK
from fastsumo.jit.bits import fabs
from fastsumo.jit.memory import floats
from fastsumo.jit.options import apart, device
from fastsumo.trial.lazy_sums import extended_of_number, extended_of_sum, linear_of_number
from fastsumo.trial.ranges import LARGEST_SHIFT, count_outside, is_safely_linear, marks_of


@device
def linear_weights(first_at, second_at, terms, n, shift):
    """The first numbers become weights over ``2**shift``. `EXTENDED` if some are not in the linear range."""
    if not fabs(shift) < LARGEST_SHIFT:
        return EXTENDED
    weight, marks = floats(first_at, n), uint64(0)
    _exponentials(first_at, n, shift)
    if terms == TWO:
        other = floats(second_at, n)
        _exponentials(second_at, n, shift)
        for i in range(n):
            weight[i] += other[i]
    for i in range(n):
        marks |= marks_of(weight[i])
    return OK if is_safely_linear(marks) or count_outside(weight) == 0 else EXTENDED


@apart
def _exponentials(at, n, shift):
    weight = floats(at, n)
    for i in range(n):
        weight[i] = linear_of_number(weight[i], shift)


@apart
def extended_weights(first_at, second_at, terms, n, shift):
    """The first numbers become mantissas, the second ones powers; unchecked: NaN is a mantissa. `OK`."""
    mantissa, power = floats(first_at, n), floats(second_at, n)
    if terms == TWO:
        for i in range(n):
            mantissa[i], power[i] = extended_of_sum(mantissa[i], power[i])
    else:
        for i in range(n):
            mantissa[i], power[i] = extended_of_number(mantissa[i])
    return OK
