"""Trials of multilevel Monte Carlo, the jackknife and Taylor's series that are too long for one thread: a warp each.

The arithmetic is that of the trials that run alone in ``engine/cpu/kernels/mlmc.py``, ``jackknife.py`` and
``taylor.py``, in the linear range of weights: sums and products fold a stretch of weights in halves. Where the range
is left, the trial is set aside.
"""

from typing import Any

import numpy as np
from numba import int64, types, uint64

from fastsumo.engine.cuda.kernels.record import Kind, reader
from fastsumo.engine.cuda.kernels.sizes import (
    ALL,
    FOUND_ASIDE,
    FOUND_SIZE,
    FOUND_WAITING,
    STRETCH,
    TALLY_BYTES,
)
from fastsumo.engine.cuda.kernels.tallying import tallying
from fastsumo.engine.cuda.kernels.weight import pair_on_card, weight_of
from fastsumo.engine.shapes import Shape
from fastsumo.jit.bits import fabs, fma
from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import inlined
from fastsumo.trial import kinds
from fastsumo.trial.draw import samples_of
from fastsumo.trial.levels import difference, factor_of
from fastsumo.trial.ranges import FURTHEST, is_linear
from fastsumo.trial.segments import added
from fastsumo.trial.series import factor_of_block, term_of
from fastsumo.vmath import _log_of, _log_positive

_TINY = 2.0**-500  # ratios of halves below it are for the CPU

SIGNATURE = types.void(
    types.int64,  # address of the params
    types.int64,  # of the counters of the launch
    types.int64,  # of the trials that wait, two numbers each
    types.int64,  # of trials that are set aside
    types.int64,  # of room for the weights of one trial for each warp ...
    types.int64,  # ... and how many numbers that is
    types.float64,  # centre
    types.int64,  # address of the copies of the tally
    types.int64,  # how many
    types.int64,  # of the candidates
    types.uint64,  # first trial of the values
    types.int64,  # how many
    types.int64,  # address of values by trial, or 0: then trials are added to the tally
)


