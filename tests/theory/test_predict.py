"""Theory against brute force: other quadratures, long arithmetic, NumPy simulations, and (slowly) the engine.

The closed forms for gamma weights are in `closed_forms.py` too, from other formulas.
"""

from __future__ import annotations

import math

import closed_forms
import mpmath
import naive_estimators
import numpy as np
import pytest
import quadrature
from zoo import slow, thinned

import fastsumo as fs
from fastsumo.theory import Quantity, _pairs, chi_square, iwae, predict, tail_index
from fastsumo.theory._frullani import covariance
from fastsumo.theory._moments import FirstOrder, Gamma
from fastsumo.theory._sums import series
from fastsumo.theory._weights import log_weights_at, weights_of
from fastsumo.vmath import log

R = fs.roulette
SHAPES = (0.5, 1.0, 2.0)


# --- moments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.5, 1.0, 7.5, 4000.0])
def test_gamma_moments_to_rounding_error(shape):
    k = np.array([1.0, 2.0, 3.0, 11.0, 47.0, 48.0, 1000.0, 1e6, 2.0**40])
    g = Gamma(shape)
    with mpmath.workdps(60):
        a = mpmath.mpf(shape)
        for i, n in enumerate(map(mpmath.mpf, k.tolist())):
            psi, tri = mpmath.digamma, lambda x: mpmath.polygamma(1, x)
            expected = {
                "bias": psi(n * a) - mpmath.log(n * a),
                "variance": tri(n * a),
                "mean_increment": psi((n + 1) * a) - psi(n * a) - mpmath.log((n + 1) / n),
                "var_increment": tri(n * a) - tri((n + 1) * a),
                "level_mean": psi(2 * n * a) - psi(n * a) - mpmath.log(2),
                "level_variance": tri(n * a) / 2 - tri(2 * n * a),
            }
            for name, value in expected.items():
                assert getattr(g, name)(k)[i] == pytest.approx(float(value), rel=2e-12), (name, n)


def test_first_order_is_the_limit_of_gamma():
    first, exact, k = FirstOrder(2.0), Gamma(0.5), 1e7
    for name in ("bias", "variance", "mean_increment", "var_increment", "level_mean", "level_variance"):
        assert getattr(first, name)(k) == pytest.approx(float(getattr(exact, name)(k)), rel=1e-6), name


@pytest.mark.parametrize(
    ("term", "last", "expected"),
    [
        (lambda k: k**-2.0, math.inf, math.pi**2 / 6),
        (lambda k: k**-1.05, math.inf, float(mpmath.zeta(1.05))),
        (lambda k: k**-1.5 * np.log(k), math.inf, -float(mpmath.zeta(1.5, derivative=1))),
        (lambda k: 1.0 / k, 1e15, math.log(1e15) + np.euler_gamma),
        (lambda k: np.sqrt(k), 10, sum(map(math.sqrt, range(1, 11)))),
        (lambda k: k, 0, 0.0),
    ],
)
def test_series(term, last, expected):
    assert series(term, last) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        slow(R.HarmonicGeometric(4200, 0.99, cap=4203), 247.61105668312),
        (R.HarmonicGeometric(5000, 0.9, cap=5010), 2213465.79442402),
        (R.Geometric(0.001, cap=6000), None),
        (R.HarmonicGeometric(80_000, 0.001, cap=90_000), None),
    ],
    ids=repr,
)
def test_steep_tails_of_a_law_far_out(law, expected):
    """Behind the terms that are added one by one come panels, and a geometric tail is too steep for these."""
    found = predict(fs.models.gamma(1.0), fs.SUMO(law)).variance
    direct = closed_forms.sumo(1.0, law.survival(np.arange(1, law.cap + 1)))[1]
    assert found.value == pytest.approx(direct, rel=1e-9)
    if expected is not None:
        assert found.value == pytest.approx(expected, rel=1e-12)


