"""`fs.Taylor` through the runs: the number for its centre is in all that is kept, and is the same everywhere."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import fastsumo as fs
from fastsumo import cli
from fastsumo.theory import centered

NOTE = fs.models.note()
DATA = [[0.0, 1e5], [0.5, -1e5], [1.0, 3.0]]
TABLE = fs.Model(
    lambda z, row, params: row[0] * z[0] - 0.5 * row[0] ** 2 + row[1],
    1,
    data=DATA,
    log_evidence=lambda rows, params: rows[:, 1],
    name="table",
)


def test_the_number_is_in_the_result(tmp_path: Path) -> None:
    number = centered(NOTE, fs.Taylor()).log_center
    results = [fs.simulate(NOTE, fs.Taylor(), 5000, seed, progress=False) for seed in (1, 2)]
    both = results[0].merge(results[1])
    assert both.provenance.estimator == fs.Taylor(log_center=number)
    assert both.trials == 10_000
    both.save(tmp_path / "run.npz")
    loaded = fs.load(tmp_path / "run.npz")
    assert loaded.provenance.estimator.log_center == number
    assert loaded.tail_source.series_index == both.tail_source.series_index is not None
    assert math.isnan(both.variance_error)  # no fourth moment: bounds of the index are around 2.4
    assert repr(number) in json.dumps(both.to_dict())
    assert str(number) in str(loaded)
    assert loaded.replay(7, seed=2).value == fs.sample(NOTE, fs.Taylor(), 8, 2)[0][7]
    with pytest.raises(ValueError, match="estimator"):
        both.merge(fs.simulate(NOTE, fs.Taylor(log_center=2.0), 10, progress=False))


def test_a_cap_is_said_to_bias() -> None:
    capped = fs.simulate(NOTE, fs.Taylor(fs.roulette.Geometric(0.5, cap=4)), 5000, progress=False)
    assert "the series ends after 4 terms, so the estimate is biased" in " ".join(str(capped).split())


@pytest.mark.slow
def test_every_row_of_data_has_a_centre_of_its_own() -> None:
    found = fs.evaluate(TABLE, fs.Taylor(block=2), 4000, seed=3, progress=False)
    assert np.all(np.abs(found.mean - found.log_evidence) < 5.0 * found.std_error + 1e-9)
    once = fs.evaluate(TABLE, fs.Taylor(block=2), 1, seed=3, progress=False)
    for row in range(3):
        trial = fs.replay(TABLE, fs.Taylor(block=2), 0, seed=3, row=row)
        assert trial.value == once.mean[row]
        assert abs(trial.log_center - DATA[row][1]) < 1.5
    one = fs.Taylor(log_center=1.0)
    with pytest.raises(ValueError, match="log_center=1 is one number, and every row has a log evidence of its own"):
        fs.evaluate(TABLE, one, 10)
    with pytest.raises(ValueError, match="leave log_center None"):
        fs.replay(TABLE, one, 0, row=1)


def test_strata_and_comparisons() -> None:
    s = fs.stratify(NOTE, fs.Taylor(), cost=2e5, seed=1, progress=False)
    assert s.estimator == centered(NOTE, fs.Taylor())
    assert abs(s.mean - NOTE.log_evidence) < 5.0 * s.std_error
    (row,) = fs.compare(NOTE, fs.Taylor(), cost=1e4, progress=False)
    assert row.estimator == s.estimator
    with pytest.raises(TypeError, match="parts of a variance are known for SUMO"):
        fs.theory.parts(NOTE, fs.Taylor())


@pytest.mark.slow
def test_cells_of_a_study(tmp_path: Path) -> None:
    study = fs.Study(tmp_path / "s.study")
    cells = study.add(NOTE, ["taylor", "taylor:geometric:p=0.5,block=1", fs.Taylor()], trials=3000, seeds=[0, 1])
    assert len(set(cells)) == 2
    study.run(progress=False)
    assert study[0].merge(study[1]).provenance.estimator == centered(NOTE, fs.Taylor())
    assert study[0].mean == fs.simulate(NOTE, fs.Taylor(), 3000, 0, progress=False).mean


def test_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["theory", "gamma:1", "--estimator", "taylor:geometric:p=0.25,block=2"]) == 0
    out = capsys.readouterr().out
    assert "Geometric(p=0.25), block=2, log_center=0.40625" in out
    assert cli.main(["replay", "note", "--estimator", "taylor", "--trial", "5"]) == 0
    assert "log center" in capsys.readouterr().out


def test_no_error_to_wait_for() -> None:
    estimator = fs.Taylor(fs.roulette.Geometric(0.9))
    with pytest.raises(ValueError, match=r"no number of trials .* what fs.taylor_law\(model\) finds"):
        fs.simulate(NOTE, estimator, until={"std_error": 0.1})


def test_a_model_that_fails_where_its_weights_are_looked_at() -> None:
    def broken(z, params):  # type: ignore[no-untyped-def]
        return params[7]

    with pytest.raises(fs.ModelError, match="broken"):
        fs.simulate(fs.Model(broken, 1, [1.0]), fs.Taylor(), 10)
