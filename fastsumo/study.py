"""`Study`: a grid of models, estimators and seeds in one file, run in chunks, stopped and resumed at will.

What is asked for and what has come of it. Running is in `coordinate.py`, the file in `store.py`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastsumo import _check
from fastsumo.errors import ModelError
from fastsumo.estimators import Estimator
from fastsumo.model import Model
from fastsumo.recipes import PYTHON, Recipe, description, difference, estimator_from_json, estimator_to_json, recipe
from fastsumo.result import Provenance, Result
from fastsumo.simulate import _checked, joined
from fastsumo.store import Cell, Store, StoredModel, StudyError
from fastsumo.study_progress import Meter, make_meter, short

if TYPE_CHECKING:
    import pandas as pd

    from fastsumo.store import Run

__all__ = ["CellStatus", "Status", "Study", "StudyError"]


@dataclass(frozen=True)
class CellStatus:
    """One cell of a study, as `Study.status` shows it.

    Attributes
    ----------
    cell : int
    model, estimator : str
    seed : int
    trials, target : int
        Done, and asked for.
    state : {"new", "open", "done", "failed"}
    message : str
        Why it failed.
    """

    cell: int
    model: str
    estimator: str
    seed: int
    trials: int
    target: int
    state: str
    message: str


@dataclass(frozen=True)
class Status:
    """How a study stands: its cells, and the processes that work on it (or died without a word)."""

    cells: tuple[CellStatus, ...]
    runs: tuple[Run, ...]

    @property
    def complete(self) -> bool:
        return all(cell.state == "done" for cell in self.cells)

    def __str__(self) -> str:
        lines = [f"{'cell':>4}  {'model':<24} {'estimator':<44} {'seed':>6}  {'trials':>17}  state"]
        for cell in self.cells:
            done = f"{short(cell.trials)} of {short(cell.target)}"
            state = cell.state + (f": {cell.message}" if cell.message else "")
            lines.append(f"{cell.cell:>4}  {cell.model:<24} {cell.estimator:<44} {cell.seed:>6}  {done:>17}  {state}")
        lines += [f"running: process {run.pid} on {run.machine.split()[0]}" for run in self.runs if run.machine]
        return "\n".join(lines)


class Study:
    """Large runs in one file, which is the study: stored, resumable, on any executor, and nothing counted twice.

    The file holds code where models are not built in: run only studies that you trust.

    Parameters
    ----------
    path : path-like
        The file; made by the first `add`.

    Raises
    ------
    StudyError
        If there is such a file and it is no study, is damaged or is of a newer format.

    Examples
    --------
    >>> import fastsumo as fs, tempfile, pathlib
    >>> study = fs.Study(pathlib.Path(tempfile.mkdtemp()) / "elbo.study")
    >>> study.add(fs.models.note(), [fs.ELBO(), fs.IWAE(5)], trials=100_000, seeds=range(2))
    [0, 1, 2, 3]
    >>> study.run(threads=1, progress=False)
    >>> study[3].trials, study[3].mean == fs.simulate(fs.models.note(), fs.IWAE(5), 100_000, seed=1).mean
    (100000, True)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        if self.path.exists():
            Store(self.path).close()

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Study:
        """The study that a TOML file declares; its cells are added where they are not in it yet.

        ``study`` is the file, beside the TOML file and of its name by default; each ``[[cells]]`` has ``models`` and
        ``estimators`` (as on the command line, lists or one), ``trials``, ``seeds`` (a list, or how many) and
        ``params`` (a list of vectors), of which the last two can be left out.

        Raises
        ------
        StudyError
            If something in it is not understood.
        """
        from fastsumo.study_toml import declared

        return declared(cls, Path(path))

    def add(
        self,
        model: Model | str | Sequence[Model | str],
        estimator: Estimator | str | Sequence[Estimator | str],
        trials: int,
        seeds: int | Iterable[int] = (0,),
        *,
        name: str | None = None,
        anew: bool = False,
    ) -> list[int]:
        """Ask for cells: every model with every estimator and seed.

        A cell that the study has already is kept, and its trials are raised to ``trials`` if they were fewer: a
        script that adds and runs can be started again and again.

        Parameters
        ----------
        model : Model, str, or a sequence of them
            A word is understood as on the command line: ``"gamma:1.5"``, ``"file.py:name"``, ``"module:name"``.
        estimator : Estimator, str, or a sequence of them
        trials : int
            Of each cell.
        seeds : int or iterable of int
        name : str, optional
            To tell apart models of the same name.
        anew : bool
            Drop what is stored of a model whose source changed, and begin again.

        Returns
        -------
        list of int
            Numbers of the cells.

        Raises
        ------
        StudyError
            If the model differs from the one that a stored cell of this name was run with.
        ValueError, TypeError
            If an argument is not as above.
        """
        from fastsumo import specs

        wanted: list[tuple[StoredModel, tuple[float, ...], str, int]] = []
        numbers = [seeds] if isinstance(seeds, int) else list(seeds)
        for one, what in itertools.product(_listed(model), _listed(estimator)):
            origin = one if isinstance(one, str) else None
            made = specs.model(one) if isinstance(one, str) else one
            kind = specs.estimator(what) if isinstance(what, str) else what
            for seed in numbers:
                count, _ = _checked(made, kind, trials, seed, 0)
            kept = recipe(made)._replace(name=name or made.name, params=())
            stored = StoredModel(-1, kept, made.log_evidence, _lasting(origin), description(made))
            wanted += [(stored, tuple(made.params.tolist()), estimator_to_json(kind), int(seed)) for seed in numbers]
        if not wanted:
            raise ValueError("nothing to add: at least one model, one estimator and one seed are needed")
        with Store(self.path, write=True, create=True) as store, store.transaction():
            return [self._add(store, *item, trials=count, anew=anew) for item in wanted]

    def _add(
        self,
        store: Store,
        model: StoredModel,
        params: tuple[float, ...],
        estimator: str,
        seed: int,
        trials: int,
        anew: bool,
    ) -> int:
        models, cells = store.models(), store.cells()
        key = (model.recipe.name, params, estimator, seed)
        for cell in cells.values():
            known = models[cell.model]
            if (known.recipe.name, cell.params, cell.estimator, cell.seed) != key:
                continue
            if not _same(known, model):
                if not anew:
                    raise StudyError(_changed(known, model, f"cell {cell.id}"))
                store.drop_cell(cell.id)
                store.add_cell(Cell(cell.id, _stored_as(store, models, model), params, estimator, seed, trials))
                return cell.id
            if known.recipe != model.recipe or known.origin != model.origin:
                model.id = known.id
                store.put_model(model)
            if trials > cell.trials:
                _raise_target(store, cell, trials)
            return cell.id
        number = max(cells, default=-1) + 1
        return store.add_cell(Cell(number, _stored_as(store, models, model), params, estimator, seed, trials))

    def run(
        self,
        executor: Any = None,
        threads: int | None = None,
        progress: bool | Meter | None = None,
        *,
        workers: int | None = None,
        chunk_seconds: float = 5.0,
    ) -> None:
        """Run all trials that are not stored yet. Other processes may do the same: they share the work.

        Parameters
        ----------
        executor : concurrent.futures.Executor, callable or None
            By default threads of this process. ``ProcessPoolExecutor`` (start method "spawn"), loky, Dask's
            ``client.get_executor(pure=False)``, ``MPIPoolExecutor``; or a function that makes one, which is called
            again where one breaks because a worker died.
        threads : int, optional
            Without an executor, how many chunks run at a time, by default the cores that this process may use. With
            one, threads of each chunk, by default 1.
        progress : bool, optional
            A table; by default where somebody is looking (a terminal, a notebook), elsewhere a line a minute.
        workers : int, optional
            Chunks that the executor runs at a time, where it does not say so.
        chunk_seconds : float
            What a chunk of a cell that has none yet should take.

        Raises
        ------
        StudyError
            If cells failed (all others are done), the file cannot be written, or the executor broke; what was stored
            stays.
        KeyboardInterrupt
            After Ctrl-C, with all finished chunks stored.
        """
        from fastsumo.coordinate import Coordinator
        from fastsumo.executors import Pool

        seconds = _check.real("chunk_seconds", chunk_seconds, 0.0)
        with Store(self.path, write=True) as store:
            recipes = self._prepared(store)
            pool = Pool(executor, threads, workers)
            if executor is None:
                unfinished = [cell for cell in store.cells().values() if cell.state != "done"]
                _compile_here([recipes[cell.model]._replace(params=cell.params) for cell in unfinished])
            try:
                with make_meter(progress, pool.workers) as meter:
                    Coordinator(store, pool, recipes, meter, seconds).run()
            finally:
                pool.close()
            failed = [cell for cell in store.cells().values() if cell.state == "failed"]
        if failed:
            first = f"cell {failed[0].id}: {failed[0].message}"
            raise StudyError(f"{len(failed)} of {len(self)} cells failed, the others are done; {first}")

    def _prepared(self, store: Store) -> dict[int, Recipe]:
        """Recipes of the models, if they are still what they were; failed cells are opened again."""
        with store.transaction():
            models, cells = store.models(), store.cells()
            unfinished = {cell.model for cell in cells.values() if cell.state != "done"}
            for number in unfinished:
                self._look_again(store, models[number], next(c.id for c in cells.values() if c.model == number))
            for cell in cells.values():
                if cell.state == "failed":
                    cell.state, cell.message = "open" if cell.chunk else "new", ""
                    store.update_cell(cell)
            return {number: model.recipe for number, model in store.models().items()}

    def _look_again(self, store: Store, model: StoredModel, cell: int) -> None:
        """Compare a model with the file or module that it came from, where that is still there."""
        from fastsumo import specs

        now = None
        if model.origin is not None:
            try:
                now = specs.model(model.origin)
            except ValueError:
                if model.origin.rpartition(":")[0].endswith(".py") and Path(model.origin.rpartition(":")[0]).is_file():
                    raise
        if now is not None:
            kept = recipe(now)._replace(name=model.recipe.name, params=())
            fresh = StoredModel(model.id, kept, now.log_evidence, model.origin, description(now))
            if not _same(model, fresh):
                raise StudyError(_changed(model, fresh, f"cell {cell}"))
            store.put_model(fresh)
        elif model.recipe.spec is None and model.recipe.python != PYTHON:
            raise StudyError(
                f"model {model.recipe.name!r} was stored by Python {model.recipe.python} "
                f"and cannot be run by {PYTHON}: "
                "add the same model again with study.add"
            )

    def extend(self, trials: int, cells: Iterable[int] | None = None) -> None:
        """Ask for more trials; `run` runs them.

        Parameters
        ----------
        trials : int
            Of each cell, those that are done included.
        cells : iterable of int, optional
            By default all.

        Raises
        ------
        StudyError
            If there is no such cell, or it has more trials already.
        """
        with Store(self.path, write=True) as store, store.transaction():
            known = store.cells()
            for number in known if cells is None else cells:
                if number not in known:
                    raise StudyError(_no_cell(self.path, number, len(known)))
                cell = known[number]
                count = _check.whole("trials", trials, 1, 2**63 - 1)
                if count < cell.trials:
                    raise StudyError(
                        f"cell {number} has {cell.trials:,} trials, which is more than {count:,}: nothing to extend"
                    )
                if count > cell.trials:
                    _raise_target(store, cell, count)

    def status(self) -> Status:
        """How far every cell is."""
        with Store(self.path) as store:
            models, cells, runs = store.models(), store.cells(), store.runs()
        shown = [
            CellStatus(
                cell.id,
                _shown_model(models[cell.model].recipe.name, cell),
                repr(estimator_from_json(cell.estimator)),
                cell.seed,
                cell.trials_done,
                cell.trials,
                cell.state,
                cell.message,
            )
            for cell in cells.values()
        ]
        return Status(tuple(shown), tuple(runs))

    def __len__(self) -> int:
        with Store(self.path) as store:
            return len(store.cells())

    def __getitem__(self, cell: int) -> Result:
        """The result of a cell as far as it is stored; ``interrupted`` where it is not all."""
        with Store(self.path) as store:
            cells = store.cells()
            if cell not in cells:
                raise KeyError(_no_cell(self.path, cell, len(cells)))
            return _result(store, cells[cell])

    def rows(self) -> list[dict[str, Any]]:
        """One row a cell: what it is, its statistics, its state; statistics are NaN where there are none yet."""
        with Store(self.path) as store:
            models = store.models()
            return [_row(store, models[cell.model], cell) for cell in store.cells().values()]

    def results(self) -> pd.DataFrame:
        """`rows` as a table.

        Raises
        ------
        ImportError
            If pandas is not installed: ``pip install 'fastsumo[study]'``.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError(
                "results() needs pandas: pip install 'fastsumo[study]'; rows() gives plain dicts"
            ) from None
        return pd.DataFrame(self.rows())

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write `rows` to a ``.csv`` or ``.parquet`` file.

        Raises
        ------
        ValueError
            If the name ends otherwise, or Parquet's packages are not installed.
        """
        target = Path(path)
        rows = [row | {"params": json.dumps(row["params"])} for row in self.rows()]
        kind = _check.choice("kind of file", target.suffix, (".csv", ".parquet"))
        if kind == ".csv":
            import csv

            with open(target, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]) if rows else ["cell"])
                writer.writeheader()
                writer.writerows(rows)
            return
        try:
            import pandas as pd

            pd.DataFrame(rows).to_parquet(target, index=False)
        except ImportError as error:
            raise ValueError(f"Parquet needs pandas and pyarrow ({error}): pip install 'fastsumo[study]'") from None

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r})"


