"""The site: every page, every public name, no link that leads nowhere, nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

import fastsumo as fs
from fastsumo.guide import pages, site

pytest.importorskip("pdoc")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, without figures."""
    folder = tmp_path_factory.mktemp("site")
    site.build(folder, ())
    return folder


def test_pages_and_names_are_there(folder: Path) -> None:
    for name in pages.names():
        assert f'<a href="{name}.html">' in (folder / "index.html").read_text(encoding="utf-8")
        assert f">{pages.title(name)}</h1>" in (folder / f"{name}.html").read_text(encoding="utf-8")
    shown = (folder / "fastsumo.html").read_text(encoding="utf-8")
    modules = {"models", "plot", "proposals", "roulette", "tails", "theory", "vmath"}
    assert all(f'<section id="{name}">' in shown for name in set(fs.__all__) - modules - {"__version__"})
    assert all((folder / "fastsumo" / f"{name}.html").is_file() for name in modules)


def test_links_lead_somewhere(folder: Path) -> None:
    for file in folder.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        for target, anchor in re.findall(r'<a [^>]*href="([^"#:{]*)#?([^":{]*)"', text):
            there = file.parent / unquote(target) if target else file
            assert there.is_file(), (file.name, target)
            if anchor and file.parent == folder:
                assert f'id="{unquote(anchor)}"' in there.read_text(encoding="utf-8"), (file.name, anchor)


def test_nothing_comes_from_elsewhere(folder: Path) -> None:
    for file in folder.rglob("*.html"):
        assert not re.search(r'<(?:script|link|img)[^>]*(?:src|href)="https?:', file.read_text(encoding="utf-8")), file


def test_figures_are_drawn_by_the_code(tmp_path: Path) -> None:
    said: list[str] = []
    site.build(tmp_path, ["first_model"], said.append)
    assert (tmp_path / "banana.png").read_bytes().startswith(b"\x89PNG")
    assert said == ["running the code of first_model, for its figures"]
