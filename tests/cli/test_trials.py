"""The command line: what it runs, prints and writes, its exit codes, and bad input as one line, no traceback.

The names that it takes (`models/parsing.py`) are tested here too; what a report says is in `report/test_summary.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Stopper, complaint, output

import fastsumo as fs
from fastsumo import cli
from fastsumo.cli import commands, shared
from fastsumo.models import parsing

USERS = """
import fastsumo as fs
import helper

@fs.model(dim=1, params=[0.5])
def mine(z, params):
    return params[0] * z[0] + helper.SHIFT

def make(a):
    return mine.with_params([a])

@fs.model(dim=1)
def broken(z, params):
    return unknown(z[0])

@fs.model(dim=1)
def word(z, params):
    return "a"

@fs.model(dim=1)
def nan(z, params):
    return float("nan") if z[0] > 3.0 else z[0]

def plain(z, params):
    return 0.0

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a user's file, and one that it imports."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.py").write_text(USERS)
    (tmp_path / "helper.py").write_text("SHIFT = 2.0\n")
    (tmp_path / "one.py").write_text("import fastsumo as fs\nonly = fs.models.note()\n")
    (tmp_path / "fails.py").write_text("x = 1\ny = x / 0\n")
    (tmp_path / "syntax.py").write_text("def (:\n")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "short.npz").write_bytes(b"PK\x03\x04 and no more")
    return tmp_path


def test_run_prints_and_draws(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--trials", "20k", "--seed", "4"]) == 0
    printed = capsys.readouterr()
    assert printed.out == str(fs.simulate(fs.models.note(), fs.SUMO(), 20_000, seed=4)).split("time ")[0] + (
        "time " + printed.out.split("time ")[1]
    )
    assert "1.837877066" in printed.out
    assert "figure written to fastsumo.png" in printed.err
    assert (folder / "fastsumo.png").read_bytes().startswith(b"\x89PNG")


def test_run_by_default_is_the_note_ten_million_times() -> None:
    options = commands.make_parser(["run"]).parse_args(["run"])
    assert (options.model, options.trials, options.seed) == ("note", 10_000_000, None)
    assert repr(shared.estimator(options)) == repr(fs.SUMO(fs.roulette.Harmonic()))


def test_run_saves_what_show_and_load_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "note", "--roulette", "harmonic:cap=80", "--trials", "1e4", "--no-plot"]
    shown = output(capsys, *arguments, "--save", "capped.npz")
    assert output(capsys, "show", "capped.npz") == shown
    result = fs.load("capped.npz")
    assert result.mean == fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), 10_000).mean
    assert not (folder / "fastsumo.png").exists()
    output(capsys, "show", "capped.npz", "--plot", "capped.svg", "--quiet")
    assert "<svg" in (folder / "capped.svg").read_text()


def test_runs_continue(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "gamma:1.5", "--estimator", "elbo", "--quiet"]
    output(capsys, *run, "--trials", "65536", "--save", "a.npz")
    output(capsys, *run, "--trials", "65536", "--first-trial", "65536", "--save", "b.npz")
    whole = fs.simulate(fs.models.gamma(1.5), fs.ELBO(), 131_072)
    assert fs.load("a.npz").merge(fs.load("b.npz")).mean == whole.mean


def test_quiet_and_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "--trials", "1000", "--threads", "1"]
    assert output(capsys, *run, "--quiet") == ""
    read = json.loads(output(capsys, *run, "--json", "--quiet"))
    assert read["trials"] == 1000
    assert read["mean"] == fs.simulate(fs.models.note(), fs.SUMO(), 1000).mean
    assert list(folder.glob("*.png")) == []


@pytest.mark.slow
def test_replay_of_a_model_and_of_a_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    law = fs.SUMO(fs.roulette.PowerLaw(1.5))
    expected = fs.replay(fs.models.lognormal(0.123456789), law, 77, seed=5)
    model = ["lognormal:0.123456789", "--roulette", "power-law:1.5", "--seed", "5"]
    assert f"{expected.value:.17g}" in output(capsys, "replay", *model, "--trial", "77")
    output(capsys, "run", *model, "--trials", "100", "--quiet", "--save", "r.npz")
    read = json.loads(output(capsys, "replay", "r.npz", "--trial", "77", "--json"))
    assert read["value"] == expected.value
    assert read["iwae"] == expected.iwae.tolist()


