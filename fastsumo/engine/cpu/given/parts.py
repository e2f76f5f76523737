"""What the kernels on rows share: weights relative to a row's own, prefix sums, sums of logarithms, coefficients.

A relative weight is ``exp(log weight - origin) * 2**-shift``. Short rows that lie one behind the other and differ
little share an origin (``shift = 0``), so that their weights need no copy. Else a row's own first weight (or its
largest) is its origin and ``shift = SHIFT``: the row may climb by ``RISE`` before it overflows, and what falls by
more than 2^-122 below its first weight counts as zero. Indices are cast to unsigned where the compiler could not
see that they are not negative.
"""

import numpy as np
from numba import float64, int64, uint64

from fastsumo.jit.bits import bits_float, float_bits, fma
from fastsumo.jit.options import device, inlined
from fastsumo.trial.ranges import LOG_2
from fastsumo.trial.survival import reciprocal
from fastsumo.vmath import _exp_parts, _log_positive, _pow2

SHORT = 192  # a row of at most this many weights shares a buffer with others
BUFFER = 2048  # weights of short rows taken together
SEGMENT = 1024  # weights of a long row between two updates of its base
RUNS = 8  # of a segment, summed side by side: one chain of additions would wait for each sum
SCRATCH = 6 * BUFFER

SHIFT = np.int64(900)
_NO_SHIFT = np.int64(0)  # typed, as are the next two: a literal would be compiled for on its own
OWN_FIRST, OWN_LARGEST = np.bool_(False), np.bool_(True)  # what a row's own origin is
RISE = 1240.0  # 2**1789: with SHIFT, and 2**52 weights, below 2**1023
SHARED_RISE = 64.0  # log weights so far from a shared origin still have gaps to it accurate to 2**-48,
LIGHT = 2.0**-92  # ... so have sums of weights above this
MANTISSA, ONE = int64((1 << 52) - 1), int64(0x3FF << 52)
_LARGEST = np.finfo(np.float64).max


@inlined
def weight_of(gap, shift):
    """``exp(gap) * 2**-shift``; meaningless beyond `RISE`."""
    fraction, power = _exp_parts(gap)
    return fraction * _pow2(power - shift)


@inlined
def split(x, shift):
    """``(f, n)`` with ``x * 2**shift = f * 2**n`` and ``f`` in [1, 2), for positive normal ``x``."""
    bits = float_bits(x)
    return bits_float((bits & MANTISSA) | ONE), float64((bits >> 52) - (1023 - shift))


@inlined
def log_scaled(x, shift):
    """``log(x * 2**shift)`` for positive normal ``x``, without the loss of adding two large logarithms."""
    fraction, power = split(x, shift)
    return fma(power, LOG_2, _log_positive(fraction))


@device
def first_weight(values, start, n):
    """Place of the row's first weight that is not zero; ``n`` where there is none."""
    i = 0
    while i < n and values[start + i] == -np.inf:
        i += 1
    return i


@device
def largest(values, start, n):
    """The largest log weight; +inf or NaN if the row holds one (of positive sign). As integers, which vectorise."""
    top = int64(-(2**63))
    for i in range(start, start + n):
        bits = float_bits(float64(values[i]))
        top = max(top, bits ^ ((bits >> 63) & int64(2**63 - 1)))
    return bits_float(top ^ ((top >> 63) & int64(2**63 - 1)))


@device
def is_steep(values, start, n):
    """Whether the row rises by more than `RISE` above its first weight."""
    at, steep = first_weight(values, start, n), 0
    for i in range(at, n):
        steep += float64(values[start + i]) - float64(values[start + at]) > RISE
    return steep > 0


@device
def take(values, starts, used, row, share, from_largest, scratch):
    """Relative weights of short rows from ``row`` on, as many as fit the buffer, and the origin of each row.

    Returns the first row left out, how many weights, the shift, and how many log weights are NaN or +inf, and beyond
    `RISE`. With ``share`` one origin is tried first.
    """
    buffer, origin = scratch[:BUFFER], scratch[BUFFER : 2 * BUFFER]
    if share:
        last, filled = _neighbours(starts, used, row)
        level = float64(values[starts[row]])
        bad, far = relative(values, starts[row], filled, level, _NO_SHIFT, SHARED_RISE, buffer)
        if not bad and not far:
            for i in range(last - row):
                origin[i] = level
            return last, filled, _NO_SHIFT, int64(0), int64(0)
    last, filled = _gaps(values, starts, used, row, from_largest, buffer, origin)
    bad, steep = relative(buffer, int64(0), filled, 0.0, SHIFT, RISE, buffer)
    return last, filled, SHIFT, bad, steep


@device
def _neighbours(starts, used, row):
    """The first of the next rows that does not fit or does not begin where the last one ends; how many weights."""
    begin = starts[uint64(row)]
    filled = used[uint64(row)]
    row += 1
    while row < used.size:
        n = used[uint64(row)]
        if n > SHORT or filled + n > BUFFER or starts[uint64(row)] != begin + filled:
            break
        filled, row = filled + n, row + 1
    return row, filled


