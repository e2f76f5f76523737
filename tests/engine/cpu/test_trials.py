"""Values of trials against their defining sums: short, long and very long trials, every law, any scale of log weight.

The twin takes the log weights that `replay` shows (`models/test_model.py` holds those against Python); errors are
relative to what was added up for a value.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import naive
import naive_estimators
import numpy as np
import pytest
from zoo import LAWS, MODELS, slow, thinned, trial_with

import fastsumo as fs
from fastsumo.engine.devices import open_engine
from fastsumo.trial.sizes import TILE
from fastsumo.vmath import log

SEED = 20_240_607
IWAE_SIZES = (1, 2, 3, 127, 128, 129, 1000, 1024, 1025, 2049, 5000)
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


def check(model: fs.Model, estimator: Any, trial: int, tolerance: float = 1e-12, seed: int = SEED) -> fs.Trial:
    """Replay a trial and hold it against the twin."""
    one = fs.replay(model, estimator, trial, seed)
    naive.assert_is(one.value, naive.value_of(estimator, one.log_weights, one.terms), tolerance)
    return one


def one_in(n: int, first: dict[str, Any], second: dict[str, Any]) -> list[Any]:
    """All pairs of two tables, one in ``n`` of them in the quick tests: each entry is in some of these."""
    pairs = itertools.product(enumerate(first.items()), enumerate(second.items()))
    return [
        (slow if (i + j) % n else pytest.param)(one, other, id=f"{name}-{of}")
        for (i, (name, one)), (j, (of, other)) in pairs
    ]


def interesting(terms: np.ndarray, count: int) -> list[int]:
    """Trials of as many different `K` as there are, the largest among them."""
    _, first = np.unique(terms, return_index=True)
    return first[np.unique(np.linspace(0, first.size - 1, count).astype(int))].tolist()


def check_several(model: fs.Model, estimator: Any, trials: int, replays: int) -> None:
    values, terms = fs.sample(model, estimator, trials, SEED)
    for trial in interesting(terms, replays):
        one = check(model, estimator, trial)
        assert one.terms == terms[trial]
        assert np.float64(one.value).tobytes() == values[trial].tobytes()


@pytest.mark.parametrize(("model", "law"), one_in(4, MODELS, LAWS))
def test_every_model_under_every_law(model, law):
    check_several(model, fs.SUMO(law), 400, 5)


@pytest.mark.parametrize(("law", "minimum"), one_in(3, LAWS, {str(m): m for m in (2, 5, 127, 128, 129, 200)}))
def test_minimum_under_every_law(law, minimum):
    check_several(MODELS["note"], fs.SUMO(law, minimum), 300, 3)


ESTIMATORS = {
    f"{name}, {minimum}": fs.SUMO(law, minimum)
    for name, law in {"harmonic": fs.roulette.Harmonic(), "power": fs.roulette.PowerLaw(1.5)}.items()
    for minimum in (2, 127, 200)
}


@pytest.mark.parametrize(("model", "estimator"), one_in(3, MODELS, ESTIMATORS))
def test_minimum_of_every_model(model, estimator):
    check_several(model, estimator, 300, 3)


@pytest.mark.parametrize(("model", "k"), one_in(3, MODELS, {str(k): k for k in IWAE_SIZES}))
def test_iwae(model, k):
    check_several(model, fs.IWAE(k), 40, 40)
    assert fs.replay(model, fs.IWAE(k), 0).terms == k


def test_elbo_is_one_log_weight():
    one = fs.replay(MODELS["high"], fs.ELBO(), 5)
    assert one.value == pytest.approx(one.log_weights[0], rel=1e-15)
    assert one.log_weights.size == 1


KINDS = ["harmonic", "harmonic, general sum", "power", "table"]


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


@pytest.mark.parametrize(("samples", "kind"), one_in(2, {str(n): n for n in BORDERS}, {kind: kind for kind in KINDS}))
def test_borders_of_segments_and_buffers(samples, kind):
    """Trials of exactly so many samples, with 1 and with 3 of them before the first increment."""
    for minimum in (1, 3):
        law = capped(kind, samples - minimum)
        one = check(MODELS["note"], fs.SUMO(law, minimum), trial_with(law, samples - minimum, SEED))
        assert one.log_weights.size == samples


@pytest.mark.parametrize("minimum", [1022, 1023, 1024, 1025, 2048, 3000])
@pytest.mark.parametrize("kind", ["harmonic", "power", "table"])
def test_the_first_increment_on_a_border(kind, minimum):
    law = capped(kind, 40)
    for k in (1, 2, 40):
        check(MODELS["note"], fs.SUMO(law, minimum), trial_with(law, k, SEED))


@pytest.mark.parametrize(("model", "kind"), one_in(2, MODELS, {kind: kind for kind in KINDS}))
def test_long_trials(model, kind):
    law = capped(kind, 3000)
    check(model, fs.SUMO(law), trial_with(law, 3000, SEED))
    check(model, fs.SUMO(law, 1500), trial_with(law, 3000, SEED))


@pytest.mark.parametrize(
    ("name", "kind"),
    one_in(4, {name: name for name in ("note", "wild", "leaps", "low")}, {kind: kind for kind in KINDS}),
)
def test_trials_of_1e5_samples(name, kind):
    law = capped(kind, 100_000)
    one = check(MODELS[name], fs.SUMO(law), trial_with(law, 100_000, SEED))
    assert one.log_weights.size == 100_001


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "estimator", [fs.SUMO(), slow(fs.SUMO(fs.roulette.PowerLaw(0.9))), fs.IWAE(40), slow(fs.IWAE(2000))]
)
@pytest.mark.parametrize(("name", "plain"), [("note", True), ("mostly zeros", True), ("leaps", False), ("high", True)])
def test_kernels_for_plain_weights_and_for_any_give_the_same_bits(name, plain, estimator):
    runs = [open_engine(MODELS[name], estimator, SEED, threads=1) for _ in range(2)]
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
    cuts = [0, 5 * TILE, 25 * TILE, 200_000]
    parts = [fs.simulate(model, estimator, b - a, SEED, first_trial=a) for a, b in itertools.pairwise(cuts)]
    merged = functools.reduce(fs.Result.merge, parts)
    assert (merged.mean, merged.variance, merged.cost) == (whole.mean, whole.variance, whole.cost)
    assert merged.extremes.tobytes() == whole.extremes.tobytes()


@pytest.mark.parametrize("law", thinned(["harmonic", "harmonic-geometric 5", "power 0.7", "table"], 4))
@pytest.mark.parametrize(("minimum", "start"), [(1, 1), (50, 1), (1, 0), (2, 0), (50, 0), (126, 0), (128, 0)])
def test_zero_weights_at_the_start_make_minus_infinity(minimum, start, law):
    model, estimator = MODELS["mostly zeros"], fs.SUMO(LAWS[law], minimum, start)
    values, _ = fs.sample(model, estimator, 3000, SEED)
    first, _ = fs.sample(model, fs.IWAE(minimum), 300, SEED)
    assert np.array_equal(np.isneginf(values[:300]), np.isneginf(first))
    assert np.all(values < math.inf)
    share = 0.97**minimum
    assert abs(np.mean(np.isneginf(values)) - share) < 5 * math.sqrt(share * (1 - share) / 3000)
    for one in (fs.replay(model, estimator, int(t), SEED) for t in np.flatnonzero(~np.isneginf(values))[:20]):
        if one.log_weights.size < 1000:
            twin = naive_estimators.value(estimator, one.log_weights, one.terms)
            assert one.value == pytest.approx(twin, rel=1e-9, abs=1e-9)


def test_a_lonely_weight_after_zeros_counts_where_it_is_the_first_that_has_to_be():
    """With ``start=0`` the first two weights of ``minimum=2`` count together: a quarter, not half, are both zero."""
    estimator = fs.SUMO(fs.roulette.Harmonic(cap=1), minimum=2, start=0)
    result = fs.simulate(MODELS["zeros"], estimator, 20_000, SEED)
    assert abs(result.zero_weight_trials - 5000) < 5 * math.sqrt(20_000 * 0.25 * 0.75)
    twin = fs.sample(MODELS["zeros"], fs.IWAE(2), 20_000, SEED)[0]
    np.testing.assert_allclose(fs.sample(MODELS["zeros"], estimator, 20_000, SEED)[0], twin, rtol=0, atol=1e-14)


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
