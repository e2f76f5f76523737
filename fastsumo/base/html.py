"""Labelled rows and tables as HTML, for a notebook or as parts of a page. Text is escaped here and nowhere else."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable

from fastsumo.base.text import Column, Rows

escape = html.escape

# In a notebook, whose own style is kept but for what numbers and labels need.
_NOTEBOOK = """
.fastsumo th, .fastsumo td { text-align: right; vertical-align: top; white-space: nowrap; padding: 0.1em 0.6em; }
.fastsumo .rows th, .fastsumo .rows td, .fastsumo .left { text-align: left; }
.fastsumo .rows td { white-space: normal; }
.fastsumo .scroll { overflow-x: auto; }
"""


def rows(labelled: Rows) -> str:
    """Labels and texts side by side; texts of one label go on in its cell.

    Examples
    --------
    >>> rows(Rows([("a", "1 < 2"), ("", "more")]))
    '<table class="rows"><tr><th>a</th><td>1 &lt; 2<br>more</td></tr></table>'
    """
    cells: list[tuple[str, list[str]]] = []
    for label, text in labelled:
        if label or not cells:
            cells.append((label, []))
        cells[-1][1].append(escape(text))
    lines = (f"<tr><th>{escape(label)}</th><td>{'<br>'.join(texts)}</td></tr>" for label, texts in cells)
    return f'<table class="rows">{"".join(lines)}</table>'


def table(columns: Iterable[Column], ready: Collection[str] = ()) -> str:
    """Columns as a table that scrolls where it does not fit; cells below a head in ``ready`` are HTML already.

    Examples
    --------
    >>> table([Column("K", ["1"], left=True), Column("trials", ["50"])]).count("<td")
    2
    """
    shown = list(columns)
    marks = [' class="left"' if column.left else "" for column in shown]
    head = "".join(f"<th{mark}>{escape(column.head)}</th>" for column, mark in zip(shown, marks, strict=True))
    cells = [column.cells if column.head in ready else map(escape, column.cells) for column in shown]
    body = "".join(
        "<tr>" + "".join(f"<td{mark}>{cell}</td>" for cell, mark in zip(line, marks, strict=True)) + "</tr>"
        for line in zip(*cells, strict=True)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def blocks(shown: Iterable[Rows | list[Column]]) -> str:
    """Labelled rows and tables one below the other, for a notebook, which brings its own style."""
    parts = (rows(each) if isinstance(each, Rows) else table(each) for each in shown if each)
    return f'<div class="fastsumo"><style>{_NOTEBOOK}</style>{"".join(parts)}</div>'
