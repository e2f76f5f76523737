"""Models: compiled log weights against the same Python function on the twin's noise, and the contract of `Model`.

Bad models are in `engine/test_faults.py`, what is compiled when in `jit/test_cache.py`.
"""

from __future__ import annotations

import math
import platform
from typing import Any

import naive
import numba
import numpy as np
import pytest
from scipy import stats
from zoo import MODELS, libm, shifted, slow

import fastsumo as fs
from fastsumo.engine.cpu.kernels import weights
from fastsumo.vmath import exp, log


def kernel_log_weights(model: fs.Model, trial: int, count: int, seed: int = 3) -> np.ndarray:
    return fs.replay(model, fs.IWAE(count), trial=trial, seed=seed).log_weights


def assert_close(got: np.ndarray, expected: np.ndarray, tolerance: float = 1e-13) -> None:
    """Equal where infinite; elsewhere to ``tolerance``, relative above 1."""
    assert np.array_equal(np.isneginf(got), np.isneginf(expected))
    finite = np.isfinite(expected)
    error = np.abs(got[finite] - expected[finite]) / np.maximum(1.0, np.abs(expected[finite]))
    assert error.max(initial=0.0) < tolerance


def quadratic(x, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(x.size):
        total -= params[0] * (x[i] - i) * (x[i] - i)
    return total


def correlated(dim: int) -> np.ndarray:
    a = np.random.default_rng(dim).normal(size=(dim, dim))
    return a @ a.T + np.eye(dim)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("trial", "count"), [(0, 3000), (2**40 + 1, 100), (7, 1)])
def test_log_weights_are_those_of_the_python_function(name, trial, count):
    model = MODELS[name]
    expected = naive.log_weights(model, 3, trial, np.arange(count))
    assert_close(kernel_log_weights(model, trial, count), expected, 2e-13)  # lognormal(40): 40 times the normal's error


@pytest.mark.parametrize(
    ("dim", "noise"),
    [
        (7, "normal"),
        *(slow(dim, "normal") for dim in (1, 2, 3, 4, 64, 65, 256)),
        *(slow(dim, "uniform") for dim in (1, 2, 3, 4, 7, 64, 65, 256)),
    ],
)
def test_dimensions(dim, noise):
    model = fs.Model(quadratic, dim, [0.01], noise)
    expected = naive.log_weights(model, 3, 5, np.arange(150))
    assert_close(kernel_log_weights(model, 5, 150), expected)


@pytest.mark.parametrize(
    "proposal",
    [
        slow(fs.proposals.Gaussian([1.0], 2.0)),
        slow(fs.proposals.Gaussian([1.0, -2.0, 0.5], 0.3)),
        slow(fs.proposals.Gaussian([1.0, -2.0, 0.5], [0.1, 1.0, 10.0])),
        fs.proposals.Gaussian([0.0, 1.0, 2.0], correlated(3)),
        slow(fs.proposals.Gaussian(np.zeros(20), correlated(20))),
    ],
    ids=["number", "isotropic", "diagonal", "full 3", "full 20"],
)
def test_proposals(proposal):
    model = fs.importance(quadratic, proposal, params=[0.5])
    expected = naive.log_weights(model, 3, 9, np.arange(500))
    assert_close(kernel_log_weights(model, 9, 500), expected, 1e-12)
    noise = naive.noise(3, 9, np.arange(500), proposal.dim)
    assert_close(model(noise), expected, 1e-12)
    x = proposal.points(noise)
    full = np.diag(np.broadcast_to(proposal.covariance, proposal.dim)) if np.ndim(proposal.covariance) < 2 else None
    reference = stats.multivariate_normal(proposal.mean, proposal.covariance if full is None else full)
    np.testing.assert_allclose(proposal.log_density(x), reference.logpdf(x), rtol=1e-10)


