"""`Stratified`: what a run by strata of `K` found. It computes from the statistics of each stratum only."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo import plot
from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown
from fastsumo.estimators.estimators import Stratum, probability_of
from fastsumo.report import stratified as words
from fastsumo.report.frames import dataframe
from fastsumo.runs import files
from fastsumo.statistics.exact import to_float
from fastsumo.tails import Histogram
from fastsumo.tails._checks import normal_quantile
from fastsumo.tails._quantiles import QUANTILE, unbounded

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from fastsumo.estimators.estimators import Estimator
    from fastsumo.runs.provenance import Provenance
    from fastsumo.runs.replay import Trial
    from fastsumo.runs.result import Result

Floats = NDArray[np.float64]

KEPT = 100  # extremes of each stratum
_ROWS = 16  # of a table of the tail
TAIL = np.dtype([(name, "f8") for name in ("x", "probability", "std_error", "above", "below", "missing")])
_STRATA = [("low", "i8"), ("high", "i8"), ("probability", "f8"), ("trials", "i8"), ("cost", "i8")]
STRATA = np.dtype([*_STRATA, ("mean", "f8"), ("variance", "f8"), ("largest", "f8")])
GROWTH = np.dtype([("terms", "i8"), ("mean", "f8"), ("variance", "f8"), ("variance_error", "f8")])


@dataclass(frozen=True)
class LocalIndex(Shown):
    """Slope of a tail between two distances: ``P(|S - c| > x) ~ x**-estimate`` there.

    Attributes
    ----------
    estimate, std_error : float
    low, high : float
        The distances.
    """

    estimate: float
    std_error: float
    low: float
    high: float


@dataclass(frozen=True, eq=False, repr=False)
class Stratified:
    """A run by strata of `K`, as `fs.stratify` gives it. Estimates are for plain trials of the whole estimator.

    Attributes
    ----------
    estimator : Estimator
    results : tuple of Result
        One for each stratum that has trials, ascending in `K`.
    center : float
        Where deviations are counted from: the known log evidence or a pilot's estimate.
    strata : structured array
        low, high, probability, trials, cost, mean, variance, largest (of ``|value - center|``).
    growth : structured array
        What all strata up to ``terms`` add to mean and variance of a plain trial: terms, mean, variance,
        variance_error.
    mean, std_error : float
        Unbiased where nothing is ``missing``.
    variance, variance_error : float
        Of one plain trial, as far as the strata reach.
    median : float
        Of one plain trial; other quantiles are in `quantile` and `quantile_interval`.
    missing : float
        The probability of the `K` that no stratum with trials has.
    cost, pilot_cost : int
        Importance samples used; the pilot's among them.
    elapsed : float
    interrupted : bool

    Examples
    --------
    >>> import fastsumo as fs
    >>> s = fs.stratify(fs.models.note(), fs.SUMO(), cost=1e5)
    >>> bool(abs(s.mean - 1.8379) < 5 * s.std_error + s.missing)
    True
    """

    estimator: Estimator
    results: tuple[Result, ...]
    center: float
    pilot_cost: int
    interrupted: bool = False

    @classmethod
    def of(cls, results: Iterable[Result]) -> Stratified:
        """Of results of strata that were run one by one, such as the cells of a `Study`.

        Parameters
        ----------
        results : iterable of Result
            Of one model and of different `Stratum` of one estimator, in any order.

        Raises
        ------
        ValueError
            If they are not, or strata overlap.

        Examples
        --------
        >>> import fastsumo as fs
        >>> parts = [fs.Stratum(fs.SUMO(), low, high) for low, high in [(1, 1), (2, 3), (4, 100)]]
        >>> s = fs.Stratified.of(fs.simulate(fs.models.note(), part, 1000) for part in parts)
        >>> s.strata["high"], round(s.missing, 4)
        (array([  1,   3, 100]), 0.0099)
        """
        parts = list(results)
        if not parts or not all(_is_of_a_stratum(part) for part in parts):
            raise ValueError("Stratified.of takes results of strata: run fs.Stratum(estimator, low, high)")
        parts.sort(key=lambda part: _stratum(part).low)
        first = parts[0]
        for part in parts[1:]:
            for name in ("model", "params", "source"):
                if getattr(part.provenance, name) != getattr(first.provenance, name):
                    raise ValueError(f"the results differ in their {name}")
            if (part.center, _stratum(part).estimator) != (first.center, _stratum(first).estimator):
                raise ValueError("the results are of different estimators, or have different centres")
        for mine, theirs in itertools.pairwise(parts):
            if _stratum(mine).high >= _stratum(theirs).low:
                raise ValueError(f"strata overlap: {_stratum(mine)} and {_stratum(theirs)}")
        interrupted = any(part.interrupted for part in parts)
        return cls(_stratum(first).estimator, tuple(trimmed(part) for part in parts), first.center, 0, interrupted)

    @property
    def provenance(self) -> Provenance:
        """What was run, and by what."""
        return replace(self.results[0].provenance, estimator=self.estimator)

    @property
    def log_evidence(self) -> float | None:
        """The true ``log Z`` where the model knows it."""
        return self.provenance.log_evidence

    @property
    def cost(self) -> int:
        """Importance samples used, the pilot's among them."""
        return self.pilot_cost + sum(result.cost for result in self.results)

    @property
    def trials(self) -> int:
        """Trials done, without the pilot's."""
        return sum(result.trials for result in self.results)

    @property
    def elapsed(self) -> float:
        """Seconds of running, without the pilot's and without compilation."""
        return sum(result.elapsed for result in self.results)

    @property
    def zero_weight_trials(self) -> int:
        """Trials with the value ``-inf``."""
        return sum(result.zero_weight_trials for result in self.results)

    @cached_property
    def strata(self) -> NDArray[Any]:
        """One row for each stratum: low, high, probability, trials, cost, mean, variance, largest."""
        table = np.zeros(len(self.results), STRATA)
        for row, result in zip(table, self.results, strict=True):
            stratum = _stratum(result)
            row["low"], row["high"], row["probability"] = stratum.low, stratum.high, stratum.probability
            row["trials"], row["cost"], row["mean"] = result.trials, result.cost, result.mean
            row["variance"], row["largest"] = (
                result.variance,
                (math.inf if result.zero_weight_trials else _largest(result, self.center)),
            )
        return table

    @property
    def missing(self) -> float:
        """The probability of the `K` that no stratum with trials has."""
        law = self.estimator.plan().law
        ends = [(_stratum(result).low, _stratum(result).high) for result in self.results]
        starts = [1, *(high + 1 for _, high in ends)]
        stops = [*(low for low, _ in ends), law.cap + 1]
        return math.fsum(probability_of(law, start, stop - 1) for start, stop in zip(starts, stops, strict=True))

    @property
    def mean(self) -> float:
        """``sum p_j mean_j``; of what is missing, the centre. ``-inf`` where some trial is."""
        return -math.inf if self.zero_weight_trials else float(self.growth["mean"][-1])

    @property
    def std_error(self) -> float:
        """``sqrt(sum p_j^2 s_j^2 / n_j)``."""
        if self.zero_weight_trials:
            return math.nan
        table = self.strata
        return math.sqrt(float(np.sum(table["probability"] ** 2 * table["variance"] / table["trials"])))

    @property
    def variance(self) -> float:
        """Of one plain trial, up to the largest stratum; NaN where some trial is ``-inf``."""
        return math.nan if self.zero_weight_trials else float(self.growth["variance"][-1])

    @property
    def variance_error(self) -> float:
        """Standard error of ``variance``."""
        return math.nan if self.zero_weight_trials else float(self.growth["variance_error"][-1])

    @cached_property
    def growth(self) -> NDArray[Any]:
        """What the strata up to each add to mean and variance of a plain trial: terms, mean, variance, variance_error.

        The variance is about the mean of all strata, and unbiased; its error is that of ``sum p_j (S - mean)^2``.
        """
        p, n = self.strata["probability"], self.strata["trials"].astype(np.float64)
        n[n < 2.0] = np.nan  # one trial has no spread
        moments = np.array([_central(result) for result in self.results])
        offset, m2, m3, m4 = moments.T
        mean = float(p @ offset)
        away = offset - mean
        spread = m2 * n / (n - 1.0)
        with np.errstate(invalid="ignore", over="ignore"):
            second = spread + away**2 - (1.0 - p) * spread / n
            fourth = m4 + 4.0 * m3 * away + 6.0 * m2 * away**2 + away**4
            error = np.sqrt(np.cumsum(p**2 * np.maximum(fourth - (m2 + away**2) ** 2, 0.0) / n))
        table = np.zeros(p.size, GROWTH)
        table["terms"], table["mean"] = self.strata["high"], self.center + np.cumsum(p * offset)
        table["variance"], table["variance_error"] = np.cumsum(p * second), error
        return table

    @own_errstate
    def quantile(self, q: ArrayLike) -> float | NDArray[np.float64]:
        """Quantiles of a plain trial's value, from the histograms: ``value - center`` is right to 0.8 %.

        What is ``missing`` is left out. `quantile_interval` says how far the quantile may be from that of the law. For
        probabilities within 1e-12 of 1 and 0 take `tail`, which has no difference of nearly equal numbers.

        Parameters
        ----------
        q : float or array_like
            Probabilities in [0, 1].

        Returns
        -------
        float, or ndarray of the shape of ``q``
            ``-inf`` where trials have that value.

        Examples
        --------
        >>> import fastsumo as fs
        >>> s = fs.stratify(fs.models.note(), fs.SUMO(), cost=1e5)
        >>> bool(s.quantile(0.25) < s.median < s.quantile(0.75))
        True
        """
        found = self.quantile_interval(q)["value"]
        return float(found) if found.ndim == 0 else found

    @property
    def median(self) -> float:
        """The quantile of one half; see `quantile` for how exact it is."""
        return float(self.quantile(0.5))

    @own_errstate
    def quantile_interval(self, q: ArrayLike, level: float = 0.95) -> NDArray[np.void]:
        """Intervals for quantiles of a plain trial's value: where its distribution may reach ``q``.

        By the standard error of the distribution function, as of a stratified sample (Woodruff, Journal of the American
        Statistical Association 47, 1952), widened by what is ``missing`` and to the edges of bins. A stratum in reach
        of a value, none of whose trials is as far out, adds to the error what one trial would, as in `tail`.

        Parameters
        ----------
        q : float or array_like
            Probabilities in [0, 1].
        level : float
            In (0, 1).

        Returns
        -------
        structured array of the shape of ``q``
            q, value (as of `quantile`), low, high; infinite where the quantile may be out of reach.
        """
        wanted = checks.floats("q", q)
        if not np.all((wanted >= 0.0) & (wanted <= 1.0)):
            raise ValueError(f"q must lie between 0 and 1, got {q!r}")
        if not any(result.statistics.finite for result in self.results):
            return unbounded(wanted)
        bins, below, error, none = self._distribution
        reach = normal_quantile(checks.real("level", level, 0.0, 1.0))

        def place(target: Floats) -> NDArray[np.int64]:
            return np.minimum(np.searchsorted(below, target * (1.0 - 1e-15)), below.size - 1)

        near = place(wanted * (1.0 - self.missing))
        low, high = wanted - self.missing - reach * error[near], wanted + reach * error[near]
        table = np.zeros(wanted.shape, QUANTILE)
        table["q"] = wanted
        table["value"] = np.where(wanted * (1.0 - self.missing) < none, -np.inf, self.center + bins.middles[near])
        table["low"] = np.where(low <= none, -np.inf, self.center + bins.low[place(low)])
        table["high"] = np.where(high >= below[-1], np.inf, self.center + bins.high[place(high)])
        return table

    @cached_property
    def _distribution(self) -> tuple[Histogram, Floats, Floats, float]:
        """Bins of all strata; probability of a value in or below each, its error; and that of ``-inf``."""
        p, n = self.strata["probability"], self.strata["trials"][:, None]
        edges = np.concatenate([np.column_stack([r.histogram.low, r.histogram.high]) for r in self.results])
        edges = np.unique(edges, axis=0)
        share = np.zeros((p.size, len(edges)))
        for row, result in zip(share, self.results, strict=True):
            row[np.searchsorted(edges[:, 0], result.histogram.low)] = result.histogram.counts
        zero = np.array([[result.zero_weight_trials] for result in self.results])
        share = (zero + np.cumsum(share, axis=1)) / n
        further = np.where(edges[:, 0] >= 0.0, 1.0 - share, share)  # from the centre: it rises with K
        error = np.sqrt(p**2 @ (share * (1.0 - share) / n + _first_unseen(further, n) ** 2))
        bins = Histogram(self.center, edges[:, 0], edges[:, 1], np.ones(len(edges), np.int64))
        return bins, p @ share, error, float(p @ (zero / n)[:, 0])

    @own_errstate
    def tail(self, x: ArrayLike) -> NDArray[Any]:
        """``P(|S - center| > x)`` of a plain trial.

        Parameters
        ----------
        x : array_like of positive numbers
            Distances from the centre, in nats. Between edges of the histogram's bins, 64 to the octave, counts are
            interpolated in ``log x``.

        Returns
        -------
        structured array of the shape of ``x``
            x; probability and its std_error; above and below, its parts on either side; missing: the probability of
            `K` out of reach, so that the truth is in ``[probability, probability + missing]`` up to the error.

        Notes
        -----
        The error is the binomial one of each stratum, for the share ``(k + 1) / (n + 2)`` where ``k`` of ``n`` trials
        are beyond ``x``: that of ``k / n`` is too small for few of either kind (as in Agresti & Coull, The American
        Statistician 52, 1998). A stratum in reach of ``x``, none of whose trials is beyond it, adds what one trial
        would: in reach are those with larger `K` than the first that has such trials, and the one before. Of strata
        with still smaller `K` it is taken that nothing of them is that far. So it is on the other side, with a stratum
        all of whose trials are beyond ``x``.

        Examples
        --------
        >>> import fastsumo as fs
        >>> s = fs.stratify(fs.models.note(), fs.SUMO(), cost=1e6)
        >>> bool((s.tail([1.0, 2.0, 4.0])["probability"] < 1.0).all())
        True
        """
        distances = checks.floats("x", x)
        if not np.all((distances > 0.0) & np.isfinite(distances)):
            raise ValueError(f"x must be positive distances from the centre, got {x!r}")
        flat, p, n = distances.reshape(-1), self.strata["probability"], self.strata["trials"][:, None]
        above, below = np.stack([_beyond(result, flat) for result in self.results], axis=1)
        share, table = above + below, np.zeros(flat.size, TAIL)
        table["x"], table["above"], table["below"], table["missing"] = flat, p @ above, p @ below, self.missing
        table["probability"] = table["above"] + table["below"]
        likely = np.where((share > 0.0) & (share < 1.0), (share * n + 1.0) / (n + 2.0), 0.0)
        spread = likely * (1.0 - likely) / n + _unseen(share, n) ** 2
        table["std_error"] = np.sqrt(p**2 @ spread)
        return table.reshape(distances.shape)

    @own_errstate
    def tail_index(self, low: float, high: float) -> LocalIndex:
        """Local slope of the tail, ``-d log P / d log x`` from ``low`` to ``high``, with its error.

        Parameters
        ----------
        low, high : float
            Distances from the centre, ``0 < low < high``.

        Returns
        -------
        LocalIndex
            NaN where nothing was seen beyond ``high``.
        """
        near, far = checks.real("low", low, 0.0), checks.real("high", high, 0.0)
        if not near < far:
            raise ValueError(f"low must be below high, got {low!r} and {high!r}")
        first, last = self.tail([near, far])["probability"]
        if not last > 0.0:
            return LocalIndex(math.nan, math.nan, near, far)
        p, n = self.strata["probability"], self.strata["trials"]
        share = np.array([np.sum(_beyond(result, np.array([near, far])), axis=0) for result in self.results])
        f, g = share.T  # what is beyond high is beyond low
        spread = f * (1.0 - f) / first**2 - 2.0 * g * (1.0 - f) / (first * last) + g * (1.0 - g) / last**2
        unseen = _unseen(share, n[:, None]) / [first, last]
        variance = float(p**2 @ (spread / n + np.sum(unseen**2, axis=1)))
        width = math.log(far / near)
        return LocalIndex(math.log(first / last) / width, math.sqrt(max(variance, 0.0)) / width, near, far)

    @own_errstate
    def merge(self, other: Stratified) -> Stratified:
        """Both runs together: the same strata with other seeds.

        Parameters
        ----------
        other : Stratified

        Raises
        ------
        TypeError
            If the other is no run by strata.
        ValueError
            If the strata differ, or the runs do, or they share trials.
        """
        if not isinstance(other, Stratified):
            raise TypeError(f"a run by strata merges with another, as fs.stratify gives one, got {other!r}")
        if [_stratum(result) for result in self.results] != [_stratum(result) for result in other.results]:
            raise ValueError("cannot merge runs of different strata: give both the same largest_terms or strata")
        pairs = zip(self.results, other.results, strict=True)
        together = tuple(trimmed(mine.merge(theirs)) for mine, theirs in pairs)
        interrupted = self.interrupted or other.interrupted
        return replace(self, results=together, pilot_cost=self.pilot_cost + other.pilot_cost, interrupted=interrupted)

    def replay(self, stratum: int, trial: int, seed: int | None = None, **options: Any) -> Trial:
        """One trial of a stratum again, whole; see `fastsumo.replay`.

        Parameters
        ----------
        stratum : int
            Its row in ``strata``.
        trial : int
            Its number, as in ``results[stratum].extremes``.
        seed : int, optional
            Needed where the run has more than one.
        """
        row = checks.whole("stratum", stratum, 0, len(self.results) - 1)
        return self.results[row].replay(trial, seed, **options)

    @own_errstate
    def to_dict(self) -> dict[str, Any]:
        """The numbers that `print` shows, ready for JSON but for NaN and infinities."""
        names = ("center", "cost", "pilot_cost", "trials", "mean", "std_error", "variance", "variance_error", "missing")
        found: dict[str, Any] = {"provenance": self.provenance.to_dict()}
        found |= {name: getattr(self, name) for name in (*names, "elapsed", "interrupted", "zero_weight_trials")}
        for name, table in (("strata", self.strata), ("growth", self.growth), ("tail", self.tail(self.distances()))):
            found[name] = [dict(zip(table.dtype.names or (), row.tolist(), strict=True)) for row in table]
        return found

    def to_dataframe(self, table: str = "strata") -> pandas.DataFrame:
        """One of the tables as a pandas DataFrame.

        Parameters
        ----------
        table : {"strata", "growth", "tail"}

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        chosen = checks.choice("table", table, ("strata", "growth", "tail"))
        return dataframe(self.tail(self.distances()) if chosen == "tail" else getattr(self, chosen))

    def distances(self, per_decade: int | None = None) -> Floats:
        """Distances from the centre over which the tail was seen: from 1 on, or two decades where none is that far.

        Parameters
        ----------
        per_decade : int, optional
            How many to the decade; by default as many, up to 4, as make a table of some 16 rows.

        Returns
        -------
        ndarray
            As far as the probability is above that of what is missing.
        """
        largest = max(_largest(result, self.center) for result in self.results)
        last = math.log10(largest) if largest > 0.0 else 0.0
        first = 0 if last > 1.0 else math.floor(last) - 2
        usual = max(1, min(4, int(_ROWS / (last - first))))
        many = usual if per_decade is None else checks.whole("per_decade", per_decade, 1)
        x = np.array([float(f"{10.0 ** (i / many):.3g}") for i in range(first * many, math.floor(last * many) + 1)])
        return x[self.tail(x)["probability"] > self.missing]

    @own_errstate
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, ``.npz`` by convention; `fastsumo.load` reads it.

        A file of that name is replaced, and a link followed, as by `Result.save`.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError
            If the file cannot be written, or is no regular file.
        """
        files.write_strata(self, Path(path))

    @own_errstate
    def plot(self, ax: Axes | None = None, *, brute_force: Result | None = None) -> Axes:
        """The tail over all its decades: measured, with its error and what is out of reach; theory; plain trials.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        brute_force : Result, optional
            Plain trials to draw beside it.

        Returns
        -------
        matplotlib Axes
        """
        return plot.strata(self, ax, brute_force=brute_force)

    def _repr_html_(self) -> str:
        return words.page(self)

    def __repr__(self) -> str:
        what = f"{self.provenance.model!r}, {self.estimator!r}"
        return f"Stratified({what}, {len(self.results)} strata, cost={self.cost}, mean={self.mean:.10g})"

    @own_errstate
    def text(self, width: int = 80) -> str:
        """The table that ``print`` shows, in at most ``width`` columns: the narrower, the fewer numbers."""
        return words.text(self, width)

    def __str__(self) -> str:
        return self.text()