@pytest.mark.slow
def test_replay_of_a_users_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output(capsys, "run", "users.py:make(0.25)", "--trials", "100", "--quiet", "--save", "r.npz")
    found = json.loads(output(capsys, "replay", "r.npz", "--trial", "7", "--json"))["value"]
    assert found == fs.sample(parsing.parse_model("users.py:make(0.25)"), fs.SUMO(), 8)[0][7]
    (folder / "users.py").rename(folder / "moved.py")
    assert "--model FILE.py:NAME" in complaint(capsys, "replay", "r.npz", "--trial", "7")
    (folder / "moved.py").rename(folder / "users.py")
    assert cli.main(["replay", "r.npz", "--trial", "7", "--model", "users.py:mine", "--json"]) == 0
    printed = capsys.readouterr()
    value = json.loads(printed.out)["value"]
    assert value == fs.sample(parsing.parse_model("users.py:make(0.25)"), fs.SUMO(), 8)[0][7]
    assert printed.err == ""
    (folder / "helper.py").write_text("SHIFT = 3.0\n")
    sys.modules.pop("helper")
    assert cli.main(["replay", "r.npz", "--trial", "7", "--model", "users.py:mine"]) == 0
    assert "not the one that was run" in capsys.readouterr().err


def test_a_result_knows_its_model_from_any_folder(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output(capsys, "run", "users.py:mine", "--roulette", "table:1,.5,.4,.3,.2,.1", "--trials", "50", "--quiet")
    output(capsys, "run", "users.py:mine", "--trials", "50", "--quiet", "--save", "r.npz")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    value = json.loads(output(capsys, "replay", "../r.npz", "--trial", "7", "--json"))["value"]
    assert value == fs.load("../r.npz").replay(7).value


def test_replay_of_a_long_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    law = fs.roulette.optimal(fs.models.gamma(1.0), cap=500)
    fs.simulate(fs.models.gamma(1.5), fs.SUMO(law, minimum=2), 100, seed=4).save("r.npz")
    value = json.loads(output(capsys, "replay", "r.npz", "--trial", "60", "--json"))["value"]
    assert value == fs.sample(fs.models.gamma(1.5), fs.SUMO(law, minimum=2), 61, seed=4)[0][60]


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "fastsumo run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("rnu", "did you mean 'run'?"),
        ("run nore", "did you mean 'note'?"),
        ("run --trails 5", "did you mean --trials?"),
        ("run note --trials 0", "from 1 to 9223372036854775807, got 0"),
        ("run note --trials=-5", "got -5"),
        ("run note --trials 1.5", "'1.5' is not a whole number"),
        ("run note --trials nan", "'nan' is not a whole number"),
        ("run note --trials 1e30", "from 1 to 9223372036854775807"),
        ("run note --seed=-1", "from 0 to 18446744073709551615, got -1"),
        ("run note --threads 0", "threads must be"),
        ("run --trials", "expected one argument"),
        ("run --estimator iwea:k=5", "did you mean 'iwae'"),
        ("run --estimator iwae", "needs k"),
        ("run --estimator iwae:k=0", "k must be"),
        ("run --estimator iwae:k=5 --roulette harmonic", "has no law of K"),
        ("run --estimator sumo:harmonic --roulette harmonic", "given twice"),
        ("run --estimator sumo(harmonic(cap=3)", "do not match"),
        ("run --estimator sumo(harmonic", "not of the form"),
        ("run --roulette harmonc", "did you mean 'harmonic'"),
        ("run --roulette harmonic:cap=0", "cap must be"),
        ("run --roulette harmonic:cap=many", "cap must be"),
        ("run --roulette harmonic:kap=3", "no parameter 'kap'; it takes cap"),
        ("run --roulette table:0.5,0.4", "must start at 1"),
        ("run --roulette table:1,0.4,0.5", "must not increase"),
        ("run gamma", "needs shape"),
        ("run gamma:1.3", "multiple of 1/2"),
        ("run note:3", "takes nothing"),
        ("run users.py", "say which, as in users.py:mine"),
        ("run users.py:mime", "did you mean 'mine'?"),
        ("run users.py:plain", "decorate it with @fs.model"),
        ("run users.py:plain(1,2)", "not a fastsumo Model"),
        ("run users.py:number", "of type int"),
        ("run users.py:broken --trials 10", "name 'unknown' is not defined"),
        ("run users.py:word --trials 10", "must return one number"),
        ("run fails.py:y", "ZeroDivisionError: division by zero (line 2)"),
        ("run syntax.py:y", "SyntaxError"),
        ("run leaves.py:y", "SystemExit: 3"),
        ("run absent.py:y", "no such file"),
        ("run nowhere:y", "cannot import module 'nowhere'"),
        ("run --plot nowhere/x.png", "there is no folder nowhere"),
        ("run --save nowhere/x.npz", "there is no folder nowhere"),
        ("run --plot x.xyz", "must end in .png"),
        ("run --plot x.png --no-plot", "exclude one another"),
        ("show absent.npz", "no such result file"),
        ("show short.npz", "is cut short"),
        ("show users.py", "not a fastsumo result"),
        ("replay note", "required: --trial"),
        ("replay note --trial=-1", "trial must be"),
        ("replay short.npz --trial 1", "is cut short"),
    ],
)
def test_bad_input_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str], line: str, says: str) -> None:
    assert says in complaint(capsys, *line.split(" "))
    assert not list(folder.glob("*.png"))


