"""Taylor's series of the log around a number c (Chopin, Crucinio & Singh 2024): trials side by side, long ones alone.

``log c - sum_{k=1..K} y_1 ... y_k / (k P(K >= k))`` with factors ``y = 1 - mean of a block of weights / c``: no
logarithm is taken. A weight far below c, or of zero, is as good as none beside 1, so what is outside the linear range
is made linear as well as a float64 can be. One far above c makes a product that no float64 holds; then there is no
value, and the run says so.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.engine.cpu.kernels.buffer import weigh_any, weigh_linear
from fastsumo.engine.cpu.kernels.columns import fold_sum
from fastsumo.engine.cpu.kernels.scratch import (
    BUFFER,
    block_sums_in,
    pair_samples_in,
    pair_trials_at,
    pair_trials_in,
    report_in,
    series_in,
    series_products_in,
    taylor_state_in,
    terms_in,
    trial_numbers_in,
    values_in,
    weights_at,
    weights_in,
)
from fastsumo.engine.cpu.kernels.short import sample_by_sample
from fastsumo.engine.status import BAD_VALUE, EXTENDED, OK
from fastsumo.jit.bits import fabs, fma
from fastsumo.jit.options import device
from fastsumo.trial.ranges import FURTHEST
from fastsumo.trial.segments import added
from fastsumo.trial.series import factor_of_block, term_of

# The state of a trial that runs alone: the product of its factors; the sum of the series and of the block at hand, each
# in two floats.
_PRODUCT, _SUM, _SUM_LOW, _PART, _PART_LOW, _STATE_SIZE = 0, 1, 2, 3, 4, 5


@device
def taylor_trials(params, scratch, short, n):
    """Values of the ``n`` trials of a tile, the first ``short`` sorted by falling `K`."""
    status = _run_linear(params, scratch, short)
    if status == EXTENDED:
        status = _run_any(params, scratch, short)
    if status != OK:
        return status
    trial, terms, values = trial_numbers_in(scratch, 0, n), terms_in(scratch, 0, n), values_in(scratch, 0, n)
    series, outside = series_in(scratch, 0, short), 0
    for i in range(short):
        value = params.log_center - series[i]
        outside += not (fabs(value) <= FURTHEST)
        values[i] = value
    for i in range(short, n):
        status = _alone(params, scratch, trial[i], terms[i])
        if status != OK:
            return status
        state = taylor_state_in(scratch, 0, _STATE_SIZE)
        values[i] = params.log_center - (state[_SUM] + state[_SUM_LOW])
        outside += not (fabs(values[i]) <= FURTHEST)
    if outside:
        for i in range(n):
            if not (fabs(values[i]) <= FURTHEST):
                report_in(scratch, 0, 2)[0] = int64(trial[i])
                return BAD_VALUE
    return OK


@device
def _add(params, scratch, sample, lane, n, offset):
    """Add a weight to the blocks of ``n`` lanes; where that ends them, go on with products and sums."""
    part, k = weights_in(scratch, offset, n), sample // params.block + 1
    if params.block > 1:
        weight, part, at = part, block_sums_in(scratch, lane, n), sample % params.block
        if at == 0:
            for i in range(n):
                part[i] = weight[i]
        else:
            for i in range(n):
                part[i] += weight[i]
        if at + 1 < params.block:
            return
    series, product = series_in(scratch, lane, n), series_products_in(scratch, lane, n)
    if k == 1:
        for i in range(n):
            product[i] = factor_of_block(params, part[i])
            series[i] = product[i]
        return
    coefficient = term_of(params, k)
    for i in range(n):
        product[i] *= factor_of_block(params, part[i])
        series[i] = fma(coefficient, product[i], series[i])


@device
def _alone(params, scratch, trial, terms):
    """Run a trial of any length; the sum of its series is in the state. The status.

    Once the product is 0, as that of a thousand factors mostly is, nothing is added any more, and no weight needed.
    """
    state = taylor_state_in(scratch, 0, _STATE_SIZE)
    for i in range(_STATE_SIZE):
        state[i] = 0.0
    state[_PRODUCT] = 1.0
    samples = params.block * terms
    for start in range(0, samples, BUFFER):
        n = min(BUFFER, samples - start)
        trials, numbers = pair_trials_in(scratch, 0, n), pair_samples_in(scratch, 0, n)
        for i in range(n):
            trials[i], numbers[i] = trial, uint64(start + i)
        status = weigh_linear(params, scratch, pair_trials_at(scratch, 0), n)
        if status == EXTENDED:
            status = weigh_any(params, scratch, pair_trials_at(scratch, 0), n)
        if status != OK:
            return status
        _take(params, scratch, state, start, n)
        if state[_PRODUCT] == 0.0 or not (fabs(state[_PRODUCT]) < np.inf):
            break
    return OK


@device
def _take(params, scratch, state, start, n):
    """Take ``n`` weights into the state; they are a trial's samples from number ``start`` on."""
    block, weight, done = params.block, weights_in(scratch, 0, n), 0
    product, high, low = state[_PRODUCT], state[_SUM], state[_SUM_LOW]
    while done < n:
        end = (start + done) // block + 1  # how many terms there are when this block has ended
        count = min(n - done, end * block - (start + done))
        total, rest = weight[done] if count == 1 else fold_sum(weights_at(scratch, done), count), 0.0
        done += count
        if block > 1:
            total, rest = added(state[_PART], state[_PART_LOW], total)
            if start + done < end * block:
                state[_PART], state[_PART_LOW] = total, rest
                break
            state[_PART], state[_PART_LOW] = 0.0, 0.0
        product *= factor_of_block(params, total + rest)
        high, low = added(high, low, term_of(params, end) * product)
    state[_PRODUCT], state[_SUM], state[_SUM_LOW] = product, high, low


_run_linear, _run_any = sample_by_sample(weigh_linear, _add), sample_by_sample(weigh_any, _add)
