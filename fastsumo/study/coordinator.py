"""The run of a study: which chunks go to which workers, and how their results enter the file, each exactly once.

One loop in one thread. A step merges what has finished, writes it and claims new chunks in one transaction, then hands
these out. Processes that share a study see one another's claims; the spans that are done decide what counts.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import queue
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fastsumo.base.logs import LOGGER
from fastsumo.errors import DamagedError, StudyError, StudyStoppedError
from fastsumo.models.serialization import Recipe
from fastsumo.statistics.merger import StatisticsMerger
from fastsumo.statistics.spans import joined
from fastsumo.study.executors import Outcome, Pool, Task
from fastsumo.study.heartbeats import BEAT, Heartbeats
from fastsumo.study.progress import Meter
from fastsumo.study.records import Cell, Span
from fastsumo.study.store import Store

_AHEAD = 2  # chunks handed out for each that can run: the next one waits at the worker
_TRIES = 4  # of a chunk whose worker dies
_OPEN_MERGERS = 64
_SHARES = 4  # chunks that each worker has at least before it, until they are
_SHORTEST = 16  # times shorter than asked for


class Coordinator:
    """Runs what a store lacks.

    Parameters
    ----------
    store : Store
        Open for writing.
    pool : Pool
    recipes : dict of int to Recipe
        Of the models by number, without params.
    meter : Meter
        Told of all that happens.
    chunk_seconds : float
        What a chunk of a new cell should take.
    """

    def __init__(
        self, store: Store, pool: Pool, recipes: dict[int, Recipe], meter: Meter, chunk_seconds: float
    ) -> None:
        self._store, self._pool, self._recipes, self._meter = store, pool, recipes, meter
        self._chunk_seconds = chunk_seconds
        self._cells: dict[int, Cell] = {}
        self._mergers: OrderedDict[int, StatisticsMerger] = OrderedDict()
        self._tasks: dict[Any, Task] = {}  # in flight, by future
        self._finished: list[Outcome] = []
        self._again: list[Task] = []
        self._attempts: dict[tuple[int, int], int] = {}
        self._failed_at: dict[int, int] = {}
        self._ended: list[Cell] = []  # cells that have come to an end, of which the log does not know yet
        self._heartbeats = Heartbeats(store)
        self._written = -1e9
        self._broken = ""

    def run(self) -> None:
        """Until nothing is left that can be run.

        Raises
        ------
        StudyError
            If the file cannot be written, or the executor broke; all that was stored stays.
        KeyboardInterrupt
            After Ctrl-C, with all finished chunks stored.
        """
        try:
            while self._step():
                self._receive(0.5)
            self._leave()
        except BaseException:
            for future in list(self._tasks):
                future.cancel()
            self._pool.close()
            self._rescue()
            raise
        finally:
            self._heartbeats.forget()
        if self._broken:
            raise StudyStoppedError(self._broken)

    def _step(self) -> bool:
        """Store, claim, hand out. Whether there is more to do, here or by others."""
        new: list[Task] = []
        ahead = 0 if self._broken else _AHEAD * self._pool.workers
        wanted = ahead - len(self._tasks)
        hungry = wanted > 0 and (wanted >= ahead // 4 or not self._tasks)
        if self._finished or hungry or self._again or time.monotonic() - self._written > BEAT:
            new = self._transact(wanted if hungry else 0)
        for task in new:
            self._send(task)
        self._meter.show(self._cells, self._mergers, self._heartbeats.others)
        if self._tasks or self._finished or self._again:
            return True
        return not self._broken and any(cell.state in ("new", "open") for cell in self._cells.values())

    def _receive(self, timeout: float) -> None:
        """Take what workers have finished: wait for the first, then all that is there."""
        try:
            task, future = self._pool.finished.get(timeout=timeout if not self._finished else 0.0)
            while True:
                self._take(task, future)
                task, future = self._pool.finished.get_nowait()
        except queue.Empty:
            if self._tasks and self._pool.broken:  # and forgot to say so: a task sent just as it broke gets no answer
                self._mend(concurrent.futures.BrokenExecutor("it is broken"))

    def _take(self, task: Task, future: Any) -> None:
        if self._tasks.pop(future, None) is None:
            return
        try:
            outcome: Outcome = future.result()
        except concurrent.futures.BrokenExecutor as error:
            self._lost(task, error)
            self._mend(error)
        except (KeyboardInterrupt, concurrent.futures.CancelledError) as error:
            self._lost(task, error)
        except Exception as error:  # a worker died, or its answer did
            self._lost(task, error)
        else:
            if outcome.stopped:
                self._lost(task, KeyboardInterrupt("stopped"))
            else:
                self._finished.append(outcome)

    def _lost(self, task: Task, error: BaseException) -> None:
        """A task that was not done: it is sent again a few times."""
        key = (task.cell, task.first)
        self._attempts[key] = self._attempts.get(key, 0) + 1
        if self._attempts[key] < _TRIES or self._broken:
            self._again.append(replace(task, attempt=self._attempts[key]))
        else:
            span = f"the worker of trials {task.first} to {task.stop - 1} was lost {_TRIES} times"
            self._finished.append(Outcome(task, error=f"{span}: {type(error).__name__}: {error}"))

    def _mend(self, error: BaseException) -> None:
        """Another executor in the place of a broken one, or the end."""
        if self._broken:
            return
        for future, task in list(self._tasks.items()):
            del self._tasks[future]
            self._again.append(task)
        if not self._pool.remake():
            self._broken = (
                f"the executor broke ({type(error).__name__}: {error}): a worker died, killed or out of memory; "
                "all finished chunks are stored: run again with a new executor"
            )
            self._again.clear()

    def _send(self, task: Task) -> None:
        try:
            self._tasks[self._pool.submit(task)] = task
        except concurrent.futures.BrokenExecutor as error:
            self._again.append(task)
            self._mend(error)
        except RuntimeError as error:  # shut down by its owner
            self._broken = f"the executor takes no more chunks ({error}); all finished chunks are stored"

    def _transact(self, wanted: int) -> list[Task]:
        """Store what has finished and claim new tasks, in one transaction."""
        finished, again = list(self._finished), list(self._again)
        try:
            with self._store.transaction():
                if self._store.changed() or not self._cells:
                    self._read()
                self._heartbeats.watch()
                self._enter(finished)
                new = [*again, *self._claim(wanted - len(again))] if not self._broken else []
                self._sign(new)
        except BaseException:
            self._ended.clear()
            self._cells, self._mergers = {}, OrderedDict()  # what the file says counts
            self._store.changed()
            raise
        del self._finished[: len(finished)], self._again[: len(again)]
        self._written = time.monotonic()
        self._tell()
        return [task for task in new if task.cell in self._cells and self._cells[task.cell].state != "failed"]

    def _tell(self) -> None:
        """Say in the log which cells have come to an end."""
        for cell in self._ended:
            if cell.state == "failed":
                LOGGER.error("%s: cell %d failed: %s", self._store.path, cell.id, cell.message)
            else:
                LOGGER.info("%s: cell %d done, %s trials", self._store.path, cell.id, f"{cell.trials:,}")
        self._ended.clear()

    def _read(self) -> None:
        """Cells as the file has them now, others may have added some."""
        self._cells = self._store.cells()
        self._mergers.clear()
        if any(cell.model not in self._recipes for cell in self._cells.values()):
            self._recipes = {number: model.recipe for number, model in self._store.models().items()}

    def _enter(self, outcomes: list[Outcome]) -> None:
        """Outcomes into the file's transaction, cell by cell."""
        by_cell: dict[int, list[Outcome]] = {}
        for outcome in outcomes:
            by_cell.setdefault(outcome.task.cell, []).append(outcome)
        for number, parts in by_cell.items():
            cell = self._cells.get(number)
            if cell is not None:
                source = self._recipes[cell.model].source  # another, where the cell was started anew meanwhile
                self._enter_cell(cell, [part for part in parts if part.task.recipe.source == source])

    def _enter_cell(self, cell: Cell, outcomes: list[Outcome]) -> None:
        body: list[Outcome] = []
        spans = list(cell.done)
        for outcome in outcomes:
            task = outcome.task
            if outcome.error:
                self._fail(cell, outcome)
            elif outcome.pilot:
                self._open(cell, outcome.pilot)
            elif task.center == cell.center and cell.lacks(task.first, task.stop):
                if task.first >= cell.body_stop:
                    self._store.put_tail(cell.id, outcome.packed)
                    cell.tail = (task.first, task.stop)
                else:
                    if cell.tail and task.stop > cell.tail[0]:  # of a smaller target: these trials are now in a chunk
                        self._store.put_tail(cell.id, None)
                        cell.tail = None
                    body.append(outcome)
                    spans.append((task.first, task.stop))
                    cell.done = joined(spans)
                cell.elapsed += outcome.elapsed
                if list(outcome.maker) not in cell.makers:
                    cell.makers.append(list(outcome.maker))
        if body:
            self._merge(cell, [outcome.packed for outcome in body])
            cell.chunk = self._fitting(cell.chunk, cell.piece, cell.pace)
        if cell.complete:
            cell.state, cell.message = "done", ""
            self._ended.append(cell)
            self._mergers.pop(cell.id, None)
        self._store.update_cell(cell)

    def _merge(self, cell: Cell, parts: list[bytes]) -> None:
        """Add packed statistics to those of the cell."""
        merger = self._mergers.get(cell.id)
        try:
            if merger is None:
                stored, _ = self._store.statistics(cell.id)
                merger = StatisticsMerger(cell.center, cell.seed)
                parts = [stored, *parts] if stored else parts
            for packed in parts:
                merger.add_packed(packed)
        except DamagedError as error:
            raise StudyError(f"cell {cell.id} of {self._store.path}: {error}") from None
        self._mergers[cell.id] = merger
        self._mergers.move_to_end(cell.id)
        while len(self._mergers) > _OPEN_MERGERS:
            self._mergers.popitem(last=False)
        self._store.put_body(cell.id, merger.packed())

    def _open(self, cell: Cell, pilot: dict[str, Any]) -> None:
        """A pilot's numbers, for all seeds of its model and estimator."""
        per_trial = max(pilot["seconds"] / pilot["trials"], 1e-12)
        chunk = self._fitting(pilot["piece"], pilot["piece"], per_trial, slack=1.5)
        for other in self._cells.values():
            if other.state == "new" and _kind(other) == _kind(cell):
                other.state, other.chunk, other.piece = "open", chunk, pilot["piece"]
                other.center, other.provenance = pilot["center"], pilot["provenance"]
                other.pilot_trials, other.pilot_seconds = pilot["trials"], pilot["seconds"]
                self._store.update_cell(other)

    def _fitting(self, chunk: int, piece: int, per_trial: float, slack: float = 3.0) -> int:
        """The power of two that takes the time a chunk should; changed only where it is off by more than ``slack``."""
        while chunk * per_trial < self._chunk_seconds / slack and chunk < 2**62:
            chunk *= 2
        while chunk * per_trial > self._chunk_seconds * slack and chunk > piece:
            chunk //= 2
        return chunk

    def _fail(self, cell: Cell, outcome: Outcome) -> None:
        """The cell stops; of several errors the one of the earliest trials stays."""
        earlier = cell.state == "failed" and self._failed_at.get(cell.id, -1) <= outcome.task.first
        if not earlier:
            cell.state, cell.message = "failed", outcome.error
            self._ended.append(cell)
            self._failed_at[cell.id] = outcome.task.first

    def _claim(self, wanted: int) -> Iterator[Task]:
        """Tasks that nobody has, at most so many: pilots first, as errors and costs show in them; cells in order."""
        mine, seconds = self._mine(), self._seconds_of_a_chunk()
        for task in itertools.islice(self._pilots(mine), max(wanted, 0)):
            wanted -= 1
            yield task
        for cell in self._cells.values():
            if cell.state == "open" and wanted > 0:
                taken = [*mine.get(cell.id, []), *self._heartbeats.claims(cell.id)]
                for first, stop in itertools.islice(_unclaimed(cell, taken, seconds), wanted):
                    wanted -= 1
                    yield self._task(cell, first, stop, cell.center)

    def _pilots(self, mine: dict[int, list[Span]]) -> Iterator[Task]:
        """One for each kind of new cells, unless somebody is at it."""
        new = [cell for cell in self._cells.values() if cell.state == "new"]
        known = {_kind(cell) for cell in new if cell.id in mine or self._heartbeats.claims(cell.id)}
        for cell in new:
            if _kind(cell) not in known:
                known.add(_kind(cell))
                yield self._task(cell, 0, cell.trials, None)

    def _mine(self) -> dict[int, list[Span]]:
        """What this process has handed out, or will again, by cell."""
        spans: dict[int, list[Span]] = {}
        for task in [*self._tasks.values(), *self._again]:
            spans.setdefault(task.cell, []).append((task.first, task.stop))
        return spans

    def _seconds_of_a_chunk(self) -> float:
        """As asked for; less towards the end, so that all workers end together."""
        left, shares = 0.0, _SHARES * self._pool.workers
        for cell in self._cells.values():
            if cell.state == "new":
                return self._chunk_seconds
            if cell.state == "open":
                left += (cell.trials - cell.trials_done) * cell.pace
                if left > self._chunk_seconds * shares:
                    return self._chunk_seconds
        return max(left / shares, self._chunk_seconds / _SHORTEST)

    def _task(self, cell: Cell, first: int, stop: int, center: float | None) -> Task:
        recipe = self._recipes[cell.model]._replace(params=cell.params)
        merger = self._mergers.get(cell.id)
        threshold = merger.threshold() if merger is not None else -1.0
        attempt = self._attempts.get((cell.id, first), 0)
        return Task(
            cell.id, first, stop, cell.seed, cell.estimator, recipe, center, self._pool.task_threads, threshold, attempt
        )

    def _sign(self, new: list[Task]) -> None:
        """A sign of life, and what this process is at."""
        spans = self._mine()
        for task in new:
            spans.setdefault(task.cell, []).append((task.first, task.stop))
        self._heartbeats.sign({cell: joined(list(set(parts))) for cell, parts in spans.items()})

    def _rescue(self) -> None:
        """After an error or Ctrl-C: store what is finished, if that is still possible."""
        try:
            self._receive(0.0)
            self._broken = self._broken or "stopped"
            self._transact(0)
            self._leave()
        except (StudyError, KeyboardInterrupt):
            return

    def _leave(self) -> None:
        with self._store.transaction():
            self._heartbeats.leave()


def _kind(cell: Cell) -> tuple[int, tuple[float, ...], str]:
    """What cells share that differ in their seeds only."""
    return cell.model, cell.params, cell.estimator


def _unclaimed(cell: Cell, claims: list[Span], seconds: float) -> Iterator[Span]:
    """Chunks of an open cell that are neither done nor claimed, each of at most about so many seconds."""
    chunk, stop = cell.chunk, cell.body_stop
    while chunk > cell.piece and chunk * cell.pace > 2.0 * seconds:
        chunk //= 2
    first = 0
    for low, high in [*sorted([*cell.done, *claims]), (stop, stop)]:
        while first < min(low, stop):
            end = min((first // chunk + 1) * chunk, low, stop)
            yield first, end
            first = end
        first = max(first, high)
    tail = cell.wanted_tail
    if tail and tail != cell.tail and tail not in claims:
        yield tail
