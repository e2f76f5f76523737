"""The commands ``run``, ``show`` and ``replay``: trials, and results that were saved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fastsumo.cli import _completion, _options
from fastsumo.cli._options import INTERRUPTED, OK, whole

if TYPE_CHECKING:
    from fastsumo.estimators import Estimator
    from fastsumo.model import Model
    from fastsumo.result import Result

DEFAULT_FIGURE = "fastsumo.png"


def add_run(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo run``."""
    parser.set_defaults(command=_run)
    _options.add_model(parser)
    _options.add_estimator(parser)
    parser.add_argument("--trials", type=whole, default=10_000_000, metavar="N", help="how many (default: 1e7)")
    _options.add_seed(parser)
    _options.add_threads(parser)
    parser.add_argument("--first-trial", type=whole, default=0, metavar="N", help="to continue an earlier run")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the result, for show and fs.load")
    _options.add_plot(parser, f" (default: {DEFAULT_FIGURE}; none with --json or --quiet)")
    parser.add_argument("--no-plot", action="store_true", help="write no figure")
    _options.add_output(parser)


def add_show(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo show``."""
    parser.set_defaults(command=_show)
    added = parser.add_argument("result", type=Path, metavar="RESULT", help="a file of run --save")
    _completion.attach(added, _completion.results)
    _options.add_plot(parser)
    _options.add_output(parser)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo replay``."""
    parser.set_defaults(command=_replay)
    added = parser.add_argument("source", metavar="RESULT_OR_MODEL", help="a file of run --save, or a model")
    _completion.attach(added, _completion.models_and_results)
    parser.add_argument("--trial", type=whole, required=True, metavar="N", help="its number")
    _options.add_estimator(parser)
    _options.add_seed(parser)
    added = parser.add_argument(
        "--model", metavar="MODEL", help="the model of the result, where it is not found by itself"
    )
    _completion.attach(added, _completion.models)
    _options.add_output(parser)


def _run(options: argparse.Namespace) -> int:
    from fastsumo import specs

    estimator = _options.estimator(options)
    model = specs.model(options.model)
    figure = _figure_file(options)
    _options.check_figure(figure)
    _options.check_file(options.save)
    from fastsumo.simulate import simulate

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
        _options.note(options, f"result written to {options.save}")
    _print_result(options, result)
    if result.interrupted:
        _options.note(options, f"interrupted: {result.trials:,} of {options.trials:,} trials done")
    _options.draw(options, result, figure)
    return INTERRUPTED if result.interrupted else OK


def _show(options: argparse.Namespace) -> int:
    from fastsumo.result import load

    _options.check_figure(options.plot)
    result = load(options.result)
    _print_result(options, result)
    _options.draw(options, result, options.plot)
    return OK


def _replay(options: argparse.Namespace) -> int:
    from fastsumo._text import labelled
    from fastsumo.report import trial_summary
    from fastsumo.simulate import replay
    from fastsumo.specs import compact

    model, estimator, seed = _replayed(options)
    trial = replay(model, estimator, options.trial, seed)
    numbers = vars(trial) | {"model": model.name, "estimator": repr(estimator)}
    listed = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in numbers.items()}
    width = _options.width()
    head = labelled([("model", model.name), ("estimator", compact(repr(estimator)))], width)
    _options.output(options, lambda: f"{head}\n{trial_summary(trial, estimator, width)}", lambda: listed)
    return OK


def _replayed(options: argparse.Namespace) -> tuple[Model, Estimator, int]:
    """What to replay: of a result its model, estimator and seed, unless they are given."""
    from fastsumo import rerun, specs

    if not _is_result(options.source):
        return specs.model(options.model or options.source), _options.estimator(options), options.seed or 0
    from fastsumo.result import load

    result = load(options.source)
    model = _model_of(result, options)
    own = options.estimator is not None or options.roulette is not None
    estimator = _options.estimator(options) if own else rerun.estimator_of(result.provenance)
    seeds = list(result.ranges)
    if options.seed is None and len(seeds) > 1:
        raise ValueError(f"the result has the seeds {', '.join(map(str, seeds))}: say which with --seed")
    return model, estimator, seeds[0] if options.seed is None else options.seed


def _is_result(source: str) -> bool:
    return source.endswith(".npz") or (Path(source).is_file() and not source.endswith(".py"))


def _model_of(result: Result, options: argparse.Namespace) -> Model:
    """The model of a result, or that named by --model; a note where it is not what was run."""
    from fastsumo import rerun, specs

    run = result.provenance
    model = rerun.with_params_of(run, specs.model(options.model)) if options.model else rerun.model_of(run)
    if not rerun.is_same(run, model):
        _options.note(options, f"warning: model {model.name!r} is not the one that was run; its trials may differ")
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
    from fastsumo.report import summary

    _options.output(options, lambda: summary(result, _options.width()), result.to_dict)
