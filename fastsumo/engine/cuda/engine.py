"""Trials on a card: launches of some thousand tiles, statistics kept there, and what is left over for the host.

What leaves the linear range of weights is run by the CPU, whose bits are the same: tiles that have such a weight in a
short trial, and single long trials. Nothing else falls back: what a card cannot do is said before anything runs.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from fastsumo.engine.blocks import Blocks, block_size, sequences_of_batch
from fastsumo.engine.crew import Crew
from fastsumo.engine.cuda import programs
from fastsumo.engine.cuda.card import card, count, describe
from fastsumo.engine.cuda.kernels.record import Kind
from fastsumo.engine.cuda.kernels.sizes import (
    CANDIDATE,
    CANDIDATES,
    DONE,
    FOUND_ASIDE,
    FOUND_CANDIDATES,
    FOUND_SIZE,
    FOUND_WAITING,
    GIANT,
    KEYS,
    POWER_THREADS,
    RECORD_SIZE,
    STATE,
    STRETCH,
    TALLY_BYTES,
    THREADS,
)
from fastsumo.engine.faults import trial_error
from fastsumo.engine.interface import Engine, Floats, Ints, Tallied, Unwatched, Wanted, Watcher
from fastsumo.engine.shapes import numbers_of
from fastsumo.engine.status import BAD_WEIGHT
from fastsumo.errors import DeviceError
from fastsumo.estimators.estimators import IWAE
from fastsumo.jit.options import compile_for
from fastsumo.statistics.merger import StatisticsMerger
from fastsumo.statistics.snapshot import Snapshot, snapshot_of
from fastsumo.statistics.spans import Spans, joined, without
from fastsumo.statistics.statistics import EXTREMES, Statistics
from fastsumo.statistics.tally import FOUND, LIMITS_AT, Tally, collect
from fastsumo.trial import kinds
from fastsumo.trial.increments import fill_line, width_of
from fastsumo.trial.params import KernelParams, factors_of, make_params, with_center
from fastsumo.trial.sizes import LANES, SEGMENT, SHORT, TILE
from fastsumo.trial.survival import survival

_COPIES = 16  # of the tally
_TILES = 1 << 14  # of one launch, the most
_ROWS = 1 << 25  # of lane sums, 4 GiB, the most
_FEWEST_ROWS = 1 << 21
_FIRST = 1 << 16  # trials of the first launch, all of them candidates for the extremes
_FIRST_SAMPLES = 2.0**30
_GROWTH = 4  # times as many trials as the launch before, at most
_SECONDS = 0.1  # that a launch should take
_CARRY = 1 << 29  # additions to a sum on the card, after which it is brought home before its digits run over
_HOME = 2.0  # seconds after which they are brought home in any case: a card that is lost takes no more with it
_LOOK = 0.25  # seconds between two looks at the statistics on the card
_PIECE = 1 << 18  # trials, a multiple of every tile, that the CPU runs at a time
_SEGMENT_ROWS = SEGMENT // LANES
_TILE_BYTES = 11 * TILE + 4 * KEYS + 8  # of what is kept of a tile between kernels
_WARPS = 128 // 32  # of a block of the kernels for long trials


def open_trials(wanted: Wanted) -> CudaEngine:
    """See `devices.open_engine`."""
    return CudaEngine(wanted)


def require(number: int) -> None:
    """See `devices.require_device`."""
    card(number)


def cards() -> list[dict[str, Any]]:
    """See `devices.cards`."""
    return [describe(card(number)) for number in range(count())]


class CudaEngine:
    """One model, estimator, seed and centre on one card; see `interface.Engine`."""

    def __init__(self, wanted: Wanted) -> None:
        self.model, self.estimator, self.seed = wanted.model, wanted.estimator, int(wanted.seed)
        self.plan = self.estimator.plan()
        if self.plan.kind == kinds.JVI and self.plan.order > 1:
            raise ValueError(f"{self.estimator!r} has no form for a GPU, where the jackknife is of order 1")
        self.crew = Crew()
        self.card = card(wanted.card)
        self.card.use()
        self.cpu: Engine = wanted.on_cpu(wanted.center)  # proves the model, and runs what leaves the linear range
        self.center: float = self.cpu.center
        owned = make_params(None, self.plan, self.seed)
        long, alone = self.plan.samples(self.plan.largest) > SHORT, self.plan.kind in kinds.ALONE
        self.long, self.alone = (
            long and not alone,
            long and alone,
        )  # whether there are trials that run by segments, or not
        self.kind, self.threads = Kind.of(owned.params), wanted.threads
        ptx = programs.compile_all(self.model, self.kind, long, self.card.capability)
        self.kernels = {name: self.card.load(text) for name, text in ptx.items()}
        self.tile = min(TILE, block_size(self.estimator, self.model))
        arrays = *numbers_of(self.model), np.append(self.plan.law.table, 0.0), factors_of(self.plan)
        self._arrays = [self.card.put(array) for array in arrays]
        numbers, row, table, factors = (room.address for room in self._arrays)
        placed = owned.params._replace(numbers_at=numbers, row_at=row, table_at=table, reciprocal_at=factors)
        self.params: KernelParams = with_center(placed, self.center)
        self._params = self.card.put(self.params.packed)
        compile_for(collect, 0, 0, 0, 0)  # which the statistics take, before there is a clock
        self.bench = Bench(self)

    @property
    def elapsed(self) -> float:
        return self.crew.clock.elapsed

    @property
    def params_at(self) -> int:
        return self._params.address

    def tally(self, first: int, count: int, watcher: Watcher) -> Tallied:
        worker = _TallyWorker(self, first, count)
        interrupted = self.crew.run([worker], Blocks(first, count, count), watcher)
        if not worker.home:
            raise worker.lost or KeyboardInterrupt
        if worker.lost:
            warnings.warn(f"{worker.lost}; the trials before that are kept", RuntimeWarning, stacklevel=2)
        return Tallied(worker.merger.statistics(), joined(worker.home), interrupted or worker.lost is not None)

    def sample(self, first: int, count: int) -> tuple[Floats, Ints]:
        worker = _SampleWorker(self, first, count)
        if self.crew.run([worker], Blocks(first, count, count), Unwatched()):
            raise KeyboardInterrupt
        return worker.values, worker.terms

    def terms(self, trial: int) -> int:
        return self.cpu.terms(trial)

    def log_weights(self, trial: int, count: int) -> Floats:
        return self.cpu.log_weights(trial, count)

    def increments(self, marks: Ints, n: int, count: int) -> Iterator[Floats]:
        """Weights are drawn on the card; the logs of their sums are the CPU's, whose libraries decide the last bits."""
        self.card.use()
        kernel = self.card.load(programs.compile_log_weights(self.model, self.kind, self.card.capability))
        size, width = sequences_of_batch(n), width_of(marks.size, n)
        room, blocks = self.card.room(8 * size * n), 16 * self.card.processors

        def line(log_weights: Floats, trial: int, out: Floats) -> None:
            if np.isnan(log_weights).any():
                log_weights = self.cpu.log_weights(trial, n)
            addresses = log_weights.ctypes.data, n, marks.ctypes.data, marks.size, out.ctypes.data, width
            if fill_line(*addresses):
                raise trial_error(self.model, IWAE(n), self.seed, trial, BAD_WEIGHT)

        with ThreadPoolExecutor(self.threads) as pool:
            for first in range(0, count, size):
                rows = np.empty((min(size, count - first), width))
                self.card.fill(room.address, room.size, 0xFF)  # NaN
                self.card.launch(
                    kernel, blocks, THREADS, self.params_at, np.uint64(first), rows.shape[0], n, room.address
                )
                weights = self.card.read(room.address, np.empty((rows.shape[0], n)))
                list(pool.map(line, weights, range(first, first + rows.shape[0]), rows))
                yield rows


