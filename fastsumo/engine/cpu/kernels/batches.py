"""The points at which a vectorised model is asked for its log weights: those of a table of `look_up.py`, in order."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from numba import int64, types, uint64

from fastsumo.engine.cpu.kernels.look_up import BASE, FIELDS, FIRST, HALF, KEY, LOW, OFFSETS, RECORD, STRIDE, TRIALS
from fastsumo.engine.cpu.kernels.weights import call_noise
from fastsumo.jit import options
from fastsumo.jit.calls import by_address
from fastsumo.jit.memory import floats, ints, table_at, words
from fastsumo.jit.options import device, kernel
from fastsumo.jit.sources import source_digest
from fastsumo.models import transforms
from fastsumo.trial.draw import draw, samples_of

_MAP = types.int64(*[types.int64] * 8)
_call_map = by_address(_MAP)


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
def _trial_of(offsets, p):
    """The place of the trial whose log weights number ``p`` is among."""
    low, high = 0, offsets.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if offsets[middle] <= p:
            low = middle
        else:
            high = middle
    return low


@device
def _number_of(record, at, j):
    """The number of the trial at a place of a table."""
    number, stride = record[at + BASE] + uint64(j), record[at + STRIDE]
    high = number // stride
    return (high << HALF) + (record[at + LOW] + (number - high * stride))


@kernel
def draw_points(noise, proposal, record_at, table, low, high, z_at, log_q_at):
    """Points of the pairs ``low .. high - 1`` of a table, rows of ``z``; and their log densities, with a proposal.

    ``noise`` are the address of what fills a chunk, that of the chunk, its rows and columns, those of its rows that are
    noise, and where there is room for pairs; ``proposal`` the address of its map or 0, the dimension of points, and the
    address and the number of its numbers.
    """
    noise_at, chunk_at, rows, columns, noise_rows, trials_at, samples_at = noise
    map_at, dim, numbers_at, numbers = proposal
    record, at = words(record_at, RECORD), 1 + FIELDS * table
    offsets = words(int64(record[at + OFFSETS]), int64(record[at + TRIALS]) + 1)
    chunk, z = table_at(chunk_at, rows, columns), table_at(z_at, high - low, dim)
    j, p = _trial_of(offsets, uint64(low)), uint64(low)
    for start in range(0, high - low, columns):
        n, i = min(columns, high - low - start), 0
        while i < n:
            while offsets[j + 1] <= p:
                j += 1
            of_it = min(int64(offsets[j + 1] - p), n - i)
            trial, sample = _number_of(record, at, j), record[at + FIRST] + (p - offsets[j])
            trials, samples = words(trials_at + 8 * i, of_it), words(samples_at + 8 * i, of_it)
            for q in range(of_it):
                trials[q], samples[q] = trial, sample + uint64(q)
            i, p = i + of_it, p + uint64(of_it)
        call_noise(noise_at, (trials_at, samples_at, n, record[at + KEY], chunk_at, noise_rows, columns))
        if map_at:
            _call_map(map_at, (chunk_at, rows, columns, n, dim, numbers_at, numbers, log_q_at + 8 * start))
        for d in range(dim):
            for i in range(n):
                z[start + i, d] = chunk[d, i]


@kernel
def draw_counts(params, number, n, each, counts_at):
    """Samples of ``n`` trials from a number on, where rows of ``each`` so many trials are numbered one after the other.

    They are under the key of ``params``.
    """
    counts, done = ints(counts_at, n), 0
    while done < n:
        high = (number + uint64(done)) // each
        low = number + uint64(done) - high * each
        size = min(n - done, int64(each - low))
        draw(params, (high << HALF) + low, counts_at + 8 * done, size)
        done += size
    for i in range(n):
        counts[i] = samples_of(params, counts[i])
