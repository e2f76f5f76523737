"""Studies: the same bits as one undisturbed run, whatever happened on the way; and what is said when something is
wrong.

Faults of the file are in `test_store.py`, real clusters in `test_executors.py`.
"""

from __future__ import annotations

import csv
import math
import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bits import same_bits
from sources import SHIFTED, source
from zoo import breaks, slow

import fastsumo as fs
from fastsumo.errors import StudyError
from fastsumo.study.store import Store
from fastsumo.study.study import Study

NOTE = fs.models.note()
CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=80))
QUICK: dict[str, Any] = {"progress": False, "chunk_seconds": 0.02}


@fs.model(dim=1)
def raises(z, params):  # type: ignore[no-untyped-def]
    if z[0] > 4.5:
        raise ValueError("too far out")
    return z[0]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "a.study")


def test_cells_have_the_bits_of_simulate(study: Study) -> None:
    grid = [(model, what) for model in (NOTE, fs.models.gamma(1.5)) for what in (CAPPED, fs.IWAE(5))]
    numbers = study.add([NOTE, fs.models.gamma(1.5)], [CAPPED, fs.IWAE(5)], 150_000, seeds=[0, 2**64 - 1])
    assert numbers == list(range(8))
    study.run(threads=2, **QUICK)
    for cell, (model, what) in enumerate(grid):
        for place, seed in enumerate((0, 2**64 - 1)):
            alone = fs.simulate(model, what, 150_000, seed)
            stored = study[2 * cell + place]
            assert same_bits(stored, alone)
            assert stored.provenance == alone.provenance
            assert not stored.interrupted
            assert stored.elapsed > 0


@pytest.mark.parametrize("trials", [1, slow(4095), 4096, 4097, slow(100_001)])
@pytest.mark.parametrize("what", [CAPPED, fs.IWAE(1500)], ids=["cheap", "dear"])
def test_any_number_of_trials_and_its_extension(study: Study, trials: int, what: fs.SUMO) -> None:
    if isinstance(what, fs.IWAE):
        trials = -(-trials // 20)
    study.add(NOTE, what, trials)
    study.run(threads=2, **QUICK)
    assert same_bits(study[0], fs.simulate(NOTE, what, trials))
    study.extend(trials + 1)
    assert study[0].interrupted
    assert study[0].trials == trials
    study.run(threads=1, **QUICK)
    assert same_bits(study[0], fs.simulate(NOTE, what, trials + 1))
    study.extend(2 * trials + 5000)
    study.run(threads=1, progress=False, chunk_seconds=1.0)
    assert same_bits(study[0], fs.simulate(NOTE, what, 2 * trials + 5000))


def test_add_again_keeps_what_there_is_and_raises_the_target(study: Study) -> None:
    assert study.add(NOTE, CAPPED, 20_000, seeds=[2]) == [0]
    study.run(threads=1, **QUICK)
    assert study.add(NOTE, CAPPED, 10_000, seeds=(2, 3)) == [0, 1]
    assert study.status().cells[0].target == 20_000
    assert study.add("note", "sumo:roulette=harmonic(cap=80)", 30_000, seeds=[2]) == [0]
    assert study.status().cells[0].target == 30_000
    study.run(threads=1, **QUICK)
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 30_000, 2))
    assert len(study) == 2


def test_a_cell_is_read_without_the_others(study: Study) -> None:
    """So that reading all of them takes as many readings as there are, and not their square."""
    study.add(NOTE, CAPPED, 1000, seeds=range(2))
    study.run(**QUICK)
    with sqlite3.connect(study.path) as connection:
        connection.execute("UPDATE cells SET trials = 7 WHERE id = 1")
    connection.close()
    assert study[0].trials == 1000
    with pytest.raises(StudyError, match="cell 1 is not as its checksum has it"):
        study[1]


def test_extend_some_cells_and_its_errors(study: Study) -> None:
    study.add(NOTE, CAPPED, 1000, seeds=range(2))
    study.extend(2000, [1])
    assert [cell.target for cell in study.status().cells] == [1000, 2000]
    with pytest.raises(StudyError, match="nothing to extend"):
        study.extend(500)
    with pytest.raises(StudyError, match="no cell 7; it has 2"):
        study.extend(5000, [7])
    with pytest.raises(TypeError, match=r"cells must be several, such as \[7\] or range\(100\), got 1"):
        study.extend(5000, 1)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="no cell 2"):
        study[2]
    with pytest.raises(TypeError, match=r"cell must be a whole number .*, got slice\(0, 1, None\)"):
        study[0:1]  # type: ignore[index]
    with pytest.raises(StudyError, match="no trials yet"):
        study[0]


