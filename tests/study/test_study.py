"""Studies: the same bits as one undisturbed run, whatever happened on the way; and what is said when something is
wrong.

Faults of the file are in `test_store.py`, real clusters in `test_executors.py`.
"""

from __future__ import annotations

import csv
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from bits import same_bits

import fastsumo as fs
from fastsumo.errors import StudyError
from fastsumo.estimators.serialization import estimator_from_json, estimator_to_json
from fastsumo.models.parsing import parse_model
from fastsumo.models.serialization import difference, made, recipe
from fastsumo.study import heartbeats, progress
from fastsumo.study.records import Cell
from fastsumo.study.store import Store
from fastsumo.study.study import Study

NOTE = fs.models.note()
CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=80))
QUICK: dict[str, Any] = {"progress": False, "chunk_seconds": 0.02}


@fs.model(dim=1, params=[4.5])
def breaks(z, params):  # type: ignore[no-untyped-def]
    """NaN in about one trial of 300 000."""
    if z[0] > params[0]:
        return math.nan
    return z[0]


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


@pytest.mark.parametrize("trials", [1, 4095, 4096, 4097, 100_001])
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
    assert study.add(NOTE, CAPPED, 20_000, seeds=2) == [0]
    study.run(threads=1, **QUICK)
    assert study.add(NOTE, CAPPED, 10_000, seeds=(2, 3)) == [0, 1]
    assert study.status().cells[0].target == 20_000
    assert study.add("note", "sumo:roulette=harmonic(cap=80)", 30_000, seeds=2) == [0]
    assert study.status().cells[0].target == 30_000
    study.run(threads=1, **QUICK)
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 30_000, 2))
    assert len(study) == 2


def test_extend_some_cells_and_its_errors(study: Study) -> None:
    study.add(NOTE, CAPPED, 1000, seeds=range(2))
    study.extend(2000, [1])
    assert [cell.target for cell in study.status().cells] == [1000, 2000]
    with pytest.raises(StudyError, match="nothing to extend"):
        study.extend(500)
    with pytest.raises(StudyError, match="no cell 7; it has 2"):
        study.extend(5000, [7])
    with pytest.raises(KeyError, match="no cell 2"):
        study[2]
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


def test_estimators_come_back_from_json() -> None:
    laws = [
        fs.roulette.Harmonic(cap=7),
        fs.roulette.HarmonicGeometric(10, 0.25),
        fs.roulette.PowerLaw(1.1),
        fs.roulette.Geometric(0.3),
        fs.roulette.Table([1, 0.1, 0.1 / 3]),
    ]
    estimators = [fs.ELBO(), fs.IWAE(7), *(fs.SUMO(law, minimum=2) for law in laws)]
    for what in estimators:
        assert estimator_from_json(estimator_to_json(what)) == what


