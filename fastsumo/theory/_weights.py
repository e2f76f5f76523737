"""The weights of a model of dimension 1 or 2 as a finite sum: log weights at quadrature points, with masses.

Sums over these points are expectations to some eleven digits where the log weight is smooth. Also
vectorised calls of a model's plain Python function, where it allows them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.jit.fingerprint import fingerprint
from fastsumo.models.plain import plain, readonly
from fastsumo.models.proof import Proof

if TYPE_CHECKING:
    from fastsumo.models.model import Model

Floats = NDArray[np.float64]

_EDGE = 38.0  # beyond it the normal density is below 1e-313
_SMALL = -46.0  # log of what is left out of an expectation
_STEPS = (0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625)
_MOST_POINTS = 2_000_000  # where the function takes arrays ...
_MOST_CALLS = 200_000  # ... and where it does not
_ROUNDING = 1e-14  # a chi-square below it is that of constant weights
_PROBES = 16


@dataclass(frozen=True, eq=False)
class Weights:
    """Points of the distribution of ``log w``.

    Attributes
    ----------
    log_weight : ndarray, shape (n,)
        Relative to the log evidence, so that the mean weight is 1.
    mass : ndarray, shape (n,)
    log_evidence : float
    error : float
        How much expectations of ``exp(-t w)`` and of ``log w`` moved at the last halving of the step.
    chi_square : float
        Infinite where the integrand of the second moment does not vanish far out.
    """

    log_weight: Floats
    mass: Floats
    log_evidence: float
    error: float
    chi_square: float

    @cached_property
    def zero_mass(self) -> float:
        """Probability of a zero weight."""
        return float(np.sum(self.mass[np.isneginf(self.log_weight)]))

    def mean_deviation(self) -> float:
        """``E |w / Z - 1|``."""
        return float(self.mass @ np.abs(np.expm1(self.log_weight)))


class ByContent:
    """A model as a key: two that are made alike, such as ``fs.models.note()`` twice, are the same.

    What its function reaches is in the key as it is now; a function that cannot be told by content is like no other.
    """

    def __init__(self, model: Model) -> None:
        proposal = model.proposal
        packed = None if proposal is None else (type(proposal), proposal.packed().tobytes())
        self.model = model
        self._key = (
            fingerprint(model.function) or object(),
            model.noise,
            model.dim,
            model.params.tobytes(),
            None if model.row is None else model.row.tobytes(),
            packed,
            model.log_evidence,
        )

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByContent) and self._key == other._key


def look_at(model: Model) -> None:
    """The part of a model's proof that compiles nothing (`models/proof.py`); once for each of the last 32."""
    _looked_at(ByContent(model))


@lru_cache(maxsize=32)
def _looked_at(key: ByContent) -> None:
    Proof(key.model).look()


def weights_of(model: Model) -> Weights | None:
    """The weights of a model without data and with at most two random numbers a sample; else None.

    None also where the log weight is too rough for ten digits. The last 32 are kept.

    Examples
    --------
    >>> import fastsumo as fs
    >>> round(weights_of(fs.models.lognormal(0.5)).chi_square, 12) == round(math.expm1(0.25), 12)
    True
    """
    look_at(model)
    return _find(ByContent(model)) if model.noise_dim <= 2 and model.data is None else None


def log_weights_at(model: Model, noise: Floats) -> Floats:
    """Log weights of noise (n, noise_dim): in one call of the function on arrays, or else point by point.

    The function is given one array for each coordinate. What it makes of them counts only where it agrees
    with plain calls at a few points: a function that looks at ``z.size``, say, does not.
    """
    points = noise if model.proposal is None else model.proposal.points(noise)
    some = np.unique(np.linspace(0, len(noise) - 1, _PROBES).astype(int))
    expected = model(noise[some])
    together = _together(model, points)
    if together is None or not np.allclose(together[some], expected, rtol=1e-12, atol=1e-12, equal_nan=True):
        return model(noise)
    return together


def _together(model: Model, points: Floats) -> Floats | None:
    with np.errstate(all="ignore"):
        try:
            values: Any = plain(model.function)(readonly(points.T), *model.arguments())
            values = np.asarray(values, dtype=np.float64)
        except Exception:  # whatever a function of scalars makes of arrays
            return None
        if values.shape != (len(points),):
            return None
        return values if model.proposal is None else values - model.proposal.log_density(points)


@lru_cache(maxsize=32)
def _find(key: ByContent) -> Weights | None:
    model = key.model
    box = _box(model)
    if box is None:
        return None
    low, high, square_is_inside = box
    last: Weights | None = None
    for step in _STEPS:
        count = np.prod(np.ceil((high - low) / step))
        if count > _MOST_POINTS or (count > _MOST_CALLS and not _takes_arrays(model)):
            break
        found = _on_grid(model, low, high, step, square_is_inside)
        if last is not None and (error := _difference(last, found)) < 1e-8:
            last = replace(last if error < 1e-12 else found, error=error)
            if error < 1e-12:
                break
        else:
            last = found
    return last if last is not None and last.error < 1e-8 else None


