"""The commands ``run``, ``tail``, ``show`` and ``replay``: trials, and results that were saved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fastsumo.base.text import labelled
from fastsumo.cli import shared
from fastsumo.cli.arguments import DEFAULT_FIGURE
from fastsumo.cli.exit_codes import INTERRUPTED, OK
from fastsumo.cli.shared import WIDEST
from fastsumo.estimators.labels import label
from fastsumo.models.parsing import parse_model
from fastsumo.report.summary import summary, trial_summary
from fastsumo.runs import rerun
from fastsumo.runs.loading import load, load_result
from fastsumo.runs.replay import replay
from fastsumo.runs.simulate import simulate
from fastsumo.runs.stratified import Stratified
from fastsumo.runs.stratify import stratify

if TYPE_CHECKING:
    from fastsumo.estimators.estimators import Estimator
    from fastsumo.models.model import Model
    from fastsumo.runs.result import Result


def run_command(options: argparse.Namespace) -> int:
    estimator = shared.estimator(options)
    model = parse_model(options.model)
    figure = _figure_file(options)
    shared.check_figure(figure)
    shared.check_file(options.save)

    result = simulate(
        model,
        estimator,
        options.trials,
        options.seed or 0,
        options.threads,
        False if options.quiet else None,
        first_trial=options.first_trial,
        device=options.device,
    )
    if options.save is not None:
        result.save(options.save)
        shared.note(options, f"result written to {options.save}")
    _print_result(options, result)
    if result.interrupted:
        shared.note(options, f"interrupted: {result.trials:,} of {options.trials:,} trials done")
    shared.draw(options, result, figure)
    return INTERRUPTED if result.interrupted else OK


def show_command(options: argparse.Namespace) -> int:
    shared.check_figure(options.plot)
    found = load(options.result)
    if isinstance(found, Stratified):
        shared.output(options, lambda: found.text(shared.width(WIDEST)), found.to_dict)
    else:
        _print_result(options, found)
    shared.draw(options, found, options.plot)
    return OK


def tail_command(options: argparse.Namespace) -> int:
    estimator = shared.estimator(options)
    model = parse_model(options.model)
    shared.check_figure(options.plot)
    shared.check_file(options.save)

    found = stratify(
        model,
        estimator,
        options.cost,
        seed=options.seed or 0,
        largest_terms=options.largest_terms,
        allocation=options.allocation,
        threads=options.threads,
        device=options.device,
        progress=False if options.quiet else None,
    )
    if options.save is not None:
        found.save(options.save)
        shared.note(options, f"run by strata written to {options.save}")
    shared.output(options, lambda: found.text(shared.width(WIDEST)), found.to_dict)
    shared.draw(options, found, options.plot)
    return INTERRUPTED if found.interrupted else OK


def replay_command(options: argparse.Namespace) -> int:
    model, estimator, seed = _replayed(options)
    trial = replay(model, estimator, options.trial, seed)
    numbers = vars(trial) | {"model": model.name, "estimator": repr(estimator)}
    listed = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in numbers.items()}
    width = shared.width()
    head = labelled([("model", model.name), ("estimator", label(estimator))], width)
    shared.output(options, lambda: f"{head}\n{trial_summary(trial, estimator, width)}", lambda: listed)
    return OK


def _replayed(options: argparse.Namespace) -> tuple[Model, Estimator, int]:
    """What to replay: of a result its model, estimator and seed, unless they are given."""
    if not _is_result(options.source):
        return parse_model(options.model or options.source), shared.estimator(options), options.seed or 0

    result = load_result(options.source)
    model = _model_of(result, options)
    own = options.estimator is not None or options.roulette is not None
    estimator = shared.estimator(options) if own else result.provenance.estimator
    seeds = list(result.ranges)
    if options.seed is None and len(seeds) > 1:
        raise ValueError(f"the result has the seeds {', '.join(map(str, seeds))}: say which with --seed")
    return model, estimator, seeds[0] if options.seed is None else options.seed


def _is_result(source: str) -> bool:
    return source.endswith(".npz") or (Path(source).is_file() and not source.endswith(".py"))


def _model_of(result: Result, options: argparse.Namespace) -> Model:
    """The model of a result, or that named by --model; a note where it is not what was run."""
    run = result.provenance
    model = rerun.with_params_of(run, parse_model(options.model)) if options.model else rerun.model_of(run)
    if not rerun.is_same(run, model):
        shared.note(options, f"warning: model {model.name!r} is not the one that was run; its trials may differ")
    return model


def _figure_file(options: argparse.Namespace) -> Path | None:
    if options.no_plot:
        if options.plot is not None:
            raise ValueError("--plot and --no-plot exclude one another")
        return None
    if options.plot is None and not (options.json or options.quiet):
        return DEFAULT_FIGURE
    return options.plot


def _print_result(options: argparse.Namespace, result: Result) -> None:
    shared.output(options, lambda: summary(result, shared.width()), result.to_dict)
