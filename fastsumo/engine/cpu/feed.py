"""What kernels are fed with where a model is vectorised: log weights of whole batches of samples, from its function.

Kernels ask for a log weight by trial and sample (`kernels/look_up.py`). The first question about a trial has all
samples of some tiles of trials weighed, or of some rows of data: many trials together, in the order in which kernels
ask for them, in as few batches as they fit into. So it goes with trials that run along their samples; of one that is
too long for that, a stretch of samples is kept at a time.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.engine.blocks import BLOCK
from fastsumo.engine.cpu.kernels.batches import choose, draw_points, lay_out, map_of, settle
from fastsumo.engine.cpu.kernels.chunks import chunk_of
from fastsumo.engine.cpu.kernels.look_up import FIELDS, PLACES, TRIALS
from fastsumo.engine.cpu.kernels.scratch import Scratch, Work
from fastsumo.engine.cpu.kernels.weights import noise_address
from fastsumo.engine.faults import trial_error
from fastsumo.engine.shapes import shape_of
from fastsumo.engine.status import BAD_WEIGHT
from fastsumo.estimators.estimators import IWAE
from fastsumo.jit.options import compile_for
from fastsumo.models.batch import BATCHES, STRETCH
from fastsumo.models.model import PILOT_TRIAL, ROW_TRIALS
from fastsumo.models.transforms import rows_of
from fastsumo.models.vectorized import Batched
from fastsumo.trial import kinds
from fastsumo.trial.sizes import ROW_PILOT, SEGMENT, TILE

if TYPE_CHECKING:
    from fastsumo.engine.cpu.engine import OpenModel

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

_ASK = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * 3)
_SHORT, _LONG, _STRETCH, _PILOTS = range(4)  # the tables
_TRIALS = BLOCK + TILE  # of a table at most
_NOTHING = Work(0, 0, 0)
_NO_NUMBERS, _NO_TRIALS = np.empty(0), np.empty(0, np.uint64)


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
        packed = _NO_NUMBERS if model.proposal is None else model.proposal.packed()
        self._noise = noise_address(model.noise), model.noise_dim
        self._map = int(map_of(transform).address) if transform else 0
        self._room = packed, np.empty((rows, columns)), np.empty((2, columns), np.uint64)
        scratch.record[:] = 0
        self._records = scratch.record[1:].reshape(-1, FIELDS)
        self._tables = [_Table(each) for each in self._records]
        self._counts, self._drawing = np.empty(_TRIALS, np.int64), Scratch(run.params)
        orders = self._tables[_SHORT].order, self._tables[_LONG].order
        self._chosen = *orders, self._counts, np.empty((TILE, 2), np.int64)
        me = weakref.ref(self)  # without a circle, which would keep the memory longer
        self._answered = _ASK(lambda *asked: me()._answer(*asked))  # type: ignore[union-attr]
        scratch.record[0] = ctypes.cast(self._answered, ctypes.c_void_p).value or 0
        zero = np.uint64(0)
        compile_for(choose, run.params, 0, zero, 0, zero, zero, 0, 0, 0, *self._chosen)
        compile_for(lay_out, self._counts, False, *self._tables[0].arrays(0, 0, 0))
        nothing = 0, 0, np.empty((0, 1)), _NO_NUMBERS, _NO_TRIALS
        compile_for(draw_points, *self._noise, 0, *self._room, self._records[0], *nothing)
        compile_for(settle, _NO_NUMBERS, _NO_NUMBERS)

    @contextmanager
    def serving(self, work: Work) -> Iterator[None]:
        """While a kernel is called; raises what the model raised meanwhile."""
        self._work = work
        self._records[:, TRIALS] = 0
        yield
        self._work = _NOTHING
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _answer(self, trial: int, sample: int, key: int) -> int:
        """Called by a kernel: have a log weight in a table. 1 if there is none to be had."""
        try:
            self._have(trial, sample, key)
        except _Stopped:
            return 1
        except BaseException as error:  # it cannot pass through a kernel: `serving` raises it
            self._error = error
            self._scratch.stop()
            return 1
        return 0

    def _have(self, trial: int, sample: int, key: int) -> None:
        """Weigh many trials together, that one among them, or else a stretch of its samples."""
        work, (row, within) = self._work, divmod(trial, ROW_TRIALS)
        if work.rows is not None and key == 0 and within == PILOT_TRIAL:
            pilots = range(trial, trial + (work.stop - row) * ROW_TRIALS, ROW_TRIALS)
            self._fill_alone(_PILOTS, (key, 1, within, row, len(pilots), 0), pilots, ROW_PILOT)
            return
        each = ROW_TRIALS if work.rows is None else work.trials  # trials are numbered row by row
        number = row * each + within
        first, stop = (work.first, work.stop) if work.rows is None else (work.first * each, work.stop * each)
        begin = max(number - within % TILE, first)
        n = stop - begin if key == work.key and within < each and first <= number < stop else 0
        wanted = BATCHES * self._batch
        limits = work.samples or 0, min(wanted, self._run.params.split_above), wanted
        numbered = np.uint64(begin), n, np.uint64(each), np.uint64(trial)
        short, found, done, total, own = choose(
            self._run.params, self._drawing.address, *numbered, *limits, *self._chosen
        )
        if found:
            self._fill(_SHORT if short else _LONG, (key, each, 0, begin, done, 0), found, total, short)
        else:
            most = max(STRETCH * self._batch // SEGMENT, 1) * SEGMENT  # whole segments
            fields = key, ROW_TRIALS, 0, trial, 1, sample
            self._fill_alone(_STRETCH, fields, [trial], max(min(own - sample, most), 1))

    def _fill_alone(self, table: int, fields: tuple[int, ...], trials: Sequence[int], samples: int) -> None:
        """Fill a table with some trials, so many samples of each."""
        n = len(trials)
        self._tables[table].order[:n], self._counts[:n] = trials, samples
        self._fill(table, fields, n, n * samples, False)

    def _fill(self, table: int, fields: tuple[int, ...], n: int, samples: int, together: bool) -> None:
        """Fill a table, whose record begins with these fields, with ``n`` trials of so many samples in all."""
        found = self._tables[table]
        found.record[:PLACES] = fields
        lay_out(self._counts, together, *found.arrays(n, fields[TRIALS], samples))
        for begin in range(0, samples, self._batch):
            self._weigh(found, begin, found.logs[begin : min(begin + self._batch, samples)])

    def _weigh(self, table: _Table, begin: int, logs: Floats) -> None:
        """Log weights of a batch of a table's samples, from number ``begin`` on."""
        if self._scratch.report[1]:
            raise _Stopped
        run, model, data = self._run, self._run.model, self._work.rows
        log_q = np.empty(logs.size if self._map else 0)

        def drawn(first: int, n: int, rows: int) -> tuple[Floats, ...]:
            points, trials = np.empty((rows, model.dim)), np.empty(0 if data is None else rows, np.uint64)
            where = table.record, begin + first, n, points, log_q[first:], trials
            draw_points(*self._noise, self._map, *self._room, *where)
            if data is not None:
                return points, data[(trials // np.uint64(ROW_TRIALS)).astype(np.int64) - self._work.first]
            return (points,) if model.row is None else (points, np.tile(model.row, (rows, 1)))

        with self._turn:
            model.call_drawn(self._function, drawn, logs)
        at = settle(logs, log_q)
        left_out = table is self._tables[_PILOTS] and run.plan.kind != kinds.TAYLOR
        if at >= 0 and self._work.strict and not left_out:
            noise, trials = np.empty((1, model.noise_dim)), np.empty(1, np.uint64)
            draw_points(*self._noise, 0, *self._room, table.record, begin + at, 1, noise, _NO_NUMBERS, trials)
            trial = int(trials[0])
            by = run.drawn_by(trial, None if self._work.samples is None else IWAE(self._work.samples))
            raise trial_error(model, *by, trial, BAD_WEIGHT, (trial, noise[0]))


class _Table:
    """What a record of a table points to: order and places of its trials, starts of its groups, log weights."""

    def __init__(self, record: Words) -> None:
        self.record, self.order, self._places = record, np.empty(_TRIALS, np.uint64), np.empty(_TRIALS, np.uint64)
        self._starts, self.logs = np.empty(4 * _TRIALS + 1, np.int32), np.empty(0)

    def arrays(self, trials: int, places: int, samples: int) -> tuple[NDArray[Any], ...]:
        """What `lay_out` fills, of so many trials, places, and log weights."""
        if self.logs.size < samples:
            self._starts, self.logs = np.empty(samples + 4 * _TRIALS + 1, np.int32), np.empty(samples)
        return self.record, self.order[:trials], self._places[:places], self._starts, self.logs
