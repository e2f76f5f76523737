"""The report of a study: its cells side by side, variance against cost, and a section for each cell."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fastsumo import plot
from fastsumo.base import html
from fastsumo.base.html import escape
from fastsumo.base.text import Column, count, counted, short, with_error
from fastsumo.estimators.labels import label
from fastsumo.plot.protocols import Run
from fastsumo.report import result_page as parts
from fastsumo.report import svg
from fastsumo.report.html import page, section
from fastsumo.theory import tail_law

Commands = Callable[[Run], Sequence[str]]

_DRAWN = 40  # cells with figures of their own
_FIGURES = ("tail", "running_mean", "octaves")


def study_page(path: Path, rows: list[dict[str, Any]], results: Mapping[int, Run], commands: Commands) -> str:
    """The page of a study.

    Parameters
    ----------
    path : Path
        Of the study's file.
    rows : list of dict
        As `Study.rows` gives them, but for their estimators, which are values here.
    results : dict of int to Result
        Of the cells that have trials.
    commands : callable
        The commands that run a result again.

    Returns
    -------
    str
        HTML.
    """
    title = f"{path.name} · {len(rows)} cell{'s' * (len(rows) != 1)}"
    cells = "".join(_cell(row, results.get(row["cell"]), commands, len(results) <= _DRAWN) for row in rows)
    found = {
        "again": ("Run it again", f"<pre>{escape(shlex.join(['fastsumo', 'study', 'run', str(path)]))}</pre>"),
        "comparison": ("Comparison", _comparison(rows, results)),
        "cost": ("Variance against cost", _cost(list(results.values()))),
        "cells": ("Cells", cells or "<p>The study has no cells.</p>"),
    }
    links = "".join(f'<a href="#{name}">{escape(words)}</a>' for name, (words, _) in found.items())
    body = "".join(section(name, words, content) for name, (words, content) in found.items())
    return page(title, f"<header><h1>{escape(title)}</h1><nav>{links}</nav></header>{body}")


def comparison_columns(rows: list[dict[str, Any]], results: Mapping[int, Run]) -> list[Column]:
    """The cells side by side; a dash where a cell has no trials yet, or too few."""

    def column(head: str, cell: Any, rank: int = 0) -> Column:
        texts = [cell(row, results[row["cell"]]) if row["cell"] in results else "nan" for row in rows]
        return Column(head, ["–" if text == "nan" else text for text in texts], rank)

    def theory(row: dict[str, Any], result: Run) -> str:
        law = tail_law(result.tail_source)
        return "–" if law is None else f"{law.index:.3g}"

    def bias(row: dict[str, Any], result: Run) -> str:
        return "–" if math.isnan(row["log_evidence"]) else f"{row['mean'] - row['log_evidence']:+.2g}"

    return [
        Column("model", [_model(row) for row in rows], left=True),
        Column("estimator", [_estimator(row) for row in rows], left=True),
        Column("seed", [str(row["seed"]) for row in rows], 3),
        Column("trials", [short(row["trials"]) for row in rows], 2),
        column("mean", lambda row, result: with_error(row["mean"], row["std_error"])),
        column("bias", bias, 1),
        column("variance", lambda row, result: f"{row['variance']:.4g}"),
        column("cost", lambda row, result: f"{row['cost'] / row['trials']:.4g}", 1),
        column("var × cost", lambda row, result: f"{row['variance'] * row['cost'] / row['trials']:.4g}"),
        column("tail index", lambda row, result: f"{row['tail_index']:.3g}", 2),
        column("in theory", theory, 3),
        Column("state", [row["state"] for row in rows], 4, left=True),
    ]


def _comparison(rows: list[dict[str, Any]], results: Mapping[int, Run]) -> str:
    if not rows:
        return "<p>The study has no cells.</p>"
    links = [f'<a href="#cell-{row["cell"]}">{row["cell"]}</a>' for row in rows]
    note = "Cost is importance samples a trial, the mean with its standard error, which misleads where the tail index "
    note += "is at most 2: see the interval of the cell."
    table = html.table([Column("cell", links), *comparison_columns(rows, results)], ready=["cell"])
    return f'{table}<p class="soft">{note}</p>'


def _cost(results: list[Run]) -> str:
    drawing = svg.figure(
        "variance-cost", "Variance against cost of each cell", partial(plot.cost, results), size=(4.6, 4.4)
    )
    words = "Dotted lines join equal products of variance and cost: lower left is better. "
    words += "Hollow marks: the variance is infinite, by theory or as far as the tail shows."
    return f'<figure class="card">{drawing}<figcaption>{words}</figcaption></figure>'


def _cell(row: dict[str, Any], result: Run | None, commands: Commands, drawn: bool) -> str:
    number = row["cell"]
    title = f"Cell {number}: {_model(row)} · {_estimator(row)} · seed {row['seed']}"
    done = f"{count(row['trials'])} of {counted(row['target'], 'trial')}, {row['state']}"
    words = f'<p class="soft">{escape(done + (": " + row["message"] if row["message"] else ""))}</p>'
    if result is None:
        return section(f"cell-{number}", title, words, 3)
    found = parts.diagnosis(result)
    shown = [words, parts.estimate(result, found), parts.verdict(result, found)]
    if drawn:
        shown.append(parts.figures(result, f"c{number}", _FIGURES))
    shown += [html.rows(parts.cost(result)), parts.again(commands(result))]
    return section(f"cell-{number}", title, "".join(shown), 3)


def _estimator(row: dict[str, Any]) -> str:
    return label(row["estimator"])


def _model(row: dict[str, Any]) -> str:
    name, params = row["model"], row["params"]
    return name if not params or "(" in name else f"{name} [{', '.join(f'{p:g}' for p in params)}]"
