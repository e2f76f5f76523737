"""The README cannot rot: its snippets and commands are run, with fewer trials, and its figure is there.

`.ci/run` is held to the same commands.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fastsumo as fs
from bench import coverage, report, tails, training
from fastsumo import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
FILES = {match[1]: code for kind, code in BLOCKS if kind == "python" and (match := re.match(r"# (\w+\.py)\n", code))}
SNIPPETS = [code for kind, code in BLOCKS if kind == "python" and code not in FILES.values()]
DECLARED = {"caps.toml": next(code for kind, code in BLOCKS if kind == "toml")}
COMMANDS = [line for kind, code in BLOCKS if kind == "sh" for line in code.splitlines()]
FEW = 20_000
LABELS = ["model", "estimator", "trials", "cost", "largest K", "estimate", "known log Z", "95 % interval"]
LABELS += ["variance", "range", "largest trial", "tail index"]


def cheaper(text: str) -> str:
    """The same with fewer trials."""
    text = re.sub(r"(trials=|first_trial=)[\d_]+", lambda found: f"{found[1]}{FEW}", text)
    text = re.sub(r'trials = "\w+"', f"trials = {FEW}", text)
    text = re.sub(r"cost=[\de]+", f"cost={FEW}", text)
    return re.sub(r"--trials \S+", f"--trials {FEW}", text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader saves the files of the README."""
    folder = tmp_path_factory.mktemp("reader")
    for name, code in (FILES | DECLARED).items():
        (folder / name).write_text(cheaper(code), encoding="utf-8")
    return folder


def test_there_is_something_to_run() -> None:
    assert list(FILES) == ["banana.py"]
    assert len(SNIPPETS) == 5
    assert sum(command.startswith("fastsumo ") for command in COMMANDS) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("code", SNIPPETS, ids=lambda code: code.splitlines()[-1][:40])
def test_snippets_run(folder: Path, code: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(fs.__file__).parents[1])}
    program = folder / "snippet.py"
    program.write_text(cheaper(code), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.search("^(estimat|mean)", done.stdout, re.MULTILINE)


@pytest.mark.slow
def test_commands_run_in_their_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    for command in COMMANDS:
        if command.startswith("fastsumo "):
            assert cli.main(shlex.split(cheaper(command))[1:]) == 0, (command, capsys.readouterr().err)
    assert "warning" not in capsys.readouterr().err
    assert (folder / "banana.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "caps.csv").read_text().count(f",{FEW},") == 8
    assert all((folder / page).read_text(encoding="utf-8").startswith("<!") for page in ("banana.html", "caps.html"))


def test_the_two_commands_are_those_of_the_continuous_checks() -> None:
    run, check = (command.split(" && ") for command in COMMANDS if command.count(" && "))
    assert run == ["python3 -m venv .venv", ".venv/bin/pip install .", ".venv/bin/fastsumo run"]
    assert check[-1] == ".venv/bin/python -m pytest -n auto"
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert '"$bin/python" -m pytest -n auto' in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_commands_of_contributors_name_what_is_there() -> None:
    plain = [shlex.split(command) for command in COMMANDS if command.startswith(".venv/bin/python -m pytest")]
    assert len(plain) == 4
    words = [word for command in plain for word in command[3:] if not word.startswith("-")]
    paths = [word for word in words if word not in ("slow", "auto")]
    assert paths == ["tests/theory", "bench"]
    assert all((ROOT / path).exists() for path in paths)


def test_folders_and_version_are_those_there_are() -> None:
    folders = re.findall(r"`([\w/]+/)`", README.partition("| folder |")[2].partition("\n\n")[0])
    assert len(folders) == 22
    assert all((ROOT / name).is_dir() for name in folders)
    assert re.findall(r"^- \*\*([\d.]+)\*\*", README, re.MULTILINE)[0] == fs.__version__


def test_figures_are_small_and_there() -> None:
    figures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert figures
    for figure in figures:
        assert 10_000 < (ROOT / figure).stat().st_size < 150_000


@pytest.mark.parametrize("markers", [(report.BEGIN, report.END), coverage.MARKERS, tails.MARKERS, training.MARKERS])
def test_tables_have_their_places(markers: tuple[str, str]) -> None:
    begin, end = markers
    assert README.count(begin) == README.count(end) == 1
    assert "\n| --- | ---: |" in README.partition(begin)[2].partition(end)[0]


def test_the_output_shown_has_the_labels_of_a_report() -> None:
    shown = next(code for kind, code in BLOCKS if kind == "text")
    now = str(fs.simulate(fs.models.note(), fs.SUMO(), FEW))
    labels = [line[:16].strip() for line in shown.splitlines() if line[:16].strip()]
    assert labels == [line[:16].strip() for line in now.split("furthest")[0].splitlines() if line[:16].strip()]
    for word in ("95 % interval", "tail index", "variance", "largest trial", "furthest trials", "terms K"):
        assert f"**{word}**" in README
        assert f"\n{word}" in now
