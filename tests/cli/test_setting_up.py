"""The commands init, doctor, bench and completion, and what they rest on: `doctor`, `speed`, the plain peer."""

from __future__ import annotations

import importlib
import json
import math
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import complaint, output
from zoo import slow

import fastsumo as fs
from fastsumo import cli
from fastsumo.base.machine import available_threads
from fastsumo.cli import commands, doctor, plain_numba, speed
from fastsumo.models import parsing

# ---- where they write


def test_without_standard_streams(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is meant for a stream that is closed goes nowhere, not to the other one."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        assert cli.main(["no-such-command"]) == 2
        assert capsys.readouterr().out == ""
        assert sys.stderr is None
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert cli.main(["completion", "bash"]) in (0, 2)


# ---- init


@pytest.mark.slow
def test_a_new_model_runs_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "mine.py"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "fastsumo run mine.py --trials 1M" in said.err
    text = Path("mine.py").read_text()
    assert "fastsumo run mine.py --trials 1M" in text
    assert "my_model" not in text
    read = json.loads(output(capsys, "run", "mine.py", "--trials", "2k", "--roulette", "harmonic:cap=50", "--json"))
    exact = _evidence(parsing.parse_model("mine.py"))
    assert abs(read["mean"] - exact) < 4.5 * read["std_error"] + 0.01


def _evidence(model: fs.Model) -> float:
    """The log evidence of the template's model, by a plain sum over a grid of its noise."""
    z = np.linspace(-7.0, 7.0, 281)
    grid = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.exp(-0.5 * (grid**2).sum(axis=1)) * (z[1] - z[0]) ** 2 / (2 * math.pi)
    return float(np.log(np.sum(mass * np.exp(model(grid)))))


def test_a_name_with_spaces_is_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my model.py"
    assert cli.main(["init", str(file)]) == 0
    assert f"next: fastsumo run '{file}' --trials 1M" in capsys.readouterr().err


def test_a_new_model_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept.py"
    file.write_text("kept")
    assert "is there already, and is left as it is" in complaint(capsys, "init", str(file))
    assert file.read_text() == "kept"
    assert "must end in .py" in complaint(capsys, "init", str(tmp_path / "model"))
    assert "there is no folder" in complaint(capsys, "init", str(tmp_path / "nowhere" / "model.py"))


# ---- doctor


def test_doctor_says_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(output(capsys, "doctor", "--json"))
    assert facts["fastsumo"] == fs.__version__
    assert facts["libraries"]["numpy"] == np.__version__
    assert facts["threads"] == available_threads()
    assert facts["vector_bits"] in (128, 256, 512)  # every CPU that the engine is known to run on has vectors
    assert facts["cache"]["writable"] is True
    shown = output(capsys, "doctor")
    assert shown.startswith("fastsumo  ")
    assert facts["cpu"] in shown
    assert "to mend" in shown
    assert max(map(len, doctor.text(facts, 60).splitlines())) <= 60


def test_doctor_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path / "not" / "yet"))
    facts = doctor.examine()
    assert facts["cache"] == {"folder": str(tmp_path / "not" / "yet"), "files": 0, "bytes": 0, "writable": True}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_doctor_sees_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        folder = Path("/proc/fastsumo")  # where not even root can
        if not Path("/proc").is_dir():
            pytest.skip("root can write everywhere")
    else:
        folder = tmp_path
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(folder))
    facts = doctor.examine()
    assert facts["cache"]["writable"] is False
    assert any("Set FASTSUMO_CACHE_DIR" in line for line in facts["mend"])


WELL: dict[str, Any] = {
    "settings": {},
    "cache": {"folder": "/cache", "writable": True},
    "vector_bits": 256,
    "libraries": {"numba": "0.67.0"},
    "threads": 8,
    "cores": 8,
    "optional": {"mpi4py": None},
    "mpi_launcher": None,
}


