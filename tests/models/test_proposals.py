"""Proposals: points and densities against scipy.stats, the compiled maps against plain Python, and known evidences.

The plain Python twins are `Proposal.points` and `Proposal.log_density`; the normals are those of the engine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from zoo import slow

import fastsumo as fs
from fastsumo.models.proposals import Gaussian, Mixture, Proposal, StudentT

RNG = np.random.default_rng(20)


def covariance(dim: int) -> np.ndarray:
    factor = np.random.default_rng(dim).normal(size=(dim, dim))
    return factor @ factor.T + np.eye(dim)


def examples(dim: int) -> list[Proposal]:
    mean = np.linspace(-1.0, 1.0, dim)
    wide = StudentT(mean, covariance(dim), 1.5)
    return [
        Gaussian(mean, 2.0),
        Gaussian(mean, covariance(dim)),
        StudentT(mean, np.linspace(1.0, 3.0, dim), 4.5),
        wide,
        StudentT(mean, 2.0, 1e9),
        Mixture([Gaussian(mean, 1.0), StudentT(-mean, 2.0, 3.0)], [1.0, 2.0]),
        Mixture([wide, Gaussian(mean + 1.0, 0.5), Gaussian(-mean, covariance(dim))], [0.2, 0.3, 0.5]),
        Mixture([Gaussian(mean, 2.0)], [1.0]),
    ]


def scipy_log_density(proposal: Any, x: np.ndarray) -> np.ndarray:
    if isinstance(proposal, Mixture):
        parts = [scipy_log_density(part, x) for part in proposal.components]
        return np.log(np.sum(proposal.weights[:, None] * np.exp(parts), axis=0))
    matrix = proposal.covariance * np.eye(proposal.dim) if proposal.covariance.ndim < 2 else proposal.covariance
    if isinstance(proposal, Gaussian):
        return np.atleast_1d(stats.multivariate_normal(proposal.mean, matrix).logpdf(x))
    return np.atleast_1d(stats.multivariate_t(proposal.mean, matrix, proposal.df).logpdf(x))


@pytest.mark.parametrize("dim", [1, 2, 3, 6])
def test_log_density_is_that_of_scipy(dim: int) -> None:
    x = 3.0 * RNG.normal(size=(50, dim))
    for proposal in examples(dim):
        tolerance = 1e-5 if getattr(proposal, "df", 0.0) > 1e6 else 1e-11  # scipy subtracts large log gammas
        np.testing.assert_allclose(proposal.log_density(x), scipy_log_density(proposal, x), rtol=tolerance)


@pytest.mark.parametrize("df", [0.25, 0.7, 3.0, 57.5, 150.0, 1e4, 1e12])
@pytest.mark.parametrize("dim", [1, 2, 5, 200, 201])
def test_normaliser_of_t_is_exact(df: float, dim: int) -> None:
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        nu = mpmath.mpf(df)
        exact = mpmath.loggamma((nu + dim) / 2) - mpmath.loggamma(nu / 2) - mpmath.log(mpmath.pi * nu) * dim / 2
        error = StudentT(np.zeros(dim), 1.0, df).packed()[0] - exact
    assert abs(error) < 2e-14 * max(1, dim)


@pytest.mark.parametrize("df", [0.5, 2.0, 7.3])
@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_points_of_t_have_its_law(df: float, dim: int) -> None:
    """Every coordinate is a t, and ``|y|^2 / dim`` is F with (dim, df) degrees of freedom, in all directions alike."""
    proposal = StudentT(np.zeros(dim), 1.0, df)
    y = proposal.points(np.random.default_rng(dim).standard_normal((20_000, proposal.noise_dim)))
    assert y.shape == (20_000, dim)
    radius = np.sum(y**2, axis=1) / dim
    assert stats.kstest(radius, stats.f(dim, df).cdf).pvalue > 1e-3
    for j in range(dim):
        assert stats.kstest(y[:, j], stats.t(df).cdf).pvalue > 1e-3
    if dim > 1:
        slanted = y @ np.ones(dim) / math.sqrt(dim)
        assert stats.kstest(slanted, stats.t(df).cdf).pvalue > 1e-3
        sign_products = np.sign(y[:, 0] * y[:, -1])
        assert abs(sign_products.mean()) < 4 / math.sqrt(y.shape[0])


@pytest.mark.parametrize("dim", [1, 3])
def test_points_have_the_moments_of_their_law(dim: int) -> None:
    n, noise = 200_000, np.random.default_rng(4)
    mean, matrix = np.linspace(0.0, 2.0, dim), covariance(dim)
    heavy = StudentT(mean, matrix, 9.0)
    for proposal, expected_mean, expected in (
        (Gaussian(mean, matrix), mean, matrix),
        (heavy, mean, matrix * 9 / 7),
        (
            Mixture([heavy, Gaussian(-mean, 1.0)], [3.0, 1.0]),
            mean / 2,
            0.75 * matrix * 9 / 7 + 0.25 * np.eye(dim) + 0.75 * np.outer(mean, mean),
        ),
    ):
        x = proposal.points(noise.standard_normal((n, proposal.noise_dim)))
        scale = np.sqrt(np.diag(expected))
        assert np.all(np.abs(x.mean(0) - expected_mean) < 5 * scale / math.sqrt(n))
        assert np.all(np.abs(np.cov(x.T) - expected) < 15 * np.outer(scale, scale) / math.sqrt(n))


def test_noise_of_zeros_and_far_out_gives_numbers() -> None:
    for proposal in examples(3):
        noise = np.zeros((2, proposal.noise_dim))
        noise[1] = 8.5
        assert np.all(np.isfinite(proposal.log_density(proposal.points(noise))))
    centre = StudentT([1.0, 2.0], 1.0, 3.0)
    np.testing.assert_array_equal(centre.points(np.zeros((1, 2))), [[1.0, 2.0]])


def test_t_with_large_df_is_normal() -> None:
    noise = RNG.normal(size=(100, 4))
    normal, t = Gaussian(np.ones(4), covariance(4)), StudentT(np.ones(4), covariance(4), 1e12)
    np.testing.assert_allclose(t.points(noise), normal.points(noise), rtol=1e-9)
    np.testing.assert_allclose(t.packed()[0], normal.packed()[0], rtol=1e-10)


def bowl(x, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(x.size):
        total += (x[i] - params[0]) * (x[i] - params[0]) * (i + 1.0)
    return -0.5 * total


def evidence(dim: int) -> float:
    return dim / 2 * math.log(2 * math.pi) - math.lgamma(dim + 1) / 2


def coordinate(z, params):  # type: ignore[no-untyped-def]
    return z[int(params[0])]


# Each compiled map once, odd and even dimensions; few, for each is compiled.
COMPILED = [examples(2)[3], *(slow(examples(3)[i]) for i in (1, 2, 5, 6))]


def noise_of(trial: int, samples: int, noise_dim: int) -> np.ndarray:
    """The engine's normals, by models that return one of them as a log weight."""
    model = fs.Model(coordinate, 5, [0.0])
    columns = [fs.replay(model.with_params([float(j)]), fs.IWAE(samples), trial).log_weights for j in range(noise_dim)]
    return np.stack(columns, axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("proposal", COMPILED, ids=lambda p: p.transform)
def test_compiled_log_weights_are_those_of_plain_python(proposal: Proposal) -> None:
    model = fs.importance(bowl, proposal, [0.3])
    found = fs.replay(model, fs.IWAE(2000), trial=11).log_weights
    expected = model(noise_of(11, 2000, model.noise_dim))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("proposal", COMPILED, ids=lambda p: p.transform)
def test_weights_average_to_the_evidence(proposal: Proposal) -> None:
    log_evidence = evidence(proposal.dim)
    model = fs.importance(bowl, proposal, [0.3], log_evidence=log_evidence)
    values, _ = fs.sample(model, fs.ELBO(), 200_000, seed=2)
    weights = np.exp(values - log_evidence)
    error = weights.std() / math.sqrt(weights.size)
    assert error < 0.05
    assert abs(weights.mean() - 1.0) < 4.5 * error
    bound = fs.simulate(model, fs.IWAE(300), 2_000, seed=1, progress=False)
    assert values.mean() + 0.1 < bound.mean < log_evidence + 4.5 * bound.std_error


@pytest.mark.slow
def test_other_numbers_need_no_compilation() -> None:
    from fastsumo.engine.cpu.kernels.weights import compiled

    mean, flip = np.zeros(3), np.diag([1.0, 2.0])
    pairs = [
        (examples(3)[2], StudentT(mean, [2.0, 3.0, 4.0], 9.0)),
        (examples(2)[3], StudentT(mean[:2], flip @ covariance(2) @ flip, 0.5)),
        (examples(3)[5], Mixture([StudentT(mean, 1.0, 4.0), Gaussian(mean, 2.0)], [1, 2])),
    ]
    for first, second in pairs:
        model = fs.importance(bowl, first, [0.3])
        assert compiled(model).log_weights_at == compiled(model.with_proposal(second)).log_weights_at


def test_parameters_by_name() -> None:
    t = StudentT([0.0, 1.0], 2.0, 3.0)
    assert set(t.parameters) == {"mean", "covariance", "df"}
    other = t.with_parameters(df=5.0, covariance=[1.0, 2.0])
    assert isinstance(other, StudentT)
    assert other.df == 5.0
    np.testing.assert_array_equal(other.mean, t.mean)
    mixture = Mixture([Gaussian([0.0], 1.0), StudentT([0.0], 1.0, 3.0)], [1, 3])
    changed = mixture.with_parameters(**{"0.mean": [4.0], "1.df": 2.0, "weights": [1.0, 1.0]})
    np.testing.assert_array_equal(changed.parameters["0.mean"], [4.0])
    assert changed.components[1].df == 2.0
    np.testing.assert_array_equal(changed.weights, [0.5, 0.5])
    np.testing.assert_array_equal(mixture.weights, [0.25, 0.75])
    for proposal, name in ((t, "scale"), (mixture, "2.mean"), (mixture, "0.df")):
        with pytest.raises(ValueError, match="unknown parameter"):
            proposal.with_parameters(**{name: 1.0})


def test_bad_input() -> None:
    for df in (0.0, -1.0, math.inf, math.nan, 1e13, 0.1):
        with pytest.raises(ValueError, match="df must be"):
            StudentT([0.0], 1.0, df)
    with pytest.raises(TypeError, match="df must be"):
        StudentT([0.0], 1.0, "3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="covariance"):
        StudentT([0.0, 1.0], np.eye(3), 3.0)
    with pytest.raises(ValueError, match="positive definite"):
        StudentT([0.0, 1.0], [[1.0, 2.0], [2.0, 1.0]], 3.0)
    with pytest.raises(ValueError, match="mean"):
        StudentT([math.nan], 1.0, 3.0)
    one, two = Gaussian([0.0], 1.0), Gaussian([0.0, 1.0], 1.0)
    with pytest.raises(TypeError, match="components must be a list"):
        Mixture([], [])
    with pytest.raises(TypeError, match="components must be a list"):
        Mixture(one, [1.0])
    with pytest.raises(TypeError, match="Gaussian or StudentT"):
        Mixture([Mixture([one], [1.0])], [1.0])
    with pytest.raises(ValueError, match="one dimension"):
        Mixture([one, two], [1.0, 1.0])
    for weights in ([1.0], [1.0, 0.0], [1.0, -1.0]):
        with pytest.raises(ValueError, match="weights must be 2 positive"):
            Mixture([one, one], weights)
    with pytest.raises(ValueError, match="weights must be finite"):
        Mixture([one, one], [1.0, math.nan])


def test_a_covariance_may_be_rounded_where_it_is_near_zero() -> None:
    """As the inverse of a Hessian is, whose off-diagonal numbers are noise."""
    spread = np.array([1e-3, 1.0, 1e5])
    noise = 1e-14 * np.random.default_rng(0).normal(size=(3, 3)) * np.outer(spread, spread)
    rounded = fs.proposals.Gaussian(np.zeros(3), np.diag(spread**2) + noise)
    exact = fs.proposals.Gaussian(np.zeros(3), spread**2)
    x = spread * np.ones((1, 3))
    np.testing.assert_allclose(rounded.log_density(x), exact.log_density(x), rtol=1e-12)
    with pytest.raises(ValueError, match="covariance must be symmetric"):
        fs.proposals.Gaussian(np.zeros(2), [[1.0, 0.0], [1e-3, 1e4]])
