"""The commands ``guide`` and ``examples``: pages for a terminal, a site, scripts to start from."""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, TableElement
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from fastsumo.base.files import written_whole
from fastsumo.base.text import labelled
from fastsumo.cli import shared
from fastsumo.cli.exit_codes import OK
from fastsumo.guide import pages, scripts, site

COLUMNS = 102  # code and output in the pages are no wider
_FIGURE = re.compile(r"^!\[([^\]]*)\]\((\w+\.\w+)\)$", re.MULTILINE)

_LINK = re.compile(r"\[([^\[\]]*)\]\((\w+)\.md(?:#[^)]*)?\)")
_ANCHOR = re.compile(r"\[([^\[\]]*)\]\(#[^)]*\)")
_GAP = 2  # between columns of a table, and at its ends


def guide_command(options: argparse.Namespace) -> int:
    if options.html is None:
        print(_for_terminal(pages.read(options.page)), end="")
        return OK
    if options.page != pages.INDEX:
        raise ValueError("--html writes every page; leave out the name of one")
    if options.html.is_file():
        raise ValueError(f"cannot write a site into {options.html}: it is a file, not a folder")
    site.build(options.html, pages.names(), lambda text: shared.note(options, text))
    shared.note(options, f"written; next: open {options.html / 'index.html'}")
    return OK


def _for_terminal(page: str) -> str:
    """Markdown laid out; what is no terminal gets it without colours."""
    console = Console(width=min(COLUMNS, shutil.get_terminal_size((COLUMNS, 24)).columns))
    text = _ANCHOR.sub(r"\1", page)
    text = _LINK.sub(_reference, _FIGURE.sub(r"*Figure (the code above draws it, as \2): \1.*", text))
    with console.capture() as captured:
        console.print(_Page(text, hyperlinks=False))
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())


def _reference(link: re.Match[str]) -> str:
    """A link to a page, in words."""
    text, name = link.groups()
    return f"`{name}`" if text == name else f"{text} (`{name}`)"


class _WholeTable(TableElement):
    """A table that cuts no word and no number; where columns have no room side by side, rows stand as lists."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        assert self.header is not None
        assert self.header.row is not None
        assert self.body is not None
        heads, *rows = ([cell.content for cell in row.cells] for row in (self.header.row, *self.body.rows))
        spans = [
            [Measurement.get(console, options, cell) for cell in column] for column in zip(heads, *rows, strict=True)
        ]
        widths = [max(1, *(span.minimum for span in column)) for column in spans]
        wanted = [max(span.maximum for span in column) for column in spans]
        room = options.max_width - sum(widths) - _GAP * (len(widths) + 1)
        if room < 0:
            for row in rows:
                yield Text()
                yield from (
                    Text.assemble(head, ": " * bool(head), cell) for head, cell in zip(heads, row, strict=True) if cell
                )
            return
        for _ in range(min(room, sum(wanted) - sum(widths))):
            widths[max(range(len(widths)), key=lambda i: wanted[i] / widths[i])] += 1
        table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
        for head, width in zip(heads, widths, strict=True):
            table.add_column(head, width=width)
        for row in rows:
            table.add_row(*row)
        yield table


class _Page(Markdown):
    elements = Markdown.elements | {"table_open": _WholeTable}


def examples_command(options: argparse.Namespace) -> int:
    if options.name is None:
        rows = [(name, scripts.summary(name)) for name in scripts.names()]
        rows += [("", ""), ("NAME", "fastsumo examples NAME writes NAME.py into this folder; run it with python")]
        print(labelled(rows, shared.width(COLUMNS)))
        return OK
    text, file = scripts.read(options.name), Path(f"{options.name}.py")
    if not options.force:
        shared.refuse_old(file, "; --force replaces it")
    with written_whole(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    shared.note(options, f"{file} written; next: python {file}")
    return OK
