"""What a run was made with: its model again, and the command that runs it again.

A result of this process holds its model; one that was stored finds it by a word (`Provenance.origin`), or not at all.
The source hash says whether what was found is the same. Nothing is run here.
"""

from __future__ import annotations

import shlex

from fastsumo.base.text import counted
from fastsumo.estimators.labels import label
from fastsumo.models.model import Model, source_hash
from fastsumo.models.parsing import parse_model
from fastsumo.plot.protocols import Origin, Run

_SHOWN = 4  # commands
_SHORT_TABLE = 8  # values that a command can spell out


def model_of(run: Origin) -> Model:
    """The model of a run by its word, with its parameters.

    Raises
    ------
    ValueError
        If it is not built in and the run does not say where it is, or it cannot be loaded.

    Examples
    --------
    >>> import fastsumo as fs
    >>> model_of(fs.simulate(fs.models.lognormal(0.5), fs.ELBO(), 10).provenance)
    Model('lognormal(0.5)', dim=1, params=[0.5], log_evidence=0)
    """
    try:
        model = parse_model(run.origin or run.model)
    except ValueError as error:
        where = f"{run.model!r} cannot be made again ({error})" if run.origin else f"{run.model!r} is not built in"
        raise ValueError(
            f"{where}: say where it is with --model FILE.py:NAME, or in Python give the model itself to fs.replay"
        ) from error
    return with_params_of(run, model)


def with_params_of(run: Origin, model: Model) -> Model:
    """A model at the parameters of a run, where it has as many."""
    if model.params.size != len(run.params) or tuple(model.params.tolist()) == run.params:
        return model
    return model.with_params(run.params)


def is_same(run: Origin, model: Model) -> bool:
    """Whether a model gives the trials of a run: the same source, proposal and parameters."""
    return source_hash(model) == run.source and tuple(model.params.tolist()) == run.params


def commands(result: Run) -> list[str]:
    """Command lines that run a result again, one for each range of trials; in Python where no command can.

    Examples
    --------
    >>> import fastsumo as fs
    >>> commands(fs.simulate(fs.models.note(), fs.IWAE(5), 1000, seed=3))
    ["fastsumo run note --estimator 'IWAE(k=5)' --trials 1000 --seed 3"]
    """
    run = result.provenance
    spans = [(seed, low, high) for seed, ranges in result.ranges.items() for low, high in ranges]
    rest = [f"# and {counted(len(spans) - _SHOWN, 'more range')} of trials"] if len(spans) > _SHOWN else []
    long_table = run.estimator.plan().law.table.size > _SHORT_TABLE
    if run.origin is None or long_table:
        made = "model, estimator = fs.load(FILE).made_with()  # FILE: this result, saved"
        if run.origin is None:
            made = (
                f"estimator = fs.load(FILE).provenance.estimator  # FILE: this result, saved; model: your {run.model}"
            )
        lines = [
            f"fs.simulate(model, estimator, {high - low}, seed={seed}" + (f", first_trial={low})" if low else ")")
            for seed, low, high in spans[:_SHOWN]
        ]
        return ["import fastsumo as fs", made, *lines, *rest]
    what = ["fastsumo", "run", run.origin, "--estimator", label(run.estimator, "exact")]
    what += [] if _has_its_own_params(run) else [f"--params={','.join(map(repr, run.params))}"]
    lines = []
    for seed, low, high in spans[:_SHOWN]:
        first = ["--first-trial", str(low)] if low else []
        lines.append(shlex.join([*what, "--trials", str(high - low), "--seed", str(seed), *first]))
    return lines + rest


def missing(result: Run, seed: int, first: int, last: int) -> list[tuple[int, int]]:
    """The trials of a seed from ``first`` to ``last - 1`` that a result does not have, as ranges.

    Examples
    --------
    >>> import fastsumo as fs
    >>> missing(fs.simulate(fs.models.note(), fs.ELBO(), 10, first_trial=5), 0, 0, 20)
    [(0, 5), (15, 20)]
    """
    gaps, at = [], first
    for low, high in result.ranges.get(seed, []):
        if low > at:
            gaps.append((at, min(low, last)))
        at = max(at, high)
    return [*gaps, (at, last)] if at < last else gaps


def _has_its_own_params(run: Origin) -> bool:
    """Whether the word for the model stands for its parameters too."""
    try:
        return tuple(parse_model(run.origin or "").params.tolist()) == run.params
    except ValueError:
        return True  # it is not here; its word is all there is
