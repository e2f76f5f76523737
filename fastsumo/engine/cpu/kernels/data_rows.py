"""Many rows of data in one call: the trials of each row in turn, and a few sums a row. No tally, and no trial is split.

A row takes a pilot, so that its weights lie around 1, and then tiles of trials as in `block.py`. What the sums
are for is in `statistics/row_sums.py`.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.engine.cpu.kernels.block import call_trials, draw_sorted
from fastsumo.engine.cpu.kernels.buffer import weigh_extended
from fastsumo.engine.cpu.kernels.scratch import (
    group_sums_in,
    mantissas_in,
    pair_samples_in,
    pair_trials_at,
    pair_trials_in,
    powers_in,
    report_in,
    terms_in,
    trial_numbers_in,
    values_in,
)
from fastsumo.engine.status import BAD_WEIGHT, NO_CENTER, OK
from fastsumo.jit.bits import fabs
from fastsumo.jit.memory import floats
from fastsumo.jit.options import device, kernel
from fastsumo.jit.records import with_field
from fastsumo.statistics.row_sums import (
    CENTER,
    COST,
    ERROR,
    FIELDS,
    FINITE,
    HILL,
    LARGEST,
    SUM,
    SUM_SQUARES,
    ZERO_WEIGHT,
)
from fastsumo.statistics.tally import GROUPS
from fastsumo.trial import kinds
from fastsumo.trial.draw import samples_of
from fastsumo.trial.ranges import LARGEST_SHIFT, LOG_2
from fastsumo.trial.series import scale_of
from fastsumo.trial.sizes import CENTER_GRID, ROW_PILOT, TILE
from fastsumo.vmath import _log_of, _pow2, log, log1p

_SIZE = len(FIELDS)


@device
def _at(params, key, row_at, shift):
    """The params at one row, with its key and shift."""
    return with_field(with_field(with_field(params, "key", key), "row_at", row_at), "shift", shift)


@device
def _around(params, evidence, chi_square):
    """The params of Taylor's series around a row's own centre, see `estimators.estimated_center`."""
    center = evidence + log1p(chi_square / params.block)
    center = np.floor(center * CENTER_GRID + 0.5) / CENTER_GRID
    shift, inverse = scale_of(center, params.block)
    own = with_field(with_field(params, "log_center", center), "inverse_center", inverse)
    return with_field(own, "shift", shift)


@device
def _pilot(params, scratch, trial):
    """A rough log evidence from the first samples of a trial, and a chi-square; NaN where they have no weight.

    Before them the status. What is no log weight is left out, if that does not matter.
    """
    trials, samples = pair_trials_in(scratch, 0, ROW_PILOT), pair_samples_in(scratch, 0, ROW_PILOT)
    for i in range(ROW_PILOT):
        trials[i], samples[i] = trial, uint64(i)
    status = weigh_extended(params, scratch, pair_trials_at(scratch, 0), ROW_PILOT)
    if status != OK:
        return status, np.nan, np.nan
    mantissa, power = mantissas_in(scratch, 0, ROW_PILOT), powers_in(scratch, 0, ROW_PILOT)
    top, total, squares = -np.inf, 0.0, 0.0
    for i in range(ROW_PILOT):
        if mantissa[i] > 0.0:
            top = max(top, power[i])
        elif not (mantissa[i] >= 0.0):
            report_in(scratch, 0, 2)[0] = int64(trial)
            status = BAD_WEIGHT
    for i in range(ROW_PILOT):
        if mantissa[i] > 0.0:
            weight = mantissa[i] * _pow2(max(power[i] - top, -1000.0))
            total += weight
            squares += weight * weight
    if not total > 0.0:
        return status, np.nan, np.nan
    return status, _log_of(total / ROW_PILOT, top), max(ROW_PILOT * squares / (total * total) - 1.0, 0.0)


@device
def _add(params, scratch, n, out, top_at, room, held):
    """Add the ``n`` trials of a tile to a row's sums and to its largest deviations, of which ``held`` are there."""
    values, terms, trial = values_in(scratch, 0, n), terms_in(scratch, 0, n), trial_numbers_in(scratch, 0, n)
    groups, block_bits = group_sums_in(scratch, 0, GROUPS), uint64(params.block_bits)
    center, s1, s2, cost, finite = out[CENTER], 0.0, 0.0, int64(0), 0
    for i in range(n):
        cost += samples_of(params, terms[i])
        value = values[i]
        if value == -np.inf:
            out[ZERO_WEIGHT] += 1.0
            continue
        if np.isnan(center):
            center = value
        d = value - center
        s1 += d
        s2 += d * d
        finite += 1
        if block_bits:
            groups[(trial[i] >> block_bits) & uint64(GROUPS - 1)] += d
        held = _hold(top_at, room, held, fabs(d))
    out[CENTER] = center
    out[FINITE] += finite
    out[COST] += cost
    out[SUM] += s1
    out[SUM_SQUARES] += s2
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
def _error_by_groups(params, scratch, n, out):
    """Standard error of the mean of a row's ``n`` stratified trials: `tails._summary.error_by_groups`."""
    groups, blocks = group_sums_in(scratch, 0, GROUPS), n >> params.block_bits  # blocks that are whole
    mean, shares, squares = out[SUM] / n, 0.0, 0.0
    for group in range(GROUPS):
        count = ((blocks + GROUPS - 1 - group) // GROUPS) << params.block_bits
        if group == blocks % GROUPS:
            count += n - (blocks << params.block_bits)
        shares += (count / n) ** 2
        squares += (groups[group] - count * mean) ** 2
    if n <= 1 << params.block_bits or out[ZERO_WEIGHT] > 0.0:
        return np.nan
    return np.sqrt(squares / (1.0 - shares)) / n


@device
def _row(params, trials_at, scratch, first, n, top_at, room, out):
    """The trials of one row, from number ``first`` on. The status."""
    done, held = 0, 0
    group_sums_in(scratch, 0, GROUPS)[:] = 0.0
    while done < n:
        size = min(n - done, TILE)
        short, kept, _ = draw_sorted(params, scratch, first + uint64(done), size, 0, 0)
        status = call_trials(trials_at, (params, scratch, short, kept))
        if status != OK:
            return status
        held = _add(params, scratch, kept, out, top_at, room, held)
        done += size
    _finish(out, top_at, room, held)
    if params.block_bits:
        out[ERROR] = _error_by_groups(params, scratch, n, out)
    return OK


@kernel
def run_rows(params, trials_at, scratch, rows_at, columns, first, rows, trials, top_at, room, out_at):
    """Rows ``first .. first + rows - 1``, a record of `row_sums` each. The status, and how many rows are done.

    Counter of trial ``t`` of row ``i``: ``(i << 32) + t``. The pilot is the row's last possible trial under the key 0.
    """
    for r in range(rows):
        row_at, begin = rows_at + 8 * columns * r, uint64(first + r) << uint64(32)
        out = floats(out_at + 8 * _SIZE * r, _SIZE)
        status, center, chi_square = _pilot(_at(params, uint64(0), row_at, 0.0), scratch, begin + uint64(0xFFFFFFFF))
        for i in range(_SIZE):
            out[i] = 0.0
        out[CENTER] = center
        shift = np.floor(center / LOG_2) if fabs(center) < LARGEST_SHIFT else 0.0
        own = _at(params, params.key, row_at, shift)
        if params.kind == kinds.TAYLOR:
            if status != OK:
                return status, r
            if center != center:
                report_in(scratch, 0, 2)[0] = int64(begin)
                return NO_CENTER, r
            own = _around(own, center, chi_square)
        status = _row(own, trials_at, scratch, begin, trials, top_at, room, out)
        if status != OK:
            return status, r
    return OK, rows
