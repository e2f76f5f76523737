"""Batches of a vectorised model: which trials a table of `look_up.py` has, in what order, and at which points they are.

A table has short trials, whole tiles of them, or long ones, as many as are wanted. Kernels work on the short trials of
a tile side by side, so these are one group; a long trial is a group of its own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from numba import int64, types, uint64

from fastsumo.engine.cpu.kernels.look_up import FIELDS, FIRST, HALF, KEY, ORDER, RECORD, STARTS
from fastsumo.engine.cpu.kernels.weights import call_noise
from fastsumo.jit import options
from fastsumo.jit.calls import by_address
from fastsumo.jit.memory import floats, halves, ints, table_at, words
from fastsumo.jit.options import device, kernel
from fastsumo.jit.sources import source_digest
from fastsumo.models import transforms
from fastsumo.trial.draw import draw, samples_of
from fastsumo.trial.ranges import is_log_weight
from fastsumo.trial.sizes import SHORT, TILE

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
def choose(params, number, n, each, start, samples, above, most, wanted, parts, counts_at, room):
    """Samples of the trials of a table, 0 of those that are not in it: how many trials, in whole tiles, and samples.

    In it are, until so many samples are ``wanted``, those of more samples than ``above`` and at most ``most``; of the
    first tile only those from its trial ``start`` on, in the order in which kernels work on long trials: the first of
    each of its ``parts``, then the second. There are ``samples`` of every trial, or, if that is 0, as many as the
    estimator takes.
    """
    done, total, full = 0, 0, False
    while done < n and done + TILE <= room and total < wanted and not full:
        trial, size = _next_tile(number + uint64(done), n - done, each)
        if samples == 0:
            draw(params, trial, counts_at + 8 * done, size)
        own = ints(counts_at + 8 * done, size)
        if most <= SHORT:
            for t in range(size):
                count = samples if samples else samples_of(params, own[t])
                own[t] = count if above < count <= most else 0
                total += own[t]
            done += size
            continue
        part = (size + parts - 1) // parts
        first = 0 if done else parts * (start % part) + start // part
        for i in range(part):
            for q in range(parts):
                t = q * part + i
                if t >= size:
                    continue
                count = samples if samples else samples_of(params, own[t])
                taken = above < count <= most and parts * i + q >= first
                full |= taken and count > SHORT and total + count > wanted
                own[t] = count if taken and not full else 0
                total += own[t]
        done += size
    return done, total


@kernel
def lay_out(number, n, each, low, counts_at, together, places_at, order_at, starts_at):
    """Where the log weights of trials lie that have so many each, see `look_up.py`; ``low`` is added to their numbers.

    Trials of at most ``together`` samples are in one group with the others of their tile, every longer one is alone.
    """
    counts, places, order = ints(counts_at, n), words(places_at, n), words(order_at, n)
    starts = halves(starts_at, _ALL)
    starts[0] = 0  # a group without samples, of the trials that are not there
    done, group, at, ordered = 0, 1, 0, 0
    while done < n:
        trial, size = _next_tile(number + uint64(done), n - done, each)
        ranks, longest, members = halves(starts_at + 4 * (group + 2), together + 1), 0, 0
        for c in range(together + 1):
            ranks[c] = 0
        for i in range(done, done + size):
            count = counts[i]
            places[i] = uint64(0)
            if 0 < count <= together:
                ranks[count] += 1
                longest, members = max(longest, count), members + 1
        before = 0
        for c in range(longest, 0, -1):  # from how many trials have c samples to how many have more
            ranks[c], before = before, before + ranks[c]
        for i in range(done, done + size if members else done):
            count = counts[i]
            if 0 < count <= together:
                rank = ranks[count]
                ranks[count] = rank + 1  # and so, in the end, to how many have c or more
                places[i], order[ordered + rank] = _place(group, rank), trial + uint64(i - done) + low
        if members:
            starts[group], starts[group + 1], ranks[0] = longest, ordered, at
            for c in range(1, longest + 1):
                ranks[c] += ranks[c - 1]
            group, at, ordered = group + longest + 3, ranks[longest], ordered + members
        for i in range(done, done + size):
            count = counts[i]
            if count > together:
                places[i], order[ordered] = _place(group, 0), trial + uint64(i - done) + low
                starts[group], starts[group + 1] = count, ordered
                for s in range(count + 1):
                    starts[group + 2 + s] = at + s
                group, at, ordered = group + count + 3, at + count, ordered + 1
        done += size
    return 0


@device
def _place(group, rank):
    return (uint64(group) << HALF) | uint64(rank)


@kernel
def draw_points(noise, proposal, record_at, table, low, high, z_at, log_q_at, trials_out_at):
    """Points of the log weights ``low .. high - 1`` of a table, rows of ``z``; with a proposal their log densities.

    ``noise`` are the address of what fills a chunk, that of the chunk, its rows and columns, those of its rows that are
    noise, and where there is room for pairs; ``proposal`` the address of its map or 0, the dimension of points, and the
    address and the number of its numbers. The trials are written too, unless their address is 0.
    """
    noise_at, chunk_at, rows, columns, noise_rows, trials_at, samples_at = noise
    map_at, dim, numbers_at, numbers = proposal
    record, at = words(record_at, RECORD), 1 + FIELDS * table
    starts, order = halves(int64(record[at + STARTS]), _ALL), words(int64(record[at + ORDER]), _ALL)
    chunk = table_at(chunk_at, rows, columns)
    group, sample, rank = _find(starts, low)
    for start in range(0, high - low, columns):
        n, i = min(columns, high - low - start), 0
        while i < n:
            first, at_sample = int64(starts[group + 1]), group + 2 + sample
            begin, alone = record[at + FIRST] + uint64(sample), starts[group + 3] - starts[group + 2] == 1
            of_it = starts[group] - sample if alone else starts[at_sample + 1] - starts[at_sample] - rank
            ends, of_it = of_it <= n - i, min(n - i, of_it)
            trials, samples = words(trials_at + 8 * i, of_it), words(samples_at + 8 * i, of_it)
            if alone:
                for q in range(of_it):
                    trials[q], samples[q] = order[first], begin + uint64(q)
                sample += of_it
            else:
                for q in range(of_it):
                    trials[q], samples[q] = order[first + rank + q], begin
                rank += of_it
                if ends:
                    sample, rank = sample + 1, 0
            i += of_it
            if sample == starts[group]:
                group, sample = group + starts[group] + 3, 0
        if trials_out_at:
            trials, out = words(trials_at, n), words(trials_out_at + 8 * start, n)
            for q in range(n):
                out[q] = trials[q]
        call_noise(noise_at, (trials_at, samples_at, n, record[at + KEY], chunk_at, noise_rows, columns))
        if map_at:
            _call_map(map_at, (chunk_at, rows, columns, n, dim, numbers_at, numbers, log_q_at + 8 * start))
        _turn(chunk, dim, n, z_at + 8 * start * dim)


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
def settle(logs_at, n, log_q_at):
    """Subtract log densities, if there are any; the first of the log weights that no trial can have, or -1."""
    logs, bad = floats(logs_at, n), 0
    if log_q_at:
        log_q = floats(log_q_at, n)
        for i in range(n):
            logs[i] -= log_q[i]
    for i in range(n):
        bad += not (is_log_weight(logs[i]))
    for i in range(n if bad else 0):
        if not is_log_weight(logs[i]):
            return i
    return -1


@device
def _find(starts, p):
    """Where a log weight is: its group, sample, and rank."""
    group = 1
    while starts[group + 2 + starts[group]] <= p:
        group += starts[group] + 3
    low, high = 0, int64(starts[group])
    while high - low > 1:
        middle = (low + high) // 2
        if starts[group + 2 + middle] <= p:
            low = middle
        else:
            high = middle
    return group, low, int64(p - starts[group + 2 + low])
