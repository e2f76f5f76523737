"""`fs.tune`: the best proposals, against optima and chi-squares by quadrature."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from scipy import optimize, stats
from zoo import slow

import fastsumo as fs
from fastsumo.engine.cpu.kernels.points import values_at
from fastsumo.runs import tuning
from fastsumo.vmath import log, logaddexp

Gaussian, StudentT = fs.proposals.Gaussian, fs.proposals.StudentT

_STEP = 0.25  # of the trapezoidal rule, whose error is far below rounding for what is so smooth
_AXIS = np.arange(-40.0, 40.0, _STEP)
_GRID = np.stack(np.meshgrid(_AXIS, _AXIS, indexing="ij"), axis=-1).reshape(-1, 2)


@functools.cache
def note_density() -> np.ndarray:
    """The note's target on the grid, normalised."""
    left = stats.multivariate_normal([-2, 0], np.eye(2)).pdf(_GRID)
    return 0.5 * left + 0.5 * stats.multivariate_normal([2, 0], 4 * np.eye(2)).pdf(_GRID)


def chi_square(mean: np.ndarray, covariance: np.ndarray) -> float:
    """Of the target of `fs.models.note` from a normal, by the trapezoidal rule in the plane."""
    log_q = stats.multivariate_normal(mean, covariance).logpdf(_GRID)
    p = note_density()
    return float(np.sum(np.where(p > 1e-290, p * np.exp(np.log(np.maximum(p, 1e-290)) - log_q), 0.0)) * _STEP**2) - 1.0


def note_from(mean: list[float], covariance: float = 1.0) -> fs.Model:
    note = fs.models.note()
    return fs.importance(note.function, Gaussian(mean, covariance), log_evidence=note.log_evidence, name="note")


@pytest.fixture(scope="module")
def best() -> tuple[float, np.ndarray]:
    """The least chi-square of a normal for that target; by symmetry its axes are the coordinates'."""

    def objective(x):  # type: ignore[no-untyped-def]
        return chi_square(np.array([x[0], 0.0]), np.diag(np.exp(x[1:])))

    found = optimize.minimize(objective, [0.0, 1.6, 1.0], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7})
    return float(found.fun), found.x


@pytest.mark.slow
@pytest.mark.parametrize("start", [[0.0, 0.0], [30.0, -20.0], [-300.0, 500.0]])
def test_the_best_normal_for_the_note_is_found_from_anywhere(start, best):
    found = fs.tune(note_from(start))
    least, at = best
    mean, covariance = np.asarray(found.proposal.mean), np.asarray(found.proposal.covariance)
    assert covariance.shape == (2, 2)
    reached = chi_square(mean, covariance)
    assert least - 1e-6 <= reached < least + 0.002
    assert mean == pytest.approx([at[0], 0.0], abs=0.1)
    assert np.diag(covariance) == pytest.approx(np.exp(at[1:]), rel=0.05)
    assert abs(covariance[0, 1]) < 0.1
    assert abs(found.after.chi_square - reached) < 4.5 * found.after.chi_square_error < 0.05
    assert found.after.tail_constant == found.after.chi_square
    assert found.converged
    assert found.message == "no small step from here is better"
    # N(start, I) is narrower than half the target: no finite chi-square
    assert math.isinf(found.before.chi_square_error)
    assert "~" in str(found)


def test_before_and_after_are_right_on_the_note():
    found = fs.tune(fs.models.note())
    assert abs(found.before.chi_square - 0.7329437063) < 4.5 * found.before.chi_square_error < 0.05
    assert abs(found.before.elbo - 1.459658034) < 4.5 * found.before.elbo_error
    estimator = fs.SUMO(fs.roulette.Harmonic(cap=64))
    fresh = fs.simulate(found.model, estimator, 400_000, seed=77)
    assert fresh.variance == pytest.approx(found.after.sumo_variance, rel=0.15)
    assert fresh.variance < 0.7 * fs.simulate(fs.models.note(), estimator, 400_000, seed=77).variance
    assert found.model.log_evidence == pytest.approx(math.log(2 * math.pi))
    assert fs.models.note().proposal.covariance == 5.0


