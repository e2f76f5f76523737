"""What has come of a study: how its cells stand, their results, and tables of them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastsumo.base import checks
from fastsumo.base.files import written_whole
from fastsumo.base.shown import Shown
from fastsumo.base.text import WIDTH, Column, Rows, short, table
from fastsumo.errors import DamagedError, StudyError
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.labels import label
from fastsumo.estimators.serialization import estimator_from_json
from fastsumo.models.model import Model
from fastsumo.report.frames import dataframe
from fastsumo.runs import rerun
from fastsumo.runs.provenance import Provenance
from fastsumo.runs.result import Result
from fastsumo.statistics.merger import StatisticsMerger
from fastsumo.statistics.spans import joined
from fastsumo.study.records import Cell, Run, StoredModel
from fastsumo.study.store import Store
from fastsumo.tails._runs import hill_of

if TYPE_CHECKING:
    import pandas

_NUMBERS = [
    "cost",
    "mean",
    "std_error",
    "variance",
    "skewness",
    "kurtosis",
    "min",
    "max",
    "zero_weight_trials",
    "largest_terms",
]
_FEWEST = 100  # extremes that a tail index is told from
_KINDS = (".csv", ".parquet")


@dataclass(frozen=True)
class CellStatus(Shown):
    """One cell of a study, as `Study.status` shows it.

    Attributes
    ----------
    cell : int
    model : str
    estimator : Estimator
    seed : int
    trials, target : int
        Done, and asked for.
    state : {"new", "open", "done", "failed"}
    message : str
        Why it failed.
    """

    cell: int
    model: str
    estimator: Estimator
    seed: int
    trials: int
    target: int
    state: str
    message: str


@dataclass(frozen=True, repr=False)
class Status(Shown):
    """How a study stands: its cells, and the processes that work on it (or died elsewhere without a word)."""

    cells: tuple[CellStatus, ...]
    runs: tuple[Run, ...]

    @property
    def complete(self) -> bool:
        return all(cell.state == "done" for cell in self.cells)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers and words, ready for JSON."""
        return {
            "complete": self.complete,
            "cells": [asdict(cell) | {"estimator": label(cell.estimator, "exact")} for cell in self.cells],
            "runs": len(self.runs),
        }

    def __repr__(self) -> str:
        done = sum(cell.state == "done" for cell in self.cells)
        return f"Status({done} of {len(self.cells)} cells done, {len(self.runs)} processes at work)"

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = WIDTH) -> str:
        """A table of at most so many columns, then why cells failed and who is at work."""
        return "\n".join([table(self._columns(), width) if self.cells else "no cells yet", *self._notes()])

    def _blocks(self) -> list[Rows | list[Column]]:
        notes = Rows(("", note) for note in self._notes())
        return [self._columns() if self.cells else Rows([("study", "no cells yet")]), notes]

    def _columns(self) -> list[Column]:
        return [
            Column("cell", [str(cell.cell) for cell in self.cells]),
            Column("model", [cell.model for cell in self.cells], 1, left=True),
            Column("estimator", [label(cell.estimator) for cell in self.cells], 2, left=True),
            Column("seed", [str(cell.seed) for cell in self.cells], 3),
            Column("trials", [f"{short(cell.trials)} of {short(cell.target)}" for cell in self.cells]),
            Column("state", [cell.state for cell in self.cells], left=True),
        ]

    def _notes(self) -> list[str]:
        failed = [f"cell {cell.cell} failed: {cell.message}" for cell in self.cells if cell.state == "failed"]
        return failed + [f"running: {run.place}" for run in self.runs]


def cell_status(model: StoredModel, cell: Cell) -> CellStatus:
    """How a cell stands."""
    name = model.recipe.name
    return CellStatus(
        cell.id,
        name if not cell.params or "(" in name else f"{name} {list(cell.params)}",
        estimator_from_json(cell.estimator),
        cell.seed,
        cell.trials_done,
        cell.trials,
        cell.state,
        cell.message,
    )


def result_of(store: Store, cell: Cell, models: Mapping[str, Model]) -> Result:
    """The result of a cell, as far as it is stored; with its model, if it is among those given by their source.

    Raises
    ------
    StudyError
        If there is nothing yet, or what is stored is damaged.
    """
    if cell.trials_done == 0:
        why = cell.message or "run the study"
        raise StudyError(f"cell {cell.id} has no trials yet: {why}")
    try:
        merger = StatisticsMerger(cell.center, cell.seed)
        for packed in store.statistics(cell.id):
            if packed is not None:
                merger.add_packed(packed)
    except DamagedError as error:
        raise StudyError(f"cell {cell.id} of {store.path}: {error}") from None
    statistics = merger.statistics()
    if statistics.finite + statistics.zero_weight != cell.trials_done:
        raise StudyError(f"cell {cell.id} of {store.path} is damaged: its statistics are not those of its trials")
    spans = [*cell.done, cell.tail] if cell.tail else cell.done
    kept = store.models()[cell.model]
    known = cell.provenance | {"origin": kept.origin or kept.recipe.spec}
    run, model = Provenance.of_stored(known, estimator_from_json(cell.estimator)), models.get(kept.recipe.source)
    return Result(
        provenance=run,
        statistics=statistics,
        ranges={cell.seed: joined(spans)},
        center=cell.center,
        elapsed=cell.elapsed,
        threads=1,
        interrupted=not cell.complete,
        _model=None if model is None else rerun.with_params_of(run, model),
    )


def row_of(store: Store, model: StoredModel, cell: Cell) -> dict[str, Any]:
    """A cell as a row of a table; its estimator as a value."""
    result = result_of(store, cell, {}) if cell.trials_done else None
    hill = hill_of(result) if result is not None and result.extremes.size >= _FEWEST else None
    return {
        "cell": cell.id,
        "model": model.recipe.name,
        "params": list(cell.params),
        "estimator": estimator_from_json(cell.estimator),
        "seed": cell.seed,
        "trials": cell.trials_done,
        "target": cell.trials,
        "log_evidence": math.nan if model.log_evidence is None else model.log_evidence,
        **{name: math.nan if result is None else getattr(result, name) for name in _NUMBERS},
        "tail_index": math.nan if hill is None else hill.estimate,
        "elapsed": cell.elapsed,
        "state": cell.state,
        "message": cell.message,
        "source": model.recipe.source,
        "version": ", ".join(sorted({maker[0] for maker in cell.makers})),
        "cpu": ", ".join(sorted({maker[2] for maker in cell.makers})),
    }


def export(rows: list[dict[str, Any]], target: Path) -> None:
    """Write rows to a ``.csv`` or ``.parquet`` file; see `Study.export`."""
    kind = checks.choice("kind of file", target.suffix, _KINDS)
    rows = [row | {"params": json.dumps(row["params"])} for row in rows]
    with written_whole(target) as temporary:
        if kind == ".csv":
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]) if rows else ["cell"])
                writer.writeheader()
                writer.writerows(rows)
        else:
            try:
                frame(rows).to_parquet(temporary, index=False)
            except ImportError as error:
                raise ValueError(
                    f"Parquet needs pandas and pyarrow ({error}): pip install 'fastsumo[parquet]'"
                ) from None


def frame(rows: list[dict[str, Any]]) -> pandas.DataFrame:
    """Rows as a DataFrame; seeds as unsigned numbers, as they go to 2^64 - 1.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    made = dataframe(rows)
    return made.astype({"seed": "uint64"}) if rows else made
