"""The command line: what it runs, prints and writes, its exit codes, and bad input as one line, no traceback.

The names that it takes (`models/parsing.py`) are tested here too; what a report says is in `report/test_summary.py`.
"""

from __future__ import annotations

import errno
import functools
import io
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from commands import Stopper, complaint, output
from numba.core import caching

import fastsumo as fs
from fastsumo import cli
from fastsumo.cli import commands, shared, trials
from fastsumo.jit import cache, options
from fastsumo.models import parsing
from fastsumo.runs import rerun

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
    (tmp_path / "grid.toml").write_text("")
    (tmp_path / "kept.npz").write_bytes(b"of hours")
    fs.Study(tmp_path / "a.study").add("note", "elbo", 100)
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
    assert (options.model, options.trials, options.seed) == ("note", None, None)
    assert trials.USUAL == 10_000_000
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
def test_replay_of_a_trial_that_the_result_has_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output(capsys, "run", "--estimator", "elbo", "--trials", "100", "--quiet", "--save", "r.npz")
    for more in (["--trial", "100"], ["--trial", "7", "--seed", "1"]):
        assert cli.main(["replay", "r.npz", *more]) == 0
        assert re.search(r"warning: trial \d+ of seed \d is none of those of r.npz\n", capsys.readouterr().err)
    assert cli.main(["replay", "r.npz", "--trial", "99"]) == 0
    assert capsys.readouterr().err == ""


def test_a_figure_takes_the_place_of_no_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "--estimator", "elbo", "--trials", "100", "--save", "fastsumo.png"]
    for more in ([], ["--plot", "fastsumo.png"], ["--plot", "./fastsumo.png"]):
        assert "cannot both be" in complaint(capsys, *run, *more)
    output(capsys, *run, "--no-plot")
    assert "fastsumo.png is a result, and is left" in complaint(
        capsys, "show", "fastsumo.png", "--plot", "fastsumo.png"
    )
    assert fs.load("fastsumo.png").trials == 100


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
        ("study run a.toml --thread 5", "did you mean --threads? (see fastsumo study run --help)"),
        ("run --device cuda:99", "use device='cpu'"),
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
        ("run --estimator sumo:cap=80", "did you mean sumo:harmonic:cap=80?"),
        ("run --estimator sumo:alpha=8,rate=0.5", "did you mean sumo:harmonic-geometric:alpha=8,rate=0.5?"),
        ("run --estimator sumo:roulete=harmonic", "did you mean 'roulette'?"),
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
        ("run users.py:mine:x", "'mine' of 'users.py:mine:x' is a model, and takes nothing after its name"),
        ("run users.py:mine(3)", "--params, or with_params in Python"),
        ("run users.py:make:3", "not of the form name or name(value, ...)"),
        ("run users.py:make", "or call it, as in make(...)"),
        ("run users.py:mine --params 1,2", "takes 1 param, got 2"),
        ("run users.py:mine --params 1;2", "not of numbers with commas between them"),
        ("run kept.npz", "not of the form path/to/file.py:name"),
        ("run a.study", "a.study is a study, not a file of models: fastsumo study show a.study"),
        ("run grid.toml", "a declaration of a study, not a file of models: fastsumo study run grid.toml"),
        ("run --until 1e-3", "'1e-3' is not of the form std_error=1e-4"),
        ("run --until stderr=1e-3", "did you mean 'std_error'?"),
        ("run --save kept.npz", "kept.npz is there already: take another name, or replace it with --force"),
        ("run --save users.py", "users.py is there already"),
        ("run --save .", "it is a folder"),
        ("run --save pipe", "it is a named pipe, not a regular file"),
        ("run --plot pipe.png", "it is a named pipe, not a regular file"),
        ("tail --save kept.npz", "replace it with --force"),
        ("merge short.npz", "is cut short"),
        ("merge a.study users.py", "a.study is a study, not a result"),
        ("evaluate", "the following arguments are required: MODEL"),
        ("evaluate note", "has no data: use fs.simulate (`fastsumo run`)"),
        ("tune note --objective ebo", "did you mean 'elbo'?"),
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
        ("show users.py", "users.py is a file of models, not a result: fastsumo run users.py"),
        ("show a.study", "a.study is a study, not a result: fastsumo study show a.study"),
        ("show pipe", "it is a named pipe, not a regular file"),
        ("show .", "it is a folder"),
        ("replay a.study --trial 1", "not a result or a file of models: fastsumo study show a.study"),
        ("report users.py", "users.py is a file of models"),
        ("report a.study -o kept.npz", "replace it with --force"),
        ("report a.study -o users.py", "users.py is there already"),
        ("report pipe", "it is a named pipe"),
        ("replay note", "required: --trial"),
        ("replay note --trial=-1", "trial must be"),
        ("replay note --trial 1 --model gamma:1", "'note' names a model: give one of them"),
        ("guide --html kept.npz", "it is a file, not a folder"),
        ("replay short.npz --trial 1", "is cut short"),
    ],
)
def test_bad_input_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str], line: str, says: str) -> None:
    if "pipe" in line:
        pytest.importorskip("fcntl", reason="pipes of POSIX")
        os.mkfifo(line.split()[-1])
    assert says in complaint(capsys, *line.split(" "))
    assert not [file for file in folder.glob("*.png") if file.is_file()]
    assert (folder / "kept.npz").read_bytes() == b"of hours"


