"""Everything a `Result` says of its trials, against NumPy on the values of the same trials.

That statistics merge exactly is in `runs/test_simulate.py`; what they should converge to is in `engine/test_truth.py`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import naive
import numpy as np
import pytest
from zoo import LAWS, MODELS, leaps, shifted, slow

import fastsumo as fs
from fastsumo.statistics.exact import LIMBS, exact_value
from fastsumo.statistics.merger import merged
from fastsumo.statistics.statistics import EXTREMES, Statistics
from fastsumo.statistics.tally import BIN_SHIFT, BINS, ROWS, Tally, furthest

TRIALS = 30_011

RUNS: dict[str, tuple[fs.Model, Any, int]] = {
    "note, harmonic": (MODELS["note"], fs.SUMO(fs.roulette.Harmonic()), 0),
    "note, minimum 3": (MODELS["note"], fs.SUMO(LAWS["harmonic-geometric"], 3), 5_000),
    "note, minimum 200": (MODELS["note"], fs.SUMO(fs.roulette.Harmonic(), 200), 0),
    "gamma, power 0.7": (MODELS["gamma"], fs.SUMO(LAWS["power 0.7"]), 12_345),
    "lognormal, table": (MODELS["lognormal"], fs.SUMO(LAWS["table"]), 2**62 + 17),
    "wild, geometric": (MODELS["wild"], fs.SUMO(LAWS["geometric"]), 0),
    "far from its centre": (fs.Model(shifted.function, 1, [1e5, 1.0], log_evidence=0.0), fs.ELBO(), 0),
    "no known centre": (MODELS["libm"], fs.IWAE(3), 0),
    "IWAE 130": (MODELS["note"], fs.IWAE(130), 8_191),
}
SLOW = ("note, minimum 3", "gamma, power 0.7", "IWAE 130")  # much like others of them


@pytest.fixture(
    scope="module", params=[(slow if name in SLOW else pytest.param)(each, id=name) for name, each in RUNS.items()]
)
def run(request):
    """A result and the values, terms and numbers of its trials."""
    model, estimator, first = request.param
    result = fs.simulate(model, estimator, TRIALS, seed=7, first_trial=first)
    values, terms = fs.sample(model, estimator, TRIALS, seed=7, first_trial=first)
    return result, values, terms, np.arange(first, first + TRIALS, dtype=np.uint64), estimator


def test_counts(run):
    result, _, terms, trials, estimator = run
    before = estimator.minimum if isinstance(estimator, fs.SUMO) else 0
    assert result.trials == TRIALS
    assert result.cost == terms.sum() + before * TRIALS
    assert result.largest_terms == terms.max()
    assert result.zero_weight_trials == 0
    assert result.ranges == {7: [(int(trials[0]), int(trials[0]) + TRIALS)]}
    assert result.statistics.overflowed == 0


def test_moments(run):
    result, values, *_ = run
    mean, variance, skewness, kurtosis = naive.moments(values)
    scale = math.sqrt(variance)
    assert abs(result.mean - mean) < 1e-13 * max(scale, abs(mean))
    assert result.finite_mean == result.mean
    far = (abs(result.center - mean) / scale) ** 2 + 1  # power sums about a far centre cancel
    assert result.variance == pytest.approx(variance, rel=1e-14 * far + 1e-12)
    assert result.std_error == pytest.approx(math.sqrt(variance / TRIALS), rel=1e-14 * far + 1e-12)
    if far < 100:
        assert result.skewness == pytest.approx(skewness, rel=1e-9, abs=1e-9)
        assert result.kurtosis == pytest.approx(kurtosis, rel=1e-9)


def test_range(run):
    result, values, *_ = run
    assert (result.min, result.max) == (values.min(), values.max())


def test_center_is_the_known_evidence_or_near_the_mean_weight(run):
    result, *_, estimator = run
    if result.log_evidence is not None:
        assert result.center == result.log_evidence
    else:
        mean_weight = fs.sample(MODELS["libm"], fs.IWAE(1_000_000), 1)[0][0]
        assert abs(result.center - mean_weight) < 0.2
        assert estimator == fs.IWAE(3)


def test_extremes_are_the_trials_furthest_from_the_centre(run):
    result, values, terms, trials, _ = run
    order = naive.largest_first(values, trials, result.center, EXTREMES)
    assert np.array_equal(result.extremes["trial"], trials[order])
    assert np.array_equal(result.extremes["value"], values[order])
    assert np.array_equal(result.extremes["terms"], terms[order])
    assert np.all(result.extremes["seed"] == 7)


def test_histogram(run):
    result, values, *_ = run
    h = result.histogram
    d = values - result.center
    assert h.center == result.center
    assert h.counts.sum() == TRIALS
    assert np.all(h.counts > 0)
    assert np.all(h.low < h.high)
    assert np.all(h.high[:-1] <= h.low[1:])
    for low, high, count in zip(h.low, h.high, h.counts, strict=True):
        inside = (d >= low) & (d < high) if low >= 0 else (d > low) & (d <= high)
        assert np.count_nonzero(inside) == count
    near, far = np.minimum(abs(h.low), abs(h.high)), np.maximum(abs(h.low), abs(h.high))
    assert np.all((far - near)[near > 0] <= near[near > 0] / 64)


def test_breakdown_by_octave_of_terms(run):
    result, values, terms, _, estimator = run
    before = estimator.minimum if isinstance(estimator, fs.SUMO) else 0
    octave = np.floor(np.log2(terms)).astype(int)
    assert result.by_terms["low"].tolist() == [2**o for o in np.unique(octave)]
    squares = (values - result.center) ** 2
    for row in result.by_terms:
        inside = (terms >= row["low"]) & (terms <= row["high"])
        assert row["trials"] == np.count_nonzero(inside)
        assert row["cost"] == np.sum(terms[inside] + before)
        assert row["mean"] == pytest.approx(math.fsum(values[inside]) / row["trials"], rel=1e-11, abs=1e-11)
        assert row["sum_squares"] == pytest.approx(math.fsum(squares[inside]), rel=1e-12)
        assert row["share"] == pytest.approx(math.fsum(squares[inside]) / math.fsum(squares), rel=1e-12)
    assert result.by_terms["share"].sum() == pytest.approx(1.0)


def test_trace(run):
    result, values, _, trials, _ = run
    trace = result.trace
    assert trace["trials"][-1] == TRIALS
    assert np.all(np.diff(trace["trials"]) > 0)
    d = values - result.center
    for n, mean, variance, largest in trace:
        part = values[:n]
        assert mean == pytest.approx(math.fsum(part) / n, rel=1e-12, abs=1e-12)
        assert largest == np.abs(d[:n]).max()
        if n > 1:
            far = (abs(result.center - mean) ** 2) / max(part.var(), 1e-300) + 1
            assert variance == pytest.approx(naive.moments(part)[1], rel=1e-14 * far + 1e-11)
        else:
            assert math.isnan(variance)
    ends = {int(trials[0]) + int(n) for n in trace["trials"][:-1]}
    assert all(end % 2 ** (max(end.bit_length() - 2, 0)) == 0 for end in ends)  # 1, 2, 3, 4, 6, 8, 12, 16, ...
    if trials[0] == 0:
        assert trace["trials"].tolist()[:8] == [1, 2, 3, 4, 6, 8, 12, 16]
        assert trace["trials"].tolist()[-4:] == [12288, 16384, 24576, TRIALS]


def test_groups(run):
    result, values, _, trials, _ = run
    counts, sums = result.statistics.groups()
    group = trials % np.uint64(256)
    assert np.array_equal(counts, np.bincount(group.astype(int), minlength=256))
    d = values - result.center
    for g in (0, 1, 100, 255):
        assert sums[g] == pytest.approx(math.fsum(d[group == g]), rel=1e-11, abs=1e-11)
    assert math.fsum(sums) == pytest.approx(math.fsum(d), rel=1e-10, abs=1e-9)


def test_sums_of_tiles_are_added_without_rounding():
    """Trials that are alone in their tile, of very different sizes: their sum is the exact one."""
    estimator = fs.SUMO(fs.roulette.Harmonic(cap=1))
    model = fs.Model(leaps.function, 1, [1e9], noise="uniform", log_evidence=0.0)
    total: Statistics | None = None
    values = []
    for trial in range(0, 40 * 4096, 4096):
        one = fs.simulate(model, estimator, 1, first_trial=trial).statistics
        total = one if total is None else merged([total, one], 0.0)
        values.append(float(fs.sample(model, estimator, 1, first_trial=trial)[0][0]))
    assert total is not None
    assert total.power_sums()[0] == sum(map(Fraction, values))
    assert total.power_sums()[1] == sum(Fraction(v * v) for v in values)


@pytest.mark.parametrize("more", [-1, 0, 1, 7_000])
def test_the_furthest_of_equal_distances_are_the_first(more):
    """By seed, and then by number."""
    rng = np.random.default_rng(1)
    n = EXTREMES + more
    distances, seeds, trials = rng.integers(0, 4, n).astype(float), rng.integers(0, 3, n), rng.permutation(n)
    order = sorted(range(n), key=lambda i: (-distances[i], seeds[i], trials[i]))
    assert sorted(furthest(distances, trials, seeds).tolist()) == sorted(order[:EXTREMES])


@pytest.mark.slow
def test_extremes_with_ties():
    """Equal values: the smallest trial numbers are kept, whoever ran them."""
    for threads in (1, 2):
        result = fs.simulate(MODELS["flat"], fs.ELBO(), 300_000, threads=threads)
        assert result.extremes["trial"].tolist() == list(range(EXTREMES))
    steps = fs.Model(lambda z, params: 1.0 if z[0] > 0.9 else 0.0, 1, noise="uniform", log_evidence=0.0)
    result = fs.simulate(steps, fs.ELBO(), 200_000, threads=2)
    values, _ = fs.sample(steps, fs.ELBO(), 200_000)
    assert result.extremes["trial"].tolist() == np.flatnonzero(values > 0.5)[:EXTREMES].tolist()


def test_extremes_of_more_trials_than_are_kept():
    model, estimator = MODELS["note"], fs.SUMO(fs.roulette.Harmonic(cap=40))
    result = fs.simulate(model, estimator, 1_000_000, seed=3)
    values, _ = fs.sample(model, estimator, 1_000_000, seed=3)
    distance = np.abs(values - result.center)
    order = np.lexsort((np.arange(values.size), -distance))[:EXTREMES]
    assert np.array_equal(result.extremes["trial"], order.astype(np.uint64))
    assert np.array_equal(result.extremes["value"], values[order])


def test_zero_weights_are_counted_and_not_averaged():
    model, estimator = MODELS["zeros"], fs.SUMO(LAWS["harmonic, cap 80"])
    result = fs.simulate(model, estimator, 20_000)
    values, terms = fs.sample(model, estimator, 20_000)
    finite = values[np.isfinite(values)]
    assert result.zero_weight_trials == 20_000 - finite.size > 0
    assert result.trials == 20_000
    assert result.cost == terms.sum() + 20_000
    assert (result.mean, result.min) == (-math.inf, -math.inf)
    assert result.max == finite.max()
    assert math.isnan(result.variance)
    assert math.isnan(result.std_error)
    assert math.isnan(result.kurtosis)
    assert result.finite_mean == pytest.approx(finite.mean(), rel=1e-12)
    assert result.finite_variance == pytest.approx(finite.var(ddof=1), rel=1e-12)
    assert result.by_terms["trials"].sum() == finite.size
    assert result.histogram.counts.sum() == finite.size
    assert result.trace["trials"][-1] == finite.size
    assert result.statistics.groups()[0].sum() == finite.size


def test_nothing_but_zero_weights():
    result = fs.simulate(MODELS["all zeros"], fs.IWAE(3), 5000)
    assert result.zero_weight_trials == result.trials == 5000
    assert (result.mean, result.max, result.center) == (-math.inf, -math.inf, 0.0)
    assert math.isnan(result.variance)
    assert result.extremes.size == 0
    assert result.histogram.counts.size == 0
    assert result.trace.size == 0
    assert np.all(np.isnan(result.by_terms["mean"]))


def test_constant_values():
    known = fs.Model(shifted.function, 1, [0.25, 0.0], log_evidence=0.0)
    result = fs.simulate(known, fs.ELBO(), 10_000)
    value = fs.sample(known, fs.ELBO(), 1)[0][0]
    assert value == pytest.approx(0.25, abs=1e-15)
    assert result.mean == pytest.approx(value, rel=1e-15)
    assert 0.0 <= result.variance < 1e-15
    assert 0.0 <= result.std_error < 1e-9
    assert (result.min, result.max) == (value, value)


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_few_trials(trials):
    for first in range(30):
        result = fs.simulate(MODELS["note"], fs.ELBO(), trials, first_trial=first)
        values, _ = fs.sample(MODELS["note"], fs.ELBO(), trials, first_trial=first)
        assert result.mean == pytest.approx(math.fsum(values) / trials, rel=1e-14)
        assert (result.min, result.max) == (values.min(), values.max())
        if trials > 1:
            assert result.variance == pytest.approx(values.var(ddof=1), rel=1e-9)
        else:
            assert math.isnan(result.variance)
            assert math.isnan(result.std_error)
            assert math.isnan(result.skewness)


def test_what_a_tally_gives_is_what_lies_in_it():
    """Sums of limbs that are not carried, of either sign, anywhere in the range; bins near the centre and far out."""
    generator, tally = np.random.default_rng(0), Tally()
    sums = tally.memory[: ROWS * LIMBS].view(np.int64).reshape(ROWS, LIMBS)
    for counts in (tally.octave_counts, tally.group_counts, tally.period_counts):
        counts[...] = generator.integers(0, 2, counts.shape)
    trials = int(tally.octave_counts[:, 0].sum())
    counted = (tally.octave_counts[:, 0].repeat(4), tally.group_counts, tally.period_counts.repeat(2))
    for row in np.flatnonzero(np.concatenate(counted)):
        low, high = sorted(generator.integers(0, LIMBS, 2))
        sums[row, low:high] = generator.integers(-(2**61), 2**61, high - low) >> generator.integers(0, 60, high - low)
    bins = np.sort(generator.choice(2 * BINS, trials, replace=False))
    tally.histogram.reshape(-1)[bins] = 1
    tally.period_largest[5] = np.int64(bins[-1] // 2 << BIN_SHIFT).view(np.float64)
    expected = [exact_value(row) for row in sums.tolist()]
    found, places, counts = tally.take()
    assert found.rows.tolist() == np.flatnonzero(np.concatenate(counted)).tolist()
    assert [exact_value(row, found.low) for row in found.digits.tolist()] == [expected[row] for row in found.rows]
    assert np.abs(found.digits).max() < 2**32
    assert all(np.unique(np.sign(row[row != 0])).size <= 1 for row in found.digits)
    assert (places.tolist(), counts.tolist()) == (bins.tolist(), [1] * trials)
    assert not sums.any()
    assert not tally.histogram.any()