class Bench:
    """The memory of a card that launches work in, and how many trials one may have."""

    def __init__(self, engine: CudaEngine) -> None:
        self.card, tile, held = engine.card, engine.tile, 0
        free, room = self.card.free_memory(), self.card.room
        share, rows = _expected(engine)
        giants = engine.long and engine.plan.samples(engine.plan.largest) > GIANT
        of_trial = share * 8 * (4 + RECORD_SIZE + STATE + 8) + rows * 8 * LANES
        most = int(0.4 * free / (_TILE_BYTES + tile * of_trial))
        if rows > 0.0:
            most = min(most, int(_ROWS / (1.2 * rows * tile)))
        if 0.4 * free < _TILE_BYTES + (8 * LANES * _FEWEST_ROWS if giants else 0):
            raise DeviceError(f"device 'cuda:{self.card.number}' has too little free memory: {free / 2**20:.0f} MiB")
        self.trials, self.tiles = max(min(_TILES, most), 1) * tile, max(min(_TILES, most), 1) + 2
        self.aside = int(1.1 * share * self.trials) + 4096  # trials that wait, or are set aside, in one launch
        self.records = self.aside if engine.long else 1
        self.rows = 1 << 60  # rows of lane sums that there is room for; IWAE needs none
        if rows > 0.0:
            held = self.rows = max(int(1.2 * rows * self.trials) + 4096, _FEWEST_ROWS if giants else 0)
        self.segments = self.records + held // _SEGMENT_ROWS + (_FEWEST_ROWS // _SEGMENT_ROWS if giants else 0)
        self.carry = int(_CARRY / (1.5 * share + 16.0 / tile))
        self.warps, self.room = 0, STRETCH  # that run trials alone, and the weights that each has room for
        if engine.alone:
            self.room += engine.plan.law.cap if engine.plan.kind == kinds.JVI else 0
            self.warps = max(min(16 * self.card.processors, int(0.4 * free) // (8 * self.room)) // _WARPS, 1) * _WARPS
        self._rooms = {
            "found": room(8 * FOUND_SIZE),
            "status": room(8 * self.tiles),
            "sorted": room(8 * TILE * self.tiles),
            "order": room(2 * TILE * self.tiles),
            "short": room(TILE * self.tiles),
            "places": room(4 * KEYS * self.tiles),
            "candidates": room(8 * CANDIDATE * CANDIDATES),
            "tally": room(TALLY_BYTES * _COPIES),
            "aside": room(32 * self.aside),
            "record": room(8 * RECORD_SIZE * self.records),
            "state": room(8 * STATE * self.records),
            "owner": room(8 * self.segments),
            "total": room(8 * self.segments),
            "base": room(16 * self.segments),
            "log": room(8 * self.segments),
            "row": room(8 * LANES * held),
            "alone": room(8 * self.room * self.warps),
        }

    def at(self, name: str) -> int:
        """Where an array lies."""
        return self._rooms[name].address


def _expected(engine: CudaEngine) -> tuple[float, float]:
    """Of a trial: the probability that it is long, and the rows of lane sums that it is expected to have."""
    plan, longest = engine.plan, max(engine.params.longest_short, 0)
    if plan.kind in (kinds.IWAE, kinds.JVI):
        return float(plan.law.cap > longest), 0.0
    if not (engine.long or engine.alone):
        return 0.0, 0.0
    k = np.maximum(np.arange(longest + 1.0, (GIANT if engine.long else longest) + 2.0), plan.low)
    last = survival(plan.law, plan.largest + 1)
    beyond = np.maximum(survival(plan.law, k) - last, 0.0) / (survival(plan.law, plan.low) - last)
    if engine.alone:
        return float(beyond[0]), 0.0
    share = float(beyond[0])
    return share, (float(beyond.sum()) + share * (longest + 2 * LANES)) / LANES


class _Worker:
    """The thread that drives a card through a run; see `crew.Hand`."""

    def __init__(self, engine: CudaEngine, first: int, count: int) -> None:
        self.engine, self.card, self.bench = engine, engine.card, engine.bench
        self.first, self.stop_at = first, first + count
        self.done: Spans = []
        self.trials_done = 0
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.values_at = self.terms_at = 0  # of values by trial, or 0 for statistics

    def stop(self) -> None:
        """Let the run end after the launch at hand; `crew.stopped` says so."""

    def snapshot(self, workers: Sequence[Any]) -> Snapshot | None:
        return None

    def loop(self, blocks: Blocks) -> None:
        try:
            self.card.use()
            self.begin()
            self._run()
            self.end()
        except BaseException as error:
            self.fail(error)
            self.engine.crew.stopped = True
        finally:
            self.ended.set()

    def fail(self, error: BaseException) -> None:
        """Hand an error to the main thread, which raises it."""
        self.error = error

    def begin(self) -> None:
        """Before the first launch."""

    def end(self) -> None:
        """After the last."""

    def _run(self) -> None:
        tile, at = self.engine.tile, self.first
        size = int(min(_FIRST, _FIRST_SAMPLES / min(self.engine.estimator.expected_cost(), _FIRST_SAMPLES)))
        while at < self.stop_at and not self.engine.crew.stopped:
            size = max(min(size, self.bench.trials), tile)
            stop = min((at + size) // tile * tile, self.stop_at)
            began = time.perf_counter()
            self._launch(at, stop - at)
            took = max(time.perf_counter() - began, 1e-6)
            size = min(_GROWTH * size, int((stop - at) * _SECONDS / took) + 1)
            at = stop

    def _launch(self, first: int, n: int) -> None:
        """Run some trials; what is left over too."""
        engine, bench, at = self.engine, self.bench, self.bench.at
        tile = engine.tile
        blocks = (first + n - 1) // tile - first // tile + 1
        self.card.fill(at("found"), 8 * FOUND_SIZE)
        self.card.fill(at("status"), 8 * blocks)
        by_place = at("status"), at("sorted"), at("order"), at("short"), at("places")
        self.card.launch(
            engine.kernels[programs.TILES],
            blocks,
            THREADS,
            engine.params_at,
            np.uint64(first),
            n,
            tile,
            at("found"),
            *by_place,
            at("record"),
            bench.records,
            at("owner"),
            bench.segments,
            bench.rows,
            at("aside"),
            bench.aside,
            self.values_at,
            self.terms_at,
        )
        if not self.values_at:
            where = engine.params_at, np.uint64(first), n, tile, engine.center, at("tally"), _COPIES
            shape = min(blocks, 4 * self.card.processors), THREADS
            self.card.launch(engine.kernels[programs.TALLY], *shape, *where, at("found"), at("candidates"), *by_place)
            self.card.launch(
                engine.kernels[programs.POWERS], blocks, POWER_THREADS, *where, *by_place[:2], at("places")
            )
        if engine.long:
            self._segments(first, n)
        if engine.alone:
            self._alone(first, n)
        found = self.card.read(at("found"), np.zeros(FOUND_SIZE, np.int64))
        status = self.card.read(at("status"), np.zeros(blocks, np.int64))
        self._take_candidates(found, first, n)
        begin = first // tile * tile
        tiles = begin + tile * np.flatnonzero(status != DONE)
        left = [(max(int(low), first), min(int(low) + tile, first + n)) for low in tiles]
        waiting, aside = self._fitting(found[FOUND_WAITING]), self._pairs(bench.aside, found[FOUND_ASIDE])
        if engine.long and waiting:
            aside = np.concatenate([aside, self._giants(self._pairs(0, waiting), first, n)])
        self._note(first, n, joined(left), aside)

    def _fitting(self, count: Any) -> int:
        """How many trials there are that kernels have listed, if there was room for all."""
        if count > self.bench.aside:
            raise DeviceError("more long trials in one launch than there is room for")
        return int(count)

    def _pairs(self, skipped: int, count: Any) -> Ints:
        """Trials and `K` that kernels have left to the host."""
        pairs = np.zeros((self._fitting(count), 2), np.int64)
        return self.card.read(self.bench.at("aside") + 16 * skipped, pairs) if count else pairs

    def _segments(self, first: int, n: int) -> None:
        """Run the stretches of long trials that have records."""
        engine, bench, at = self.engine, self.bench, self.bench.at
        common = (
            *(engine.params_at, at("found"), at("record"), bench.records, at("owner"), bench.segments),
            *(at("row"), at("total"), at("base"), at("log"), at("state")),
        )
        blocks = 16 * self.card.processors
        self.card.launch(engine.kernels[programs.WEIGH], blocks, 32 * _WARPS, *common)
        self.card.launch(engine.kernels[programs.BASE], blocks, 32 * _WARPS, *common)
        if programs.LOGS in engine.kernels:
            self.card.launch(engine.kernels[programs.LOGS], blocks, 32 * _WARPS, *common)
        tally = engine.center, at("tally"), _COPIES, at("candidates"), at("aside") + 16 * bench.aside
        where = np.uint64(first), n, self.values_at
        self.card.launch(engine.kernels[programs.SETTLE], blocks, 32 * _WARPS, *common, *tally, *where)

    def _alone(self, first: int, n: int) -> None:
        """Run the trials that wait for a warp each."""
        engine, bench, at = self.engine, self.bench, self.bench.at
        self.card.launch(
            *(engine.kernels[programs.ALONE], bench.warps // _WARPS, 32 * _WARPS, engine.params_at, at("found")),
            *(
                at("aside"),
                at("aside") + 16 * bench.aside,
                at("alone"),
                bench.room,
                engine.center,
                at("tally"),
                _COPIES,
            ),
            *(at("candidates"), np.uint64(first), n, self.values_at),
        )

    def _giants(self, giants: Ints, first: int, n: int) -> Ints:
        """Run trials of very many samples, all of the card on a few at a time; those that were set aside."""
        bench, at, aside = self.bench, self.bench.at, [np.zeros((0, 2), np.int64)]
        for group in range(0, giants.shape[0], bench.records):
            waiting = [
                (own, int(trial), int(terms), 0)
                for own, (trial, terms) in enumerate(giants[group : group + bench.records].tolist())
            ]
            while waiting and not self.engine.crew.stopped:
                records, owners, waiting = self._stretches(waiting)
                found = np.zeros(FOUND_SIZE, np.int64)
                found[:2] = records.shape[0], owners.size
                for name, array in (("record", records), ("owner", owners), ("found", found)):
                    self.card.write(at(name), array)
                self._segments(first, n)
                self.card.read(at("found"), found)
                self._take_candidates(found, first, n)
                aside.append(self._pairs(bench.aside, found[FOUND_ASIDE]))
            aside.append(np.array([(trial, terms) for _, trial, terms, _ in waiting], np.int64).reshape(-1, 2))
        return np.concatenate(aside)

    def _stretches(
        self, waiting: list[tuple[int, int, int, int]]
    ) -> tuple[Ints, Ints, list[tuple[int, int, int, int]]]:
        """Records and owners of as many stretches as there is room for, and what waits after them."""
        bench, records, owners, left = self.bench, [], [], []
        row = segment = 0
        for own, trial, terms, start in waiting:
            samples = self.engine.plan.samples(terms)
            room = (
                min(bench.rows - row, (bench.segments - segment) * (SEGMENT // LANES)) // (SEGMENT // LANES) * SEGMENT
            )
            count = min(samples - start, room)
            if count <= 0:
                left.append((own, trial, terms, start))
                continue
            number = -(-count // SEGMENT)
            records.append((trial, terms, start, count, row, segment, own, 0))
            owners.append(np.full(number, len(records) - 1, np.int64))
            row, segment = row + number * _SEGMENT_ROWS, segment + number
            if start + count < samples:
                left.append((own, trial, terms, start + count))
        return np.array(records, np.int64), np.concatenate(owners), left

    def _take_candidates(self, found: Ints, first: int, n: int) -> None:
        """Take what the last kernels found for the extremes."""

    def _note(self, first: int, n: int, left: Spans, aside: Ints) -> None:
        """Note what a launch has done; run on the CPU what is left of it: spans, and single trials with their `K`."""
        raise NotImplementedError


class _TallyWorker(_Worker):
    """A worker that keeps statistics."""

    def __init__(self, engine: CudaEngine, first: int, count: int) -> None:
        super().__init__(engine, first, count)
        self.merger = StatisticsMerger(engine.center)
        self._tally, self._seen = Tally(), Tally()
        self._aside: list[Tallied] = []  # of the CPU
        self._since, self._looked, self._asked = 0, 0.0, False
        self.home: Spans = []  # of those done, the trials whose statistics are in the merger
        self._came_home = time.perf_counter()
        self.lost: DeviceError | None = None

    def fail(self, error: BaseException) -> None:
        if isinstance(error, DeviceError):
            self.lost = error
        else:
            super().fail(error)

    def begin(self) -> None:
        self._clear()

    def end(self) -> None:
        self._bring_home()

    def snapshot(self, workers: Sequence[Any]) -> Snapshot | None:
        self._asked = True
        return snapshot_of([self._seen], self.engine.center)

    def _clear(self) -> None:
        """Empty the tally on the card, but for the threshold."""
        at = self.bench.at("tally")
        self.card.fill(at, TALLY_BYTES * _COPIES)
        empty = Tally()
        empty.limits[2] = self._tally.limits[2]
        self.card.write(at, empty.memory[: TALLY_BYTES // 8])
        self._since = 0

    def _read(self, tally: Tally) -> None:
        """Copy the tally on the card, its copies added up."""
        self.card.launch(
            self.engine.kernels[programs.TOTALS], 4 * self.card.processors, 256, self.bench.at("tally"), _COPIES
        )
        counters = tally.counters[FOUND]
        self.card.read(self.bench.at("tally"), tally.memory[: TALLY_BYTES // 8])
        tally.counters[FOUND] = counters

    def _bring_home(self) -> None:
        """Merge what the card has, and begin afresh there."""
        self._read(self._tally)
        self.merger.add(Statistics.of(self._tally, self.engine.seed, self.engine.center))
        for tallied in self._aside:
            self.merger.add(tallied.statistics)
        self._aside.clear()
        self._tally.counters[FOUND] = 0
        self.home, self._came_home = self.done, time.perf_counter()
        self._clear()

    def _launch(self, first: int, n: int) -> None:
        super()._launch(first, n)
        self._since += n
        if self._since >= self.bench.carry or time.perf_counter() - self._came_home > _HOME:
            self._bring_home()
        if self._asked and time.perf_counter() - self._looked > _LOOK:
            self._read(self._seen)
            self._asked, self._looked = False, time.perf_counter()

    def _take_candidates(self, found: Ints, first: int, n: int) -> None:
        count, tally = int(found[FOUND_CANDIDATES]), self._tally
        if count > CANDIDATES:
            raise DeviceError("more extremes in one launch than there is room for")
        if count == 0:
            return
        new = self.card.read(self.bench.at("candidates"), np.empty((count, CANDIDATE)))
        for part in range(0, count, EXTREMES):
            chunk = new[part : part + EXTREMES]
            at = int(tally.counters[FOUND])
            where = slice(at, at + chunk.shape[0])
            tally.candidates[where] = chunk[:, :2]
            tally.candidate_trials[where] = chunk[:, 2].view(np.uint64)
            tally.candidate_terms[where] = chunk[:, 3].view(np.int64)
            tally.counters[FOUND] = at + chunk.shape[0]
            tally.compact()
        self.card.write(self.bench.at("tally") + LIMITS_AT + 16, tally.limits[2:3])

    def _note(self, first: int, n: int, left: Spans, aside: Ints) -> None:
        done: Spans = [(first, first + n)]
        alone = [(trial, trial + 1) for trial in aside[:, 0].tolist()]
        for low, high in left:
            done = [part for span in done for part in ((span[0], min(span[1], low)), (max(span[0], high), span[1]))]
            done = [span for span in done if span[0] < span[1]]
        for trial, _ in alone:
            done = without(done, trial)
        self.done = joined(self.done + done)
        self.trials_done += sum(high - low for low, high in done)
        for low, high in sorted(pieces(left) + alone):  # an error is that of the first trial that has one
            if self.engine.crew.stopped:
                return
            tallied = self.engine.cpu.tally(low, high - low, Unwatched())
            self._aside.append(tallied)
            self.done = joined(self.done + tallied.spans)
            self.trials_done += high - low


class _SampleWorker(_Worker):
    """A worker that brings the values home."""

    def __init__(self, engine: CudaEngine, first: int, count: int) -> None:
        super().__init__(engine, first, count)
        self.values, self.terms = np.empty(count), np.empty(count, np.int64)

    def begin(self) -> None:
        size = 8 * (min(self.bench.trials, self.values.size) + TILE)
        self._values, self._terms = self.card.room(size), self.card.room(size)
        self.values_at, self.terms_at = self._values.address, self._terms.address

    def _note(self, first: int, n: int, left: Spans, aside: Ints) -> None:
        where = slice(first - self.first, first - self.first + n)
        self.values[where] = self.card.read(self.values_at, np.empty(n))
        self.terms[where] = self.card.read(self.terms_at, np.empty(n, np.int64))
        for low, high in sorted(pieces(left) + [(trial, trial + 1) for trial in aside[:, 0].tolist()]):
            if self.engine.crew.stopped:
                return
            place = slice(low - self.first, high - self.first)
            self.values[place], self.terms[place] = self.engine.cpu.sample(low, high - low)
        self.trials_done += n


def pieces(spans: Spans) -> Spans:
    """Spans of trials for the CPU, none so long that Ctrl-C would wait for it."""
    return [(at, min(at + _PIECE, high)) for low, high in spans for at in range(low, high, _PIECE)]
