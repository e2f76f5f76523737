"""`predict`: mean, variance, cost and tail of an estimator on a model, each as well as it can be known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fastsumo.base.floats import own_errstate
from fastsumo.estimators.estimators import IWAE, JVI, MLMC, SUMO, Estimator, SingleTerm, Stratum, Taylor, whole_of
from fastsumo.estimators.parsing import as_estimator
from fastsumo.models.model import Model
from fastsumo.models.parsing import as_model

from . import _pairs, _stratified, _taylor, _variances
from ._chi_square import chi_square
from ._content import look_at
from ._far import far_out
from ._frullani import MOST_SAMPLES, NO_WEIGHT, log_evidence_of, mean_log_average
from ._moments import FirstOrder, Gamma, Moments, gamma_of
from ._quantities import INFINITE, UNKNOWN, ChiSquare, Prediction, Quantity
from ._survival import SurvivalFormula
from ._tails import MOST, Tail, is_bounded, tail_of
from ._weights import GOOD, drawn_log_weights, tails_of_weights, weights_of, zero_weights

SHARP = 1e-2  # relative error of a number called exact, at most; those of nearly equal weights are less than rounding
CLOSE = 0.1  # relative error up to which a variance is of first order
DEPTH = 0.25  # chi-square per sample up to which first order is taken for an answer

if TYPE_CHECKING:
    from numpy.typing import NDArray


@own_errstate
def predict(model: Model | str, estimator: Estimator | str) -> Prediction:
    """What theory says of an estimator on a model, without a simulation.

    Parameters
    ----------
    model : Model
    estimator : Estimator

    Returns
    -------
    Prediction
        For gamma weights (`fs.models.gamma`) mean and variance are exact for every estimator; the mean is
        exact wherever `iwae` can be integrated, or the estimator is unbiased and the log evidence known.
        All else is of first order in the chi-square divergence, where that is small against the number of samples;
        else unknown, and ``notes`` say what is known instead. Which moments exist follows from the tails of the
        weights, at both ends: what a model does not declare is found by calls of its function far out.

    Raises
    ------
    TypeError, ValueError
        If the arguments are no model and estimator, or the model has data.
    fastsumo.ModelError
        If the model's function is none of its arguments, writes into them, or takes an index out of range.

    Notes
    -----
    Rhee & Glynn (Operations Research, 2015) for the variance of sums over a random number of terms;
    Nowozin (ICLR 2018) for the moments of IWAE; Ishikawa & Goda (UAI 2021) for the dyadic levels.

    Examples
    --------
    >>> import fastsumo as fs
    >>> print(predict(fs.models.gamma(1.0), fs.SUMO(fs.roulette.Harmonic())))
    SUMO(Harmonic()) on gamma(1), by theory
      mean             0 (exact)
      variance         infinite
      cost             infinite
      variance x cost  infinite
      tail index       2 (first-order)
      tail constant    1 (first-order)
      chi square       1 (declared)
      note: the variance is infinite: the sample variance of a run grows with its
        length
    """
    model, estimator = check(model, estimator)
    look_at(model)
    chi2, estimator = chi_square(model), _taylor.centered(model, estimator)
    numbers, tail, said = _numbers(model, estimator, chi2)
    if chi2.source == "pilot" and chi2.error > 0.0:
        shifted = _numbers(model, estimator, replace(chi2, value=chi2.value + chi2.error, error=0.0))[0]
        numbers = tuple(map(Quantity.or_so, numbers, shifted))
    mean, variance, together, constant = numbers
    samples = estimator.expected_cost()
    cost = INFINITE if math.isinf(samples) else Quantity(samples, "exact")
    return Prediction(
        model.name,
        estimator,
        mean,
        variance,
        cost,
        together.times(cost),
        UNKNOWN if math.isnan(tail.index) else Quantity(tail.index, "first-order", _away(tail)),
        constant,
        chi2,
        (*said, *_notes(model, variance, tail, chi2)),
        together,
    )


def _numbers(model: Model, estimator: Estimator, chi2: ChiSquare) -> tuple[tuple[Quantity, ...], Tail, tuple[str, ...]]:
    """Mean, variance, variance of the mean of blocks and tail constant; the tail; and what is to be said."""
    tail = _tail(model, estimator, chi2)
    mean = _mean(model, estimator, chi2, tail)
    variance, said = _variance(model, estimator, chi2, tail)
    constant = UNKNOWN if math.isnan(tail.constant) else Quantity(tail.constant, "first-order")
    return (mean, variance, _of_blocks(model, estimator, chi2, variance), constant), tail, said


def _away(tail: Tail) -> float:
    """How far the bounds of a tail index are from it."""
    apart = max(tail.high - tail.index, tail.index - tail.low)
    return apart if math.isfinite(apart) else 0.0


def check(model: Model | str, estimator: Estimator | str, parts: bool = False) -> tuple[Model, Estimator]:
    """A model without data and an estimator, of themselves or of words for them; an error where they are neither."""
    model, estimator = as_model(model), as_estimator(estimator)
    if isinstance(estimator, Stratum) and not parts:
        raise ValueError(f"theory is of whole estimators, and {estimator!r} is a part of one")
    if model.data is not None:
        raise ValueError(f"model {model.name!r} has data: every row is a model of its own, and theory is of one")
    return model, estimator


@own_errstate
def tail_index(model: Model | str, estimator: Estimator | str) -> float:
    """The tail index of an estimator's values on a model; infinite for tails lighter than any power, NaN if not known.

    ``2 s / (2 s - 1)`` for SUMO under ``P_k = k^-s``, 1 for geometric tails of `K`; less where the weights have a heavy
    tail of their own, or come too near zero. See `predict`.

    Parameters
    ----------
    model : Model
    estimator : Estimator

    Returns
    -------
    float

    Examples
    --------
    >>> import fastsumo as fs
    >>> tail_index(fs.models.note(), fs.SUMO(fs.roulette.PowerLaw(0.75)))
    3.0
    """
    return tail(model, estimator).index


@own_errstate
def tail(model: Model | str, estimator: Estimator | str) -> Tail:
    """The tail of an estimator's values on a model: index, constant, and which moments exist.

    Parameters
    ----------
    model : Model
    estimator : Estimator
        Or a stratum of one.

    Returns
    -------
    Tail
        With ``exists(moment)``: whether ``E |value|^moment`` is finite; None where that is not known.

    Examples
    --------
    >>> import fastsumo as fs
    >>> [tail(fs.models.note(), fs.SUMO()).exists(p) for p in (1, 2)]
    [True, False]
    """
    model, estimator = check(model, estimator, parts=True)
    return _tail(model, _taylor.centered(model, estimator), chi_square(model))


@own_errstate
def series_index(model: Model, estimator: Estimator) -> tuple[float, float] | None:
    """Bounds of the tail index of `Taylor`, or of a stratum of it, on a model; None for other estimators.

    Parameters
    ----------
    model : Model
    estimator : Estimator

    Returns
    -------
    tuple of float or None
        The lowest and the highest that it may be; both the same where it is known.

    Examples
    --------
    >>> import fastsumo as fs
    >>> low, high = series_index(fs.models.gamma(1.0), fs.Taylor(fs.roulette.Geometric(0.25)))
    >>> bool(3.6 < low <= high < 3.7), series_index(fs.models.gamma(1.0), fs.Stratum(fs.Taylor(), 1, 9))
    (True, (inf, inf))
    """
    if not isinstance(whole_of(estimator), Taylor):
        return None
    found = tail(model, estimator)
    return (found.index, found.index) if math.isnan(found.low) else (found.low, found.high)


@own_errstate
def gamma_moments(model: Model) -> Gamma | None:
    """Moments of the increments in closed form for gamma weights, or None for other models.

    Parameters
    ----------
    model : Model

    Returns
    -------
    Gamma or None
        With ``var_increment(k)`` and ``mean_increment(k)``, variance and mean of ``L_{k+1} - L_k``, among others.

    Examples
    --------
    >>> import fastsumo as fs
    >>> gamma_moments(fs.models.note()) is None
    True
    >>> float(gamma_moments(fs.models.gamma(1.0)).mean_increment(np.array(1.0))).__round__(6)
    0.306853
    """
    return gamma_of(model)


def gamma_shape(model: Model) -> float | None:
    """The shape of gamma weights, or None for other models."""
    gamma = gamma_of(model)
    return None if gamma is None else gamma.shape


def _tail(model: Model, estimator: Estimator, chi2: ChiSquare) -> Tail:
    whole = whole_of(estimator)
    if isinstance(whole, Taylor):
        return _taylor.tail_of(model, whole, _taylor.series_of(model, whole, chi2), is_bounded(estimator))
    deviation = _mean_deviation(model) if isinstance(whole, SingleTerm) else math.nan
    far = tails_of_weights(model)
    return tail_of(estimator, float(chi2), far.weight, far.near_zero, deviation)


def _mean_deviation(model: Model) -> float:
    """``E|w / Z - 1|``: for gamma weights ``2 a^(a-1) e^-a / Gamma(a)``, else by quadrature or NaN."""
    a = gamma_shape(model)
    if a is not None:
        return 2.0 * math.exp((a - 1.0) * math.log(a) - a - math.lgamma(a))
    weights = weights_of(model)
    return math.nan if weights is None else weights.mean_deviation()


@own_errstate
def last_sample(estimator: Estimator) -> float:
    """The ``k`` of the ``L_k`` that the expectation is of; infinite if unbiased, and for the jackknife.

    Parameters
    ----------
    estimator : Estimator

    Returns
    -------
    float

    Examples
    --------
    >>> import fastsumo as fs
    >>> last_sample(fs.SUMO(fs.roulette.Harmonic(cap=80))), last_sample(fs.MLMC())
    (81.0, inf)
    """
    if isinstance(estimator, SUMO):
        return estimator.minimum + estimator.start - 1.0 + SurvivalFormula.of(estimator.roulette).last
    if isinstance(estimator, SingleTerm):
        return 1.0 + SurvivalFormula.of(estimator.roulette).last
    return float(estimator.k) if isinstance(estimator, IWAE) else math.inf


def _mean(model: Model, estimator: Estimator, chi2: ChiSquare, tail: Tail) -> Quantity:
    """Exactly the expectation of IWAE with the last sample that a trial can reach, or the log evidence."""
    if isinstance(estimator, Taylor):
        return _taylor.mean_of(estimator, _taylor.series_of(model, estimator, chi2), tail)
    if tail.exists(1.0) is False:
        return Quantity(-math.inf if isinstance(estimator, IWAE) else math.nan, "infinite")
    if has_zero_weights(model):
        return Quantity(-math.inf, "exact")
    if tail.exists(1.0) is None:  # that of an IWAE may, where that of trials which end before does not
        return UNKNOWN
    shape, evidence = gamma_shape(model), log_evidence_of(model)
    parts = [(1.0, last_sample(estimator))]
    if isinstance(estimator, JVI):
        parts = [(c, float(estimator.k - j)) for j, c in enumerate(estimator.coefficients())]
    if shape is not None:
        finite = [c * float(Gamma(shape).bias(k)) for c, k in parts if math.isfinite(k)]
        return Quantity((evidence or 0.0) + math.fsum(finite), "exact")
    if parts[0][1] <= MOST_SAMPLES:
        terms = [mean_log_average(model, int(k)) for _, k in parts]
        known = [value for value in terms if value is not None]
        if len(known) == len(parts):
            total = math.fsum(c * value for (c, _), (value, _) in zip(parts, known, strict=True))
            error = math.fsum(abs(c) * error for (c, _), (_, error) in zip(parts, known, strict=True))
            if error < GOOD * math.fsum(abs(c) for c, _ in parts):
                return Quantity(total, "exact", error)
    if evidence is None:
        return UNKNOWN
    if math.isinf(parts[0][1]):
        weights = weights_of(model) if model.log_evidence is None else None
        return Quantity(evidence, "exact", 0.0 if weights is None else weights.error)
    if not float(chi2) <= DEPTH * parts[0][1] * (0.2 if isinstance(estimator, JVI) else 1.0):
        return UNKNOWN
    if not _is_near_its_limit(model, int(min(parts[0][1], MOST_SAMPLES)), float(chi2)):
        return UNKNOWN
    return Quantity(evidence - (0.0 if isinstance(estimator, JVI) else 0.5 * float(chi2) / parts[0][1]), "first-order")


def has_zero_weights(model: Model) -> bool:
    """Whether a weight is known to be zero now and then, so that no mean of SUMO is finite.

    Parameters
    ----------
    model : Model
        Without data.

    Returns
    -------
    bool

    Examples
    --------
    >>> import fastsumo as fs
    >>> has_zero_weights(fs.models.note())
    False
    """
    return gamma_shape(model) is None and zero_weights(model) > NO_WEIGHT


def _variance(model: Model, estimator: Estimator, chi2: ChiSquare, tail: Tail) -> tuple[Quantity, tuple[str, ...]]:
    """The variance, and what is to be said of it."""
    if isinstance(estimator, Taylor):
        return _taylor.variance_of(estimator, _taylor.series_of(model, estimator, chi2))
    if float(chi2) == 0.0 and tail.exists(2.0):
        return Quantity(0.0, "exact"), ()
    if tail.exists(2.0) is False:
        return INFINITE, ()
    if has_zero_weights(model):
        return UNKNOWN, ("a weight may be zero, so that the mean is -inf and there is no variance",)
    if tail.exists(2.0) is None:
        return UNKNOWN, ()
    if isinstance(estimator, IWAE) and estimator.k == 1 and gamma_shape(model) is None:
        weights = weights_of(model)
        if weights is not None and weights.log_square_error < GOOD:
            error = weights.log_square_error * (1.0 + weights.var_log + weights.mean_log**2)
            if error < GOOD * max(1.0, weights.var_log):
                return Quantity(weights.var_log, "exact", error), ()
    gamma = gamma_moments(model)
    found = _pairs.variance(model, estimator, float(chi2)) if gamma is None else None
    if found is not None:
        value, error = found
        if error < min(GOOD * max(1.0, abs(value)), SHARP * abs(value)):
            return Quantity(value, "exact", error), ()
        if error < CLOSE * abs(value):
            return Quantity(value, "first-order", error), ()
    if gamma is None and not float(chi2) < MOST:
        return UNKNOWN, ()
    value = _variance_value(model, estimator, gamma or FirstOrder(float(chi2)))
    if math.isinf(value) and math.isfinite(last_sample(estimator)):
        return UNKNOWN, ("the variance is finite, but too large for a float",)
    if math.isinf(value):
        return INFINITE, ()
    if gamma is not None:
        return Quantity(value, "first-order" if _is_lossy(estimator) else "exact"), ()
    fewest = first_samples(estimator)
    if float(chi2) > DEPTH * fewest or not _is_near_its_limit(model, fewest, float(chi2)):
        return UNKNOWN, (_out_of_depth(model, value, chi2, fewest),)
    return Quantity(value, "first-order"), ()


def _of_blocks(model: Model, estimator: Estimator, chi2: ChiSquare, variance: Quantity) -> Quantity:
    """Trials times the variance of the mean of whole blocks; the variance itself where trials are independent."""
    if not isinstance(estimator, SUMO | SingleTerm | MLMC) or estimator.stratified == 1:
        return variance
    if variance.kind in ("infinite", "unknown") or variance.value == 0.0:
        return variance
    moments: Moments | None = gamma_moments(model)
    pairs = _pairs.pairs_of(model) if moments is None else None
    if moments is None:
        moments = FirstOrder(float(chi2)) if pairs is None else _stratified.PairsMoments(pairs, float(chi2))
    evidence = log_evidence_of(model)
    taken = _stratified.between(moments, estimator, math.nan if evidence is None else evidence)
    if math.isnan(taken):
        return UNKNOWN
    kind = variance.kind if moments.exact else "first-order"
    return Quantity(max(variance.value - taken, 0.0), kind, variance.error)


def first_samples(estimator: Estimator) -> int:
    """How few samples the first log average of a trial is of: what first-order theory is taken at.

    Examples
    --------
    >>> import fastsumo as fs
    >>> first_samples(fs.SUMO(minimum=4)), first_samples(fs.IWAE(9)), first_samples(fs.MLMC(base=2))
    (4, 9, 2)
    """
    if isinstance(estimator, SUMO):
        return estimator.minimum
    if isinstance(estimator, MLMC):
        return estimator.base
    return estimator.k if isinstance(estimator, IWAE | JVI) else 1


def _is_near_its_limit(model: Model, k: int, chi2: float) -> bool:
    """Whether ``Var L_k`` of weights that are drawn allows for its limit ``chi2 / k``: weights near zero spoil it."""
    log_weights = drawn_log_weights(model)
    groups = log_weights[: log_weights.size // k * k].reshape(-1, k)
    if len(groups) < 64 or chi2 == 0.0:
        return True
    top = groups.max(axis=1)
    spread = float(np.var(top + np.log(np.mean(np.exp(groups - top[:, None]), axis=1))))
    return bool(abs(spread * k / chi2 - 1.0) < 0.2 + 4.0 / math.sqrt(len(groups)))


def _out_of_depth(model: Model, value: float, chi2: ChiSquare, fewest: int) -> str:
    """What is known where chi-square over the number of samples is not small."""
    small = f"{float(chi2) / fewest:.3g}" + (f" ± {chi2.error / fewest:.1g}" if chi2.source == "pilot" else "")
    text = f"first order would say {value:.4g} for the variance, but needs chi-square / {fewest} = {small} "
    text += "to be small, and weights that do not come near zero: simulate"
    weights = weights_of(model)
    if weights is not None and weights.log_square_error < GOOD and tails_of_weights(model).near_zero.above(2.0):
        text += f"; the variance of one log weight is {weights.var_log:.6g} (exact)"
    return text


def _variance_value(model: Model, estimator: Estimator, moments: Moments) -> float:
    if isinstance(estimator, SUMO):
        return _variances.sumo(moments, estimator)
    if isinstance(estimator, SingleTerm):
        return _variances.single_term(moments, estimator)
    if isinstance(estimator, MLMC):
        evidence = log_evidence_of(model)
        return _variances.mlmc(moments, estimator, math.nan if evidence is None else evidence)
    if isinstance(estimator, JVI) and isinstance(moments, Gamma) and not _is_lossy(estimator):
        shape = moments.shape

        def log_laplace(t: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(-shape * np.log1p(t))

        return _variances.jackknife(log_laplace, estimator)
    if isinstance(estimator, IWAE | JVI):
        return float(moments.variance(float(estimator.k)))
    return math.nan


def _is_lossy(estimator: Estimator) -> bool:
    """Whether cancellation between subsets would leave fewer than six digits of a jackknife's variance."""
    return isinstance(estimator, JVI) and float(estimator.k) ** (2 * estimator.order) > 1e9


def _notes(model: Model, variance: Quantity, tail: Tail, chi2: ChiSquare) -> tuple[str, ...]:
    notes = []
    if variance.kind == "infinite":
        notes.append("the variance is infinite: the sample variance of a run grows with its length")
    elif tail.exists(4.0) is False:
        notes.append("the fourth moment is infinite: the sample variance of a run converges slowly")
    if tail.note:
        notes.append(f"tail: {tail.note}")
    if math.isinf(float(chi2)):
        notes.append("the weights have no variance: first-order theory says nothing of the estimator's variance")
    if far_out(model).has_mean is False:
        notes.append("the weights have no mean, as their tails show: there is no log evidence to estimate")
    if chi2.why:
        notes.append(chi2.why)
    weights = weights_of(model) if model.log_evidence is not None else None
    if weights is not None and abs(weights.log_evidence - (model.log_evidence or 0.0)) > 1e-5 + 10.0 * weights.error:
        notes.append(
            f"the model declares log Z = {model.log_evidence:.10g}, but quadrature gives {weights.log_evidence:.10g}"
        )
    return tuple(notes)
