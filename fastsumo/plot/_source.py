"""What a panel can be drawn from: a run, a `Summary`, or an array of values."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, TypeAlias, cast

from numpy.typing import ArrayLike

from fastsumo.plot.protocols import Run, is_run
from fastsumo.tails import Summary
from fastsumo.tails._runs import is_constant
from fastsumo.tails._summary import as_summary
from fastsumo.theory import tail_law

if TYPE_CHECKING:
    from fastsumo.theory import PowerTail

Source: TypeAlias = "Run | Summary | ArrayLike"
_FEWEST = 10  # finite trials of a run that has a law to draw


def summary_of(source: Source, center: float) -> Summary | None:
    """The statistics that `fastsumo.tails` asks for; None of a run whose values are too few or all the same."""
    if is_run(source):
        return None if says_nothing(source) else source.summary()
    return as_summary(cast("Summary | ArrayLike", source), center, by_distance=True)


def says_nothing(result: Run) -> bool:
    """Whether the values are too few for a picture of their law, or all the same but for rounding."""
    return is_constant(result) or result.statistics.finite < _FEWEST


def law_of(result: Run) -> PowerTail | None:
    """The power law that first-order theory predicts for a run."""
    return tail_law(result.tail_source)


def center_name(source: Source) -> str:
    """What deviations are taken from, in words."""
    if not is_run(source):
        return "the center"
    return r"$\log Z$" if source.center == source.log_evidence else f"{source.center:.6g}"


def minus_center(source: Source) -> str:
    """What is done to values to have deviations."""
    name = center_name(source)
    return f"+ {name[1:]}" if name.startswith("-") else f"− {name}"


def has_constant(law: PowerTail | None) -> bool:
    """Whether theory knows the tail's constant too."""
    return law is not None and math.isfinite(law.constant)


def quietly() -> warnings.catch_warnings:  # type: ignore[type-arg]
    """Without warnings of tails, which a figure shows anyway."""
    return warnings.catch_warnings(action="ignore")
