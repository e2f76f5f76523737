"""A block of consecutive trials on one thread: draw `K`, sort, run short and long trials, and hand the values on.

The two entry points differ in what becomes of the values: added to a tally, or written to arrays.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.estimators import LAST
from fastsumo.kernels._jit import device, kernel
from fastsumo.kernels.draw import draw
from fastsumo.kernels.job import OK, TILE
from fastsumo.kernels.long import long_trials
from fastsumo.kernels.short import short_trials
from fastsumo.kernels.weights import call_log_weights
from fastsumo.kernels.statistics import GROUPS, POWERS, tally_tile


@kernel
def tally_block(job, work, first, n, center, tally, giants):
    """Add the trials ``first .. first + n - 1`` to the tally. Status, trials done, and how many giants were left out.

    Tiles begin at multiples of `TILE`. The trial and the `K` of a giant go to ``giants`` (rows, 2).
    """
    sums = np.empty(POWERS + GROUPS)
    found, done = 0, 0
    while done < n:
        start = first + uint64(done)
        size = min(n - done, TILE - int64(start & uint64(TILE - 1)))
        short, kept, found = _sort(job, work, start, size, giants, found)
        status = _evaluate(job, work, short, kept)
        if status != OK:
            return status, done, found
        tally_tile(tally, work, short, kept, job.minimum, center, sums)
        done += size
    return OK, done, found


@kernel
def sample_block(job, work, first, n, values, terms, giants):
    """Values and `K` of the trials ``first .. first + n - 1``, by trial. Status, trials done, giants left out."""
    found, done = 0, 0
    while done < n:
        start = first + uint64(done)
        size = min(n - done, TILE - int64(start & uint64(TILE - 1)))
        short, kept, found = _sort(job, work, start, size, giants, found)
        status = _evaluate(job, work, short, kept)
        if status != OK:
            return status, done, found
        for i in range(kept):
            values[int64(work.trial[i] - first)] = work.values[i]
        terms[done : done + size] = work.terms[:size]
        done += size
    return OK, done, found


@device
def _evaluate(job, work, short, n):
    status = short_trials(job, work, short)
    return status if status != OK else long_trials(job, work, short, n)


@device
def _sort(job, work, start, n, giants, found):
    """Draw `K` for ``n`` trials; order them: short ones by falling `K`, then long ones. Giants are set aside.

    How many are short, how many are kept, how many giants there are by now.
    """
    terms, longest = work.terms[:n], job.longest_short
    if job.kind == LAST:
        terms[:] = job.law.cap
    else:
        draw(job.law, job.key, start, terms)
    places = np.zeros(max(longest, 0) + 2, np.int64)
    for t in range(n):
        if terms[t] <= longest:
            places[longest - terms[t] + 1] += 1
    for k in range(1, places.size):
        places[k] += places[k - 1]
    short = places[places.size - 1]
    kept = short
    for t in range(n):
        k = terms[t]
        if k <= longest:
            at = places[longest - k]
            places[longest - k] = at + 1
        elif k + job.minimum > job.giant:
            giants[found, 0], giants[found, 1] = int64(start) + t, k
            found += 1
            continue
        else:
            at = kept
            kept += 1
        work.trial[at] = start + uint64(t)
        work.sorted_terms[at] = k
    return short, kept, found


@kernel
def log_weights_of(job, trial, out):
    """The first ``out.size`` log weights of one trial."""
    n = out.size
    trials, samples = np.empty(n, np.uint64), np.empty(n, np.uint64)
    for i in range(n):
        trials[i], samples[i] = trial, uint64(i)
    return call_log_weights(
        job.address,
        trials.ctypes.data,
        samples.ctypes.data,
        n,
        job.key,
        job.numbers.ctypes.data,
        job.row.ctypes.data,
        out.ctypes.data,
    )
