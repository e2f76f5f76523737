"""A block of consecutive trials on one thread: draw `K`, sort, run short and long trials, and hand the values on.

Values are added to a tally, or written to arrays. Each family of estimators has entry points of its own, so that a run
compiles what it needs.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.estimators import JACKKNIFE, LAST, LEVELS
from fastsumo.kernels._jit import device, kernel
from fastsumo.kernels.buffer import evaluate, weigh
from fastsumo.kernels.draw import draw, samples_of
from fastsumo.kernels.dyadic import level_trials
from fastsumo.kernels.jackknife import jackknife_trials
from fastsumo.kernels.job import (
    BUFFER,
    MANTISSA,
    OK,
    ORDERED_TERMS,
    PLACES,
    POWER,
    SAMPLES,
    SHORT,
    TERMS,
    TILE,
    TRIAL,
    TRIALS,
    VALUES,
    WEIGHT,
)
from fastsumo.kernels.long import long_trials
from fastsumo.kernels.memory import floats, ints, words
from fastsumo.kernels.short import short_trials
from fastsumo.kernels.statistics import tally_tile
from fastsumo.kernels.wide import wide_long_trials, wide_short_trials
from fastsumo.vmath import _log_of


@device
def _prefix_trials(job, work, short, n):
    """Values of the ``n`` trials of a tile, the first ``short`` sorted by falling `K`: IWAE, SUMO, the single term.

    `WIDE` if there are weights that are not plain.
    """
    status = short_trials(job, work, short)
    if status == OK:
        status = long_trials(job, work, short, n)
    return status


@device
def any_prefix_trials(job, work, short, n):
    """`_prefix_trials` with weights of any scale."""
    status = wide_short_trials(job, work, short)
    if status == OK:
        status = wide_long_trials(job, work, short, n)
    return status


def _kernels(name, run_trials):
    """The two entry points of a family of trials; ``run_trials`` has the signature of `_prefix_trials`."""

    def tally(job, work, first, n, center, tally, giants_at):
        """Add the trials ``first .. first + n - 1`` to the tally. Status, trials done, how many giants were left out.

        Tiles begin at multiples of `TILE`. The trial and the `K` of a giant go to ``giants_at``, int64 (n, 2).
        """
        found, done = 0, 0
        while done < n:
            start, size = _next_tile(first, done, n)
            short, kept, giants = draw_sorted(job, work, start, size, giants_at, found)
            status = run_trials(job, work, short, kept)
            if status != OK:
                return status, done, found
            found = giants
            tally_tile(tally, work, short, kept, job, center)
            done += size
        return OK, done, found

    def sample(job, work, first, n, values_at, terms_at, giants_at):
        """Values and `K` of the trials ``first .. first + n - 1``, by trial. Status, trials done, giants left out."""
        values, terms = floats(values_at, n), ints(terms_at, n)
        found, done = 0, 0
        while done < n:
            start, size = _next_tile(first, done, n)
            short, kept, giants = draw_sorted(job, work, start, size, giants_at, found)
            status = run_trials(job, work, short, kept)
            if status != OK:
                return status, done, found
            found = giants
            trial, computed, drawn = words(work + TRIAL, kept), floats(work + VALUES, kept), ints(work + TERMS, size)
            for i in range(kept):
                values[int64(trial[i] - first)] = computed[i]
            for t in range(size):
                terms[done + t] = drawn[t]
            done += size
        return OK, done, found

    tally.__name__, sample.__name__ = f"tally_{name}", f"sample_{name}"  # what they are cached under
    return kernel(tally), kernel(sample)


_PLAIN, _ANY = _kernels("plain", _prefix_trials), _kernels("any", any_prefix_trials)
_FAMILIES = {JACKKNIFE: _kernels("jackknife", jackknife_trials), LEVELS: _kernels("levels", level_trials)}
QUARTERS = 4


def kernels_of(kind, plain=False):
    """The kernels for a kind of trial, of one signature each: to add a block to a tally, and to write its values.

    Those for ``plain`` weights may stop at a tile with the status `WIDE`: the tile is for the others, which give the
    same bits wherever both give any, and are seldom needed and long to compile.
    """
    return _FAMILIES.get(kind, _PLAIN if plain else _ANY)


@kernel
def tally_one(job, work, trial, terms, value, center, tally):
    """Add a single trial whose value is known."""
    words(work + TRIAL, 1)[0] = trial
    ints(work + ORDERED_TERMS, 1)[0] = terms
    floats(work + VALUES, 1)[0] = value
    tally_tile(tally, work, 0, 1, job, center)


@device
def _next_tile(first, done, n):
    """First trial and size of the tile after ``done`` trials of the block."""
    start = first + uint64(done)
    return start, min(n - done, TILE - int64(start & uint64(TILE - 1)))


@device
def draw_sorted(job, work, start, n, giants_at, found):
    """Draw the tile's `K` and order its trials: short ones by falling `K`, then long ones. Giants are set aside.

    Each quarter of the tile counts for itself: half of all `K` are 1, and a counter cannot go up every cycle.
    """
    draw(job, start, work + TERMS, n)
    terms, longest = ints(work + TERMS, n), max(job.longest_short, 0)
    places = ints(work + PLACES, QUARTERS * (SHORT + 2))
    trial, ordered = words(work + TRIAL, n), ints(work + ORDERED_TERMS, n)
    if job.kind == LAST and job.cap <= job.giant:  # all alike
        for t in range(n):
            trial[t], ordered[t] = start + uint64(t), job.cap
        return n if job.cap <= longest else 0, n, found
    quarter = (n + QUARTERS - 1) // QUARTERS
    for k in range(QUARTERS * (longest + 1)):
        places[k] = 0
    for i in range(quarter):
        for q in range(QUARTERS):
            t = q * quarter + i
            if t < n and terms[t] <= longest:
                places[QUARTERS * (longest - terms[t]) + q] += 1
    short = 0
    for k in range(QUARTERS * (longest + 1)):
        places[k], short = short, short + places[k]
    kept = short
    for i in range(quarter):
        for q in range(QUARTERS):
            t = q * quarter + i
            if t >= n:
                continue
            k = terms[t]
            if k <= longest:
                place = QUARTERS * (longest - k) + q
                at = places[place]
                places[place] = at + 1
            elif samples_of(job, k) > job.giant:
                giant = ints(giants_at + 16 * found, 2)
                giant[0], giant[1] = int64(start) + t, k
                found += 1
                continue
            else:
                at = kept
                kept += 1
            trial[at], ordered[at] = start + uint64(t), k
    return short, kept, found


@kernel
def log_weights_of(job, work, trial, first, n, out_at):
    """The log weights ``first .. first + n - 1`` of one trial; NaN where one is NaN or +inf. The status.

    `WIDE` if they are not plain and the job is not for weights of any scale; where they are, the bits are the same.
    """
    done = 0
    out, plain = floats(out_at, n), job.any_address == 0
    while done < n:
        size = min(n - done, BUFFER)
        trials, samples = words(work + TRIALS, size), words(work + SAMPLES, size)
        for i in range(size):
            trials[i], samples[i] = trial, uint64(first + done + i)
        status = weigh(job, work, size) if plain else evaluate(job, work, size)
        if status != OK:
            return status
        weight, power = floats(work + (WEIGHT if plain else MANTISSA), size), floats(work + POWER, size)
        for i in range(size):
            log_weight = _log_of(weight[i], job.shift if plain else power[i])
            out[done + i] = log_weight if weight[i] > 0.0 else (-np.inf if weight[i] == 0.0 else np.nan)
        done += size
    return OK