def source(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.py"
    file.write_text("import math\nimport fastsumo as fs\nfrom numba import njit\n" + textwrap.dedent(text))
    return f"{file}:posterior"


SHIFTED = """
    SCALE = {scale}

    @njit
    def helper(x):
        return SCALE * x

    @fs.model(dim=2, params=[1.0])
    def posterior(z, params):
        return -params[0] * z[0] * z[0] + helper(z[1])
"""


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
    assert same_bits(study[0], fs.simulate(parse_model(name), CAPPED, 10_000))
    assert study[1].trials == 30_000


def test_unfinished_cells_can_begin_anew_in_run_and_the_others_stay(tmp_path: Path, study: Study) -> None:
    name = source(tmp_path, SHIFTED.format(scale=0.5))
    study.add(name, CAPPED, 20_000, seeds=range(2))
    study.run(threads=1, **QUICK)
    study.extend(30_000, [1])
    old = study[0]
    source(tmp_path, SHIFTED.format(scale=0.25))
    study.run(threads=1, anew=True, **QUICK)
    assert same_bits(study[0], old)
    assert same_bits(study[1], fs.simulate(parse_model(name), CAPPED, 30_000, 1))
    assert len({row["source"] for row in study.rows()}) == 2


def test_a_model_whose_file_is_gone_still_runs(tmp_path: Path, study: Study) -> None:
    name = source(tmp_path, SHIFTED.format(scale=0.5))
    alone = fs.simulate(parse_model(name), CAPPED, 20_000)
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


def test_recipes_are_compared_with_what_they_make() -> None:
    kept = recipe(breaks)
    assert kept.capsule is not None
    with pytest.raises(fs.ModelError, match="not the same here"):
        made(kept._replace(source="other"))
    with pytest.raises(fs.ModelError, match="cannot be made here"):
        made(kept._replace(capsule=b"nothing"))
    assert recipe(fs.models.gamma(2.5)).spec == "gamma(2.5)"
    assert recipe(fs.models.lognormal(0.1234567891)).spec is not None
    assert made(recipe(fs.models.lognormal(0.1234567891))).params == [0.1234567891]
    assert difference("a", "a\nb") == "`b` is new"
    assert difference("a\nb", "a") == "`b` is gone"


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
def test_nan_in_chunk_1000_names_its_trial_and_the_rest_goes_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastsumo.study.executors.PILOT_SECONDS", 0.0)  # a pilot would come as far as that chunk
    study.add(breaks.with_params([5.2]), fs.ELBO(), 10**9, seeds=7)
    study.add(NOTE, fs.ELBO(), 100_000)
    with pytest.raises(StudyError, match=r"1 of 2 cells failed.*NaN.*trial \d+ of seed 7"):
        study.run(threads=2, progress=False, chunk_seconds=1e-6)
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
    trials = 5e3
    seeds = [7]
"""


def test_a_study_declared_in_toml(tmp_path: Path) -> None:
    source(tmp_path, SHIFTED.format(scale=0.5))
    (tmp_path / "grid.toml").write_text(textwrap.dedent(DECLARED), encoding="utf-8")
    study = Study.from_toml(tmp_path / "grid.toml")
    study.run(threads=1, **QUICK)
    assert study.path == tmp_path / "grid ä.study"
    assert [cell.trials for cell in study.status().cells] == [10_000] * 8 + [5000] * 2
    assert same_bits(study[9], fs.simulate(fs.models.lognormal(0.75), fs.IWAE(3), 5000, 7))
    assert len(Study.from_toml(tmp_path / "grid.toml")) == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no cells"),
        ("x = [", "not TOML"),
        ("[[cells]]\nmodels = 'note'", "needs estimators"),
        ("[[cells]]\nmodels = 'not'\nestimators = 'elbo'\ntrials = 5", "did you mean 'note'"),
        ("[[cells]]\nmodels = 'note'\nestimators = 'elbo'\ntrial = 5", "did you mean 'trials'"),
        ("[[cells]]\nmodels = 5\nestimators = 'elbo'\ntrials = 5", "list of words"),
        ("stude = 'a'\n[[cells]]\nmodels = 'note'", "did you mean 'study'"),
    ],
)
def test_what_a_toml_file_can_have_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(StudyError, match=said):
        Study.from_toml(tmp_path / "a.toml")


def test_a_clock_that_is_set_back_changes_nothing(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.add(NOTE, CAPPED, 200_000)
    clock = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    study.run(threads=2, **QUICK)
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 200_000))


def claimed(study: Study, pid: int) -> None:
    """Another process says that it is at all of cell 0."""
    with Store(study.path, write=True) as store, store.transaction():
        other = store.add_run(heartbeats.machine_name(), pid)
        other.claims = {0: [(0, 10**9)]}
        store.update_run(other)


def test_what_a_dead_process_claimed_is_done_at_once(study: Study) -> None:
    study.add(NOTE, CAPPED, 50_000)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    claimed(study, gone.pid)
    began = time.monotonic()
    study.run(threads=1, **QUICK)
    assert time.monotonic() - began < 10.0
    assert study.status().runs == ()


def test_what_a_silent_process_claimed_is_done_in_time(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.add(NOTE, CAPPED, 50_000)
    claimed(study, os.getppid())
    monkeypatch.setattr(heartbeats, "_DEAD", 2.5)
    began = time.monotonic()
    study.run(threads=1, **QUICK)
    assert 2.5 < time.monotonic() - began < 20.0
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 50_000))


def test_lines_for_a_log(study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    study.add(NOTE, CAPPED, 300_000, seeds=range(2))
    study.run(threads=2, progress=None, chunk_seconds=0.02)
    said = capsys.readouterr().err.splitlines()
    assert any(
        re.search(r"[\d.]+ % · .* of 600 k trials · .* trials/s · .* left · \d of 2 cells done", line) for line in said
    )
    assert any(re.search(r" · cell \d: [\d.]+ %, 1\.8\d+ ± 0\.0\d+", line) for line in said)


def test_the_table_of_a_terminal(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    monkeypatch.setattr(progress, "_SAMPLE", 0.0)
    seen = set()

    class Watched(progress.Screen):
        def table(self, *what: Any) -> str:
            text = super().table(*what)
            assert all(len(line) <= self._console.width for line in text.splitlines())
            seen.add(text)
            return text

    study.add(NOTE, CAPPED, 2_000_000)
    with Watched(2) as screen:
        study.run(threads=2, progress=screen, chunk_seconds=0.02)
        assert screen.speed([Cell(0, 1, (), "", 0, 2_000_000, done=[(0, 2_000_000)])]) > 0
    rows = [text.splitlines()[1] for text in seen if text]
    assert any(re.match(r" +0 .* [\d.]+ %  .* s  +1\.8\d+ ± 0\.0\d+$", row) for row in rows), rows


def test_speed_and_time_left_are_those_of_all_processes_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    what = estimator_to_json(fs.ELBO())
    cell = Cell(0, 1, (), what, 0, 10**9, "open", pilot_trials=1000, pilot_seconds=0.01, piece=1000, chunk=1000)
    idle = Cell(1, 1, (), what, 1, 10**9, "open", pilot_trials=1000, pilot_seconds=0.01, piece=1000, chunk=1000)
    meter = progress.Meter(2)
    for second in range(0, 1000, 5):  # first 1000 trials a second, then four times as many, of workers as fast
        clock[0] = float(second)
        busy = 1 if second <= 500 else 4
        meter.show({0: cell, 1: idle}, {}, [])
        cell.done = [(0, (cell.done[0][1] if cell.done else 0) + 5000 * busy)]
        cell.elapsed += 5.0 * busy
    assert meter.speed([cell]) == pytest.approx(4000, rel=0.05)
    assert meter.speed([idle]) == 0.0
    assert meter.seconds_left([cell]) == pytest.approx((1e9 - cell.trials_done) * 1e-3 / 4.0, rel=0.05)
    assert math.isnan(meter.seconds_left([cell, Cell(2, 1, (), what, 2, 10**9)]))


def test_time_left_knows_that_heavy_laws_grow_dearer() -> None:
    def cell(what: fs.SUMO) -> Cell:
        return Cell(
            0,
            1,
            (),
            estimator_to_json(what),
            0,
            10**12,
            "open",
            pilot_trials=10**6,
            pilot_seconds=1.0,
            piece=4096,
            chunk=2**22,
        )

    flat = progress.seconds_of_work(cell(fs.SUMO(fs.roulette.Harmonic(cap=80))))
    heavy = progress.seconds_of_work(cell(fs.SUMO(fs.roulette.Harmonic())))
    assert flat == pytest.approx(1e6, rel=1e-6)
    assert heavy == pytest.approx(1e6 * (math.log(1e12) + 1.6) / (math.log(1e6) + 1.6), rel=0.1)
    assert progress.duration(heavy).endswith("h")


CHILD = """
    import sys
    import fastsumo as fs
    study = fs.Study(sys.argv[1])
    fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), 1000)  # all is loaded
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        study.run(threads=2, progress=False, chunk_seconds=0.2)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)
"""


def child(study: Study) -> subprocess.Popen[str]:
    """A process that runs the study as soon as it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(study.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def trials_done(study: Study) -> int:
    return sum(cell.trials for cell in study.status().cells)


def wait_for_trials(study: Study) -> None:
    for _ in range(600):
        if trials_done(study):
            return
        time.sleep(0.05)
    raise AssertionError("nothing was stored in 30 seconds")


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_share_a_study(study: Study) -> None:
    study.add(NOTE, CAPPED, 12_000_000, seeds=range(2))
    both = [child(study), child(study)]
    for process in both:
        go(process)
    most = 0
    while any(process.poll() is None for process in both):
        most = max(most, len(study.status().runs))
        time.sleep(0.02)
    for process in both:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert most == 2
    assert study.status().runs == ()
    for seed in range(2):
        assert same_bits(study[seed], fs.simulate(NOTE, CAPPED, 12_000_000, seed))


def test_cells_added_while_a_process_runs_are_run_too(study: Study) -> None:
    study.add(NOTE, CAPPED, 4_000_000)
    process = child(study)
    go(process)
    wait_for_trials(study)
    study.add(breaks.with_params([99.0]), CAPPED, 50_000)
    seen = [study[0].trials]  # a reader sees one moment of the file, also while it is written
    while process.poll() is None:
        seen.append(study[0].trials)
        time.sleep(0.05)
    assert process.communicate()[1] == ""
    assert seen == sorted(seen)
    assert same_bits(study[1], fs.simulate(breaks.with_params([99.0]), CAPPED, 50_000))
    assert study[0].trials == 4_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_control_c_keeps_finished_chunks_and_is_quick(study: Study) -> None:
    study.add(NOTE, CAPPED, 10**10)
    process = child(study)
    go(process)
    wait_for_trials(study)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=30)
    took = time.monotonic() - pressed
    assert (said, errors, process.returncode) == ("interrupted\n", "", 130)
    assert took < 3.0  # a second, and the end of an interpreter on a busy machine
    kept = study[0]
    assert 0 < kept.trials < 10**10
    assert kept.interrupted
    assert study.status().runs == ()
    assert [file.name for file in study.path.parent.iterdir()] == ["a.study"]


