"""From (trial, sample) pairs in a worker's buffer to weights as ``mantissa * 2**power``, checked on the way."""

import numpy as np

from fastsumo.kernels._jit import device
from fastsumo.kernels.job import BAD_WEIGHT, OK, RAISED, STOPPED
from fastsumo.kernels.weights import call_log_weights
from fastsumo.vmath import _exp_parts

_LARGEST = np.finfo(np.float64).max


@device
def weigh(job, work, n):
    """Evaluate the first ``n`` pairs of the buffer. The status, with the trial of an error in ``work.report``."""
    status = call_log_weights(
        job.address,
        work.trials.ctypes.data,
        work.samples.ctypes.data,
        n,
        job.key,
        job.numbers.ctypes.data,
        job.row.ctypes.data,
        work.log_weight.ctypes.data,
    )
    if status != 0:
        return _fail(work, RAISED, work.trials[0])
    if job.stop[0] != 0:
        return STOPPED
    log_weight, mantissa, power = work.log_weight, work.mantissa, work.power
    bad = 0
    for i in range(n):
        bad += not (log_weight[i] <= _LARGEST)
        mantissa[i], power[i] = _exp_parts(log_weight[i])
    if bad:
        for i in range(n):
            if not (log_weight[i] <= _LARGEST):
                return _fail(work, BAD_WEIGHT, work.trials[i])
    return OK


@device
def _fail(work, status, trial):
    work.report[0], work.report[1] = status, np.int64(trial)
    return status
