"""Values of trials against their defining sums: short, long and very long trials, every law, any scale of log weight.

The twin takes the log weights that `replay` shows (`test_models.py` holds those against Python); errors are relative
to what was added up for a value.
"""

from __future__ import annotations

import functools
import itertools
import math
from importlib import import_module
from typing import Any

import naive
import numpy as np
import pytest
from zoo import LAWS, MODELS

import fastsumo as fs
from fastsumo.engine.cpu.block import log_weights_of
from fastsumo.engine.cpu.scratch import Scratch
from fastsumo.engine.cpu.weights import compiled
from fastsumo.engine.devices import open_engine
from fastsumo.trial.params import make_params
from fastsumo.vmath import log

SEED = 20_240_607
BORDERS = [
    62,
    63,
    64,
    65,
    126,
    127,
    128,
    129,
    255,
    256,
    257,
    1023,
    1024,
    1025,
    1026,
    2047,
    2048,
    2049,
    4095,
    4096,
    4097,
]


def assert_is(value: float, twin: naive.Value, tolerance: float = 1e-12) -> None:
    if math.isinf(twin.value):
        assert value == twin.value
    else:
        assert abs(value - twin.value) <= tolerance * twin.size


def check(model: fs.Model, estimator: Any, trial: int, tolerance: float = 1e-12, seed: int = SEED) -> fs.Trial:
    """Replay a trial and hold it against the twin."""
    one = fs.replay(model, estimator, trial, seed)
    assert_is(one.value, naive.value_of(estimator, one.log_weights, one.terms), tolerance)
    return one


def interesting(terms: np.ndarray, count: int) -> list[int]:
    """Trials of as many different `K` as there are, the largest among them."""
    _, first = np.unique(terms, return_index=True)
    return first[np.unique(np.linspace(0, first.size - 1, count).astype(int))].tolist()


def trial_with(law: fs.roulette.Roulette, k: int, draws: int = 1_000_000) -> int:
    """The number of a trial that draws ``K = k``."""
    found = np.flatnonzero(law.sample(draws, seed=SEED) == k)
    assert found.size, f"no trial with K = {k}"
    return int(found[-1])


def check_several(model: fs.Model, estimator: Any, trials: int, replays: int) -> None:
    values, terms = fs.sample(model, estimator, trials, SEED)
    for trial in interesting(terms, replays):
        one = check(model, estimator, trial)
        assert one.terms == terms[trial]
        assert np.float64(one.value).tobytes() == values[trial].tobytes()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_every_model_under_every_law(model, law):
    check_several(model, fs.SUMO(law), 400, 5)


@pytest.mark.parametrize("minimum", [2, 5, 127, 128, 129, 200])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_minimum_under_every_law(law, minimum):
    check_several(MODELS["note"], fs.SUMO(law, minimum), 300, 3)


