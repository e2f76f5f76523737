"""The report of a run: one page of HTML that needs nothing from elsewhere, and its parts, which a study's page shares.

Every number comes from `Result`, `tails`, `theory` or `report`; nothing is estimated here.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastsumo import plot
from fastsumo.base import html
from fastsumo.base.files import written_whole
from fastsumo.base.html import escape
from fastsumo.base.text import Column, Rows, counted, have_no_value
from fastsumo.estimators.labels import label
from fastsumo.plot.protocols import Run, Trial
from fastsumo.report import summary, svg
from fastsumo.report.html import page, section
from fastsumo.tails._diagnose import paragraphs

if TYPE_CHECKING:
    from fastsumo.tails import Diagnosis

_LARGEST = 10  # trials with a picture
_FEW = 20  # finite trials, of which nothing is said about the tail
Replays = Callable[[Any], Trial | None]
_COSTS = "cost", "largest K", "largest level"  # labels that stand in a section of their own
_BAR = 9.0  # widths of a letter, of the longest bar
_REGIMES = {
    "finite variance": "Mean, standard error and normal interval can be trusted.",
    "index 2": "The variance is infinite, but only just, or cannot be told from that: trust the interval above, "
    "not the standard error.",
    "infinite variance": "The variance is infinite: trust the interval above, not the standard error.",
    "mean in doubt": "Whether there is a mean cannot be told from these trials.",
    "no mean": "There is no mean to estimate.",
    "undetermined": "These trials do not show a tail.",
}
FIGURES = {  # what is drawn: a heading, and what to look for
    "tail": ("Tail", "A straight line is a power law; its slope is the tail index. Theory is of first order."),
    "hill": ("Hill path", "Trust a level stretch; the interval narrows as more of the largest trials are used."),
    "running_mean": ("Running mean", "Jumps are single trials. The band misleads where the variance is infinite."),
    "running_variance": ("Running variance", "Level where the variance is finite, else growing in jumps."),
    "octaves": ("Variance by octave of K", "Where the variance comes from, and what it costs."),
    "histogram": ("Density", "Of all trials around the centre, on a logarithmic scale."),
}


def write_page(path: str | os.PathLike[str], text: str) -> None:
    """Write a page, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")


def result_page(result: Run, commands: Sequence[str], replays: Replays | str) -> str:
    """The page of a run.

    Parameters
    ----------
    result : Result
    commands : sequence of str
        That run it again.
    replays : callable or str
        Gives the trial of a row of the extremes, or None for one that is too long; or why there is none.

    Returns
    -------
    str
        HTML.

    """
    run = result.provenance
    title = f"{run.model} · {label(run.estimator)} · {counted(result.trials, 'trial')}"
    parts = {
        "estimate": ("Estimate", estimate(result)),
        "verdict": ("Verdict", verdict(result)),
        "again": ("Run it again", again(commands)),
        "figures": ("Figures", figures(result, "f")),
        "octaves": ("Octaves of K", octaves(result)),
        "extremes": (f"The {_LARGEST} largest trials", largest(result, replays)),
        "run": ("What was run", html.rows(Rows(row for row in summary.what(result) if row[0] not in _COSTS))),
        "cost": ("Cost and speed", html.rows(cost(result))),
        "versions": ("Versions", html.rows(versions(result))),
    }
    links = "".join(f'<a href="#{name}">{escape(words)}</a>' for name, (words, _) in parts.items())
    body = "".join(section(name, words, content) for name, (words, content) in parts.items())
    stopped = ' <span class="soft">(interrupted)</span>' if result.interrupted else ""
    return page(title, f"<header><h1>{escape(title)}{stopped}</h1><nav>{links}</nav></header>{body}")


def diagnosis(result: Run) -> Diagnosis | None:
    """The verdict over the tail, with what theory predicts of it; None where there is nothing to diagnose."""
    if result.statistics.finite < _FEW or result.statistics.overflowed:
        return None
    with warnings.catch_warnings(action="ignore"):
        try:
            return result.diagnose()
        except ValueError:  # of statistics that have overflowed
            return None


def estimate(result: Run, found: Diagnosis | None = None) -> str:
    """The mean with the interval that fits its tail, and the truth where it is known."""
    found = diagnosis(result) if found is None else found
    lines = []
    if result.zero_weight_trials:
        said = have_no_value(result.zero_weight_trials).replace("-inf", "−∞")
        lines.append('<p class="big">−∞</p>')
        share = f"{result.zero_weight_trials / result.trials:.2%}"
        lines.append(f"<p>{said} ({share}), and so has the mean. What follows is about the others.</p>")
    if found is not None and found.regime == "no mean":
        lines.append(f'<p class="big">no mean</p><p>The sample mean, {found.mean:.6g}, is of no use.</p>')
    elif found is not None and found.error > 0.0:
        shown = found.interval
        digits = max(0, min(12, 1 - math.floor(math.log10(min(found.error, abs(found.mean) + 1.0)))))
        mean, low, high = (f"{value:.{digits}f}" for value in (found.mean, shown.low, shown.high))
        lines.append(f'<p class="big">{mean}</p>')
        words = f"The mean; {100 * shown.level:g} % interval {low} to {high} ({shown.method})"
        lines.append(f"<p>{escape(words)}, in nats.</p>")
    elif result.statistics.finite:
        lines.append(f'<p class="big">{result.finite_mean:.10g}</p><p>These trials give no interval.</p>')
    lines += _truth(result, found)
    return f'<div class="card">{"".join(lines)}</div>'