@device
def _gaps(values, starts, used, row, from_largest, buffer, origin):
    """Copy rows into the buffer, less the origin of each; the first row left out, and how many weights."""
    first, filled = row, 0
    while row < used.size and used[row] <= SHORT and filled + used[row] <= BUFFER:
        start, n = starts[row], used[row]
        level = float64(values[start])
        if from_largest:
            for i in range(start + 1, start + n):
                level = max(level, float64(values[uint64(i)]))
        elif level == -np.inf:
            at = first_weight(values, start, n)
            level = float64(values[start + at]) if at < n else level
        level = 0.0 if level == -np.inf else level
        for i in range(n):
            buffer[uint64(filled + i)] = float64(values[uint64(start + i)]) - level
        origin[uint64(row - first)] = level
        filled, row = filled + n, row + 1
    return row, filled


@device
def relative(values, start, n, origin, shift, rise, out):
    """Relative weights of a stretch; how many log weights are NaN or +inf, and how many beyond the rise."""
    row = values[start : start + n]
    bad, steep = 0, 0
    for i in range(n):
        gap = float64(row[i]) - origin
        bad += not (gap <= _LARGEST)
        steep += gap > rise
        out[i] = weight_of(gap, shift)
    return bad, steep


@device
def find_bad(values, starts, used, row, last):
    """The first row from ``row`` on that holds NaN or +inf."""
    for r in range(row, last):
        for i in range(starts[r], starts[r] + used[r]):
            if not (values[i] < np.inf):
                return r
    return last


@device
def prefix_sums(x, n, high, low):
    """``high + low +`` sums of ``x[:1], x[:2], ...`` in place of ``x``, which has room for `SEGMENT`; its sum."""
    length = (n + RUNS - 1) // RUNS
    for i in range(n, RUNS * length):
        x[i] = 0.0
    x0, x1, x2, x3 = x[:length], x[length : 2 * length], x[2 * length : 3 * length], x[3 * length : 4 * length]
    x4, x5 = x[4 * length : 5 * length], x[5 * length : 6 * length]
    x6, x7 = x[6 * length : 7 * length], x[7 * length : 8 * length]
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for i in range(length):
        s0 += x0[i]
        x0[i] = s0
        s1 += x1[i]
        x1[i] = s1
        s2 += x2[i]
        x2[i] = s2
        s3 += x3[i]
        x3[i] = s3
        s4 += x4[i]
        x4[i] = s4
        s5 += x5[i]
        x5[i] = s5
        s6 += x6[i]
        x6[i] = s6
        s7 += x7[i]
        x7[i] = s7
    before = 0.0
    for run in range(RUNS):
        part = x[run * length : (run + 1) * length]
        total = part[length - 1]
        base = high + (low + before)
        for i in range(length):
            part[i] += base
        before += total
    return before


@device
def pairwise(x, n):
    """Sum of ``x[:n]`` by halves, each a vector addition; ``x`` is used up."""
    while n > 16:
        half = n // 2
        upper = x[n - half : n]
        for i in range(half):
            x[i] += upper[i]
        n -= half
    total = 0.0
    for i in range(n):
        total += x[i]
    return total


@device
def sum_log(x, low, high, shift, spare):
    """``sum log(x[i] * 2**shift)`` for ``low <= i < high``: exponents add up, mantissas below 2 multiply."""
    n = high - low
    if n <= 0:
        return 0.0
    part = x[low:high]
    powers = int64(0)
    for i in range(n):
        bits = float_bits(part[i])
        powers += bits >> 52
        spare[i] = bits_float((bits & MANTISSA) | ONE)
    size = n
    while size > 16:
        half = size // 2
        upper = spare[size - half : size]
        for i in range(half):
            spare[i] *= upper[i]
        size -= half
    left, right = 1.0, 1.0  # each of at most 8 products of at most 64 mantissas: below 2**512
    for i in range(0, size - 1, 2):
        left *= spare[i]
        right *= spare[i + 1]
    if size % 2:
        left *= spare[size - 1]
    powers -= n * (1023 - shift)
    return fma(float64(powers), LOG_2, _log_positive(left) + _log_positive(right))


@device
def reciprocal_any(law, j):
    """``1 / P(K >= j)`` within the cap, any law; 1 for ``j <= 1``."""
    if j <= 1:
        return 1.0
    if law.table.size:
        return 1.0 / law.table[min(j, law.table.size) - 1]
    return reciprocal(law, float64(j))


@device
def coefficients(law, j, n, terms, out):
    """``c_j .. c_{j+n-1}`` of ``SUMO = sum c_j L_{m+j}``: ``1/P_j - 1/P_{j+1}`` and at ``j = K`` ``1/P_K``.

    They are 0 for ``j < 1``. ``out`` has room for ``n + 1`` numbers.
    """
    table = law.table
    if table.size:
        for i in range(n + 1):
            out[i] = 1.0 / table[max(min(j + i, table.size), 1) - 1]
    else:
        for i in range(n + 1):
            out[i] = reciprocal(law, max(float64(j + i), 1.0))
    for i in range(n):
        out[i] -= out[i + 1]
    if j <= terms < j + n:
        out[terms - j] = reciprocal_any(law, terms)