def far_modes(x, params):  # type: ignore[no-untyped-def]
    a, b = x[0] - 8.0, x[0] + 8.0
    return logaddexp(-0.5 * a * a, -0.5 * b * b) - 0.5 * x[1] * x[1]


@pytest.mark.slow
def test_a_mode_that_the_proposal_does_not_see_is_not_lost():
    """Under the start, which sits on one of two modes, every weight is the same and chi-square looks like 0."""
    start = fs.importance(far_modes, Gaussian([8.0, 0.0], 1.0))
    seen, _ = fs.sample(start, fs.ELBO(), 10_000)
    assert np.var(np.exp(seen - seen.max())) < 1e-12
    found = fs.tune(start, samples=20_000)
    assert abs(found.proposal.mean[0]) < 1.0
    assert 40.0 < found.proposal.covariance[0, 0] < 120.0
    trials = fs.simulate(found.model, fs.MLMC(), 400_000)
    assert abs(trials.mean - math.log(4 * math.pi)) < 4.5 * trials.std_error < 0.2


def banana(x, params):  # type: ignore[no-untyped-def]
    bend = x[1] - 0.5 * x[0] * x[0]
    return -0.5 * x[0] * x[0] - 2.0 * bend * bend


def correlated(dim: int) -> tuple[fs.Model, np.ndarray, np.ndarray]:
    random = np.random.default_rng(dim)
    root = random.normal(size=(dim, dim))
    covariance, mean = root @ root.T + np.eye(dim), 5.0 * random.normal(size=dim)
    precision = np.linalg.inv(covariance)

    def log_density(x, params):  # type: ignore[no-untyped-def]
        total = 0.0
        for i in range(dim):
            for j in range(dim):
                total -= 0.5 * (x[i] - mean[i]) * precision[i, j] * (x[j] - mean[j])
        return total

    return fs.importance(log_density, Gaussian(np.zeros(dim), 1.0)), mean, covariance


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 3, 10])
def test_a_normal_target_is_its_own_best_proposal(dim):
    model, mean, covariance = correlated(dim)
    found = fs.tune(model, samples=40_000)
    spread = np.sqrt(np.diag(covariance))
    assert found.after.chi_square < 0.002 * dim**2 + 0.001
    np.testing.assert_allclose(np.asarray(found.proposal.mean), mean, atol=0.05 * spread.max())
    np.testing.assert_allclose(tuning.matrix_of(found.proposal), covariance, atol=0.08 * spread.max() ** 2)


@pytest.mark.slow
def test_a_diagonal_covariance_where_asked_for():
    model, _, covariance = correlated(3)
    found = fs.tune(model, covariance="diagonal", samples=20_000)
    assert found.proposal.covariance.shape == (3,)
    full = fs.tune(model, samples=20_000)
    assert full.after.chi_square < found.after.chi_square
    assert np.all(found.proposal.covariance > 0.9 * np.diag(covariance) / 2)


@pytest.mark.slow
def test_student_t_proposals():
    """A target with tails of t: no normal has a finite chi-square, a t of the same tails is exact."""

    def log_density(x, params):  # type: ignore[no-untyped-def]
        return -4.5 * math.log(1.0 + ((x[0] - 3.0) * (x[0] - 3.0) / 4.0 + x[1] * x[1]) / 7.0)

    found = fs.tune(fs.importance(log_density, StudentT([0.0, 0.0], 1.0, df=7.0)), samples=20_000)
    assert isinstance(found.proposal, StudentT)
    assert found.proposal.df == 7.0
    assert found.after.chi_square < 1e-3 + 4.0 * found.after.chi_square_error
    np.testing.assert_allclose(found.proposal.mean, [3.0, 0.0], atol=0.1)
    np.testing.assert_allclose(found.proposal.covariance, [[4.0, 0.0], [0.0, 1.0]], atol=0.2)