def _compile_here(recipes: Iterable[Recipe]) -> None:
    """Compile models in the main thread, before compiled code runs in others; what cannot be compiled fails later."""
    from fastsumo.estimators import ELBO
    from fastsumo.recipes import made
    from fastsumo.simulate import simulate

    for each in {each._replace(params=()): each for each in recipes}.values():
        with contextlib.suppress(ModelError):
            simulate(made(each, None), ELBO(), 1, threads=1, progress=False)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _lasting(origin: str | None) -> str | None:
    """A word for a model that holds from any folder."""
    if origin is None:
        return None
    file, colon, name = origin.rpartition(":")
    if file.endswith(".py"):
        return f"{Path(file).absolute()}{colon}{name}"
    return str(Path(origin).absolute()) if origin.endswith(".py") else origin


def _same(stored: StoredModel, now: StoredModel) -> bool:
    """Whether trials of both can be put together. Under another Python the code's text decides, as its hash differs."""
    if stored.log_evidence != now.log_evidence:
        return False
    if stored.recipe.source == now.recipe.source:
        return True
    return stored.recipe.python != now.recipe.python and stored.description == now.description


def _changed(stored: StoredModel, now: StoredModel, where: str) -> str:
    what = difference(stored.description, now.description)
    return (
        f"model {stored.recipe.name!r} is not the one that {where} was run with: {what}; to start it anew, "
        "study.add(..., anew=True) drops the old trials, study.add(..., name=...) keeps both"
    )


