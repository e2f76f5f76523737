"""`compare`: estimators side by side on one model, each with the same number of importance samples to spend.

What is measured beside what `theory` predicts. Runs are those of `simulate`; nothing is estimated here that
a `Result` does not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fastsumo import plot
from fastsumo.base import checks, html
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown, brief
from fastsumo.base.text import Column, Rows, have_no_value
from fastsumo.base.words import spelled
from fastsumo.engine.devices import check_device
from fastsumo.estimators.estimators import JVI, Estimator, Taylor
from fastsumo.estimators.labels import label
from fastsumo.estimators.parsing import as_estimator
from fastsumo.models.model import Model
from fastsumo.models.parsing import as_model
from fastsumo.plot._style import without_axes
from fastsumo.report.comparison import columns, notes, text, title
from fastsumo.report.frames import dataframe
from fastsumo.runs.arguments import check_run, settled, what_to_run
from fastsumo.runs.simulate import simulate
from fastsumo.tails._runs import hill_of
from fastsumo.theory import chi_square, last_sample, log_evidence_of, predict, tail
from fastsumo.trial.sizes import TILE

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from fastsumo.runs.result import Result
    from fastsumo.theory import Prediction

_SPENT = 0.97  # of the budget: enough

COLUMNS = (
    "estimator",
    "trials",
    "cost",
    "mean",
    "std_error",
    "bias",
    "bias_error",
    "variance",
    "variance_error",
    "variance_times_cost",
    "variance_times_cost_error",
    "predicted_variance",
    "tail_index",
    "tail_error",
    "tail_low",
    "tail_high",
    "predicted_tail_index",
    "largest_share",
    "zero_weight_trials",
    "words",
)


@dataclass(frozen=True, eq=False, repr=False)
class Row(Shown):
    """One estimator of a comparison.

    Attributes
    ----------
    estimator : Estimator
    prediction : Prediction
        By `theory.predict`.
    result : Result
        The run itself.
    bias, bias_error : float
        ``mean - reference``, and the standard error of the difference.
    variance_times_cost, variance_times_cost_error : float
        Sample variance of a trial's value, times the samples that a trial took on average; and the standard error of
        the first times the second, which is taken as known. NaN, unknown, where the fourth moment of
        the values is infinite, or may be, see `Result.variance_error`, and where a trial's expected cost is infinite.
        Of stratified trials the square of the standard error of the mean, times all samples; its own error is unknown.
    tail_index, tail_error, tail_low, tail_high : float
        Hill estimate from the ``k`` largest deviations, its standard error ``tail_index / sqrt(k)`` and its interval;
        NaN where there are too few.
    largest_share : float
        Share of the trial furthest from the centre in the sum of squares about the centre.
    words : str
        What the numbers do not say for themselves.
    """

    estimator: Estimator
    prediction: Prediction
    result: Result
    bias: float
    bias_error: float
    variance_times_cost: float
    variance_times_cost_error: float
    tail_index: float
    tail_error: float
    tail_low: float
    tail_high: float
    largest_share: float
    words: str

    def _blocks(self) -> list[Rows | list[Column]]:
        return [Rows((name.replace("_", " "), brief(value)) for name, value in self.to_dict().items())]

    @property
    def predicted_tail_index(self) -> float:
        return self.prediction.tail_index.value

    @property
    def predicted_variance(self) -> float:
        return self.prediction.variance.value

    def to_dict(self) -> dict[str, Any]:
        """The row's numbers by the names in `COLUMNS`."""
        return {name: self._cell(name) for name in COLUMNS}

    def _cell(self, name: str) -> Any:
        if name == "estimator":
            return label(self.estimator, "exact")
        source = self if hasattr(self, name) else self.result
        return getattr(source, name)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Estimators side by side; iterate over it, or index it, for the rows.

    Every number of a row has its Monte Carlo standard error beside it, as Morris, White & Crowther ask of simulation
    studies (Statistics in Medicine 38, 2019): that of the mean and the bias ``s / sqrt(n)``, the others as `Row` says.

    Attributes
    ----------
    model : str
    budget : float
        Importance samples that each estimator was given.
    reference, reference_error : float
        What biases are taken from, and its error: standard error and first-order bias together; infinite where no
        estimator's variance and bias are both known to be finite.
    reference_source : str
        "known", "quadrature", or the estimator that it is the mean of.
    rows : tuple of Row
    """

    model: str
    budget: float
    reference: float
    reference_error: float
    reference_source: str
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON but for NaN and infinities."""
        names = ("model", "budget", "reference", "reference_error", "reference_source")
        return {name: getattr(self, name) for name in names} | {"rows": [row.to_dict() for row in self.rows]}

    def to_dataframe(self) -> pandas.DataFrame:
        """One row for each estimator.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return dataframe([row.to_dict() for row in self.rows], COLUMNS)

    def plot(self, figure: Figure | SubFigure | None = None, *, ax: Axes | None = None) -> Figure | SubFigure:
        """Three panels: bias with its error, variance times cost, tail index measured and predicted.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, optional
            To draw on; by default a new one, which a notebook shows. Save it with ``savefig``.
        ax : None
            Three panels need a figure.

        Returns
        -------
        matplotlib Figure or SubFigure

        Raises
        ------
        TypeError
            If axes are given.
        """
        without_axes(ax, "draw one panel of the results, fs.plot.cost([row.result for row in found], ax=ax)")
        return plot.comparison(self, figure)

    def _repr_html_(self) -> str:
        return html.blocks([Rows([("", title(self))]), columns(self), Rows([("", note) for note in notes(self)])])

    def text(self, width: int = 132) -> str:
        """The table that ``print`` shows, in at most ``width`` columns: the narrower, the fewer numbers."""
        return text(self, width)

    def __repr__(self) -> str:
        return f"Comparison({self.model!r}, {len(self.rows)} estimators, budget={self.budget:g})"

    def __str__(self) -> str:
        return self.text()


@own_errstate
@spelled
def compare(
    model: Model | str,
    estimators: Iterable[Estimator | str] | Estimator | str,
    cost: float = 1e8,
    seed: int = 0,
    threads: int | None = None,
    progress: Any = None,
    *,
    device: str = "cpu",
) -> Comparison:
    """Run estimators at equal cost and set them side by side.

    Parameters
    ----------
    model : Model
    estimators : iterable of Estimator
    cost : float
        Importance samples for each: as many trials as cost that much on average, two at least. Where the
        expected cost of a trial is infinite, chunks of trials are run until the samples are spent; the last
        trial may overspend. The result is that of one run of as many trials, to the last bit.
    seed : int
        The same for all, so that they see the same random numbers.
    threads, progress, device
        As in `simulate`.

    Returns
    -------
    Comparison
        After Ctrl-C, the estimators run so far; the result of the last of them is marked ``interrupted``.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> import fastsumo as fs
    >>> found = fs.compare(fs.models.note(), [fs.IWAE(10), fs.SUMO(fs.roulette.Harmonic(cap=80))], cost=1e5)
    >>> [row.result.trials for row in found]
    [10000, 16763]
    >>> found[0].bias < -3 * found[0].bias_error
    True
    """
    several = estimators if isinstance(estimators, Iterable) and not isinstance(estimators, str) else (estimators,)
    model, chosen = as_model(model), [as_estimator(estimator) for estimator in several]
    if not chosen:
        raise ValueError("estimators is empty: give at least one, such as fs.SUMO(fs.roulette.Harmonic())")
    budget = checks.real("cost", cost, 1.0, closed="low")
    for estimator in chosen:
        what_to_run(model, estimator)
    check_run(2, seed)
    check_device(device)
    chosen = [settled(model, estimator) for estimator in chosen]
    run = partial(simulate, model, seed=seed, threads=threads, progress=progress, device=device)
    results = []
    for estimator in chosen:
        results.append(_spend(estimator, budget, run))
        if results[-1].interrupted:
            break
    chosen = chosen[: len(results)]
    reference, error, source = _reference(model, chosen, results)
    rows = (_row(model, e, r, reference, error, source, budget) for e, r in zip(chosen, results, strict=True))
    return Comparison(model.name, budget, reference, error, str(source), tuple(rows))


def _spend(estimator: Estimator, budget: float, run: Callable[..., Result]) -> Result:
    """A run of about ``budget`` importance samples."""
    expected = estimator.expected_cost()
    if math.isfinite(expected):
        return run(estimator, max(2, math.floor(budget / expected)))
    total = max(2, min(TILE, int(budget / 64.0)))
    result = tiles = run(estimator, total)
    while result.cost < _SPENT * budget and not result.interrupted:
        total += max(2, int(0.5 * (budget - result.cost) * result.trials / result.cost))
        for end in (total // TILE * TILE, total):  # what ends inside a tile is run again, so that none is cut
            start = tiles.trials // TILE * TILE
            if end > start and not result.interrupted:
                more = run(estimator, end - start, first_trial=start)
                result = tiles.merge(more) if start else more
                tiles = result if end % TILE == 0 or not start else tiles
    return result


def _reference(
    model: Model, estimators: list[Estimator], results: list[Result]
) -> tuple[float, float, str | Estimator]:
    """What biases are taken from, its error, and how it is known; or the estimator whose mean has the least error."""
    if model.log_evidence is not None:
        return model.log_evidence, 0.0, "known"
    evidence = log_evidence_of(model)
    if evidence is not None:
        return evidence, 0.0, "quadrature"
    errors = [_total_error(model, e, r) for e, r in zip(estimators, results, strict=True)]
    best = min(range(len(errors)), key=lambda i: (errors[i], results[i].std_error))
    return results[best].mean, errors[best], estimators[best]


def _total_error(model: Model, estimator: Estimator, result: Result) -> float:
    """Standard error and first-order bias together; infinite where the variance is."""
    if _has_infinite_variance(model, estimator) or math.isnan(result.std_error):
        return math.inf
    if isinstance(estimator, Taylor) and estimator.plan().law.capped:
        return math.inf
    chi2, last = float(chi_square(model)), last_sample(estimator)
    if isinstance(estimator, JVI):
        bias = (chi2 / estimator.k) ** (estimator.order + 1)
    else:
        bias = 0.0 if math.isinf(last) else 0.5 * chi2 / last
    return math.inf if math.isnan(bias) else math.hypot(result.std_error, bias)


def _has_infinite_variance(model: Model, estimator: Estimator) -> bool:
    return tail(model, estimator).exists(2.0) is False


def _variance_times_cost(result: Result) -> tuple[float, float]:
    """And its standard error."""
    if math.isinf(result.provenance.estimator.expected_cost()):
        return result.variance * result.cost / result.trials, math.nan
    if result.stratified > 1:
        return result.std_error**2 * result.cost, math.nan
    return result.variance * result.cost / result.trials, result.variance_error * result.cost / result.trials


def _row(
    model: Model,
    estimator: Estimator,
    result: Result,
    reference: float,
    error: float,
    source: str | Estimator,
    budget: float,
) -> Row:
    prediction = predict(model, estimator)
    own = source == estimator
    hill = hill_of(result)
    return Row(
        estimator,
        prediction,
        result,
        result.mean - reference,
        0.0 if own else math.hypot(result.std_error, error),
        *_variance_times_cost(result),
        math.nan if hill is None else hill.estimate,
        math.nan if hill is None else hill.std_error,
        math.nan if hill is None else hill.low,
        math.nan if hill is None else hill.high,
        _largest_share(result),
        _words(prediction, result, own, budget),
    )


def _largest_share(result: Result) -> float:
    total = float(result.by_terms["sum_squares"].sum())
    if result.extremes.size == 0 or not total > 0.0:
        return math.nan
    return float((result.extremes["value"][0] - result.center) ** 2) / total


def _words(prediction: Prediction, result: Result, own: bool, budget: float) -> str:
    said = []
    if prediction.mean.kind == "infinite":
        said.append("the mean does not exist: the bias means nothing")
    if prediction.variance.kind == "infinite":
        said.append("the variance is infinite: the sample variance and the errors mean nothing")
    elif prediction.variance.kind == "unknown" and not prediction.tail_index.value > 2.0:
        said.append("whether there is a variance is not known")
    elif prediction.tail_index.value <= 4.0:
        said.append("the fourth moment is infinite: the sample variance converges slowly")
    if prediction.cost.kind == "infinite" and prediction.variance.kind != "infinite":
        said.append("the expected cost is infinite: variance x cost means nothing")
    if math.isinf(float(prediction.chi_square)) and not math.isfinite(prediction.estimator.expected_cost()):
        said.append("the weights themselves have no variance")
    if result.trials == 2 and result.cost > budget:
        said.append(f"two trials, the least that is run, took {result.cost:,} samples")
    if result.zero_weight_trials:
        said.append(have_no_value(result.zero_weight_trials))
    if own:
        said.append("its mean is the reference")
    if result.interrupted:
        said.append("interrupted")
    return "; ".join(said)