@pytest.mark.parametrize(
    ("ill", "says"),
    [
        ({"settings": {"NUMBA_DISABLE_JIT": "1"}}, "NUMBA_DISABLE_JIT is set"),
        ({"settings": {"NUMBA_CPU_NAME": "generic"}}, "NUMBA_CPU_NAME=generic decides"),
        ({"vector_bits": 0}, "not vectorised"),
        ({"vector_bits": None}, "cannot be compiled"),
        ({"libraries": {"numba": "0.66.0"}}, "those of 0.67 or later"),
        ({"libraries": {"numba": "0.999.0"}}, "Numba 0.999.0 was not tried"),
        ({"threads": 2}, "2 of 8 cores"),
        ({"cache": {"folder": "/cache", "writable": False}}, "/cache cannot be written"),
        ({"optional": {"mpi4py": "4.0"}}, "no mpiexec"),
    ],
)
def test_advice(ill: dict[str, Any], says: str) -> None:
    assert doctor.advice(WELL) == []
    assert doctor.advice(WELL | {"settings": {"NUMBA_DISABLE_JIT": "0", "TERM": "xterm"}}) == []
    (line,) = doctor.advice(WELL | ill)
    assert says in line


def test_a_compiler_turned_off_is_one_thing_to_mend() -> None:
    off = {"settings": {"NUMBA_DISABLE_JIT": "1"}, "vector_bits": None}
    (line,) = doctor.advice(WELL | off)
    assert "NUMBA_DISABLE_JIT is set" in line


