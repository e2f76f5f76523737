"""Log weights that somebody else has computed, in the place of noise: how kernels run a vectorised model.

To them it has one number of noise, its log weight. Where that lies is written behind a worker's chunk of noise, in a
record of `TABLES` tables of trials, each with a stretch of the samples of each. What is in none of them is asked for,
by a call into Python. Who fills the tables, and with what, is in `engine/cpu/feed.py`.
"""

import numpy as np
from numba import int64, types, uint64

from fastsumo.jit.calls import by_address
from fastsumo.jit.memory import floats, words
from fastsumo.jit.options import device

TABLES = 3
KEY, STRIDE, LOW, BASE, TRIALS, FIRST, OFFSETS, LOGS = range(8)  # what is known of a table, see `place_of`
FIELDS = 8
RECORD = 1 + FIELDS * TABLES  # numbers, of which the first is the address of who is asked

HALF = np.uint64(32)
LOW_HALF = np.uint64(0xFFFFFFFF)
_call_ask = by_address(types.int64(types.uint64, types.uint64, types.uint64))  # trial, sample, key


@device
def _place_of(record, table, trial, sample, key):
    """The address of a log weight in a table; 0 if it is not there.

    A trial's place among those of a table follows from the halves of its number, ``STRIDE high + (low - LOW) - BASE``;
    its log weights lie between two of the ``OFFSETS``, and begin with sample ``FIRST``.
    """
    at = 1 + FIELDS * table
    j = record[at + STRIDE] * (trial >> HALF) + ((trial & LOW_HALF) - record[at + LOW]) - record[at + BASE]
    if record[at + KEY] != key or j >= record[at + TRIALS]:
        return int64(0)
    offsets, s = words(int64(record[at + OFFSETS]) + 8 * int64(j), 2), sample - record[at + FIRST]
    return int64(record[at + LOGS] + 8 * (offsets[0] + s)) if s < offsets[1] - offsets[0] else int64(0)


@device
def _from_first(record, trials, samples, key, out, i):
    """Log weights of pairs from number ``i`` on, as long as the first table has them; the number of the next pair.

    That is what nearly all are found by: `_place_of`, with what is known of the table in registers.
    """
    stride, low, base, first = record[1 + STRIDE], record[1 + LOW], record[1 + BASE], record[1 + FIRST]
    count = record[1 + TRIALS] if record[1 + KEY] == key else uint64(0)
    offsets, logs = words(int64(record[1 + OFFSETS]), int64(count) + 1), floats(int64(record[1 + LOGS]), int64(1) << 40)
    while i < trials.size:
        j = stride * (trials[i] >> HALF) + ((trials[i] & LOW_HALF) - low) - base
        if j >= count:
            return i
        begin, s = offsets[int64(j)], samples[i] - first
        if s >= offsets[int64(j) + 1] - begin:
            return i
        out[i] = logs[int64(begin + s)]
        i += 1
    return i


def look_up(trials_at, samples_at, n, key, chunk_at, rows, columns):
    """Log weights of ``n`` pairs, as a function that fills a chunk with noise; NaN where there is none to be had."""
    record = words(chunk_at + 8 * rows * columns, RECORD)
    trials, samples, out = words(trials_at, n), words(samples_at, n), floats(chunk_at, n)
    i, asked = _from_first(record, trials, samples, key, out, 0), 0
    while i < n:
        at = int64(0)
        for table in range(TABLES):
            at = max(at, _place_of(record, table, trials[i], samples[i], key))
        if at != 0:
            out[i] = floats(at, 1)[0]
            i, asked = _from_first(record, trials, samples, key, out, i + 1), 0
        elif asked or _call_ask(int64(record[0]), (trials[i], samples[i], key)):
            for j in range(i, n):
                out[j] = np.nan
            return 0
        else:
            asked = 1
    return 0
