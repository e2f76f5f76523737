"""A run by strata in words: what a plain trial does, and its tail decade by decade. No number is made here."""

from __future__ import annotations

import math
import textwrap

from fastsumo.base import html
from fastsumo.base.text import (
    NARROWEST,
    WIDTH,
    Column,
    Rows,
    duration,
    have_no_value,
    labelled,
    short,
    table,
    with_error,
)
from fastsumo.estimators.estimators import MLMC
from fastsumo.estimators.labels import label
from fastsumo.plot.protocols import ByStrata


def text(found: ByStrata, width: int = WIDTH) -> str:
    """What ``print`` shows."""
    width = max(width, NARROWEST)
    said = [textwrap.fill(line, width, subsequent_indent="  ") for line in notes(found)]
    parts = [
        title(found),
        labelled(rows(found), width),
        "",
        table(columns(found), width),
        *([""] if said else []),
        *said,
    ]
    return "\n".join(parts)


def page(found: ByStrata) -> str:
    """What a notebook shows."""
    said = Rows([("", each) for each in notes(found)])
    return html.blocks([Rows([("", title(found))]), rows(found), columns(found), said])


def title(found: ByStrata) -> str:
    """What was run."""
    return f"{found.provenance.model}: strata of {label(found.provenance.estimator)}"


def rows(found: ByStrata) -> Rows:
    """Mean and variance of a plain trial, and what they took."""
    strata = found.strata
    out = Rows()
    mean = f"{found.mean:g}" if math.isnan(found.std_error) else with_error(found.mean, found.std_error)
    known = "" if found.log_evidence is None else f"   (log Z = {found.log_evidence:.7g})"
    out.append(("mean", mean + known))
    out.append(("variance", "nan" if math.isnan(found.variance_error) else _variance(found)))
    drawn = _drawn(found)
    out.append(("strata", f"{len(strata)}, {drawn} from {strata['low'][0]} to {short(int(strata['high'][-1]))}"))
    missing = f"{found.missing:.2g} of the probability" if found.missing else f"nothing: each {drawn} is in a stratum"
    out.append(("missing", missing))
    took = f"{short(found.trials)} trials, {short(found.cost)} samples"
    out.append(("cost", f"{took} ({short(found.pilot_cost)} of a pilot), {duration(found.elapsed)}"))
    return out


def columns(found: ByStrata) -> list[Column]:
    """The tail at round distances from the centre."""
    tail = found.tail(found.distances())
    slopes = [found.tail_index(low, high) for low, high in zip(tail["x"][:-1], tail["x"][1:], strict=True)]
    local = [f"{slope.estimate:.3f} ± {slope.std_error:.1g}" if slope.estimate > 0.0 else "" for slope in slopes]
    return [
        Column("x", [f"{x:g}" for x in tail["x"]]),
        Column("P(|S - c| > x)", [f"{p:.4g}" for p in tail["probability"]]),
        Column("±", [f"{error:.1g}" for error in tail["std_error"]]),
        Column("above", [f"{p:.3g}" for p in tail["above"]], rank=3),
        Column("below", [f"{p:.3g}" for p in tail["below"]], rank=3),
        Column("missing", [f"{p:.1g}" for p in tail["missing"]], rank=2),
        Column("index from x on", [*local, ""], rank=1),
    ]


def notes(found: ByStrata) -> list[str]:
    """What the numbers do not say for themselves."""
    said = []
    if found.missing:
        said.append(
            f"each {_drawn(found)} beyond the strata is missing: a probability is at least that shown and at most that "
            "plus missing, up to its error; mean and variance are of the strata alone"
        )
    if found.zero_weight_trials:
        said.append(f"{have_no_value(found.zero_weight_trials)}, and so has the mean")
    if found.interrupted:
        said.append("interrupted: strata without trials are missing")
    return said


def _drawn(found: ByStrata) -> str:
    """What is in strata."""
    return "level" if isinstance(found.provenance.estimator, MLMC) else "K"


def _variance(found: ByStrata) -> str:
    return f"{with_error(found.variance, found.variance_error)}   (of one plain trial)"
