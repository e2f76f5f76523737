"""What a page about a run needs beside the run: the commands that run it again, and its largest trials replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastsumo.models.model import Model
from fastsumo.runs import rerun
from fastsumo.runs.replay import Trial, replay

_LONGEST = 2**28  # samples of a trial that is replayed for its path
_KEPT = 2**18  # of its samples


def replays(result: Any, model: Model | None) -> Callable[[Any], Trial | None] | str:
    """A function that replays a row of the extremes, None for a trial that is too long; or why there is none."""
    try:
        made, estimator = result.made_with() if model is None else _given(result, model)
    except ValueError as error:
        return str(error)

    def of(row: Any) -> Trial | None:
        trial, seed, terms = (int(row[name]) for name in ("trial", "seed", "terms"))
        if estimator.plan().samples(terms) > _LONGEST:
            return None
        return replay(made, estimator, trial, seed, max_samples=_KEPT)

    return of


def _given(result: Any, model: Model) -> Any:
    given = rerun.with_params_of(result.provenance, model)
    if not rerun.is_same(result.provenance, given):
        raise ValueError(f"the model given, {given.name!r}, is not the one that was run")
    return given, result.provenance.estimator
