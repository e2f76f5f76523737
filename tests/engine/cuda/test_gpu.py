"""What only a card shows: long runs, giants, Ctrl-C, several devices, what is lost and kept. See the digests too."""

from __future__ import annotations

import itertools
import math
import threading
import time

import numpy as np
import pytest
from bits import same_bits
from zoo import shifted

import fastsumo as fs
from fastsumo.engine.cuda import engine
from fastsumo.report.progress import Progress

pytestmark = pytest.mark.gpu
HARMONIC = fs.roulette.Harmonic
NOTE = fs.models.note()


@pytest.mark.parametrize(
    "estimator",
    [
        fs.SUMO(HARMONIC()),
        fs.IWAE(100),
        fs.IWAE(2000),
        fs.MLMC(),
        fs.JVI(200),
        fs.ELBO(),
        fs.SingleTerm(HARMONIC(1000)),
        fs.SUMO(HARMONIC(), stratified=8),
        fs.MLMC(stratified=1024),
    ],
    ids=repr,
)
def test_millions_of_trials_have_the_bits_of_the_cpu(estimator: fs.Estimator, gpu: str) -> None:
    cost = estimator.expected_cost()
    trials = int(min(5e6, 2e8 / (cost if math.isfinite(cost) else 40.0)))
    assert same_bits(
        fs.simulate(NOTE, estimator, trials, seed=5, progress=False),
        fs.simulate(NOTE, estimator, trials, seed=5, progress=False, device=gpu),
    )


def test_a_run_can_be_cut_anywhere(gpu: str) -> None:
    estimator, parts = fs.SUMO(HARMONIC(cap=300)), (0, 7, 4096, 5000, 70_001, 200_000)
    whole = fs.simulate(NOTE, estimator, parts[-1], progress=False)
    merged = None
    for low, high in itertools.pairwise(parts):
        part = fs.simulate(NOTE, estimator, high - low, first_trial=low, progress=False, device=gpu)
        merged = part if merged is None else merged.merge(part)
    cut = None
    for low, high in itertools.pairwise(parts):
        part = fs.simulate(NOTE, estimator, high - low, first_trial=low, progress=False)
        cut = part if cut is None else cut.merge(part)
    assert merged is not None
    assert cut is not None
    assert same_bits(merged, cut)
    assert merged.trials == whole.trials


def test_a_trial_of_many_millions_of_samples(gpu: str) -> None:
    terms = HARMONIC().sample(2_000_000, seed=3)
    trial = int(np.argmax(terms))
    assert terms[trial] > 3_000_000
    here, _ = fs.sample(NOTE, fs.SUMO(HARMONIC()), 1, seed=3, first_trial=trial)
    there, k = fs.sample(NOTE, fs.SUMO(HARMONIC()), 1, seed=3, first_trial=trial, device=gpu)
    assert here.tobytes() == there.tobytes()
    assert k[0] == terms[trial]


def test_giants_are_shared_out_by_parts(gpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_FEWEST_ROWS", 1 << 12)
    monkeypatch.setattr(engine, "_ROWS", 1 << 12)
    estimator = fs.SUMO(HARMONIC())
    assert same_bits(
        fs.simulate(NOTE, estimator, 100_000, seed=3, progress=False),
        fs.simulate(NOTE, estimator, 100_000, seed=3, progress=False, device=gpu),
    )


@pytest.mark.parametrize("spread", [150.0, 1000.0])
def test_what_leaves_the_linear_range_is_the_cpus(spread: float, gpu: str) -> None:
    model, estimator = shifted.with_params([1e4, spread]), fs.SUMO(HARMONIC(cap=300))
    assert same_bits(
        fs.simulate(model, estimator, 50_000, progress=False),
        fs.simulate(model, estimator, 50_000, progress=False, device=gpu),
    )


def test_a_model_that_raises_or_returns_nan_names_the_trial(gpu: str) -> None:
    def raises(z, params):  # type: ignore[no-untyped-def]
        if z[0] > 3.0:
            raise ValueError("too far")
        return z[0]

    def nan(z, params):  # type: ignore[no-untyped-def]
        return math.nan if z[0] > 3.0 else z[0]

    for function in (raises, nan):
        for estimator in (fs.SUMO(HARMONIC(cap=300)), fs.IWAE(500), fs.JVI(300)):
            model = fs.Model(function, 1, log_evidence=0.5, name="far")
            with pytest.raises(fs.ModelError, match="trial") as found:
                fs.simulate(model, estimator, 20_000, progress=False, device=gpu)
            assert found.value.trial is not None


def test_levels_and_comparisons(gpu: str) -> None:
    here, there = (fs.levels(NOTE, 255, 5000, device=device) for device in ("cpu", gpu))
    assert here.dyadic.tobytes() == there.dyadic.tobytes()
    assert here.increments.tobytes() == there.increments.tobytes()
    estimators = [fs.IWAE(10), fs.SUMO(HARMONIC())]
    rows = [fs.compare(NOTE, estimators, 1e6, device=device) for device in ("cpu", gpu)]
    assert all(same_bits(a.result, b.result) for a, b in zip(*rows, strict=True))


def test_a_study_on_a_card_and_the_cpu(gpu: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    study = fs.Study(tmp_path / "mixed.study")
    study.add(NOTE, fs.SUMO(HARMONIC(cap=80)), trials=3_000_000, seeds=[0, 1])
    study.run(progress=False, devices=[gpu, "cpu"], chunk_seconds=0.05)
    assert same_bits(study[1], fs.simulate(NOTE, fs.SUMO(HARMONIC(cap=80)), 3_000_000, seed=1, progress=False))


class _Interrupt(Progress):
    def __init__(self, after: float) -> None:
        self.ends = time.perf_counter() + after

    def update(self, done: int, look: object) -> None:
        if done > 0 and time.perf_counter() > self.ends:
            self.ends = math.inf
            raise KeyboardInterrupt


def test_ctrl_c_ends_a_run_at_once_and_keeps_what_is_done(gpu: str) -> None:
    estimator = fs.SUMO(HARMONIC(cap=80))
    fs.simulate(NOTE, estimator, 1000, progress=False, device=gpu)
    began = time.perf_counter()
    result = fs.simulate(NOTE, estimator, 10**12, progress=_Interrupt(0.5), device=gpu)
    assert time.perf_counter() - began < 3.0
    assert result.interrupted
    assert result.trials > 10**8
    assert threading.active_count() < 10


def test_a_card_that_is_not_there(gpu: str) -> None:
    with pytest.raises(fs.DeviceError, match="no device 'cuda:99'"):
        fs.simulate(NOTE, fs.ELBO(), 10, device="cuda:99")


def test_what_is_home_stays_when_the_card_is_lost(gpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_HOME", 0.0)
    launch, count = engine._TallyWorker._launch, [0]

    def lost(worker: object, first: int, n: int) -> None:
        count[0] += 1
        if count[0] == 4:
            raise fs.DeviceError("device 'cuda:0' failed: the card is gone (error 46)")
        launch(worker, first, n)  # type: ignore[arg-type]

    monkeypatch.setattr(engine._TallyWorker, "_launch", lost)
    with pytest.warns(RuntimeWarning, match="the card is gone"):
        result = fs.simulate(NOTE, fs.SUMO(HARMONIC(cap=80)), 10_000_000, progress=False, device=gpu)
    assert result.interrupted
    assert same_bits(result, fs.simulate(NOTE, fs.SUMO(HARMONIC(cap=80)), result.trials, progress=False))
