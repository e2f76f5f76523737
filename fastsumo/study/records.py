"""The records of a study's file: a model, a cell, a process at work; and their rows.

What reads and writes them is in `store.py`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import Any

from fastsumo.models.serialization import Recipe

Span = tuple[int, int]  # (first trial, last + 1)


@dataclass
class StoredModel:
    """A row of the models."""

    id: int
    recipe: Recipe  # its params are those of the cell
    log_evidence: float | None
    origin: str | None  # file.py:name or module:name it came from, to notice that it was edited
    description: str


@dataclass
class Cell:
    """A row of the cells: one model, estimator and seed.

    Trials up to ``body_stop`` come in chunks that are merged into one another. The few left over, which do not fill a
    piece, are kept apart as the *tail*, because an extension has to run their piece anew as a whole; then it goes.
    """

    id: int
    model: int
    params: tuple[float, ...]
    estimator: str
    seed: int
    trials: int
    state: str = "new"  # "open" after its pilot, then "done" or "failed"
    message: str = ""
    piece: int = 1  # chunks begin and end at multiples of it, so that tiles are whole
    chunk: int = 0
    center: float = 0.0
    pilot_trials: int = 0
    pilot_seconds: float = 0.0
    provenance: dict[str, Any] = field(default_factory=dict)
    # versions of fastsumo and Numba, and CPU, of all that took part
    makers: list[list[str]] = field(default_factory=list)
    done: list[Span] = field(default_factory=list)
    tail: Span | None = None  # the tail that is stored; never in `done` as well
    elapsed: float = 0.0

    @property
    def body_stop(self) -> int:
        return self.trials // self.piece * self.piece

    @property
    def trials_done(self) -> int:
        return sum(high - low for low, high in [*self.done, *([self.tail] if self.tail else [])])

    @property
    def pace(self) -> float:
        """Seconds that a trial takes one worker; NaN before the pilot."""
        if self.pilot_trials == 0:
            return math.nan
        done = self.trials_done
        known = done > 0 and self.elapsed > self.pilot_seconds
        return self.elapsed / done if known else self.pilot_seconds / self.pilot_trials

    @property
    def wanted_tail(self) -> Span | None:
        """The tail that the cell should have."""
        return (self.body_stop, self.trials) if self.body_stop < self.trials else None

    @property
    def complete(self) -> bool:
        return self.trials_done == self.trials and self.tail == self.wanted_tail

    def lacks(self, first: int, stop: int) -> bool:
        """Whether none of these trials is stored, and they fit the cell as it is now."""
        if first >= self.body_stop:
            return self.tail != (first, stop) == self.wanted_tail
        return stop <= self.body_stop and all(stop <= low or high <= first for low, high in self.done)


@dataclass
class Run:
    """A row of the runs: a process that works on the study now, or died."""

    id: int
    machine: str
    pid: int
    beat: int  # grows while the process lives
    claims: dict[int, list[Span]]

    @property
    def place(self) -> str:
        """Where it is, as a person says it."""
        return f"process {self.pid} on {self.machine.split()[0] if self.machine else '?'}"


CELL_FIELDS = [item.name for item in fields(Cell)]
_JSON_FIELDS = ("params", "provenance", "makers", "done", "tail")


def cell_of_row(row: tuple[Any, ...]) -> Cell:
    """The cell of a row, `CELL_FIELDS` in their order."""
    values = dict(zip(CELL_FIELDS, row, strict=True))
    for name in _JSON_FIELDS:
        values[name] = json.loads(values[name])
    values["params"] = tuple(values["params"])
    values["done"] = [(low, high) for low, high in values["done"]]
    values["tail"] = tuple(values["tail"]) if values["tail"] else None
    values["seed"] = int(values["seed"])
    return Cell(**values)


def row_of_cell(cell: Cell) -> dict[str, Any]:
    """What SQLite holds of a cell, by column."""
    row = {name: getattr(cell, name) for name in CELL_FIELDS}
    for name in _JSON_FIELDS:
        row[name] = json.dumps(row[name])
    return row | {"seed": str(cell.seed)}  # SQLite's integers end at 2^63


def claims_of_text(text: str) -> dict[int, list[Span]]:
    """The claims of a run, from JSON."""
    return {int(cell): [(low, high) for low, high in spans] for cell, spans in json.loads(text).items()}
