"""``fastsumo guide`` and ``fastsumo examples``, as a person meets them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from commands import complaint, output
from zoo import slow

from fastsumo import cli
from fastsumo.cli.guide import COLUMNS
from fastsumo.guide import pages, scripts


@pytest.mark.parametrize("columns", [40, slow(60), slow(80)])
@pytest.mark.parametrize("name", [pages.INDEX, *pages.names()])
def test_pages_fit(
    name: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = output(capsys, "guide", name)
    assert pages.title(name) in shown
    assert max(map(len, shown.splitlines())) <= columns
    assert "](" not in shown
    assert "\x1b" not in shown
    assert "(#" not in shown
    for row in re.findall(r"^\|(.*)\|$", pages.read(name), re.MULTILINE):
        for word in re.sub(r"\\(?=\|)|[`*]|\]\(.*?\)|\[|---:|---", "", row).split():
            assert word.strip("|") in shown, word


@pytest.mark.parametrize("name", pages.names())
def test_a_page_is_shown_whole(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    page = re.sub(r"<!--.*?-->|^```\w+$|\]\(.*?\)", " ", pages.read(name), flags=re.MULTILINE)
    missing = Counter(re.findall(r"\w+", page)) - Counter(re.findall(r"\w+", output(capsys, "guide", name)))
    assert not missing


def test_the_list_names_the_pages(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "guide")
    assert all(f" {name}: " in shown for name in pages.names())
    assert "did you mean 'first_model'" in complaint(capsys, "guide", "first_mode")
    assert "leave out" in complaint(capsys, "guide", "first_model", "--html", "site")


def test_a_script_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    listed = output(capsys, "examples")
    assert all(f"\n{name} " in f"\n{listed}" for name in scripts.names())
    assert cli.main(["examples", "banana"]) == 0
    assert "banana.py" in capsys.readouterr().err
    script = tmp_path / "banana.py"
    assert script.read_text(encoding="utf-8") == scripts.read("banana")
    script.write_text("mine", encoding="utf-8")
    assert "is left as it is" in complaint(capsys, "examples", "banana")
    assert script.read_text(encoding="utf-8") == "mine"
    assert cli.main(["examples", "banana", "--force", "--quiet"]) == 0
    assert script.read_text(encoding="utf-8") == scripts.read("banana")
    assert "did you mean 'banana'" in complaint(capsys, "examples", "banan")
