"""The command `fastsumo study`: what it runs, prints and writes; its exit codes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

import fastsumo as fs
from fastsumo import cli

GRID = """
[[cells]]
models = ["note", "mine.py:sloped"]
estimators = ["elbo", "sumo:roulette=harmonic(cap=20)"]
trials = "20k"
"""

MINE = """
import math
import fastsumo as fs

@fs.model(dim=1, params=[0.5])
def sloped(z, params):
    return params[0] * z[0]

@fs.model(dim=1)
def breaks(z, params):
    return math.nan if z[0] > 4.0 else z[0]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a declared study and a user's models."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(GRID)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def test_a_study_from_its_declaration_to_its_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["study", "run", "grid.toml", "--threads", "1", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    alone = fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=20)), 20_000)
    assert fs.Study("grid.study")[1].mean == alone.mean
    assert cli.main(["study", "status", "grid.study"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("done") == 4
    assert "sloped" in shown
    assert cli.main(["study", "show", "grid.toml", "--cell", "1"]) == 0
    assert f"estimate        {alone.mean:.2f}"[:-1] in capsys.readouterr().out
    assert cli.main(["study", "extend", "grid.study", "--trials", "30k"]) == 0
    assert cli.main(["study", "run", "grid.study", "--threads", "1"]) == 0
    assert capsys.readouterr().out.count("30 k of 30 k") == 4
    assert cli.main(["study", "export", "grid.study", "--csv", "grid.csv"]) == 0
    with open("grid.csv", newline="") as file:
        assert [row["trials"] for row in csv.DictReader(file)] == ["30000"] * 4
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    assert cli.main(["study", "export", "grid.study", "--parquet", "grid.parquet"]) == 0
    assert pandas.read_parquet("grid.parquet")["trials"].tolist() == [30_000] * 4


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("study", "ACTION"),
        ("study runn grid.toml", "invalid choice"),
        ("study run none.study", "no such study"),
        ("study run none.toml", "cannot read none.toml"),
        ("study status grid.toml", "which grid.toml declares: fastsumo study run grid.toml begins it"),
        ("study run mine.py", "mine.py is a file of models, not a study or a declaration of a study"),
        ("report grid.toml", "no such study: grid.study"),
        ("study run grid.toml --executor thread", "did you mean 'threads'"),
        ("study run grid.toml --executor dask", "scheduler"),
        ("study run grid.toml --threads 0", "threads must be"),
        ("study run grid.toml --workers 3", "workers is for an executor"),
        ("study run grid.toml --executor processes --workers 0", "workers must be"),
        ("study run grid.toml --chunk-seconds 0", "chunk_seconds must be"),
        ("study extend grid.toml --trials 1.5", "not a whole number"),
        ("study export grid.toml", "--csv"),
    ],
)
def test_what_is_not_understood_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    assert cli.main(line.split()) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)


def test_a_cell_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fs.Study("a.study").add("note", "elbo", 100)
    assert cli.main(["study", "show", "a.study", "--cell", "7"]) == 2
    assert "no cell 7; it has 1" in capsys.readouterr().err
    assert cli.main(["study", "show", "a.study"]) == 2
    assert "no trials yet" in capsys.readouterr().err


def test_a_run_says_what_else_the_study_asks_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As after a declaration that was mistyped, interrupted and mended: the study remembers."""
    fs.Study("grid.study").add("note", ["elbo", "iwae:k=2"], 30_000)
    run = ["study", "run", "grid.toml", "--threads", "1"]
    assert cli.main(run) == 0
    said = capsys.readouterr().err
    assert "grid.study asks for more than grid.toml, and that is run: 30 k trials of cell 0 and 1 more" in said
    assert cli.main(run) == 0
    assert "asks for more" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_failed_cell_is_in_the_exit_code_and_the_others_are_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fs.Study("a.study").add(["mine.py:breaks", "note"], "elbo", 2_000_000)
    assert cli.main(["study", "run", "a.study", "--threads", "1", "--chunk-seconds", "0.02"]) == 1
    shown, said = capsys.readouterr()
    assert "cell 0 failed: model 'breaks' returned NaN" in shown
    assert "1 of 2 cells failed" in said
    assert "in trial" in said
    assert [cell.state for cell in fs.Study("a.study").status().cells] == ["failed", "done"]


@pytest.mark.slow
def test_an_edited_model_begins_anew_when_told_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["study", "run", "grid.toml", "--threads", "1", "--quiet"]
    assert cli.main(run) == 0
    (folder / "mine.py").write_text(MINE.replace("* z[0]", "* z[0] + 1.0"))
    assert cli.main(run) == 2
    said = capsys.readouterr().err
    assert "`return params[0] * z[0]` is now `return params[0] * z[0] + 1.0`" in said
    assert "--anew" in said
    assert cli.main([*run, "--anew"]) == 0
    means = [fs.Study("grid.study")[cell].mean for cell in range(4)]
    assert means[0] != means[2]
    assert abs(means[2] - 1.0) < 0.05


def test_a_table_fits_a_terminal(folder: Path) -> None:
    fs.Study("a.study").add(
        ["gaussian_scale:0.8", "note"], "sumo:roulette=harmonic-geometric(alpha=80,rate=0.1)", 10**12
    )
    for width in (40, 60, 80, 160):
        text = fs.Study("a.study").status().text(width)
        assert max(map(len, text.splitlines())) <= width
        assert "0 of 1 T" in text


def test_names_come_from_the_package_and_cost_nothing_until_then() -> None:
    assert issubclass(fs.StudyError, ValueError)
    assert {"Study", "StudyError"} <= set(dir(fs))
    heavy = "'sqlite3', 'pandas', 'fastsumo.study.study'"
    code = f"import sys, fastsumo; print([name for name in ({heavy}) if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_status_and_results_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fs.Study("a.study").add("note", "elbo", 1000)
    assert cli.main(["study", "run", "a.study", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    assert cli.main(["study", "status", "a.study", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"][0]["trials"] == 1000
    assert cli.main(["study", "show", "a.study", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 1000
    assert cli.main(["study", "status", "a.study", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_devices_of_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = fs.Study(tmp_path / "devices.study")
    study.add("note", "elbo", trials=2000)
    assert cli.main(["study", "run", str(study.path), "--devices", "cpu,cpu", "--quiet"]) == 0
    assert study[0].trials == 2000
    assert cli.main(["study", "run", str(study.path), "--devices", "cpu,gpu", "--quiet"]) == 2
    assert "device must be" in capsys.readouterr().err
