"""From (trial, sample) pairs in a worker's buffer to weights as ``mantissa * 2**power``, checked on the way."""

import numpy as np
from numba import int64

from fastsumo.kernels._jit import device
from fastsumo.kernels.job import (
    BAD_WEIGHT,
    LOG_WEIGHT,
    MANTISSA,
    OK,
    POWER,
    RAISED,
    REPORT,
    SAMPLES,
    STOPPED,
    TRIALS,
)
from fastsumo.kernels.memory import floats, ints, words
from fastsumo.kernels.weights import call_log_weights
from fastsumo.vmath import _exp_parts

_LARGEST = np.finfo(np.float64).max


@device
def weigh(job, work, n):
    """Evaluate the first ``n`` pairs of the buffer. The status, with the trial of an error in the report."""
    log_weight, report = floats(work + LOG_WEIGHT, n), ints(work + REPORT, 2)
    mantissa, power = floats(work + MANTISSA, n), floats(work + POWER, n)
    trials, samples = work + TRIALS, work + SAMPLES
    raised = call_log_weights(
        job.address, trials, samples, n, job.key, job.numbers_at, job.row_at, work + LOG_WEIGHT
    )
    if report[1]:
        return STOPPED
    if raised:
        report[0] = int64(words(trials, 1)[0])
        return RAISED
    bad = 0
    for i in range(n):
        bad += not (log_weight[i] <= _LARGEST)
        mantissa[i], power[i] = _exp_parts(log_weight[i])
    if bad:
        for i in range(n):
            if not (log_weight[i] <= _LARGEST):
                report[0] = int64(words(trials, n)[i])
                return BAD_WEIGHT
    return OK
