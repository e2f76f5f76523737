"""The grid of a study: which cells are wanted, and how they meet the ones that are stored."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from fastsumo.base import checks
from fastsumo.estimators.parsing import as_estimator
from fastsumo.estimators.serialization import estimator_to_json
from fastsumo.models.model import Model
from fastsumo.models.parsing import as_model
from fastsumo.models.serialization import difference
from fastsumo.runs.arguments import check_run, settled, what_to_run
from fastsumo.study import stored_models
from fastsumo.study.records import Cell, StoredModel
from fastsumo.study.store import Store

Key = tuple[str, tuple[float, ...], str, int]  # what no two cells share: model's name, params, estimator, seed


class Wanted(NamedTuple):
    """A cell that is asked for."""

    made: Model
    model: StoredModel
    params: tuple[float, ...]
    estimator: str
    seed: int
    trials: int

    @property
    def key(self) -> Key:
        return (self.model.recipe.name, self.params, self.estimator, self.seed)


def wanted(model: Any, estimator: Any, trials: int, seeds: Iterable[int], name: str | None) -> list[Wanted]:
    """Every model with every estimator and seed; what `Study.add` takes.

    Raises
    ------
    ValueError, TypeError
        If one of them is none, or there is nothing.
    """
    cells: list[Wanted] = []
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be text that tells the model from others, got {name!r}")
    if name is not None:
        checks.line("name", name)
    try:
        numbers = list(seeds)
    except TypeError:
        how_many = "a number alone is how many in a TOML file, and nothing here"
        raise TypeError(f"seeds must be several, such as [7] or range(100), got {seeds!r}; {how_many}") from None
    kinds = [as_estimator(one) for one in _listed(estimator)]
    models = [(as_model(one), one if isinstance(one, str) else None) for one in _listed(model)]
    if not models:
        raise ValueError("nothing to add: at least one model is needed")
    for made, origin in models:
        for kind, seed in itertools.product(kinds, numbers):
            what_to_run(made, kind)
            check_run(trials, seed)
        settled_kinds = [settled(made, kind) for kind in kinds]
        kept = stored_models.stored(made, origin, name)
        params = tuple(made.params.tolist())
        cells += [
            Wanted(made, kept, params, estimator_to_json(kind), int(seed), int(trials))
            for kind, seed in itertools.product(settled_kinds, numbers)
        ]
    check_told_apart(cells)
    if not cells:
        raise ValueError("nothing to add: at least one model, one estimator and one seed are needed")
    return cells


def check_told_apart(cells: Iterable[Wanted]) -> None:
    """Raise ValueError where two models would have the same cell."""
    found: dict[Key, StoredModel] = {}
    for cell in cells:
        model = found.setdefault(cell.key, cell.model)
        if not stored_models.same(model, cell.model):
            what = difference(model.description, cell.model.description)
            raise ValueError(
                f"two models have the name {model.recipe.name!r} ({what}): give each another name=, in an add or "
                "[[cells]] of its own"
            )


def enter(store: Store, cells: Iterable[Wanted], anew: bool = False) -> list[int]:
    """Put wanted cells into the file where they are not there yet; their numbers.

    Raises
    ------
    StudyError
        If a model differs from the one of a stored cell, and ``anew`` does not say to drop its trials.
    """
    models, known = store.models(), store.cells()
    by_key: dict[Key, Cell] = {}
    for cell in known.values():
        by_key[models[cell.model].recipe.name, cell.params, cell.estimator, cell.seed] = cell
    numbers = []
    for item in cells:
        if item.key not in by_key:
            number = _row(store, models, item.model)
            cell = Cell(max(known, default=-1) + 1, number, item.params, item.estimator, item.seed, item.trials)
            store.add_cell(cell)
            known[cell.id] = by_key[item.key] = cell
        cell = by_key[item.key]
        if stored_models.same(models[cell.model], item.model):
            _renew(store, models, cell.model, item.model)
            if item.trials > cell.trials:
                raise_target(store, cell, item.trials)
        elif anew:
            known[cell.id] = by_key[item.key] = restart(store, cell, _row(store, models, item.model), item.trials)
        else:
            raise stored_models.changed(models[cell.model], item.model, cell.id)
        numbers.append(by_key[item.key].id)
    return numbers


def raise_target(store: Store, cell: Cell, trials: int) -> None:
    """Ask for more trials of a cell."""
    cell.trials, cell.state, cell.message = trials, "open" if cell.chunk else "new", ""
    store.update_cell(cell)


def restart(store: Store, cell: Cell, model: int, trials: int | None = None) -> Cell:
    """Drop the trials of a cell; it begins again with another model."""
    store.drop_cell(cell.id)
    new = Cell(cell.id, model, cell.params, cell.estimator, cell.seed, trials or cell.trials)
    store.add_cell(new)
    return new


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _row(store: Store, models: dict[int, StoredModel], model: StoredModel) -> int:
    """The number of a model's row, made where there is none."""
    for number, known in models.items():
        if known.recipe.name == model.recipe.name and stored_models.same(known, model):
            return number
    model.id = -1
    model.id = store.put_model(model)
    models[model.id] = model
    return model.id


def _renew(store: Store, models: dict[int, StoredModel], number: int, model: StoredModel) -> None:
    """The same model, as another Python or another file has it."""
    known = models[number]
    if known.recipe != model.recipe or known.origin != model.origin:
        model.id = number
        store.put_model(model)
        models[number] = model