@pytest.mark.slow
def test_a_run_that_fails_names_the_trial(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "users.py:nan", "--trials", "1e5"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("fastsumo: error: model 'nan' returned NaN or +inf")
    assert "in trial 1668 of seed 0" in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_failure_of_our_own_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("of ours")

    monkeypatch.setattr("fastsumo.cli.trials.parse_model", fail)
    assert cli.main(["run"]) == 1
    assert "LookupError: of ours" in capsys.readouterr().err
    monkeypatch.setenv("FASTSUMO_TRACEBACK", "1")
    with pytest.raises(LookupError):
        cli.main(["run"])


def test_files_are_loaded_without_a_trace(folder: Path) -> None:
    before = list(sys.path)
    assert parsing.parse_model("users.py:mine").name == "mine"
    assert parsing.parse_model("one.py").name == "note"
    assert parsing.parse_model("users:mine").name == "mine"
    assert sys.path == before


def python(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """The command in a process of its own, installed or not."""
    command = [sys.executable, "-m", "fastsumo", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(fs.__file__).parents[1])}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=folder, env=environment)


def test_version_and_help_import_nothing_heavy() -> None:
    code = """
import sys
from fastsumo.cli import main
assert main(["--version"]) == 0 and main(["run", "--help"]) == 0
heavy = {"numba", "scipy", "matplotlib", "rich"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"fastsumo {fs.__version__}\n")


def test_ctrl_c_prints_the_result_so_far(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["fastsumo.runs.simulate"], "make_progress", lambda *_: Stopper())
    assert cli.main(["run", "--trials", "1e12", "--save", "part.npz", "--no-plot"]) == 130
    printed = capsys.readouterr()
    assert "INTERRUPTED" in printed.out
    assert "of 1,000,000,000,000 trials done" in printed.err
    saved = fs.load("part.npz")
    assert saved.interrupted
    assert f"{saved.trials:,}" in printed.out


def test_ctrl_c_before_any_trial(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("fastsumo.cli.trials.parse_model", interrupt)
    assert cli.main(["run"]) == 130
    assert capsys.readouterr().err == "fastsumo: interrupted before there was a result\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_leaves_early_is_no_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output(capsys, "run", "--trials", "1000", "--quiet", "--save", "r.npz")
    show = python("show", "r.npz", folder=folder)
    assert show.stdout is not None
    show.stdout.close()
    assert show.wait(timeout=300) == 0
    assert show.stderr is not None
    assert show.stderr.read() == ""
    show.stderr.close()