@pytest.mark.slow
def test_objectives_order_as_they_should():
    """Each objective is best at its own; under a normal this target's weights have no variance."""
    model = fs.importance(banana, StudentT([0.0, 0.0], 4.0, df=5.0))
    found = {name: fs.tune(model, name, samples=2**14) for name in ("chi-square", "elbo", "sumo-variance")}
    assert found["elbo"].after.elbo > found["chi-square"].after.elbo + 0.05
    chi = found["chi-square"].after
    assert chi.chi_square < found["elbo"].after.chi_square
    sumo = found["sumo-variance"].after
    assert sumo.sumo_variance < chi.sumo_variance + 2.0 * chi.sumo_variance_error
    assert sumo.elbo > found["chi-square"].after.elbo


@pytest.mark.slow
def test_params_of_a_model_without_a_proposal():
    """The note's target with ``N((a, b), s I)`` written into the log weight by hand; the start is far too narrow."""

    def by_hand(z, params):  # type: ignore[no-untyped-def]
        x, y = params[0] + params[2] * z[0], params[1] + params[2] * z[1]
        left = -0.5 * ((x + 2.0) * (x + 2.0) + y * y) - math.log(2.0)
        right = -0.125 * ((x - 2.0) * (x - 2.0) + y * y) - math.log(8.0)
        log_q = -0.5 * (z[0] * z[0] + z[1] * z[1]) - 2.0 * math.log(params[2]) - math.log(2.0 * math.pi)
        return logaddexp(left, right) - log_q

    model = fs.Model(by_hand, 2, [1.5, 1.0, 1.2])
    found = fs.tune(model, params=slice(0, 3))

    def objective(x):  # type: ignore[no-untyped-def]
        return chi_square(x[:2], x[2] ** 2 * np.eye(2))

    least = optimize.minimize(objective, [0.0, 0.0, 2.2], method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6})
    assert objective(found.model.params) < least.fun + 0.005
    only = fs.tune(model, params=[2])
    assert only.model.params[:2].tolist() == [1.5, 1.0]
    assert only.after.chi_square < only.before.chi_square
    for name in ("elbo", "sumo-variance"):
        other = fs.tune(model, name, params=slice(None), samples=2**13)
        assert other.after.elbo > other.before.elbo
        assert other.after.sumo_variance < other.before.sumo_variance


@pytest.mark.slow
def test_one_row_of_data_is_tuned():
    def log_density(x, row, params):  # type: ignore[no-untyped-def]
        return -0.5 * (x[0] - row[0]) ** 2

    model = fs.importance(log_density, Gaussian([0.0], 1.0), data=[[4.0], [9.0]])
    found = fs.tune(model.at_row(1), samples=5000)
    assert found.proposal.mean[0] == pytest.approx(9.0, abs=0.05)


