"""`predict`: mean, variance, cost and tail of an estimator on a model, each as well as it can be known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fastsumo.base.floats import own_errstate
from fastsumo.estimators.estimators import IWAE, JVI, MLMC, SUMO, Estimator, SingleTerm, Stratum
from fastsumo.models.builtin import _gamma_log_weight
from fastsumo.models.model import Model

from . import _variances
from ._chi_square import chi_square
from ._frullani import MOST_SAMPLES, log_evidence_of, mean_log_average
from ._moments import FirstOrder, Gamma, Moments
from ._quantities import INFINITE, UNKNOWN, ChiSquare, Prediction, Quantity
from ._survival import SurvivalFormula
from ._tails import LIGHT, Tail, tail_of
from ._weights import look_at, weights_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@own_errstate
def predict(model: Model, estimator: Estimator) -> Prediction:
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
        All else is of first order in the chi-square divergence.

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
    SUMO(roulette=Harmonic()) on gamma(1), by theory
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
    check(model, estimator)
    look_at(model)
    chi2 = chi_square(model)
    tail = _tail(model, estimator, chi2)
    mean = _mean(model, estimator, chi2)
    variance = _variance(model, estimator, chi2, tail)
    samples = estimator.expected_cost()
    cost = INFINITE if math.isinf(samples) else Quantity(samples, "exact")
    return Prediction(
        model.name,
        estimator,
        mean,
        variance,
        cost,
        variance.times(cost),
        Quantity(tail.index, "first-order"),
        UNKNOWN if math.isnan(tail.constant) else Quantity(tail.constant, "first-order"),
        chi2,
        _notes(model, variance, tail, chi2),
    )


def check(model: object, estimator: object) -> None:
    """Raise where the arguments are not a model without data and an estimator."""
    if not isinstance(model, Model):
        raise TypeError(f"model must be a fastsumo Model, got {model!r}")
    if not isinstance(estimator, Estimator):
        raise TypeError(f"estimator must be one such as fs.SUMO(fs.roulette.Harmonic()), got {estimator!r}")
    if isinstance(estimator, Stratum):
        raise ValueError(f"theory is of whole estimators, and {estimator!r} is a part of one")
    if model.data is not None:
        raise ValueError(f"model {model.name!r} has data: every row is a model of its own, and theory is of one")


@own_errstate
def tail_index(model: Model, estimator: Estimator) -> float:
    """The tail index of an estimator's values on a model; infinite for tails lighter than any power.

    ``2 s / (2 s - 1)`` for SUMO under ``P_k = k^-s``, 1 for geometric tails of `K`; see `predict`. Costs no
    quadrature and no pilot: weights of unknown law are taken for light.

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
    check(model, estimator)
    chi2 = math.nan if model.chi_square is None else model.chi_square
    return tail_of(estimator, chi2, model.weight_tail_index).index


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
    shape = gamma_shape(model)
    return None if shape is None else Gamma(shape)


def gamma_shape(model: Model) -> float | None:
    """The shape of gamma weights, or None for other models."""
    return model.dim / 2.0 if model.function is _gamma_log_weight else None


def _tail(model: Model, estimator: Estimator, chi2: ChiSquare) -> Tail:
    if float(chi2) == 0.0:
        return LIGHT  # constant weights
    deviation = _mean_deviation(model) if isinstance(estimator, SingleTerm) else math.nan
    return tail_of(estimator, float(chi2), model.weight_tail_index, deviation)


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


def _mean(model: Model, estimator: Estimator, chi2: ChiSquare) -> Quantity:
    """Exactly the expectation of IWAE with the last sample that a trial can reach, or the log evidence."""
    if _has_no_mean(model, estimator):
        return Quantity(math.nan, "infinite")
    if _has_zeros(model):
        return Quantity(-math.inf, "exact")
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
            total = math.fsum(c * value for (c, _), value in zip(parts, known, strict=True))
            return Quantity(total, "exact")
    if evidence is None:
        return UNKNOWN
    if math.isinf(parts[0][1]):
        return Quantity(evidence, "exact")
    bias = 0.0 if isinstance(estimator, JVI) else -0.5 * float(chi2) / parts[0][1]
    return Quantity(evidence + bias, "first-order") if math.isfinite(bias) else UNKNOWN


def _has_no_mean(model: Model, estimator: Estimator) -> bool:
    """Whether ``E |value|`` is infinite."""
    return tail_index(model, estimator) <= 1.0


def _has_zeros(model: Model) -> bool:
    """Whether a weight is known to be zero now and then, so that no mean is finite."""
    if gamma_shape(model) is not None:
        return False
    weights = weights_of(model)
    return weights is not None and weights.zero_mass > 1e-12


def _variance(model: Model, estimator: Estimator, chi2: ChiSquare, tail: Tail) -> Quantity:
    if tail.index <= 2.0:
        return INFINITE
    if _has_zeros(model):
        return UNKNOWN
    if float(chi2) == 0.0:
        return Quantity(0.0, "exact")  # constant weights
    gamma = gamma_moments(model)
    weights = weights_of(model) if gamma is None else None
    if isinstance(estimator, IWAE) and estimator.k == 1 and weights is not None:
        mean = weights.mass @ weights.log_weight
        return Quantity(float(weights.mass @ (weights.log_weight - mean) ** 2), "exact")
    if gamma is None and not math.isfinite(float(chi2)):
        return UNKNOWN
    value = _variance_value(model, estimator, gamma or FirstOrder(float(chi2)))
    if math.isnan(value):
        return UNKNOWN
    exact = gamma is not None and not _is_lossy(estimator)
    return INFINITE if math.isinf(value) else Quantity(value, "exact" if exact else "first-order")


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
    elif tail.index <= 4.0:
        notes.append("the fourth moment is infinite: the sample variance of a run converges slowly")
    if tail.note:
        notes.append(f"tail: {tail.note}")
    if tail != LIGHT and model.weight_tail_index is None:
        notes.append("the weights are taken to have light tails: the model declares no weight_tail_index")
    if math.isinf(float(chi2)):
        notes.append("the weights have no variance: first-order theory says nothing of the estimator's variance")
    return tuple(notes)