def test_doctor_runs_where_nothing_can_be_compiled() -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    words = [sys.executable, "-m", "fastsumo"]
    done = subprocess.run([*words, "doctor"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("NUMBA_DISABLE_JIT is set") == 1
    assert "unknown: no loop could be compiled" in done.stdout
    done = subprocess.run([*words, "run", "note"], capture_output=True, text=True, env=environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "NUMBA_DISABLE_JIT turns the compiler off: unset it" in done.stderr


def test_vectors_are_seen_in_the_compiled_loop() -> None:
    """In a process with the instructions of an older CPU, and in one without compiler."""
    code = "from fastsumo.cli.doctor import vector_bits; print(vector_bits())"

    def bits(**settings: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(Path(fs.__file__).parents[1])} | settings
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert bits(NUMBA_DISABLE_JIT="1") == "None"
    if doctor.vector_bits() == 512:
        assert bits(NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="+avx,+avx2,+fma") == "256"


# ---- bench


@pytest.fixture
def short_race(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {"harmonic": (fs.SUMO(fs.roulette.Harmonic(cap=80)), 2000), "IWAE(10)": (fs.IWAE(10), 1000)}
    monkeypatch.setattr(speed, "CASES", cases)


@pytest.mark.slow
def test_bench_measures_both(short_race: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--rounds", "1", "--json"]) == 0
    printed = capsys.readouterr()
    read = json.loads(printed.out)
    assert [case["name"] for case in read["cases"]] == ["harmonic", "IWAE(10)"]
    for case in read["cases"]:
        assert min(case["fastsumo_ns"], case["plain_ns"], case["one_thread_ns"]) > 0.0
        assert case["times_as_fast"] == case["plain_ns"] / case["fastsumo_ns"]
    assert "compiling plain Numba" in printed.err


def test_bench_prints_a_table_that_fits() -> None:
    case = speed.Case("harmonic law, K <= 80", 8.0, 7.5, 80.0, 2.8e7, 2.8e6)
    found = speed.Speed("znver4", 2, 9.0, (case,))
    shown = found.text(60)
    assert max(map(len, shown.splitlines())) <= 60
    assert "10.0" in shown
    assert "load 9.0" in shown
    assert "others" not in str(speed.Speed("znver4", 2, 2.0, (case,)))


def test_bad_numbers_for_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert "rounds must be" in complaint(capsys, "bench", "--rounds", "0")
    assert "threads must be" in complaint(capsys, "bench", "--threads", "0")


def test_the_plain_peer_estimates_the_same() -> None:
    """Beside the tests of all peers in `bench/test_peers.py`: it comes with the package."""
    values, terms = plain_numba.trials(40_000, 20, 3, 1)
    exact = fs.theory.iwae(fs.models.note(), 21)
    assert abs(values.mean() - exact) < 4.5 * values.std() / math.sqrt(values.size)
    assert int(terms.max()) == 20


# ---- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_the_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("argcomplete")
    script = output(capsys, "completion", shell)
    assert "fastsumo" in script
    assert "_ARGCOMPLETE" in script
    assert ("complete --command fastsumo" in script) == (shell == "fish")


def test_completion_without_argcomplete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert "pip install 'fastsumo[completion]'" in complaint(capsys, "completion", "bash")
    assert "choose from" in complaint(capsys, "completion", "tcsh")


@pytest.mark.skipif(os.name == "nt", reason="shells of POSIX")
@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        slow("fastsumo re", {"replay"}, {"run", "theory"}),
        slow("fastsumo run ga", {"gamma", "gaussian_scale"}, {"note"}),
        ("fastsumo run ", {"note", "mine.py", "sub/"}, {"r.npz"}),
        slow("fastsumo show ", {"r.npz", "sub/"}, {"mine.py", "note"}),
        slow("fastsumo show sub/", {"sub/inner.npz"}, {"r.npz"}),
        slow("fastsumo run note --est", {"--estimator"}, {"--roulette"}),
        slow("fastsumo run note --estimator mlm", {"mlmc"}, {"elbo"}),
        slow("fastsumo compare note --roulette har", {"harmonic", "harmonic-geometric"}, {"geometric"}),
        slow("fastsumo completion ", {"bash", "zsh", "fish"}, set()),
    ],
)
def test_a_shell_is_told_how_a_line_goes_on(
    tmp_path: Path, line: str, offered: set[str], not_offered: set[str]
) -> None:
    pytest.importorskip("argcomplete")
    (tmp_path / "sub").mkdir()
    for name in ("mine.py", "r.npz", "sub/inner.npz", ".hidden.py"):
        (tmp_path / name).write_text("")
    answer = tmp_path / ".answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "PYTHONPATH": str(Path(fs.__file__).parents[1]),
    }
    subprocess.run([sys.executable, "-m", "fastsumo"], cwd=tmp_path, env=os.environ | asked, timeout=300, check=False)
    words = {word.strip() for word in answer.read_text().split("\n")}
    assert offered <= words
    assert not words & not_offered
    assert ".hidden.py" not in words


# ---- all commands


def _parsers() -> dict[str, Any]:
    (added,) = (a for a in commands.make_parser(commands.COMMANDS)._actions if hasattr(a, "choices") and a.choices)
    return dict(added.choices)  # type: ignore[arg-type]


def test_options_are_the_same_everywhere() -> None:
    meanings: dict[str, set[tuple[str | None, str | None]]] = {}
    for name, parser in _parsers().items():
        options = parser._option_string_actions
        if name in ("run", "show", "replay", "compare", "levels", "theory", "doctor", "bench"):
            assert {"--json", "--quiet"} <= set(options), name
        for option in ("--json", "--quiet", "--seed", "--threads"):
            if option in options:
                meanings.setdefault(option, set()).add((options[option].metavar, options[option].help))
    assert all(len(found) == 1 for found in meanings.values()), meanings


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", ["", *commands.COMMANDS])
def test_help_fits(
    command: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = output(capsys, *command.split(), "--help").splitlines()
    assert len(lines) > 8
    assert max(map(len, lines)) <= min(columns, 80)
    assert lines[0].startswith("usage: fastsumo")


@pytest.mark.parametrize("line", [line[2:] for line in commands._START.splitlines() if line.startswith("  fastsumo")])
def test_examples_of_the_help_can_be_read(line: str) -> None:
    words = line.split("   ")[0].split()[1:]
    options = commands.make_parser(words[:1]).parse_args(words)
    module = importlib.import_module(f"fastsumo.cli.{commands.COMMANDS[options.command].module}")
    assert callable(getattr(module, f"{options.command}_command"))
