"""A block of consecutive trials on one thread: draw `K`, sort, run short and long trials, and hand the values on.

Values are added to a tally, or written to arrays, by kernels that call what runs the trials of a family of estimators
by its address: each is compiled once, and a run compiles what it needs. How trials are run is not written here, nor
what threads do with blocks (`engine/cpu/workers.py`).
"""

from functools import cache

import numpy as np
from numba import int64, uint64

from fastsumo.engine.cpu.kernels.buffer import weigh_extended
from fastsumo.engine.cpu.kernels.extended import extended_long_trials, extended_short_trials
from fastsumo.engine.cpu.kernels.jackknife import jackknife_trials
from fastsumo.engine.cpu.kernels.long import long_trials
from fastsumo.engine.cpu.kernels.mlmc import mlmc_trials
from fastsumo.engine.cpu.kernels.scratch import (
    BUFFER,
    drawn_terms_at,
    drawn_terms_in,
    mantissas_in,
    pair_samples_in,
    pair_trials_at,
    pair_trials_in,
    places_in,
    powers_in,
    terms_in,
    trial_numbers_in,
    values_in,
)
from fastsumo.engine.cpu.kernels.short import short_trials
from fastsumo.engine.cpu.kernels.tallying import tally_tile
from fastsumo.engine.cpu.kernels.taylor import taylor_trials
from fastsumo.engine.status import OK
from fastsumo.jit.calls import by_address
from fastsumo.jit.memory import floats, ints
from fastsumo.jit.options import device, is_kept, kernel, native
from fastsumo.jit.records import record_of
from fastsumo.trial import kinds
from fastsumo.trial.draw import draw, draw_alone, draw_stratified, samples_of
from fastsumo.trial.params import KernelParams
from fastsumo.trial.sizes import SHORT, TILE
from fastsumo.vmath import _log_of

_TRIALS = int64(record_of(KernelParams), int64, int64, int64)
call_trials = by_address(_TRIALS)  # an address of `trials_at` first


def _linear_trials(params, scratch, short, n):
    """Values of the ``n`` trials of a tile, the first ``short`` sorted by falling `K`: IWAE, SUMO, the single term.

    The status; `EXTENDED` if there are weights outside the linear range.
    """
    status = short_trials(params, scratch, short)
    if status == OK:
        status = long_trials(params, scratch, short, n)
    return status


def _extended_trials(params, scratch, short, n):
    """`_linear_trials` for the extended range."""
    status = extended_short_trials(params, scratch, short)
    if status == OK:
        status = extended_long_trials(params, scratch, short, n)
    return status


_OTHERS = {kinds.JVI: jackknife_trials, kinds.MLMC: mlmc_trials, kinds.TAYLOR: taylor_trials}


@cache
def trials_at(kind, linear):
    """The address of what runs a tile's trials of a kind, see `_linear_trials`; found compiled, or compiled.

    That for the ``linear`` range may stop with the status `EXTENDED`: the tile is for the other, which gives the same
    bits wherever both give any, and is seldom needed and long to compile.
    """
    return int(native(_trials_of(kind, linear), _TRIALS, __name__).address)


def trials_are_kept(kind, linear):
    """Whether that is in the cache."""
    return is_kept(_trials_of(kind, linear), __name__)


def _trials_of(kind, linear):
    return _OTHERS[kind].py_func if kind in _OTHERS else _linear_trials if linear else _extended_trials


@device
def _next_tile(first, done, n):
    """First trial and size of the tile after ``done`` trials of the block."""
    start = first + uint64(done)
    return start, min(n - done, TILE - int64(start & uint64(TILE - 1)))


QUARTERS = 4


