"""The README cannot rot: what it names is there. Its code is run as that of a page of the guide, in `tests/guide`.

`.ci/run` is held to the same commands.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import fastsumo as fs
from fastsumo.guide import pages

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line for block in pages.blocks(README) if block.kind == "sh" for line in block.text.splitlines()]


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


def test_the_way_to_cite_names_this_version() -> None:
    entry = next(block.text for block in pages.blocks(README) if block.kind == "bibtex")
    assert f"version = {{{fs.__version__}}}" in entry
    assert entry.count("{") == entry.count("}")