@pytest.mark.slow
def test_tuning_is_reproducible():
    model = note_from([3.0, 3.0])
    first, second, other = (fs.tune(model, samples=5000, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.proposal.packed(), second.proposal.packed())
    assert first.after == second.after
    assert not np.array_equal(first.proposal.packed(), other.proposal.packed())


@pytest.mark.parametrize("df", [math.inf, 4.0])
@pytest.mark.parametrize("full", [True, False])
def test_gradients_of_the_families(df, full):
    random = np.random.default_rng(6)
    mean, root = random.normal(size=3), random.normal(size=(3, 3))
    like = Gaussian(mean, 1.0) if math.isinf(df) else StudentT(mean, 1.0, df)
    family = tuning.Family(like, mean, root @ root.T, full)
    points = random.normal(size=(50, 3))
    white, weights = family.white(points), random.random(50)
    weights /= weights.sum()
    at = family.start + 0.1 * random.normal(size=family.start.size)

    def objective(x):  # type: ignore[no-untyped-def]
        return -weights @ family.log_density(x, white)[0]

    standard = family.log_density(at, white)[1]
    expected = optimize.approx_fprime(at, objective, 1e-7)
    np.testing.assert_allclose(family.gradient(at, white, standard, weights), expected, atol=1e-5)
    difference = family.proposal(at).log_density(points) - family.log_density(at, white)[0]
    assert np.ptp(difference) < 1e-8


def test_values_at_points_are_those_of_the_function():
    note = fs.models.note()
    points = np.random.default_rng(3).normal(size=(1000, 2))
    expected = [float(note.function(point, note.params)) for point in points]
    np.testing.assert_allclose(values_at(note, points), expected, rtol=1e-13)


def test_values_at_points_name_what_is_raised():
    model = fs.Model(lambda z, params: params[int(z[0])] if 2.42 < z[0] < 2.45 else 0.0, 1, [1.0], name="mine")
    with pytest.raises(fs.ModelError, match=r"'mine' raised IndexError: index 2 is out of bounds .* at \[2.43\]"):
        values_at(model, np.array([[0.5], [2.43], [1.0]]))


BAD = [
    (lambda: fs.tune(3), TypeError, "model must be"),
    (lambda: fs.tune(fs.models.note(), "chi"), ValueError, "unknown objective 'chi'"),
    (lambda: fs.tune(fs.models.note(), samples=10), ValueError, "samples must be"),
    (lambda: fs.tune(fs.models.note(), cap=0), ValueError, "cap must be"),
    (lambda: fs.tune(fs.models.note(), covariance="fill"), ValueError, "did you mean 'full'"),
    (lambda: fs.tune(fs.models.gamma(1)), ValueError, "has no proposal"),
    (lambda: fs.tune(fs.models.lognormal(1.0), params=[1]), ValueError, "choose among 1 param,"),
    (lambda: fs.tune(fs.models.lognormal(1.0), params=slice(3, 3)), ValueError, "chooses none"),
    (
        lambda: fs.tune(fs.models.lognormal(1.0), params=[0], covariance="full"),
        ValueError,
        "covariance='full' is that of a proposal",
    ),
    (lambda: fs.tune(fs.models.random_effects_logistic(rows=2)), ValueError, r"model\.at_row\(i\)"),
    (
        lambda: fs.tune(fs.importance(banana, fs.proposals.Mixture([Gaussian([0, 0], 1.0)], [1.0]))),
        TypeError,
        "Gaussian and StudentT proposals, got Mixture",
    ),
]


@pytest.mark.parametrize(("act", "kind", "message"), BAD)
def test_bad_input(act, kind, message, compilations):
    with pytest.raises(kind, match=message):
        act()
    assert compilations.passes == 0


def test_a_target_that_is_nowhere_near():
    model = fs.importance(lambda x, params: 0.0 if x[0] > 1e9 else -math.inf, Gaussian([0.0], 1.0), name="far")
    with pytest.raises(ValueError, match="log density of model 'far' is -inf at all"):
        fs.tune(model)
    broken = fs.importance(lambda x, params: math.nan if x[0] > 1.0 else 0.0, Gaussian([0.0], 1.0))
    with pytest.raises(fs.ModelError, match=r"returned nan at \["):
        fs.tune(broken)


# --- what does not exist --------------------------------------------------------------------------------------------


def student3(x, params):
    return -2.0 * log(1.0 + x[0] * x[0] / 3.0)


@pytest.mark.parametrize("objective", ["auto", slow("chi-square")])
def test_what_comes_back_is_never_worse_where_no_proposal_of_the_family_has_a_chi_square(objective):
    model = fs.importance(student3, fs.proposals.Gaussian([0.0], 1.0), name="t3")
    found = fs.tune(model, objective, samples=4_000)
    assert "E[w^2] does not exist" in found.message
    assert "StudentT" in found.message
    assert found.after.sumo_variance <= found.before.sumo_variance
    assert float(found.model.proposal.covariance.squeeze()) < 4.0
    if objective == "auto":
        assert found.objective == "hellinger"
        assert found.after.elbo > found.before.elbo
    else:
        assert found.model is model
