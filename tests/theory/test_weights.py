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
