"""`compare`: equal cost, honest words, refusals."""

from __future__ import annotations

import importlib
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from bits import same_bits

import fastsumo as fs
from fastsumo.runs.compare import COLUMNS

R = fs.roulette
NOTE = fs.models.note()
ESTIMATORS = [fs.IWAE(10), fs.SUMO(R.Harmonic(cap=80)), fs.SUMO(), fs.SUMO(R.HarmonicGeometric())]


@fs.model(dim=3)
def three(z, params):
    return 0.5 * z[0] + 0.5 * z[1] + 0.1 * z[2]


@pytest.fixture(scope="module")
def found() -> fs.compare.Comparison:
    return fs.compare(NOTE, ESTIMATORS, cost=3e5, seed=4)


def test_all_have_the_same_cost(found):
    assert len(found) == 4
    for row in found:
        assert row.result.cost == pytest.approx(3e5, rel=0.2)
    assert found[0].result.trials == 30_000
    assert found[1].result.trials == int(3e5 / ESTIMATORS[1].expected_cost())


def test_rows_are_what_simulate_finds(found):
    again = fs.simulate(NOTE, ESTIMATORS[1], found[1].result.trials, seed=4)
    row = found[1]
    assert (row.result.mean, row.result.variance) == (again.mean, again.variance)
    assert row.bias == again.mean - NOTE.log_evidence
    assert row.bias_error == again.std_error
    assert row.variance_times_cost == again.variance * again.cost / again.trials
    assert row.tail_index == again.tail_index("hill").estimate
    distance = np.abs(again.extremes["value"][0] - again.center)
    assert row.largest_share == pytest.approx(distance**2 / again.by_terms["sum_squares"].sum())


def test_an_infinite_expected_cost_is_spent_in_chunks(found):
    row = found[2]
    assert row.result.ranges == {4: [(0, row.result.trials)]}
    assert row.result.cost > 0.97 * 3e5
    assert same_bits(row.result, fs.simulate(NOTE, fs.SUMO(), row.result.trials, seed=4))
    threads = fs.compare(NOTE, [fs.SUMO()], cost=3e5, seed=4, threads=1)[0]
    assert (threads.result.trials, threads.result.mean) == (row.result.trials, row.result.mean)


def test_words(found):
    assert found[0].words == found[1].words == ""
    assert "variance is infinite: the sample variance and the errors mean nothing" in found[2].words
    assert "mean does not exist" in found[3].words
    text = str(found)
    assert "SUMO(Harmonic(cap=80))" in text
    assert "another run may differ by any factor" in text
    assert "1.837877066 (known)" in text
    assert "infinite" not in str(fs.compare(NOTE, ESTIMATORS[:2], cost=1e4))


def test_variance_times_an_infinite_cost_is_no_number_to_compare_by():
    """Both laws have a finite variance; a trial of the first costs more and more, the longer the run."""
    found = fs.compare(NOTE, [fs.SUMO(R.PowerLaw(0.7)), fs.SUMO(R.PowerLaw(0.7, cap=100))], cost=2e4, seed=1)
    assert [row.prediction.variance.kind == "infinite" for row in found] == [False, False]
    endless, capped = found
    assert "the expected cost is infinite: variance x cost means nothing" in endless.words
    assert math.isnan(endless.variance_times_cost_error)
    assert "cost" not in capped.words
    text = str(found)
    assert f" {endless.variance_times_cost:.4g}*" in text
    assert f"{capped.variance_times_cost:.4g}*" not in text
    assert "another run may differ by any factor" in text
    work = found.plot().axes[1]
    assert [line.get_marker() for line in work.get_lines() if line.get_marker() in "oX"] == ["X", "o"]
    marks = [line for line in fs.plot.cost([row.result for row in found]).get_lines() if line.get_marker() != "None"]
    assert [line.get_markerfacecolor() == "none" for line in marks] == [True, False]


