"""`evaluate`: the log evidence of every row of a model's data, and `Evaluation`, what it gives.

Rows are spread over threads in blocks; the trials of a row run on one thread, in the engine.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks, html
from fastsumo.base.floats import own_errstate
from fastsumo.base.text import NARROWEST, WIDTH, Column, Rows, counted, labelled, percent, short, table, with_error
from fastsumo.base.words import spelled
from fastsumo.engine.devices import open_row_engine
from fastsumo.estimators.estimators import Estimator, Taylor
from fastsumo.estimators.labels import label
from fastsumo.estimators.parsing import as_estimator
from fastsumo.models.model import ROW_TRIALS, Model
from fastsumo.models.parsing import as_model
from fastsumo.report.frames import dataframe
from fastsumo.report.progress import Progress, make_progress
from fastsumo.report.summary import in_blocks
from fastsumo.runs.arguments import MAX_SEED, thread_count
from fastsumo.statistics.row_sums import RowSums

if TYPE_CHECKING:
    import pandas

Floats = NDArray[np.float64]

_SCAN = 4096  # rows looked at in one go
WORST = np.dtype(
    [("row", np.int64)]
    + [(name, np.float64) for name in ("mean", "std_error", "variance", "tail_index", "largest_share")]
    + [("cost", np.int64), ("zero_weight_trials", np.int64)]
)


_OF_A_ROW = ("mean", "std_error", "variance", "tail_index", "largest_share", "cost", "trials", "zero_weight_trials")


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The log evidence of every row, as `evaluate` finds it.

    Attributes
    ----------
    mean, std_error, variance : ndarray of float64, shape (rows,)
        Of the trials' values, row by row; ``-inf`` and NaN where some trial has the value ``-inf``. Of stratified
        trials the error is that of the means of blocks, as `Result.std_error`; NaN, unknown, where a row has one block.
    finite_mean : ndarray of float64
        Mean of the trials that are not ``-inf``.
    tail_index : ndarray of float64
        Hill's estimate from the ``sqrt(trials)`` largest ``|value - center|``; NaN below 400 trials and for values that
        are all equal. Where it is at most 2, read the error with care.
    largest_share : ndarray of float64
        Share of the largest ``|value - center|^2`` in their sum.
    center : ndarray of float64
        Where the deviations are taken: a pilot's estimate of the log evidence.
    cost, trials, zero_weight_trials : ndarray of int64
        Importance samples, trials done, and those with the value ``-inf``.
    total, total_error : float
        Sum of ``mean`` over the rows done, and its standard error.
    log_evidence : ndarray or None
        The truth, row by row, where the model knows it.
    model : str
    estimator : Estimator
    seed, threads : int
    elapsed : float
        Seconds of running; compilation not counted.
    interrupted : bool
        Whether Ctrl-C ended it early; rows not done have no trials and the mean NaN.

    Examples
    --------
    >>> import fastsumo as fs
    >>> @fs.model(dim=1, data=[[0.0], [1.0]])
    ... def shifted(z, row, params):
    ...     return z[0] - 0.5 + row[0]
    >>> found = fs.evaluate(shifted, fs.IWAE(20), trials=500)
    >>> found
    Evaluation('shifted', IWAE(k=20), rows=2, total=0.9226525397)
    >>> found.rows, found.trials.tolist(), bool(found.mean[1] > found.mean[0])
    (2, [500, 500], True)
    """

    model: str
    estimator: Estimator
    seed: int
    sums: RowSums
    log_evidence: Floats | None
    elapsed: float
    threads: int
    interrupted: bool = False

    @property
    def rows(self) -> int:
        """Rows of the data."""
        return self.sums.shape[0]

    @property
    def center(self) -> Floats:
        """Where the deviations of each row are taken."""
        return self.sums["center"]

    @property
    def trials(self) -> NDArray[np.int64]:
        """Trials done, row by row."""
        return (self.sums["finite"] + self.sums["zero_weight"]).astype(np.int64)

    @property
    def zero_weight_trials(self) -> NDArray[np.int64]:
        """Trials with the value ``-inf``, row by row."""
        return self.sums["zero_weight"].astype(np.int64)

    @property
    def cost(self) -> NDArray[np.int64]:
        """Importance samples used, row by row."""
        return self.sums["cost"].astype(np.int64)

    @property
    def tail_index(self) -> Floats:
        """Hill's estimate, row by row."""
        return self.sums["hill"]

    @cached_property
    def finite_mean(self) -> Floats:
        """Mean of the trials that are not ``-inf``, row by row."""
        with np.errstate(all="ignore"):
            return self.sums["center"] + self.sums["sum"] / self.sums["finite"]

    @cached_property
    def mean(self) -> Floats:
        """Mean of the trials' values, row by row."""
        return np.where(self.sums["zero_weight"] > 0, -np.inf, self.finite_mean)

    @cached_property
    def variance(self) -> Floats:
        """Variance of the trials' values, row by row."""
        finite, total, squares = self.sums["finite"], self.sums["sum"], self.sums["sum_squares"]
        with np.errstate(all="ignore"):
            variance = np.maximum(squares - total * total / finite, 0.0) / (finite - 1.0)
        return np.where((self.sums["zero_weight"] > 0) | (finite < 2), np.nan, variance)

    @cached_property
    def std_error(self) -> Floats:
        """Standard error of the mean, row by row."""
        with np.errstate(all="ignore"):
            independent = np.sqrt(self.variance / self.sums["finite"])
        return self.sums["error"] if self._stratified > 1 else independent

    @property
    def _stratified(self) -> int:
        return self.estimator.plan().stratified

    @cached_property
    def largest_share(self) -> Floats:
        """Share of the largest squared deviation, row by row."""
        with np.errstate(all="ignore"):
            return self.sums["largest"] ** 2 / self.sums["sum_squares"]

    @property
    def total(self) -> float:
        """Sum of the means of the rows done."""
        return float(np.sum(self.mean[self.trials > 0]))

    @property
    def total_error(self) -> float:
        """Standard error of the total."""
        return float(np.sqrt(np.sum(self.std_error[self.trials > 0] ** 2)))

    def worst(self, rows: int = 10) -> NDArray[Any]:
        """The rows to look at first: those with trials of no weight, then those with the largest errors.

        Parameters
        ----------
        rows : int

        Returns
        -------
        structured array
            row, mean, std_error, variance, tail_index, largest_share, cost, zero_weight_trials.

        Examples
        --------
        >>> import fastsumo as fs
        >>> @fs.model(dim=1, data=[[0.0], [1.0]])
        ... def shifted(z, row, params):
        ...     return z[0] - 0.5 + row[0]
        >>> fs.evaluate(shifted, fs.IWAE(20), trials=500).worst(1)["row"].size
        1
        """
        wanted = checks.whole("rows", rows, 0)
        error = np.where(np.isnan(self.std_error), np.inf, self.std_error)
        done = np.flatnonzero(self.trials > 0)
        order = done[np.lexsort((done, -error[done], -self.sums["zero_weight"][done]))][:wanted]
        out = np.zeros(order.size, WORST)
        out["row"] = order
        for name in WORST.names[1:]:  # type: ignore[index]
            out[name] = getattr(self, name)[order]
        return out

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON.

        Returns
        -------
        dict

        Examples
        --------
        >>> import fastsumo as fs
        >>> @fs.model(dim=1, data=[[0.0], [1.0]])
        ... def shifted(z, row, params):
        ...     return z[0] - 0.5 + row[0]
        >>> fs.evaluate(shifted, fs.IWAE(20), trials=500).to_dict()["rows"]["trials"]
        [500, 500]
        """
        plain = ("model", "estimator", "seed", "total", "total_error", "elapsed", "threads", "interrupted")
        truth = None if self.log_evidence is None else self.log_evidence.tolist()
        return {name: getattr(self, name) for name in plain} | {
            "estimator": label(self.estimator, "exact"),
            "log_evidence": truth,
            "rows": {name: getattr(self, name).tolist() for name in _OF_A_ROW},
        }

    def __repr__(self) -> str:
        return f"Evaluation({self.model!r}, {self.estimator!r}, rows={self.rows}, total={self.total:.10g})"

    def to_dataframe(self) -> pandas.DataFrame:
        """One row for each row of the data: its estimate, errors, tail index, cost; the truth where it is known.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        columns = {name: getattr(self, name) for name in _OF_A_ROW}
        if self.log_evidence is not None:
            columns["log_evidence"] = self.log_evidence
        return dataframe(columns)

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = WIDTH) -> str:
        """The table that ``print`` shows, in at most ``width`` columns."""
        width, worst = max(width, NARROWEST), _worst_columns(self.worst())
        shown = table(worst, width) if worst else "none"
        title = textwrap.fill(self._title(), width, subsequent_indent="  ")
        return "\n".join([title, "", labelled(self._rows(), width), "", "worst rows", shown])

    def _repr_html_(self) -> str:
        return html.blocks([Rows([("", self._title())]), self._rows(), _worst_columns(self.worst())])

    def _title(self) -> str:
        rows, trials = counted(self.rows, "row"), counted(int(self.trials.max()), "trial")
        return f"{self.model} · {label(self.estimator)} · {rows} of {trials}"

    def _rows(self) -> Rows:
        done = self.trials > 0
        rows = [
            ("total", with_error(self.total, self.total_error)),
            ("row error", f"median {_middle(self.std_error)}, largest {_extreme(self.std_error, np.nanargmax)}"),
            ("tail index", f"median {_middle(self.tail_index)}, lowest {_extreme(self.tail_index, np.nanargmin)}"),
            (
                "cost",
                f"{short(float(self.cost.sum()))} importance samples, {self.elapsed:.2f} s on "
                f"{counted(self.threads, 'thread')}",
            ),
        ]
        if self.log_evidence is not None:
            truth = float(np.sum(self.log_evidence[done]))
            known = self.total_error > 0.0
            away = f"{(self.total - truth) / self.total_error:+.2f}" if known else "an unknown number of"
            rows.insert(1, ("truth", f"{truth:.10g}; the total is {away} standard errors away"))
        if self._stratified > 1:
            rows.insert(1, ("stratified", in_blocks(self._stratified)))
        without = int(np.count_nonzero(self.zero_weight_trials))
        if without:
            rows.append(("zero weight", f"{counted(without, 'row')} with trials without any weight: the mean is -inf"))
        if self.interrupted:
            rows.append(("interrupted", f"{counted(int(done.sum()), 'row')} done"))
        return Rows(rows)


