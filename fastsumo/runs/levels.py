"""`levels`: moments of the increments of IWAE, by k and by dyadic level, as MLMC studies report them.

What they are expected to be is in `theory`; laws of `K` made from them in `roulette.optimal`.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo import plot
from fastsumo.base import checks, html
from fastsumo.base.floats import own_errstate
from fastsumo.base.text import NARROWEST, WIDTH, Column, Rows, counted, table
from fastsumo.base.words import spelled
from fastsumo.engine.devices import check_device, open_engine
from fastsumo.estimators.estimators import ELBO
from fastsumo.models.model import Model
from fastsumo.plot._style import without_axes
from fastsumo.report.frames import dataframe
from fastsumo.runs.arguments import check_run, thread_count, what_to_run

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Floats = NDArray[np.float64]

_EVERY = 100  # increments up to this k are all kept ...
_PER_OCTAVE = 8  # ... and this many per octave beyond
_ROUNDING = 2.0**-46  # of a mean of logs of means, relative
_FLOOR = 0.02  # relative departure from a power law that a fitted rate allows for, in log2
_NUMBERS = [(name, np.float64) for name in ("mean", "mean_error", "variance", "variance_error", "kurtosis")]
INCREMENT = np.dtype([("k", np.int64), *_NUMBERS])
LEVEL = np.dtype(
    [("level", np.int64), ("samples", np.int64), *_NUMBERS]
    + [(name, np.float64) for name in ("fine_mean", "fine_variance", "consistency")]
)


@dataclass(frozen=True)
class Rate:
    """A fitted exponent of 2 per level, and its standard error."""

    value: float
    error: float

    def __repr__(self) -> str:
        return f"{self.value:.3f} ± {self.error:.3f}"


@dataclass(frozen=True, eq=False, repr=False)
class Levels:
    """Moments of increments, as `levels` measures them.

    Attributes
    ----------
    model : str
    max_terms, samples, seed : int
        ``samples`` independent sequences of ``max_terms + 1`` weights.
    cost : int
        Importance samples used.
    increments : structured array
        ``Delta_k = L_{k+1} - L_k`` at every ``k`` up to 100 and at log-spaced ones beyond: k, mean,
        mean_error, variance, variance_error, kurtosis (3 for a normal law).
    dyadic : structured array
        Level 0 is ``L_1``; level ``l`` the antithetic difference ``D_l = L(2^l) - [L(first half) + L(second
        half)] / 2``: level, samples, the same numbers; ``fine_mean`` and ``fine_variance`` of ``L(2^l)``;
        ``consistency``, by how many standard errors the means of ``L`` of the two halves differ, which
        telescoping takes to be equal.
    alpha, beta, gamma : Rate
        ``|E D_l|`` falls like ``2^(-alpha l)``, its variance like ``2^(-beta l)``, its cost grows like
        ``2^(gamma l)``.
    left_out : int
        Values that were not finite, since a prefix or a half had no weight at all. The moments are without
        them.
    """

    model: str
    max_terms: int
    samples: int
    seed: int
    cost: int
    increments: NDArray[Any]
    dyadic: NDArray[Any]
    alpha: Rate
    beta: Rate
    gamma: Rate
    left_out: int

    @property
    def consistent(self) -> bool:
        """Whether telescoping holds at every level, to four standard errors."""
        return bool(np.all(np.abs(self.dyadic["consistency"][1:]) < 4.0))

    def second_moment(self, k: Floats) -> Floats:
        """``E[Delta_k^2]``: powers between the ``k`` that were measured, ``1 / (k (k + 1))`` beyond."""
        known = self.increments["k"].astype(np.float64)
        scaled = known * (known + 1.0) * (self.increments["mean"] ** 2 + self.increments["variance"])
        at = np.asarray(k, dtype=np.float64)
        with np.errstate(divide="ignore"):
            level = np.interp(np.log(at), np.log(known), np.log(scaled))
        return np.asarray(np.exp(level) / (at * (at + 1.0)))

    def mean_increment(self, k: Floats) -> Floats:
        """``E[Delta_k]``: powers between the ``k`` that were measured, ``1 / (k (k + 1))`` beyond."""
        known = self.increments["k"].astype(np.float64)
        scaled = known * (known + 1.0) * self.increments["mean"]
        at = np.asarray(k, dtype=np.float64)
        return np.asarray(np.interp(np.log(at), np.log(known), scaled) / (at * (at + 1.0)))

    def plot(self, figure: Figure | SubFigure | None = None, *, ax: Axes | None = None) -> Figure | SubFigure:
        """Four panels by level: log2 of the variance, log2 of the mean, consistency, kurtosis.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, optional
            To draw on; by default a new one, which a notebook shows. Save it with ``savefig``.
        ax : None
            Four panels need a figure.

        Returns
        -------
        matplotlib Figure or SubFigure

        Raises
        ------
        TypeError
            If axes are given.
        """
        without_axes(ax, "plot the columns of .dyadic on your axes")
        return plot.levels(self, figure)

    def __repr__(self) -> str:
        return f"Levels({self.model!r}, max_terms={self.max_terms}, samples={self.samples})"

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON but for NaN and infinities; rates as value and error."""
        numbers = dict(vars(self))
        for name in ("increments", "dyadic"):
            rows = numbers[name]
            numbers[name] = [dict(zip(rows.dtype.names, row, strict=True)) for row in rows.tolist()]
        rates = {name: {"value": rate.value, "error": rate.error} for name, rate in self._rates()}
        return numbers | rates | {"consistent": self.consistent}

    def to_dataframe(self, table: str = "dyadic") -> pandas.DataFrame:
        """A table as a pandas DataFrame.

        Parameters
        ----------
        table : {"dyadic", "increments"}

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return dataframe(getattr(self, checks.choice("table", table, ("dyadic", "increments"))))

    def text(self, width: int = WIDTH) -> str:
        """The table that ``print`` shows, in at most ``width`` columns: the narrower, the fewer numbers."""
        width = max(width, NARROWEST)
        title, *notes = [textwrap.fill(line, width, break_on_hyphens=False) for line in (self._title(), *self._notes())]
        return "\n".join([title, table(self._columns(), width), *notes])

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        notes = Rows([("", note) for note in self._notes()])
        return html.blocks([Rows([("", self._title())]), self._columns(), notes])

    def _rates(self) -> list[tuple[str, Rate]]:
        return [("alpha", self.alpha), ("beta", self.beta), ("gamma", self.gamma)]

    def _title(self) -> str:
        return f"dyadic levels of {self.model}, {self.samples:,} sequences"

    def _columns(self) -> list[Column]:
        rows = self.dyadic
        return [
            Column("level", [f"{row['level']}" for row in rows]),
            Column("samples", [f"{row['samples']:,}" for row in rows], rank=1),
            Column("mean", [f"{row['mean']:.5g}" for row in rows]),
            Column("error", [f"{row['mean_error']:.2g}" for row in rows], rank=2),
            Column("variance", [f"{row['variance']:.4g}" for row in rows]),
            Column("kurtosis", [f"{row['kurtosis']:.4g}" for row in rows], rank=3),
            Column("halves", [f"{row['consistency']:.2f}" if row["level"] else "" for row in rows], rank=4),
        ]

    def _notes(self) -> list[str]:
        notes = [", ".join(f"{name} {rate}" for name, rate in self._rates())]
        if not self.consistent:
            notes.append("the halves of a level differ: do not trust these numbers")
        if self.left_out:
            notes.append(f"{counted(self.left_out, 'value')} without any weight left out")
        return notes


@own_errstate
@spelled
def levels(
    model: Model | str, max_terms: int, samples: int, seed: int = 0, threads: int | None = None, *, device: str = "cpu"
) -> Levels:
    """Means and variances of the increments of IWAE and of the dyadic antithetic differences.

    Parameters
    ----------
    model : Model
    max_terms : int
        Increments are measured up to this ``k``, levels up to the last with ``2^l <= max_terms + 1``.
    samples : int
        Independent sequences of weights; the run takes ``samples * (max_terms + 1)`` importance samples.
    seed : int
        From 0 to ``2**64 - 1``; the sequences are those of the trials of `simulate` with this seed.
    threads : int, optional
        By default the cores that this process may use; nothing depends on their number.
    device : str
        Where weights are drawn, as in `simulate`; what is made of them is worked out on the CPU.

    Returns
    -------
    Levels

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled, raises, or returns NaN or +inf.
    ValueError, TypeError
        If an argument is not as above.

    Notes
    -----
    The report and the four panels follow Giles, Multilevel Monte Carlo methods (Acta Numerica, 2015),
    section 3.

    Examples
    --------
    >>> import fastsumo as fs
    >>> found = fs.levels(fs.models.note(), max_terms=63, samples=2000)
    >>> found.dyadic["samples"].tolist()
    [1, 2, 4, 8, 16, 32, 64]
    >>> found.consistent
    True
    """
    last = checks.whole("max_terms", max_terms, 1, 2**30)
    count = checks.whole("samples", samples, 2, 2**40)
    model, _ = what_to_run(model, ELBO())
    check_run(count, seed)
    check_device(device)
    engine = open_engine(model, ELBO(), int(seed), threads=thread_count(threads, model), device=device)
    marks = _marks(last)
    sums = _Sums()
    for rows in engine.increments(marks, last + 1, count):
        sums.add(rows)
    return _report(model, last, count, seed, marks, sums)


def _marks(last: int) -> NDArray[np.int64]:
    """The ``k`` whose increments are kept."""
    near = np.arange(1, min(last, _EVERY) + 1)
    if last <= _EVERY:
        return near.astype(np.int64)
    steps = max(2, math.ceil(_PER_OCTAVE * math.log2(last / _EVERY)) + 1)
    return np.union1d(near, np.geomspace(_EVERY, last, steps).round()).astype(np.int64)


class _Sums:
    """Sums of powers of columns about the means of the first batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[Floats, ...]] = []
        self.center: Floats | None = None

    def add(self, rows: Floats) -> None:
        """Take in rows of values, one column for each quantity; NaN is left out."""
        finite = np.isfinite(rows)
        if self.center is None:
            counts = np.maximum(finite.sum(axis=0), 1)
            self.center = np.where(finite, rows, 0.0).sum(axis=0) / counts
        offset = np.where(finite, rows - self.center, 0.0)
        square = offset * offset
        with np.errstate(over="ignore", invalid="ignore"):
            powers = [finite, offset, square, square * offset, square * square]
            self.batches.append(tuple(np.sum(power, axis=0, dtype=np.float64) for power in powers))
        self.missing = getattr(self, "missing", 0) + int(finite.size - np.count_nonzero(finite))

    def table(self) -> NDArray[Any]:
        """Mean, its error, variance, its error and kurtosis of every column."""
        with np.errstate(all="ignore"):
            n, s1, s2, s3, s4 = (np.sum([batch[p] for batch in self.batches], axis=0) for p in range(5))
            table = np.zeros(n.size, np.dtype(_NUMBERS))
            mean = s1 / n
            m2 = s2 / n - mean**2
            m4 = s4 / n - 4.0 * mean * s3 / n + 6.0 * mean**2 * s2 / n - 3.0 * mean**4
            table["mean"] = self.center + mean
            table["variance"] = m2 * n / (n - 1.0)
            table["kurtosis"] = m4 / m2**2
            table["mean_error"] = np.sqrt(table["variance"] / n)
            table["variance_error"] = np.sqrt(np.maximum(m4 - m2**2, 0.0) / n)
        return table


