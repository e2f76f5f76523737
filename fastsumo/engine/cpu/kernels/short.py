"""Short trials: one lane each, worked on together in the order of falling `K`, sample by sample.

Sample ``i`` is taken of every trial that has one: those are the first lanes, so no lane idles. With harmonic weights
``SUMO = K L_N - sum L_k`` over the interior prefixes: their logs are one log of a product.

All is in the linear range here. Where a weight of the tile is not, nothing here is right: the status is `EXTENDED`, and
the tile is for `extended.py`. Long trials are in `long.py`.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.engine.cpu.kernels.buffer import weigh_linear
from fastsumo.engine.cpu.kernels.scratch import (
    BUFFER,
    log_sums_in,
    pair_samples_in,
    pair_trials_at,
    pair_trials_in,
    pieces_in,
    products_in,
    terms_in,
    totals_in,
    trial_numbers_at,
    trial_numbers_in,
    values_in,
    weights_in,
)
from fastsumo.engine.status import EXTENDED, OK
from fastsumo.jit.bits import fma
from fastsumo.jit.memory import floats
from fastsumo.jit.options import device
from fastsumo.trial import kinds
from fastsumo.trial.coefficients import HUGE, TINY, coefficient_of, is_empty, is_harmonic, leaves_head
from fastsumo.trial.draw import samples_of
from fastsumo.trial.ranges import LOG_2
from fastsumo.trial.sizes import SHORT
from fastsumo.vmath import _log_positive

_MANY = 512  # lanes for which it pays to weigh their trials where they are


@device
def short_trials(params, scratch, n):
    """Values of the first ``n`` trials, sorted by falling `K`, all short. `EXTENDED` if a weight is not linear."""
    if n == 0:
        return OK
    if params.kind == kinds.SINGLE_TERM:
        return EXTENDED
    status = _run(params, scratch, n)
    return _finish(params, scratch, n) if status == OK else status


def sample_by_sample(weigh, add):
    """The loop over the samples of short trials. ``weigh`` is one of `buffer.py`, with a status that may end the loop.

    ``add(params, scratch, sample, lane, n, offset)`` takes that sample of the ``n`` lanes from ``lane`` on, with the
    weights from number ``offset`` of the buffer on.
    """

    @device
    def run_many(params, scratch, n):
        """Samples that many lanes have, whose trials need not be copied. The status, the next sample, who has that."""
        terms, samples = terms_in(scratch, 0, n), pair_samples_in(scratch, 0, BUFFER)
        sample, width = 0, n
        while width >= _MANY:
            for i in range(min(width, BUFFER)):
                samples[i] = uint64(sample)
            for lane in range(0, width, BUFFER):
                taken = min(width - lane, BUFFER)
                status = weigh(params, scratch, trial_numbers_at(scratch, lane), taken)
                if status != OK:
                    return status, sample, width
                add(params, scratch, sample, lane, taken, 0)
            sample += 1
            width = _width(params, terms, sample, width)
        return OK, sample, width

    @device
    def run(params, scratch, n):
        terms, pieces = terms_in(scratch, 0, n), pieces_in(scratch, 0, BUFFER)
        status, sample, width = run_many(params, scratch, n)
        lane = 0
        while status == OK and width > 0:
            used, found = 0, 0
            while width > 0 and used < BUFFER:
                taken = min(width - lane, BUFFER - used)
                trials, samples = pair_trials_in(scratch, used, taken), pair_samples_in(scratch, used, taken)
                lanes = trial_numbers_in(scratch, lane, taken)
                for i in range(taken):
                    trials[i], samples[i] = lanes[i], uint64(sample)
                pieces[found], pieces[found + 1], pieces[found + 2], pieces[found + 3] = sample, lane, taken, used
                found, used, lane = found + 4, used + taken, lane + taken
                if lane == width:
                    sample, lane = sample + 1, 0
                    width = _width(params, terms, sample, width)
            status = weigh(params, scratch, pair_trials_at(scratch, 0), used)
            for p in range(0, found if status == OK else 0, 4):
                add(params, scratch, pieces[p], pieces[p + 1], pieces[p + 2], pieces[p + 3])
        return status

    return run


@device
def _width(params, terms, sample, width):
    """How many of the first ``width`` lanes have this sample."""
    while width > 0 and samples_of(params, terms[width - 1]) <= sample:
        width -= 1
    return width


@device
def going_on(scratch, lane, n, j):
    """How many of the ``n`` lanes have further samples after increment ``j``."""
    terms = terms_in(scratch, lane, n)
    low = 0
    while low < n:
        middle = (low + n) // 2
        if terms[middle] > j:
            low = middle + 1
        else:
            n = middle
    return low


@device
def _add(params, scratch, sample, lane, n, offset):
    """Add a weight to each of ``n`` lanes, and the new prefix to the product, or sum of logs, of those that go on."""
    total, product = totals_in(scratch, lane, n), products_in(scratch, lane, n)
    weight = weights_in(scratch, offset, n)
    first, j, inverse = params.alive - 1, sample + 1 - params.minimum, 1.0 / (sample + 1)
    harmonic = is_harmonic(params, j)
    if sample > first and harmonic:
        on = going_on(scratch, lane, n, j)
        rest, last = totals_in(scratch, lane + on, n - on), weights_in(scratch, offset + on, n - on)
        for i in range(on):
            total[i] += weight[i]
            product[i] *= total[i] * inverse
        for i in range(n - on):
            rest[i] += last[i]
        return
    if sample == 0:
        for i in range(n):
            total[i] = weight[i]
    else:
        for i in range(n):
            total[i] += weight[i]
    if params.kind == kinds.IWAE or sample < first:
        return
    if sample == first:
        begin(params, total, product)
    if j < 1:
        return
    on = going_on(scratch, lane, n, j)
    if harmonic:
        for i in range(on):
            product[i] *= total[i] * inverse
        return
    log_sum = log_sums_in(scratch, lane, n)
    if leaves_head(params, j):
        for i in range(on):
            minus_log = -_log_positive(product[i]) if (product[i] > TINY) & (product[i] < HUGE) else np.nan
            log_sum[i] = -np.inf if is_empty(product[i]) else minus_log
    coefficient = coefficient_of(params, j)
    for i in range(on):
        log_sum[i] += coefficient * _log_positive(total[i] * inverse)


@device
def beyond_head(params, scratch, n):
    """How many of the ``n`` trials have a `K` in the geometric tail of a harmonic law."""
    return going_on(scratch, 0, n, int64(min(params.head, 1e15)))


@device
def begin(params, total, out):
    """Products or sums of logs before the first increment; -1 or -inf where the first prefix has no weight."""
    empty = -1.0 if params.product else -np.inf
    first = 1.0 if params.product else 0.0
    for i in range(out.size):
        out[i] = first if total[i] > 0.0 else empty


@device
def _finish(params, scratch, n):
    """From sums and products to the values of the trials. `EXTENDED` if a product left the range."""
    if params.kind == kinds.IWAE or not params.product:
        return _finish_sums(params, scratch, n)
    beyond, several = beyond_head(params, scratch, n), going_on(scratch, 0, n, 1)
    status = _finish_sums(params, scratch, beyond)
    outside = _finish_products(params, scratch, beyond, several - beyond)
    _finish_ones(params, scratch, several, n - several)
    return EXTENDED if outside else status


@device
def _finish_sums(params, scratch, n):
    """Values of the first ``n`` trials, from sums of weighted logs; `EXTENDED` if one is not a number."""
    total, log_sum, values = totals_in(scratch, 0, n), log_sums_in(scratch, 0, n), values_in(scratch, 0, n)
    terms, reciprocal = terms_in(scratch, 0, n), floats(params.reciprocal_at, SHORT + 2)
    origin, unknown = params.shift * LOG_2, 0
    if params.kind == kinds.IWAE:
        for i in range(n):
            last = _log_positive(total[i] / (terms[i] + params.minimum))
            values[i] = origin + last if total[i] > 0.0 else -np.inf
    else:
        for i in range(n):
            last = _log_positive(total[i] / (terms[i] + params.minimum))
            value = origin + fma(reciprocal[terms[i]], last, log_sum[i])
            unknown += log_sum[i] != log_sum[i]
            values[i] = value if log_sum[i] > -np.inf else -np.inf
    return EXTENDED if unknown else OK


@device
def _finish_products(params, scratch, lane, n):
    """Values of ``n`` trials from products of prefixes. How many products left the range."""
    total, product = totals_in(scratch, lane, n), products_in(scratch, lane, n)
    terms, values = terms_in(scratch, lane, n), values_in(scratch, lane, n)
    origin, outside = params.shift * LOG_2, 0
    for i in range(n):
        k = float(terms[i])
        last = _log_positive(total[i] / (k + params.minimum))
        empty = is_empty(product[i])
        outside += not (((product[i] > TINY) & (product[i] < HUGE)) | empty)
        value = origin + fma(k, last, -_log_positive(product[i]))
        values[i] = -np.inf if empty else value
    return outside


@device
def _finish_ones(params, scratch, lane, n):
    """Values of ``n`` trials with ``K = 1``, half of all: no product, but for the sign that marks an empty trial."""
    total, product = totals_in(scratch, lane, n), products_in(scratch, lane, n)
    values, origin = values_in(scratch, lane, n), params.shift * LOG_2
    for i in range(n):
        value = origin + _log_positive(total[i] / (1.0 + params.minimum))
        values[i] = -np.inf if is_empty(product[i]) else value


_run = sample_by_sample(weigh_linear, _add)
