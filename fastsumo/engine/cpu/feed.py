"""What kernels are fed with where a model is vectorised: log weights of whole batches of samples, from its function.

Kernels ask for a log weight by trial and sample (`kernels/look_up.py`). The first question about a trial has all
samples of some tiles of trials weighed, or of some rows of data: many trials together, one after the other, in as few
batches as they fit into. Of a trial that is too long for that, one stretch of samples is kept at a time.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsumo.engine.blocks import BLOCK
from fastsumo.engine.cpu.kernels.batches import draw_counts, draw_points, map_of
from fastsumo.engine.cpu.kernels.look_up import BASE, FIELDS, LOW, STRIDE, TRIALS
from fastsumo.engine.cpu.kernels.scratch import Scratch, Work
from fastsumo.engine.cpu.kernels.weights import chunk_of, noise_address
from fastsumo.engine.faults import trial_error
from fastsumo.engine.shapes import shape_of
from fastsumo.engine.status import BAD_WEIGHT
from fastsumo.jit.options import compile_for
from fastsumo.models.batch import BATCHES, ROOM
from fastsumo.models.model import ROW_TRIALS
from fastsumo.models.transforms import rows_of
from fastsumo.models.vectorized import Batched
from fastsumo.trial.ranges import FURTHEST
from fastsumo.trial.sizes import ROW_PILOT, SEGMENT, TILE

if TYPE_CHECKING:
    from fastsumo.engine.cpu.engine import OpenModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ASK = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * 3)
_TILES, _STRETCH, _PILOTS = range(3)  # the tables
_PILOT_TRIAL = ROW_TRIALS - 1
_NOTHING = Work(0, 0, 0)


class _Stopped(Exception):
    """The run is to end."""


class Feed:
    """The log weights that the kernels of one worker are fed with."""

    def __init__(self, run: OpenModel, scratch: Scratch) -> None:
        model, function = run.model, run.model.function
        assert isinstance(function, Batched)
        self._run, self._scratch, self._function = run, scratch, function
        self._batch, self._turn = function.batch, function.turn if run.threads == 1 else nullcontext()
        self._work = _NOTHING
        self._error: BaseException | None = None
        transform = "" if model.proposal is None else model.proposal.transform
        rows, columns = rows_of(transform, model.dim, model.noise_dim), chunk_of(shape_of(model))
        self._chunk, self._pairs = np.empty((rows, columns)), np.empty((2, columns), np.uint64)
        self._packed = np.zeros(1) if model.proposal is None else model.proposal.packed()
        pairs = self._pairs[0].ctypes.data, self._pairs[1].ctypes.data
        self._noise = noise_address(model.noise), self._chunk.ctypes.data, rows, columns, model.noise_dim, *pairs
        address = int(map_of(transform).address) if transform else 0
        self._map = address, model.dim, self._packed.ctypes.data, self._packed.size
        scratch.record[:] = 0
        self._tables = scratch.record[1:].reshape(-1, FIELDS)
        self._offsets, self._logs = [np.zeros(1, np.uint64)] * len(self._tables), [np.empty(0)] * len(self._tables)
        me = weakref.ref(self)  # without a circle, which would keep the memory longer
        self._answered = _ASK(lambda *asked: me()._answer(*asked))  # type: ignore[union-attr]
        scratch.record[0] = ctypes.cast(self._answered, ctypes.c_void_p).value or 0
        compile_for(draw_points, self._noise, self._map, 0, 0, 0, 0, 0, 0)
        compile_for(draw_counts, run.params, np.uint64(0), 0, np.uint64(1), 0)

    @contextmanager
    def serving(self, work: Work) -> Iterator[None]:
        """While a kernel is called; raises what the model raised meanwhile."""
        self._work = work
        self._tables[:, TRIALS] = 0
        yield
        self._work = _NOTHING
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _answer(self, trial: int, sample: int, key: int) -> int:
        """Called by a kernel: have a log weight in a table. 1 if there is none to be had."""
        try:
            if not self._lay_out(trial, sample, key):
                self._stretch(trial, sample, key)
        except _Stopped:
            return 1
        except BaseException as error:  # it cannot pass through a kernel: `serving` raises it
            self._error = error
            self._scratch.stop()
            return 1
        return 0

    def _lay_out(self, trial: int, sample: int, key: int) -> bool:
        """Weigh many trials together, from the tile of one on; whether that sample of it is among theirs."""
        work, (row, within) = self._work, divmod(trial, ROW_TRIALS)
        if work.rows is not None and key == 0 and within == _PILOT_TRIAL:
            self._fill(_PILOTS, key, 1, within, work.first, 0, np.full(work.stop - work.first, ROW_PILOT))
            return True
        each = ROW_TRIALS if work.rows is None else work.trials  # trials are numbered row by row
        number = row * each + within
        first, stop = (work.first, work.stop) if work.rows is None else (work.first * each, work.stop * each)
        if key != work.key or within >= each or not first <= number < stop:
            return False
        begin, wanted = max(number - within % TILE, first), BATCHES * self._batch
        counts = self._counts(begin, min(stop - begin, max(TILE, min(wanted, BLOCK))), each)
        n = total = 0
        while n < counts.size and total < wanted:
            at = (begin + n) % each
            tile = counts[n : n + min(TILE - at % TILE, each - at)]
            if n + tile.size == counts.size and begin + counts.size < stop and n:
                break  # maybe not the whole tile
            _cut(tile, ROOM)
            n, total = n + tile.size, total + int(tile.sum())
        if sample >= counts[number - begin]:
            return False
        self._fill(_TILES, key, each, 0, begin, 0, counts[:n])
        return True

    def _stretch(self, trial: int, sample: int, key: int) -> None:
        """Weigh a batch of one trial's samples, whole segments."""
        most = max(self._batch // SEGMENT, 1) * SEGMENT
        left = int(self._counts(trial, 1, ROW_TRIALS)[0]) - sample
        self._fill(_STRETCH, key, ROW_TRIALS, 0, trial, sample, np.array([min(most, left)]))

    def _counts(self, number: int, n: int, each: int) -> Ints:
        """Samples of ``n`` trials that are numbered row by row, ``each`` so many."""
        if self._work.samples is not None:
            return np.full(n, self._work.samples)
        counts = np.empty(n, np.int64)
        draw_counts(self._run.params, np.uint64(number), n, np.uint64(each), counts.ctypes.data)
        return counts

    def _fill(self, table: int, key: int, stride: int, low: int, base: int, first: int, counts: Ints) -> None:
        """Fill a table with the log weights of trials, so many of each, from sample ``first`` on."""
        offsets = np.zeros(counts.size + 1, np.uint64)
        np.cumsum(counts, out=offsets[1:])
        total = int(offsets[-1])
        if self._logs[table].size < total:
            self._logs[table] = np.empty(total)
        logs = self._logs[table]
        where = offsets.ctypes.data, logs.ctypes.data
        self._offsets[table], self._tables[table] = offsets, (key, stride, low, base, counts.size, first, *where)
        for begin in range(0, total, self._batch):
            self._weigh(table, begin, logs[begin : begin + self._batch][: total - begin])

    def _weigh(self, table: int, begin: int, logs: Floats) -> None:
        """Log weights of a batch of a table's samples, from number ``begin`` on."""
        if self._scratch.report[1]:
            raise _Stopped
        model, log_q = self._run.model, np.empty(logs.size if self._map[0] else 0)
        points = self._drawn(table, begin, logs.size, self._map, log_q)
        with self._turn:
            logs[:] = model.call(self._function, points, *self._rows(table, begin, logs.size))
        if log_q.size:
            logs -= log_q
        if self._work.strict and not -FURTHEST <= logs.min() <= logs.max() <= FURTHEST:
            for at in np.flatnonzero(~((np.abs(logs) <= FURTHEST) | (logs == -np.inf)))[:1].tolist():
                row, within = divmod(int(self._numbers(table, begin + at, 1)[0]), int(self._tables[table, STRIDE]))
                trial = row * ROW_TRIALS + within + int(self._tables[table, LOW])
                noise = self._drawn(table, begin + at, 1, (0, model.noise_dim, 0, 0), log_q)[0]
                run = self._run
                raise trial_error(model, run.estimator, run.seed, trial, BAD_WEIGHT, (trial, noise))

    def _drawn(self, table: int, begin: int, n: int, mapped: tuple[int, ...], log_q: Floats) -> Floats:
        """Points of a batch, in new memory."""
        points = np.empty((n, mapped[1]))
        where = self._scratch.record.ctypes.data, table, begin, begin + n
        draw_points(self._noise, mapped, *where, points.ctypes.data, log_q.ctypes.data)
        return points

    def _numbers(self, table: int, begin: int, n: int) -> Ints:
        """The trials of a batch, numbered row by row."""
        places = np.searchsorted(self._offsets[table], np.arange(begin, begin + n), side="right") - 1
        return places + int(self._tables[table, BASE])

    def _rows(self, table: int, begin: int, n: int) -> tuple[Floats, ...]:
        """The row of data of each sample, where there are data."""
        if self._work.rows is not None:
            rows = self._numbers(table, begin, n) // int(self._tables[table, STRIDE]) - self._work.first
            return (self._work.rows[rows],)
        row = self._run.model.row
        return () if row is None else (np.tile(row, (n, 1)),)


def _cut(counts: Ints, room: int) -> None:
    """Leave out the longest trials, those beyond ``room`` samples in all."""
    if counts.sum() > room:
        order = np.argsort(counts, kind="stable")
        counts[order[np.cumsum(counts[order]) > room]] = 0
