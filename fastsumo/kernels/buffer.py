"""From (trial, sample) pairs in a worker's buffer to weights, checked on the way."""

from numba import int64

from fastsumo.kernels._jit import device
from fastsumo.kernels.bits import fabs
from fastsumo.kernels.job import (
    BAD_WEIGHT,
    MANTISSA,
    OK,
    POWER,
    RAISED,
    REPORT,
    SAMPLES,
    STOPPED,
    TRIALS,
    WEIGHT,
    WIDE,
)
from fastsumo.kernels.memory import floats, ints, words
from fastsumo.kernels.weights import call_weights
from fastsumo.vmath import _pow2

RANGE = 300.0  # powers of 2 around the shift in which weights, their sums and ratios are plain float64 numbers


@device
def weigh(job, work, n):
    """Evaluate the first ``n`` pairs of the buffer, as mantissas and powers and as plain numbers.

    The status, with the trial of an error in the report; `WIDE` if some weight is not within `RANGE`.
    """
    report, weight = ints(work + REPORT, 2), floats(work + WEIGHT, n)
    mantissa, power = floats(work + MANTISSA, n), floats(work + POWER, n)
    status = evaluate(job, work, n)
    if status != OK:
        return status
    bad, wide, shift = 0, 0, job.shift
    for i in range(n):
        f, p = mantissa[i], power[i] - shift
        bad += not (f >= 0.0)
        wide += (fabs(p) > RANGE) & (f > 0.0)
        weight[i] = f * _pow2(min(p, RANGE))
    if bad:
        for i in range(n):
            if not (mantissa[i] >= 0.0):
                report[0] = int64(words(work + TRIALS, n)[i])
                return BAD_WEIGHT
    return WIDE if wide else OK


@device
def evaluate(job, work, n):
    """Mantissas and powers of the first ``n`` pairs of the buffer. The status."""
    report = ints(work + REPORT, 2)
    raised = call_weights(
        job.address,
        work + TRIALS,
        work + SAMPLES,
        n,
        job.key,
        job.numbers_at,
        job.row_at,
        work + MANTISSA,
        work + POWER,
    )
    if report[1]:
        return STOPPED
    if raised:
        report[0] = int64(words(work + TRIALS, 1)[0])
        return RAISED
    return OK
