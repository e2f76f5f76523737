"""`Study`: a grid of models, estimators and seeds in one file, run in chunks, stopped and resumed at will.

The face of it: cells are in `grid.py`, running in `coordinator.py`, the file in `store.py`, tables in `table.py`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastsumo.base import checks, html
from fastsumo.base.floats import own_errstate
from fastsumo.base.text import Rows, counted
from fastsumo.base.words import spelled
from fastsumo.errors import CellsFailedError, ModelError, StudyError
from fastsumo.estimators.estimators import ELBO, Estimator
from fastsumo.estimators.labels import label
from fastsumo.models.model import Model
from fastsumo.models.serialization import Recipe, made
from fastsumo.report import result_page, study_page
from fastsumo.runs import rerun
from fastsumo.runs.result import Result
from fastsumo.runs.simulate import simulate
from fastsumo.study import grid, stored_models, table
from fastsumo.study.coordinator import Coordinator
from fastsumo.study.executors import Pool
from fastsumo.study.heartbeats import is_gone
from fastsumo.study.progress import Meter, make_meter
from fastsumo.study.store import Store
from fastsumo.study.table import CellStatus, Status
from fastsumo.study.toml import declared

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CellStatus", "Status", "Study", "StudyError"]


class Study:
    """Large runs in one file, which is the study: stored, resumable, on any executor, and nothing counted twice.

    The file holds code where models are not built in: run only studies that you trust.

    Parameters
    ----------
    path : path-like
        The file; made by the first `add`.

    Attributes
    ----------
    asked : dict of int to int
        By cell, the trials that `add` or the TOML file asked for here. The study may have more, and other cells.

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
        self.asked: dict[int, int] = {}
        self._models: dict[str, Model] = {}  # that were added here, by their source
        if self.path.exists():
            Store(self.path).close()

    @classmethod
    @own_errstate
    def from_toml(cls, path: str | os.PathLike[str], *, anew: bool = False) -> Study:
        """The study that a TOML file declares; its cells are added where they are not in it yet.

        ``study`` is the file, beside the TOML file and of its name by default; each ``[[cells]]`` has ``models``,
        ``estimators`` and ``roulettes``, laws of `K` for SUMO (as on the command line, lists or one; one of the two
        will do), ``trials``, ``seeds`` (a list, or how many) and ``params`` (a list of vectors), of which the last two
        can be left out. ``anew`` is that of `add`.

        Raises
        ------
        StudyError
            If something in it is not understood.
        """
        file, cells = declared(Path(path))
        study = cls(file)
        study._ask(cells, anew)
        return study

    @own_errstate
    @spelled
    def add(
        self,
        model: Model | str | Sequence[Model | str],
        estimator: Estimator | str | Sequence[Estimator | str],
        trials: int,
        seeds: Iterable[int] = (0,),
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
        seeds : iterable of int
            Such as ``[7]`` or ``range(100)``. A number alone is an error, since it might be meant as the one seed or,
            as in a TOML file, as how many there are.
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
        return self._ask(grid.wanted(model, estimator, trials, seeds, name), anew)

    def _ask(self, cells: list[grid.Wanted], anew: bool) -> list[int]:
        """Enter cells, all of them or none; their numbers."""
        self._models |= {cell.model.recipe.source: cell.made for cell in cells}
        with Store(self.path, write=True, create=True) as store, store.transaction():
            numbers = grid.enter(store, cells, anew)
        for number, cell in zip(numbers, cells, strict=True):
            self.asked[number] = max(cell.trials, self.asked.get(number, 0))
        return numbers

    @own_errstate
    @spelled
    def run(
        self,
        executor: Any = None,
        threads: int | None = None,
        progress: bool | Meter | None = None,
        *,
        workers: int | None = None,
        chunk_seconds: float = 5.0,
        anew: bool = False,
        devices: Sequence[str] | None = None,
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
        anew : bool
            Drop the trials of unfinished cells whose model's file changed, and begin them again.
        devices : sequence of str, optional
            Such as ``["cuda:0", "cuda:1", "cpu"]``: a worker of this process for each, in place of an executor. What
            comes out does not depend on them. The CPU runs one chunk at a time there, on ``threads``.

        Raises
        ------
        StudyError
            If cells failed (all others are done), the file cannot be written, or the executor broke; what was stored
            stays.
        KeyboardInterrupt
            After Ctrl-C, with all finished chunks stored.
        """
        seconds = checks.real("chunk_seconds", chunk_seconds, 0.0)
        with Store(self.path, write=True) as store:
            pool = Pool(executor, threads, workers, devices)
            try:
                meter = make_meter(progress, pool.workers)
                recipes = _prepared(store, anew)  # which may drop trials: all that was given is in order
                if executor is None:
                    unfinished = [cell for cell in store.cells().values() if cell.state != "done"]
                    _compile_here([recipes[cell.model]._replace(params=cell.params) for cell in unfinished])
                with meter:
                    Coordinator(store, pool, recipes, meter, seconds).run()
            finally:
                pool.close()
            failed = [cell for cell in store.cells().values() if cell.state == "failed"]
        if failed:
            first = f"cell {failed[0].id}: {failed[0].message}"
            cells = counted(len(self), "cell")
            raise CellsFailedError(f"{len(failed)} of {cells} failed, the others are done; {first}")

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
        TypeError, ValueError
            If an argument is not as above.
        """
        most = checks.whole("trials", trials, 1, 2**63 - 1)
        if cells is not None and not isinstance(cells, Iterable):
            raise TypeError(f"cells must be several, such as [7] or range(100), got {cells!r}")
        with Store(self.path, write=True) as store, store.transaction():
            known = store.cells()
            for number in known if cells is None else cells:
                if number not in known:
                    raise StudyError(_no_cell(self.path, number, len(known)))
                cell = known[number]
                if most < cell.trials:
                    raise StudyError(
                        f"cell {number} has {counted(cell.trials, 'trial')}, more than {most:,}: nothing to extend"
                    )
                if most > cell.trials:
                    grid.raise_target(store, cell, most)

    @own_errstate
    def status(self) -> Status:
        """How far every cell is."""
        with Store(self.path) as store, store.snapshot():
            models, cells = store.models(), store.cells()
            runs = [run for run in store.runs() if not is_gone(run, str(store.path))]
        return Status(tuple(table.cell_status(models[cell.model], cell) for cell in cells.values()), tuple(runs))

    def __len__(self) -> int:
        with Store(self.path) as store:
            return len(store.cells())

    @own_errstate
    def __getitem__(self, cell: int) -> Result:
        """The result of a cell as far as it is stored; ``interrupted`` where it is not all."""
        number = checks.whole("cell", cell, 0, 2**63 - 1)
        with Store(self.path) as store, store.snapshot():
            found = store.cell(number)
            if found is None:
                raise KeyError(_no_cell(self.path, cell, len(store.cells())))
            return table.result_of(store, found, self._models)

    def __iter__(self) -> Iterator[Result]:
        """The results of all cells, in order."""
        return (self[cell] for cell in range(len(self)))

    @own_errstate
    def rows(self) -> list[dict[str, Any]]:
        """One row a cell: what it is, its statistics, its state; statistics are NaN where there are none yet."""
        return [row | {"estimator": label(row["estimator"], "exact")} for row in self._rows()]

    def _rows(self) -> list[dict[str, Any]]:
        """`rows` with the estimators as values."""
        with Store(self.path) as store, store.snapshot():
            models = store.models()
            return [table.row_of(store, models[cell.model], cell) for cell in store.cells().values()]

    def results(self) -> pd.DataFrame:
        """`rows` as a table.

        Raises
        ------
        ImportError
            If pandas is not installed: ``pip install 'fastsumo[parquet]'``.
        """
        return table.frame(self.rows())

    @own_errstate
    def report(self, path: str | os.PathLike[str]) -> None:
        """Write a page of HTML about the study, one file that needs no network: the cells side by side and one by one.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        page = study_page.study_page(self.path, *self._shown(), rerun.commands)
        result_page.write_page(path, page)

    @own_errstate
    def export(self, path: str | os.PathLike[str]) -> None:
        """Write `rows` to a ``.csv`` or ``.parquet`` file.

        Raises
        ------
        ValueError
            If the name ends otherwise, or Parquet's packages are not installed.
        OSError
            If the file cannot be written.
        """
        table.export(self.rows(), Path(path))

    @own_errstate
    def _repr_html_(self) -> str:
        rows, results = self._shown() if self.path.exists() else ([], {})
        return html.blocks([study_page.comparison_columns(rows, results)] if rows else [Rows([("study", "no cells")])])

    def _shown(self) -> tuple[list[dict[str, Any]], dict[int, Result]]:
        """Rows with the estimators as values, and the results of the cells that have trials."""
        rows = self._rows()
        return rows, {row["cell"]: self[row["cell"]] for row in rows if row["trials"]}

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r})"


def _compile_here(recipes: Iterable[Recipe]) -> None:
    """Compile models in the main thread, before compiled code runs in others; what cannot be compiled fails later."""
    for each in {each._replace(params=()): each for each in recipes}.values():
        with contextlib.suppress(ModelError):
            simulate(made(each), ELBO(), 1, threads=1, progress=False)


def _prepared(store: Store, anew: bool) -> dict[int, Recipe]:
    """Recipes of the models, looked at again for cells that are not done; failed cells are opened again."""
    with store.transaction():
        models, cells = store.models(), store.cells()
        unfinished = [cell for cell in cells.values() if cell.state != "done"]
        for number in {cell.model for cell in unfinished}:
            kept, mine = models[number], [cell for cell in unfinished if cell.model == number]
            now = stored_models.as_it_is_now(kept)
            if stored_models.same(kept, now):
                now.id = number
                store.put_model(now)
            elif anew:
                row = store.put_model(now)
                for cell in mine:
                    grid.restart(store, cell, row)
            else:
                raise stored_models.changed(kept, now, mine[0].id)
        for cell in store.cells().values():
            if cell.state == "failed":
                grid.raise_target(store, cell, cell.trials)
        return {number: model.recipe for number, model in store.models().items()}


def _no_cell(path: Path, cell: object, count: int) -> str:
    return f"{path.name} has no cell {cell!r}; it has {count}, numbered from 0"
