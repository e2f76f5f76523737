"""What a result was made with can be had again: the model, the estimator, the command."""

from __future__ import annotations

import pickle
import shlex
from pathlib import Path

import numpy as np
import pytest
from zoo import slow

import fastsumo as fs
from fastsumo import cli
from fastsumo.runs import rerun
from fastsumo.study.study import Study

NOTE = fs.models.note()
LONG = fs.roulette.optimal(fs.models.gamma(1.0), cap=300)


@fs.model(dim=1, params=[0.5])
def tilted(z, params):  # type: ignore[no-untyped-def]
    """A model of a user."""
    return params[0] * z[0]


KINDS = [fs.SUMO(LONG, 2), fs.MLMC(kind="sum"), fs.SingleTerm(LONG), fs.JVI(5)]


@pytest.mark.parametrize(
    ("model", "estimator"),
    [
        *((NOTE, estimator) for estimator in KINDS),
        *((tilted.with_params([0.25]), estimator) for estimator in KINDS[:1]),
        *(slow(model, what) for model in (fs.models.gamma(1.5), fs.models.funnel(3), tilted) for what in KINDS),
        *(slow(tilted.with_params([0.25]), estimator) for estimator in KINDS[1:]),
    ],
)
def test_a_loaded_result_is_replayed(model: fs.Model, estimator: fs.SUMO, tmp_path: Path) -> None:
    first = fs.simulate(model, estimator, 300, seed=5)
    first.save(tmp_path / "r.npz")
    again = fs.load(tmp_path / "r.npz")
    made, kind = again.made_with()
    assert kind == estimator
    assert made.params.tolist() == model.params.tolist()
    for row in again.extremes[:3]:
        assert again.replay(int(row["trial"])).value == row["value"]


def stored(result: fs.Result, folder: Path) -> fs.Result:
    """The result as another process finds it."""
    result.save(folder / "stored.npz")
    return fs.load(folder / "stored.npz")


@pytest.mark.slow
def test_a_model_of_this_process_is_known_without_a_file(tmp_path: Path) -> None:
    mine = fs.Model(lambda z, params: 0.25 * z[0], 1, name="nameless")
    found = fs.simulate(mine, fs.ELBO(), 100)
    assert found.provenance.origin is None
    more = fs.simulate(mine, fs.ELBO(), 100, first_trial=100)
    for each in (found, found.merge(more), stored(found, tmp_path).merge(more)):
        assert each.replay(3).value == fs.sample(mine, fs.ELBO(), 4)[0][3]
    with pytest.raises(ValueError, match="is not built in: say where it is"):
        stored(found, tmp_path).replay(3)


def test_the_model_is_not_pickled_with_the_result() -> None:
    mine = fs.Model(lambda z, params: 0.25 * z[0], 1, name="nameless")
    again = pickle.loads(pickle.dumps(fs.simulate(mine, fs.SUMO(LONG), 100)))
    assert again.provenance.estimator == fs.SUMO(LONG)
    with pytest.raises(ValueError, match="is not built in"):
        again.made_with()


def test_another_proposal_is_not_taken_for_the_first(tmp_path: Path) -> None:
    wide = NOTE.with_proposal(fs.proposals.Gaussian([0.0, 0.0], 6.0))
    found = fs.simulate(wide, fs.ELBO(), 100)
    assert found.replay(3).value == fs.sample(wide, fs.ELBO(), 4)[0][3]
    with pytest.raises(ValueError, match=r"(not the one that was run|not built in)"):
        stored(found, tmp_path).replay(3)


def test_of_several_seeds_one_must_be_said() -> None:
    both = fs.simulate(NOTE, fs.ELBO(), 100).merge(fs.simulate(NOTE, fs.ELBO(), 100, seed=9))
    assert both.replay(3, seed=9).value == fs.sample(NOTE, fs.ELBO(), 4, seed=9)[0][3]
    with pytest.raises(ValueError, match="has the seeds 0, 9: say which"):
        both.replay(3)


@pytest.mark.parametrize(
    "estimator",
    [
        fs.SUMO(),
        fs.SUMO(fs.roulette.HarmonicGeometric(80, 0.1), minimum=2),
        fs.SUMO(fs.roulette.Table([1.0, 0.5, 0.1 + 0.2, 0.1, 0.05])),
        fs.MLMC(),
        fs.ELBO(),
    ],
)
def test_the_command_runs_it_again(
    estimator: fs.SUMO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first = fs.simulate(fs.models.gamma(1.5), estimator, 500, seed=7, first_trial=100)
    (line,) = rerun.commands(first)
    assert cli.main([*shlex.split(line)[1:], "--quiet", "--save", "again.npz"]) == 0
    again = fs.load("again.npz")
    assert (again.ranges, again.provenance) == (first.ranges, first.provenance)
    np.testing.assert_array_equal(again.extremes, first.extremes)


@pytest.mark.parametrize(
    ("model", "estimator"),
    [
        (NOTE, fs.SUMO(LONG)),
        (tilted, fs.ELBO()),
        (tilted.with_params([-0.1]), fs.ELBO()),
        (NOTE.with_proposal(fs.proposals.Gaussian([0.0, 0.0], 6.0)), fs.ELBO()),
    ],
)
def test_where_no_command_can_python_does(model: fs.Model, estimator: fs.SUMO, tmp_path: Path) -> None:
    first = fs.simulate(model, estimator, 200, seed=7, first_trial=100)
    lines = rerun.commands(first)
    if model.function is tilted.function:
        assert lines[0].startswith("fastsumo run")
        assert ("--params=-0.1" in lines[0]) == (model is not tilted)
        return
    first.save(tmp_path / "r.npz")
    last = lines.pop()
    space: dict[str, object] = {"FILE": tmp_path / "r.npz"} | ({} if model is NOTE else {"model": model})
    exec("\n".join([*lines, f"again = {last}"]), space)
    again = space["again"]
    assert isinstance(again, fs.Result)
    assert again.to_dict()["extremes"] == first.to_dict()["extremes"]


def test_the_cell_of_a_study_is_replayed(tmp_path: Path) -> None:
    study = Study(tmp_path / "s.study")
    study.add(NOTE, [fs.SUMO(LONG), fs.IWAE(3)], trials=2_000)
    study.run(threads=1, progress=False)
    assert study[0].made_with()[1] == fs.SUMO(LONG)
    assert study[0].replay(5).value == fs.sample(NOTE, fs.SUMO(LONG), 6)[0][5]


@pytest.mark.slow
def test_a_study_knows_the_models_that_were_added_to_it(tmp_path: Path) -> None:
    mine = fs.Model(lambda z, params: params[0] * z[0], 1, [0.25], name="nameless")
    study = Study(tmp_path / "s.study")
    study.add(mine.with_params([0.5]), fs.ELBO(), trials=200)
    study.run(threads=1, progress=False)
    assert study[0].replay(3).value == fs.sample(mine.with_params([0.5]), fs.ELBO(), 4)[0][3]
    with pytest.raises(ValueError, match="is not built in"):
        Study(tmp_path / "s.study")[0].replay(3)
