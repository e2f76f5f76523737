"""Coordinates of a model's sample space that run over all of R^dim, as far as tails have to be followed.

With a proposal, or on normal noise, a point is ``centre + scale * sinh(y)``: a power tail falls like ``exp(-a |y|)``
and a normal one faster, and ``y = 200`` is a point at ``1e87``. Uniform noise is the logistic function of ``y``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.models.plain import plain, readonly
from fastsumo.models.proposals import Mixture

if TYPE_CHECKING:
    from fastsumo.models.model import Model

Floats = NDArray[np.float64]

_FURTHEST = 230.0  # of y: squares of points do not overflow
_ONE = 36.0  # of y on uniform noise: beyond it the noise is 1 to all digits
_PROBES = 16
_LOG_2PI = math.log(2.0 * math.pi)


class Coordinates:
    """A model's weights as a function of ``y`` in R^dim, and the density of ``y``.

    Attributes
    ----------
    dim : int
    low, high : float
        How far ``y`` can be followed on each side.
    arrays : bool
        Whether the model's function takes arrays and costs little, so that a million points are no matter.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.dim = model, model.dim
        self.uniform = model.noise == "uniform" and model.proposal is None
        self.low, self.high = (-700.0, _ONE) if self.uniform else (-_FURTHEST, _FURTHEST)
        self.center, self.scale = _location(model)
        self.log_volume = float(np.linalg.slogdet(self.scale)[1])
        self.arrays = not model.vectorized and self._takes_arrays()

    def points(self, y: Floats) -> Floats:
        """What the model's function is given, (n, dim)."""
        if self.uniform:
            return np.where(y < 0.0, np.exp(np.minimum(y, 0.0)), 1.0) / (1.0 + np.exp(-np.abs(y)))
        return np.asarray(self.center + np.sinh(y) @ self.scale.T)

    def outwards(self, directions: Floats, log_radius: Floats) -> Floats:
        """Coordinates at these distances from the centre: along rays, or of uniform noise along lines of ``y``."""
        if self.uniform:
            return directions * log_radius[..., None]
        return np.asarray(np.arcsinh(directions * np.exp(log_radius)[..., None]))

    def log_density(self, y: Floats) -> Floats:
        """Log density of ``y`` (n, dim) when samples are drawn."""
        return np.asarray(self._log_jacobian(y) + self._log_base(y, self.points(y)))

    def at(self, y: Floats) -> tuple[Floats, Floats, Floats]:
        """Log density of ``y``, log weight there, and the sum of the two, without loss where they cancel.

        NaN where the function raises.
        """
        points, jacobian = self.points(y), self._log_jacobian(y)
        base, target = self._log_base(y, points), values_of(self.model, points, self.arrays)
        if self.model.proposal is None:
            return jacobian + base, target, jacobian + base + target
        return jacobian + base, target - base, jacobian + target

    def _log_base(self, y: Floats, points: Floats) -> Floats:
        """Log density of the points as the model has them: of the proposal, of noise."""
        if self.model.proposal is not None:
            return self.model.proposal.log_density(points)
        return np.zeros(len(y)) if self.uniform else -0.5 * np.sum(points**2, axis=1) - 0.5 * self.dim * _LOG_2PI

    def _log_jacobian(self, y: Floats) -> Floats:
        size = np.abs(y)
        if self.uniform:
            return np.asarray(-np.sum(size + 2.0 * np.log1p(np.exp(-size)), axis=1))
        log_cosh = np.sum(size + np.log1p(np.exp(-2.0 * size)), axis=1) - self.dim * math.log(2.0)
        return np.asarray(log_cosh + self.log_volume)

    def log_weight(self, y: Floats) -> Floats:
        """Log weights at ``y`` (n, dim); NaN where the function raises."""
        return self.at(y)[1]

    def of_noise(self, noise: Floats) -> tuple[Floats, Floats]:
        """``y`` of noise (n, noise_dim) as trials draw it, and the log weights."""
        proposal = self.model.proposal
        points = noise if proposal is None else proposal.points(noise)
        with np.errstate(all="ignore"):
            if self.uniform:
                y = np.log(points) - np.log1p(-points)
            else:
                y = np.arcsinh(np.linalg.solve(self.scale, (points - self.center).T).T)
        return np.clip(y, self.low, self.high), log_weights_of(self.model, points, self.arrays)

    def _takes_arrays(self) -> bool:
        """What a function makes of arrays counts only where it agrees with plain calls."""
        y = np.random.default_rng(0).normal(0.0, 1.5, (_PROBES, self.dim))
        points = self.points(y)
        together = _together(self.model, points)
        return together is not None and np.allclose(
            together, _one_by_one(self.model, points), rtol=1e-12, atol=1e-12, equal_nan=True
        )


def log_weights_of(model: Model, points: Floats, arrays: bool) -> Floats:
    """Log weights of points (n, dim)."""
    values = values_of(model, points, arrays)
    return values if model.proposal is None else values - model.proposal.log_density(points)


def values_of(model: Model, points: Floats, arrays: bool) -> Floats:
    """What the model's function gives at points (n, dim); NaN where it raises."""
    values = _together(model, points) if arrays else None
    return _one_by_one(model, points) if values is None else values


def _one_by_one(model: Model, points: Floats) -> Floats:
    if model.vectorized:
        return _in_batches(model, points)
    function, arguments = plain(model.function), model.arguments()
    values, points = np.empty(len(points)), readonly(points)
    with np.errstate(all="ignore"):
        for i, point in enumerate(points):
            try:
                values[i] = function(point, *arguments)
            except Exception:  # whatever a function meets far out, or in plain Python at all
                values[i] = math.nan
    return values


def _in_batches(model: Model, points: Floats) -> Floats:
    """Of a vectorised model; where a batch raises, of halves of it."""
    with np.errstate(all="ignore"):
        try:
            return model.values(points)
        except Exception:
            if len(points) == 1:
                return np.array([math.nan])
    return np.concatenate([_in_batches(model, half) for half in np.array_split(points, 2)])


def _together(model: Model, points: Floats) -> Floats | None:
    with np.errstate(all="ignore"):
        try:
            values: Any = plain(model.function)(readonly(points.T), *model.arguments())
            values = np.asarray(values, dtype=np.float64)
        except Exception:  # whatever a function of scalars makes of arrays
            return None
    return values if values.shape == (len(points),) else None


def _location(model: Model) -> tuple[Floats, Floats]:
    """Centre and scale matrix of the points; of a mixture, those of all its components together."""
    proposal: Any = model.proposal
    if proposal is None:
        return np.zeros(model.dim), np.eye(model.dim)
    if not isinstance(proposal, Mixture):
        return proposal.mean, _matrix(proposal._scale)
    means = np.array([part.mean for part in proposal.components])
    center = proposal.weights @ means
    spread = sum(
        weight * (_matrix(part._scale) @ _matrix(part._scale).T + np.outer(mean - center, mean - center))
        for weight, part, mean in zip(proposal.weights, proposal.components, means, strict=True)
    )
    return center, np.linalg.cholesky(spread)


def _matrix(scale: Floats) -> Floats:
    return scale if scale.ndim == 2 else np.diag(scale)
