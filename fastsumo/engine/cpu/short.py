"""Short trials: one lane each, worked on together in the order of falling `K`, one importance sample a row.

Row ``i`` holds the i-th sample of every trial that has one, so its lanes are the first ones and no lane idles. With
harmonic weights ``SUMO = K L_N - sum L_k`` over the interior prefixes: their logs are one log of a product.

Sums and products are plain numbers. Where a weight of the tile is not, nothing here is right: the status is `EXTENDED`,
and the tile is for `wide.py`.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.engine.cpu.buffer import weigh_samples
from fastsumo.engine.cpu.scratch import (
    BUFFER,
    ORDERED_TERMS,
    PIECES,
    PRODUCT,
    SAMPLES,
    TOTAL,
    TRIAL,
    TRIALS,
    VALUES,
    WEIGHT,
)
from fastsumo.engine.status import EXTENDED, OK
from fastsumo.jit.bits import float_bits, fma
from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import device, inlined
from fastsumo.trial import kinds
from fastsumo.trial.sizes import SHORT
from fastsumo.vmath import _log_positive

_LOG_2 = 0.6931471805599453
_TINY, _HUGE = 2.0**-1000, 2.0**1000
_WIDE_ROW = 512  # lanes


@device
def short_trials(params, scratch, n):
    """Values of the first ``n`` trials, sorted by falling `K`, all short. `EXTENDED` if some weight is not plain."""
    if n == 0:
        return OK
    if params.kind == kinds.SINGLE_TERM:
        return EXTENDED
    status = _run(params, scratch, n)
    return _finish(params, scratch, n) if status == OK else status


def rows_of_samples(weigh, add):
    """The loop over rows of samples. ``weigh(job, work, trials_at, n)`` weighs the first ``n`` samples of the buffer.

    ``add(job, work, row, lane, n, offset)`` adds row ``row`` of the ``n`` lanes from ``lane`` on, whose weights are at
    ``offset``.
    """

    @device
    def run_wide_rows(params, scratch, n):
        """Rows of many lanes, whose trials need not be copied. The status, the next row, and how many lanes it has."""
        terms, samples = ints(scratch + ORDERED_TERMS, n), words(scratch + SAMPLES, BUFFER)
        row, width = 0, n
        while width >= _WIDE_ROW:
            for i in range(min(width, BUFFER)):
                samples[i] = uint64(row)
            for lane in range(0, width, BUFFER):
                taken = min(width - lane, BUFFER)
                status = weigh(params, scratch, scratch + TRIAL + 8 * lane, taken)
                if status != OK:
                    return status, row, width
                add(params, scratch, row, lane, taken, 0)
            row += 1
            width = _width(params, terms, row, width)
        return OK, row, width

    @device
    def run(params, scratch, n):
        terms, pieces = ints(scratch + ORDERED_TERMS, n), ints(scratch + PIECES, BUFFER)
        status, row, width = run_wide_rows(params, scratch, n)
        lane = 0
        while status == OK and width > 0:
            used, found = 0, 0
            while width > 0 and used < BUFFER:
                taken = min(width - lane, BUFFER - used)
                trials, samples = words(scratch + TRIALS + 8 * used, taken), words(scratch + SAMPLES + 8 * used, taken)
                lanes = words(scratch + TRIAL + 8 * lane, taken)
                for i in range(taken):
                    trials[i], samples[i] = lanes[i], uint64(row)
                pieces[found], pieces[found + 1], pieces[found + 2], pieces[found + 3] = row, lane, taken, used
                found, used, lane = found + 4, used + taken, lane + taken
                if lane == width:
                    row, lane = row + 1, 0
                    width = _width(params, terms, row, width)
            status = weigh(params, scratch, scratch + TRIALS, used)
            for p in range(0, found if status == OK else 0, 4):
                add(params, scratch, pieces[p], pieces[p + 1], pieces[p + 2], pieces[p + 3])
        return status

    return run


@device
def _width(params, terms, row, width):
    """How many of the first ``width`` lanes have a sample in this row."""
    while width > 0 and terms[width - 1] + params.minimum <= row:
        width -= 1
    return width


@device
def going_on(scratch, lane, n, j):
    """How many of the ``n`` lanes have further samples after increment ``j``."""
    terms = ints(scratch + ORDERED_TERMS + 8 * lane, n)
    low = 0
    while low < n:
        middle = (low + n) // 2
        if terms[middle] > j:
            low = middle + 1
        else:
            n = middle
    return low


@device
def _add(params, scratch, row, lane, n, offset):
    """Add one weight to each of ``n`` lanes, and the new prefix to the product, or the sum of logs, of those that go
    on.
    """
    total, product = floats(scratch + TOTAL + 8 * lane, n), floats(scratch + PRODUCT + 8 * lane, n)
    weight = floats(scratch + WEIGHT + 8 * offset, n)
    first, j, inverse = max(params.minimum - 1, 0), row + 1 - params.minimum, 1.0 / (row + 1)
    harmonic = is_harmonic(params, j)
    if row > first and harmonic:
        on = going_on(scratch, lane, n, j)
        rest, last = (
            floats(scratch + TOTAL + 8 * (lane + on), n - on),
            floats(scratch + WEIGHT + 8 * (offset + on), n - on),
        )
        for i in range(on):
            total[i] += weight[i]
            product[i] *= total[i] * inverse
        for i in range(n - on):
            rest[i] += last[i]
        return
    if row == 0:
        for i in range(n):
            total[i] = weight[i]
    else:
        for i in range(n):
            total[i] += weight[i]
    if params.kind == kinds.IWAE or row < first:
        return
    if row == first:
        begin(params, total, product)
    if j < 1:
        return
    on = going_on(scratch, lane, n, j)
    if harmonic:
        for i in range(on):
            product[i] *= total[i] * inverse
        return
    if leaves_head(params, j):
        for i in range(on):
            minus_log = -_log_positive(product[i]) if (product[i] > _TINY) & (product[i] < _HUGE) else np.nan
            product[i] = -np.inf if _is_empty(product[i]) else minus_log
    coefficient = coefficient_of(params, j)
    for i in range(on):
        product[i] += coefficient * _log_positive(total[i] * inverse)


@inlined
def is_harmonic(params, j):
    """Whether the log of the prefix after increment ``j`` has the coefficient -1: it goes into the product."""
    return params.product and float(j) <= params.head - 1.0


@inlined
def leaves_head(params, j):
    """Whether ``j``, which is not harmonic, is the first such: the product is turned into a sum of logs."""
    return params.product and float(j) <= params.head


@device
def beyond_head(params, scratch, n):
    """How many of the ``n`` trials have a `K` in the geometric tail of a harmonic law."""
    return going_on(scratch, 0, n, int64(min(params.head, 1e15)))


@device
def begin(params, total, product):
    """Products and sums before the first increment; -1 or -inf marks a trial whose first prefix has no weight."""
    empty = -1.0 if params.product else -np.inf
    first = 1.0 if params.product else 0.0
    for i in range(product.size):
        product[i] = first if total[i] > 0.0 else empty


@inlined
def _is_empty(product):
    """Whether a product is that of a trial whose first prefix has no weight; it keeps its sign, even as a zero."""
    return float_bits(product) < 0


@device
def coefficient_of(params, j):
    """Of the log of the prefix after increment ``j``, inside a trial."""
    reciprocal = floats(params.reciprocal_at, SHORT + 2)
    return reciprocal[j] - reciprocal[j + 1]


@device
def _finish(params, scratch, n):
    """From sums and products to the values of the trials. `EXTENDED` if a product left the range of plain numbers."""
    if params.kind == kinds.IWAE or not params.product:
        return _finish_sums(params, scratch, n)
    beyond, several = beyond_head(params, scratch, n), going_on(scratch, 0, n, 1)
    status = _finish_sums(params, scratch, beyond)
    wide = _finish_products(params, scratch, beyond, several - beyond)
    _finish_ones(params, scratch, several, n - several)
    return EXTENDED if wide else status


@device
def _finish_sums(params, scratch, n):
    """Values of the first ``n`` trials, whose products are sums of weighted logs; `EXTENDED` if one is not a number."""
    total, product, values = floats(scratch + TOTAL, n), floats(scratch + PRODUCT, n), floats(scratch + VALUES, n)
    terms, reciprocal = ints(scratch + ORDERED_TERMS, n), floats(params.reciprocal_at, SHORT + 2)
    origin, wide = params.shift * _LOG_2, 0
    if params.kind == kinds.IWAE:
        for i in range(n):
            last = _log_positive(total[i] / (terms[i] + params.minimum))
            values[i] = origin + last if total[i] > 0.0 else -np.inf
    else:
        for i in range(n):
            last = _log_positive(total[i] / (terms[i] + params.minimum))
            value = origin + fma(reciprocal[terms[i]], last, product[i])
            wide += product[i] != product[i]
            values[i] = value if product[i] > -np.inf else -np.inf
    return EXTENDED if wide else OK


@device
def _finish_products(params, scratch, lane, n):
    """Values of ``n`` trials from products of prefixes. How many left the range of plain numbers."""
    total, product = floats(scratch + TOTAL + 8 * lane, n), floats(scratch + PRODUCT + 8 * lane, n)
    terms, values = ints(scratch + ORDERED_TERMS + 8 * lane, n), floats(scratch + VALUES + 8 * lane, n)
    origin, wide = params.shift * _LOG_2, 0
    for i in range(n):
        k = float(terms[i])
        last = _log_positive(total[i] / (k + params.minimum))
        empty = _is_empty(product[i])
        wide += not (((product[i] > _TINY) & (product[i] < _HUGE)) | empty)
        value = origin + fma(k, last, -_log_positive(product[i]))
        values[i] = -np.inf if empty else value
    return wide


@device
def _finish_ones(params, scratch, lane, n):
    """Values of ``n`` trials with ``K = 1``, half of all: no product, but for the sign that marks an empty trial."""
    total, product = floats(scratch + TOTAL + 8 * lane, n), floats(scratch + PRODUCT + 8 * lane, n)
    values, origin = floats(scratch + VALUES + 8 * lane, n), params.shift * _LOG_2
    for i in range(n):
        value = origin + _log_positive(total[i] / (1.0 + params.minimum))
        values[i] = -np.inf if _is_empty(product[i]) else value


_run = rows_of_samples(weigh_samples, _add)
