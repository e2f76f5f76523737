"""What a stored run was made with: its model and estimator as values again, and the command that runs it again.

A run knows its model by a word (`origin`), by what this process has run, or not at all; its source hash says whether
what was found is the same. Nothing is run here.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from fastsumo.models import parsing
from fastsumo.models.model import source_hash
from fastsumo.models.parsing import compact, parse_spec
from fastsumo.models.serialization import _built_in

if TYPE_CHECKING:
    from fastsumo.estimators.estimators import Estimator
    from fastsumo.models.model import Model
    from fastsumo.runs.result import Provenance, Result

_RUN_HERE: WeakValueDictionary[str, Model] = WeakValueDictionary()  # by source hash
_BUILT_IN: dict[tuple[str, str], str | None] = {}  # words of built-in models, by source hash and name
_SHOWN = 4  # commands
_SHORT_TABLE = 8  # values that a command can spell out


def remember(model: Model, source: str) -> None:
    """Note that this process has run a model, so that its results know it as long as it lives."""
    _RUN_HERE[source] = model


def origin_of(model: Model, source: str | None = None) -> str | None:
    """A word by which `specs.model` makes a model anywhere; None for one that a script defines, or nobody holds.

    With its source hash, what was found for a built-in model is kept: looking takes a millisecond.

    Examples
    --------
    >>> import fastsumo as fs
    >>> origin_of(fs.models.gamma(1.5)), origin_of(fs.Model(lambda z, params: z[0], 1))
    ('gamma(1.5)', None)
    """
    if model.origin is not None:
        return model.origin
    module = sys.modules.get(getattr(model.function, "__module__", None) or "")
    if module is None or module.__name__ == "__main__":
        return None
    if module.__name__.startswith("fastsumo."):
        key = source or "", model.name
        if source is None or key not in _BUILT_IN:
            _BUILT_IN[key] = _built_in(model)
        return _BUILT_IN[key]
    file = getattr(module, "__file__", None)
    held = [name for name, value in vars(module).items() if getattr(value, "function", None) is model.function]
    return f"{Path(file).resolve()}:{held[0]}" if held and file and file.endswith(".py") else None


def estimator_of(run: Provenance) -> Estimator:
    """The estimator of a run, with the whole table of its law where that is one.

    Raises
    ------
    ValueError
        If the run does not hold its table, or its law is none that this process knows.

    Examples
    --------
    >>> import fastsumo as fs
    >>> law = fs.roulette.Table([1.0, 0.5, 0.4, 0.3, 0.2, 0.1])
    >>> estimator_of(fs.simulate(fs.models.note(), fs.SUMO(law), 10).provenance) == fs.SUMO(law)
    True
    """
    if run.law["table"] and run.table is None:
        raise ValueError("the result does not hold the whole table of its law: give it with --roulette table:1,...")
    return parsing.estimator_again(run.estimator, run.table)


def model_of(run: Provenance) -> Model:
    """The model of a run, with its parameters.

    Raises
    ------
    ValueError
        If it is not built in, not run by this process, and the run does not say where it is; or it cannot be loaded.

    Examples
    --------
    >>> import fastsumo as fs
    >>> model_of(fs.simulate(fs.models.lognormal(0.5), fs.ELBO(), 10).provenance)
    Model('lognormal(0.5)', dim=1, params=[0.5], log_evidence=0)
    """
    model = _RUN_HERE.get(run.source)
    if model is None:
        try:
            model = parsing.model(run.origin or run.model)
        except ValueError as error:
            where = f"{run.model!r} cannot be made again ({error})" if run.origin else f"{run.model!r} is not built in"
            raise ValueError(f"{where}: say where it is with --model FILE.py:NAME") from error
    return with_params_of(run, model)


def with_params_of(run: Provenance, model: Model) -> Model:
    """A model at the parameters of a run, where it has as many."""
    if model.params.size != len(run.params) or tuple(model.params.tolist()) == run.params:
        return model
    return model.with_params(run.params)


def is_same(run: Provenance, model: Model) -> bool:
    """Whether a model gives the trials of a run: the same source, proposal and parameters."""
    return source_hash(model) == run.source and tuple(model.params.tolist()) == run.params


def commands(result: Result) -> list[str]:
    """Command lines that run a result again, one for each range of trials; in Python where no command can.

    Examples
    --------
    >>> import fastsumo as fs
    >>> commands(fs.simulate(fs.models.note(), fs.IWAE(5), 1000, seed=3))
    ["fastsumo run note --estimator 'IWAE(k=5)' --trials 1000 --seed 3"]
    """
    run = result.provenance
    spans = [(seed, low, high) for seed, ranges in result.ranges.items() for low, high in ranges]
    rest = [f"# and {len(spans) - _SHOWN} more ranges of trials"] if len(spans) > _SHOWN else []
    long_table = run.table is not None and run.table.size > _SHORT_TABLE
    if run.origin is None or long_table or not _has_its_own_params(run):
        made = "model, estimator = fs.load(FILE).made_with()  # FILE: this result, saved"
        lines = [
            f"fs.simulate(model, estimator, {high - low}, seed={seed}" + (f", first_trial={low})" if low else ")")
            for seed, low, high in spans[:_SHOWN]
        ]
        return ["import fastsumo as fs", made, *lines, *rest]
    estimator = compact(run.estimator if run.table is None else repr_with_table(run))
    what = ["fastsumo", "run", run.origin, "--estimator", estimator]
    lines = []
    for seed, low, high in spans[:_SHOWN]:
        first = ["--first-trial", str(low)] if low else []
        lines.append(shlex.join([*what, "--trials", str(high - low), "--seed", str(seed), *first]))
    return lines + rest


def repr_with_table(run: Provenance) -> str:
    """The estimator's ``repr`` with all values of its table."""
    given = parse_spec(run.estimator)
    values = "" if run.table is None else ", ".join(map(repr, np.asarray(run.table).tolist()))
    named = given.named | {"roulette": f"Table([{values}])"}
    return f"{given.name}({', '.join(f'{name}={value}' for name, value in named.items())})"


def _has_its_own_params(run: Provenance) -> bool:
    """Whether the word for the model stands for its parameters too."""
    try:
        return tuple(parsing.model(run.origin or "").params.tolist()) == run.params
    except ValueError:
        return True  # it is not here; its word is all there is
