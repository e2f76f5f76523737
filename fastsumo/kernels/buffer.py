"""From (trial, sample) pairs in a worker's buffer to weights, checked on the way."""

from numba import int64

from fastsumo.kernels._jit import device, inlined
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
from fastsumo.kernels.lazy import is_plain
from fastsumo.kernels.memory import floats, ints, words
from fastsumo.kernels.weights import FAILED, NOT_PLAIN, call_weights
from fastsumo.vmath import _pow2

_FAR = 1000.0  # powers of 2


@device
def weigh(job, work, n):
    """Weights of the first ``n`` pairs of the buffer as plain numbers. The status, `WIDE` if some are not plain."""
    return weigh_samples(job, work, work + TRIALS, n)


@device
def weigh_samples(job, work, trials_at, n):
    """`weigh` where the trials of the pairs are elsewhere than in the buffer, but not their samples."""
    return _call(job.address, job, work, trials_at, n, work + WEIGHT)


@device
def evaluate(job, work, n):
    """Mantissas and powers of the first ``n`` pairs of the buffer. The status; `WIDE` if nothing is compiled for it."""
    return _evaluate_samples(job, work, work + TRIALS, n)


@device
def _evaluate_samples(job, work, trials_at, n):
    """`evaluate` where the trials of the pairs are elsewhere than in the buffer."""
    return _call(job.any_address, job, work, trials_at, n, work + MANTISSA) if job.any_address else WIDE


@device
def weigh_any(job, work, n):
    """Weights of any scale: mantissas and powers, and numbers that are plain where the weight is.

    The status, with the trial of an error in the report; `WIDE` if some are not plain.
    """
    return weigh_any_samples(job, work, work + TRIALS, n)


@device
def weigh_any_samples(job, work, trials_at, n):
    """`weigh_any` where the trials of the pairs are elsewhere than in the buffer."""
    mantissa, power, weight = floats(work + MANTISSA, n), floats(work + POWER, n), floats(work + WEIGHT, n)
    status = _evaluate_samples(job, work, trials_at, n)
    if status != OK:
        return status
    bad, wide, shift = 0, 0, job.shift
    for i in range(n):
        bad += not (mantissa[i] >= 0.0)
        weight[i] = as_plain(mantissa[i], power[i] - shift)
        wide += not (is_plain(weight[i]))
    if bad:
        for i in range(n):
            if not (mantissa[i] >= 0.0):
                ints(work + REPORT, 2)[0] = int64(words(trials_at, n)[i])
                return BAD_WEIGHT
    return WIDE if wide else OK


@inlined
def as_plain(mantissa, power):
    """The same bits as the plain weight where there is one; no plain number where there is none."""
    return mantissa * _pow2(max(min(power, _FAR), -_FAR))


@device
def _call(address, job, work, trials_at, n, result_at):
    """Call the model's function for ``n`` trials and the first ``n`` samples of the buffer. The status."""
    report, samples_at = ints(work + REPORT, 2), work + SAMPLES
    where = job.key, job.numbers_at, job.row_at, job.shift
    found = call_weights(address, trials_at, samples_at, n, *where, result_at, work + POWER)
    if report[1]:
        return STOPPED
    if found == FAILED:
        report[0] = int64(words(trials_at, 1)[0])
        return RAISED
    return WIDE if found == NOT_PLAIN else OK
