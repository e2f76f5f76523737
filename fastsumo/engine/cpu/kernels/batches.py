"""Batches of a vectorised model: which trials a table of `look_up.py` has, in what order, and at which points they are.

A table has short trials, whole tiles of them, or long ones, as many as are wanted. Kernels work on the short trials of
a tile side by side, so these are one group; a long trial is a group of its own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from numba import int64, types, uint64

from fastsumo.engine.cpu.kernels.block import draw_sorted
from fastsumo.engine.cpu.kernels.look_up import (
    BASE,
    FIRST,
    HALF,
    KEY,
    LOW,
    ORDER,
    PLACES,
    STARTS,
    STRIDE,
    is_alone,
    place_of,
)
from fastsumo.engine.cpu.kernels.scratch import drawn_terms_at, drawn_terms_in, terms_in, trial_numbers_in
from fastsumo.engine.cpu.kernels.weights import call_noise
from fastsumo.jit import options
from fastsumo.jit.calls import by_address
from fastsumo.jit.memory import floats, halves, ints, table_at, words
from fastsumo.jit.options import device, kernel
from fastsumo.jit.sources import source_digest
from fastsumo.models import transforms
from fastsumo.trial.draw import draw, samples_of
from fastsumo.trial.ranges import is_log_weight
from fastsumo.trial.sizes import TILE

_MAP = types.int64(*[types.int64] * 8)
_call_map = by_address(_MAP)
_ALL = 1 << 40  # more than there are


@lru_cache
def map_of(transform: str) -> Any:
    """The native function that turns a chunk of noise into points, by a proposal's map, and gives their log density."""
    mapped = getattr(transforms, transform)

    def points(chunk_at, rows, columns, n, dim, numbers_at, size, log_q_at):
        mapped(table_at(chunk_at, rows, columns), dim, floats(numbers_at, size), floats(log_q_at, n))
        return 0

    points.__name__ = f"{transform}_points"  # what it is cached under
    return options.callback(points, _MAP, source_digest(__name__, transform))


@device
def _next_tile(number, n, each):
    """The trial at a number, where rows of ``each`` so many are numbered one after the other; and how many of its tile.

    At most ``n`` of them.
    """
    row = number // each
    within = number - row * each
    left = min(each - within, uint64(TILE) - within % uint64(TILE))
    return (row << HALF) + within, min(n, int64(left))


@kernel
def choose(params, scratch, number, n, each, asked, samples, most, wanted, shorts, longs, counts, aside):
    """The trials of a table, in the order in which kernels work on them, and how many samples each has.

    Of ``n`` trials from ``number`` on, where a tile begins, they are the short ones if the one that is ``asked`` for is
    short, whole tiles of them; else those from that one on that are longer, but of at most ``most`` samples; until so
    many samples are ``wanted``. They are written to ``shorts`` or to ``longs``. Each has so many ``samples``, and is
    long, or, if that is 0, as many as the estimator takes.

    Returns whether they are short, how many, out of how many, with how many samples, and those of the one asked for.
    """
    draw(params, asked, drawn_terms_at(scratch, 0), 1)
    terms = drawn_terms_in(scratch, 0, 1)[0]
    own, short = samples if samples else samples_of(params, terms), samples == 0 and terms <= params.longest_short
    order, found, done, total = shorts if short else longs, 0, 0, 0
    while done < (n if short or own <= most else 0) and done + TILE <= order.size and total < wanted:
        trial, size = _next_tile(number + uint64(done), n - done, each)
        numbers, sorted_terms = trial_numbers_in(scratch, 0, size), terms_in(scratch, 0, size)
        if samples:
            first, kept = 0, size
            for i in range(size):
                numbers[i] = trial + uint64(i)
        else:
            first, kept, _ = draw_sorted(params, scratch, trial, size, aside.ctypes.data, 0)
        if short:
            taken, its = words(order.ctypes.data + 8 * found, first), ints(counts.ctypes.data + 8 * found, first)
            for i in range(first):
                taken[i], its[i] = numbers[i], samples_of(params, sorted_terms[i])
                total += its[i]
            found, kept = found + first, 0
        elif done == 0:
            while first < kept and numbers[first] != asked:
                first += 1
        done += size
        for i in range(first, kept):
            count = samples if samples else samples_of(params, sorted_terms[i])
            if count <= most:
                if total + count > wanted:
                    return short, found, done, total, own
                order[found], counts[found], found, total = numbers[i], count, found + 1, total + count
    return short, found, done, total, own


@kernel
def lay_out(counts, together, record, order, places, starts, logs):
    """Where the log weights of a table lie, of the trials of ``order`` that have so many each: see `look_up.py`.

    Those of a tile are a group if they are ``together``, else every trial is alone.
    """
    stride, low, base = record[STRIDE], record[LOW], record[BASE]
    for i in range(places.size):
        places[i] = uint64(0)
    starts[0] = 0  # a group without samples, of the trials that are not there
    begin, group, at = 0, 1, 0
    while begin < order.size:
        left = order.size - begin
        trials, sizes = words(order.ctypes.data + 8 * begin, left), ints(counts.ctypes.data + 8 * begin, left)
        tile, width, longest = trials[0] // uint64(TILE), 1, sizes[0]
        while together and width < left and trials[width] // uint64(TILE) == tile:
            width += 1
        for rank in range(width):
            places[place_of(trials[rank], stride, low, base)] = (uint64(group) << HALF) | uint64(rank)
        starts[group], starts[group + 1], starts[group + 2], begin = longest, begin, at, begin + width
        for s in range(longest if width > 1 else 1):
            while sizes[width - 1] <= s:
                width -= 1
            at += width
            starts[group + 3 + s] = at
        at, group = _end(starts, group), _next(starts, group)
    for i, address in enumerate((places.ctypes.data, order.ctypes.data, starts.ctypes.data, logs.ctypes.data)):
        record[PLACES + i] = uint64(address)


