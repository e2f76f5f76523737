"""What theory finds out about weights: their tails at both ends, narrow peaks, chi-square, and where it stops."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import fastsumo as fs
from fastsumo.theory import _weights as weights
from fastsumo.theory import chi_square, far_out, predict, tail
from fastsumo.vmath import exp, log, logaddexp
from tests.zoo import slow

P, R = fs.proposals, fs.roulette
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def normal(x, params):
    return -0.5 * x[0] * x[0]


def normal3(x, params):
    return -0.5 * (x[0] * x[0] + x[1] * x[1] + x[2] * x[2])


def laplace(x, params):
    return -abs(x[0])


def by_t(df):
    return fs.importance(normal, P.StudentT([0.0], 1.0, df), name=f"by t{df:g}")


# --- near zero ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("df", [1.0, 3.0, 5.0])
def test_a_proposal_with_heavier_tails_gives_weights_near_zero(df):
    """``-log w`` is near ``x^2 / 2``, and ``P(|x| > y)`` falls like ``y^-df``."""
    model = by_t(df)
    assert far_out(model).near_zero.known
    assert far_out(model).near_zero.low == pytest.approx(df / 2.0, rel=1e-9)
    for estimator, count in ((fs.ELBO(), 1), (fs.IWAE(3), 3), (fs.SUMO(R.Harmonic(cap=100)), 2), (fs.JVI(4), 3)):
        index = count * df / 2.0
        found = predict(model, estimator)
        assert found.tail_index.value == pytest.approx(index, rel=1e-9)
        assert (found.mean.kind == "infinite") == (index <= 1.0)
        assert (found.variance.kind == "infinite") == (index <= 2.0)
        assert "near zero" in " ".join(found.notes)
    assert tail(model, fs.SUMO()).index == min(2.0, df)
    assert tail(model, fs.SUMO(minimum=4)).index == min(2.0, 2.5 * df)
    assert tail(model, fs.MLMC(base=4)).index == pytest.approx(min(3.0, 2.0 * df))


def test_the_elbo_under_a_t_by_long_arithmetic():
    for df in (5, 8):
        with mpmath.workdps(25):
            constant = mpmath.gamma((df + 1) / mpmath.mpf(2)) / (
                mpmath.gamma(df / mpmath.mpf(2)) * mpmath.sqrt(df * mpmath.pi)
            )

            def log_q(x, df=df, constant=constant):
                return mpmath.log(constant) - (df + 1) / mpmath.mpf(2) * mpmath.log1p(x * x / df)

            def integrand(x, log_q=log_q):
                return mpmath.exp(log_q(x)) * (-x * x / 2 - log_q(x))

            truth = float(2 * mpmath.quad(integrand, [0, 1, 3, 10, 100, 1e4, mpmath.inf]))
        assert predict(by_t(float(df)), fs.ELBO()).mean.value == pytest.approx(truth, abs=1e-9)


def test_a_declared_index_near_zero_is_taken_and_dropped_with_other_parameters():
    plain = fs.Model(lambda z, params: params[0] * z[0], 1, [1.0], weight_zero_index=0.5)
    assert predict(plain, fs.SUMO()).mean.kind == "infinite"
    assert plain.with_params([2.0]).weight_zero_index is None
    assert predict(plain.with_params([2.0]), fs.SUMO()).mean.kind == "exact"
    with pytest.raises(ValueError, match="weight_zero_index must be"):
        fs.Model(lambda z, params: 0.0, 1, weight_zero_index=-1.0)
    with pytest.raises(ValueError, match="chi_square must be"):
        fs.Model(lambda z, params: 0.0, 1, chi_square=-0.5)
    assert fs.Model(lambda z, params: 0.0, 1, chi_square=-4.4e-16).chi_square == 0.0


def test_a_target_that_falls_like_an_exponential_of_an_exponential():
    """``P(log w < -x)`` falls slower than any power under a t: no mean of weights has a mean log."""
    model = fs.importance(lambda x, params: -x[0] - exp(-x[0]), P.StudentT([0.0], 1.0, 3.0))
    found = predict(model, fs.IWAE(10**6))
    assert (found.tail_index.value, found.mean.kind) == (0.0, "infinite")


# --- far out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (fs.importance(normal, P.Gaussian([0.0], 0.71**2)), 0.71**2 / math.sqrt(2 * 0.71**2 - 1) - 1),
        (fs.importance(normal, P.Gaussian([0.0], 0.5)), math.inf),
        (fs.importance(normal, P.Gaussian([0.0], 0.36)), math.inf),
        (fs.importance(laplace, P.Gaussian([0.0], 400.0)), math.inf),
        (fs.Model(lambda z, params: 20.0 * z[0], 1), math.expm1(400.0)),
        (fs.Model(lambda u, params: -0.45 * log(u[0]), 1, noise="uniform"), 0.55**2 / 0.1 - 1),
        (fs.Model(lambda u, params: -0.6 * log(u[0]), 1, noise="uniform"), math.inf),
        (fs.importance(normal3, P.Gaussian([0.0] * 3, 0.36)), math.inf),
        (fs.models.funnel(4).with_proposal(P.Gaussian([0.0] * 4, 90.0)), math.inf),
        (fs.importance(normal, P.Gaussian([0.0], 1.0)), 0.0),
    ],
    ids=["0.71", "on the edge", "0.6", "lighter tails", "20 z", "0.45", "u^-0.6", "3-d", "funnel", "perfect"],
)
def test_chi_square_is_judged_by_the_tails(model, expected):
    found = chi_square(model)
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert found.source == ("tails" if expected == math.inf else "quadrature")


def test_a_ridge_that_is_no_ray_is_found():
    """Along the arms of a banana a normal proposal is lighter; on every ray it is not."""

    def banana(x, params):
        bend = x[1] - 0.5 * x[0] * x[0]
        return -0.5 * (x[0] * x[0] + bend * bend)

    assert chi_square(fs.importance(banana, P.Gaussian([0.0, 0.5], 3.0))).value == math.inf
    assert far_out(fs.importance(banana, P.StudentT([0.0, 0.5], 3.0, 5.0))).has_square


def test_what_a_pilot_cannot_tell_is_unknown():
    model = fs.Model(lambda z, params: 2.0 * (z[0] + z[1] + z[2]), 3)
    found = chi_square(model)
    assert math.isnan(found.value)
    assert "k-hat" in found.why
    assert predict(model, fs.IWAE(10)).variance.kind == "unknown"


@pytest.mark.parametrize(
    "estimator", [fs.SUMO(), fs.MLMC(), fs.MLMC(kind="sum"), fs.SingleTerm(), fs.JVI(5), fs.ELBO()]
)
def test_equal_weights(estimator):
    found = predict(fs.importance(normal, P.Gaussian([0.0], 1.0), name="perfect"), estimator)
    assert (found.variance.value, found.variance.kind) == (0.0, "exact")
    assert found.mean.value == pytest.approx(HALF_LOG_2PI, abs=1e-9)


# --- quadrature -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proposal", [P.Gaussian([0.0], 1.0), P.StudentT([0.0], 1.0, 5.0)], ids=["normal", "t5"])
def test_a_narrow_peak_is_found(proposal):
    def spike(x, params):
        thin = -0.5 * (x[0] - 0.1234) * (x[0] - 0.1234) / params[0] ** 2 - log(params[0])
        return logaddexp(-0.5 * x[0] * x[0], thin) - math.log(2.0) - HALF_LOG_2PI

    for width in (1e-2, 1e-3, 1e-4):
        model = fs.importance(spike, proposal, [width], name="spike")
        assert weights.weights_of(model).log_evidence == pytest.approx(0.0, abs=1e-12)


def test_two_rules_and_a_simulation_must_agree(monkeypatch):
    model = fs.Model(lambda z, params: 0.3 * z[0], 1, name="honest")
    other = weights._Quadrature.drawn

    def shifted(self):
        y, log_weight = other(self)
        return y, log_weight + 0.1

    monkeypatch.setattr(weights._Quadrature, "drawn", shifted)
    found = weights.attempt(model)
    assert "quadrature and simulation disagree" in found.doubt
    assert weights.weights_of(model) is None
    with pytest.raises(ValueError, match="disagree"):
        fs.theory.iwae(model, 2)


def test_a_jump_along_a_curve_is_not_called_exact():
    model = fs.Model(lambda z, params: np.where(z[0] < z[1] * z[1], 0.0, 1.0), 2, name="edge")
    assert weights.weights_of(model) is None
    assert chi_square(model).source == "pilot"
    assert "too rough" in chi_square(model).why


def test_a_wrong_declaration_is_named():
    model = fs.Model(lambda z, params: 0.5 * z[0], 1, log_evidence=0.2, name="wrong")
    assert any("declares log Z = 0.2, but quadrature gives 0.125" in note for note in predict(model, fs.ELBO()).notes)


# --- first order ----------------------------------------------------------------------------------------------------


def test_first_order_out_of_its_depth():
    steep = fs.models.lognormal(3.0)
    assert predict(steep, fs.ELBO()).variance.value == pytest.approx(9.0, rel=1e-9)
    random = np.random.default_rng(3)
    sample = 3.0 * random.standard_normal((200_000, 5)) - 4.5
    values = np.logaddexp.reduce(sample, axis=1) - math.log(5.0)
    found = predict(steep, fs.IWAE(5)).variance
    assert found.kind == "exact"
    assert found.value == pytest.approx(values.var(), rel=0.02)
    far = predict(steep, fs.IWAE(5000))
    assert far.variance.kind == "unknown"
    assert any("first order would say 1.6" in note and "9 (exact)" in note for note in far.notes)


def test_weights_near_zero_spoil_first_order_however_small_chi_square():
    model = fs.importance(normal3, P.StudentT([0.0] * 3, 1.0, 5.0))
    assert chi_square(model).value < 0.3
    assert predict(model, fs.SUMO(R.Harmonic(cap=50))).variance.kind == "unknown"


# --- moments of log weights, and weights without a mean ---------------------------------------------------------------


def falling(u, params):
    return -exp(-params[0] * log(u[0]))


def curved(z, params):
    return -exp(params[0] * z[0] * z[0])


def rising(z, params):
    return -exp(params[0] * z[0])


@pytest.mark.parametrize("a", [0.1, 0.35, 0.45, 0.475, 0.49])
def test_variances_of_log_weights_with_a_tail_are_right_to_their_error(a):
    """``log w = -u^-a``, whose index is ``1 / a``: much of the variance is of ``u`` that no trial draws."""
    model = fs.Model(falling, 1, [a], "uniform", name="falling")
    found = predict(model, fs.ELBO())
    truth = 1.0 / (1.0 - 2.0 * a) - 1.0 / (1.0 - a) ** 2
    assert found.mean.value == pytest.approx(-1.0 / (1.0 - a), abs=1e-12 + found.mean.error)
    assert found.variance.kind == ("exact" if a < 0.48 else "unknown")
    if a < 0.48:
        assert found.variance.value == pytest.approx(truth, abs=1e-12 + found.variance.error)


@pytest.mark.parametrize("c", [0.2, 0.24, 0.243])
def test_variances_of_log_weights_that_normal_noise_makes_heavy(c):
    """``log w = -exp(c z^2)``, whose square has the mean ``(1 - 4 c)^-1/2``."""
    found = predict(fs.Model(curved, 1, [c], name="curved"), fs.ELBO()).variance
    assert found.value == pytest.approx((1.0 - 4.0 * c) ** -0.5 - 1.0 / (1.0 - 2.0 * c), abs=1e-12 + found.error)


@pytest.mark.parametrize("a", [1.0, 3.0, 10.0])
def test_variances_of_log_weights_far_below_0(a):
    found = predict(fs.Model(rising, 1, [a], name="rising"), fs.ELBO()).variance
    assert found.value == pytest.approx(math.exp(a * a) * math.expm1(a * a), rel=1e-11)


def test_a_capped_law_has_no_exact_mean_where_two_weights_near_zero_may_have_none():
    """``P(L_2 < -x)`` falls like ``1 / x``: trials end at ``L_2``, though ``E L_11`` exists."""
    found = predict(fs.Model(curved, 1, [1.0], name="curved"), fs.SUMO(R.Harmonic(cap=10)))
    assert found.mean.kind in ("unknown", "infinite")
    steep = predict(fs.Model(curved, 1, [0.6], name="curved"), fs.IWAE(3))
    assert not any("(exact)" in note for note in steep.notes)  # of the variance of one log weight, which is infinite


def separate(z, params):
    return -exp(params[0] * z[0] * z[0]) - exp(params[0] * z[1] * z[1])


@pytest.mark.parametrize("c", [0.05, 0.2, 0.45, 3.0])
def test_logs_that_overflow_in_the_plane_are_not_taken_for_light(c):
    """Their index is ``1 / (2 c)``, though the logs are no numbers at most of the points that are far out."""
    model = fs.Model(separate, 2, [c], name="separate")
    near_zero = far_out(model).near_zero
    assert near_zero.low <= 0.5 / c <= 1.05 * near_zero.high < math.inf


@pytest.mark.parametrize("c", [0.2, slow(0.45), slow(3.0)])
def test_nothing_is_exact_of_logs_that_overflow_in_the_plane(c):
    found = predict(fs.Model(separate, 2, [c], name="separate"), fs.ELBO())
    assert found.tail_index.kind == "unknown"
    assert found.variance.kind == ("unknown" if c < 0.25 else "infinite")


def flat(z, params):
    return 0.5 * z[0] * z[0]


def above_flat(z, params):
    return params[0] * z[0] * z[0]


def cubed(z, params):
    return z[0] ** 3


def lifted(z, params):
    return exp(z[0])


def steep(u, params):
    return -params[0] * log(u[0])


def flat_plane(z, params):
    return params[0] * (z[0] * z[0] + z[1] * z[1])


def cauchy(z, params):
    return 0.5 * z[0] * z[0] - log(1.0 + z[0] * z[0])


@pytest.mark.parametrize(
    ("function", "dim", "params", "noise"),
    [
        (flat, 1, (), "normal"),
        (above_flat, 1, [0.6], "normal"),
        (cubed, 1, (), "normal"),
        (lifted, 1, (), "normal"),
        (steep, 1, [1.0], "uniform"),
        (steep, 1, [1.5], "uniform"),
        (flat_plane, 2, [0.51], "normal"),
    ],
)
def test_weights_without_a_mean_have_no_log_evidence(function, dim, params, noise):
    model = fs.Model(function, dim, params, noise, name="improper")
    assert far_out(model).has_mean is False
    assert fs.theory.log_evidence_of(model) is None
    for estimator in (fs.ELBO(), fs.IWAE(3), fs.SUMO(R.Harmonic(cap=5)), fs.SUMO(), fs.MLMC(), fs.Taylor()):
        found = predict(model, estimator)
        assert found.mean.kind in ("unknown", "infinite")
        assert any("no mean" in note for note in found.notes)


def test_weights_that_only_just_have_a_mean_or_a_square():
    assert far_out(fs.Model(cauchy, 1, name="cauchy")).has_mean is True
    declared = fs.Model(steep, 1, [1.5], "uniform", log_evidence=0.0)
    assert far_out(declared).has_mean is True  # what a model declares is taken as it is

    def on_the_edge(z, params):
        square = z[0] * z[0] + z[1] * z[1]
        return 0.25 * square - params[0] * log(1.0 + square)

    for power, truth in ((10.0, True), (0.6, True), (0.0, False)):  # E w^2 is finite for 4 power > 2
        assert far_out(fs.Model(on_the_edge, 2, [power])).has_square in (None, truth)


# --- what a pilot says ------------------------------------------------------------------------------------------------


def test_numbers_from_a_pilot_have_its_error():
    """Five dimensions, where chi-square is drawn: what it says of variances and tails has an error as well."""

    def narrow(z, params):
        square = 0.0
        for i in range(z.shape[0]):
            square += z[i] * z[i]
        return -0.1 * square

    model = fs.Model(narrow, 5, name="narrow")
    truth = 1.4**-2.5 * 1.2**5 - 1.0
    found = chi_square(model)
    assert found.source == "pilot"
    assert found.value == pytest.approx(truth, abs=5.0 * found.error)
    for estimator, names, power in (
        (fs.IWAE(100), ("variance", "variance_times_cost"), 1.0),
        (fs.SUMO(), ("tail_constant",), 1.0),
        (fs.SUMO(R.PowerLaw(0.75), minimum=30), ("variance",), 1.0),
        (fs.SUMO(R.PowerLaw(0.75), minimum=30), ("tail_constant",), 1.5),
        (fs.MLMC(base=32), ("variance", "variance_of_mean"), 1.0),
    ):
        for name in names:
            number = getattr(predict(model, estimator), name)
            assert number.kind == "first-order"
            assert " ± " in repr(number)
            assert number.error / number.value == pytest.approx(power * found.error / found.value, rel=0.03)
    assert predict(fs.models.note(), fs.IWAE(600)).variance.error < 1e-3  # of a chi-square that is known


# --- log weights of a wide spread -------------------------------------------------------------------------------------


def line(z, params):
    return params[0] * z[0]


def tilted_line(z, params):
    return params[0] * (0.6 * z[0] + 0.8 * z[1])


def of_two(sigma):
    """Mean and variance of ``L_2`` of log weights ``N(0, sigma^2)``: their mean, and ``log cosh`` of half their gap."""
    y, h = np.linspace(-12.0, 12.0, 240_001), 1e-4
    mass = np.exp(-0.5 * y * y) * h / math.sqrt(2.0 * math.pi)
    gap = np.abs(y) * sigma / math.sqrt(2.0)
    bend = gap + np.log1p(np.exp(-2.0 * gap)) - math.log(2.0)
    mean = float(mass @ bend)
    return mean, 0.5 * sigma**2 + float(mass @ bend**2) - mean**2


@pytest.mark.parametrize("sigma", [0.3, 5.0, 10.0, 20.0, 30.0])
@pytest.mark.parametrize(("function", "dim"), [(line, 1), pytest.param(tilted_line, 2, marks=pytest.mark.slow)])
def test_what_is_exact_of_wide_weights_is_so(function, dim, sigma):
    found = predict(fs.Model(function, dim, [sigma], name="line"), fs.IWAE(2))
    mean, variance = of_two(sigma)
    assert found.variance.kind == found.mean.kind == "exact"
    assert found.mean.value == pytest.approx(mean, abs=1e-10 + found.mean.error)
    assert found.variance.value == pytest.approx(variance, abs=1e-9 + found.variance.error)
    always = predict(fs.Model(function, dim, [sigma], name="line"), fs.SUMO(R.Table([1.0])))  # L_2, another way
    assert always.variance.value == pytest.approx(variance, abs=1e-9 + always.variance.error)


@pytest.mark.parametrize("sigma", [40.0, 300.0, slow(1e5), 1e16, slow(1e80)])
def test_what_is_too_wide_is_unknown(sigma):
    model = fs.Model(line, 1, [sigma], name="line")
    for estimator in (fs.IWAE(3), fs.SUMO(R.Harmonic(cap=5)), fs.JVI(4), fs.MLMC(), fs.SUMO(R.PowerLaw(0.75))):
        assert predict(model, estimator).variance.kind == "unknown"
    found = predict(model, fs.ELBO())
    assert found.variance.kind == ("exact" if sigma < 1e4 else "unknown")
    assert found.variance.kind == "unknown" or found.variance.value == pytest.approx(sigma**2, rel=1e-9)
    if sigma > 1e10:
        assert fs.theory.log_evidence_of(model) is None


def test_a_chi_square_too_large_for_a_float_is_not_infinite():
    for model in (fs.models.lognormal(30.0), fs.Model(line, 1, [30.0])):
        assert math.isnan(float(chi_square(model)))
        assert "too large for a float" in chi_square(model).why
        found = predict(model, fs.MLMC())
        assert found.variance.kind == "unknown"
        assert found.tail_index.value == pytest.approx(3.0)


@pytest.mark.parametrize("sigma", [1e-2, 1e-3, 1e-4, 1e-6, 1e-9])
def test_nothing_is_exact_of_nearly_equal_weights_that_is_lost_in_rounding(sigma):
    """Their variances are ``chi2 / k`` to first order, which says more than differences of integrals."""
    model = fs.Model(line, 1, [sigma], name="line")
    for estimator, share in ((fs.IWAE(2), 1 / 2), (fs.IWAE(100), 1 / 100), (fs.JVI(2), 1 / 2), (fs.MLMC(), 1.0)):
        found = predict(model, estimator).variance
        assert found.kind in ("exact", "first-order")
        assert 0.0 <= found.error < 0.1 * found.value
        assert found.value == pytest.approx(share * sigma**2, rel=0.01 + 3.0 * found.error / found.value)


def test_a_small_number_shows_its_error():
    assert repr(fs.theory.Quantity(5e-9, "exact", 3e-11)) == "5e-09 ± 3e-11 (exact)"
    assert repr(fs.theory.Quantity(0.5, "exact", 3e-11)) == "0.5 (exact)"
    assert repr(fs.theory.Quantity(0.0, "exact", 3e-16)) == "0 (exact)"
