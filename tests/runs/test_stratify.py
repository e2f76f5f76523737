"""Strata of `K`: what is drawn, that parts make the whole, what is made of them; by closed forms where there are."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import closed_forms
import naive
import numpy as np
import pytest
from commands import complaint, output
from complaints import fails
from scipy.special import digamma
from zoo import LAWS, half_empty

import fastsumo as fs
from fastsumo.engine.interface import Look
from fastsumo.estimators.serialization import estimator_from_json, estimator_to_json
from fastsumo.report.progress import Progress
from fastsumo.runs import strata
from fastsumo.trial.draw import draw_terms
from fastsumo.trial.params import make_params
from fastsumo.trial.survival import survival

NOTE, GAMMA = fs.models.note(), fs.models.gamma(1.5)
CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=300))
HARMONIC = fs.SUMO(fs.roulette.Harmonic())
SEED = 5


@pytest.fixture(scope="module")
def capped() -> fs.Stratified:
    return fs.stratify(GAMMA, CAPPED, cost=3e6, seed=SEED)


@pytest.fixture(scope="module")
def far() -> fs.Stratified:
    return fs.stratify(NOTE, HARMONIC, cost=3e6, seed=SEED)


# --- what is drawn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 3), (5, 40), (3, 2**40)])
def test_terms_are_those_of_the_law_given_the_stratum(law: Any, low: int, high: int) -> None:
    """The largest k with ``u' <= P(K >= k)``, where ``u'`` is the uniform of the trial, taken to the stratum."""
    if low > law.max_terms or not float(-np.diff(law.survival([low, min(high, law.max_terms) + 1]))[0]) > 0.0:
        return
    part = fs.Stratum(fs.SUMO(law), low, high)
    assert part.probability == pytest.approx(float(-np.diff(naive.survival(law, [low, part.high + 1]))[0]), rel=1e-9)
    plan = part.plan()
    drawn = drawn_terms(plan, 2000)
    assert drawn.min() >= low
    assert drawn.max() <= part.high
    beyond = float(law.survival(part.high + 1))
    u = beyond + (float(law.survival(low)) - beyond) * naive.uniforms(SEED, np.arange(2000), 0, 0)[0]
    with np.errstate(invalid="ignore"):
        inside = (u <= law.survival(drawn) * (1 + 1e-12)) & (u >= law.survival(drawn + 1) * (1 - 1e-12))
    assert inside.all()


def drawn_terms(plan: Any, n: int) -> Any:
    owned, terms = make_params(None, plan, SEED), np.empty(n, np.int64)
    draw_terms(owned.params, np.uint64(0), terms.ctypes.data, n)
    return terms


def test_a_stratum_of_everything_is_the_estimator() -> None:
    whole = fs.Stratum(CAPPED, 1, 2**50)
    assert (whole.high, whole.probability) == (300, 1.0)
    for mine, theirs in zip(fs.sample(NOTE, whole, 3000), fs.sample(NOTE, CAPPED, 3000), strict=True):
        assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    "estimator", [HARMONIC, fs.SUMO(LAWS["harmonic-geometric"], minimum=3), fs.SingleTerm(), fs.MLMC()], ids=repr
)
@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 9), (7, 7)])
def test_the_cost_of_a_trial(estimator: Any, low: int, high: int) -> None:
    part, k = fs.Stratum(estimator, low, high), np.arange(low, high + 1)
    law = estimator.plan().law
    weights = -np.diff(survival(law, np.arange(low, high + 2)))
    samples = [estimator.plan().samples(int(each)) for each in k]
    assert part.expected_cost() == pytest.approx(float(weights @ samples / weights.sum()), rel=1e-12)


def test_the_cost_of_many_terms() -> None:
    """``E[K | low <= K <= high]`` of the harmonic law is a difference of harmonic numbers."""
    low, high = 1000, 10**8
    beyond = digamma(high + 1) - digamma(low + 1) - (high - low) / (high + 1)
    mean = low + beyond / (1.0 / low - 1.0 / (high + 1))
    assert fs.Stratum(HARMONIC, low, high).expected_cost() == pytest.approx(1.0 + mean, rel=1e-8)


def test_strata_are_written_down_and_read() -> None:
    part = fs.Stratum(fs.SUMO(fs.roulette.Table([1.0, 0.5, 0.25])), 2, 3)
    assert estimator_from_json(estimator_to_json(part)) == part
    assert fs.replay(NOTE, fs.Stratum(HARMONIC, 8, 9), 3).roulette_weights[:3].tolist() == [1.0, 2.0, 3.0]


# --- how the range is parted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator", [HARMONIC, CAPPED, fs.SUMO(LAWS["harmonic-geometric"]), fs.MLMC(), fs.SingleTerm()], ids=repr
)
def test_strata_follow_one_another(estimator: Any) -> None:
    parts = strata.parted(estimator, 1e7, None, None)
    assert parts[0].low == 1
    assert all(mine.high + 1 == theirs.low for mine, theirs in itertools.pairwise(parts))
    assert all(part.low == part.high for part in parts if part.low <= 16)
    assert all(part.high < 1.2 * part.low for part in parts)
    law = estimator.plan().law
    assert all(
        part.low == part.high or survival(law, part.high + 1) >= 0.5 * survival(law, part.low) for part in parts[:-1]
    )


@pytest.mark.parametrize("cap", [100_000, 10**7, 10**12])
def test_below_a_large_cap_strata_are_no_smaller_than_before(cap: int) -> None:
    """Half of the survival is gone only at the cap itself, so that all but it are in strata of a quarter octave."""
    parts = strata.parted(fs.SUMO(fs.roulette.Harmonic(cap=cap)), 1e4, None, cap)
    assert [(part.low, part.high) for part in parts if part.low == part.high and part.low > 16] == [(cap, cap)]
    assert parts[-2].high == cap - 1


def test_the_largest_terms_may_be_beyond_every_law() -> None:
    with pytest.raises(ValueError, match="strata up to K = 4503599627370496 with 32 trials each cost"):
        fs.stratify(NOTE, HARMONIC, cost=1e6, largest_terms=10**30)


def test_terms_that_never_come_are_in_no_stratum() -> None:
    flat = fs.SUMO(fs.roulette.Table([1.0, 0.5, 0.5, 0.25]))
    assert [(part.low, part.high) for part in strata.parted(flat, 1e5, None, None)] == [(1, 1), (3, 3), (4, 4)]
    found = fs.stratify(NOTE, flat, cost=1e5)
    assert found.missing == 0.0


def test_no_allocation_is_worse_than_plain_trials_for_the_mean() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        p, costs = rng.dirichlet(np.ones(12)), 2.0 ** np.arange(1, 13)
        pilot = np.column_stack([rng.normal(size=12), rng.exponential(size=12) + 0.1, rng.exponential(size=12)])
        means, spreads, squares = pilot.T
        plain = p @ (spreads**2 + (means - p @ means) ** 2) * (p @ costs) / 1e9
        for kind in ("tail", "mean"):
            n = strata.allocated(kind, 1e9, 1e6, p, costs, pilot)
            assert n @ costs <= 1e9
            assert np.sum(p**2 * spreads**2 / n) <= plain
        best = np.sum(p**2 * squares**2 / strata.allocated("variance", 1e9, 0.0, p, costs, pilot))
        for other in (p, np.ones(12), p * squares):
            n = np.maximum(1e9 * other / (other @ costs), 16)
            assert best <= 1.001 * np.sum(p**2 * squares**2 / n)


# --- what is made of them -------------------------------------------------------------------------------------------


def test_mean_and_variance_are_those_of_plain_trials(capped: fs.Stratified) -> None:
    mean, variance = closed_forms.sumo(1.5, 1.0 / np.arange(1, 301))
    assert capped.missing == 0.0
    assert abs(capped.mean - mean) < 4.5 * capped.std_error
    assert abs(capped.variance - variance) < 4.5 * capped.variance_error
    assert capped.std_error**2 < variance * closed_forms.cost(1.0 / np.arange(1, 301))[0] / capped.cost
    assert capped.variance_error < 0.05 * variance
    assert capped.cost == pytest.approx(3e6, rel=0.05)
    assert capped.pilot_cost + capped.strata["cost"].sum() == capped.cost


def test_numbers_are_those_of_the_trials(capped: fs.Stratified) -> None:
    """Against the values themselves, trial by trial."""
    x = np.array([0.5, 1.0, 2.0, 4.0])  # edges of bins
    probability = mean = 0.0
    for row, result in zip(capped.strata, capped.results, strict=True):
        ((first, stop),) = result.ranges[SEED]
        values, terms = fs.sample(GAMMA, result.provenance.estimator, stop - first, SEED, first_trial=first)
        assert (terms >= row["low"]).all()
        assert (terms <= row["high"]).all()
        probability += row["probability"] * np.array([np.mean(np.abs(values - capped.center) >= each) for each in x])
        mean += row["probability"] * values.mean()
        assert row["largest"] == np.abs(values - capped.center).max()
    assert capped.mean == pytest.approx(float(mean), abs=1e-12)
    np.testing.assert_allclose(capped.tail(x)["probability"], probability, rtol=1e-12)
    assert capped.growth["mean"][-1] == capped.mean
    assert (np.diff(capped.growth["variance"]) > 0.0).all()


def test_tails_are_those_of_plain_trials(far: fs.Stratified) -> None:
    plain = fs.simulate(NOTE, HARMONIC, 400_000, seed=1)
    bins = plain.histogram
    for x in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0):
        share = bins.counts[(bins.low >= x) | (bins.high <= -x)].sum() / plain.trials
        found = far.tail(x)
        error = math.hypot(float(found["std_error"]), math.sqrt(share / plain.trials))
        assert abs(found["probability"] - share) < 4.5 * error + far.missing
        assert found["probability"] == found["above"] + found["below"]
        assert found["missing"] == far.missing
    assert far.missing == pytest.approx(1.0 / (far.strata["high"][-1] + 1), rel=1e-12)


def test_the_tail_of_levels_is_that_of_the_closed_form() -> None:
    """Gamma weights, whose level differences are functions of one beta variate: four decades, and what is missing."""
    estimator = fs.MLMC(first=False)
    found = fs.stratify(fs.models.gamma(1.0), estimator, cost=2e6, seed=6)
    distances = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    for row in found.tail(distances):
        truth, error = closed_forms.mlmc_tail(1.0, float(row["x"]), estimator.ratio), float(row["std_error"])
        assert row["probability"] - 4.5 * error < truth < row["probability"] + row["missing"] + 4.5 * error
        assert error < 0.4 * truth
    slope = math.log(
        closed_forms.mlmc_tail(1.0, 8.0, estimator.ratio) / closed_forms.mlmc_tail(1.0, 32.0, estimator.ratio)
    )
    index = found.tail_index(8.0, 32.0)
    assert abs(index.estimate - slope / math.log(4.0)) < 4.5 * index.std_error
    assert index.std_error < 0.1


def test_between_edges_of_bins_the_tail_falls_steadily(far: fs.Stratified) -> None:
    p = far.tail(np.geomspace(0.1, 30.0, 500))["probability"]
    assert (np.diff(p) <= 0.0).all()
    assert far.tail(2.0).shape == ()
    assert far.tail([[1.0, 2.0]]).shape == (1, 2)


def test_strata_in_reach_without_a_trial_beyond_are_in_the_error(far: fs.Stratified) -> None:
    """By hand: binomial, and one trial, or what the nearest stratum has, for those in reach that have none or all."""
    p, n, x = far.strata["probability"], far.strata["trials"], 2.0 ** np.arange(1, 6)
    share = np.array(
        [[(r.histogram.beyond(d, "right") + r.histogram.beyond(d, "left")) / r.trials for d in x] for r in far.results]
    )
    for column, row in zip(share.T, far.tail(x), strict=True):
        first, last = int(np.flatnonzero(column)[0]), int(np.flatnonzero(column < 1.0)[-1])
        count = np.round(column * n)
        variance = p**2 * (count + 1.0) / (n + 2.0) * (n - count + 1.0) / (n + 2.0) / n
        for j in range(p.size):
            if column[j] == 0.0:
                variance[j] = (p[j] * min(1.0 / n[j], column[first])) ** 2 if j >= first - 1 else 0.0
            elif column[j] == 1.0:
                variance[j] = (p[j] * min(1.0 / n[j], 1.0 - column[last])) ** 2 if j <= last + 1 else 0.0
        assert row["std_error"] == pytest.approx(math.sqrt(variance.sum()), rel=1e-12)
    nothing = far.tail(1e9)
    assert (nothing["probability"], nothing["std_error"]) == (0.0, pytest.approx(p[-1] / n[-1], rel=1e-12))


def test_the_local_index_is_the_slope(far: fs.Stratified) -> None:
    found = far.tail_index(8.0, 16.0)
    near, beyond = far.tail([8.0, 16.0])["probability"]
    assert found.estimate == pytest.approx(math.log(near / beyond) / math.log(2.0), rel=1e-12)
    assert abs(found.estimate - 1.95) < 4.5 * found.std_error + 0.1
    assert math.isnan(far.tail_index(1.0, 1e30).estimate)


def test_the_error_of_an_index_is_that_of_repetitions() -> None:
    """Spread of 60 small runs beside the error that each tells; of a chi of 59 degrees, 4 sigma."""
    runs = [fs.stratify(GAMMA, CAPPED, seed=seed, strata=[1, 2, 4, 16, 64], allocation=[40] * 5) for seed in range(60)]
    for told, seen in (
        ([run.tail_index(1.0, 3.0).std_error for run in runs], [run.tail_index(1.0, 3.0).estimate for run in runs]),
        ([run.std_error for run in runs], [run.mean for run in runs]),
        ([float(run.tail(1.5)["std_error"]) for run in runs], [float(run.tail(1.5)["probability"]) for run in runs]),
    ):
        assert 0.6 < np.std(seen, ddof=1) / np.sqrt(np.mean(np.square(told))) < 1.5


def test_threads_change_nothing_and_trials_can_be_replayed(far: fs.Stratified) -> None:
    again = fs.stratify(NOTE, HARMONIC, cost=3e6, seed=SEED, threads=1)
    assert again.strata.tobytes() == far.strata.tobytes()
    row = far.results[20].extremes[0]
    one = far.replay(20, int(row["trial"]))
    assert (one.value, one.terms) == (row["value"], row["terms"])


def test_runs_are_merged_saved_and_loaded(far: fs.Stratified, tmp_path: Path) -> None:
    other = fs.stratify(NOTE, HARMONIC, cost=3e6, seed=SEED + 1)
    both = far.merge(other)
    assert both.trials == far.trials + other.trials
    assert both.cost == far.cost + other.cost
    assert both.std_error < far.std_error
    both.save(tmp_path / "far.npz")
    read = fs.load(tmp_path / "far.npz")
    assert read.strata.tobytes() == both.strata.tobytes()
    assert read.growth.tobytes() == both.growth.tobytes()
    assert json.dumps(read.to_dict()) == json.dumps(both.to_dict())
    assert str(read) == str(both)
    with pytest.raises(ValueError, match="in both runs"):
        far.merge(both)
    with pytest.raises(ValueError, match="different strata"):
        far.merge(fs.stratify(NOTE, HARMONIC, cost=3e6, strata=[1, 2], largest_terms=5))
    assert list(both.to_dataframe().columns) == list(both.strata.dtype.names)
    assert len(both.to_dataframe("tail")) == len(both.distances())


def test_progress_is_counted_in_samples() -> None:
    seen: list[int] = []

    class Kept(Progress):
        def update(self, done: int, look: Look) -> None:
            assert look() is None  # what one stratum says is not what all say
            seen.append(done)

    fs.stratify(GAMMA, CAPPED, strata=[1, 16, 100], allocation=[1000, 10, 10], seed=SEED, progress=Kept())
    assert seen == sorted(seen)
    expected = sum(
        n * fs.Stratum(CAPPED, *k).expected_cost() for n, k in [(1000, (1, 15)), (10, (16, 99)), (10, (100, 300))]
    )
    assert seen[-1] == round(expected)


def test_zero_weights_are_beyond_every_distance() -> None:
    truth = 0.5 + math.log(0.5 * math.erfc(math.sqrt(0.5)))
    never = fs.Model(half_empty.function, 1, [0.0], log_evidence=truth)
    found = fs.stratify(never, fs.SUMO(fs.roulette.Harmonic(cap=4)), cost=1e5)
    assert found.mean == -math.inf
    assert math.isnan(found.std_error)
    tail = found.tail(1e6)  # a half of all trials: the first weight is zero
    assert abs(tail["below"] - 0.5) < 4.5 * tail["std_error"]
    assert tail["above"] == 0.0
    assert "have the value -inf" in str(found)
    distances = found.distances()
    finite = max(np.abs(result.extremes["value"] - found.center).max() for result in found.results)
    assert distances[0] < 1.0 < distances[-1] <= finite < 10.0 * distances[-1]
    nothing = fs.stratify(fs.Model(half_empty.function, 1, [-40.0]), fs.SUMO(fs.roulette.Harmonic(cap=4)), cost=1e4)
    assert nothing.distances()[[0, -1]].tolist() == [0.01, 1.0]  # all values are -inf


def test_strata_of_a_study_are_put_together(tmp_path: Path) -> None:
    """Cells of a study, which each have trials from number 0 on under a seed of their own."""
    parts = [fs.Stratum(CAPPED, low, high) for low, high in [(1, 1), (2, 9), (10, 300)]]
    study = fs.Study(tmp_path / "strata.study")
    for seed, part in enumerate(parts):
        study.add(GAMMA, part, 20_000, seeds=[seed])
    study.run(threads=1)
    found = fs.Stratified.of([study[2], study[0], study[1]])
    mean, variance = closed_forms.sumo(1.5, 1.0 / np.arange(1, 301))
    assert found.missing == 0.0
    assert abs(found.mean - mean) < 4.5 * found.std_error
    assert abs(found.variance - variance) < 4.5 * found.variance_error
    one = fs.simulate(GAMMA, parts[0], 1000)
    fails(lambda: fs.Stratified.of([one, one]), ValueError, "overlap")
    fails(lambda: fs.Stratified.of([fs.simulate(GAMMA, CAPPED, 1000)]), ValueError, "results of strata")
    fails(lambda: fs.Stratified.of([]), ValueError, "results of strata")
    fails(lambda: fs.Stratified.of([1]), ValueError, "results of strata")  # type: ignore[list-item]
    fails(lambda: found.merge(one), TypeError, "merges with another")  # type: ignore[arg-type]
    fails(lambda: found.replay(3, 0), ValueError, "stratum must be a whole number from 0 to 2")
    fails(lambda: found.distances(0), ValueError, "per_decade")
    other = fs.simulate(fs.models.gamma(2.0), parts[1], 1000)
    fails(lambda: fs.Stratified.of([one, other]), ValueError, "differ in their model")


@pytest.mark.parametrize("width", [50, 80, 132])
def test_the_table_fits_and_says_what_is_missing(far: fs.Stratified, width: int) -> None:
    text = far.text(width)
    assert max(map(len, text.splitlines())) <= width
    assert "at most that plus missing" in " ".join(text.split())
    assert "missing" in far._repr_html_()
    assert fs.stratify(GAMMA, CAPPED, cost=1e5).text(80).count("nothing: each K is in a stratum") == 1
    assert "level from 1 to " in fs.stratify(GAMMA, fs.MLMC(), cost=1e5).text(width)


def test_the_figure_has_what_was_measured(far: fs.Stratified) -> None:
    axes = far.plot(brute_force=fs.simulate(NOTE, HARMONIC, 10_000))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["out of reach", "± 3 errors", "by strata", "10 k plain trials", "theory, first order"]


def test_what_is_wrong_is_said_before_anything_runs() -> None:
    for estimator in (fs.IWAE(5), fs.JVI(5), fs.Stratum(HARMONIC, 1, 2)):
        fails(lambda e=estimator: fs.stratify(NOTE, e), TypeError, "random K have strata")  # type: ignore[misc]
    fails(lambda: fs.stratify(NOTE, HARMONIC, 1e4, largest_terms=10**6), ValueError, "raise it, or lower largest_terms")
    fails(lambda: fs.stratify(NOTE, HARMONIC, cost=math.nan), ValueError, "cost")
    fails(lambda: fs.stratify(NOTE, HARMONIC, allocation="best"), ValueError, "allocation")
    fails(lambda: fs.stratify(NOTE, HARMONIC, strata=[1, 3], largest_terms=9, allocation=[5]), ValueError, "1 numbers")
    fails(lambda: fs.stratify(NOTE, HARMONIC, strata=[2, 3], largest_terms=9), ValueError, "ascending from 1")
    fails(lambda: fs.stratify(NOTE, HARMONIC, strata=[1, 3, 3]), ValueError, "ascending from 1")
    fails(lambda: fs.stratify(NOTE, HARMONIC, strata=5), TypeError, "sequence of the smallest K")
    fails(lambda: fs.stratify(NOTE, HARMONIC, largest_terms=0), ValueError, "largest_terms")
    fails(lambda: fs.stratify(NOTE, HARMONIC, device="abacus"), ValueError, "device")
    fails(lambda: fs.Stratum(CAPPED, 301, 400), ValueError, "low")
    fails(lambda: fs.Stratum(CAPPED, 5, 4), ValueError, "high")
    fails(lambda: fs.theory.predict(NOTE, fs.Stratum(CAPPED, 1, 4)), ValueError, "part of one")


def test_distances_must_be_positive(far: fs.Stratified) -> None:
    for wrong in (0.0, -1.0, math.nan, math.inf):
        fails(lambda x=wrong: far.tail(x), ValueError, "positive")  # type: ignore[misc]
    fails(lambda: far.tail_index(2.0, 1.0), ValueError, "below high")


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "far.npz"
    asked = ["tail", "note", "--roulette", "harmonic", "--cost", "3M", "--seed", str(SEED), "--quiet"]
    assert output(capsys, *asked, "--save", str(file), "--plot", str(tmp_path / "far.png")) == ""
    assert (tmp_path / "far.png").read_bytes().startswith(b"\x89PNG")
    shown = output(capsys, "show", str(file))
    assert shown.startswith("note: strata of SUMO(Harmonic())\nmean ")
    assert json.loads(output(capsys, "show", str(file), "--json"))["missing"] == fs.load(file).missing
    assert "by strata" in complaint(capsys, "replay", str(file), "--trial", "1")


# --- slow: against truths and many repetitions ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator",
    [HARMONIC, fs.SUMO(LAWS["harmonic-geometric"]), fs.SUMO(fs.roulette.PowerLaw(1.5)), fs.MLMC(), fs.SingleTerm()],
    ids=repr,
)
def test_brute_force_agrees(estimator: Any) -> None:
    plain = fs.simulate(NOTE, estimator, 1_000_000_000, seed=1)
    found, bins = fs.stratify(NOTE, estimator, cost=1e9, seed=2), plain.histogram
    for x in 2.0 ** np.arange(0, 9):
        share = bins.counts[(bins.low >= x) | (bins.high <= -x)].sum() / plain.trials
        tail = found.tail(x)
        error = math.hypot(float(tail["std_error"]), math.sqrt(max(share, 1e-9) / plain.trials))
        assert tail["probability"] - 4.5 * error <= share <= tail["probability"] + found.missing + 4.5 * error


@pytest.mark.slow
def test_the_papers_law_to_a_thousand_billion() -> None:
    """Beside an independent trial run of 2000 trials in each of 189 strata, with its error of 1.1 %."""
    found = fs.stratify(NOTE, fs.SUMO(fs.roulette.HarmonicGeometric()), cost=7.3e7, seed=1)
    for x, probability in ((1e3, 1.07e-5), (1e10, 4.98e-13), (1e12, 4.34e-15)):
        tail = found.tail(x)
        assert abs(tail["probability"] - probability) < 4.5 * math.hypot(float(tail["std_error"]), 0.011 * probability)
        assert tail["std_error"] < 0.011 * probability


@pytest.mark.slow
def test_the_mean_is_unbiased_and_errors_cover() -> None:
    """500 runs: the mean of means; and the truth is within 1.96 errors as often as it should, but for 4.5 sigma."""
    mean, variance = closed_forms.sumo(1.5, 1.0 / np.arange(1, 301))
    runs = [fs.stratify(GAMMA, CAPPED, cost=2e5, seed=seed) for seed in range(500)]
    means = np.array([run.mean for run in runs])
    assert abs(means.mean() - mean) < 4.5 * means.std() / math.sqrt(500)
    truth = fs.stratify(GAMMA, CAPPED, cost=3e8, seed=10_000)
    for x in (1.0, 4.0, 16.0):
        tails = [run.tail(x) for run in runs]
        covered = np.mean([abs(t["probability"] - truth.tail(x)["probability"]) < 1.96 * t["std_error"] for t in tails])
        assert covered > 0.95 - 4.5 * math.sqrt(0.05 * 0.95 / 500)
    assert np.mean(np.abs(means - mean) < 1.96 * np.array([run.std_error for run in runs])) > 0.9
    covered = np.mean([abs(run.variance - variance) < 1.96 * run.variance_error for run in runs])
    assert covered > 0.95 - 4.5 * math.sqrt(0.05 * 0.95 / 500)


# --- quantiles ------------------------------------------------------------------------------------------------------


def test_quantiles_are_where_the_distribution_reaches_them(far: fs.Stratified) -> None:
    q = np.array([0.75, 0.99, 0.999, 1.0 - 1e-4])
    found = far.quantile_interval(q)
    assert np.all((found["low"] < found["value"]) & (found["value"] < found["high"]))
    np.testing.assert_allclose(far.tail(found["value"] - far.center)["above"], 1.0 - q, rtol=0.05)
    assert found["value"].tolist() == far.quantile(q).tolist()
    assert far.quantile(0.3) < far.median < far.quantile(0.75)
    reached = np.isfinite(found["high"])  # beyond, what is missing may be
    assert reached.tolist() == [True, True, True, far.missing < 1e-5]
    assert np.all((far.quantile_interval(q, 0.999)["high"] > found["high"])[reached])


def test_quantiles_are_those_of_plain_trials(far: fs.Stratified) -> None:
    q = [0.001, 0.1, 0.5, 0.9, 0.999]
    mine = far.quantile_interval(q, 0.9999)
    plain = fs.simulate(NOTE, HARMONIC, 100_000, seed=SEED + 1).quantile_interval(q, 0.9999)
    assert np.all((mine["low"] <= plain["high"]) & (plain["low"] <= mine["high"]))


def test_a_quantile_may_be_out_of_reach(far: fs.Stratified) -> None:
    beyond = 1.0 - 0.5 * far.missing
    assert far.missing > 0.0
    assert far.quantile_interval([0.5 * far.missing, beyond])[["low", "high"]].tolist()[0][0] == -np.inf
    assert far.quantile_interval(beyond)["high"] == np.inf
    for q in (-0.5, np.nan):
        with pytest.raises(ValueError, match="q must lie between 0 and 1"):
            far.quantile(q)


def test_errors_of_probabilities_near_one() -> None:
    """Where all trials of a stratum are beyond a distance, or nearly all; against the law of ``L_2``."""
    from scipy.stats import gamma

    x = np.array([0.001, 0.01])
    truth = 1.0 - (gamma.cdf(2.0 * np.exp(x), 2.0) - gamma.cdf(2.0 * np.exp(-x), 2.0))
    model, estimator = fs.models.gamma(1.0), fs.SUMO(fs.roulette.Harmonic(cap=1))
    runs = (fs.stratify(model, estimator, seed=seed, allocation=[64], progress=False) for seed in range(100))
    found = np.array([run.tail(x) for run in runs])
    assert np.all(found["std_error"] > 0.0)
    assert np.mean(np.abs(found["probability"] - truth) > 1.96 * found["std_error"]) < 0.1


def test_one_trial_has_no_spread() -> None:
    run = fs.stratify(NOTE, fs.SUMO(fs.roulette.Harmonic(cap=4)), seed=1, allocation=[9, 1, 9, 9], progress=False)
    assert math.isfinite(run.mean)
    assert np.isfinite(run.growth["variance"]).tolist() == [True, False, False, False]
    assert all(math.isnan(each) for each in (run.std_error, run.variance, run.variance_error))


def test_intervals_of_quantiles_beyond_all_trials() -> None:
    """What no trial of a stratum reached one more may reach; against the law of ``L_2``."""
    from scipy.stats import gamma

    q = np.array([1e-4, 0.01, 0.5, 0.99, 0.9999])
    truth = np.log(gamma.ppf(q, 2.0) / 2.0)
    model, estimator = fs.models.gamma(1.0), fs.SUMO(fs.roulette.Harmonic(cap=1))
    runs = (fs.stratify(model, estimator, seed=seed, allocation=[64], progress=False) for seed in range(100))
    found = np.array([run.quantile_interval(q) for run in runs])
    assert np.mean((found["low"] <= truth) & (found["high"] >= truth), axis=0).min() > 0.9
    assert np.all(np.isinf(found["high"][:, -1]))


def test_quantiles_where_all_weights_are_zero() -> None:
    model, estimator = fs.Model(lambda z, params: -math.inf, 1), fs.SUMO(fs.roulette.Harmonic(cap=3))
    for run in (fs.simulate(model, estimator, 10), fs.stratify(model, estimator, cost=1e3, progress=False)):
        assert (run.quantile(0.5), run.median, run.mean) == (-math.inf, -math.inf, -math.inf)
        assert run.quantile_interval(0.5).tolist() == (0.5, -math.inf, -math.inf, math.inf)
        assert "-inf" in str(run)