@kernel
def draw_points(noise_at, noise_dim, map_at, numbers, chunk, pairs, record, low, n, z, log_q, trials_out):
    """Points of ``n`` log weights of a table from number ``low`` on, rows of ``z``, of which the last is repeated.

    Noise, by the function at ``noise_at``, is drawn into a chunk, from pairs of trials and samples. With a proposal's
    map, at ``map_at``, the log densities of the points are written too, and the trials if there is room for them.
    """
    dim, (rows, columns) = z.shape[1], chunk.shape
    starts, order = halves(int64(record[STARTS]), _ALL), int64(record[ORDER])
    trials_at, samples_at = pairs[0].ctypes.data, pairs[1].ctypes.data
    group, sample, rank = _find(starts, low)
    for start in range(0, n, columns):
        size, i = min(columns, n - start), 0
        while i < size:
            first, begin = order + 8 * int64(starts[group + 1]), record[FIRST] + uint64(sample)
            if is_alone(starts, group):
                m = min(size - i, int64(starts[group]) - sample)
                trial, trials, samples = words(first, 1)[0], words(trials_at + 8 * i, m), words(samples_at + 8 * i, m)
                for q in range(m):
                    trials[q], samples[q] = trial, begin + uint64(q)
                sample += m
            else:
                left = int64(starts[group + 3 + sample]) - int64(starts[group + 2 + sample]) - rank
                m = min(size - i, left)
                trials, samples = words(trials_at + 8 * i, m), words(samples_at + 8 * i, m)
                ours = words(first + 8 * rank, m)
                for q in range(m):
                    trials[q], samples[q] = ours[q], begin
                sample, rank = (sample + 1, 0) if m == left else (sample, rank + m)
            i += m
            if sample == starts[group]:
                group, sample = _next(starts, group), 0
        for q in range(min(trials_out.size, size)):
            trials_out[start + q] = pairs[0, q]
        call_noise(noise_at, (trials_at, samples_at, size, record[KEY], chunk.ctypes.data, noise_dim, columns))
        if map_at:
            log_q_at = log_q.ctypes.data + 8 * start
            sizes = chunk.ctypes.data, rows, columns, size, dim
            _call_map(map_at, (*sizes, numbers.ctypes.data, numbers.size, log_q_at))
        _turn(chunk, dim, size, z.ctypes.data + 8 * start * dim)
    for i in range(n, len(z)):
        for d in range(dim):
            z[i, d] = z[n - 1, d]
    for i in range(n, trials_out.size):
        trials_out[i] = trials_out[n - 1]


@device
def _turn(chunk, dim, n, z_at):
    """The first ``n`` columns of a chunk of ``dim`` rows, as rows."""
    if dim == 2:  # so that the compiler sees the stride
        first, second, pairs = chunk[0], chunk[1], floats(z_at, 2 * n)
        for i in range(n):
            pairs[2 * i], pairs[2 * i + 1] = first[i], second[i]
        return
    z = table_at(z_at, n, dim)
    for d in range(0, dim - 1, 2):
        for i in range(n):
            z[i, d], z[i, d + 1] = chunk[d, i], chunk[d + 1, i]
    for i in range(n if dim % 2 else 0):
        z[i, dim - 1] = chunk[dim - 1, i]


@kernel
def settle(logs, log_q):
    """Subtract log densities, if there are any; the first of the log weights that no trial can have, or -1."""
    bad = 0
    for i in range(log_q.size):
        logs[i] -= log_q[i]
    for i in range(logs.size):
        bad += not (is_log_weight(logs[i]))
    for i in range(logs.size if bad else 0):
        if not is_log_weight(logs[i]):
            return i
    return -1


@device
def _find(starts, p):
    """Where a log weight is: its group, sample, and rank."""
    group = 1
    while _end(starts, group) <= p:
        group = _next(starts, group)
    low, high = 0, int64(starts[group])
    if is_alone(starts, group):
        return group, int64(p - starts[group + 2]), 0
    while high - low > 1:
        middle = (low + high) // 2
        if starts[group + 2 + middle] <= p:
            low = middle
        else:
            high = middle
    return group, low, int64(p - starts[group + 2 + low])


@device
def _end(starts, group):
    """Where the log weights of a group end."""
    longest = int64(starts[group])
    return starts[group + 2] + longest if is_alone(starts, group) else int64(starts[group + 2 + longest])


@device
def _next(starts, group):
    """Where the numbers of the next group begin."""
    return group + (4 if is_alone(starts, group) else int64(starts[group]) + 3)