def _stored_as(store: Store, models: dict[int, StoredModel], model: StoredModel) -> int:
    """The number of a model's row, made where there is none."""
    for number, known in models.items():
        if known.recipe.name == model.recipe.name and _same(known, model):
            return number
    return store.put_model(model)


def _raise_target(store: Store, cell: Cell, trials: int) -> None:
    cell.trials, cell.state = trials, "open" if cell.chunk else "new"
    store.update_cell(cell)


def _no_cell(path: Path, cell: object, count: int) -> str:
    return f"{path.name} has no cell {cell!r}; it has {count}, numbered from 0"


def _shown_model(name: str, cell: Cell) -> str:
    return name if not cell.params or "(" in name else f"{name} {list(cell.params)}"


def _result(store: Store, cell: Cell) -> Result:
    from fastsumo.packing import DamagedError, Fold

    if cell.trials_done == 0:
        raise StudyError(
            f"cell {cell.id} has no trials yet" + (f": {cell.message}" if cell.message else ": run the study")
        )
    try:
        fold = Fold(cell.center, cell.seed)
        for packed in store.statistics(cell.id):
            if packed is not None:
                fold.add(packed)
    except DamagedError as error:
        raise StudyError(f"cell {cell.id} of {store.path}: {error}") from None
    statistics = fold.statistics()
    if statistics.finite + statistics.zero_weight != cell.trials_done:
        raise StudyError(f"cell {cell.id} of {store.path} is damaged: its statistics are not those of its trials")
    spans = [*cell.done, cell.tail] if cell.tail else cell.done
    return Result(
        provenance=Provenance(**cell.provenance | {"params": tuple(cell.provenance["params"])}),
        statistics=statistics,
        ranges={cell.seed: joined(spans)},
        center=cell.center,
        elapsed=cell.elapsed,
        threads=1,
        interrupted=not cell.complete,
    )


_NUMBERS = (
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
)


def _row(store: Store, model: StoredModel, cell: Cell) -> dict[str, Any]:
    estimator = estimator_from_json(cell.estimator)
    row: dict[str, Any] = {
        "cell": cell.id,
        "model": model.recipe.name,
        "params": list(cell.params),
        "estimator": repr(estimator),
        "seed": cell.seed,
        "trials": cell.trials_done,
        "target": cell.trials,
        "log_evidence": math.nan if model.log_evidence is None else model.log_evidence,
    }
    result = _result(store, cell) if cell.trials_done else None
    row |= {name: math.nan if result is None else getattr(result, name) for name in _NUMBERS}
    row["tail_index"] = _tail_index(result)
    versions = sorted({maker[0] for maker in cell.makers})
    return row | {
        "elapsed": cell.elapsed,
        "state": cell.state,
        "message": cell.message,
        "source": model.recipe.source,
        "version": ", ".join(versions),
        "cpu": ", ".join(sorted({maker[2] for maker in cell.makers})),
    }


def _tail_index(result: Result | None) -> float:
    """Hill's estimate, NaN where the trials do not give one."""
    if result is None or result.statistics.extremes.size < 100:
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(result.tail_index().estimate)
        except ValueError:
            return math.nan
