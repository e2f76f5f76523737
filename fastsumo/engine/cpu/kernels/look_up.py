"""Log weights that somebody else has computed, in the place of noise: how kernels run a vectorised model.

To them it has one number of noise, its log weight. Where that lies is written behind a worker's chunk of noise, in a
record of `TABLES` tables of trials, each with a stretch of the samples of each. What is in none of them is asked for,
by a call into Python. Who fills the tables, and with what, is in `engine/cpu/feed.py`.
"""

import numpy as np
from numba import int64, types, uint64

from fastsumo.jit.calls import by_address
from fastsumo.jit.memory import floats, words
from fastsumo.jit.options import device, inlined

TABLES = 3
KEY, STRIDE, LOW, BASE, TRIALS, FIRST, OFFSETS, LOGS = range(8)  # what is known of a table, see `place_of`
FIELDS = 8
RECORD = 1 + FIELDS * TABLES  # numbers, of which the first is the address of who is asked

HALF = np.uint64(32)
LOW_HALF = np.uint64(0xFFFFFFFF)
_call_ask = by_address(types.int64(types.uint64, types.uint64, types.uint64))  # trial, sample, key


@inlined
def _place_of(record, table, trial, sample, key):
    """The address of a log weight in a table; 0 if it is not there.

    A trial's place among those of a table follows from the halves of its number, ``STRIDE high + (low - LOW) - BASE``;
    its log weights lie between two of the ``OFFSETS``, and begin with sample ``FIRST``.
    """
    at = 1 + FIELDS * table
    if record[at + KEY] != key:
        return int64(0)
    j = record[at + STRIDE] * (trial >> HALF) + ((trial & LOW_HALF) - record[at + LOW]) - record[at + BASE]
    if j >= record[at + TRIALS]:
        return int64(0)
    offsets = words(int64(record[at + OFFSETS]), int64(j) + 2)
    s, begin = sample - record[at + FIRST], offsets[int64(j)]
    if s >= offsets[int64(j) + 1] - begin:
        return int64(0)
    return int64(record[at + LOGS]) + 8 * int64(begin + s)


@device
def _anywhere(record, trial, sample, key):
    for table in range(TABLES):
        at = _place_of(record, table, trial, sample, key)
        if at != 0:
            return at
    return int64(0)


def look_up(trials_at, samples_at, n, key, chunk_at, rows, columns):
    """Log weights of ``n`` pairs, as a function that fills a chunk with noise; NaN where there is none to be had."""
    record = words(chunk_at + 8 * rows * columns, RECORD)
    trials, samples, out = words(trials_at, n), words(samples_at, n), floats(chunk_at, n)
    for i in range(n):
        at = _anywhere(record, trials[i], samples[i], key)
        if at == 0:
            if _call_ask(int64(record[0]), (trials[i], samples[i], key)) == 0:
                at = _anywhere(record, trials[i], samples[i], key)
            if at == 0:
                for j in range(i, n):
                    out[j] = np.nan
                return 0
        out[i] = floats(at, 1)[0]
    return 0