def test_a_variance_beyond_all_floats_is_not_called_infinite():
    found = predict(fs.models.gamma(1.0), fs.SUMO(R.Geometric(0.2, cap=6000)))
    assert found.variance.kind == "unknown"
    assert any("too large for a float" in note for note in found.notes)


def test_series_across_a_knot_into_a_growing_tail():
    def term(k):
        return np.exp(1e-3 * np.maximum(k - 100_000.0, 0.0)) / np.minimum(k, 100_000.0)

    direct = math.fsum(term(np.arange(1.0, 110_001.0)))
    assert series(term, 110_000, knot=100_000.0, pace=1e-3) == pytest.approx(direct, rel=1e-6)


# --- quadrature -------------------------------------------------------------------------------------------


def test_the_note():
    note = fs.models.note()
    assert iwae(note, 1) == pytest.approx(1.459658034980, abs=1e-11)
    assert iwae(note, 5) == pytest.approx(1.763776963781, abs=1e-11)
    weights = weights_of(note)
    assert weights.chi_square == pytest.approx(note.chi_square, rel=1e-13)
    assert weights.log_evidence == pytest.approx(math.log(2 * math.pi), abs=1e-13)
    assert chi_square(note).source == "declared"


def test_constant_weights_have_no_variance_and_no_tail():
    told = predict(fs.Model(lambda z, params: 1.5, 1), fs.SUMO())
    assert (told.chi_square.value, told.variance.value, told.tail_index.value) == (0.0, 0.0, math.inf)


def test_what_theory_kept_of_a_model_is_of_what_it_was():
    scale = 1.0
    model = fs.Model(lambda z, params: scale * z[0], 1)
    assert chi_square(model).value == pytest.approx(math.expm1(1.0), rel=1e-9)
    scale = 0.5
    assert chi_square(model).value == pytest.approx(math.expm1(0.25), rel=1e-9)


def test_chi_square_of_the_note_by_closed_form():
    """``sum of int N_i N_j / q``, each a Gaussian integral."""

    def part(a, s, b, t):
        curve, slope = 1 / s + 1 / t - mpmath.mpf(1) / 5, a / s + b / t
        exponent = slope**2 / (2 * curve) - (a * a / s + b * b / t) / 2
        return mpmath.sqrt(5 / (s * t * curve)) * mpmath.exp(exponent)

    with mpmath.workdps(30):
        parts = [(mpmath.mpf(-2), mpmath.mpf(1)), (mpmath.mpf(2), mpmath.mpf(4))]
        total = sum(part(a, s, b, t) * part(0, s, 0, t) / 4 for a, s in parts for b, t in parts)
        assert fs.models.note().chi_square == pytest.approx(float(total - 1), rel=1e-15)


@pytest.mark.parametrize("k", [slow(1), slow(2), 30])
def test_iwae_agrees_with_the_other_quadrature(k):
    for model, phi in (
        (fs.models.lognormal(0.7), quadrature.laplace_lognormal(0.7)),
        (fs.models.gaussian_scale(0.8), quadrature.laplace_gaussian_scale(0.8)),
        (fs.models.note(), quadrature.laplace_note()),
    ):
        assert iwae(model, k) == pytest.approx(quadrature.mean_iwae(phi, k), abs=1e-9)


def test_iwae_of_very_many_samples():
    """``E[L_k] = -mu2 / (2 k) + (mu3 / 3 - 3 mu2^2 / 4) / k^2 + ...`` (Nowozin, ICLR 2018)."""
    mu2 = math.expm1(0.49)
    mu3 = math.exp(1.47) - 3 * math.exp(0.49) + 2
    for k in (10_000, 1_000_000):
        expected = -mu2 / (2 * k) + (mu3 / 3 - 3 * mu2**2 / 4) / k**2
        assert iwae(fs.models.lognormal(0.7), k) == pytest.approx(expected, abs=3e-12)