@pytest.mark.parametrize(("wanted", "reached"), [("1e-9", False), ("0.5", True)])
def test_an_error_that_was_not_reached_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], wanted: str, reached: bool
) -> None:
    run = ["run", "users.py:mine", "--estimator", "iwae:k=2", "--trials", "10k", "--no-plot"]
    assert cli.main([*run, "--until", f"std_error={wanted}"]) == 0
    assert ("--trials ended the run, at a standard error of" in capsys.readouterr().err) is not reached


def test_what_to_type_instead_can_be_pasted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my grid.toml").write_text("")
    assert "fastsumo study run 'my grid.toml'" in complaint(capsys, "run", "my grid.toml")


def test_params_until_and_merge(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "users.py:mine", "--estimator", "elbo", "--quiet"]
    output(capsys, *run, "--params=-0.25", "--trials", "4096", "--save", "a.npz")
    output(capsys, *run, "--params=-0.25", "--trials", "100", "--first-trial", "4096", "--save", "b.npz")
    (line,) = rerun.commands(fs.load("a.npz"))
    assert "--params=-0.25" in line
    shown = output(capsys, "merge", "a.npz", "b.npz", "--save", "both.npz")
    both = fs.load("both.npz")
    assert (both.trials, both.provenance.params) == (4196, (-0.25,))
    assert both.mean == fs.simulate(parsing.parse_model("users.py:make(-0.25)"), fs.ELBO(), 4196).mean
    assert "trials          4,196   (0 to 4195 of seed 0)" in shown
    assert "trial 0 of seed 0 is in both runs" in complaint(capsys, "merge", "a.npz", "both.npz")
    output(capsys, *run, "--until", "std_error=0.01", "--save", "both.npz", "--force")
    assert fs.load("both.npz").std_error <= 0.01


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 2), ("", 2)])
def test_on_a_terminal_it_asks(
    answer: str, code: int, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    run = ["run", "--estimator", "elbo", "--trials", "100", "--no-plot", "--save", "kept.npz"]
    assert cli.main(run) == code
    assert "kept.npz is there already: replace it? [y/N]" in capsys.readouterr().err
    assert (folder / "kept.npz").read_bytes().startswith(b"PK" if code == 0 else b"of hours")


def test_a_figure_that_nobody_asked_for_is_no_reason_to_fail(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "fastsumo.png").mkdir()
    assert cli.main(["run", "--estimator", "elbo", "--trials", "100"]) == 0
    printed = capsys.readouterr()
    assert "estimate" in printed.out
    assert "no figure: cannot write fastsumo.png: it is a folder; --plot FILE writes one elsewhere" in printed.err


def test_it_says_that_it_compiles_and_that_nothing_is_kept(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    def increment(x: int) -> int:
        return x + 1

    def run(*_: object) -> int:
        kernel = options.kernel(increment)
        return 0 if kernel(1) == 2 and kernel(1.5) == 2.5 else 1

    monkeypatch.setattr("fastsumo.cli.trials.show_command", run)
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(folder / "cache"))
    assert cli.main(["show", "kept.npz"]) == 0
    assert capsys.readouterr().err == "fastsumo: compiling, which takes some seconds the first time\n"
    assert cli.main(["show", "kept.npz"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", refuse)
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(folder / "other"))
    cache._say_that_nothing_is_kept.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert cli.main(["show", "kept.npz", "--quiet"]) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"fastsumo: warning: {folder / 'other'} cannot be written to (Read-only file system): what")
    assert said.count("\n") == 1


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

    monkeypatch.setattr("fastsumo.cli.shared.parse_model", fail)
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
    assert "of 1,000,000,000,000 trials done; go on with --first-trial " in printed.err
    assert "then merge both results (fastsumo merge part.npz ...)" in printed.err
    saved = fs.load("part.npz")
    gaps = re.findall(r"--first-trial (\d+) --trials (\d+)", printed.err)
    assert saved.trials + sum(int(count) for _, count in gaps) == 10**12
    assert {int(first) for first, _ in gaps} <= {high for _, high in saved.ranges[0]} | {0}
    assert saved.interrupted
    assert f"{saved.trials:,}" in printed.out


def test_however_many_gaps_an_interrupted_run_has_all_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """As many as the threads that it was stopped on."""
    runs = [fs.simulate(fs.models.note(), fs.ELBO(), 10, first_trial=20 * i) for i in range(9)]
    found = functools.reduce(lambda one, other: one.merge(other), runs)
    options: Any = SimpleNamespace(first_trial=0, seed=None, save=None, quiet=False)
    trials._say_how_to_go_on(options, found, 180)
    gaps = re.findall(r"--first-trial (\d+) --trials 10\b", capsys.readouterr().err)
    assert gaps == [str(20 * i + 10) for i in range(9)]


def test_ctrl_c_before_any_trial(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("fastsumo.cli.shared.parse_model", interrupt)
    assert cli.main(["run"]) == 130
    assert capsys.readouterr().err == "fastsumo: interrupted before there was a result\n"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_end_of_a_job_or_a_terminal_is_that_of_ctrl_c(number: signal.Signals) -> None:
    """In a process of its own; one that was told to ignore it, as by nohup, still does."""
    code = f"""
import signal, sys
from fastsumo import cli
signal.signal({number:d}, signal.SIG_IGN if sys.argv[1] == "ignored" else signal.SIG_DFL)
cli._end_as_after_ctrl_c()
try:
    signal.raise_signal({number:d})
    print("went on")
except KeyboardInterrupt:
    print("as after Ctrl-C")
"""
    for kind, said in (("ignored", "went on\n"), ("heard", "as after Ctrl-C\n")):
        done = subprocess.run([sys.executable, "-c", code, kind], capture_output=True, text=True, timeout=300)
        assert (done.stdout, done.returncode) == (said, 0), done.stderr


def test_a_disk_without_room_is_a_run_that_failed(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    assert cli.main(["run", "--trials", "1000", "--no-plot", "--save", "a.npz"]) == 1
    printed = capsys.readouterr()
    assert printed.err == "fastsumo: error: a.npz: No space left on device\n"
    assert "estimate" in printed.out  # it was computed for days, and is not lost


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
