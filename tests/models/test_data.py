"""Built-in latent-variable models, each against a truth that shares no code with it.

`fs.evaluate` itself is in `runs/test_evaluate.py`.
"""

from __future__ import annotations

import math
from functools import cache

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats
from zoo import slow

import fastsumo as fs

HARMONIC = fs.SUMO(fs.roulette.Harmonic(cap=200))
PROPOSALS = ["exact", "widened", "mean-field"]


@cache
def digits(latent: int = 5, rows: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Probabilistic PCA of scikit-learn's digits by maximum likelihood (Tipping & Bishop, 1999): data, W, b, noise.

    ``W`` is known up to a rotation. With the eigenvectors as they are the posterior's coordinates are independent and
    mean-field is exact, so they are turned.
    """
    datasets = pytest.importorskip("sklearn.datasets")
    table = datasets.load_digits().data / 16.0
    b = table.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(table.T))
    variance = values[:-latent].mean()
    W = vectors[:, -latent:] * np.sqrt(values[-latent:] - variance)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(latent, latent)))[0]
    return table[:rows], W @ turn, b, math.sqrt(variance)


def small(proposal: str, **options: float) -> fs.Model:
    random = np.random.default_rng(4)
    W, b, noise = random.normal(size=(4, 3)), random.normal(size=4), np.array([0.5, 1.0, 0.7, 1.3])
    return fs.models.linear_gaussian(W, b, noise, proposal, data=random.normal(size=(5, 4)), **options)


@pytest.mark.parametrize("latent", [1, 5, 20])
def test_the_evidence_of_the_digits_is_a_normal_density(latent):
    data, W, b, noise = digits(latent)
    model = fs.models.linear_gaussian(W, b, noise, data=data)
    expected = stats.multivariate_normal(b, W @ W.T + noise**2 * np.eye(64)).logpdf(data)
    np.testing.assert_allclose(model.row_log_evidence(0, len(data)), expected, rtol=1e-11)


@pytest.mark.parametrize("proposal", PROPOSALS)
def test_log_weights_of_linear_gaussian_are_joint_over_proposal(proposal):
    random = np.random.default_rng(4)
    W, b, noise = random.normal(size=(4, 3)), random.normal(size=4), np.array([0.5, 1.0, 0.7, 1.3])
    model = small(proposal)
    posterior = np.linalg.inv(np.eye(3) + W.T @ np.diag(noise**-2.0) @ W)
    covariance = {"exact": posterior, "widened": 1.44 * posterior}.get(proposal)
    covariance = np.diag(1.0 / np.diag(np.linalg.inv(posterior))) if covariance is None else covariance
    root = np.linalg.cholesky(covariance)
    _, turn = np.linalg.eigh(root.T @ np.linalg.inv(posterior) @ root)
    for x in model.data:
        mean = posterior @ W.T @ ((x - b) / noise**2)
        for e in random.normal(size=(5, 3)):
            z = mean + root @ turn @ e
            joint = stats.norm(W @ z + b, noise).logpdf(x).sum() + stats.norm.logpdf(z).sum()
            expected = joint - stats.multivariate_normal(mean, covariance).logpdf(z)
            assert float(model(e, x)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
def test_the_exact_proposal_has_no_variance():
    data, W, b, noise = digits()
    model = fs.models.linear_gaussian(W, b, noise, data=data)
    found = fs.evaluate(model, HARMONIC, 300)
    np.testing.assert_allclose(found.mean, found.log_evidence, rtol=1e-11)
    assert np.all(found.std_error < 1e-12)
    assert model.chi_square == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("proposal", ["widened", "mean-field"])
def test_the_digits_are_evaluated_with_a_wrong_proposal(proposal):
    data, W, b, noise = digits()
    model = fs.models.linear_gaussian(W, b, noise, proposal, data=data)
    found = fs.evaluate(model, fs.MLMC(), 20_000)
    assert abs(found.total - found.log_evidence.sum()) < 4.5 * found.total_error < 5.0
    assert np.all(np.abs(found.mean - found.log_evidence) < 5.5 * found.std_error)


def test_chi_square_and_tail_of_linear_gaussian():
    """Against the weights themselves, by quadrature in one dimension at a time: they are a product."""
    for model in (small("widened", width=1.5), small("widened", width=0.9), small("mean-field")):
        e = np.linspace(-40.0, 40.0, 400_001)
        logs = model.params[:, None] * e**2 - 0.5 * e**2 - 0.5 * math.log(2 * math.pi)
        first = np.prod([integrate.trapezoid(np.exp(row), e) for row in logs])
        if math.isfinite(model.chi_square):
            squares = np.exp(logs + model.params[:, None] * e**2)
            second = np.prod([integrate.trapezoid(row, e) for row in squares])
            assert second / first**2 - 1.0 == pytest.approx(model.chi_square, rel=1e-8)
        else:
            assert model.params.max() >= 0.25
        assert model.weight_tail_index == pytest.approx(
            0.5 / model.params.max() if model.params.max() > 0 else math.inf
        )


@pytest.mark.parametrize("rows", [range(10), slow(range(10, 40))], ids=["first", "others"])
def test_random_effects_by_quadrature(rows):
    """The evidence against adaptive quadrature, the log weights against the densities."""
    model = fs.models.random_effects_logistic(rows=40, seed=3)
    tau2 = math.log1p(math.e)
    for i in rows:
        y, x = model.data[i, :2], model.data[i, 2:].reshape(2, 3)
        logit = x @ np.array([0.25, 0.5, 0.75])

        def joint(z, y=y, logit=logit):  # type: ignore[no-untyped-def]
            return np.prod(np.where(y == 1, 1.0, np.exp(-z - logit)) / (1.0 + np.exp(-z - logit))) * stats.norm.pdf(
                z, 0.0, math.sqrt(tau2)
            )

        truth, _ = integrate.quad(joint, -20, 20, epsabs=1e-13, epsrel=1e-12, limit=200)
        assert float(model.row_log_evidence(i, i + 1)[0]) == pytest.approx(math.log(truth), abs=1e-9)
        mode, scale = model.rows(i, i + 1)[0, :2]
        for e in (-1.5, 0.0, 0.8):
            expected = math.log(joint(mode + scale * e)) - stats.norm.logpdf(mode + scale * e, mode, scale)
            assert float(model([e], model.data[i])) == pytest.approx(expected, rel=1e-10)
        assert joint(mode) > max(joint(mode - 1e-3), joint(mode + 1e-3))


@pytest.mark.parametrize(
    ("eta", "intercept", "x", "y"),
    [
        slow(1.0, 0.0, [0.3, -0.5], [1, 0]),
        (10.0, -80.0, [0.0, 0.0], [1, 1]),
        slow(1.0, 0.0, [-400.0, 0.0], [1, 1]),
        (1000.0, 0.0, [5.0, -300.0], [1, 0]),
        (-5.0, 3.0, [1.0, 2.0, 3.0], [0, 0, 0]),
    ],
)
def test_random_effects_in_extremes_by_long_arithmetic(eta, intercept, x, y):
    """Modes tens of scales away from 0, posteriors much wider than the bends in them."""
    model = fs.models.random_effects_logistic(
        np.array(x)[None, :, None], np.array(y)[None], eta=eta, intercept=intercept, coefficients=[1.0]
    )
    with mpmath.workdps(25):
        tau2 = mpmath.log1p(mpmath.exp(eta))
        sign, offset = 2 * np.array(y) - 1, intercept + np.array(x)

        def joint(z):  # type: ignore[no-untyped-def]
            factors = (1 / (1 + mpmath.exp(-int(s) * (z + float(c)))) for s, c in zip(sign, offset, strict=True))
            return mpmath.fprod(factors) * mpmath.exp(-z * z / (2 * tau2)) / mpmath.sqrt(2 * mpmath.pi * tau2)

        mode, scale = model.rows(0, 1)[0, :2]
        bends = [-float(c) + d for c in offset for d in (-20, -5, 0, 5, 20)]
        around = [mode + d * scale for d in (-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12)]
        wide = [float(d * mpmath.sqrt(tau2)) for d in (-12, -6, -3, -1, 0, 1, 3, 6, 12)]
        ends = min(wide + around), max(wide + around)
        points = sorted({*around, *wide, *(b for b in bends if ends[0] < b < ends[1])})
        truth = float(mpmath.log(mpmath.quad(joint, points)))
    assert float(model.row_log_evidence(0, 1)[0]) == pytest.approx(truth, abs=1e-9)


def test_random_effects_are_evaluated():
    model = fs.models.random_effects_logistic(rows=200)
    found = fs.evaluate(model, fs.MLMC(), 5000)
    assert abs(found.total - found.log_evidence.sum()) < 4.0 * found.total_error < 1.0
    assert np.array_equal(model.data, fs.models.random_effects_logistic(rows=200).data)


@pytest.mark.slow
def test_published_rates_of_the_random_effects():
    """``E D_l ~ 2^-l`` and ``V D_l ~ 2^-2l`` (Ishikawa & Goda, UAI 2021, figure 1), over individuals.

    Weights under Laplace's proposal vary little, but with a kurtosis of hundreds: the variances of the first levels are
    above ``chi^4 / 2 * 4^-l`` and fall a little faster, until they reach it.
    """
    model = fs.models.random_effects_logistic(rows=24)
    found = [fs.levels(model.at_row(row), max_terms=1023, samples=16_000, seed=row) for row in range(24)]
    assert all(each.consistent for each in found)
    level = np.arange(1, 11)
    means = np.array([each.dyadic["mean"][1:] for each in found])
    variance = np.mean([each.dyadic["variance"][1:] for each in found], axis=0)
    alpha = -np.polyfit(level, np.log2(means.mean(axis=0)), 1)[0]
    beta = -np.polyfit(level, np.log2(variance), 1)[0]
    print(f"alpha {alpha:.3f}, beta {beta:.3f}")
    assert alpha == pytest.approx(1.0, abs=0.08)
    assert 1.9 < beta < 2.4
    chi_square = 2.0 * 2.0**10 * means[:, -1]
    assert 0.8 < 4.0**10 * variance[-1] / np.mean(0.5 * chi_square**2) < 2.0


@pytest.mark.slow
def test_variance_times_cost_of_nested_monte_carlo_sumo_and_mlmc():
    """The mean log evidence of a population, from trials of one individual each, drawn at random.

    A trial varies between individuals and within. IWAE(k) needs a ``k`` whose squared bias ``(chi^2 / 2k)^2`` is half
    of the squared error, and so work like the error to the power -3; unbiased estimators need work like its power -2.
    """
    model = fs.models.random_effects_logistic(rows=40)
    truth = model.row_log_evidence(0, 40)
    between, k = float(truth.var()), 16
    nested = fs.evaluate(model, fs.IWAE(k), 40_000)
    bias, within = k * float(np.mean(truth - nested.mean)), k * float(nested.variance.mean())
    unbiased = {}
    for name, estimator in (("SUMO", fs.SUMO(fs.roulette.Harmonic(cap=2**10))), ("MLMC", fs.MLMC())):
        found = fs.evaluate(model, estimator, 10_000)
        assert np.all(np.abs(found.mean - truth) < 5.0 * found.std_error)
        unbiased[name] = (between + float(found.variance.mean())) * float(np.mean(found.cost / found.trials))

    def work(error: float) -> dict[str, float]:
        samples = max(1.0, bias / (error / math.sqrt(2.0)))
        trials = (between + within / samples) / (0.5 * error**2)
        return {"NMC": samples * trials} | {name: each / error**2 for name, each in unbiased.items()}

    for error in (1e-2, 1e-3, 1e-4):
        print(f"error {error:g}:", {name: f"{each:.2g}" for name, each in work(error).items()})
    exact, coarse = work(1e-4), work(1e-2)
    assert exact["MLMC"] < exact["SUMO"] < exact["NMC"]
    assert coarse["NMC"] < coarse["MLMC"]
    assert math.log10(work(1e-5)["NMC"] / exact["NMC"]) == pytest.approx(3.0, abs=0.02)


def breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    datasets = pytest.importorskip("sklearn.datasets")
    X, y = datasets.load_breast_cancer(return_X_y=True)
    return np.column_stack([np.ones(len(X)), (X - X.mean(axis=0)) / X.std(axis=0)]), y


@pytest.mark.parametrize("proposal", ["laplace", slow("student")])
def test_logistic_regression_is_likelihood_times_prior(proposal):
    X, y = breast_cancer()
    model = fs.models.logistic_regression(X, y, 0.7, proposal)
    random = np.random.default_rng(1)
    beta = model.proposal.mean + 0.3 * random.normal(size=31)
    p = 1.0 / (1.0 + np.exp(-X @ beta))
    expected = np.sum(np.log(np.where(y == 1, p, 1.0 - p))) + stats.norm(0, 0.7).logpdf(beta).sum()
    assert float(model.function(beta, model.params)) == pytest.approx(expected, rel=1e-12)
    gradient = X.T @ (y - 1.0 / (1.0 + np.exp(-X @ model.proposal.mean))) - model.proposal.mean / 0.49
    assert np.abs(gradient).max() < 1e-6
    log_weights = fs.replay(model, fs.IWAE(100), 0).log_weights
    assert np.ptp(log_weights) > 0.0


@pytest.mark.slow
def test_logistic_regression_in_one_dimension():
    X, y = np.array([[0.5], [1.0], [-2.0], [0.3], [1.7]]), [1, 0, 0, 1, 1]

    def joint(b):  # type: ignore[no-untyped-def]
        return np.prod(1.0 / (1.0 + np.exp(-(2 * np.array(y) - 1) * X[:, 0] * b))) * stats.norm.pdf(b, 0, 1.5)

    truth = math.log(integrate.quad(joint, -20, 20, epsabs=1e-13)[0])
    for proposal in ("laplace", "student"):
        r = fs.simulate(fs.models.logistic_regression(X, y, 1.5, proposal), fs.MLMC(), 300_000)
        assert abs(r.mean - truth) < 4.0 * r.std_error < 0.05


def bridge(X: np.ndarray, y: np.ndarray, scale: float, model: fs.Model, seed: int) -> float:
    """Log marginal likelihood by Hamiltonian Monte Carlo and bridge sampling (Meng & Wong, 1996)."""
    random = np.random.default_rng(seed)
    signed, d = (2.0 * y - 1.0)[:, None] * X, X.shape[1]

    def log_joint(b: np.ndarray) -> np.ndarray:
        likelihood = -np.sum(np.logaddexp(0.0, -b @ signed.T), axis=1)
        return (
            likelihood - 0.5 * np.sum(b**2, axis=1) / scale**2 - d * math.log(scale) - 0.5 * d * math.log(2 * math.pi)
        )

    def gradient(b: np.ndarray) -> np.ndarray:
        return (0.5 - 0.5 * np.tanh(0.5 * b @ signed.T)) @ signed - b / scale**2

    root = np.linalg.cholesky(np.asarray(model.proposal.covariance))
    b = model.proposal.mean + random.normal(size=(500, d)) @ root.T
    kept = []
    for step in range(120):
        momentum, new, energy = random.normal(size=b.shape), b, log_joint(b)
        before = energy - 0.5 * np.sum(momentum**2, axis=1)
        size = random.uniform(0.15, 0.3)
        momentum = momentum + 0.5 * size * gradient(new) @ root
        for leap in range(6):
            new = new + size * momentum @ root.T
            momentum = momentum + (size if leap < 5 else 0.5 * size) * gradient(new) @ root
        after = log_joint(new) - 0.5 * np.sum(momentum**2, axis=1)
        b = np.where((np.log(random.random(len(b))) < after - before)[:, None], new, b)
        if step >= 40 and step % 4 == 0:
            kept.append(b)
    fit, use = np.concatenate(kept[::2]), np.concatenate(kept[1::2])
    normal = stats.multivariate_normal(fit.mean(axis=0), np.cov(fit.T))
    drawn = normal.rvs(len(use), random_state=random)
    posterior, proposal = log_joint(use) - normal.logpdf(use), log_joint(drawn) - normal.logpdf(drawn)
    value = float(np.median(proposal))
    for _ in range(200):
        above = np.mean(1.0 / (np.exp(value - proposal) + 1.0))
        below = np.mean(1.0 / (np.exp(posterior - value) + 1.0))
        value += math.log(above / below)
    return value


@pytest.mark.slow
def test_logistic_regression_against_bridge_sampling():
    X, y = breast_cancer()
    model = fs.models.logistic_regression(X, y, 1.0, "laplace")
    runs = [bridge(X, y, 1.0, model, seed) for seed in range(6)]
    truth, error = np.mean(runs), np.std(runs, ddof=1) / math.sqrt(len(runs))
    assert error < 0.02
    for proposal in ("laplace", "student"):
        model = fs.models.logistic_regression(X, y, 1.0, proposal)
        r = fs.simulate(model, fs.IWAE(2**14), 200, seed=1)
        chi_square = 2**14 * r.variance  # of the weights; the bias is -chi_square / 2k
        print(f"{proposal}: {r.mean:.4f} ± {r.std_error:.4f}, bridge {truth:.4f} ± {error:.4f}")
        assert abs(r.mean + chi_square / 2**15 - truth) < 4.0 * math.hypot(error, r.std_error) + 0.005


@pytest.mark.parametrize("dim", [2, 10])
def test_the_funnel_is_a_normalised_density(dim):
    x = np.random.default_rng(dim).normal(size=(20, dim)) * 3.0
    expected = stats.norm(0, 3).logpdf(x[:, 0]) + stats.norm(0, np.exp(x[:, :1] / 2)).logpdf(x[:, 1:]).sum(axis=1)
    for model in (fs.models.funnel(dim), fs.models.funnel(dim, "student")):
        got = [float(model.function(point, model.params)) for point in x]
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.slow
def test_the_funnel_is_hard_and_less_so_with_a_student_proposal():
    k = fs.IWAE(4096)
    gaussian, student = (fs.simulate(fs.models.funnel(3, q), k, 300) for q in ("gaussian", "student"))
    assert gaussian.mean < student.mean < 0.02
    assert student.mean > -0.06
    assert student.variance < 0.5 * gaussian.variance


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: fs.models.linear_gaussian([1.0, 2.0], [0.0], 1.0, data=[[1.0]]), "W must be"),
        (lambda: fs.models.linear_gaussian([[1.0]], [0.0, 1.0], 1.0, data=[[1.0]]), "b must have 1 numbers"),
        (lambda: fs.models.linear_gaussian([[1.0]], [0.0], -1.0, data=[[1.0]]), "noise must be"),
        (lambda: fs.models.linear_gaussian([[1.0]], [0.0], 1.0, data=[[1.0, 2.0]]), "data must have 1 columns, got 2"),
        (lambda: fs.models.linear_gaussian([[1.0]], [0.0], 1.0, "exat", data=[[1.0]]), "did you mean 'exact'"),
        (lambda: fs.models.linear_gaussian([[1.0]], [0.0], 1.0, "widened", data=[[1.0]], width=0.5), "width"),
        (lambda: fs.models.random_effects_logistic(x=np.zeros((2, 2, 3))), "give x and y"),
        (lambda: fs.models.random_effects_logistic(np.zeros((2, 2)), np.zeros((2, 2))), "x must be"),
        (lambda: fs.models.random_effects_logistic(np.zeros((2, 2, 3)), np.full((2, 2), 2)), "0 or 1"),
        (lambda: fs.models.logistic_regression([[1.0], [math.nan]], [0, 1], 1.0), "row 1 of X"),
        (lambda: fs.models.logistic_regression([[1.0], [2.0]], [0, 2], 1.0), "0 or 1"),
        (lambda: fs.models.logistic_regression([[1.0], [2.0]], [0], 1.0), "y fit its rows"),
        (lambda: fs.models.logistic_regression([[1.0]], [0], 0.0), "prior_scale"),
        (lambda: fs.models.logistic_regression([[1.0]], [0], 1.0, "laplac"), "did you mean 'laplace'"),
        (lambda: fs.models.funnel(1), "dim must be"),
        (lambda: fs.models.funnel(3, "normal"), "unknown proposal"),
    ],
)
def test_bad_input(act, message):
    with pytest.raises(ValueError, match=message):
        act()