@own_errstate
@spelled
def evaluate(
    model: Model | str,
    estimator: Estimator | str,
    trials: int,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> Evaluation:
    """The log evidence of every row of a model's data.

    Parameters
    ----------
    model : Model
        With data, a table in memory or a `numpy.memmap`; rows are read and made float64 a few at a time.
    estimator : Estimator
    trials : int
        Of each row.
    seed : int
        From 0 to ``2**64 - 1``. Trial ``t`` of row ``i`` has the trial number ``(i << 32) + t``, so that it is a
        function of model, estimator, seed, ``i``, that row and ``t`` alone; ``fs.replay(..., trial=t, row=i)`` shows
        it.
    threads : int, optional
        By default the cores that this process may use; nothing depends on their number.
    progress : bool or Progress, optional
        As in `fs.simulate`.

    Returns
    -------
    Evaluation

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled, raises, or returns NaN or +inf; names the row and the trial. If `prepare`
        raises, or what it gives for a row is not of that row alone.
    ValueError, TypeError
        If an argument is not as above, a row of the data has a number that is not finite, ``log_evidence`` does not
        give one number a row, or a row's pilot has no weight that `Taylor` could take its centre from.

    Examples
    --------
    >>> import fastsumo as fs
    >>> table = fs.Model(lambda z, row, params: row[0] * z[0] - 0.5 * row[0] ** 2, 1, data=[[0.0], [0.5], [1.0]])
    >>> found = fs.evaluate(table, fs.SUMO(fs.roulette.Harmonic(cap=80)), trials=20_000)
    >>> bool(abs(found.total) < 5 * found.total_error < 0.5)
    True
    """
    model, estimator = as_model(model), as_estimator(estimator)
    each = _check(model, estimator, trials, seed)
    most = thread_count(threads, model)
    assert model.data is not None
    _scan(model)
    model.rows(0, 1)  # what is wrong with prepare is said here
    truth = _truth(model)
    with make_progress(progress, model.data.shape[0] * each, f"{model.name} · {label(estimator)}") as bar:
        bar.stage("compiling")
        engine = open_row_engine(model, estimator, int(seed), threads=most)
        sums, used, interrupted = engine.evaluate(each, bar)
    return Evaluation(model.name, estimator, int(seed), sums, truth, engine.elapsed, used, interrupted)


def _check(model: Model, estimator: Estimator, trials: Any, seed: Any) -> int:
    """The number of trials; errors before anything is compiled."""
    if model.data is None:
        raise ValueError(f"model {model.name!r} has no data: use fs.simulate (`fastsumo run`)")
    if model.data.shape[0] > 2**31:
        raise ValueError(f"evaluate takes at most 2^31 rows, got {model.data.shape[0]}")
    checks.whole("seed", seed, 0, MAX_SEED)
    if isinstance(estimator, Taylor) and estimator.log_center is not None:
        raise ValueError(
            f"log_center={estimator.log_center:g} is one number, and every row has a log evidence of its own: leave it "
            "None, and every row has a centre of its own too"
        )
    return checks.whole("trials", trials, 1, ROW_TRIALS - 1)


def _scan(model: Model) -> None:
    """Refuse a row with a number that is not finite, and name it."""
    data = model.data
    assert data is not None
    if data.dtype.kind != "f":
        return
    for first in range(0, data.shape[0], _SCAN):
        bad = ~np.isfinite(data[first : first + _SCAN])
        if bad.any():
            row, column = (int(at) for at in np.argwhere(bad)[0])
            value = data[first + row, column]
            raise ValueError(f"row {first + row} of the data of model {model.name!r} has {value} in column {column}")


def _truth(model: Model) -> Floats | None:
    assert model.data is not None
    rows = model.data.shape[0]
    parts = [model.row_log_evidence(at, min(at + _SCAN, rows)) for at in range(0, rows, _SCAN)]
    return None if parts[0] is None else np.concatenate([part for part in parts if part is not None])


def _middle(values: Floats) -> str:
    known = values[np.isfinite(values)]
    return f"{np.median(known):.3g}" if known.size else "unknown"


def _extreme(values: Floats, which: Any) -> str:
    if not np.isfinite(values).any():
        return "unknown"
    row = int(which(np.where(np.isfinite(values), values, np.nan)))
    return f"{values[row]:.3g} (row {row})"


def _worst_columns(worst: NDArray[Any]) -> list[Column]:
    if worst.size == 0:
        return []
    columns = [Column("row", [str(row) for row in worst["row"]])]
    log_evidence = [with_error(row["mean"], row["std_error"]) for row in worst]
    columns.append(Column("log evidence", log_evidence))
    for rank, (head, name) in enumerate([("variance", "variance"), ("tail index", "tail_index")]):
        columns.append(Column(head, [f"{value:.3g}" for value in worst[name]], rank + 1))
    columns.append(Column("largest", [percent(value) for value in worst["largest_share"]], 3))
    columns.append(Column("cost", [short(float(value)) for value in worst["cost"]], 4))
    columns.append(Column("zero weight", [str(value) for value in worst["zero_weight_trials"]], 2))
    return columns