def _box(model: Model) -> tuple[Floats, Floats, bool] | None:
    """Where ``max(1, w)`` or ``w^2`` times the density counts, and whether that of ``w^2`` ends; or None."""
    noise, log_density = _grid(model, np.full(model.noise_dim, -_EDGE), np.full(model.noise_dim, _EDGE), 0.5)
    log_weight = log_weights_at(model, _noise_of(model, noise))
    finite = np.isfinite(log_weight)
    if np.any(np.isnan(log_weight)) or np.any(np.isposinf(log_weight)) or not finite.any():
        return None
    log_evidence = _log_sum(log_weight + log_density)
    relative = np.where(finite, log_weight - log_evidence, -np.inf)
    square = 2.0 * relative + log_density
    square_is_inside = _inside(noise, square)
    counts = log_density + np.maximum(relative, 0.0) > _SMALL
    if square_is_inside:
        counts |= square > _SMALL + max(0.0, _log_sum(square))
    reach = noise[counts]
    return (
        np.maximum(reach.min(axis=0) - 1.0, -_EDGE),
        np.minimum(reach.max(axis=0) + 1.0, _EDGE),
        square_is_inside,
    )


def _inside(noise: Floats, log_integrand: Floats) -> bool:
    """Whether an integrand has vanished at the edge of the box."""
    edge = np.max(np.abs(noise), axis=1) > _EDGE - 1.5
    return bool(np.max(log_integrand[edge]) < np.max(log_integrand) - 20.0)


def _on_grid(model: Model, low: Floats, high: Floats, step: float, square_is_inside: bool) -> Weights:
    noise, log_density = _grid(model, low, high, step)
    log_weight = log_weights_at(model, _noise_of(model, noise))
    log_mass = log_density + model.noise_dim * math.log(step)
    log_evidence = _log_sum(log_weight + log_mass)
    relative = log_weight - log_evidence
    square = math.exp(min(_log_sum(2.0 * relative + log_mass), 700.0)) if square_is_inside else math.inf
    keep = log_mass + np.maximum(relative, 0.0) > _SMALL - 4.0
    chi_square = square - 1.0 if square - 1.0 > _ROUNDING else 0.0
    return Weights(relative[keep], np.exp(log_mass[keep]), log_evidence, math.inf, chi_square)


def _grid(model: Model, low: Floats, high: Floats, step: float) -> tuple[Floats, Floats]:
    """Points (n, noise_dim), half a step off the origin, and their log density."""
    sides = [
        step * (np.arange(math.floor(a / step), math.ceil(b / step)) + 0.5) for a, b in zip(low, high, strict=True)
    ]
    points = np.stack([side.ravel() for side in np.meshgrid(*sides, indexing="ij")], axis=-1)
    return points, -0.5 * np.sum(points**2, axis=1) - 0.5 * model.noise_dim * math.log(2.0 * math.pi)


def _noise_of(model: Model, normal: Floats) -> Floats:
    """The model's noise at standard normals: these, or their uniform ranks, kept away from 0 and 1."""
    if model.noise == "normal":
        return normal
    from scipy.special import ndtr

    return np.clip(ndtr(normal), 2.0**-1000, 1.0 - 2.0**-53)


def _takes_arrays(model: Model) -> bool:
    few = _noise_of(model, np.random.default_rng(0).standard_normal((_PROBES, model.noise_dim)))
    points = few if model.proposal is None else model.proposal.points(few)
    together = _together(model, points)
    return together is not None and np.allclose(together, model(few), rtol=1e-12, atol=1e-12)


def _difference(one: Weights, two: Weights) -> float:
    """How far two rules are apart: log evidence, chi-square, mean log weight, Laplace transform."""
    apart = [abs(one.log_evidence - two.log_evidence)]
    if math.isfinite(two.chi_square):
        apart.append(abs(one.chi_square - two.chi_square) / (1.0 + two.chi_square))
    if one.zero_mass == two.zero_mass == 0.0:
        apart.append(abs(float(one.mass @ one.log_weight - two.mass @ two.log_weight)))
    for t in (1e-3, 0.1, 1.0, 10.0, 1e3):
        one_value, two_value = (w.mass @ np.expm1(-t * np.exp(w.log_weight)) for w in (one, two))
        apart.append(abs(float(one_value - two_value)))
    return max(apart)


def _log_sum(x: Floats) -> float:
    top = float(np.max(x))
    return top + math.log(float(np.sum(np.exp(x - top))))