def test_a_target_equal_to_its_proposal_has_constant_weights():
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    precision = np.linalg.inv(covariance)

    def target(x, params):  # type: ignore[no-untyped-def]
        a, b = x[0] - 1.0, x[1] + 1.0
        return -0.5 * (params[0] * a * a + 2.0 * params[1] * a * b + params[2] * b * b)

    model = fs.importance(target, fs.proposals.Gaussian([1.0, -1.0], covariance), precision[np.triu_indices(2)])
    values, _ = fs.sample(model, fs.SUMO(fs.roulette.Harmonic(cap=100)), 1000)
    expected = math.log(2 * math.pi * math.sqrt(np.linalg.det(covariance)))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_the_note_is_the_mixture_of_the_note():
    x = np.array([[0.3, -1.2], [2.0, 0.0], [-2.0, 0.1], [5.0, 5.0]])
    p = 0.5 * stats.multivariate_normal([-2, 0], np.eye(2)).pdf(x)
    p += 0.5 * stats.multivariate_normal([2, 0], 4 * np.eye(2)).pdf(x)
    q = stats.multivariate_normal([0, 0], 5 * np.eye(2)).pdf(x)
    note = fs.models.note()
    np.testing.assert_allclose(note(x / math.sqrt(5)), np.log(2 * math.pi * p / q), rtol=1e-12)
    assert note.log_evidence == math.log(2 * math.pi)


@pytest.mark.parametrize("shape", [0.5, 1, 1.5, 4.0])
def test_gamma_weights_are_gamma(shape):
    values, _ = fs.sample(fs.models.gamma(shape), fs.ELBO(), 100_000, seed=1)
    assert stats.kstest(np.exp(values), "gamma", args=(shape, 0, 1 / shape)).pvalue > 1e-3


def test_chi_square_of_the_built_in_models():
    """``Var(w) / Z^2`` on a grid, against what the models say of themselves."""
    z = np.linspace(-12, 12, 24_001)
    mass = stats.norm.pdf(z) * (z[1] - z[0])
    for model in (fs.models.lognormal(0.7), fs.models.gaussian_scale(0.9), fs.models.gaussian_scale(1.7)):
        w = np.exp([float(model.function(point, model.params)) for point in z[:, None]])
        assert np.sum(mass * w) == pytest.approx(1.0, rel=1e-9)
        assert np.sum(mass * w**2) - 1.0 == pytest.approx(model.chi_square, rel=1e-8)
    grid = np.stack(np.meshgrid(z[::100], z[::100], indexing="ij"), axis=-1)
    w = np.exp(fs.models.note()(grid)) / (2 * math.pi)
    both = np.outer(mass[::100], mass[::100]) * 100**2
    assert np.sum(both * w) == pytest.approx(1.0, rel=1e-9)
    assert np.sum(both * w**2) - 1.0 == pytest.approx(fs.models.note().chi_square, rel=1e-8)
    assert math.isinf(fs.models.gaussian_scale(0.5).chi_square)


def test_laplace_transform_of_gamma():
    t = np.array([0.0, 0.1, 1.0, 50.0])
    for shape in (0.5, 2.0):
        model = fs.models.gamma(shape)
        assert model.laplace is not None
        np.testing.assert_allclose(model.laplace(t), (1 + t / shape) ** -shape, rtol=1e-14)


SCALE = 3.0


@numba.njit
def helper(x):  # type: ignore[no-untyped-def]
    return SCALE * x


def with_default(z, params, factor=3.0):  # type: ignore[no-untyped-def]
    return factor * z[0]


def branches(z, params):  # type: ignore[no-untyped-def]
    if z[0] > 0:
        return 3.0 * z[0]
    return 3.0 * z[0]


@pytest.mark.parametrize(
    "function",
    [
        slow(lambda z, params: SCALE * z[0], id="with a global"),
        pytest.param(lambda z, params: helper(z[0]), id="with a helper"),
        slow(numba.njit(lambda z, params: 3.0 * z[0]), id="compiled"),
        slow(with_default, id="with a default"),
        slow(branches, id="with branches"),
        slow(lambda z, params: np.sum(z) * 3.0, id="of all noise"),
    ],
)
def test_functions_of_every_kind_are_models(function):
    expected = 3.0 * naive.noise(3, 0, np.arange(50), 1)[:, 0]
    assert_close(kernel_log_weights(fs.Model(function, 1), 0, 50), expected)


@pytest.mark.slow
def test_a_whole_number_is_a_log_weight():
    integer = fs.Model(lambda z, params: 2, 1)
    assert kernel_log_weights(integer, 0, 3).tolist() == [2.0, 2.0, 2.0]


def test_params_change_without_compilation(compilations):
    kernel_log_weights(shifted, 0, 10)
    fs.simulate(shifted, fs.ELBO(), 10)
    before = compilations.passes
    for shift in (1.0, -7.5):
        other = shifted.with_params([shift, 2.0])
        expected = shift + 2.0 * naive.noise(3, 0, np.arange(10), 1)[:, 0]
        assert_close(kernel_log_weights(other, 0, 10), expected)
    fs.simulate(shifted.with_params([9.0, 9.0]), fs.ELBO(), 10)
    assert compilations.passes == before


