"""Studies that a file declares."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from bits import same_bits
from sources import SHIFTED, source

import fastsumo as fs
from fastsumo.errors import StudyError
from fastsumo.study.study import Study

QUICK: dict[str, Any] = {"progress": False, "chunk_seconds": 0.02}


DECLARED = """
    study = "grid ä.study"

    [[cells]]
    models = ["note", "mine.py:posterior"]
    estimators = ["elbo", "sumo:roulette=harmonic(cap=10)"]
    trials = "10k"
    seeds = 2

    [[cells]]
    models = "lognormal:1"
    params = [[0.5], [0.75]]
    estimators = "iwae:k=3"
    roulettes = ["geometric:p=0.5"]
    trials = 5e3
    seeds = [7]
"""


def test_a_study_declared_in_toml(tmp_path: Path) -> None:
    source(tmp_path, SHIFTED.format(scale=0.5))
    (tmp_path / "grid.toml").write_text(textwrap.dedent(DECLARED), encoding="utf-8-sig")  # as Windows does
    study = Study.from_toml(tmp_path / "grid.toml")
    study.run(threads=1, **QUICK)
    assert study.path == tmp_path / "grid ä.study"
    assert [cell.trials for cell in study.status().cells] == [10_000] * 8 + [5000] * 4
    assert same_bits(study[10], fs.simulate(fs.models.lognormal(0.75), fs.IWAE(3), 5000, 7))
    assert study[11].provenance.estimator == fs.SUMO(fs.roulette.Geometric(0.5))
    assert len(Study.from_toml(tmp_path / "grid.toml")) == 12


FINE = "[[cells]]\nmodels = 'note'\nestimators = 'elbo'\ntrials = 5\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no cells"),
        ("x = [", "not TOML"),
        ("[[cells]]\nmodels = 'note'", "needs estimators"),
        ("[[cells]]\nmodels = 'not'\nestimators = 'elbo'\ntrials = 5", "did you mean 'note'"),
        ("[[cells]]\nmodels = 'note'\nestimators = 'elbo'\ntrial = 5", "did you mean 'trials'"),
        ("[[cells]]\nmodels = 'note'\nroulette = 'harmonic'\ntrials = 5", "did you mean 'roulettes'"),
        ("[[cells]]\nmodels = 'note'\nroulettes = 'harmonc'\ntrials = 5", "did you mean 'harmonic'"),
        ("[[cells]]\nmodels = 'note'\nestimators = []\ntrials = 5", "nothing to add"),
        ("[[cells]]\nmodels = 'lognormal:1'\nestimators = 'elbo'\nparams = [0.5]\ntrials = 5", "list of vectors"),
        ("[[cells]]\nmodels = 5\nestimators = 'elbo'\ntrials = 5", "list of words"),
        ("[study]\nseeds = 2\n[[cells]]\nmodels = 'note'", "study must be the name of a file"),
        ("cells = [1]", "no cells"),
        ("[[cells]]\nmodels = 'note'\nestimators = 'elbo'\ntrials = 5\nname = 7", "name must be text"),
        ("[[cells]]\nmodels = 'note'\nestimators = 'elbo'\ntrials = 5\nseeds = 1_000_000_000_000", "from 1 to 1000000"),
        ("[[cells]]\nmodels = []\nestimators = 'elbo'\ntrials = 5", "at least one model"),
        (
            "[[cells]]\nmodels = ['note', 'gamma:1']\nname = 'a'\nestimators = 'elbo'\ntrials = 5",
            "two models have the name",
        ),
        (f"{FINE}[[cells]]\nmodels = 'not'\nestimators = 'elbo'\ntrials = 5", "did you mean 'note'"),
        (
            f"{FINE}[[cells]]\nmodels = 'gamma:1'\nname = 'note'\nestimators = 'elbo'\ntrials = 5",
            "two models have the name",
        ),
        ("stude = 'a'\n[[cells]]\nmodels = 'note'", "did you mean 'study'"),
    ],
)
def test_what_a_toml_file_can_have_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(StudyError, match=said):
        Study.from_toml(tmp_path / "a.toml")
    assert [file.name for file in tmp_path.iterdir()] == ["a.toml"]