@pytest.mark.parametrize("minimum", [2, 127, 200])
@pytest.mark.parametrize("law", [fs.roulette.Harmonic(), fs.roulette.PowerLaw(1.5)], ids=["harmonic", "power"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_minimum_of_every_model(model, law, minimum):
    check_several(model, fs.SUMO(law, minimum), 300, 3)


@pytest.mark.parametrize("k", [1, 2, 3, 127, 128, 129, 1000, 1024, 1025, 2049, 5000])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_iwae(model, k):
    check_several(model, fs.IWAE(k), 40, 40)
    assert fs.replay(model, fs.IWAE(k), 0).terms == k


def test_elbo_is_one_log_weight():
    one = fs.replay(MODELS["high"], fs.ELBO(), 5)
    assert one.value == pytest.approx(one.log_weights[0], rel=1e-15)
    assert one.log_weights.size == 1


def capped(kind: str, k: int) -> fs.roulette.Roulette:
    match kind:
        case "harmonic":
            return fs.roulette.Harmonic(cap=k)
        case "harmonic, general sum":
            return fs.roulette.HarmonicGeometric(max(k // 2, 1), 0.5 / k, cap=k)
        case "power":
            return fs.roulette.PowerLaw(0.8, cap=k)
        case "table":
            return fs.roulette.Table(np.arange(1.0, k + 1) ** -0.9)
    raise ValueError(kind)


@pytest.mark.parametrize("samples", BORDERS)
@pytest.mark.parametrize("kind", ["harmonic", "harmonic, general sum", "power", "table"])
def test_borders_of_segments_and_buffers(kind, samples):
    """Trials of exactly so many samples, with 1 and with 3 of them before the first increment."""
    for minimum in (1, 3):
        law = capped(kind, samples - minimum)
        one = check(MODELS["note"], fs.SUMO(law, minimum), trial_with(law, samples - minimum))
        assert one.log_weights.size == samples


@pytest.mark.parametrize("minimum", [1022, 1023, 1024, 1025, 2048, 3000])
@pytest.mark.parametrize("kind", ["harmonic", "power", "table"])
def test_the_first_increment_on_a_border(kind, minimum):
    law = capped(kind, 40)
    for k in (1, 2, 40):
        check(MODELS["note"], fs.SUMO(law, minimum), trial_with(law, k))


@pytest.mark.parametrize("kind", ["harmonic", "harmonic, general sum", "power", "table"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_long_trials(model, kind):
    law = capped(kind, 3000)
    check(model, fs.SUMO(law), trial_with(law, 3000))
    check(model, fs.SUMO(law, 1500), trial_with(law, 3000))


@pytest.mark.parametrize("kind", ["harmonic", "harmonic, general sum", "power", "table"])
@pytest.mark.parametrize("name", ["note", "wild", "leaps", "low"])
def test_trials_of_1e5_samples(name, kind):
    law = capped(kind, 100_000)
    one = check(MODELS[name], fs.SUMO(law), trial_with(law, 100_000, 4_000_000))
    assert one.log_weights.size == 100_001


@pytest.mark.parametrize("law", [fs.roulette.Harmonic(), fs.roulette.PowerLaw(0.95)], ids=["harmonic", "power"])
def test_a_trial_of_a_million_samples(law):
    draws = law.sample(3_000_000, seed=SEED)
    trial = int(np.argmin(np.abs(draws - 1_100_000)))
    assert 500_000 < draws[trial] < 2_500_000
    check(MODELS["lognormal"], fs.SUMO(law), trial, tolerance=1e-10)


def test_iwae_of_a_million_samples():
    check(MODELS["lognormal"], fs.IWAE(1_000_003), 0, tolerance=1e-14)


@pytest.mark.parametrize("name", ["note", "leaps", "mostly zeros"])
@pytest.mark.parametrize("law", ["harmonic", "power 0.7", "harmonic-geometric", "table"])
def test_values_do_not_depend_on_their_neighbours(name, law):
    """Trials of all lengths in one tile: each has the bits that it has alone."""
    model, estimator = MODELS[name], fs.SUMO(LAWS[law])
    values, terms = fs.sample(model, estimator, 30_000, SEED)
    for trial in interesting(terms, 30):
        alone = fs.sample(model, estimator, 1, SEED, first_trial=trial)
        assert alone[0].tobytes() == values[trial : trial + 1].tobytes()
        assert alone[1][0] == terms[trial]
    inside = slice(9_999, 14_000)
    part = fs.sample(model, estimator, 4_001, SEED, first_trial=9_999)
    assert part[0].tobytes() == values[inside].tobytes()
    assert np.array_equal(part[1], terms[inside])


@pytest.mark.parametrize("estimator", [fs.SUMO(), fs.SUMO(fs.roulette.PowerLaw(0.9)), fs.IWAE(40), fs.IWAE(2000)])
@pytest.mark.parametrize(("name", "plain"), [("note", True), ("mostly zeros", True), ("leaps", False), ("high", True)])
def test_kernels_for_plain_weights_and_for_any_give_the_same_bits(name, plain, estimator):
    runs = [open_engine(MODELS[name], estimator, SEED, threads=1) for _ in range(2)]
    runs[1].extend_range()
    runs[1].linear = False
    (values, terms), (values_of_any, terms_of_any) = (run.sample(3, 9_000) for run in runs)
    assert runs[0].linear == plain
    assert values.tobytes() == values_of_any.tobytes()
    assert np.array_equal(terms, terms_of_any)


def test_statistics_do_not_depend_on_when_a_weight_is_not_plain():
    """One sample in 1e5 is such: a run that turns to other kernels midway, against its parts."""
    model = fs.Model(
        lambda z, params: log(z[0]) - (400.0 if z[1] < 1e-5 else 0.0), 2, noise="uniform", log_evidence=-0.7
    )
    estimator = fs.SUMO(fs.roulette.Harmonic(cap=200))
    whole = fs.simulate(model, estimator, 200_000, SEED, threads=1)
    cuts = [0, 20_000, 100_003, 200_000]
    parts = [fs.simulate(model, estimator, b - a, SEED, first_trial=a) for a, b in itertools.pairwise(cuts)]
    merged = functools.reduce(fs.Result.merge, parts)
    assert (merged.mean, merged.variance, merged.cost) == (whole.mean, whole.variance, whole.cost)
    assert merged.extremes.tobytes() == whole.extremes.tobytes()


@pytest.mark.parametrize("minimum", [1, 50])
def test_zero_weights_at_the_start_make_minus_infinity(minimum):
    model, estimator = MODELS["mostly zeros"], fs.SUMO(fs.roulette.Harmonic(), minimum)
    values, _ = fs.sample(model, estimator, 3000, SEED)
    first = [fs.replay(model, fs.IWAE(minimum), t, SEED).value for t in range(300)]
    assert np.array_equal(np.isneginf(values[:300]), np.isneginf(first))
    assert np.all(values < math.inf)
    share = 0.97**minimum
    assert abs(np.mean(np.isneginf(values)) - share) < 5 * math.sqrt(share * (1 - share) / 3000)


def test_constant_weights_have_constant_values():
    for law in ("harmonic, cap 80", "harmonic-geometric", "power 1.5", "table"):
        values, terms = fs.sample(MODELS["flat"], fs.SUMO(LAWS[law]), 10_000)
        assert np.all(np.abs(values - 0.25) < 2e-15 * (terms + 1) / naive.survival(LAWS[law], terms))


def test_a_shift_of_the_log_weights_shifts_the_values():
    """Values of weights times ``2**j`` differ by ``j log 2``: nothing overflows, nothing is lost."""
    for law in ("harmonic", "harmonic-geometric", "power 0.7"):
        estimator = fs.SUMO(LAWS[law])
        here, terms = fs.sample(MODELS["low"].with_params([0.0, 1.0]), estimator, 20_000)
        size = 1e5 + 1.0 / naive.survival(estimator.roulette, terms)
        for shift in (-1e5, -750.0, 745.0, 1e5):
            there, _ = fs.sample(MODELS["low"].with_params([shift, 1.0]), estimator, 20_000)
            assert np.all(np.abs(there - shift - here) < 1e-10 * size)


@pytest.mark.parametrize("shift", [-1e15, -1e10, 1e10, 1e15])
def test_extreme_scales(shift):
    model = MODELS["low"].with_params([shift, 1.0])
    for estimator in (fs.IWAE(3), fs.IWAE(300), fs.SUMO(fs.roulette.Harmonic(cap=5)), fs.SUMO(LAWS["power 1.5"])):
        for trial in range(5):
            check(model, estimator, trial)


SPLIT: dict[str, tuple[str, Any]] = {
    "harmonic": ("note", fs.SUMO(fs.roulette.Harmonic())),
    "harmonic, minimum 3000": ("note", fs.SUMO(fs.roulette.Harmonic(), 3000)),
    "harmonic-geometric": ("note", fs.SUMO(fs.roulette.HarmonicGeometric(40, 1e-4))),
    "power 0.7": ("gamma", fs.SUMO(LAWS["power 0.7"])),
    "table": ("lognormal", fs.SUMO(fs.roulette.Table(np.arange(1.0, 20_000) ** -0.8))),
    "IWAE": ("note", fs.IWAE(10_000)),
    "leaps": ("leaps", fs.SUMO(LAWS["power 0.7"])),
    "wild": ("wild", fs.SUMO(LAWS["power 0.7"])),
    "high": ("high", fs.SUMO(LAWS["power 0.7"])),
    "zeros": ("mostly zeros", fs.SUMO(LAWS["power 0.7"], 100)),
}


@pytest.mark.parametrize("name", SPLIT)
def test_split_trials_have_the_bits_of_ordinary_ones(name, monkeypatch):
    """Trials shared by all threads, made as small as they can be so that there are many."""
    model, estimator = MODELS[SPLIT[name][0]], SPLIT[name][1]
    trials = 150 if isinstance(estimator, fs.IWAE) else 6_000 if estimator.minimum == 1 else 800
    values, terms = fs.sample(model, estimator, trials, SEED, threads=1)
    whole = fs.simulate(model, estimator, trials, SEED, threads=1)
    monkeypatch.setattr(import_module("fastsumo.engine.cpu.engine"), "SPLIT_ABOVE", 2100)
    monkeypatch.setattr(import_module("fastsumo.engine.cpu.split_trials"), "_CHUNK", 2048)
    samples = terms + (0 if isinstance(estimator, fs.IWAE) else estimator.minimum)
    assert np.count_nonzero(samples > 2100) > 2
    for threads in (2, 5):
        shared = fs.sample(model, estimator, trials, SEED, threads=threads)
        assert shared[0].tobytes() == values.tobytes()
        assert np.array_equal(shared[1], terms)
        again = fs.simulate(model, estimator, trials, SEED, threads=threads)
        mine, theirs = vars(again.statistics), vars(whole.statistics)
        assert all(mine[key].tobytes() == theirs[key].tobytes() for key in theirs)
        assert again.ranges == whole.ranges
    for trial in np.argsort(terms)[-3:].tolist():
        assert np.float64(fs.replay(model, estimator, trial, SEED).value).tobytes() == values[trial].tobytes()


def test_a_trial_that_is_long_enough_to_be_split():
    """More than 2^22 samples: the same bits from one thread and from two, and the mean of so many weights."""
    model, estimator = MODELS["lognormal"], fs.IWAE(2**22 + 2**20 + 12_345)
    one, _ = fs.sample(model, estimator, 1, SEED, threads=1)
    two, _ = fs.sample(model, estimator, 1, SEED, threads=2)
    assert one.tobytes() == two.tobytes()
    assert abs(one[0]) < 5 * math.sqrt(math.expm1(1.0) / estimator.k)


@pytest.mark.slow
@pytest.mark.parametrize("law", [fs.roulette.Harmonic(), fs.roulette.PowerLaw(0.95)], ids=["harmonic", "power"])
def test_a_trial_that_is_long_enough_to_be_split_against_the_twin(law):
    draws = law.sample(30_000_000, seed=SEED)
    trial = int(np.flatnonzero((draws > 2**22 + 10**5) & (draws < 2**24))[0])
    one = fs.replay(MODELS["lognormal"], fs.SUMO(law), trial, SEED, max_samples=2**25)
    assert_is(one.value, naive.value_of(fs.SUMO(law), one.log_weights, one.terms), 1e-10)
    alone, _ = fs.sample(MODELS["lognormal"], fs.SUMO(law), 1, SEED, threads=1, first_trial=trial)
    assert alone[0] == one.value


@pytest.mark.slow
def test_a_trial_of_a_billion_samples():
    """Within 1e-9 of sums in extended precision over the same weights (x86: 64 bits)."""
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("no extended precision on this machine")
    model, estimator, seed, trial = MODELS["note"], fs.SUMO(fs.roulette.Harmonic()), 20, 4_192_948_924
    values, terms = fs.sample(model, estimator, 1, seed, threads=2, first_trial=trial)
    samples = int(terms[0]) + 1
    assert samples > 1.5e9
    weigher, scratch, out = compiled(model), Scratch(), np.empty(2**22)
    owned = make_params(weigher, estimator.plan(), seed)
    params = owned.params._replace(extended_at=weigher.extended_at)
    total, logs, origin = np.longdouble(0.0), np.longdouble(0.0), math.log(2.0 * math.pi)
    for first in range(0, samples, out.size):
        n = min(out.size, samples - first)
        assert log_weights_of(params, scratch.address, np.uint64(trial), first, n, out.ctypes.data) == 0
        sums = total + np.cumsum(np.exp(out[:n] - origin), dtype=np.longdouble)
        means = sums / np.arange(first + 1, first + n + 1)
        inner = means[max(0, 1 - first) : n - 1 if first + n == samples else n]
        total, logs = sums[-1], logs + np.log(inner.astype(np.float64)).sum(dtype=np.longdouble)
    value = float(origin + int(terms[0]) * np.log(total / samples) - logs)
    assert values[0] == pytest.approx(value, rel=1e-9)


class TestReplay:
    """`replay` shows everything that goes into a trial."""

    def test_parts_make_the_whole(self):
        law = fs.roulette.PowerLaw(1.2, cap=500)
        trial = trial_with(law, 500, 2_000_000)
        one = fs.replay(MODELS["note"], fs.SUMO(law, 4), trial, SEED)
        assert (one.trial, one.seed, one.terms) == (trial, SEED, 500)
        assert one.log_weights.shape == one.iwae.shape == (504,)
        assert one.increments.shape == (503,)
        np.testing.assert_allclose(one.roulette_weights, np.arange(1.0, 501) ** 1.2, rtol=1e-12)
        path = [naive.iwae(one.log_weights[:k]).value for k in range(1, 505)]
        np.testing.assert_allclose(one.iwae, path, rtol=0, atol=1e-12)
        np.testing.assert_allclose(one.increments, np.diff(path), rtol=0, atol=1e-12)
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
        trial = trial_with(law, 3000)
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
