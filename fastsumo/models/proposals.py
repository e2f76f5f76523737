"""Proposals of importance sampling. What makes a model of one and a log density is `importance`, beside `Model`.

A proposal turns noise into points: ``x = x(noise)`` with ``log q(x)`` a function of the noise. Its numbers reach
the kernels as parameters, so that other numbers need no compilation. The compiled maps are in
`transforms.py`.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks, exact, words
from fastsumo.base.shown import Shown
from fastsumo.vmath import normal_cdf

_LOG_2PI = exact.log(2.0 * math.pi)
_far_out = np.errstate(all="ignore")  # with few degrees of freedom points are infinite where noise is rare enough


class Proposal(Shown, ABC):
    """A density that can be sampled and evaluated.

    Attributes
    ----------
    dim : int
        Of a point.
    noise_dim : int
        Standard normals that one point takes.

    Examples
    --------
    >>> isinstance(Gaussian([0.0], 1.0), Proposal), isinstance(StudentT([0.0], 1.0, df=3), Proposal)
    (True, True)
    """

    dim: int
    noise_dim: int  # standard normals that one point takes

    def __new__(cls, *_values: object, **_named: object) -> Self:
        words.check_names(cls, _named)
        return super().__new__(cls)

    @property
    @abstractmethod
    def transform(self) -> str:
        """Name of the compiled map from noise to points (see `transforms.py`)."""

    @abstractmethod
    def packed(self) -> NDArray[np.float64]:
        """The numbers that the compiled map takes, as one vector."""

    @abstractmethod
    def points(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, dim) from standard normals (n, noise_dim); the plain NumPy twin of the compiled map.

        Parameters
        ----------
        noise : ndarray, shape (n, noise_dim)

        Returns
        -------
        ndarray, shape (n, dim)

        Examples
        --------
        >>> Gaussian([1.0, 2.0], 4.0).points(np.array([[0.0, 0.0], [1.0, -1.0]]))
        array([[1., 2.],
               [3., 0.]])
        """

    @abstractmethod
    def log_density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """``log q`` at points (n, dim).

        Parameters
        ----------
        x : ndarray, shape (n, dim)

        Returns
        -------
        ndarray, shape (n,)

        Examples
        --------
        >>> Gaussian([0.0], 1.0).log_density(np.array([[0.0]])).round(6)
        array([-0.918939])
        """

    @property
    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """The proposal's parameters by name.

        Examples
        --------
        >>> Gaussian([0.0, 0.0], 5.0).parameters["covariance"]
        array(5.)
        """
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        return {name: np.asarray(getattr(self, name)) for name in names}

    def with_parameters(self, **values: ArrayLike) -> Proposal:
        """The proposal with other values of some of its `parameters`; of the same size, they need no compilation.

        Examples
        --------
        >>> Gaussian([0.0, 0.0], 5.0).with_parameters(mean=[1.0, 2.0]).parameters["mean"]
        array([1., 2.])
        """
        for name in values:
            checks.choice("parameter", name, self.parameters)
        return dataclasses.replace(self, **values)  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class Gaussian(Proposal):
    """Normal proposal.

    Parameters
    ----------
    mean : array_like, shape (dim,)
    covariance : float or array_like
        A number (times the identity), a vector (the diagonal) or a symmetric positive definite (dim, dim) matrix.

    Raises
    ------
    ValueError
        If the covariance does not fit the mean, or is not symmetric and positive definite.

    Examples
    --------
    >>> Gaussian([0.0, 0.0], 5.0).dim
    2
    """

    mean: Any
    covariance: Any

    def __post_init__(self) -> None:
        _set_location(self)
        object.__setattr__(self, "noise_dim", self.dim)

    @property
    def transform(self) -> str:
        return "gaussian_diagonal" if self._scale.ndim == 1 else "gaussian_full"  # type: ignore[attr-defined]

    def packed(self) -> NDArray[np.float64]:
        scale = self._scale  # type: ignore[attr-defined]
        constant = -self._log_determinant - self.dim * _LOG_2PI / 2  # type: ignore[attr-defined]
        return np.concatenate([[constant], self.mean, _lower(scale)])

    @_far_out
    def points(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.mean + _times(self._scale, noise)  # type: ignore[attr-defined]

    @_far_out
    def log_density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        noise = _over(self._scale, x - self.mean)  # type: ignore[attr-defined]
        return self.packed()[0] - np.sum(noise**2, axis=-1) / 2


@dataclass(frozen=True, eq=False)
class StudentT(Proposal):
    """Multivariate Student t proposal, whose tails are heavier than a normal's: weights stay bounded more often.

    Parameters
    ----------
    mean : array_like, shape (dim,)
        The centre; the mean where ``df > 1``.
    covariance : float or array_like
        As for `Gaussian`, which is the limit of large ``df``. The points' own covariance is ``df / (df - 2)`` times it
        where ``df > 2``, else infinite.
    df : float
        Degrees of freedom, any real number from 0.25 to 1e12.

    Notes
    -----
    Points are a smooth function of standard normals, two for every two coordinates and none besides: given the
    coordinates before, ``y``, the next pair of a t is itself one with ``v = df + len(y)`` degrees of freedom, its
    covariance times ``(df + |y|^2) / v`` (Ding, The American Statistician 70, 2016), and the squared radius of a pair
    has the distribution function ``1 - (1 + r^2 / v)^(-v/2)``, so ``r^2 = v expm1(s / v)`` with ``s`` the squared
    radius of two normals (Bailey, Mathematics of Computation 62, 1994). For odd ``dim`` one more normal completes the
    last pair.

    Examples
    --------
    >>> StudentT([0.0, 0.0, 0.0], 2.0, df=4.5).noise_dim
    4
    """

    mean: Any
    covariance: Any
    df: float

    def __post_init__(self) -> None:
        _set_location(self)
        object.__setattr__(self, "df", checks.real("df", self.df, *_DF, closed="low high"))
        object.__setattr__(self, "noise_dim", self.dim + self.dim % 2)

    @property
    def transform(self) -> str:
        return "student_diagonal" if self._scale.ndim == 1 else "student_full"  # type: ignore[attr-defined]

    def packed(self) -> NDArray[np.float64]:
        scale = self._scale  # type: ignore[attr-defined]
        constant = exact.log_student(self.df, self.dim) - self._log_determinant  # type: ignore[attr-defined]
        return np.concatenate([[constant, self.df], self.mean, _lower(scale)])

    @_far_out
    def points(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.mean + _times(self._scale, _student_points(noise, self.dim, self.df))  # type: ignore[attr-defined]

    @_far_out
    def log_density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        square = np.sum(_over(self._scale, x - self.mean) ** 2, axis=-1)  # type: ignore[attr-defined]
        return self.packed()[0] - (self.df + self.dim) / 2 * np.log1p(square / self.df)


@dataclass(frozen=True, eq=False)
class Mixture(Proposal):
    """Mixture of normal and Student t proposals.

    Parameters
    ----------
    components : sequence of Gaussian and StudentT
        At least one, all of one dimension.
    weights : array_like, shape (components,)
        Positive; only their ratios count.

    Notes
    -----
    One more standard normal than the components need chooses among them. The parameters of component 1 are named
    ``"1.mean"`` and so on.

    Examples
    --------
    >>> two = Mixture([Gaussian([-2.0], 1.0), StudentT([2.0], 4.0, df=3)], [1.0, 3.0])
    >>> two.weights
    array([0.25, 0.75])
    >>> sorted(two.parameters)
    ['0.covariance', '0.mean', '1.covariance', '1.df', '1.mean', 'weights']
    """

    components: Any
    weights: Any

    def __post_init__(self) -> None:
        if not isinstance(self.components, Sequence) or not self.components:
            raise TypeError(f"components must be a list of Gaussian and StudentT proposals, got {self.components!r}")
        for part in self.components:
            if not isinstance(part, (Gaussian, StudentT)):
                raise TypeError(f"components must be Gaussian or StudentT proposals, got {part!r}")
        components = tuple(self.components)
        dim = components[0].dim
        if any(part.dim != dim for part in components):
            raise ValueError(f"components must have one dimension, got {[part.dim for part in components]}")
        weights = checks.vector("weights", self.weights)
        if weights.size != len(components) or np.any(weights <= 0):
            raise ValueError(f"weights must be {len(components)} positive numbers, got {weights.tolist()}")
        weights = weights / math.fsum(weights)
        weights.flags.writeable = False
        object.__setattr__(self, "components", components)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "dim", dim)
        object.__setattr__(self, "noise_dim", max(part.noise_dim for part in components) + 1)

    @property
    def parameters(self) -> dict[str, NDArray[np.float64]]:
        inside = {
            f"{i}.{name}": value for i, part in enumerate(self.components) for name, value in part.parameters.items()
        }
        return {"weights": self.weights, **inside}

    def with_parameters(self, **values: ArrayLike) -> Mixture:
        for name in values:
            checks.choice("parameter", name, self.parameters)
        components = []
        for i, part in enumerate(self.components):
            own = {name.split(".")[1]: value for name, value in values.items() if name.startswith(f"{i}.")}
            components.append(part.with_parameters(**own))
        return Mixture(components, values.get("weights", self.weights))

    @property
    def transform(self) -> str:
        return "mixture"

    def packed(self) -> NDArray[np.float64]:
        full = any(part._scale.ndim == 2 for part in self.components)
        blocks = []
        for part, weight in zip(self.components, self.weights, strict=True):
            df = part.df if isinstance(part, StudentT) else 0.0
            scale = np.diag(part._scale) if full and part._scale.ndim == 1 else part._scale
            blocks.append([[exact.log(weight) + part.packed()[0], df], part.mean, _lower(scale)])
        numbers = [number for block in blocks for number in block]
        return np.concatenate([[len(self.components), float(full)], self._limits(), *numbers])

    def _limits(self) -> NDArray[np.float64]:
        """Where one component's share of a standard normal ends and the next begins; the last is infinite."""
        below, above = np.cumsum(self.weights), np.cumsum(self.weights[::-1])[::-1]
        limits = [
            _normal_quantile(p) if p < 0.5 else -_normal_quantile(q) for p, q in zip(below, above[1:], strict=False)
        ]
        return np.array([*limits, np.inf])

    @_far_out
    def points(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        chosen = np.searchsorted(self._limits(), noise[:, -1], side="right")
        points = np.empty((noise.shape[0], self.dim))
        for c, part in enumerate(self.components):
            points[chosen == c] = part.points(noise[chosen == c, : part.noise_dim])
        return points

    @_far_out
    def log_density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = [np.log(w) + part.log_density(x) for part, w in zip(self.components, self.weights, strict=True)]
        return np.logaddexp.reduce(parts, axis=0)


_DF = 0.25, 1e12  # below, points overflow; above, nothing differs from a normal


def _set_location(proposal: Any) -> None:
    """Check and keep ``mean`` and ``covariance``, and set what follows from them."""
    mean = checks.vector("mean", proposal.mean)
    if mean.size == 0:
        raise ValueError("mean must have at least one coordinate")
    covariance = checks.floats("covariance", proposal.covariance)
    scale = _scale(covariance, mean.size)
    covariance.flags.writeable = False
    object.__setattr__(proposal, "mean", mean)
    object.__setattr__(proposal, "covariance", covariance)
    object.__setattr__(proposal, "_scale", scale)
    diagonal = scale if scale.ndim == 1 else np.diag(scale)
    object.__setattr__(proposal, "_log_determinant", exact.log_product(diagonal.tolist()))
    object.__setattr__(proposal, "dim", mean.size)


@lru_cache(maxsize=1024)
def _normal_quantile(p: float) -> float:
    """The smallest number whose `normal_cdf` is at least ``p``, for ``0 < p <= 1/2``; bisected to the last bit."""
    low, high = -39.0, 0.0
    while low < (middle := 0.5 * (low + high)) < high:
        low, high = (middle, high) if normal_cdf(middle) < p else (low, middle)
    return high


def _lower(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """The diagonal, or the lower triangle by rows."""
    return scale if scale.ndim == 1 else scale[np.tril_indices(scale.shape[0])]


def _times(scale: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return noise * scale if scale.ndim == 1 else noise @ scale.T


def _over(scale: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    noise: NDArray[np.float64] = offset / scale if scale.ndim == 1 else np.linalg.solve(scale, offset.T).T  # type: ignore[assignment]
    return noise


def _student_points(noise: NDArray[np.float64], dim: int, df: float) -> NDArray[np.float64]:
    """Standard multivariate t of normals, pair by pair (see `StudentT`)."""
    spread, pairs = np.full(noise.shape[0], df), []  # df + |y|^2
    for j in range(0, dim, 2):
        pair, freedom = noise[:, j : j + 2], df + j
        square = np.maximum(np.sum(pair**2, axis=1), 1e-200)
        pair = pair * np.sqrt(spread * (np.expm1(square / freedom) / square))[:, None]
        pairs.append(pair)
        spread = spread + np.sum(pair**2, axis=1)
    return np.concatenate(pairs, axis=1)[:, :dim]


def _scale(covariance: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
    """The standard deviations (dim,) of a diagonal covariance, or the lower Cholesky factor (dim, dim)."""
    if not np.all(np.isfinite(covariance)):
        raise ValueError("covariance must be finite")
    if covariance.ndim == 0:
        covariance = np.full(dim, float(covariance))
    if covariance.ndim == 1 and covariance.size == dim:
        if np.any(covariance <= 0):
            raise ValueError(f"variances must be positive, got {covariance.min():g}")
        return np.sqrt(covariance)
    if covariance.shape != (dim, dim):
        raise ValueError(
            f"covariance must be a number, {dim} variances or a ({dim}, {dim}) matrix to fit the mean, "
            f"got shape {covariance.shape}"
        )
    spread = np.sqrt(np.abs(np.diag(covariance)))
    if np.any(np.abs(covariance - covariance.T) > 1e-10 * np.outer(spread, spread)):  # a covariance near 0 is rounded
        raise ValueError("covariance must be symmetric")
    factor = _cholesky(covariance)
    if factor is None:
        low = np.linalg.eigvalsh(covariance)[0]
        raise ValueError(f"covariance must be positive definite; its smallest eigenvalue is {low:.3g}")
    if np.count_nonzero(factor - np.diag(np.diag(factor))) == 0:
        return np.diag(factor).copy()
    return factor


def _cholesky(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The lower Cholesky factor, or None where there is none; column by column, so that its bits are those of IEEE.

    LAPACK's depend on the CPU.
    """
    rest, factor = matrix.copy(), np.zeros_like(matrix)
    for j in range(matrix.shape[0]):
        if not rest[j, j] > 0.0:
            return None
        factor[j:, j] = column = rest[j:, j] / math.sqrt(rest[j, j])
        rest[j:, j:] -= column[:, None] * column
    return factor
