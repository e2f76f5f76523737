"""How a study is getting on: speed, time left, estimates; a table where somebody is looking, else a line a minute.

Time left counts work, not trials: under a heavy law of `K` the mean cost of a trial grows with their number, because
the largest `K` seen does.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fastsumo._text import short
from fastsumo.progress import _in_notebook
from fastsumo.recipes import estimator_from_json

if TYPE_CHECKING:
    from fastsumo.packing import Fold
    from fastsumo.study_records import Cell, Run

_WINDOW = 120.0  # seconds that the present speed is taken over
_EVERY = 0.5  # seconds between two looks of the table
_LINE_EVERY = 60.0
_ROWS = 12


class Meter:
    """Counts, and shows nothing: the twin without a screen."""

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._began = time.monotonic()
        self._first: float | None = None
        self._recent: deque[tuple[float, int]] = deque()
        self._busy = 0.0
        self._speeds: dict[int, tuple[int, float]] = {}

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def count(self, cell: int, trials: int, seconds: float) -> None:
        """Trials of a cell were stored, and took a worker so many seconds."""
        now = time.monotonic()
        self._recent.append((now, trials))
        self._busy += seconds
        before = self._speeds.get(cell, (0, 0.0))
        self._speeds[cell] = before[0] + trials, before[1] + seconds
        while now - self._recent[0][0] > _WINDOW:
            self._recent.popleft()

    def show(self, cells: Mapping[int, Cell], folds: Mapping[int, Fold], in_flight: int, others: list[Run]) -> None:
        """Look at the run; called often."""

    def speed(self) -> float:
        """Trials per second of late."""
        if not self._recent:
            return 0.0
        span = time.monotonic() - max(self._began, time.monotonic() - _WINDOW)
        return sum(trials for _, trials in self._recent) / max(span, 1e-3)

    def seconds_left(self, cells: Mapping[int, Cell]) -> float:
        """Until all cells are done, at the present number of workers; NaN before anything is known."""
        work = [seconds_of_work(cell) for cell in cells.values() if cell.state in ("new", "open")]
        known = [seconds for seconds in work if not math.isnan(seconds)]
        if not known or len(known) < len(work):
            return 0.0 if not work else math.nan
        elapsed = time.monotonic() - self._began
        parallel = self._busy / elapsed if self._busy > 5.0 * self._workers else self._workers
        return sum(known) / max(parallel, 1e-3)

    def line(self, cells: Mapping[int, Cell], folds: Mapping[int, Fold], others: list[Run]) -> str:
        """All that matters in one line."""
        total, done = sum(cell.trials for cell in cells.values()), sum(cell.trials_done for cell in cells.values())
        ready = sum(cell.state == "done" for cell in cells.values())
        failed = sum(cell.state == "failed" for cell in cells.values())
        parts = [
            f"{100.0 * done / max(total, 1):.1f} %",
            f"{short(done)} of {short(total)} trials",
            f"{short(self.speed())} trials/s",
            f"{duration(self.seconds_left(cells))} left",
            f"{ready} of {len(cells)} cells done" + (f", {failed} failed" if failed else ""),
        ]
        for number, fold in list(folds.items())[-1:]:
            mean, error = fold.estimate()
            parts.append(f"cell {number}: {mean:.8g} ± {error:.2g}")
        if others:
            parts.append(f"with {', '.join(run.place for run in others)}")
        return " · ".join(parts)


class Lines(Meter):
    """A line on standard error now and then, for logs."""

    def __init__(self, workers: int = 1) -> None:
        super().__init__(workers)
        self._said = time.monotonic()

    def show(self, cells: Mapping[int, Cell], folds: Mapping[int, Fold], in_flight: int, others: list[Run]) -> None:
        if time.monotonic() - self._said >= _LINE_EVERY:
            self._said = time.monotonic()
            print(
                f"{time.strftime('%H:%M:%S')} fastsumo: {self.line(cells, folds, others)}", file=sys.stderr, flush=True
            )


class Screen(Meter):
    """A table on a terminal (standard error) or in a notebook: all together, and the cells at work."""

    def __init__(self, workers: int = 1) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(workers)
        console = Console() if _in_notebook() else Console(stderr=True)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._shown = 0.0

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, cells: Mapping[int, Cell], folds: Mapping[int, Fold], in_flight: int, others: list[Run]) -> None:
        if time.monotonic() - self._shown < _EVERY:
            return
        self._shown = time.monotonic()
        self._live.update(self._table(cells, folds, others), refresh=True)

    def _table(self, cells: Mapping[int, Cell], folds: Mapping[int, Fold], others: list[Run]) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, caption=Text(self.line(cells, {}, others)), caption_justify="left")
        for name in ("cell", "model", "estimator", "seed", "done", "trials/s", "left", "estimate"):
            table.add_column(name, no_wrap=True)
        active = [cell for cell in cells.values() if cell.state == "open" and cell.id in folds]
        for cell in active[:_ROWS]:
            mean, error = folds[cell.id].estimate()
            trials, busy = self._speeds.get(cell.id, (0, 0.0))
            table.add_row(
                str(cell.id),
                Text(str(cell.provenance.get("model", ""))),
                Text(str(cell.provenance.get("estimator", ""))),
                str(cell.seed),
                f"{100.0 * cell.trials_done / cell.trials:.1f} %",
                short(trials / busy) + " a worker" if busy else "",
                duration(seconds_of_work(cell) / self._workers),
                f"{mean:.8g} ± {error:.2g}",
            )
        return table


def make_meter(wanted: bool | Meter | None, workers: int) -> Meter:
    """The meter that ``Study.run(progress=...)`` asks for: None is a table where somebody is looking, else lines."""
    if isinstance(wanted, Meter):
        return wanted
    if wanted is False:
        return Meter(workers)
    looking = _in_notebook() or sys.stderr.isatty()
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
    >>> from fastsumo.recipes import estimator_to_json
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


def duration(seconds: float) -> str:
    """A time as a person says it.

    Examples
    --------
    >>> duration(42), duration(3700), duration(400_000), duration(math.nan)
    ('42 s', '1 h 02 min', '4 d 15 h', '?')
    """
    if math.isnan(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