def _unseen(share: Floats, n: NDArray[np.int64]) -> Floats:
    """What a share may miss of strata none of whose trials is beyond a distance, or all are; 0 of others.

    One trial of ``n``, or what the nearest stratum with such trials has, if that is less: shares rise with `K`. Strata
    by distances.
    """
    return _first_unseen(share, n) + _first_unseen(1.0 - share[::-1], n[::-1])[::-1]


def _first_unseen(share: Floats, n: NDArray[np.int64]) -> Floats:
    seen = share > 0.0
    first = np.where(seen.any(axis=0), np.argmax(seen, axis=0), len(share))
    rows = np.arange(len(share))[:, None]
    least = np.take_along_axis(np.vstack([share, np.ones(share.shape[1])]), first[None], axis=0)
    return np.where(~seen & (rows >= first - 1), np.minimum(1.0 / n, least), 0.0)


def _beyond(result: Result, x: Floats) -> tuple[Floats, Floats]:
    """Shares of the trials above ``center + x`` and below ``center - x``."""
    above, below = (result.histogram.beyond(x, side) for side in ("right", "left"))
    return above / result.trials, (below + result.zero_weight_trials) / result.trials


def _largest(result: Result, center: float) -> float:
    """The largest distance from the centre of trials that are not ``-inf``."""
    return abs(float(result.extremes["value"][0]) - center) if result.extremes.size else 0.0


def trimmed(result: Result) -> Result:
    """A result with the first extremes only: there are many strata."""
    return replace(result, statistics=replace(result.statistics, kept=result.extremes[:KEPT], unsorted_around=None))


def _is_of_a_stratum(result: object) -> bool:
    return isinstance(getattr(getattr(result, "provenance", None), "estimator", None), Stratum)


def _stratum(result: Result) -> Stratum:
    estimator = result.provenance.estimator
    assert isinstance(estimator, Stratum)
    return estimator


def _central(result: Result) -> tuple[float, float, float, float]:
    """``E[S - center]`` and central moments of the finite trials; infinite where float64 ends."""
    if result.statistics.finite == 0 or result.statistics.overflowed:
        return math.nan, math.nan, math.nan, math.nan
    offset, m2, m3, m4 = (to_float(moment) for moment in result.statistics.central_moments())
    return offset, max(m2, 0.0), m3, m4