def test_proposals_change_without_compilation(compilations):
    model = fs.importance(quadratic, fs.proposals.Gaussian([0.0, 0.0], 1.0), [0.5])
    kernel_log_weights(model, 0, 10)
    before = compilations.passes
    other = model.with_proposal(fs.proposals.Gaussian([1.0, 1.0], [2.0, 0.1]))
    assert_close(kernel_log_weights(other, 0, 10), naive.log_weights(other, 3, 0, np.arange(10)), 1e-12)
    assert compilations.passes == before


def test_with_params_is_a_copy():
    other = shifted.with_params([1.0, 2.0])
    assert shifted.params.tolist() == [0.0, 1.0]
    assert other.function is shifted.function
    with pytest.raises(ValueError, match="read-only"):
        other.params[0] = 3.0


def test_the_evidence_follows_the_params_where_it_is_a_function():
    model = fs.Model(quadratic, 1, [2.0], log_evidence=lambda params: 3.0 * params[0])
    assert model.log_evidence == 6.0
    assert model.with_params([5.0]).log_evidence == 15.0
    assert fs.models.lognormal(1.0).with_params([2.0]).chi_square is None
    assert fs.models.lognormal(1.0).with_params([1.0]).chi_square is not None


def test_a_model_is_a_function_of_noise():
    z = np.random.default_rng(0).normal(size=(4, 5, 3))
    assert libm(z).shape == (4, 5)
    assert libm(z)[1, 2] == libm(z[1, 2])
    with pytest.raises(ValueError, match="3 numbers in its last axis"):
        libm([1.0, 2.0])


def test_repr_says_what_a_model_is():
    assert repr(shifted) == "Model('shifted', dim=1, params=[0.0, 1.0])"
    assert repr(fs.models.note()) == "Model('note', dim=2, log_evidence=1.837877066)"
    named = fs.model(dim=1, name="mine")(lambda z, params: 0.0)
    assert repr(named) == "Model('mine', dim=1)"


@pytest.mark.slow
def test_vmath_in_a_model_is_the_same_in_python():
    def model(z, params):  # type: ignore[no-untyped-def]
        return log(exp(z[0]) + exp(-z[0]))

    z = naive.noise(3, 0, np.arange(1000), 1)
    np.testing.assert_allclose(kernel_log_weights(fs.Model(model, 1), 0, 1000), fs.Model(model, 1)(z), rtol=1e-13)


EXPONENTS: list[float] = [-3, -1, 0, 1, 2, 3, 7, 2.0, 0.5]
_scope: dict[str, Any] = {f"c{i}": exponent for i, exponent in enumerate(EXPONENTS)}
exec(
    "def powers(z, params):\n"
    " rest = 3**2 + params[1] ** z[0] + 1.5 ** int(params[0]) - params[0] ** 2\n"
    + "".join(f" if params[2] == {i}: return z[0] ** c{i} + rest\n" for i in range(len(EXPONENTS)))
    + " return rest",
    _scope,
)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(EXPONENTS)), ids=map(repr, EXPONENTS))
def test_constant_powers(place: int) -> None:
    """Whole ones become multiplications; integers and exponents that are not constant stay as they are."""
    exponent = EXPONENTS[place]
    model = fs.Model(_scope["powers"], 1, [2.0, 3.0, place], noise="uniform")
    one = fs.replay(model, fs.IWAE(50), 0)
    z = naive.uniforms(0, 0, np.arange(50), 1)[0]
    np.testing.assert_allclose(one.log_weights, z**exponent - 4.0 + 9.0 + 3.0**z + 2.25, rtol=1e-13)


@pytest.mark.slow
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="reads x86-64 assembly")
def test_a_square_is_a_multiplication() -> None:
    def multiplications(function: Any) -> int:
        shape = weights.Shape("uniform", "", 1, 1, 0, 0, 0)
        code = weights._callback(function, shape, None, False)._library.get_asm_str()
        return code.count("mulpd")

    square = multiplications(lambda z, params: z[0] ** 2)
    assert square == multiplications(lambda z, params: z[0] * z[0])
    assert square > multiplications(lambda z, params: z[0])
