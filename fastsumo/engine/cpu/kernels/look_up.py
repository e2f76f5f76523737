"""Log weights that somebody else has computed, in the place of noise: how kernels run a vectorised model.

To them it has one number of noise, its log weight. Where that lies is written behind a worker's chunk of noise, in a
record of `TABLES` tables of trials, each with a stretch of the samples of each. What is in none of them is asked for,
by a call into Python. Who fills the tables, and with what, is in `engine/cpu/feed.py`.

The trials of a table are in groups, whose log weights lie in the order that kernels work on them: first samples of all
trials of a group, the longest first, then second samples, and so on. ``ORDER`` has the trials, group by group;
``STARTS``, for each group, the samples of its longest trial, the place of its first trial in ``ORDER``, where log
weights begin for each sample, and where they end; of a trial that is alone, for two samples only. A trial's ``PLACE``
is where the numbers of its group begin, and, in the lower half, its rank in the group; that place is number ``STRIDE
high + (low - LOW) - BASE``, from the halves of the trial's number. Samples begin with number ``FIRST``.
"""

import numpy as np
from numba import int64, types, uint64

from fastsumo.jit.calls import by_address
from fastsumo.jit.memory import floats, halves, words
from fastsumo.jit.options import device, inlined

TABLES = 4
KEY, STRIDE, LOW, BASE, TRIALS, FIRST, PLACES, ORDER, STARTS, LOGS = range(10)  # what is known of a table
FIELDS = 10
RECORD = 1 + FIELDS * TABLES  # numbers, of which the first is the address of who is asked

HALF = np.uint64(32)
LOW_HALF = np.uint64(0xFFFFFFFF)
_ALL = 1 << 40  # more than there are
_call_ask = by_address(types.int64(types.uint64, types.uint64, types.uint64))  # trial, sample, key


@device
def _same(trials, i, order, j, samples, sample, n):
    """Of how many of ``n`` pairs from number ``i`` on the trials are those of an order, and the sample is that one."""
    ours, theirs = words(trials.ctypes.data + 8 * i, n), words(order.ctypes.data + 8 * j, n)
    numbers, apart = words(samples.ctypes.data + 8 * i, n), uint64(0)
    for q in range(n):
        apart |= (ours[q] ^ theirs[q]) | (numbers[q] ^ sample)
    if apart == 0:
        return n
    q = 0
    while ours[q] == theirs[q] and numbers[q] == sample:
        q += 1
    return q


@inlined
def place_of(trial, stride, low, base):
    """Which of the trials of a table it is, by the halves of its number."""
    return stride * (trial >> HALF) + ((trial & LOW_HALF) - low) - base


@inlined
def is_alone(starts, group):
    """Whether a group is of one trial."""
    return starts[group + 3] - starts[group + 2] == 1


@device
def _from_table(record, table, trials, samples, key, out, i):
    """Log weights of pairs from number ``i`` on, as long as a table has them; the number of the next pair."""
    at = 1 + FIELDS * table
    stride, low, base, first = record[at + STRIDE], record[at + LOW], record[at + BASE], record[at + FIRST]
    count = record[at + TRIALS] if record[at + KEY] == key else uint64(0)
    places, order = words(int64(record[at + PLACES]), _ALL), words(int64(record[at + ORDER]), _ALL)
    starts, logs_at = halves(int64(record[at + STARTS]), _ALL), int64(record[at + LOGS])
    n = trials.size
    while i < n:
        trial, sample = trials[i], samples[i]
        j = place_of(trial, stride, low, base)
        if j >= count:
            return i
        group, rank, s = int64(places[j] >> HALF), int64(places[j] & LOW_HALF), sample - first
        size = uint64(starts[group])
        if s >= size:
            return i
        found_at = out.ctypes.data + 8 * i
        if is_alone(starts, group):  # and its samples are asked for in any order
            same = _of_one(trial, first, size, trials, samples, i, n - i)
            asked, found = words(samples.ctypes.data + 8 * i, same), floats(found_at, same)
            known = floats(logs_at + 8 * int64(starts[group + 2]), int64(size))
            for q in range(same):
                found[q] = known[asked[q] - first]
        else:
            p, end = int64(starts[group + 2 + int64(s)]) + rank, int64(starts[group + 3 + int64(s)])
            if p >= end:
                return i
            same = _same(trials, i, order, int64(starts[group + 1]) + rank, samples, sample, min(n - i, end - p))
            found, known = floats(found_at, same), floats(logs_at + 8 * p, same)
            for q in range(same):
                found[q] = known[q]
        i += same
    return i


@device
def _of_one(trial, first, size, trials, samples, i, n):
    """Of how many of ``n`` pairs from number ``i`` on it is that trial, and a sample from ``first`` on, of ``size``."""
    ours, numbers = words(trials.ctypes.data + 8 * i, n), words(samples.ctypes.data + 8 * i, n)
    apart = uint64(0)
    for q in range(n):
        apart |= (ours[q] ^ trial) | uint64(numbers[q] - first >= size)
    if apart == 0:
        return n
    q = 0
    while ours[q] == trial and numbers[q] - first < size:
        q += 1
    return q


def look_up(trials_at, samples_at, n, key, chunk_at, rows, columns):
    """Log weights of ``n`` pairs, as a function that fills a chunk with noise; NaN where there is none to be had."""
    record = words(chunk_at + 8 * rows * columns, RECORD)
    trials, samples, out = words(trials_at, n), words(samples_at, n), floats(chunk_at, n)
    i, asked = 0, 0
    while i < n:
        before = i
        for table in range(TABLES):
            i = _from_table(record, table, trials, samples, key, out, i)
        if i > before:
            asked = 0
        elif asked or _call_ask(int64(record[0]), (trials[i], samples[i], key)):
            for j in range(i, n):
                out[j] = np.nan
            return 0
        else:
            asked = 1
    return 0
