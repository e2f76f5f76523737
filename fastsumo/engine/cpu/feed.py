"""What kernels are fed with where a model is vectorised: log weights of whole batches of samples, from its function.

Kernels ask for a log weight by trial and sample (`kernels/look_up.py`). The first question about a trial has all
samples of some tiles of trials weighed, or of some rows of data: many trials together, in the order in which kernels
ask for them, in as few batches as they fit into. So it goes with trials that run along their samples; of one that is
too long for that, a stretch of samples is kept at a time.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.engine.blocks import BLOCK
from fastsumo.engine.cpu.kernels.batches import choose, draw_points, lay_out, map_of, settle
from fastsumo.engine.cpu.kernels.block import QUARTERS
from fastsumo.engine.cpu.kernels.look_up import FIELDS, TRIALS
from fastsumo.engine.cpu.kernels.scratch import Scratch, Work
from fastsumo.engine.cpu.kernels.weights import chunk_of, noise_address
from fastsumo.engine.faults import trial_error
from fastsumo.engine.shapes import shape_of
from fastsumo.engine.status import BAD_WEIGHT
from fastsumo.jit.options import compile_for
from fastsumo.models.batch import BATCHES
from fastsumo.models.model import ROW_TRIALS
from fastsumo.models.transforms import rows_of
from fastsumo.models.vectorized import Batched
from fastsumo.trial import kinds
from fastsumo.trial.params import NEVER
from fastsumo.trial.sizes import ROW_PILOT, SEGMENT, SHORT, TILE

if TYPE_CHECKING:
    from fastsumo.engine.cpu.engine import OpenModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ASK = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * 3)
_SHORT, _LONG, _STRETCH, _PILOTS = range(4)  # the tables
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
        self._record_at = scratch.record.ctypes.data
        self._tables = scratch.record[1:].reshape(-1, FIELDS)
        self._memory = [_Memory() for _ in self._tables]
        me = weakref.ref(self)  # without a circle, which would keep the memory longer
        self._answered = _ASK(lambda *asked: me()._answer(*asked))  # type: ignore[union-attr]
        scratch.record[0] = ctypes.cast(self._answered, ctypes.c_void_p).value or 0
        compile_for(draw_points, self._noise, self._map, 0, 0, 0, 0, 0, 0, 0)
        compile_for(choose, run.params, np.uint64(0), 0, np.uint64(1), *[0] * 8)
        compile_for(settle, 0, 0, 0)
        compile_for(lay_out, np.uint64(0), 0, np.uint64(1), np.uint64(0), 0, 0, 0, 0, 0)

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
            if not self._many(trial, key):
                self._stretch(trial, sample, key)
        except _Stopped:
            return 1
        except BaseException as error:  # it cannot pass through a kernel: `serving` raises it
            self._error = error
            self._scratch.stop()
            return 1
        return 0

    def _many(self, trial: int, key: int) -> bool:
        """Weigh many trials together, that one among them; whether it can be."""
        work, (row, within) = self._work, divmod(trial, ROW_TRIALS)
        if work.rows is not None and key == 0 and within == _PILOT_TRIAL:
            self._fill(_PILOTS, key, 1, within, work.first, 0, np.full(work.stop - work.first, ROW_PILOT))
            return True
        each = ROW_TRIALS if work.rows is None else work.trials  # trials are numbered row by row
        number = row * each + within
        first, stop = (work.first, work.stop) if work.rows is None else (work.first * each, work.stop * each)
        if key != work.key or within >= each or not first <= number < stop:
            return False
        samples, wanted = self._samples(trial), BATCHES * self._batch
        together, most = 0 if work.samples else SHORT, min(wanted, self._run.params.split_above)
        begin = max(number - within % TILE, first)
        if samples <= together:
            table, limits = _SHORT, (0, 0, SHORT, wanted, 1)
        elif samples <= most:
            parts = 1 if work.samples or self._run.params.kind == kinds.IWAE else QUARTERS
            table, limits = _LONG, (number - begin, together, most, wanted, parts)
        else:
            return False
        counts = self._counts(begin, stop - begin, each, limits)
        self._fill(table, key, each, 0, begin, 0, counts, together)
        return True

    def _stretch(self, trial: int, sample: int, key: int) -> None:
        """Weigh a batch of one trial's samples, whole segments."""
        most = max(self._batch // SEGMENT, 1) * SEGMENT
        counts = np.array([min(most, self._samples(trial) - sample)])
        self._fill(_STRETCH, key, ROW_TRIALS, 0, trial, sample, counts)

    def _samples(self, trial: int) -> int:
        """Samples of a trial."""
        return int(self._counts(trial, 1, ROW_TRIALS, (0, 0, NEVER, NEVER, 1))[0])

    def _counts(self, number: int, n: int, each: int, limits: tuple[int, ...]) -> Ints:
        """Samples of at most ``n`` trials from a number on, by `choose`."""
        counts = np.empty(min(n, BLOCK) + TILE, np.int64)
        where = np.uint64(number), n, np.uint64(each), limits[0], self._work.samples or 0, *limits[1:]
        return counts[: choose(self._run.params, *where, counts.ctypes.data, counts.size)[0]]

    def _fill(
        self, table: int, key: int, each: int, low: int, base: int, first: int, counts: Ints, together: int = 0
    ) -> None:
        """Fill a table with the log weights of trials, so many of each, from sample ``first`` on."""
        total, memory = int(counts.sum()), self._memory[table]
        memory.make_room(counts.size, total, together)
        numbered = np.uint64(base), counts.size, np.uint64(each), np.uint64(low)
        lay_out(*numbered, counts.ctypes.data, together, *memory.where[:3])
        self._tables[table] = (key, each, low, base, counts.size, first, *memory.where)
        for begin in range(0, total, self._batch):
            self._weigh(table, begin, memory.logs[begin : begin + self._batch][: total - begin])

    def _weigh(self, table: int, begin: int, logs: Floats) -> None:
        """Log weights of a batch of a table's samples, from number ``begin`` on."""
        if self._scratch.report[1]:
            raise _Stopped
        run, model = self._run, self._run.model
        log_q = np.empty(logs.size) if self._map[0] else None
        rows = max(logs.size, self._function.rows_called(logs.size))
        points, trials = self._drawn(table, begin, logs.size, self._map, log_q, self._work.rows is not None, rows)
        with self._turn:
            model.call(self._function, points, *self._rows(trials, rows), out=logs)
        at = settle(logs.ctypes.data, logs.size, _address(log_q))
        if at >= 0 and self._work.strict:
            noise, trials = self._drawn(table, begin + at, 1, (0, model.noise_dim, 0, 0), None, True)
            trial = int(trials[0])
            raise trial_error(model, run.estimator, run.seed, trial, BAD_WEIGHT, (trial, noise[0]))

    def _drawn(
        self,
        table: int,
        begin: int,
        n: int,
        mapped: tuple[int, ...],
        log_q: Floats | None,
        with_trials: bool,
        rows: int = 1,
    ) -> tuple[Floats, Any]:
        """Points of a batch, in new memory, and their trials if these are wanted; the last repeated up to ``rows``."""
        points, trials = np.empty((rows, mapped[1])), np.empty(rows, np.uint64) if with_trials else None
        where = points.ctypes.data, _address(log_q), _address(trials)
        draw_points(self._noise, mapped, self._record_at, table, begin, begin + n, *where)
        for each in (points, trials):
            if each is not None and n < rows:
                each[n:] = each[n - 1]
        return points, trials

    def _rows(self, trials: Any, n: int) -> tuple[Floats, ...]:
        """The row of data of each sample, where there are data."""
        if self._work.rows is not None:
            return (self._work.rows[(trials // np.uint64(ROW_TRIALS)).astype(np.int64) - self._work.first],)
        row = self._run.model.row
        return () if row is None else (np.tile(row, (n, 1)),)


def _address(array: NDArray[Any] | None) -> int:
    return 0 if array is None else array.ctypes.data


class _Memory:
    """What the addresses of a table point to: places and order of trials, starts of groups, log weights."""

    def __init__(self) -> None:
        self._kept: list[NDArray[Any]] = [np.empty(0, kind) for kind in (np.uint64, np.uint64, np.int32, np.float64)]

    def make_room(self, trials: int, samples: int, together: int) -> None:
        """For so many trials and log weights."""
        for i, size in enumerate((trials, trials, samples + 3 * trials + together + 4, samples)):
            if self._kept[i].size < size:
                self._kept[i] = np.empty(size, self._kept[i].dtype)
        self.where = tuple(each.ctypes.data for each in self._kept)

    @property
    def logs(self) -> Floats:
        """Log weights, in the order of samples and trials."""
        return self._kept[3]