def test_what_cannot_be_added(study: Study) -> None:
    with pytest.raises(TypeError, match="estimator must be"):
        study.add(NOTE, fs.ELBO, 100)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="trials"):
        study.add(NOTE, CAPPED, 0)
    with pytest.raises(ValueError, match="seed"):
        study.add(NOTE, CAPPED, 10, seeds=[-1])
    with pytest.raises(ValueError, match="nothing to add"):
        study.add(NOTE, CAPPED, 10, seeds=[])
    with pytest.raises(TypeError, match=r"such as \[7\] or range\(100\), got 7; .* how many in a TOML file"):
        study.add(NOTE, CAPPED, 10, seeds=7)  # type: ignore[arg-type]

    class Mine(fs.roulette.Harmonic):
        pass

    with pytest.raises(TypeError, match="own estimators"):
        study.add(NOTE, fs.SUMO(Mine()), 10)
    lock = __import__("threading").Lock()

    @fs.model(dim=1)
    def locked(z, params):  # type: ignore[no-untyped-def]
        return z[0] if lock else 0.0

    with pytest.raises(TypeError, match="cannot be sent"):
        study.add(locked, CAPPED, 10)
    assert not study.path.exists()


def test_an_edited_model_does_not_continue_a_cell(tmp_path: Path, study: Study) -> None:
    name = source(tmp_path, SHIFTED.format(scale=0.5))
    study.add(name, CAPPED, 20_000)
    study.run(threads=1, **QUICK)
    study.extend(30_000)
    source(tmp_path, SHIFTED.format(scale=0.25))
    with pytest.raises(StudyError, match=r"SCALE = 0.5.*is now.*SCALE = 0.25.*anew=True"):
        study.run(threads=1, **QUICK)
    with pytest.raises(StudyError, match=r"anew=True"):
        study.add(name, CAPPED, 30_000)
    assert study[0].trials == 20_000
    assert study.add(name, CAPPED, 30_000, name="edited") == [1]
    assert study.add(name, CAPPED, 10_000, anew=True) == [0]
    study.run(threads=1, **QUICK)
    assert same_bits(study[0], fs.simulate(specs_model(name), CAPPED, 10_000))
    assert study[1].trials == 30_000


def test_a_default_that_changed_in_place_does_not_continue_a_cell(study: Study) -> None:
    """Of a model that `exec` made, which has no module; and cells are gone through by a loop."""
    scope: dict[str, Any] = {"table": np.zeros(3)}
    exec("def f(z, params, shift=table):\n    return z[0] + shift[1]\n", scope)
    model = fs.Model(scope["f"], 1, name="shifted")
    assert study.add(model, fs.ELBO(), 100, seeds=[np.int64(3)]) == [0]
    study.run(threads=1, **QUICK)
    study.add(model, fs.ELBO(), 200, seeds=np.array([3]))
    scope["table"][:] = 100.0
    with pytest.raises(StudyError, match=r"shift = array\(\[0.*is now.*shift = array\(\[100"):
        study.add(model, fs.ELBO(), 300, seeds=[3])
    assert [result.trials for result in study] == [100]


def test_unfinished_cells_can_begin_anew_in_run_and_the_others_stay(tmp_path: Path, study: Study) -> None:
    name = source(tmp_path, SHIFTED.format(scale=0.5))
    study.add(name, CAPPED, 20_000, seeds=range(2))
    study.run(threads=1, **QUICK)
    study.extend(30_000, [1])
    old = study[0]
    source(tmp_path, SHIFTED.format(scale=0.25))
    study.run(threads=1, anew=True, **QUICK)
    assert same_bits(study[0], old)
    assert same_bits(study[1], fs.simulate(specs_model(name), CAPPED, 30_000, 1))
    assert len({row["source"] for row in study.rows()}) == 2


def specs_model(name: str) -> fs.Model:
    from fastsumo.models import parsing

    return parsing.parse_model(name)


