"""The commands compare, levels and theory: the numbers of the library, as a table of any width and as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from commands import Stopper, output

import fastsumo as fs
from fastsumo import cli
from fastsumo.cli.estimators import DEFAULT_ESTIMATORS
from fastsumo.estimators.parsing import parse_estimator

NOTE = fs.models.note()
CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=80))


@pytest.mark.slow
def test_compare_is_that_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--estimator", "iwae:k=10", "--roulette", "harmonic:cap=80", "--cost", "200k", "--seed", "3"]
    found = fs.compare(NOTE, [fs.IWAE(10), CAPPED], cost=2e5, seed=3)
    assert output(capsys, "compare", "note", *asked) == f"{found}\n"
    read = json.loads(output(capsys, "compare", "note", *asked, "--json"))
    assert [row["estimator"] for row in read["rows"]] == [repr(fs.IWAE(10)), repr(CAPPED)]
    assert [row["mean"] for row in read["rows"]] == [row.result.mean for row in found]
    assert read["rows"][0]["predicted_tail_index"] == "Infinity"
    assert output(capsys, "compare", *asked, "--quiet") == ""


@pytest.mark.slow
def test_compare_has_telling_estimators_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    read = json.loads(output(capsys, "compare", "--cost", "2e4", "--json"))
    assert [row["estimator"] for row in read["rows"]] == [repr(parse_estimator(text)) for text in DEFAULT_ESTIMATORS]


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 80, 132])
def test_tables_fit(width: int) -> None:
    found = fs.compare(NOTE, [fs.IWAE(10), CAPPED, fs.SUMO()], cost=2e4)
    shown = [
        found.text(width),
        fs.levels(NOTE, 63, 500).text(width),
        fs.theory.predict(NOTE, fs.SUMO(fs.roulette.HarmonicGeometric(alpha=80, rate=0.1))).text(width),
    ]
    for text in shown:
        assert max(map(len, text.splitlines())) <= width
    assert "var x cost" in shown[0]
    assert ("largest" in shown[0]) == (width > 80)
    assert ("halves" in shown[1]) == (width > 60)


@pytest.mark.slow
def test_levels_are_those_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["levels", "gamma:1.5", "--max-terms", "31", "--samples", "2k", "--seed", "7"]
    found = fs.levels(fs.models.gamma(1.5), 31, 2000, seed=7)
    assert output(capsys, *asked) == f"{found}\n"
    read = json.loads(output(capsys, *asked, "--json"))
    assert [row["mean"] for row in read["dyadic"]] == found.dyadic["mean"].tolist()
    assert [row["k"] for row in read["increments"]] == list(range(1, 32))
    assert read["alpha"] == {"value": found.alpha.value, "error": found.alpha.error}
    assert read["consistent"] is True


def test_theory_is_that_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    law = fs.SUMO(fs.roulette.PowerLaw(0.75))
    found = fs.theory.predict(fs.models.gamma(1.5), law)
    asked = ["theory", "gamma:1.5", "--roulette", "power-law:s=0.75"]
    assert output(capsys, *asked) == f"{found}\n"
    read = json.loads(output(capsys, *asked, "--json"))
    assert read["variance"] == {"value": found.variance.value, "kind": "exact"}
    assert read["cost"] == {"value": "Infinity", "kind": "infinite"}
    assert read["notes"] == list(found.notes)


@pytest.mark.slow
def test_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "a.svg"
    for command in (["compare", "--estimator", "elbo", "--cost", "1e4"], ["levels", "--max-terms", "15"]):
        output(capsys, *command, "--plot", str(figure), "--quiet")
        assert "<svg" in figure.read_text()
        figure.unlink()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("compare --cost 0", "cost must be a number in [1, inf), got 0"),
        ("compare --cost many", "'many' is not a whole number"),
        ("compare --estimator iwea:k=5", "did you mean 'iwae'"),
        ("compare --roulette harmonc", "did you mean 'harmonic'"),
        ("compare --estimators elbo", "did you mean --estimator?"),
        ("compare --plot nowhere/x.png", "there is no folder nowhere"),
        ("levels nore", "did you mean 'note'"),
        ("levels --max-terms 0", "max_terms must be"),
        ("levels --samples 1", "samples must be"),
        ("levels --plot x.xyz", "must end in .png"),
        ("theory note --roulette harmonic:cap=0", "cap must be"),
        ("theory note --trials 5", "unknown argument --trials 5 (see fastsumo theory --help)"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], line: str, says: str) -> None:
    assert cli.main(line.split()) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.err.startswith("fastsumo: error: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_ctrl_c_ends_the_comparison(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys.modules["fastsumo.runs.simulate"], "make_progress", lambda *_: Stopper())
    asked = ["--estimator", "elbo", "--estimator", "iwae:k=2", "--cost", "1e12"]
    assert cli.main(["compare", *asked]) == 130
    printed = capsys.readouterr()
    assert "ELBO()" in printed.out
    assert "IWAE" not in printed.out
    assert "interrupted: 1 of 2 estimators" in printed.err
