"""Many rows of data in one call: the trials of each row in turn, and a few sums a row. No tally, no giants.

A row takes a pilot, so that its weights can be plain numbers, and then tiles of trials as in `block.py`.
"""

import math

import numpy as np
from numba import int64, uint64

from fastsumo.estimators import JACKKNIFE, LEVELS
from fastsumo.kernels._jit import device, kernel
from fastsumo.kernels.bits import fabs
from fastsumo.kernels.block import any_prefix_trials, draw_sorted
from fastsumo.kernels.buffer import evaluate
from fastsumo.kernels.draw import samples_of
from fastsumo.kernels.dyadic import level_trials
from fastsumo.kernels.jackknife import jackknife_trials
from fastsumo.kernels.job import (
    MANTISSA,
    OK,
    ORDERED_TERMS,
    POWER,
    SAMPLES,
    TILE,
    TRIALS,
    VALUES,
    Job,
)
from fastsumo.kernels.memory import floats, ints, words
from fastsumo.vmath import _log_of, _pow2, log

CENTER, FINITE, ZERO, COST, SUM, SQUARES, LARGEST, HILL = range(8)
FIELDS = 8  # numbers kept of a row
_PILOT = 128  # samples
_LOG_2 = math.log(2.0)


@device
def _at(job, key, row_at, shift):
    """The job at one row, with its key and shift."""
    return Job(
        job.address,
        job.any_address,
        key,
        job.numbers_at,
        row_at,
        job.kind,
        job.minimum,
        job.power,
        job.head,
        job.log_decay,
        job.cap,
        job.table_at,
        job.table_size,
        job.product,
        job.longest_short,
        job.reciprocal_at,
        job.giant,
        shift,
        job.order,
        job.base,
        job.first,
        job.single,
    )


@device
def _pilot(job, work, trial):
    """A rough log evidence from the first samples of a trial; NaN where they have no weight."""
    trials, samples = words(work + TRIALS, _PILOT), words(work + SAMPLES, _PILOT)
    for i in range(_PILOT):
        trials[i], samples[i] = trial, uint64(i)
    if evaluate(job, work, _PILOT) != OK:
        return np.nan
    mantissa, power = floats(work + MANTISSA, _PILOT), floats(work + POWER, _PILOT)
    top, total = -np.inf, 0.0
    for i in range(_PILOT):
        if mantissa[i] > 0.0:
            top = max(top, power[i])
    for i in range(_PILOT):
        if mantissa[i] > 0.0:
            total += mantissa[i] * _pow2(max(power[i] - top, -1000.0))
    return _log_of(total / _PILOT, top) if total > 0.0 else np.nan


@device
def _add(job, work, n, out, top_at, room, held):
    """Add the ``n`` trials of a tile to a row's sums and to its largest deviations, of which ``held`` are there."""
    values, terms = floats(work + VALUES, n), ints(work + ORDERED_TERMS, n)
    center, s1, s2, cost, finite = out[CENTER], 0.0, 0.0, int64(0), 0
    for i in range(n):
        cost += samples_of(job, terms[i])
        value = values[i]
        if value == -np.inf:
            out[ZERO] += 1.0
            continue
        if np.isnan(center):
            center = value
        d = value - center
        s1 += d
        s2 += d * d
        finite += 1
        held = _hold(top_at, room, held, fabs(d))
    out[CENTER] = center
    out[FINITE] += finite
    out[COST] += cost
    out[SUM] += s1
    out[SQUARES] += s2
    return held


@device
def _hold(top_at, room, held, x):
    """Keep ``x`` if it is among the ``room`` largest, in a heap whose root is the smallest. How many there are."""
    heap = floats(top_at, room)
    if held < room:
        i = held
        while i > 0 and heap[(i - 1) // 2] > x:
            heap[i] = heap[(i - 1) // 2]
            i = (i - 1) // 2
        heap[i] = x
        return held + 1
    if not (x > heap[0]):
        return held
    i = 0
    while 2 * i + 1 < room:
        child = 2 * i + 1
        if child + 1 < room and heap[child + 1] < heap[child]:
            child += 1
        if not (heap[child] < x):
            break
        heap[i] = heap[child]
        i = child
    heap[i] = x
    return held


@device
def _finish(out, top_at, room, held):
    """The largest deviation and Hill's estimate from a row's heap; NaN where there are too few or they tie at 0."""
    heap = floats(top_at, room)
    largest, total, root = 0.0, 0.0, heap[0]
    for i in range(held):
        largest = max(largest, heap[i])
    out[LARGEST], out[HILL] = largest, np.nan
    if held == room and room > 2 and root > 0.0:
        for i in range(1, room):
            total += log(heap[i] / root)
        if total > 0.0:
            out[HILL] = (room - 1) / total


@device
def _row(run_trials, job, work, first, n, top_at, room, out):
    """The trials of one row, from number ``first`` on. The status."""
    done, held = 0, 0
    while done < n:
        size = min(n - done, TILE)
        short, kept, _ = draw_sorted(job, work, first + uint64(done), size, 0, 0)
        status = run_trials(job, work, short, kept)
        if status != OK:
            return status
        held = _add(job, work, kept, out, top_at, room, held)
        done += size
    _finish(out, top_at, room, held)
    return OK


@device
def _rows(run_trials, job, work, rows_at, columns, first, rows, trials, top_at, room, out_at):
    """Rows ``first .. first + rows - 1``, ``FIELDS`` numbers each. The status, and how many rows are done.

    Counter of trial ``t`` of row ``i``: ``(i << 32) + t``. The pilot is the row's last possible trial under the key 0.
    """
    for r in range(rows):
        row_at, begin = rows_at + 8 * columns * r, uint64(first + r) << uint64(32)
        out = floats(out_at + 8 * FIELDS * r, FIELDS)
        center = _pilot(_at(job, uint64(0), row_at, 0.0), work, begin + uint64(0xFFFFFFFF))
        for i in range(FIELDS):
            out[i] = 0.0
        out[CENTER] = center
        shift = np.floor(center / _LOG_2) if center == center else 0.0
        status = _row(run_trials, _at(job, job.key, row_at, shift), work, begin, trials, top_at, room, out)
        if status != OK:
            return status, r
    return OK, rows


@kernel
def evaluate_prefix(job, work, rows_at, columns, first, rows, trials, top_at, room, out_at):
    """`_rows` of IWAE, SUMO, the single term."""
    return _rows(any_prefix_trials, job, work, rows_at, columns, first, rows, trials, top_at, room, out_at)


@kernel
def evaluate_jackknife(job, work, rows_at, columns, first, rows, trials, top_at, room, out_at):
    """`_rows` of the jackknife."""
    return _rows(jackknife_trials, job, work, rows_at, columns, first, rows, trials, top_at, room, out_at)


@kernel
def evaluate_levels(job, work, rows_at, columns, first, rows, trials, top_at, room, out_at):
    """`_rows` of dyadic levels."""
    return _rows(level_trials, job, work, rows_at, columns, first, rows, trials, top_at, room, out_at)


def kernel_of(kind):
    """The kernel for a kind of trial."""
    return {JACKKNIFE: evaluate_jackknife, LEVELS: evaluate_levels}.get(kind, evaluate_prefix)
