"""The commands ``guide`` and ``examples``: pages for a terminal, a site, scripts to start from."""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from fastsumo.base.files import written_whole
from fastsumo.base.text import labelled
from fastsumo.cli import shared
from fastsumo.cli.exit_codes import OK
from fastsumo.guide import pages, scripts, site

COLUMNS = 102  # code and output in the pages are no wider
_FIGURE = re.compile(r"^!\[([^\]]*)\]\((\w+\.\w+)\)$", re.MULTILINE)

_LINK = re.compile(r"\[[^\]]*\]\((\w+)\.md(?:#[^)]*)?\)")


def guide_command(options: argparse.Namespace) -> int:
    if options.html is None:
        print(_for_terminal(pages.read(options.page)), end="")
        return OK
    if options.page != pages.INDEX:
        raise ValueError("--html writes every page; leave out the name of one")
    site.build(options.html, pages.names(), lambda text: shared.note(options, text))
    shared.note(options, f"written; next: open {options.html / 'index.html'}")
    return OK


def _for_terminal(page: str) -> str:
    """Markdown laid out; what is no terminal gets it without colours."""
    console = Console(width=min(COLUMNS, shutil.get_terminal_size((COLUMNS, 24)).columns))
    text = _LINK.sub(r"`\1`", _FIGURE.sub(r"*Figure (the code above draws it, as \2): \1.*", page))
    with console.capture() as captured:
        console.print(Markdown(text, hyperlinks=False))
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())


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
