"""Vectorised models against their compiled twins, trial by trial, and what batches they are asked for."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from zoo import leaps, libm, shifted, slow, zeros

import fastsumo as fs
from fastsumo.engine.cpu import feed
from fastsumo.vmath import exp

HARMONIC = fs.SUMO(fs.roulette.Harmonic())
ESTIMATORS = [
    HARMONIC,
    fs.IWAE(200),
    fs.JVI(5),
    fs.MLMC(),
    slow(fs.Taylor(log_center=0.5)),
    slow(fs.ELBO()),
    slow(fs.SUMO(fs.roulette.PowerLaw(1.2, cap=300), minimum=3)),
    slow(fs.SingleTerm(fs.roulette.Harmonic())),
    slow(fs.MLMC(first=False)),
    slow(fs.JVI(300, order=2)),
    slow(fs.IWAE(100_000)),
]


class Seen:
    """A function of batches that notes their sizes, and who called it."""

    def __init__(self, function: Any, pause: float = 0.0) -> None:
        self.function, self.pause = function, pause
        self.sizes: list[int] = []
        self.together = self.most_together = 0

    def __call__(self, z: np.ndarray, params: np.ndarray) -> Any:
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        self.sizes.append(len(z))
        assert z.dtype == np.float64
        assert z.flags.c_contiguous
        time.sleep(self.pause)
        found = self.function(z, params)
        self.together -= 1
        return found


def _leaps(z, params):  # type: ignore[no-untyped-def]
    return -params[0] * np.log(z[:, 0])


def _zeros(z, params):  # type: ignore[no-untyped-def]
    return np.where(z[:, 0] < params[0], -np.inf, np.log(z[:, 1]))


def _libm(z, params):  # type: ignore[no-untyped-def]
    return np.sin(params[0] * z[:, 0]) + params[1] * np.tanh(z[:, 1]) - np.log1p(z[:, 2] * z[:, 2])


def _shifted(z, params):  # type: ignore[no-untyped-def]
    return params[0] + params[1] * z[:, 0]


TWINS = {
    "shifted": (shifted, _shifted),
    "far": (shifted.with_params([1e5, 300.0]), _shifted),
    "leaps": (leaps, _leaps),
    "zeros": (zeros, _zeros),
    "libm": (libm, _libm),
}


def vectorized(model: fs.Model, function: Any, **options: Any) -> fs.Model:
    return fs.Model(function, model.dim, model.params, model.noise, vectorized=True, **options)


def assert_same_trials(one: Any, other: Any) -> None:
    (values, terms), (expected, expected_terms) = one, other
    assert np.array_equal(terms, expected_terms)
    assert np.array_equal(np.isneginf(values), np.isneginf(expected))
    finite = np.isfinite(expected)
    error = np.abs(values[finite] - expected[finite]) / np.maximum(1.0, np.abs(expected[finite]))
    assert error.max(initial=0.0) < 1e-12


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_trials_are_those_of_the_compiled_twin(estimator: fs.Estimator) -> None:
    trials = 5000 if estimator.expected_cost() < 1000 or math.isinf(estimator.expected_cost()) else 3
    for name in ("shifted", "far")[: 1 if isinstance(estimator, fs.Taylor) else 2]:
        twin, function = TWINS[name]
        found = fs.sample(vectorized(twin, function, batch=3000), estimator, trials, seed=5, first_trial=4001)
        assert_same_trials(found, fs.sample(twin, estimator, trials, seed=5, first_trial=4001))


@pytest.mark.parametrize("name", ["leaps", "zeros", slow("libm")])
def test_any_noise_and_scale(name: str) -> None:
    twin, function = TWINS[name]
    seen = fs.sample(vectorized(twin, function), HARMONIC, 3000)
    assert_same_trials(seen, fs.sample(twin, HARMONIC, 3000))


def test_statistics_and_everything_else_are_those_of_the_twin() -> None:
    twin, function = TWINS["shifted"]
    model = vectorized(twin, function)
    one, other = (fs.simulate(each, HARMONIC, 20_000, seed=2) for each in (model, twin))
    assert (one.trials, one.cost, one.threads) == (other.trials, other.cost, 1)
    assert one.mean == pytest.approx(other.mean, rel=1e-12)
    assert one.extremes["trial"].tolist() == other.extremes["trial"].tolist()
    again = fs.replay(model, HARMONIC, int(one.extremes["trial"][0]), seed=2)
    assert again.value == one.extremes["value"][0]
    one_level, other_level = (fs.levels(each, 40, 300, threads=2) for each in (model, twin))
    assert one_level.dyadic["variance"] == pytest.approx(other_level.dyadic["variance"], rel=1e-9)


@pytest.mark.slow
def test_strata_comparisons_and_tuning_are_those_of_the_twin() -> None:
    def log_density(x, params):  # type: ignore[no-untyped-def]
        return -0.5 * (x[0] - 1.0) * (x[0] - 1.0) - math.fabs(x[1])

    def together(x):  # type: ignore[no-untyped-def]
        return -0.5 * (x[:, 0] - 1.0) ** 2 - np.abs(x[:, 1])

    proposal = fs.proposals.StudentT([0.0, 0.0], 2.0, df=5)
    twin, model = fs.importance(log_density, proposal), fs.importance(together, proposal, vectorized=True)
    one, other = (fs.stratify(each, HARMONIC, cost=3e5) for each in (model, twin))
    assert one.mean == pytest.approx(other.mean, rel=1e-12)
    one, other = (fs.compare(each, [fs.IWAE(5), HARMONIC], cost=1e5) for each in (model, twin))
    assert [row.bias for row in one] == pytest.approx([row.bias for row in other], abs=1e-9)
    one, other = (fs.tune(each, samples=2000) for each in (model, twin))
    assert one.model.proposal.packed() == pytest.approx(other.model.proposal.packed(), rel=1e-6)


@pytest.mark.parametrize(
    "proposal",
    [
        fs.proposals.Gaussian([0.1, 0.2], [[2.0, 0.3], [0.3, 1.5]]),
        slow(fs.proposals.Gaussian([0.1, 0.2], 2.0)),
        slow(fs.proposals.StudentT([0.0, 0.0], [[2.0, 0.3], [0.3, 1.5]], df=5)),
        slow(fs.proposals.Mixture([fs.proposals.Gaussian([i, 0.0], 1.0 + i) for i in range(2)], [0.3, 0.7])),
    ],
    ids=lambda proposal: proposal.transform,
)
def test_points_are_the_proposals(proposal: Any) -> None:
    def log_density(x, params):  # type: ignore[no-untyped-def]
        return params[0] * x[0] * x[1] - 0.5 * (x[0] * x[0] + x[1] * x[1])

    def together(x, params):  # type: ignore[no-untyped-def]
        return params[0] * x[:, 0] * x[:, 1] - 0.5 * (x[:, 0] ** 2 + x[:, 1] ** 2)

    found = fs.sample(fs.importance(together, proposal, [0.3], vectorized=True), HARMONIC, 3000)
    assert_same_trials(found, fs.sample(fs.importance(log_density, proposal, [0.3]), HARMONIC, 3000))


def _of_row(z, row, params):  # type: ignore[no-untyped-def]
    return -0.5 * params[0] * (row[0] - z[0]) * (row[0] - z[0]) + 0.1 * exp(row[1])


def _of_rows(z, x, params):  # type: ignore[no-untyped-def]
    assert x.shape == (len(z), 2)
    return -0.5 * params[0] * (x[:, 0] - z[:, 0]) ** 2 + 0.1 * np.exp(x[:, 1])


@pytest.mark.parametrize(("rows", "trials"), [(300, 7), slow(3, 5000), slow(2, 1)])
def test_rows_of_data_are_those_of_the_twin(rows: int, trials: int) -> None:
    data = np.random.default_rng(0).normal(size=(rows, 2))
    twin = fs.Model(_of_row, 1, [1.3], data=data)
    model = fs.Model(_of_rows, 1, [1.3], data=data, vectorized=True, batch=1000)
    one, other = (fs.evaluate(each, HARMONIC, trials, seed=1) for each in (model, twin))
    assert one.mean == pytest.approx(other.mean, abs=1e-12)
    assert one.cost.tolist() == other.cost.tolist()
    assert_same_trials(*(fs.sample(each.at_row(1), HARMONIC, 50) for each in (model, twin)))
    assert fs.replay(model, HARMONIC, 0, seed=1, row=1).value == fs.replay(twin, HARMONIC, 0, seed=1, row=1).value


def test_batches_are_as_large_as_asked() -> None:
    for estimator, trials in ((fs.ELBO(), 50_000), (HARMONIC, 20_000)):
        seen = Seen(_shifted)
        result = fs.simulate(vectorized(shifted, seen, batch=5000), estimator, trials)
        whole = [size for size in seen.sizes if size > 4096]
        assert max(seen.sizes) == 5000
        assert len(whole) * 5000 > 0.8 * result.cost
        assert sum(seen.sizes) < 1.2 * result.cost + 20_000  # with the pilot and the proof


@pytest.mark.parametrize(
    ("estimator", "trials", "dim"), [(HARMONIC, 20_000, 2), (fs.IWAE(1000), 300, 2), (HARMONIC, 4000, 400)]
)
def test_no_log_weight_is_asked_for_twice(estimator: fs.Estimator, trials: int, dim: int) -> None:
    seen = Seen(lambda z, params: 0.1 * z[:, 0])
    model = fs.Model(seen, dim, [0.0], vectorized=True, batch=8192, log_evidence=0.005)
    cost = fs.simulate(model, estimator, trials).cost
    assert cost < sum(seen.sizes) < 1.12 * cost + 8192  # long trials too, and in many dimensions
    assert max(seen.sizes) == 8192
    assert sum(size == 8192 for size in seen.sizes) > 0.8 * cost / 8192 - 2


@pytest.mark.parametrize("batch", [1, 7, 1000, 10**6])
def test_any_batch_gives_the_same_bits(batch: int) -> None:
    seen = Seen(_shifted)
    values, _ = fs.sample(vectorized(shifted, seen, batch=batch), HARMONIC, 200 if batch < 10 else 3000)
    expected, _ = fs.sample(vectorized(shifted, _shifted), HARMONIC, values.size)
    assert np.array_equal(values, expected)
    assert max(seen.sizes) <= batch
    assert all(size & (size - 1) == 0 or size == batch for size in seen.sizes)


def test_a_trial_of_any_length_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BATCHES", 2)
    seen = Seen(_shifted)
    values, _ = fs.sample(vectorized(shifted, seen), fs.IWAE(50_000), 2)
    assert values == pytest.approx(fs.sample(shifted, fs.IWAE(50_000), 2)[0], abs=1e-12)
    assert sum(seen.sizes) < 1.3 * 100_000


def test_one_thread_calls_unless_more_are_asked_for() -> None:
    for threads, most in ((None, 1), (2, 2)):
        seen = Seen(_shifted, pause=0.002)
        result = fs.simulate(vectorized(shifted, seen, batch=1024), fs.IWAE(3), 2**16 * 3, threads=threads)
        assert result.threads == most
        assert seen.most_together <= most


def test_a_log_weight_that_is_none_names_its_trial() -> None:
    def breaks(z, params):  # type: ignore[no-untyped-def]
        return np.where(z[:, 0] > params[0], np.nan, z[:, 0])

    model = vectorized(shifted.with_params([4.2, 0.0]), breaks)
    with pytest.raises(fs.ModelError, match="returned NaN or \\+inf as a log weight in trial") as caught:
        fs.simulate(model, HARMONIC, 50_000)
    assert caught.value.trial is not None
    assert np.isnan(fs.replay(model, HARMONIC, caught.value.trial).log_weights).any()


def test_a_row_names_the_trial_that_replay_shows_not_its_pilot() -> None:
    def breaks(z, x, params):  # type: ignore[no-untyped-def]
        return np.where((x[:, 0] > 0.0) & (z[:, 0] > params[0]), np.nan, z[:, 0])

    model = fs.Model(breaks, 1, [2.0], data=[[-1.0], [1.0]], vectorized=True)
    with pytest.raises(fs.ModelError, match="row 1, seed 5") as caught:
        fs.evaluate(model, HARMONIC, 300, seed=5)
    assert caught.value.trial is not None
    trial = caught.value.trial % 2**32
    assert np.isnan(fs.replay(model, HARMONIC, trial, seed=5, row=1).log_weights).any()


def test_a_pilot_that_finds_a_centre_for_taylor_is_named() -> None:
    def breaks(z, x, params):  # type: ignore[no-untyped-def]
        return np.where((x[:, 0] > 0.0) & (z[:, 0] > params[0]), np.nan, z[:, 0])

    model = fs.Model(breaks, 1, [1.0], data=[[-1.0], [1.0]], vectorized=True)
    with pytest.raises(fs.ModelError, match=r"NaN or \+inf as a log weight in the pilot of row 1, which") as caught:
        fs.evaluate(model, fs.Taylor(block=4), 1, seed=5)
    assert caught.value.trial is not None
    assert np.isnan(fs.replay(model, fs.IWAE(128), caught.value.trial, seed=0, row=1).log_weights).any()


def test_an_exception_comes_out_once_with_its_own_traceback() -> None:
    def fails(z, params):  # type: ignore[no-untyped-def]
        if len(z) > 100:
            raise LookupError("deep inside")
        return z[:, 0]

    with pytest.raises(LookupError, match="deep inside") as caught:
        fs.simulate(vectorized(shifted, fails, name="mine"), HARMONIC, 10_000)
    assert caught.traceback[-1].name == "fails"
    assert caught.value.__cause__ is None
    assert any("model 'mine'" in note for note in caught.value.__notes__)


def test_writing_into_what_it_is_given_changes_nothing() -> None:
    def writes(z, params):  # type: ignore[no-untyped-def]
        z *= params[1]
        z += params[0]
        params[:] = 7.0
        return z[:, 0]

    model = vectorized(shifted, writes)
    assert np.array_equal(
        fs.sample(model, HARMONIC, 500)[0], fs.sample(vectorized(shifted, _shifted), HARMONIC, 500)[0]
    )
    assert model.params.tolist() == [0.0, 1.0]


def test_memory_that_ends_after_writing_changes_nothing() -> None:
    def writes(z, params):  # type: ignore[no-untyped-def]
        z *= params[1]
        if len(z) > 100:
            raise MemoryError("none left")
        return params[0] + z[:, 0]

    with pytest.warns(fs.errors.SlowModelWarning, match="no memory for"):
        found, _ = fs.sample(vectorized(shifted.with_params([0.5, 3.0]), writes), HARMONIC, 500)
    expected, _ = fs.sample(vectorized(shifted.with_params([0.5, 3.0]), _shifted), HARMONIC, 500)
    assert np.array_equal(found, expected)


def test_a_gpu_is_refused() -> None:
    with pytest.raises(ValueError, match="is vectorised: its trials run with device='cpu'"):
        fs.simulate(vectorized(shifted, _shifted), HARMONIC, 10, device="cuda")