def _report(model: Model, last: int, count: int, seed: int, marks: NDArray[np.int64], sums: _Sums) -> Levels:
    table = sums.table()
    increments = np.zeros(marks.size, INCREMENT)
    increments["k"] = marks
    _copy(table[: marks.size], increments)
    rest = table[marks.size :]
    dyadic = np.zeros((rest.size + 2) // 3, LEVEL)
    dyadic["level"] = np.arange(dyadic.size)
    dyadic["samples"] = 2 ** dyadic["level"]
    difference, fine, halves = rest[1::3], rest[2::3], rest[3::3]
    _copy(np.concatenate([rest[:1], difference]), dyadic)
    dyadic["fine_mean"] = np.concatenate([rest["mean"][:1], fine["mean"]])
    dyadic["fine_variance"] = np.concatenate([rest["variance"][:1], fine["variance"]])
    rounding = _ROUNDING * np.maximum(np.abs(fine["mean"]), 1.0)  # constant weights have no other error
    with np.errstate(all="ignore"):
        dyadic["consistency"][1:] = halves["mean"] / np.maximum(halves["mean_error"], rounding)
    return Levels(
        model.name,
        last,
        count,
        int(seed),
        count * (last + 1),
        increments,
        dyadic,
        _rate(dyadic, "mean", "mean_error"),
        _rate(dyadic, "variance", "variance_error"),
        Rate(1.0, 0.0),
        sums.missing,
    )


def _copy(table: NDArray[Any], out: NDArray[Any]) -> None:
    for name, _ in _NUMBERS:
        out[name] = table[name]


def _rate(dyadic: NDArray[Any], what: str, error: str) -> Rate:
    """Minus the slope of log2 by level, least squares from level 2 on; its error grows with a poor fit."""
    rows = dyadic[2:]
    value = np.abs(rows[what])
    usable = np.isfinite(value) & (value > 0) & (rows[error] < value)
    if np.count_nonzero(usable) < 2:
        return Rate(math.nan, math.nan)
    x, y = rows["level"][usable].astype(np.float64), np.log2(value[usable])
    weight = 1.0 / ((rows[error][usable] / value[usable] / math.log(2.0)) ** 2 + _FLOOR**2)
    middle = np.average(x, weights=weight)
    spread = np.sum(weight * (x - middle) ** 2)
    slope = np.sum(weight * (x - middle) * y) / spread
    residual = y - np.average(y, weights=weight) - slope * (x - middle)
    misfit = np.sum(weight * residual**2) / max(x.size - 2, 1)
    return Rate(float(-slope), math.sqrt(max(misfit, 1.0) / spread))