def test_a_model_whose_file_is_gone_still_runs(tmp_path: Path, study: Study) -> None:
    name = source(tmp_path, SHIFTED.format(scale=0.5))
    alone = fs.simulate(specs_model(name), CAPPED, 20_000)
    study.add(name, CAPPED, 20_000)
    (tmp_path / "mine.py").unlink()
    study.run(threads=1, **QUICK)
    assert same_bits(study[0], alone)


def test_a_model_of_another_python_must_be_added_again(study: Study) -> None:
    study.add(breaks, CAPPED, 1000)
    with Store(study.path, write=True) as store, store.transaction():
        model = store.models()[1]
        model.recipe = model.recipe._replace(python="3.2", source="other")
        store.put_model(model)
    with pytest.raises(StudyError, match=r"stored by Python 3.2.*add the same model again"):
        study.run(threads=1, **QUICK)
    assert study.add(breaks, CAPPED, 1000) == [0]
    study.run(threads=1, **QUICK)
    assert same_bits(study[0], fs.simulate(breaks, CAPPED, 1000))


@pytest.mark.parametrize("model", [breaks, raises], ids=["NaN", "raises"])
def test_a_cell_that_fails_stops_alone(study: Study, model: fs.Model) -> None:
    study.add(model, fs.ELBO(), 4_000_000)
    study.add(NOTE, fs.ELBO(), 100_000)
    with pytest.raises(StudyError, match=r"1 of 2 cells failed.*cell 0: model.*trial \d+ of seed 0"):
        study.run(threads=2, **QUICK)
    failed, fine = study.status().cells
    assert (failed.state, fine.state) == ("failed", "done")
    trial = int(re.search(r"trial (\d+)", failed.message)[1])  # type: ignore[index]
    if model is breaks:
        assert math.isnan(fs.replay(model, fs.ELBO(), trial).value)
    assert study[1].trials == 100_000
    assert math.isnan(study.rows()[0]["mean"]) or study.rows()[0]["trials"] < 4_000_000
    with pytest.raises(StudyError, match="1 of 2 cells failed"):
        study.run(threads=2, **QUICK)


@pytest.mark.slow
def test_nan_in_chunk_1000_names_its_trial_and_the_rest_goes_on(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fastsumo.study.executors.PILOT_SECONDS", 0.0)  # a pilot would come as far as that chunk
    study.add(breaks.with_params([5.2]), fs.ELBO(), 10**9, seeds=[7])
    study.add(NOTE, fs.ELBO(), 100_000)
    told = pytest.raises(StudyError, match=r"1 of 2 cells failed.*NaN.*trial \d+ of seed 7")
    with told, caplog.at_level("INFO", logger="fastsumo"):
        study.run(threads=2, progress=False, chunk_seconds=1e-6)
    said = {record.levelname: record.getMessage() for record in caplog.records}
    assert said["INFO"] == f"{study.path}: cell 1 done, 100,000 trials"
    assert said["ERROR"].startswith(f"{study.path}: cell 0 failed: ")
    failed, fine = study.status().cells
    assert (failed.state, fine.state) == ("failed", "done")
    trial = int(re.search(r"trial (\d+)", failed.message)[1])  # type: ignore[index]
    assert 1000 <= trial // 4096 < 1100
    assert failed.trials >= 1000 * 4096
    assert math.isnan(fs.replay(breaks.with_params([5.2]), fs.ELBO(), trial, 7).value)


def test_rows_results_and_exports(study: Study, tmp_path: Path) -> None:
    study.add(NOTE, CAPPED, 20_000)
    study.add(fs.models.lognormal(0.5), fs.ELBO(), 1000)
    study.run(threads=1, **QUICK)
    study.add(NOTE, fs.ELBO(), 1000)
    rows = study.rows()
    assert [row["state"] for row in rows] == ["done", "done", "new"]
    assert rows[0]["mean"] == study[0].mean
    assert rows[1]["params"] == [0.5]
    assert math.isnan(rows[2]["mean"])
    study.export(tmp_path / "a.csv")
    with open(tmp_path / "a.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert float(read[0]["mean"]) == study[0].mean
    with pytest.raises(ValueError, match="csv"):
        study.export(tmp_path / "a.xlsx")
    pandas = pytest.importorskip("pandas")
    table = study.results()
    assert list(table["cell"]) == [0, 1, 2]
    pytest.importorskip("pyarrow")
    study.export(tmp_path / "a.parquet")
    assert pandas.read_parquet(tmp_path / "a.parquet")["mean"][0] == study[0].mean
