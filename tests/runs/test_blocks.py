"""Runs of stratified trials: values, errors by blocks, what theory says of them, and what refuses them."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo
from numpy.typing import NDArray

import fastsumo as fs
from fastsumo import tails
from fastsumo.cli import main
from fastsumo.estimators.labels import label
from fastsumo.estimators.parsing import parse_estimator
from fastsumo.estimators.serialization import estimator_from_json, estimator_to_json

GAMMA = fs.models.gamma(1.0)
BLOCKS = fs.MLMC(first=False, stratified=64)


def run(trials: int, estimator: Any = BLOCKS, seed: int = 3, **options: Any) -> fs.Result:
    return fs.simulate(GAMMA, estimator, trials, seed=seed, progress=False, **options)


def by_hand(values: NDArray[np.float64], first: int = 0, size: int = 64) -> float:
    """Standard error of the mean from 256 groups of blocks."""
    group = (first + np.arange(values.size)) // size % 256
    sums = np.bincount(group, values - values.mean(), 256)
    shares = np.bincount(group, minlength=256) / values.size
    return float(np.sqrt(np.sum(sums**2) / (1.0 - np.sum(shares**2))) / values.size)


# --- trials ---------------------------------------------------------------------------------------------------------


def test_a_trial_is_itself_wherever_it_runs() -> None:
    values, terms = fs.sample(GAMMA, BLOCKS, 5000, seed=3)
    later = fs.sample(GAMMA, BLOCKS, 100, seed=3, first_trial=4321)
    np.testing.assert_array_equal(later, (values[4321:4421], terms[4321:4421]))
    one = fs.replay(GAMMA, BLOCKS, trial=4321, seed=3)
    assert (one.terms, one.value) == (terms[4321], pytest.approx(values[4321], rel=1e-12))
    whole = run(20_000, threads=1)
    assert whole.merge(run(12_384, first_trial=20_000)).mean == pytest.approx(run(32_384, threads=2).mean, rel=1e-13)
    cut = run(8192).merge(run(8192, first_trial=8192))
    assert (cut.mean, cut.std_error) == (run(16_384).mean, run(16_384).std_error)


def test_levels_of_a_block_are_those_of_the_law() -> None:
    _, terms = fs.sample(GAMMA, BLOCKS, 64 * 50, seed=1)
    counts = np.array([np.bincount(block, minlength=60)[1:4] for block in terms.reshape(-1, 64)])
    wanted = 64 * (1.0 - BLOCKS.ratio) * BLOCKS.ratio ** np.arange(3)
    assert np.all(np.abs(counts - wanted) < 2.0)  # a part may have two levels, at either end
    assert np.all(np.ptp(counts, axis=0) <= 2)


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trials", "first"), [(64 * 1000, 0), (10_000, 37), (200, 5)])
def test_errors_are_those_of_blocks(trials: int, first: int) -> None:
    found = run(trials, first_trial=first)
    values, _ = fs.sample(GAMMA, BLOCKS, trials, seed=3, first_trial=first)
    assert found.std_error == pytest.approx(by_hand(values, first), rel=1e-9)
    assert found.variance == pytest.approx(values.var(ddof=1), rel=1e-9)
    assert found.summary().std_error == pytest.approx(found.std_error, rel=1e-12)


def test_variance_of_the_mean_is_that_of_theory() -> None:
    values, _ = fs.sample(GAMMA, BLOCKS, 2**16, seed=8)
    means = values.reshape(-1, 64).mean(axis=1)
    squares = 64.0 * (means - means.mean()) ** 2
    predicted = fs.theory.predict(GAMMA, BLOCKS)
    assert predicted.variance_of_mean.kind == "exact"
    assert predicted.variance_of_mean.value < 0.8 * predicted.variance.value
    assert abs(squares.mean() - predicted.variance_of_mean.value) < 4.5 * squares.std() / math.sqrt(squares.size)
    assert predicted.variance_times_cost.value == pytest.approx(predicted.variance_of_mean.value * 2.2071, rel=1e-3)


def test_means_are_as_far_from_the_truth_as_their_errors_say() -> None:
    runs = [run(64 * 128, seed=seed) for seed in range(100)]
    scores = np.array([found.mean / found.std_error for found in runs])
    assert abs(scores.mean()) < 4.5 / math.sqrt(100.0)
    assert 0.4 < np.mean(scores**2) < 1.7
    plain = fs.theory.predict(GAMMA, replace(BLOCKS, stratified=1)).variance.value
    assert np.mean([found.std_error**2 for found in runs]) * 64 * 128 < 0.9 * plain


@pytest.mark.parametrize("trials", [65, 80, 130, 256])
def test_errors_of_blocks_of_any_sizes_are_not_too_small(trials: int) -> None:
    """Of a block and one trial more, too, where the factor of equal groups gave a quarter of the error."""
    values, _ = fs.sample(GAMMA, BLOCKS, 256 * 2000, seed=4)
    parts = values.reshape(-1, 256)[:, :trials]
    starts = np.arange(0, trials, 64)
    counts = np.diff(starts, append=trials)
    squares = [tails._summary.error_by_groups(counts, np.add.reduceat(part, starts)) ** 2 for part in parts]
    ratio = np.mean(squares) / parts.mean(axis=1).var()
    assert 0.85 < ratio < 1.6  # its own error is some 5 %; a small block's mean has more variance for each trial


@pytest.mark.parametrize(
    "estimator",
    [
        fs.MLMC(ratio=0.45, first=False, kind="sum", stratified=4096),
        zoo.slow(fs.MLMC(ratio=0.45, stratified=4096)),
        zoo.slow(fs.SUMO(fs.roulette.Harmonic(cap=80), stratified=4096)),
        zoo.slow(fs.SingleTerm(fs.roulette.Harmonic(cap=20), stratified=4096)),
    ],
    ids=repr,
)
def test_errors_of_variances_are_those_of_independent_trials_and_not_too_small(estimator: Any) -> None:
    found = run(2**18, estimator, seed=5)
    values, _ = fs.sample(GAMMA, estimator, 2**18, seed=5)
    squares = (values - values.mean()) ** 2
    assert found.variance_error == pytest.approx(squares.std() / 512.0, rel=1e-4)
    of_blocks = squares.reshape(-1, 4096).mean(axis=1).std(ddof=1) / 8.0
    assert of_blocks < 1.25 * found.variance_error  # 64 blocks: its own error is 9 %


def test_intervals_take_groups_for_independent_and_nothing_else() -> None:
    from scipy.special import stdtrit

    found = run(64 * 40)
    normal = found.interval(method="normal")
    assert normal.half_width == pytest.approx(float(stdtrit(39, 0.975)) * found.std_error)
    assert found.interval().low < found.mean < found.interval().high
    for method in set(tails._intervals.ASSUMES) - {"normal", "median-of-means"}:
        with pytest.raises(ValueError, match="use median-of-means or normal"):
            found.interval(method=method)
    assert found.diagnose().interval.method in ("normal", "median-of-means")


@pytest.mark.parametrize("trials", [1, 40, 64])
def test_one_block_has_no_error(trials: int) -> None:
    found = run(trials)
    assert math.isnan(found.std_error)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert math.isnan(found.interval(method="normal").low)
    assert "blocks of 64 trials" in str(found)


def test_until_waits_for_the_error_by_blocks() -> None:
    found = run(None, until={"std_error": 0.01})  # type: ignore[arg-type]
    assert found.std_error <= 0.01
    assert found.trials >= 32 * 64


def test_compare_and_files_and_pictures(tmp_path: Path) -> None:
    row = fs.compare(GAMMA, BLOCKS, cost=2e5)[0]
    assert row.variance_times_cost == pytest.approx(row.result.std_error**2 * row.result.cost)
    row.result.save(tmp_path / "run.fsr")
    kept = fs.load(tmp_path / "run.fsr")
    assert (kept.std_error, kept.provenance.estimator) == (row.result.std_error, BLOCKS)
    band = fs.plot.running_mean(row.result).collections[0].get_paths()[0].vertices
    at = band[:, 0] == row.result.trials
    assert np.ptp(band[at, 1]) == pytest.approx(4.0 * row.result.std_error, rel=1e-6)


@pytest.mark.slow
def test_studies_tell_the_error_by_blocks(tmp_path: Path) -> None:
    study = fs.Study(tmp_path / "study.db")
    study.add(GAMMA, "mlmc:first=False,stratified=64", trials=20_000, seeds=[3])
    study.run(progress=False)
    found = study[0]
    assert found.std_error == run(20_000).std_error


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [fs.SUMO(fs.roulette.Harmonic(cap=9), stratified=4096), fs.SingleTerm(stratified=2), fs.MLMC(stratified=16)],
    ids=repr,
)
def test_the_block_is_part_of_the_estimator(estimator: Any) -> None:
    plain = replace(estimator, stratified=1)
    assert estimator != plain
    assert "stratified" in repr(estimator)
    assert "stratified" not in repr(plain) + label(plain) + label(plain, "brief")
    assert f"stratified={estimator.stratified}" in label(estimator, "brief")
    for same in (estimator, plain):
        assert estimator_from_json(estimator_to_json(same)) == same
        assert parse_estimator(repr(same)) == parse_estimator(label(same, "exact")) == same
    assert "stratified" not in estimator_to_json(plain)  # so that older files, and studies, have the same estimator
    assert parse_estimator("sumo:harmonic:cap=9,stratified=8").roulette == fs.roulette.Harmonic(cap=9)


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "gamma:1", "--estimator", repr(BLOCKS), "--trials", "6400", "--no-plot"]) == 0
    assert "blocks of 64 trials; errors are from the means of blocks" in " ".join(capsys.readouterr().out.split())


# --- theory ---------------------------------------------------------------------------------------------------------

SIZES = (1, 2, 8, 256, 4096)
ESTIMATORS = [
    fs.SUMO(fs.roulette.Harmonic(cap=80)),
    fs.SUMO(fs.roulette.Harmonic(cap=80), minimum=3, start=0),
    zoo.slow(fs.SUMO(fs.roulette.PowerLaw(0.75))),
    fs.SUMO(fs.roulette.Table([1.0, 0.7, 0.2, 0.2, 0.1])),
    fs.SUMO(fs.roulette.HarmonicGeometric(8, 0.2, cap=40)),
    fs.SingleTerm(fs.roulette.Harmonic(cap=20)),
    fs.MLMC(),
    fs.MLMC(base=4, ratio=0.3),
    fs.MLMC(first=False),
    fs.MLMC(kind="sum"),
    fs.MLMC(kind="sum", first=False),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.parametrize("model", [GAMMA, zoo.slow(fs.models.gamma(3.5))], ids=["gamma 1", "gamma 3.5"])
def test_variance_falls_with_the_block(model: fs.Model, estimator: Any) -> None:
    found = [fs.theory.predict(model, replace(estimator, stratified=size)).variance_of_mean for size in SIZES]
    assert {quantity.kind for quantity in found} == {"exact"}
    values = np.array([quantity.value for quantity in found])
    assert values[0] == fs.theory.predict(model, estimator).variance.value
    assert np.all(np.diff(values) <= 1e-12 * values[0])
    assert values[-1] > 0.0


def test_large_blocks_are_multilevel_monte_carlo_with_the_same_shares() -> None:
    """In the limit every level has ``n p_l`` trials, and the variance is ``sum V_l / p_l``."""
    from scipy.special import polygamma

    estimator = fs.MLMC(first=False)
    level = np.arange(1.0, 40.0)
    half = 2.0 ** (level - 1.0)
    spread = np.append(polygamma(1, 1.0), 0.5 * polygamma(1, half) - polygamma(1, 2.0 * half))
    shares = (1.0 - estimator.ratio) * estimator.ratio ** np.arange(40.0)
    limit = float(np.sum(spread[:24] / shares[:24]))
    found = fs.theory.predict(GAMMA, replace(estimator, stratified=2**16)).variance_of_mean.value
    assert limit < found < 1.02 * limit
    cost = 2.0 ** np.arange(24.0)
    best = float(np.sum(np.sqrt(spread[:24] * cost))) ** 2
    assert best < limit * estimator.expected_cost() < 1.35 * best
    assert fs.theory.predict(GAMMA, estimator).variance_times_cost.value > 1.4 * best


def test_other_models_are_to_first_order() -> None:
    estimator = fs.SUMO(fs.roulette.Harmonic(cap=80), stratified=256)
    found = fs.theory.predict(fs.models.note(), estimator)
    assert found.variance_of_mean.kind == "first-order"
    assert 0.0 < found.variance_of_mean.value < found.variance.value
    assert "variance of mean" in str(found)
    assert "variance of mean" not in str(fs.theory.predict(fs.models.note(), replace(estimator, stratified=1)))
    assert fs.theory.predict(GAMMA, fs.SUMO(stratified=16)).variance_of_mean.kind == "infinite"
    heavy = fs.SUMO(fs.roulette.PowerLaw(0.55), stratified=2**16)
    assert fs.theory.predict(GAMMA, heavy).variance_of_mean.kind == "unknown"  # some 10^9 values of K


# --- what refuses them ----------------------------------------------------------------------------------------------


def test_refused_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="strata are of independent trials: leave out stratified=64"):
        fs.stratify(GAMMA, BLOCKS, cost=1e5)
    with pytest.raises(ValueError, match="strata are of independent trials"):
        fs.Stratum(BLOCKS, 1, 2)