@pytest.mark.parametrize("sigma", [0.3, 0.75, 1.0, 3.0])
def test_elbo_in_closed_form(sigma):
    assert iwae(fs.models.lognormal(sigma), 1) == pytest.approx(-(sigma**2) / 2, abs=1e-10)
    expected = math.log(sigma) + 0.5 * (1 - sigma**2)
    assert iwae(fs.models.gaussian_scale(sigma), 1) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("shape", [*SHAPES, 30.0])
def test_a_declared_transform_gives_the_closed_form(shape):
    for k in (1, 7, 10_000):
        expected = closed_forms.iwae(shape, k)[0]
        assert iwae(fs.models.gamma(shape), k) == pytest.approx(expected, abs=1e-11)


def test_iwae_needs_a_small_dimension():
    model = fs.Model(lambda z, params: z[0] + z[1] + z[2], 3, name="three")
    with pytest.raises(ValueError, match="has dimension 3"):
        iwae(model, 2)
    with pytest.raises(ValueError, match="k must be"):
        iwae(fs.models.note(), 0)


def test_uniform_noise_scale_and_branches():
    """``w = 2 u`` on (0, 1): ``E log w = log 2 - 1``; a branch forbids arrays; the scale is far from 1."""

    def branching(z, params):
        if z[0] > 2.0:
            return 0.0
        return math.log(2.0 * z[0]) + 1e4

    model = fs.Model(branching, 1, noise="uniform", name="branching")
    assert iwae(model, 1) == pytest.approx(1e4 + math.log(2.0) - 1.0, abs=1e-6)
    assert chi_square(model).value == pytest.approx(1.0 / 3.0, rel=1e-6)


def test_a_function_that_looks_at_the_size_is_called_point_by_point():
    noise = np.random.default_rng(0).standard_normal((50, 3))
    model = fs.models.gamma(1.5)
    assert np.array_equal(log_weights_at(model, noise), model(noise))


def test_weights_that_may_be_zero():
    def gate(z, params):
        return np.where(np.abs(z[0]) < 30.0, -0.5 * z[0] ** 2, -np.inf) if np.ndim(z[0]) else -0.5 * z[0] ** 2

    smooth = fs.Model(gate, 1, name="smooth")
    assert math.isfinite(iwae(smooth, 1))

    def half(z, params):
        return -math.inf if z[0] < 0.0 else 0.0

    zero = fs.Model(half, 1, log_evidence=-math.log(2.0), name="half")
    assert predict(zero, fs.IWAE(3)).mean == Quantity(-math.inf, "exact")
    assert predict(zero, fs.SUMO()).mean == Quantity(-math.inf, "exact")


def test_chi_square_by_quadrature_pilot_and_declaration():
    near = fs.Model(lambda z, params: params[0] * z[0], 1, [0.5], name="near")
    assert chi_square(near).source == "quadrature"
    assert chi_square(near).value == pytest.approx(math.expm1(0.25), rel=1e-12)
    heavy = fs.Model(lambda z, params: 0.4 * z[0] * z[0], 1, name="heavy")
    assert math.isinf(chi_square(heavy).value)
    wide = fs.Model(lambda z, params: 0.25 * (z[0] + z[1] + z[2] + z[3]), 4, name="wide")
    found = chi_square(wide)
    assert found.source == "pilot"
    assert abs(found.value - math.expm1(0.25)) < 4.5 * found.error < 0.1
    assert chi_square(fs.models.gaussian_scale(0.5)).value == math.inf


@pytest.mark.parametrize(("common", "left", "right"), [(3, 0, 0), (3, 0, 2), (1, 2, 2), (4, 1, 2)])
def test_covariances_of_logs_of_gamma_sums(common, left, right):
    """Nested sums have the trigamma function of the larger one; all others are simulated."""
    shape = 0.5
    found = covariance(lambda t: -shape * np.log1p(t), common, left, right)
    if left == 0:
        assert found == pytest.approx(closed_forms.iwae(shape, common + right)[1], rel=1e-11)
    c, a, b = np.random.default_rng(1).standard_gamma(
        np.array([common, left, right])[:, None] * shape + 1e-300, (3, 400_000)
    )
    x, y = np.log(c + a), np.log(c + b)
    products = (x - x.mean()) * (y - y.mean())
    assert abs(products.mean() - found) < 4.5 * products.std() / math.sqrt(products.size)


