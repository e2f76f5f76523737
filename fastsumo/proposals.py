"""Proposals of importance sampling, and `importance`, which makes a model from a log density and a proposal.

A proposal turns noise into points: ``x = x(noise)`` with ``log q(x)`` a function of the noise. Its numbers reach the
kernels as parameters, so that other numbers need no compilation. The compiled maps are in `kernels/transforms.py`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo import _check
from fastsumo.model import Model

_LOG_2PI = math.log(2.0 * math.pi)


class Proposal(ABC):
    """A density that can be sampled and evaluated."""

    dim: int
    noise_dim: int  # standard normals that one point takes

    @property
    @abstractmethod
    def transform(self) -> str:
        """Name of the compiled map from noise to points (see `kernels/transforms.py`)."""

    @abstractmethod
    def packed(self) -> NDArray[np.float64]:
        """The numbers that the compiled map takes, as one vector."""

    @abstractmethod
    def points(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, dim) from standard normals (n, noise_dim); the plain NumPy twin of the compiled map."""

    @abstractmethod
    def log_density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """``log q`` at points (n, dim)."""


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
        mean = _check.vector("mean", self.mean)
        if mean.size == 0:
            raise ValueError("mean must have at least one coordinate")
        covariance = np.array(self.covariance, dtype=np.float64)
        scale = _scale(covariance, mean.size)
        covariance.flags.writeable = False
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)
        object.__setattr__(self, "_scale", scale)
        object.__setattr__(self, "dim", mean.size)
        object.__setattr__(self, "noise_dim", mean.size)

    @property
    def transform(self) -> str:
        return "gaussian_diagonal" if self._scale.ndim == 1 else "gaussian_full"  # type: ignore[attr-defined]

    def packed(self) -> NDArray[np.float64]:
        scale = self._scale  # type: ignore[attr-defined]
        if scale.ndim == 1:
            constant, factor = np.sum(np.log(scale)), scale
        else:
            constant, factor = np.sum(np.log(np.diag(scale))), scale[np.tril_indices(self.dim)]
        return np.concatenate([[-constant - self.dim * _LOG_2PI / 2], self.mean, factor])

    def points(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        scale = self._scale  # type: ignore[attr-defined]
        return self.mean + (noise * scale if scale.ndim == 1 else noise @ scale.T)

    def log_density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        scale = self._scale  # type: ignore[attr-defined]
        offset = x - self.mean
        noise = offset / scale if scale.ndim == 1 else np.linalg.solve(scale, offset.T).T
        return self.packed()[0] - np.sum(noise**2, axis=-1) / 2


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
    if not np.allclose(covariance, covariance.T, rtol=1e-10, atol=0.0):
        raise ValueError("covariance must be symmetric")
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        low = np.linalg.eigvalsh(covariance)[0]
        raise ValueError(f"covariance must be positive definite; its smallest eigenvalue is {low:.3g}") from None
    if np.count_nonzero(factor - np.diag(np.diag(factor))) == 0:
        return np.diag(factor).copy()
    return factor


def importance(
    log_density: Callable[..., float],
    proposal: Proposal,
    params: ArrayLike = (),
    log_evidence: float | Callable[[NDArray[np.float64]], float] | None = None,
    *,
    data: ArrayLike | None = None,
    name: str | None = None,
    chi_square: float | None = None,
) -> Model:
    """A model from an unnormalised log density and a proposal: ``log w = log_density(x) - log q(x)``, ``x ~ q``.

    Parameters
    ----------
    log_density : callable ``(x, params) -> float``
        Plain Python on ``x``, a vector of ``proposal.dim`` numbers; use `fastsumo.vmath` for speed. With ``data``,
        ``(x, row, params)``.
    proposal : Proposal
        For example ``fs.proposals.Gaussian(mean, covariance)``.
    params : sequence of float
        Passed to ``log_density``; change them with `Model.with_params`, without compilation.
    log_evidence : float or callable of params, optional
        The true ``log Z``, where it is known.
    data : array_like, shape (rows, columns), optional
        See `fs.evaluate`.
    name : str, optional
        What reports call the model; by default the name of ``log_density``.
    chi_square : float, optional
        The chi-square divergence of the target from the proposal, where it is known.

    Returns
    -------
    Model

    Examples
    --------
    >>> model = importance(lambda x, params: -0.5 * x[0] ** 2, Gaussian([0.0], 2.0))
    >>> model.dim
    1
    """
    if not isinstance(proposal, Proposal):
        raise TypeError(f"proposal must be one such as fs.proposals.Gaussian(mean, covariance), got {proposal!r}")
    return Model(
        log_density,
        dim=proposal.dim,
        params=params,
        log_evidence=log_evidence,
        data=data,
        name=name,
        proposal=proposal,
        chi_square=chi_square,
    )