def _sorted(draw):
    """``draw_sorted(params, scratch, start, n, split_at, found)``, where ``draw`` is one of `trial/draw.py`.

    Draw the tile's `K` and order its trials: short ones by falling `K`, then long ones; set those to split aside.
    Each quarter of the tile counts for itself: half of all `K` are 1, and a counter cannot go up every cycle.
    """

    @device
    def draw_sorted(params, scratch, start, n, split_at, found):
        draw(params, start, drawn_terms_at(scratch, 0), n)
        terms, longest = drawn_terms_in(scratch, 0, n), max(params.longest_short, 0)
        places = places_in(scratch, 0, QUARTERS * (SHORT + 2))
        trial, ordered = trial_numbers_in(scratch, 0, n), terms_in(scratch, 0, n)
        if params.kind == kinds.IWAE and params.cap <= params.split_above:  # all alike
            for t in range(n):
                trial[t], ordered[t] = start + uint64(t), params.cap
            return n if params.cap <= longest else 0, n, found
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
                elif samples_of(params, k) > params.split_above:
                    place = ints(split_at + 16 * found, 2)
                    place[0], place[1] = int64(start) + t, k
                    found += 1
                    continue
                else:
                    at = kept
                    kept += 1
                trial[at], ordered[at] = start + uint64(t), k
        return short, kept, found

    return draw_sorted


draw_sorted, _draw_alone, _draw_stratified = _sorted(draw), _sorted(draw_alone), _sorted(draw_stratified)


def _kernels(draw_sorted, name=""):
    """The two entry points of a way to draw."""

    def tally(params, trials_at, scratch, first, n, center, tally, split_at, known):
        """Add the trials ``first .. first + n - 1`` to the tally. Status, trials done, how many were set aside.

        Tiles begin at multiples of `TILE`. Number and `K` of trials to be split are set aside in ``split_at``, (n, 2).
        A single trial that lies in the scratch memory with its value is added before, if there is one ``known``.
        """
        if known:
            tally_tile(tally, scratch, 0, 1, params, center)
        found, done = 0, 0
        while done < n:
            start, size = _next_tile(first, done, n)
            short, kept, aside = draw_sorted(params, scratch, start, size, split_at, found)
            status = call_trials(trials_at, (params, scratch, short, kept))
            if status != OK:
                return status, done, found
            found = aside
            tally_tile(tally, scratch, short, kept, params, center)
            done += size
        return OK, done, found

    def sample(params, trials_at, scratch, first, n, values_at, terms_at, split_at):
        """Values and `K` of the trials ``first .. first + n - 1``, by trial. The same three numbers."""
        values, terms = floats(values_at, n), ints(terms_at, n)
        found, done = 0, 0
        while done < n:
            start, size = _next_tile(first, done, n)
            short, kept, aside = draw_sorted(params, scratch, start, size, split_at, found)
            status = call_trials(trials_at, (params, scratch, short, kept))
            if status != OK:
                return status, done, found
            found = aside
            trial, computed = trial_numbers_in(scratch, 0, kept), values_in(scratch, 0, kept)
            drawn = drawn_terms_in(scratch, 0, size)
            for i in range(kept):
                values[int64(trial[i] - first)] = computed[i]
            for t in range(size):
                terms[done + t] = drawn[t]
            done += size
        return OK, done, found

    tally.__name__, sample.__name__ = f"{name}tally", f"{name}sample"  # what they are cached under
    return kernel(tally), kernel(sample)


_ALONE, _STRATIFIED = _kernels(_draw_alone), _kernels(_draw_stratified, "stratified_")


def kernels_of(stratified):
    """The kernels, of one signature each, that add a block to a tally and write its values.

    Those of trials that are stratified are compiled if a run has such.
    """
    return _STRATIFIED if stratified else _ALONE


@kernel
def log_weights_of(params, scratch, trial, first, n, out_at):
    """The log weights ``first .. first + n - 1`` of one trial; NaN where one is NaN or +inf. The status."""
    done, out = 0, floats(out_at, n)
    while done < n:
        size = min(n - done, BUFFER)
        trials, samples = pair_trials_in(scratch, 0, size), pair_samples_in(scratch, 0, size)
        for i in range(size):
            trials[i], samples[i] = trial, uint64(first + done + i)
        status = weigh_extended(params, scratch, pair_trials_at(scratch, 0), size)
        if status != OK:
            return status
        mantissa, power = mantissas_in(scratch, 0, size), powers_in(scratch, 0, size)
        for i in range(size):
            log_weight = _log_of(mantissa[i], power[i])
            out[done + i] = log_weight if mantissa[i] > 0.0 else (-np.inf if mantissa[i] == 0.0 else np.nan)
        done += size
    return OK
