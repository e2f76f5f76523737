"""What `print(result)` says: it fits, its numbers are right, its caveats stand.

Also `theory`'s first-order tails, against plain loops. The command line is in `cli/test_trials.py`.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from zoo import constant, empty, half_empty

import fastsumo as fs
from fastsumo.base.text import have_no_value, with_error
from fastsumo.report import summary as report
from fastsumo.tails import TailWarning

NOTE, GAMMA = fs.models.note(), fs.models.gamma(1.5)
HARMONIC, CAPPED = fs.SUMO(), fs.SUMO(fs.roulette.Harmonic(cap=80))
PAPER, STEEP = fs.SUMO(fs.roulette.HarmonicGeometric()), fs.SUMO(fs.roulette.PowerLaw(1.5))
RUNS = {
    "one": (NOTE, HARMONIC, 1),
    "two": (NOTE, HARMONIC, 2),
    "hundred": (NOTE, HARMONIC, 100),
    "harmonic": (NOTE, HARMONIC, 100_000),
    "capped": (NOTE, CAPPED, 50_000),
    "paper": (NOTE, PAPER, 50_000),
    "steep": (NOTE, STEEP, 50_000),
    "gamma": (GAMMA, HARMONIC, 2_000),
    "elbo": (NOTE, fs.ELBO(), 10_000),
    "iwae": (NOTE, fs.IWAE(5), 10_000),
    "zero weights": (half_empty, CAPPED, 20_000),
    "no weight": (empty, CAPPED, 500),
    "constant": (constant, HARMONIC, 500),
    "constant bound": (constant, fs.IWAE(3), 50),
}


@pytest.fixture(scope="module")
def results() -> dict[str, fs.Result]:
    return {name: fs.simulate(*run, seed=3) for name, run in RUNS.items()}


@pytest.mark.parametrize("width", [80, 50, 40, 120])
@pytest.mark.parametrize("name", RUNS)
def test_it_fits_any_width(results: dict[str, fs.Result], name: str, width: int) -> None:
    lines = report.summary(results[name], width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any(line != line.rstrip() for line in lines)
    assert lines[0].startswith("model")


def test_print_is_the_summary(results: dict[str, fs.Result]) -> None:
    assert str(results["harmonic"]) == report.summary(results["harmonic"])


def test_it_shows_the_numbers_of_the_result(results: dict[str, fs.Result]) -> None:
    r = results["harmonic"]
    text = str(r)
    assert with_error(r.mean, r.std_error) in text
    assert f"{r.cost:,} importance samples" in text
    assert "100,000   (0 to 99999 of seed 3)" in text
    assert f"{r.largest_terms:,}" in text
    assert "1.837877066" in text
    assert f"{abs(r.mean - math.log(2 * math.pi)) / r.std_error:.2f} std. errors" in text
    for row in r.extremes[:5]:
        assert f"{row['trial']}  {row['value']:>.10g}".replace(" ", "") in text.replace(" ", "")
    first = r.by_terms[0]
    assert f"{first['trials']:,}" in text
    assert f"{first['share']:.1%}" in text
    shown = [line for line in text.splitlines() if line.rstrip("#").rstrip().endswith("%")]
    assert len(shown) == len(r.by_terms)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("harmonic", "So the variance is infinite"),
        ("steep", "So the variance is infinite"),
        ("gamma", "First-order theory for this law of K: 2."),
        ("paper", "on the border of existing"),
        ("capped", "With its cap the estimate is of E[L_81]"),
        ("elbo", "a lower bound in expectation"),
        ("zero weights", "have the value -inf"),
        ("no weight", "no trial has a finite value"),
        ("constant", "all values are the same, but for rounding"),
        ("one", "one trial: no error"),
        ("two", "too few trials"),
    ],
)
def test_it_says_what_must_be_known(results: dict[str, fs.Result], name: str, says: str) -> None:
    assert says in " ".join(str(results[name]).split())


@pytest.mark.parametrize("name", ["elbo", "iwae", "capped", "constant", "one", "two"])
def test_no_false_alarm(results: dict[str, fs.Result], name: str) -> None:
    assert "variance is infinite" not in " ".join(str(results[name]).split())


def test_zero_weights_are_never_averaged(results: dict[str, fs.Result]) -> None:
    r = results["zero weights"]
    assert r.zero_weight_trials > 0
    text = " ".join(str(r).split())
    assert f"{have_no_value(r.zero_weight_trials)} ({r.zero_weight_trials / r.trials:.2%})" in text
    assert "estimate" not in str(r).split("finite mean")[0].split("zero weight")[1]
    with pytest.warns(TailWarning, match="value -inf"):
        assert math.isnan(r.interval().low)


def test_one_is_no_plural() -> None:
    numbers = fs.sample(half_empty, CAPPED, 100, seed=3)[0]
    alone = int(np.flatnonzero(numbers == -math.inf)[0])
    r = fs.simulate(half_empty, CAPPED, 1, seed=3, threads=1, first_trial=alone)
    assert "1 trial has the value -inf (100.00%)" in " ".join(str(r).split())


def test_trials_without_spread_have_no_shares_of_it(results: dict[str, fs.Result]) -> None:
    shares = next(column for column in report.octaves(results["constant"]) if column.head == "variance")
    assert set(shares.cells) == {"0.0%"}


def test_means_by_octave_differ_visibly_far_from_0() -> None:
    far = fs.Model(lambda z, params: 1e5 + z[0], 1)
    means = next(column for column in report.octaves(fs.simulate(far, CAPPED, 10_000)) if column.head == "mean")
    assert len(set(means.cells)) == len(means.cells)


def test_interrupted_runs_say_so(results: dict[str, fs.Result]) -> None:
    r = replace(results["harmonic"], interrupted=True, ranges={3: [(0, 60_000), (70_000, 110_000)]})
    assert "INTERRUPTED" in str(r)
    assert "INTERRUPTED" not in str(results["harmonic"])
    assert "0 to 59999, 70000 to 109999 of seed 3" in str(r)


def test_merged_runs_name_every_seed() -> None:
    r = fs.simulate(NOTE, CAPPED, 100, seed=1).merge(fs.simulate(NOTE, CAPPED, 100, seed=2))
    assert "0 to 99 of seed 1; 0 to 99 of seed 2" in str(r)
    assert "seed" in str(r).split("furthest trials")[1].splitlines()[0]


def test_interval_and_index_come_from_the_run(results: dict[str, fs.Result]) -> None:
    r = results["harmonic"]
    interval, index = r.interval(0.95), r.tail_index()
    assert interval.low < r.mean < interval.high
    assert index.low < 2.0 < index.high
    assert f"{index.estimate:.3g}, 95 % {index.low:.3g} to {index.high:.3g}" in str(r)
    values, _ = fs.sample(NOTE, HARMONIC, 100_000, seed=3)
    groups = [values[group::256] for group in range(256)]
    means = np.array([np.concatenate(groups[i : i + 16]).mean() for i in range(0, 256, 16)])
    assert interval.center == pytest.approx(np.median(means), rel=1e-12)


def test_replayed_trial_adds_up() -> None:
    for estimator in (HARMONIC, fs.SUMO(minimum=3), fs.SUMO(minimum=2, start=0)):
        trial = next(
            one for one in (fs.replay(NOTE, estimator, number) for number in range(100)) if 2 <= one.terms <= 5
        )
        text = report.trial_summary(trial, estimator)
        products = [float(line.split()[-1]) for line in text.split("product\n")[1].splitlines()]
        start = trial.iwae[max(estimator.plan().minimum, 1) - 1]
        assert start + math.fsum(products) == pytest.approx(trial.value, rel=1e-6)
        assert f"{trial.value:.17g}" in text


def test_trials_without_a_roulette_have_no_table_of_terms() -> None:
    assert "product" not in report.trial_summary(fs.replay(NOTE, fs.IWAE(5), 0), fs.IWAE(5))


def test_json_is_json(results: dict[str, fs.Result]) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    for r in results.values():
        read = json.loads(report.to_json(r.to_dict()), parse_constant=refuse)
        assert read["trials"] == r.trials
        assert read["mean"] == ("-Infinity" if r.mean == -math.inf else r.mean)
        assert read["provenance"]["estimator"] == repr(r.provenance.estimator)