def _truth(result: Run, found: Diagnosis | None) -> list[str]:
    truth = result.log_evidence
    if result.statistics.finite == 0:
        return []
    notes = [text for label, text in summary.truth(result, result.finite_mean, math.nan) if not label]
    if truth is None:
        return [f"<p>{escape(note)}</p>" for note in notes]
    words = f"Known log Z: {truth:.10g}, {abs(result.finite_mean - truth):.2g} away from the mean"
    if found is not None and found.interval.low <= found.interval.high:
        inside = found.interval.low <= truth <= found.interval.high
        words += f", {'inside' if inside else 'outside'} the interval"
    return [f"<p>{escape(note)}</p>" for note in (f"{words}.", *notes)]


def verdict(result: Run, found: Diagnosis | None = None) -> str:
    """What `diagnose` says."""
    found = diagnosis(result) if found is None else found
    if found is None:
        return '<div class="card"><p>There are too few finite trials to say anything of their tail.</p></div>'
    kind = "good" if found.regime == "finite variance" else "warn"
    *told, advice = paragraphs(found)
    points = "".join(f"<li>{escape(line)}</li>" for line in told)
    head = f"<h3>{escape(found.regime.capitalize())}</h3><p>{escape(_REGIMES[found.regime])}</p>"
    return f'<div class="card {kind}">{head}<ul>{points}</ul><p>{escape(advice)}</p></div>'


def again(commands: Sequence[str]) -> str:
    """How to run it again."""
    return f"<pre>{escape(chr(10).join(commands))}</pre>"


def figures(result: Run, prefix: str, names: tuple[str, ...] = tuple(FIGURES)) -> str:
    """Figures side by side, as many as there is room for."""
    shown = []
    for name in names:
        title, words = FIGURES[name]
        drawing = svg.figure(f"{prefix}-{name}", title, partial(getattr(plot, name), result))
        caption = f"<figcaption>{escape(words)}</figcaption>"
        shown.append(f'<figure class="card" id="{prefix}-{name}"><h3>{escape(title)}</h3>{drawing}{caption}</figure>')
    return f'<div class="figures">{"".join(shown)}</div>'


def octaves(result: Run) -> str:
    """The breakdown by octave of `K`, with a bar for the share of the variance."""
    columns = summary.octaves(result)[:-1]
    if not columns:
        return "<p>All trials are of one octave.</p>"
    share = np.nan_to_num(result.by_terms["share"])
    width = _BAR * share / max(float(share.max()), 1e-300)
    bars = Column("", [f'<span class="bar" style="width: {each:.2f}em"></span>' for each in width], left=True)
    return html.table([*columns, bars], ready=[""])


def largest(result: Run, replays: Replays | str) -> str:
    """The trials furthest from the centre, each with its path of IWAE where the model can be had."""
    columns = summary.extremes(result, _LARGEST)
    if not columns:
        return "<p>No trial has a finite value.</p>"
    if isinstance(replays, str):
        return html.table(columns) + f'<p class="soft">No paths: {escape(" ".join(replays.split()))}.</p>'
    paths = [_path(result, replays(row)) for row in result.extremes[:_LARGEST]]
    note = "Path: IWAE of the first samples of the trial, on a logarithmic axis of samples; dashed, the centre."
    path = Column("path of IWAE", paths, left=True)
    table = html.table([columns[0], path, *columns[1:]], ready=[path.head])
    return f'{table}<p class="soft">{note}</p>'


def _path(result: Run, trial: Trial | None) -> str:
    return '<span class="soft">too long to replay</span>' if trial is None else svg.path(trial, result.center)


def cost(result: Run) -> Rows:
    """What the run took."""
    rows = Rows(row for row in summary.what(result) if row[0] in _COSTS)
    if result.elapsed > 0.0:
        rows.append(("time", f"{result.elapsed:.3g} s on {counted(result.threads, 'thread')}"))
        per_sample = result.elapsed * result.threads / result.cost * 1e9
        speed = f"{result.trials / result.elapsed:.3g} trials/s, {per_sample:.3g} ns a sample and thread"
        rows.append(("speed", speed))
    variance = result.finite_variance
    if math.isfinite(variance):
        rows.append(("variance × cost", f"{variance * result.cost / result.trials:.4g}"))
    return rows


def versions(result: Run) -> Rows:
    """What it was run by, so that it can be told whether it is the same again."""
    run = result.provenance
    rows = Rows(
        [("fastsumo", run.version), ("Numba", run.numba), ("processor", run.cpu), ("model's source", run.source)]
    )
    if run.origin is not None and run.origin != run.model:
        rows.append(("model from", run.origin))
    return rows
