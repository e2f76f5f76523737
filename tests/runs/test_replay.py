"""`replay`: the bits of `sample`, and all that goes into a trial."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from zoo import MODELS, RUNS, trial_with

import fastsumo as fs

SEED = 20_240_607


class TestReplay:
    """`replay` shows everything that goes into a trial."""

    def test_parts_make_the_whole(self):
        law = fs.roulette.PowerLaw(1.2, cap=500)
        trial = trial_with(law, 500, SEED)
        one = fs.replay(MODELS["note"], fs.SUMO(law, 4), trial, SEED)
        assert (one.trial, one.seed, one.terms) == (trial, SEED, 500)
        assert one.log_weights.shape == one.iwae.shape == (504,)
        assert one.increments.shape == (503,)
        np.testing.assert_allclose(one.roulette_weights, np.arange(1.0, 501) ** 1.2, rtol=1e-12)
        for k in (*range(1, 505, 53), 504):
            path = [naive.iwae(one.log_weights[:j]).value for j in (k, k + 1) if j <= 504]
            np.testing.assert_allclose(one.iwae[k - 1 : k + 1], path, rtol=0, atol=1e-12)
            np.testing.assert_allclose(one.increments[k - 1 : k], np.diff(path), rtol=0, atol=1e-12)
        total = one.iwae[3] + math.fsum(one.increments[3:] * one.roulette_weights)
        assert one.value == pytest.approx(total, rel=1e-10)
        assert str(trial) in repr(one)
        assert "K = 500" in repr(one)

    def test_iwae_has_no_roulette(self):
        one = fs.replay(MODELS["note"], fs.IWAE(7), 0)
        assert one.terms == 7
        assert one.roulette_weights.size == 0
        assert one.iwae[-1] == pytest.approx(one.value, rel=1e-14)

    def test_only_the_first_samples_are_kept_of_a_long_trial(self):
        law = fs.roulette.Harmonic(cap=3000)
        trial = trial_with(law, 3000, SEED)
        whole = fs.replay(MODELS["note"], fs.SUMO(law), trial, SEED)
        short = fs.replay(MODELS["note"], fs.SUMO(law), trial, SEED, max_samples=10)
        assert short.value == whole.value
        assert short.terms == whole.terms
        assert np.array_equal(short.log_weights, whole.log_weights[:10])
        assert short.roulette_weights.size == 10

    def test_zero_weights_are_shown(self):
        one = fs.replay(MODELS["all zeros"], fs.SUMO(fs.roulette.Harmonic(cap=9)), 0)
        assert np.all(np.isneginf(one.log_weights))
        assert np.all(np.isneginf(one.iwae))
        assert one.value == -math.inf

    def test_the_last_trial_of_all(self):
        one = fs.replay(MODELS["note"], fs.IWAE(3), 2**63 - 2)
        expected = naive.log_weights(MODELS["note"], 0, 2**63 - 2, np.arange(3))
        np.testing.assert_allclose(one.log_weights, expected, rtol=0, atol=1e-13)


@pytest.fixture(params=RUNS.values(), ids=RUNS.keys())
def run(request):
    return request.param


def test_replay_is_the_sample(run):
    model, estimator = run
    values, terms = fs.sample(model, estimator, 5_000, seed=5)
    for trial in [0, 1, 4095, 4096, int(np.argmax(terms)), int(np.argmax(values))]:
        one = fs.replay(model, estimator, trial, seed=5)
        assert np.float64(one.value).tobytes() == values[trial].tobytes()
        assert one.terms == terms[trial]


def test_extremes_can_be_replayed():
    model, estimator = MODELS["note"], fs.SUMO(fs.roulette.Harmonic())
    result = fs.simulate(model, estimator, 300_000, seed=12)
    for row in result.extremes[:10]:
        assert fs.replay(model, estimator, int(row["trial"]), int(row["seed"])).value == row["value"]
