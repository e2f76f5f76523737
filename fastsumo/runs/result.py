"""`Result`: what a run found. A value: read it, print it, merge it, save it; it computes from `Statistics` only."""

from __future__ import annotations

import itertools
import math
import os
import warnings
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo import plot, tails
from fastsumo.base import checks, html
from fastsumo.base.floats import own_errstate
from fastsumo.base.text import have_no_value
from fastsumo.estimators.estimators import SUMO, SingleTerm
from fastsumo.plot._style import without_axes
from fastsumo.report import result_page
from fastsumo.report import summary as words
from fastsumo.report.frames import TABLES, dataframe, dataset, table_of
from fastsumo.runs import files, rerun
from fastsumo.runs.pages import replays
from fastsumo.runs.provenance import Provenance
from fastsumo.runs.replay import replay
from fastsumo.statistics.exact import to_float
from fastsumo.statistics.merger import merged
from fastsumo.statistics.spans import joined
from fastsumo.statistics.statistics import Statistics
from fastsumo.tails import Histogram
from fastsumo.tails._diagnose import with_advice
from fastsumo.tails._quantiles import unbounded
from fastsumo.tails._runs import hill_of
from fastsumo.theory import has_moment, tail_law

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from fastsumo.estimators.estimators import Estimator
    from fastsumo.models.model import Model
    from fastsumo.runs.replay import Trial
    from fastsumo.tails import Diagnosis, Interval, Summary, TailIndex


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Statistics of a run of trials.

    Attributes
    ----------
    trials : int
        Trials done, those of zero weight included.
    cost : int
        Importance samples used.
    mean, std_error, variance, skewness, kurtosis : float
        Of the trials' values; ``-inf`` and NaN where some trial has the value ``-inf`` (see ``zero_weight_trials``).
        ``std_error`` is that of the mean, of stratified trials by the means of blocks. ``kurtosis`` is 3 for a normal
        law. Where the law of the values has no such moment the number still is that of these trials, and means nothing
        beyond them.
    variance_error : float
        Standard error of ``variance``; NaN, unknown, where the fourth moment is infinite, or may be.
    median : float
        Of the values; other quantiles are in `quantile` and `quantile_interval`.
    min, max : float
    zero_weight_trials : int
        Trials with the value ``-inf``: a prefix of their weights was all zero. ``finite_mean`` leaves them out.
    largest_terms : int
        The largest `K`.
    center : float
        Where the histogram, the extremes and the breakdowns are centred: the known log evidence or a pilot's estimate.
    extremes : structured array
        The 10 000 trials with the largest ``|value - center|``, largest first: trial, value, terms, seed.
    histogram : Histogram
    by_terms : structured array
        Per octave ``low <= K <= high``: trials, mean, sum_squares (about the centre), share of all squares, cost.
    trace : structured array
        At growing numbers of trials, two to the octave: trials, mean, variance, largest ``|value - center|``.
    ranges : dict of int to list of (int, int)
        Per seed, the trial numbers covered, as (first, last + 1).
    elapsed : float
        Seconds of running; compilation not counted. Merged results add theirs.
    threads : int
    interrupted : bool
        Whether Ctrl-C ended the run early.
    provenance : Provenance

    Examples
    --------
    >>> import fastsumo as fs
    >>> r = fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), trials=10_000, seed=1)
    >>> r
    Result('note', SUMO(Harmonic(cap=80)), trials=10000, mean=1.849237334)
    >>> r.trials, r.cost, r.largest_terms
    (10000, 60533, 80)
    >>> r.by_terms["trials"].tolist()
    [4974, 2496, 1260, 623, 312, 177, 158]
    >>> len(r.extremes), bool(r.min <= r.mean <= r.max)
    (10000, True)
    """

    provenance: Provenance
    statistics: Statistics
    ranges: dict[int, list[tuple[int, int]]]
    center: float
    elapsed: float
    threads: int
    interrupted: bool = False
    _model: Model | None = field(default=None, compare=False)  # of this process; neither pickled nor saved

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_model": None}

    @property
    def trials(self) -> int:
        """Trials done, those of zero weight included."""
        return sum(high - low for spans in self.ranges.values() for low, high in spans)

    @property
    def cost(self) -> int:
        """Importance samples used."""
        return self.statistics.cost

    @property
    def zero_weight_trials(self) -> int:
        """Trials with the value ``-inf``."""
        return self.statistics.zero_weight

    @property
    def largest_terms(self) -> int:
        """The largest `K`."""
        return self.statistics.largest_terms

    @cached_property
    def tail_source(self) -> Provenance:
        """`provenance`, with what theory finds of the weights far out in their tails, where the model is at hand."""
        return self.provenance if self._model is None else self.provenance.with_tails_of(self._model)

    @property
    def log_evidence(self) -> float | None:
        """The true ``log Z`` where the model knows it."""
        return self.provenance.log_evidence

    @cached_property
    def _moments(self) -> tuple[float, float, float, float]:
        """Mean offset, variance (n - 1), skewness and kurtosis of the finite trials."""
        n = self.statistics.finite
        if n == 0 or self.statistics.overflowed:
            return math.nan, math.nan, math.nan, math.nan
        offset, m2, m3, m4 = self.statistics.central_moments()
        m2 = max(m2, Fraction(0))  # squares are rounded before they are summed
        variance = to_float(m2 * n / (n - 1)) if n > 1 else math.nan
        if n == 1 or m2 == 0:
            return to_float(offset), variance, math.nan, math.nan
        spread = to_float(m2)
        return to_float(offset), variance, to_float(m3) / spread / math.sqrt(spread), to_float(m4 / m2**2)

    @property
    def finite_mean(self) -> float:
        """Mean of the trials that are not ``-inf``."""
        return self.center + self._moments[0]

    @property
    def finite_variance(self) -> float:
        """Variance of the trials that are not ``-inf``."""
        return self._moments[1]

    @property
    def mean(self) -> float:
        """Mean of the values; ``-inf`` where some trial is."""
        return -math.inf if self.zero_weight_trials else self.finite_mean

    @property
    def variance(self) -> float:
        """Variance of the values (n - 1); NaN where some trial is ``-inf``."""
        return math.nan if self.zero_weight_trials else self._moments[1]

    @property
    def stratified(self) -> int:
        """Trials of a block whose `K` are stratified; 1 where all are independent."""
        return self.provenance.estimator.plan().stratified

    @cached_property
    def finite_error(self) -> float:
        """Standard error of ``finite_mean``: the root of variance over trials.

        Of stratified trials, which are independent between blocks only, that of the means of up to 256 groups of
        blocks; NaN for a single block.
        """
        if self.stratified > 1:
            return math.nan if self.statistics.overflowed else self.statistics.group_error()
        return math.sqrt(self.finite_variance / self.statistics.finite) if self.statistics.finite else math.nan

    @property
    def std_error(self) -> float:
        """Standard error of the mean; NaN where some trial is ``-inf``. See ``finite_error``."""
        return math.nan if self.zero_weight_trials else self.finite_error

    @cached_property
    def variance_error(self) -> float:
        """Standard error of ``variance``; NaN, unknown, where the fourth moment is infinite, or may be.

        ``sqrt((m4 - s^4 (n - 3)/(n - 1)) / n)`` with the fourth central moment ``m4`` (Mood, Graybill & Boes 1974,
        section VI.2). The fourth moment is that of theory, or where theory does not know of one has been measured by
        Hill's index, whose interval must be above 4.
        """
        n, (_, _, _, kurtosis) = self.statistics.finite, self._moments
        exists = has_moment(self.tail_source, 4.0)
        if exists is None:
            hill = hill_of(self)
            exists = hill is not None and hill.low > 4.0
        if self.zero_weight_trials or n < 4 or not exists:
            return math.nan
        return self.variance * math.sqrt(max(kurtosis - (n - 3) / (n - 1), 0.0) / n)

    @property
    def skewness(self) -> float:
        """Third standardised moment."""
        return math.nan if self.zero_weight_trials else self._moments[2]

    @property
    def kurtosis(self) -> float:
        """Fourth standardised moment, 3 for a normal law."""
        return math.nan if self.zero_weight_trials else self._moments[3]

    @property
    def min(self) -> float:
        """The smallest value."""
        return -math.inf if self.zero_weight_trials else self.statistics.smallest

    @property
    def max(self) -> float:
        """The largest value."""
        return self.statistics.largest if self.statistics.finite else -math.inf

    @property
    def extremes(self) -> NDArray[Any]:
        """The trials furthest from the centre, largest distance first: trial, value, terms, seed."""
        return self.statistics.extremes

    @cached_property
    def histogram(self) -> Histogram:
        """Counts of the values in signed logarithmic bins around the centre."""
        return self.statistics.histogram(self.center)

    @own_errstate
    def quantile(self, q: ArrayLike) -> float | NDArray[np.float64]:
        """Quantiles of the values, interpolated between neighbours as `numpy.quantile` does.

        Exact, for those values that are kept one by one: of a run of at most 10 000 trials all, of others the 10 000
        furthest from the centre. Others come from the histogram, whose bins are 64 to the octave: there ``value -
        center`` is right to 0.8 %. How far the quantile of the law may be from that of these trials is what
        `quantile_interval` says.

        Parameters
        ----------
        q : float or array_like
            Probabilities in [0, 1].

        Returns
        -------
        float, or ndarray of the shape of ``q``
            ``-inf`` where trials have that value.

        Raises
        ------
        ValueError
            If a ``q`` is outside [0, 1].

        Examples
        --------
        >>> import fastsumo as fs
        >>> r = fs.simulate(fs.models.note(), fs.ELBO(), 10_000)
        >>> values, _ = fs.sample(fs.models.note(), fs.ELBO(), 10_000)
        >>> bool(abs(r.quantile(0.9) - np.quantile(values, 0.9)) < 1e-12)
        True
        """
        if self.statistics.finite == 0:
            found = np.full(checks.floats("q", q).shape, -math.inf)
        else:
            found = tails.quantile(self.summary(), q, lower=self.zero_weight_trials)
        return float(found) if found.ndim == 0 else found

    @property
    def median(self) -> float:
        """The quantile of one half; see `quantile` for how exact it is."""
        return float(self.quantile(0.5))

    @own_errstate
    def quantile_interval(self, q: ArrayLike, level: float = 0.95) -> NDArray[Any]:
        """Intervals for quantiles of the law that the values come from; no moment of it need exist.

        Between two order statistics, whose numbers follow from the binomial law (David & Nagaraja, Order Statistics,
        2003, section 7.1), widened to the edges of their bins where they are not kept.

        Parameters
        ----------
        q : float or array_like
            Probabilities in [0, 1].
        level : float
            In (0, 1); at least this.

        Returns
        -------
        structured array of the shape of ``q``
            q, value (as of `quantile`), low, high; infinite where there are too few trials to bound it.

        Raises
        ------
        ValueError
            If a number is outside its range.

        Examples
        --------
        >>> import fastsumo as fs
        >>> found = fs.simulate(fs.models.note(), fs.SUMO(), 10_000).quantile_interval([0.5, 0.9])
        >>> bool((found["low"] < found["value"]).all() and (found["value"] < found["high"]).all())
        True
        """
        if self.statistics.finite == 0:
            return unbounded(q)
        return tails.quantile_interval(self.summary(), q, level=level, lower=self.zero_weight_trials)

    @cached_property
    def by_terms(self) -> NDArray[Any]:
        """Breakdown by octave of `K`: low, high, trials, mean, sum_squares, share, cost."""
        return self.statistics.octave_table(self.center)

    @cached_property
    def trace(self) -> NDArray[Any]:
        """Running statistics: trials, mean, variance, largest."""
        return self.statistics.trace_table(self.center)

    @own_errstate
    def merge(self, other: Result) -> Result:
        """Both runs together, as if they had been one; any order of merging gives the same bits.

        They are those of one run if the trials are cut at multiples of 4096, as where Ctrl-C ended a run. Sums are
        exact between such tiles and float64 inside: of a tile that is cut elsewhere they are rounded in two parts, and
        means, variances and other moments may differ from those of one run in their last digits. Counts, extremes,
        histogram, cost and the largest values are the same wherever the trials are cut.

        Parameters
        ----------
        other : Result
            Of the same model, parameters and estimator, with other trials or another seed.

        Returns
        -------
        Result

        Raises
        ------
        ValueError
            If the runs differ, or share trials.

        Examples
        --------
        >>> import fastsumo as fs
        >>> a = fs.simulate(fs.models.note(), fs.ELBO(), 65_536)
        >>> b = fs.simulate(fs.models.note(), fs.ELBO(), 65_536, first_trial=65_536)  # 16 * 4096
        >>> a.merge(b).mean == fs.simulate(fs.models.note(), fs.ELBO(), 131_072).mean
        True
        """
        if not isinstance(other, Result):
            raise TypeError(f"a Result merges with another, as fs.load reads one, got {other!r}")
        for name in ("model", "params", "source", "estimator"):
            mine, theirs = getattr(self.provenance, name), getattr(other.provenance, name)
            if mine != theirs:
                raise ValueError(f"cannot merge runs of a different {name}: {mine} and {theirs}")
        if self.center != other.center:
            raise ValueError(f"cannot merge runs with different centres, {self.center} and {other.center}")
        ranges = {seed: list(spans) for seed, spans in self.ranges.items()}
        for seed, spans in other.ranges.items():
            together = sorted([*ranges.get(seed, []), *spans])
            for (_, high), (low, _) in itertools.pairwise(together):
                if low < high:
                    raise ValueError(f"cannot merge: trial {low} of seed {seed} is in both runs")
            ranges[seed] = joined(together)
        return replace(
            self,
            statistics=merged([self.statistics, other.statistics], self.center),
            ranges=ranges,
            elapsed=self.elapsed + other.elapsed,
            threads=max(self.threads, other.threads),
            interrupted=self.interrupted or other.interrupted,
            _model=self._model or other._model,
        )

    @own_errstate
    def summary(self) -> Summary:
        """What `fastsumo.tails` needs of the finite trials: extremes, power sums, groups, histogram, trace.

        A notebook and `print` show its numbers as a table; ``to_dataframe("summary")`` is one row of a DataFrame.

        Raises
        ------
        ValueError
            If no trial has a finite value.

        Returns
        -------
        fastsumo.tails.Summary

        Examples
        --------
        >>> import fastsumo as fs
        >>> fs.simulate(fs.models.note(), fs.ELBO(), 1000).summary().trials
        1000
        """
        if self.statistics.finite == 0:
            raise ValueError("no trial has a finite value: there is nothing to summarize")
        counts, sums = self.statistics.groups()
        powers = np.array([to_float(total) for total in self.statistics.power_sums()])
        whole = self.statistics.overflowed == 0 and bool(np.isfinite(powers[:2]).all())
        occupied, trace, bins = counts > 0, self.trace, self.histogram
        return tails.Summary(
            trials=self.statistics.finite,
            extremes=self.extremes,
            center=self.center,
            power_sums=powers if whole else None,
            group_counts=counts[occupied] if whole else None,
            group_sums=sums[occupied] if whole else None,
            histogram=tails.Histogram(bins.center, bins.low, bins.high, bins.counts),
            trace=tails.Trace(trace["trials"], trace["mean"], trace["variance"], trace["largest"]),
            extreme_ranks=None if self.zero_weight_trials else self._extreme_ranks(),
            grouped=self.stratified > 1,
        )

    def _extreme_ranks(self) -> NDArray[np.int64]:
        """How many trials have a number up to that of each of the extremes, whatever their seed."""
        number = self.extremes["trial"].astype(np.int64)
        spans = itertools.chain.from_iterable(self.ranges.values())
        return sum((np.clip(number + 1 - low, 0, high - low) for low, high in spans), np.zeros_like(number))

    def tail_index(self, method: str = "hill", **options: Any) -> TailIndex:
        """Tail index of the values around the centre, from the extremes.

        Parameters
        ----------
        method : {"hill", "moment", "pickands", "gpd", "gpd-mle"}
        **options
            Passed to `fastsumo.tails.tail_index`, such as ``k``, ``side`` and ``level``.

        Returns
        -------
        fastsumo.tails.TailIndex
            With ``estimate``, ``low``, ``high``, ``k``.

        Examples
        --------
        >>> import fastsumo as fs
        >>> r = fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic()), 1_000_000, seed=1)
        >>> bool(1.8 < r.tail_index().estimate < 2.2)
        True
        """
        return tails.tail_index(self.summary(), method=method, **options)

    def interval(self, level: float = 0.95, method: str = "median-of-means", **options: Any) -> Interval:
        """Confidence interval for the mean.

        Parameters
        ----------
        level : float
            In (0, 1).
        method : str
            "median-of-means", "normal", "catoni", "trimmed", "self-normalised", "index-2", "subsampling" or
            "one-sided". "normal" is right only where the variance is finite and the number of trials large; what the
            others assume is in `fastsumo.tails.mean_interval`.
        **options
            Passed to `fastsumo.tails.mean_interval`.

        Returns
        -------
        fastsumo.tails.Interval
            With ``low`` and ``high``; NaN, with a `fastsumo.tails.TailWarning`, where some trial has the value
            ``-inf``, and so the mean, or one that is too large for sums.

        Examples
        --------
        >>> import fastsumo as fs
        >>> found = fs.simulate(fs.models.note(), fs.SUMO(), 100_000, seed=1).interval(0.95)
        >>> found.low < 1.837877 < found.high
        True
        """
        if self.zero_weight_trials == 0 and not self.statistics.overflowed:
            return tails.mean_interval(self.summary(), method, level, **options)
        message = f"no interval: {have_no_value(self.zero_weight_trials)}, and so has the mean"
        if not self.zero_weight_trials:
            message = f"no interval: {self._overflow()}"
        warnings.warn(message, tails.TailWarning, stacklevel=2)
        return tails.Interval(math.nan, math.nan, level, method, self.mean, self.trials, "finite values")

    def _overflow(self) -> str:
        """What is wrong where values are too large."""
        return f"values as far from {self.center:.6g} as {float(self.extremes['value'][0]):.3g} have no sums of powers"

    def diagnose(self, **options: Any) -> Diagnosis:
        """What the tail allows one to say of the mean, in words and numbers.

        Parameters
        ----------
        **options
            Passed to `fastsumo.tails.diagnose`, such as ``level`` and ``wanted_error``. Where the law of `K` and the
            tails of the weights are known, ``index`` and ``constant`` are those of theory.

        Returns
        -------
        fastsumo.tails.Diagnosis
            With the verdict as ``text``, and every number in it as a field. Of the finite trials only, with a
            `fastsumo.tails.TailWarning`, where some trial has the value ``-inf``.

        Raises
        ------
        ValueError
            If no trial has a finite value, or one is too large for sums of powers.

        Examples
        --------
        >>> import fastsumo as fs
        >>> found = fs.simulate(fs.models.note(), fs.SUMO(), 100_000).diagnose()
        >>> found.regime, found.moments[2], round(found.constant.constant, 3)
        ('index 2', 'does not exist', 0.733)
        """
        if self.statistics.overflowed:
            raise ValueError(f"there is nothing to say of the mean: {self._overflow()}")
        source = self.tail_source
        law = tail_law(source)
        if law is not None and not law.note and source.chi_square is None and source.weight_tail_index is None:
            law = None  # of weights of which too little is known
        if law is not None and not {"index", "constant"} & options.keys():
            options |= {"index": law.index} | ({} if math.isnan(law.constant) else {"constant": law.constant})
        options.setdefault("can_change_law", isinstance(self.provenance.estimator, (SUMO, SingleTerm)))
        options.setdefault("is_capped", self.provenance.estimator.plan().law.capped)
        if self.zero_weight_trials:
            message = f"{have_no_value(self.zero_weight_trials)}, and so has the mean: these are the others"
            warnings.warn(message, tails.TailWarning, stacklevel=2)
        found = tails.diagnose(self.summary(), **options)
        weights = words.weights_words(self)
        return with_advice(found, weights[0]) if weights else found

    def made_with(self) -> tuple[Model, Estimator]:
        """The model and the estimator of the run, as far as they can be had again.

        The model of a run of this process can, a built-in one, and one that came from a file or a module which is still
        there.

        Raises
        ------
        ValueError
            If the model is not known here, or is not what was run.

        Examples
        --------
        >>> import fastsumo as fs
        >>> fs.simulate(fs.models.note(), fs.IWAE(5), 1000).made_with()[1]
        IWAE(k=5)
        """
        model = self._model or rerun.model_of(self.provenance)
        if not rerun.is_same(self.provenance, model):
            raise ValueError(f"model {model.name!r} is not the one that was run: its source or its proposal changed")
        return model, self.provenance.estimator

    def replay(self, trial: int, seed: int | None = None, **options: Any) -> Trial:
        """One trial of the run again, whole; see `fastsumo.replay`.

        Parameters
        ----------
        trial : int
            Its number, as in ``extremes``.
        seed : int, optional
            Needed where the run has more than one.
        **options
            Passed to `fastsumo.replay`.

        Raises
        ------
        ValueError
            If the model cannot be had again (see `made_with`), or the seed is not given.

        Examples
        --------
        >>> import fastsumo as fs
        >>> r = fs.simulate(fs.models.note(), fs.SUMO(), 1000)
        >>> r.replay(7).value == fs.replay(fs.models.note(), fs.SUMO(), 7).value
        True
        """
        if seed is None and len(self.ranges) > 1:
            raise ValueError(f"the result has the seeds {', '.join(map(str, self.ranges))}: say which")
        model, estimator = self.made_with()
        return replay(model, estimator, trial, next(iter(self.ranges)) if seed is None else seed, **options)

    @own_errstate
    def to_dict(self) -> dict[str, Any]:
        """The numbers that `print` shows and where they come from, ready for JSON.

        Returns
        -------
        dict
            Infinities and NaN are floats, as they are; see `report.summary.to_json`.

        Examples
        --------
        >>> import fastsumo as fs
        >>> found = fs.simulate(fs.models.note(), fs.ELBO(), 1000).to_dict()
        >>> found["trials"], found["provenance"]["model"]
        (1000, 'note')
        """
        numbers = (
            "trials",
            "cost",
            "mean",
            "std_error",
            "variance",
            "variance_error",
            "median",
            "skewness",
            "kurtosis",
            "min",
            "max",
        )
        more = ("zero_weight_trials", "finite_mean", "largest_terms", "center", "elapsed", "threads", "interrupted")
        summary: dict[str, Any] = {name: getattr(self, name) for name in numbers + more}
        summary["ranges"] = {str(seed): [list(span) for span in spans] for seed, spans in self.ranges.items()}
        summary["provenance"] = self.provenance.to_dict()
        for name in ("by_terms", "trace"):
            table = getattr(self, name)
            summary[name] = [dict(zip(table.dtype.names, row.tolist(), strict=True)) for row in table]
        summary["extremes"] = [
            dict(zip(self.extremes.dtype.names or (), row.tolist(), strict=True)) for row in self.extremes[:10]
        ]
        return summary

    def to_dataframe(self, table: str = "extremes") -> pandas.DataFrame:
        """One of the tables of the run as a pandas DataFrame.

        Parameters
        ----------
        table : {"extremes", "by_terms", "trace", "histogram", "summary"}
            "summary" is one row: mean, sd, quantiles, and the Monte Carlo standard errors by ArviZ's names,
            ``mcse_mean`` and ``mcse_sd``; tail index, trials and cost. ``pandas.concat`` sets runs side by side.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return dataframe(table_of(self, checks.choice("table", table, TABLES)))

    def to_xarray(self) -> xarray.Dataset:
        """The run as an xarray Dataset, with the attributes by which ArviZ says where data come from.

        Dimensions are ``rank`` (of the extremes, largest first), ``octave`` (of `K`, by its smallest), ``checkpoint``
        (numbers of trials) and ``bin`` (of the histogram); there are no chains and draws, since a run keeps statistics
        and not its values. For these: ``fs.sample``, whose values are one chain of draws.

        Returns
        -------
        xarray.Dataset

        Raises
        ------
        ImportError
            If xarray is not installed.
        """
        return dataset(self)

    @own_errstate
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, ``.npz`` by convention; written as a whole or not at all.

        A file of that name is replaced, as `numpy.save` does; a link is followed. The command line asks
        first, or wants ``--force``.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError
            If the file cannot be written, or is no regular file.

        Examples
        --------
        >>> import fastsumo as fs, tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "elbo.npz"
        >>> r = fs.simulate(fs.models.note(), fs.ELBO(), 1000)
        >>> r.save(file)
        >>> fs.load(file).mean == r.mean
        True
        """
        files.write(self, Path(path))

    @own_errstate
    def plot(self, figure: Figure | SubFigure | None = None, *, ax: Axes | None = None) -> Figure | SubFigure:
        """Panels: density, both tails, running mean and variance, share of variance by octave of `K`.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, optional
            To draw on; by default a new one, which a notebook shows. Save it with ``savefig``.
        ax : None
            Several panels need a figure: one of them on axes of your own is drawn by `fastsumo.plot`, such as
            ``fs.plot.tail(r, ax=ax)``.

        Returns
        -------
        matplotlib Figure or SubFigure

        Raises
        ------
        TypeError
            If axes are given.

        Examples
        --------
        >>> import fastsumo as fs
        >>> type(fs.simulate(fs.models.note(), fs.SUMO(), 1000).plot()).__name__
        'Figure'
        """
        without_axes(ax, "draw one panel, such as fs.plot.tail(r, ax=ax) or fs.plot.histogram(r, ax=ax)")
        return plot.overview(self, figure)

    @own_errstate
    def report(self, path: str | os.PathLike[str], model: Model | None = None) -> None:
        """Write a page of HTML about the run, one file that needs no network: estimate, verdict, figures, extremes.

        Parameters
        ----------
        path : path-like
        model : Model, optional
            To show the paths of the largest trials with; by default the one that `made_with` finds.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        page = result_page.result_page(self, rerun.commands(self), replays(self, model))
        result_page.write_page(path, page)

    @own_errstate
    def _repr_html_(self) -> str:
        return html.blocks(words.blocks(self))

    def __repr__(self) -> str:
        what = f"{self.provenance.model!r}, {self.provenance.estimator!r}"
        return f"Result({what}, trials={self.trials}, mean={self.mean:.10g})"

    @own_errstate
    def __str__(self) -> str:
        return words.summary(self)
