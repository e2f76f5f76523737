"""`simulate` with ``until``: as many trials as a standard error takes, where there is one."""

from __future__ import annotations

import pytest
from bits import same_bits
from zoo import half_empty

import fastsumo as fs

R = fs.roulette


NOTE = fs.models.note()


@fs.model(dim=3)
def three(z, params):
    return 0.5 * z[0] + 0.5 * z[1] + 0.1 * z[2]


def test_until_a_standard_error():
    law = fs.SUMO(R.Harmonic(cap=30))
    r = fs.simulate(NOTE, law, until={"std_error": 2.5e-3}, seed=7)
    assert 0.8 * 2.5e-3 < r.std_error <= 2.5e-3
    whole = fs.simulate(NOTE, law, r.trials, seed=7)
    assert (r.mean, r.variance, r.ranges) == (whole.mean, whole.variance, whole.ranges)
    one = fs.simulate(NOTE, law, until={"std_error": 2.5e-3}, seed=7, threads=1)
    assert (one.trials, one.mean) == (r.trials, r.mean)


def test_until_from_any_first_trial_has_the_bits_of_one_run():
    r = fs.simulate(NOTE, fs.ELBO(), until={"std_error": 1.5e-3}, seed=7, first_trial=1001)
    assert r.trials > 2 * 65_536
    assert (1001 + r.trials) % 65_536 == 0
    assert same_bits(r, fs.simulate(NOTE, fs.ELBO(), r.trials, seed=7, first_trial=1001))


def test_until_keeps_to_the_most_trials_and_the_first():
    r = fs.simulate(NOTE, fs.ELBO(), 70_000, until={"std_error": 1e-9}, first_trial=100)
    assert r.ranges == {0: [(100, 70_100)]}
    r = fs.simulate(NOTE, fs.IWAE(1000), until={"std_error": 0.1})
    assert r.trials < 65_536


@pytest.mark.parametrize(
    ("estimator", "index"),
    [(fs.SUMO(), "2"), (fs.SUMO(R.HarmonicGeometric()), "1"), (fs.SUMO(R.PowerLaw(1.5)), "1.5")],
)
def test_until_refuses_an_infinite_variance(estimator, index):
    with pytest.raises(ValueError, match=rf"tail index {index}, so their variance is infinite.*fs.MLMC"):
        fs.simulate(NOTE, estimator, until={"std_error": 0.1})


def test_until_names_what_has_a_variance_on_this_model():
    often_near_zero = fs.Model(lambda z, params: z[0], 1, chi_square=0.8, weight_tail_index=9.0, weight_zero_index=1.25)
    assert fs.theory.predict(often_near_zero, fs.MLMC()).variance.kind == "infinite"
    with pytest.raises(ValueError, match=r"tail index 2, so .*use what fs.taylor_law\(model\) finds"):
        fs.simulate(often_near_zero, fs.SUMO(), until={"std_error": 0.1})


def test_until_looks_at_the_trials_where_nothing_is_known_of_the_weights():
    @fs.model(dim=3, params=[0.0])
    def heavy(z, params):
        square = z[0] * z[0] + z[1] * z[1]
        return 0.45 * square / (1.0 + params[0] * square * square) + 0.1 * z[2]

    law = fs.SUMO(R.PowerLaw(0.9))
    with pytest.raises(ValueError, match=r"tail index 1.123 \(set by the weights' own tail.*no law of K mends that"):
        fs.simulate(heavy, law, until={"std_error": 0.1})

    heavy_for_all_that_is_seen = heavy.with_params([1e-12])
    with pytest.raises(ValueError, match=r"Hill estimate from the first .* Warning: this is an estimate"):
        fs.simulate(heavy_for_all_that_is_seen, law, until={"std_error": 0.1})
    assert fs.simulate(three, fs.SUMO(R.Harmonic(cap=1000)), until={"std_error": 0.1}).trials > 0


def test_until_refuses_a_mean_of_minus_infinity():
    with pytest.raises(ValueError, match="have the value -inf"):
        fs.simulate(half_empty.with_params([0.0]), fs.IWAE(2), until={"std_error": 0.1})


@pytest.mark.parametrize(
    ("until", "error", "words"),
    [
        ({}, ValueError, "until is empty"),
        ({"error": 1.0}, ValueError, "std_error"),
        ({"std_error": 0.0}, ValueError, "std_error"),
        ({"std_error": "1"}, TypeError, "std_error"),
        (1e-3, TypeError, "until must be a dict"),
    ],
)
def test_bad_until(until, error, words):
    with pytest.raises(error, match=words):
        fs.simulate(NOTE, fs.ELBO(), until=until)


def test_trials_or_until():
    with pytest.raises(TypeError, match="needs a number of trials, or until"):
        fs.simulate(NOTE, fs.ELBO())
