"""Short trials: one lane each, worked on together in the order of falling `K`, one importance sample a row.

Row ``i`` holds the i-th sample of every trial that has one, so its lanes are the first ones and no lane idles. With
harmonic weights ``SUMO = K L_N - sum L_k`` over the interior prefixes: their logs are one log of a product.

Sums and products are plain numbers. Where a weight of the tile is not, nothing here is right: the status is `WIDE`,
and the tile is for `wide.py`.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.estimators import LAST, SINGLE
from fastsumo.kernels._jit import device, inlined
from fastsumo.kernels.bits import float_bits, fma
from fastsumo.kernels.buffer import weigh_samples
from fastsumo.kernels.job import (
    BUFFER,
    OK,
    ORDERED_TERMS,
    PIECES,
    PRODUCT,
    SAMPLES,
    SHORT,
    TOTAL,
    TRIAL,
    TRIALS,
    VALUES,
    WEIGHT,
    WIDE,
)
from fastsumo.kernels.memory import floats, ints, words
from fastsumo.vmath import _log_positive

_LOG_2 = 0.6931471805599453
_TINY, _HUGE = 2.0**-1000, 2.0**1000
_WIDE_ROW = 512  # lanes


@device
def short_trials(job, work, n):
    """Values of the first ``n`` trials, sorted by falling `K`, all short. `WIDE` if some weight is not plain."""
    if n == 0:
        return OK
    if job.kind == SINGLE:
        return WIDE
    status = _run(job, work, n)
    return _finish(job, work, n) if status == OK else status


def rows_of_samples(weigh, add):
    """The loop over rows of samples. ``weigh(job, work, trials_at, n)`` weighs the first ``n`` samples of the buffer.

    ``add(job, work, row, lane, n, offset)`` adds row ``row`` of the ``n`` lanes from ``lane`` on, whose weights are at
    ``offset``.
    """

    @device
    def run_wide_rows(job, work, n):
        """Rows of many lanes, whose trials need not be copied. The status, the next row, and how many lanes it has."""
        terms, samples = ints(work + ORDERED_TERMS, n), words(work + SAMPLES, BUFFER)
        row, width = 0, n
        while width >= _WIDE_ROW:
            for i in range(min(width, BUFFER)):
                samples[i] = uint64(row)
            for lane in range(0, width, BUFFER):
                taken = min(width - lane, BUFFER)
                status = weigh(job, work, work + TRIAL + 8 * lane, taken)
                if status != OK:
                    return status, row, width
                add(job, work, row, lane, taken, 0)
            row += 1
            width = _width(job, terms, row, width)
        return OK, row, width

    @device
    def run(job, work, n):
        terms, pieces = ints(work + ORDERED_TERMS, n), ints(work + PIECES, BUFFER)
        status, row, width = run_wide_rows(job, work, n)
        lane = 0
        while status == OK and width > 0:
            used, found = 0, 0
            while width > 0 and used < BUFFER:
                taken = min(width - lane, BUFFER - used)
                trials, samples = words(work + TRIALS + 8 * used, taken), words(work + SAMPLES + 8 * used, taken)
                lanes = words(work + TRIAL + 8 * lane, taken)
                for i in range(taken):
                    trials[i], samples[i] = lanes[i], uint64(row)
                pieces[found], pieces[found + 1], pieces[found + 2], pieces[found + 3] = row, lane, taken, used
                found, used, lane = found + 4, used + taken, lane + taken
                if lane == width:
                    row, lane = row + 1, 0
                    width = _width(job, terms, row, width)
            status = weigh(job, work, work + TRIALS, used)
            for p in range(0, found if status == OK else 0, 4):
                add(job, work, pieces[p], pieces[p + 1], pieces[p + 2], pieces[p + 3])
        return status

    return run


@device
def _width(job, terms, row, width):
    """How many of the first ``width`` lanes have a sample in this row."""
    while width > 0 and terms[width - 1] + job.minimum <= row:
        width -= 1
    return width


@device
def going_on(work, lane, n, j):
    """How many of the ``n`` lanes have further samples after increment ``j``."""
    terms = ints(work + ORDERED_TERMS + 8 * lane, n)
    low = 0
    while low < n:
        middle = (low + n) // 2
        if terms[middle] > j:
            low = middle + 1
        else:
            n = middle
    return low


@device
def _add(job, work, row, lane, n, offset):
    """Add one weight to each of ``n`` lanes, and the new prefix to the product, or the sum of logs, of those that go
    on.
    """
    total, product = floats(work + TOTAL + 8 * lane, n), floats(work + PRODUCT + 8 * lane, n)
    weight = floats(work + WEIGHT + 8 * offset, n)
    first, j, inverse = max(job.minimum - 1, 0), row + 1 - job.minimum, 1.0 / (row + 1)
    harmonic = is_harmonic(job, j)
    if row > first and harmonic:
        on = going_on(work, lane, n, j)
        rest, last = floats(work + TOTAL + 8 * (lane + on), n - on), floats(work + WEIGHT + 8 * (offset + on), n - on)
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
    if job.kind == LAST or row < first:
        return
    if row == first:
        begin(job, total, product)
    if j < 1:
        return
    on = going_on(work, lane, n, j)
    if harmonic:
        for i in range(on):
            product[i] *= total[i] * inverse
        return
    if leaves_head(job, j):
        for i in range(on):
            minus_log = -_log_positive(product[i]) if (product[i] > _TINY) & (product[i] < _HUGE) else np.nan
            product[i] = -np.inf if _is_empty(product[i]) else minus_log
    coefficient = coefficient_of(job, j)
    for i in range(on):
        product[i] += coefficient * _log_positive(total[i] * inverse)


@inlined
def is_harmonic(job, j):
    """Whether the log of the prefix after increment ``j`` has the coefficient -1: it goes into the product."""
    return job.product and float(j) <= job.head - 1.0


@inlined
def leaves_head(job, j):
    """Whether ``j``, which is not harmonic, is the first such: the product is turned into a sum of logs."""
    return job.product and float(j) <= job.head


@device
def beyond_head(job, work, n):
    """How many of the ``n`` trials have a `K` in the geometric tail of a harmonic law."""
    return going_on(work, 0, n, int64(min(job.head, 1e15)))


@device
def begin(job, total, product):
    """Products and sums before the first increment; -1 or -inf marks a trial whose first prefix has no weight."""
    empty = -1.0 if job.product else -np.inf
    first = 1.0 if job.product else 0.0
    for i in range(product.size):
        product[i] = first if total[i] > 0.0 else empty


@inlined
def _is_empty(product):
    """Whether a product is that of a trial whose first prefix has no weight; it keeps its sign, even as a zero."""
    return float_bits(product) < 0


@device
def coefficient_of(job, j):
    """Of the log of the prefix after increment ``j``, inside a trial."""
    reciprocal = floats(job.reciprocal_at, SHORT + 2)
    return reciprocal[j] - reciprocal[j + 1]


@device
def _finish(job, work, n):
    """From sums and products to the values of the trials. `WIDE` if a product left the range of plain numbers."""
    if job.kind == LAST or not job.product:
        return _finish_sums(job, work, n)
    beyond, several = beyond_head(job, work, n), going_on(work, 0, n, 1)
    status = _finish_sums(job, work, beyond)
    wide = _finish_products(job, work, beyond, several - beyond)
    _finish_ones(job, work, several, n - several)
    return WIDE if wide else status


@device
def _finish_sums(job, work, n):
    """Values of the first ``n`` trials, whose products are sums of weighted logs; `WIDE` if one is not a number."""
    total, product, values = floats(work + TOTAL, n), floats(work + PRODUCT, n), floats(work + VALUES, n)
    terms, reciprocal = ints(work + ORDERED_TERMS, n), floats(job.reciprocal_at, SHORT + 2)
    origin, wide = job.shift * _LOG_2, 0
    if job.kind == LAST:
        for i in range(n):
            last = _log_positive(total[i] / (terms[i] + job.minimum))
            values[i] = origin + last if total[i] > 0.0 else -np.inf
    else:
        for i in range(n):
            last = _log_positive(total[i] / (terms[i] + job.minimum))
            value = origin + fma(reciprocal[terms[i]], last, product[i])
            wide += product[i] != product[i]
            values[i] = value if product[i] > -np.inf else -np.inf
    return WIDE if wide else OK


@device
def _finish_products(job, work, lane, n):
    """Values of ``n`` trials from products of prefixes. How many left the range of plain numbers."""
    total, product = floats(work + TOTAL + 8 * lane, n), floats(work + PRODUCT + 8 * lane, n)
    terms, values = ints(work + ORDERED_TERMS + 8 * lane, n), floats(work + VALUES + 8 * lane, n)
    origin, wide = job.shift * _LOG_2, 0
    for i in range(n):
        k = float(terms[i])
        last = _log_positive(total[i] / (k + job.minimum))
        empty = _is_empty(product[i])
        wide += not (((product[i] > _TINY) & (product[i] < _HUGE)) | empty)
        value = origin + fma(k, last, -_log_positive(product[i]))
        values[i] = -np.inf if empty else value
    return wide


@device
def _finish_ones(job, work, lane, n):
    """Values of ``n`` trials with ``K = 1``, half of all: no product, but for the sign that marks an empty trial."""
    total, product = floats(work + TOTAL + 8 * lane, n), floats(work + PRODUCT + 8 * lane, n)
    values, origin = floats(work + VALUES + 8 * lane, n), job.shift * _LOG_2
    for i in range(n):
        value = origin + _log_positive(total[i] / (1.0 + job.minimum))
        values[i] = -np.inf if _is_empty(product[i]) else value


_run = rows_of_samples(weigh_samples, _add)
