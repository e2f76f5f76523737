"""The guide cannot rot: the code of every page runs, and prints, to the letter, what the page shows.

``python tests/guide/test_pages.py [PAGE ...]`` writes into pages what their code prints now.
"""

from __future__ import annotations

import itertools
import re
import sys
import tempfile
from pathlib import Path

import pytest

from bench import coverage, published, report, tails, training, vae
from fastsumo.cli.guide import COLUMNS
from fastsumo.guide import pages

ROOT = Path(__file__).parents[2]
FOLDER = Path(pages.__file__).parent
EVERY = [pages.INDEX, *pages.names()]
FILES = [*(FOLDER / f"{name}.md" for name in EVERY), ROOT / "README.md"]
TABLES = {
    "far_tail": [tails.MARKERS],
    "log_weights": [training.MARKERS],
    "published": [published.MARKERS],
    "speed": [(report.BEGIN, report.END)],
    "tails": [coverage.MARKERS, coverage.ONE_SIDED_MARKERS],
    "torch_and_jax": [vae.MARKERS],
}
LINK = re.compile(r"\]\(([^)#]*)(#[^)]*)?\)")


def anchors(text: str) -> set[str]:
    """What a link may name in a page."""
    heads = re.findall(r"^##+ (.*)$", text, re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_index_names_every_page_once() -> None:
    assert sorted(EVERY) == sorted(file.stem for file in FOLDER.glob("*.md"))
    assert len(set(EVERY)) == len(EVERY)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_links_lead_somewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    drawn = set(re.findall(r"""[\w.]+\.(?:png|svg|pdf)(?=["'\n ])""", "".join(b.text for b in pages.blocks(text))))
    for target, anchor in LINK.findall(text):
        if target.startswith("https://") or target in drawn:
            continue
        there = file.parent / target if target else file
        assert there.is_file(), target
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), target + anchor


@pytest.mark.parametrize("name", EVERY)
def test_a_page_is_laid_out_for_all_who_show_it(name: str) -> None:
    text = pages.read(name)
    assert re.match(r"# \w[^\n]+\n\n[\w`]", text)
    assert text.count("\n```") == 2 * len(list(pages.blocks(text)))
    for kind, code, line, _ in pages.blocks(text):
        assert kind in ("python", "sh", "text", "toml", "math"), line
        assert kind == "math" or max(map(len, code.splitlines())) <= COLUMNS - 2, line
        if kind == "python":
            compile(code, name, "exec")


def test_what_code_prints_is_found_and_its_faults_told(tmp_path: Path) -> None:
    page = "# A\n\n```python\n# b.py\nc = 3\n```\n\n```python\nfrom b import c\nprint(c)\n```\n\n```text\n3\n```\n"
    assert pages.run(page, tmp_path) == {8: "3\n"}
    assert [block.shown for block in pages.blocks(page)] == [None, "3\n", None]
    with pytest.raises(RuntimeError, match=r"page.py.*line 9(.|\n)*UserWarning: c"):
        pages.run(
            page.replace("print(c)", "").replace("import c", "import c; __import__('warnings').warn('c')"), tmp_path
        )


@pytest.mark.slow
def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="unknown model 'nobody'(.|\n)*AssertionError"):
        pages.run("# A\n\n```sh\nfastsumo run nobody\n```\n", tmp_path)


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_their_places(name: str) -> None:
    text = pages.read(name)
    for begin, end in TABLES[name]:
        assert text.count(begin) == text.count(end) == 1
        assert "| ---: |" in text.partition(begin)[2].partition(end)[0]


def test_the_page_about_the_output_explains_what_a_report_has() -> None:
    text = pages.read("output")
    shown = next(block.shown for block in pages.blocks(text) if block.shown)
    for word in ("95 % interval", "tail index", "variance", "largest trial", "furthest trials", "terms K"):
        assert f"**{word}**" in text
        assert f"\n{word}" in shown


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES[1:], ids=lambda file: file.stem)
def test_code_prints_what_the_page_shows(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    printed = pages.run(text, tmp_path)
    for block in pages.blocks(text):
        if block.shown is not None:
            assert pages.agrees(printed[block.line], block.shown), (block.line, printed[block.line])
    for figure in re.findall(r"^!\[[^\]]*\]\((\w+\.\w+)\)$", text, re.MULTILINE):
        assert (tmp_path / figure).stat().st_size > 5_000


def rewrite(file: Path) -> None:
    """Put what the code of a page prints into it."""
    text = file.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        printed = pages.run(text, Path(folder))
    lines = text.splitlines(keepends=True)
    found = list(pages.blocks(text))
    for block, below in reversed(list(itertools.pairwise(found))):
        if block.shown is not None:
            now, known = printed[block.line].splitlines(keepends=True), below.text.splitlines(keepends=True)
            new = [*now[: len(known) - 1], "…\n"] if known[-1] == "…\n" else now
            lines[below.line : below.line + len(known)] = new
    file.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    for each in FILES[1:]:
        if len(sys.argv) == 1 or each.stem in sys.argv:
            rewrite(each)
