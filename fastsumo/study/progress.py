"""How a study is getting on: speed, time left, estimates; a table where somebody is looking, else a line a minute.

Time left counts work, not trials: under a heavy law of `K` the mean cost of a trial grows with their number, because
the largest `K` seen does.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from fastsumo.base.text import WIDTH, Column, counted, duration, short, table, with_error
from fastsumo.estimators.labels import label
from fastsumo.estimators.serialization import estimator_from_json
from fastsumo.report.progress import in_notebook, is_open, live_on, on_terminal, watched_console

if TYPE_CHECKING:
    from fastsumo.statistics.merger import StatisticsMerger
    from fastsumo.study.records import Cell, Run

_WINDOW = 120.0  # seconds that the present speed is taken over
_SAMPLE = 2.0  # seconds between two that are kept of it
_EVERY = 0.5  # seconds between two looks of the table
_LINE_EVERY = 60.0
_ROWS = 12


class _Sample(NamedTuple):
    """How far all is at a time."""

    when: float
    busy: float  # seconds of workers that went into what is stored
    trials: dict[int, int]  # by cell at work


class Meter:
    """Watches, and shows nothing: the twin without a screen. Work of other processes counts too."""

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._samples: deque[_Sample] = deque()

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def show(self, cells: Mapping[int, Cell], mergers: Mapping[int, StatisticsMerger], others: list[Run]) -> None:
        """Look at the run; called often."""
        now = time.monotonic()
        if self._samples and now - self._samples[-1].when < _SAMPLE:
            return
        done = {number: cell.trials_done for number, cell in cells.items() if cell.state != "new"}
        self._samples.append(_Sample(now, sum(cell.elapsed for cell in cells.values()), done))
        while now - self._samples[0].when > _WINDOW:
            self._samples.popleft()

    def speed(self, cells: Iterable[Cell]) -> float:
        """Trials per second of late, of some cells together."""
        if not self._samples:
            return 0.0
        first = self._samples[0]
        trials = sum(max(0, cell.trials_done - first.trials.get(cell.id, 0)) for cell in cells)
        return trials / max(time.monotonic() - first.when, 1.0)

    def seconds_left(self, cells: Iterable[Cell]) -> float:
        """Until they are done, with as many workers as there were of late; NaN before all pilots are run."""
        work = sum(seconds_of_work(cell) for cell in cells if cell.state in ("new", "open"))
        return work / self._parallel()

    def _parallel(self) -> float:
        """Workers that were busy of late."""
        if len(self._samples) < 2:
            return self._workers
        first, last = self._samples[0], self._samples[-1]
        busy = last.busy - first.busy
        return busy / (last.when - first.when) if busy > 5.0 * self._workers else self._workers

    def line(self, cells: Mapping[int, Cell], mergers: Mapping[int, StatisticsMerger], others: list[Run]) -> str:
        """All that matters in one line."""
        total, done = sum(cell.trials for cell in cells.values()), sum(cell.trials_done for cell in cells.values())
        ready = sum(cell.state == "done" for cell in cells.values())
        failed = sum(cell.state == "failed" for cell in cells.values())
        parts = [
            _percent(done, total),
            f"{short(done)} of {short(total)} trials",
            f"{short(self.speed(cells.values()))} trials/s",
            f"{duration(self.seconds_left(cells.values()))} left",
            f"{ready} of {counted(len(cells), 'cell')} done" + (f", {failed} failed" if failed else ""),
        ]
        for number in [number for number in mergers if number in cells][-1:]:
            cell = cells[number]
            estimate = with_error(*_estimate(mergers[number], cell))
            parts.append(f"cell {number}: {_percent(cell.trials_done, cell.trials)}, {estimate}")
        if others:
            parts.append(f"with {', '.join(run.place for run in others)}")
        return " · ".join(parts)

    def table(self, cells: Mapping[int, Cell], mergers: Mapping[int, StatisticsMerger], width: int = WIDTH) -> str:
        """The cells at work, a row each."""
        active = [cell for cell in cells.values() if cell.state == "open" and cell.id in mergers][:_ROWS]
        if not active:
            return ""
        columns = [
            Column("cell", [str(cell.id) for cell in active]),
            Column("model", [str(cell.provenance.get("model", "")) for cell in active], 2, left=True),
            Column("estimator", [label(estimator_from_json(cell.estimator)) for cell in active], 4, left=True),
            Column("seed", [str(cell.seed) for cell in active], 3),
            Column("done", [_percent(cell.trials_done, cell.trials) for cell in active]),
            Column("trials/s", [short(self.speed([cell])) for cell in active], 1),
            Column("left", [duration(self.seconds_left([cell])) for cell in active]),
            Column("estimate", [with_error(*_estimate(mergers[cell.id], cell)) for cell in active]),
        ]
        return table(columns, width)


def _estimate(merger: StatisticsMerger, cell: Cell) -> tuple[float, float]:
    return merger.estimate(estimator_from_json(cell.estimator).plan().stratified > 1)


class Lines(Meter):
    """A line on standard error now and then, for logs."""

    def __init__(self, workers: int = 1) -> None:
        super().__init__(workers)
        self._said = time.monotonic()

    def show(self, cells: Mapping[int, Cell], mergers: Mapping[int, StatisticsMerger], others: list[Run]) -> None:
        super().show(cells, mergers, others)
        if time.monotonic() - self._said >= _LINE_EVERY:
            self._said = time.monotonic()
            said = f"{time.strftime('%Y-%m-%d %H:%M:%S')} fastsumo: {self.line(cells, mergers, others)}"
            print(said, file=sys.stderr, flush=True)


class Screen(Meter):
    """A table on a terminal (standard error) or in a notebook: the cells at work, and all together."""

    def __init__(self, workers: int = 1) -> None:
        super().__init__(workers)
        self._console = watched_console()
        self._live = live_on(self._console)
        self._shown = 0.0

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, cells: Mapping[int, Cell], mergers: Mapping[int, StatisticsMerger], others: list[Run]) -> None:
        from rich.text import Text

        super().show(cells, mergers, others)
        if time.monotonic() - self._shown >= _EVERY:
            self._shown = time.monotonic()
            rows = self.table(cells, mergers, self._console.width)
            self._live.update(Text(f"{rows}\n{self.line(cells, {}, others)}".lstrip()), refresh=True)


def make_meter(wanted: bool | Meter | None, workers: int) -> Meter:
    """The meter that ``Study.run(progress=...)`` asks for: None is a table where somebody is looking, else lines."""
    if isinstance(wanted, Meter):
        return wanted
    if wanted is False:
        return Meter(workers)
    if wanted not in (None, True):
        raise TypeError(f"progress must be True, False, None or a Meter, got {wanted!r}")
    looking = in_notebook() or on_terminal()
    if not looking and not is_open(sys.stderr):
        return Meter(workers)
    return Screen(workers) if looking else Lines(workers)


def seconds_of_work(cell: Cell) -> float:
    """What is left of a cell, in seconds of one worker; NaN before its pilot."""
    if cell.pilot_trials == 0:
        return math.nan
    done = cell.trials_done
    unit = cell.pace / mean_cost(cell.estimator, max(done, cell.pilot_trials))
    return unit * (
        cell.trials * mean_cost(cell.estimator, cell.trials) - done * mean_cost(cell.estimator, max(done, 1))
    )


@lru_cache(maxsize=4096)
def mean_cost(estimator: str, trials: int) -> float:
    """Importance samples that one of so many trials takes on average, up to a factor.

    `K` is cut where less than one trial of them is expected beyond: ``E[min(K, k)]`` with ``P(K >= k) = 1 / trials``.

    Examples
    --------
    >>> from fastsumo import SUMO, roulette
    >>> from fastsumo.estimators.serialization import estimator_to_json
    >>> text = estimator_to_json(SUMO(roulette.Harmonic()))
    >>> round(mean_cost(text, 10**9) / mean_cost(text, 10**3), 1)
    2.6
    """
    estimate = estimator_from_json(estimator)
    law = getattr(estimate, "roulette", None)
    if law is None:
        return 1.0
    total, low = float(estimate.plan().minimum), 1
    while low < law.max_terms:
        survival = float(law.survival(int(1.42 * low)))
        if survival * trials < 1.0:
            break
        total += survival * low  # the octave from low to 2 low - 1
        low *= 2
    return total


def _percent(done: int, total: int) -> str:
    percent = 100.0 * done / max(total, 1)
    return f"{percent:.1f} %" if percent >= 1.0 or not done else f"{percent:.2g} %"