def alone_kernel(function: Any, shape: Shape, kind: Kind, cuda: Any, pair: Any = pair_on_card) -> Any:
    """The kernel, for a model's function and a kind of trial."""
    read, weight = reader(kind), weight_of(function, shape, cuda, pair)
    tally_alone = tallying(cuda).tally_alone
    levels, series = kind.kind == kinds.MLMC, kind.kind == kinds.TAYLOR

    @inlined
    def weigh(params, trial, first, n, room, lane):
        """Weigh samples into the warp's room. Whether all are in the linear range."""
        x, outside = floats(room, n), 0
        for i in range(lane, n, 32):
            w = weight(params, trial, uint64(first + i))
            outside += 0 if is_linear(w) else 1
            x[i] = w
        cuda.syncwarp()
        return cuda.ballot_sync(ALL, outside > 0) == 0

    @inlined
    def fold(room, n, lane, multiply):
        """The sum or the product of ``n >= 1`` numbers, which are overwritten: halves, then halves of those."""
        x = floats(room, n)
        while n > 1:
            kept = (n + 1) // 2
            for i in range(lane, n - kept, 32):
                x[i] = x[i] * x[i + kept] if multiply else x[i] + x[i + kept]
            cuda.syncwarp()
            n = kept
        found = x[0]
        cuda.syncwarp()
        return found

    @inlined
    def by_levels(params, trial, terms, room, lane):
        """The value of a trial of multilevel Monte Carlo, and whether it is one."""
        total, inside = 0.0, True
        before, before_low, part, part_low = 0.0, 0.0, 0.0, 0.0
        level, end, samples, at = int64(-params.first), params.base, samples_of(params, terms), int64(0)
        while at < samples:
            n = min(end, (at // STRETCH + 1) * STRETCH) - at
            inside &= weigh(params, trial, at, n, room, lane)
            part, part_low = added(part, part_low, fold(room, n, lane, False))
            at += n
            if at == end:
                factor = 1.0 if level < 0 else factor_of(params, level, terms)
                if factor > 0.0:
                    near = level < 1 or part == 0.0 or before == 0.0 or (min(part, before) > _TINY * max(part, before))
                    inside &= near
                    if level < 1:
                        d = _log_of((part + part_low) / params.base, params.shift)
                    else:
                        d = difference(before, part, (part - before) + (part_low - before_low))
                    total += factor * d if part > 0.0 else -np.inf
                if level >= 0:
                    before, lost = added(before, 0.0, part)
                    before_low += lost + part_low
                part, part_low = 0.0, 0.0
                end += params.base << max(level, 0)
                level += 1
        return total, inside

    @inlined
    def by_series(params, trial, terms, room, lane):
        """The value of a trial of Taylor's series, and whether it is one."""
        product, high, low, part, part_low, inside = 1.0, 0.0, 0.0, 0.0, 0.0, True
        block, samples, at = params.block, samples_of(params, terms), int64(0)
        while at < samples and product != 0.0 and fabs(product) < np.inf:
            n, done = min(STRETCH, samples - at), int64(0)
            cuda.syncwarp()
            inside &= weigh(params, trial, at, n, room, lane)
            x = floats(room, n)
            while done < n:
                end = (at + done) // block + 1
                count = min(n - done, end * block - (at + done))
                total, rest = (x[done] if count == 1 else fold(room + 8 * done, count, lane, False)), 0.0
                done += count
                if block > 1:
                    total, rest = added(part, part_low, total)
                    part, part_low = total, rest
                    if at + done < end * block:
                        continue
                    part, part_low = 0.0, 0.0
                product *= factor_of_block(params, total + rest)
                high, low = added(high, low, term_of(params, end) * product)
            at += n
        result = params.log_center - (high + low)
        return result, inside and fabs(result) <= FURTHEST

    @inlined
    def sum_of(room, copy, first, last, lane):
        """The sum of weights of the room, stretch by stretch, each in a copy; the same for all threads."""
        high, low = 0.0, 0.0
        for start in range(first, last, STRETCH):
            n = min(STRETCH, last - start)
            x, y = floats(room + 8 * start, n), floats(copy, n)
            for i in range(lane, n, 32):
                y[i] = x[i]
            cuda.syncwarp()
            high, low = added(high, low, fold(copy, n, lane, False))
        return high + low

    @inlined
    def product_of(room, copy, first, last, inverse, lane):
        """The product of ``1 - w * inverse`` over weights of the room."""
        product = 1.0
        for start in range(first, last, STRETCH):
            n = min(STRETCH, last - start)
            x, y = floats(room + 8 * start, n), floats(copy, n)
            for i in range(lane, n, 32):
                y[i] = fma(-x[i], inverse, 1.0)
            cuda.syncwarp()
            product *= fold(copy, n, lane, True)
        return product

    @inlined
    def by_jackknife(params, trial, k, room, lane):
        """The value of a trial of the jackknife of order 1, and whether it is one."""
        inside, x, copy = weigh(params, trial, 0, k, room, lane), floats(room, k), room + 8 * k
        largest, at = -1.0, int64(0)
        for i in range(lane, k, 32):
            if x[i] > largest:
                largest, at = x[i], i
        for other in (16, 8, 4, 2, 1):
            theirs, there = cuda.shfl_xor_sync(ALL, largest, other), cuda.shfl_xor_sync(ALL, at, other)
            if theirs > largest or (theirs == largest and there < at):
                largest, at = theirs, there
        cuda.syncwarp()
        if lane == 0:
            x[0], x[at] = x[at], x[0]
        cuda.syncwarp()
        rest = sum_of(room, copy, 1, k, lane)
        total = largest + rest
        product = product_of(room, copy, 1, k, 1.0 / total, lane)
        whole, without = _log_of(total / k, params.shift), _log_positive(rest / total)
        result = whole - (k - 1.0) / k * (without + _log_positive(product) - params.equal_logs)
        return (result if rest > 0.0 else -np.inf), inside

    def run_alone(
        params_at,
        found_at,
        waiting_at,
        aside_at,
        rooms_at,
        room_size,
        center,
        tally,
        copies,
        candidates_at,
        first_trial,
        n,
        values_at,
    ):
        params, found = read(params_at), ints(found_at, FOUND_SIZE)
        t, lane = int64(cuda.threadIdx.x), int64(cuda.threadIdx.x) & 31
        warp = (int64(cuda.blockIdx.x) * int64(cuda.blockDim.x) + t) >> 5
        room = rooms_at + 8 * room_size * warp
        warps = int64(cuda.gridDim.x) * int64(cuda.blockDim.x) >> 5
        for at in range(warp, found[FOUND_WAITING], warps):
            trial, terms = words(waiting_at + 16 * at, 1)[0], ints(waiting_at + 16 * at, 2)[1]
            if series:
                value, inside = by_series(params, trial, terms, room, lane)
            elif levels:
                value, inside = by_levels(params, trial, terms, room, lane)
            else:
                value, inside = by_jackknife(params, trial, terms, room, lane)
            if lane == 0:
                if inside and values_at != 0:
                    floats(values_at, n)[int64(trial - first_trial)] = value
                elif inside:
                    own = tally + (at % copies) * TALLY_BYTES
                    tally_alone(params, center, own, tally, found_at, candidates_at, trial, terms, value)
                else:
                    place = aside_at + 16 * cuda.atomic.add(found, FOUND_ASIDE, 1)
                    words(place, 1)[0], ints(place, 2)[1] = trial, terms

    return run_alone