# Forks of a process that has all of fastsumo loaded: a run begins at once, and the blow falls anywhere in it.
KILLS = """
    import os, random, signal, sys, time
    import fastsumo as fs
    from fastsumo import Study
    path, kills, longest = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    random.seed(7)
    fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), 1000)
    study = Study(path)
    before, grew, ended = 0, 0, 0
    for kill in range(kills):
        pid = os.fork()
        if pid == 0:
            try:
                study.run(threads=2, progress=False, chunk_seconds=0.02)
            finally:
                os._exit(0)
        time.sleep(random.uniform(0.0, longest))
        os.kill(pid, signal.SIGKILL)
        ended += os.waitpid(pid, 0)[1] == 0
        done = sum(cell.trials for cell in study.status().cells)
        assert done >= before, (done, before)
        grew, before = grew + (done > before), done
    print(grew, ended)
    study.run(threads=2, progress=False)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("kills", "trials", "longest"), [(10, 16_000_000, 0.6), pytest.param(100, 120_000_000, 0.6, marks=pytest.mark.slow)]
)
def test_kill_at_random_moments_and_resume_to_the_same_bits(
    study: Study, kills: int, trials: int, longest: float
) -> None:
    half = trials // 2 + 77
    study.add([NOTE, fs.models.gamma(0.5)], CAPPED, 5000)
    study.run(threads=1, **QUICK)
    study.extend(half)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(KILLS), str(study.path), str(kills), str(longest)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    grew, ended = map(int, done.stdout.split())
    assert grew >= kills / 5
    assert ended < kills / 2
    for cell, model in enumerate([NOTE, fs.models.gamma(0.5)]):
        assert same_bits(study[cell], fs.simulate(model, CAPPED, half))