# --- predictions for gamma weights ------------------------------------------------------------------------

GAMMA = [
    fs.ELBO(),
    fs.IWAE(6),
    fs.JVI(2),
    fs.JVI(6),
    fs.JVI(3, order=2),
    fs.JVI(7, order=2),
    fs.SUMO(R.Harmonic(cap=12)),
    fs.SUMO(R.Harmonic(cap=12), start=0),
    fs.SUMO(R.PowerLaw(0.7, cap=9), minimum=3),
    fs.SUMO(R.PowerLaw(0.7, cap=9), minimum=3, start=0),
    fs.SUMO(R.HarmonicGeometric(3, 0.4, cap=8)),
    fs.SUMO(R.Table([1.0, 0.8, 0.8, 0.3])),
    fs.SingleTerm(R.Harmonic(cap=5)),
    fs.SingleTerm(R.HarmonicGeometric(3, 0.4, cap=6)),
    fs.MLMC(0.45),
    fs.MLMC(0.45, base=3),
    fs.MLMC(0.45, first=False),
    fs.MLMC(0.45, kind="sum"),
    fs.MLMC(0.45, base=2, first=False, kind="sum"),
]


def within(values: np.ndarray, mean: float, variance: float, errors: float = 4.5) -> None:
    """Whether a sample's mean and variance are as expected, in units of their standard errors."""
    n, center = values.size, values - values.mean()
    spread = center.var()
    assert abs(values.mean() - mean) < errors * math.sqrt(variance / n)
    assert abs(spread - variance) < errors * math.sqrt(np.mean((center**2 - spread) ** 2) / n)


@pytest.mark.parametrize("shape", thinned(SHAPES, 3))
@pytest.mark.parametrize("estimator", thinned(GAMMA, 4), ids=repr)
def test_gamma_closed_forms_against_a_plain_simulation(estimator, shape):
    trials = 20_000 if isinstance(estimator, fs.MLMC) else 100_000
    values, costs = naive_estimators.simulate(estimator, shape, trials, seed=11)
    found = predict(fs.models.gamma(shape), estimator)
    assert {found.mean.kind, found.variance.kind, found.cost.kind} == {"exact"}
    within(values, found.mean.value, found.variance.value)
    if not isinstance(estimator, fs.MLMC):  # whose costs have no variance; see test_estimators.py
        assert abs(costs.mean() - found.cost.value) <= 4.5 * costs.std() / math.sqrt(trials)
    product = found.variance.value * found.cost.value
    assert found.variance_times_cost == Quantity(product, "exact")


@pytest.mark.parametrize("shape", [1.0, 3.5])
@pytest.mark.parametrize(
    "estimator",
    [
        fs.MLMC(),
        fs.MLMC(0.26 + 1e-9, base=4, first=False),
        fs.MLMC(kind="sum"),
        fs.MLMC(0.45, first=False, kind="sum"),
        fs.MLMC(0.4, base=256, first=False, kind="sum"),
    ],
    ids=repr,
)
def test_levels_from_the_laplace_transform_are_those_of_closed_forms(estimator, shape):
    """As of a model that is not known to have gamma weights: levels beyond 512 weights are continued."""
    model = fs.models.gamma(shape)
    value, error = _pairs.variance(model, estimator, 1.0 / shape)
    wanted = predict(model, estimator).variance.value
    assert abs(value - wanted) < error < 1e-3 * wanted
    assert value == pytest.approx(wanted, rel=1e-6)