def test_every_number_has_its_error(found):
    for row in found:
        assert row.tail_error == row.result.tail_index().std_error
    assert [math.isnan(row.variance_times_cost_error) for row in found] == [False, False, True, True]
    iwae = found[0]
    assert iwae.variance_times_cost_error == 10.0 * iwae.result.variance_error
    assert 0.005 < iwae.result.variance_error / iwae.result.variance < 0.02
    assert f" ± {iwae.variance_times_cost_error:.1g}"[:6] in str(found)
    unknown = str(replace(found, rows=(replace(iwae, variance_times_cost_error=math.nan),)))
    assert f"{iwae.variance_times_cost:.4g} ± ?" in unknown
    assert "? no error can be told" in unknown


def test_bias_of_iwae_is_seen(found):
    exact = fs.theory.iwae(NOTE, 10) - NOTE.log_evidence
    assert found[0].bias < -5 * found[0].bias_error
    assert abs(found[0].bias - exact) < 4.5 * found[0].bias_error


def test_frame_dict_and_figure(found):
    import matplotlib.figure

    pandas = pytest.importorskip("pandas")
    frame = found.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert tuple(frame.columns) == COLUMNS
    assert frame["predicted_tail_index"].tolist() == [math.inf, math.inf, 2.0, 1.0]
    assert found.to_dict()["rows"][0]["estimator"] == "IWAE(k=10)"
    assert len(found.plot(matplotlib.figure.Figure()).axes) == 3


def test_frame_without_pandas(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="needs pandas"):
        found.to_dataframe()


def test_no_reference_has_an_error_where_no_bias_is_known():
    heavy = fs.Model(lambda z, params: 0.3 * (z[0] * z[0] + z[1] * z[1] + z[2] * z[2]), 3, name="heavy")
    found = fs.compare(heavy, [fs.IWAE(10), fs.JVI(10), fs.MLMC()], cost=1e4)
    assert math.isinf(found[0].prediction.chi_square.value)
    assert math.isinf(found.reference_error)
    assert [math.isinf(row.bias_error) for row in found].count(True) == 2
    assert "whose own bias or variance is not known" in found.text(132)
    figure = found.plot()
    assert [line.get_linestyle() for line in figure.axes[0].lines].count("--") == 2
    assert "no error of the bias is known" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_reference_by_quadrature_and_by_the_best_estimator():
    plain = fs.Model(NOTE.function, 2, proposal=NOTE.proposal, name="plain")
    by_quadrature = fs.compare(plain, [fs.IWAE(4)], cost=1e4)
    assert by_quadrature.reference_source == "quadrature"
    assert by_quadrature.reference == pytest.approx(NOTE.log_evidence, abs=1e-10)
    best = fs.compare(three, [fs.IWAE(2), fs.IWAE(1000), fs.SUMO(R.Harmonic(cap=50))], cost=1e6)
    assert best.reference_source == "IWAE(k=1000)"
    assert best.reference_error > 0.0
    assert abs(best.reference - 0.255) < 5 * best.reference_error
    assert (best[1].bias, best[1].bias_error) == (0.0, 0.0)
    assert "its mean is the reference" in best[1].words


def test_two_trials_may_take_more_than_was_given():
    row = fs.compare(NOTE, fs.IWAE(100), cost=10)[0]
    assert row.words.startswith("two trials, the least that is run, took 200 samples")


def test_one_estimator_need_no_list():
    assert fs.compare(NOTE, fs.ELBO(), cost=100)[0].result.trials == 100


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((NOTE, []), ValueError, "estimators is empty"),
        ((NOTE, [fs.SUMO]), TypeError, "estimator must be"),
        ((NOTE, ESTIMATORS, 0), ValueError, "cost"),
        ((NOTE, ESTIMATORS, 1e4, -1), ValueError, "seed"),
        ((None, ESTIMATORS), TypeError, "model must be"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        fs.compare(*arguments)


def test_the_public_names_are_functions():
    importlib.import_module("fastsumo.runs.compare")
    importlib.import_module("fastsumo.runs.levels")
    importlib.import_module("fastsumo.plot")
    assert callable(fs.compare)
    assert callable(fs.levels)
    assert callable(fs.theory.predict)
