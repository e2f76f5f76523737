"""The commands ``run``, ``show`` and ``replay``: trials, and results that were saved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fastsumo.base.text import labelled
from fastsumo.cli import completion, shared
from fastsumo.cli.exit_codes import INTERRUPTED, OK
from fastsumo.cli.shared import whole
from fastsumo.estimators.labels import label
from fastsumo.models.parsing import parse_model
from fastsumo.report.summary import summary, trial_summary
from fastsumo.runs import rerun
from fastsumo.runs.replay import replay
from fastsumo.runs.result import load
from fastsumo.runs.simulate import simulate

if TYPE_CHECKING:
    from fastsumo.estimators.estimators import Estimator
    from fastsumo.models.model import Model
    from fastsumo.runs.result import Result

DEFAULT_FIGURE = "fastsumo.png"


def add_run(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo run``."""
    parser.set_defaults(command=_run)
    shared.add_model(parser)
    shared.add_estimator(parser)
    parser.add_argument("--trials", type=whole, default=10_000_000, metavar="N", help="how many (default: 1e7)")
    shared.add_seed(parser)
    shared.add_threads(parser)
    parser.add_argument("--first-trial", type=whole, default=0, metavar="N", help="to continue an earlier run")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the result, for show and fs.load")
    shared.add_plot(parser, f" (default: {DEFAULT_FIGURE}; none with --json or --quiet)")
    parser.add_argument("--no-plot", action="store_true", help="write no figure")
    shared.add_output(parser)


def add_show(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo show``."""
    parser.set_defaults(command=_show)
    added = parser.add_argument("result", type=Path, metavar="RESULT", help="a file of run --save")
    completion.attach(added, completion.results)
    shared.add_plot(parser)
    shared.add_output(parser)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo replay``."""
    parser.set_defaults(command=_replay)
    added = parser.add_argument("source", metavar="RESULT_OR_MODEL", help="a file of run --save, or a model")
    completion.attach(added, completion.models_and_results)
    parser.add_argument("--trial", type=whole, required=True, metavar="N", help="its number")
    shared.add_estimator(parser)
    shared.add_seed(parser)
    added = parser.add_argument(
        "--model", metavar="MODEL", help="the model of the result, where it is not found by itself"
    )
    completion.attach(added, completion.models)
    shared.add_output(parser)


def _run(options: argparse.Namespace) -> int:
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
    )
    if options.save is not None:
        result.save(options.save)
        shared.note(options, f"result written to {options.save}")
    _print_result(options, result)
    if result.interrupted:
        shared.note(options, f"interrupted: {result.trials:,} of {options.trials:,} trials done")
    shared.draw(options, result, figure)
    return INTERRUPTED if result.interrupted else OK


def _show(options: argparse.Namespace) -> int:
    shared.check_figure(options.plot)
    result = load(options.result)
    _print_result(options, result)
    shared.draw(options, result, options.plot)
    return OK


def _replay(options: argparse.Namespace) -> int:
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

    result = load(options.source)
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
        return Path(DEFAULT_FIGURE)
    return options.plot


def _print_result(options: argparse.Namespace, result: Result) -> None:
    shared.output(options, lambda: summary(result, shared.width()), result.to_dict)