def sums_of_levels(estimator: fs.MLMC, trials: int) -> np.ndarray:
    """Values of trials on uniform weights, in NumPy; those of one level together."""
    rng, values = np.random.default_rng(4), []
    chosen = rng.geometric(1.0 - estimator.ratio, trials) - (0 if estimator.first else 1)
    for level, count in zip(*np.unique(chosen, return_counts=True), strict=True):
        for part in np.array_split(np.arange(count), max(1, count * estimator.base * 2**level // 2_000_000)):
            w = rng.random((part.size, estimator.base * 2**level))
            start = rng.random((part.size, estimator.base)) if estimator.first else w
            value = np.log(start[:, : estimator.base].mean(axis=1))
            for j in range(1, level + 1):
                half = estimator.base * 2 ** (j - 1)
                a, b = w[:, :half].mean(axis=1), w[:, half : 2 * half].mean(axis=1)
                above = estimator.ratio ** (j - 1 if estimator.first else j)
                value += (np.log((a + b) / 2.0) - 0.5 * np.log(a * b)) / above
            values.append(value)
    return np.concatenate(values)


@pytest.mark.parametrize(
    "estimator",
    [
        fs.MLMC(0.49, first=False, kind="sum"),
        slow(fs.MLMC(0.4, base=2, first=False, kind="sum")),
        slow(fs.MLMC(0.45, kind="sum")),
    ],
    ids=repr,
)
def test_sums_of_levels_of_other_weights_against_a_plain_simulation(estimator):
    """Of gamma weights levels are uncorrelated; of uniform ones, covariances take a quarter off the whole."""
    model = fs.Model(lambda z, params: log(z[0]), 1, noise="uniform", log_evidence=-math.log(2.0))
    found = predict(model, estimator)
    assert found.variance.error < 1e-4 * found.variance.value
    within(sums_of_levels(estimator, 50_000), found.mean.value, found.variance.value)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("minimum", [1, 5])
def test_sumo_agrees_with_the_other_closed_form(shape, minimum):
    for law in (R.Harmonic(cap=50_000), R.PowerLaw(1.5, cap=20_000), R.HarmonicGeometric(80, 0.1, cap=300)):
        survival = law.survival(np.arange(1, law.max_terms + 1))
        mean, variance = closed_forms.sumo(shape, survival, minimum)
        found = predict(fs.models.gamma(shape), fs.SUMO(law, minimum=minimum))
        assert found.mean.value == pytest.approx(mean, abs=1e-10)
        assert found.variance.value == pytest.approx(variance, rel=1e-7)
        assert found.cost.value == pytest.approx(closed_forms.cost(survival, minimum)[0], rel=1e-10)


def test_sumo_without_a_cap_where_the_variance_is_finite():
    """``PowerLaw(s)`` with ``s < 1``: the limit of larger and larger caps, reached like ``cap^(s - 1)``."""
    gamma, s = fs.models.gamma(1.0), 0.6
    whole = predict(gamma, fs.SUMO(R.PowerLaw(s)))
    parts = [predict(gamma, fs.SUMO(R.PowerLaw(s, cap=10**n))).variance.value for n in (8, 12)]
    rest = [whole.variance.value - part for part in parts]
    assert rest[0] / rest[1] == pytest.approx(1e4 ** (1 - s), rel=1e-3)
    assert whole.cost.kind == whole.variance_times_cost.kind == "infinite"
    assert whole.mean == Quantity(0.0, "exact")


def test_variance_of_a_capped_harmonic_law_grows_by_chi_square_per_e_fold():
    values = [predict(fs.models.gamma(0.5), fs.SUMO(R.Harmonic(cap=10**n))).variance.value for n in (9, 12)]
    assert values[1] - values[0] == pytest.approx(2.0 * math.log(1e3), rel=1e-6)


def test_a_large_jackknife_is_of_first_order():
    """Beyond ``k^(2 order) = 10^9`` too few digits are left; until then the two differ by ``O(1 / k)``."""
    for order, last in ((1, 31_000), (2, 177)):
        exact, first = (predict(fs.models.gamma(1.0), fs.JVI(last + i, order=order)).variance for i in (0, 1000))
        assert (exact.kind, first.kind) == ("exact", "first-order")
        assert exact.value * last == pytest.approx(1.0, abs=4.0 / last)
        assert first.value * (last + 1000) == pytest.approx(1.0, abs=4.0 / last)


def test_optimal_cost_of_levels_beats_a_capped_law_the_more_the_higher_the_cap():
    gamma = fs.models.gamma(1.0)
    mlmc = predict(gamma, fs.MLMC()).variance_times_cost.value
    sumo = [predict(gamma, fs.SUMO(R.Harmonic(cap=10**n))).variance_times_cost.value for n in (2, 4, 6)]
    assert mlmc < sumo[0] < sumo[1] < sumo[2]


# --- other models -----------------------------------------------------------------------------------------


def test_capped_means_are_those_of_iwae():
    note = fs.models.note()
    for estimator, k in (
        (fs.SUMO(R.Harmonic(cap=80)), 81),
        (fs.SUMO(R.Harmonic(cap=80), start=0), 80),
        (fs.SUMO(R.Harmonic(cap=80), minimum=7), 87),
        (fs.SUMO(R.HarmonicGeometric(20, 1.0)), 21),
        (fs.SingleTerm(R.Harmonic(cap=80)), 81),
    ):
        assert predict(note, estimator).mean == Quantity(iwae(note, k), "exact"), estimator
    jackknife = 5 * iwae(note, 5) - 4 * iwae(note, 4)
    assert predict(note, fs.JVI(5)).mean.value == pytest.approx(jackknife, abs=1e-12)


def test_unbiased_means_are_the_log_evidence():
    note = fs.models.note()
    for estimator in (fs.SUMO(), fs.SUMO(R.PowerLaw(1.5), minimum=3), fs.MLMC(), fs.MLMC(kind="sum")):
        assert predict(note, estimator).mean == Quantity(note.log_evidence, "exact")
    unknown = fs.Model(lambda z, params: z[0] + z[1] + z[2], 3, name="unknown")
    assert predict(unknown, fs.SUMO()).mean.kind == "unknown"


def test_variance_of_the_elbo_is_exact():
    found = predict(fs.models.lognormal(0.7), fs.ELBO()).variance
    assert found.kind == "exact"
    assert found.value == pytest.approx(0.49, rel=1e-10)


def mean_square(z, params):
    """Gamma weights of shape 8, of which theory knows nothing."""
    total = 0.0
    for i in range(16):
        total = total + z[i] * z[i]
    return log(total / 16.0)


def test_first_order_variance_is_near_the_truth():
    for estimator in (fs.SUMO(R.Harmonic(cap=80)), fs.MLMC(), fs.IWAE(50)):
        exact = predict(fs.models.gamma(8.0), estimator).variance.value
        plain = fs.Model(mean_square, 16, log_evidence=0.0, chi_square=1 / 8, name="plain")
        first = predict(plain, estimator).variance
        assert first.kind == "first-order"
        assert first.value == pytest.approx(exact, rel=0.12)


# --- tails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "index"),
    [
        (fs.SUMO(), 2.0),
        slow(fs.SUMO(minimum=9, start=0), 2.0),
        (fs.SUMO(R.PowerLaw(1.5)), 1.5),
        (fs.SUMO(R.PowerLaw(0.9)), 2.25),
        (fs.SUMO(R.PowerLaw(0.5)), math.inf),
        (fs.SUMO(R.Geometric(0.3)), 1.0),
        (fs.SUMO(R.HarmonicGeometric()), 1.0),
        (fs.SUMO(R.Harmonic(cap=10)), math.inf),
        (fs.SUMO(R.HarmonicGeometric(80, 1.0)), math.inf),
        (fs.SUMO(R.Table([1.0, 0.1])), math.inf),
        (fs.SingleTerm(), 1.0),
        (fs.SingleTerm(R.PowerLaw(3.0)), 1.0),
        (fs.MLMC(), 3.0),
        (fs.MLMC(0.45, kind="sum"), math.log(0.45) / math.log(0.9)),
        (fs.IWAE(3), math.inf),
        (fs.JVI(3), math.inf),
    ],
    ids=repr,
)
def test_tail_indices(estimator, index):
    gamma = fs.models.gamma(1.0)
    assert tail_index(gamma, estimator) == pytest.approx(index)
    found = predict(gamma, estimator)
    assert found.tail_index == Quantity(tail_index(gamma, estimator), "first-order")
    assert (found.variance.kind == "infinite") == (index <= 2.0)
    assert (found.mean.kind == "infinite") == (index <= 1.0)


def test_heavy_weights_lower_the_index():
    assert tail_index(fs.models.gaussian_scale(0.6), fs.SUMO()) == pytest.approx(1 / (1 - 0.36))
    assert tail_index(fs.models.gaussian_scale(0.95), fs.SUMO()) == 2.0
    b = fs.models.gaussian_scale(0.6).weight_tail_index
    assert tail_index(fs.models.gaussian_scale(0.6), fs.MLMC()) == pytest.approx(1 + (b - 1) / 1.5)
    found = predict(fs.models.gaussian_scale(0.6), fs.SUMO(R.Harmonic(cap=80)))
    assert found.variance.kind == "exact"  # logs of heavy weights are light
    assert found.mean.kind == "exact"
    assert any("no variance" in note for note in found.notes)


def test_tail_constants_in_closed_form():
    assert predict(fs.models.gamma(0.5), fs.SUMO()).tail_constant.value == pytest.approx(2.0)
    # P_k = k^-1.5, chi2 = 1: (1 / 2)^(3/4) E|N|^1.5
    moment = 2**0.75 * math.gamma(1.25) / math.sqrt(math.pi)
    found = predict(fs.models.gamma(1.0), fs.SUMO(R.PowerLaw(1.5))).tail_constant.value
    assert found == pytest.approx(0.5**0.75 * moment)
    # exponential weights: E|w - 1| = 2 / e
    found = predict(fs.models.gamma(1.0), fs.SingleTerm(R.PowerLaw(2.0))).tail_constant.value
    assert found == pytest.approx(1 / math.e)


@pytest.mark.parametrize("estimator", [fs.MLMC(), fs.MLMC(base=2, first=False), fs.MLMC(kind="sum")], ids=repr)
def test_tail_constant_of_levels_against_the_limit_law(estimator):
    """``D_l = chi2 N^2 / (4 n)``: the mean of ``x^a P(value > x)`` over a period of ``log x``, far out."""
    rng, r, index = np.random.default_rng(2), estimator.ratio, 3.0
    lowest = 1 if estimator.first else 0
    level = np.arange(lowest, 40)
    half = estimator.base * 2.0 ** (level - 1.0)
    differences = rng.standard_normal((100_000, level.size)) ** 2 / (4.0 * half)
    chance = (1 - r) * r ** (level - lowest)
    values = differences / chance
    if estimator.kind == "sum":
        values = np.cumsum(differences / r ** (level - lowest), axis=1)
    x = 1e3 * np.exp(np.linspace(0.0, -np.log(2 * r), 16, endpoint=False))
    measured = np.mean([x_i**index * np.sum(chance * np.mean(values > x_i, axis=0)) for x_i in x])
    assert predict(fs.models.gamma(1.0), estimator).tail_constant.value == pytest.approx(measured, rel=0.03)


def test_notes_say_what_a_cap_hides():
    found = predict(fs.models.note(), fs.SUMO(R.Harmonic(cap=10**6)))
    assert math.isinf(found.tail_index.value)
    assert any("up to the cap the tail looks like one of index 2" in note for note in found.notes)


def test_prediction_prints_as_a_table():
    text = str(predict(fs.models.note(), fs.SUMO(R.Harmonic(cap=80))))
    for words in ("variance x cost", "(first-order)", "tail index       inf", "0.7329437063 (declared)"):
        assert words in text
    assert "infinite" in str(predict(fs.models.note(), fs.SUMO()))


def test_bad_arguments():
    with pytest.raises(TypeError, match="must be a fastsumo Model"):
        predict(lambda z: 0.0, fs.SUMO())
    with pytest.raises(TypeError, match="estimator must be"):
        predict(fs.models.note(), fs.SUMO)
    data = fs.Model(lambda z, row, params: row[0], 1, data=np.ones((3, 1)), name="rows")
    with pytest.raises(ValueError, match="has data"):
        predict(data, fs.SUMO())


# --- the engine -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("estimator", [*GAMMA, fs.MLMC(), fs.MLMC(kind="sum")], ids=repr)
def test_gamma_closed_forms_at_a_hundred_million_trials(estimator, shape):
    found = predict(fs.models.gamma(shape), estimator)
    r = fs.simulate(fs.models.gamma(shape), estimator, 100_000_000, seed=3)
    assert abs(r.mean - found.mean.value) < 4.5 * r.std_error
    if found.tail_index.value > 4.0:
        error = r.variance * math.sqrt((r.kurtosis - 1.0) / r.trials)
        assert abs(r.variance - found.variance.value) < 4.5 * error
    if not isinstance(estimator, fs.MLMC):
        assert r.cost / r.trials == pytest.approx(found.cost.value, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("s", [0.9, 1.0, 1.5])
def test_tail_index_of_power_laws(s):
    """``2 s / (2 s - 1)``, with a cap beyond any `K` that so many trials draw; 8000 values make an error of 1 %."""
    estimator = fs.SUMO(R.PowerLaw(s, cap=10**10))
    r = fs.simulate(fs.models.gamma(1.0), estimator, 100_000_000, seed=4)
    expected = tail_index(fs.models.gamma(1.0), fs.SUMO(R.PowerLaw(s)))
    assert r.tail_index("hill", k=8000).estimate == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
def test_tail_constant_of_the_harmonic_law_is_chi_square():
    note = fs.models.note()
    r = fs.simulate(note, fs.SUMO(R.Harmonic(cap=1_000_000)), 100_000_000, seed=5)
    distance = np.sort(np.abs(r.extremes["value"] - r.center))[::-1]
    k = 3000
    assert k / r.trials * distance[k] ** 2 == pytest.approx(note.chi_square, rel=0.1)


@pytest.mark.slow
def test_the_papers_law_has_index_one_and_a_variance_that_grows_with_the_trials():
    note, law = fs.models.note(), fs.SUMO(R.HarmonicGeometric(80, 0.1))
    r = fs.simulate(note, law, 100_000_000, seed=6)
    assert r.tail_index("hill", k=2000).estimate == pytest.approx(1.0, abs=0.2)
    rows = r.trace[r.trace["trials"] >= 10_000]
    slope = np.polyfit(np.log(rows["trials"]), np.log(rows["variance"]), 1)[0]
    assert 0.6 < slope < 1.4


@pytest.mark.slow
def test_levels_beat_capped_sumo_the_more_the_higher_the_cap():
    """Ishikawa & Goda, UAI 2021: variance times cost."""
    laws = [R.Harmonic(cap=cap) for cap in (100, 1000, 10_000)]
    found = fs.compare(fs.models.note(), [fs.MLMC(), *map(fs.SUMO, laws)], cost=1e9)
    work = [row.variance_times_cost for row in found]
    assert work == sorted(work)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_text_fits(width: int) -> None:
    """With errors, too: here those of a quadrature."""

    def banana(x, params):  # type: ignore[no-untyped-def]
        bend = x[1] - 0.5 * x[0] ** 2
        return -0.5 * (x[0] ** 2 + bend**2)

    proposal = fs.proposals.StudentT(mean=[0.0, 1.0], covariance=[[1.5, 0.0], [0.0, 3.0]], df=5)
    model = fs.importance(banana, proposal, name="banana")
    text = predict(model, fs.SUMO()).text(width)
    assert "±" in text
    assert max(map(len, text.splitlines())) <= width
