"""The commands ``run``, ``tail``, ``show``, ``merge`` and ``replay``: trials, and results that were saved."""

from __future__ import annotations

import argparse
import functools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from fastsumo.base.text import counted, labelled
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

USUAL = 10_000_000  # trials


def run_command(options: argparse.Namespace) -> int:
    estimator, model = shared.estimator(options), shared.model(options)
    figure = _figure_file(options)
    shared.check_figure(options.plot)
    shared.check_apart(options.save, figure)
    shared.check_kept(options, options.save)
    trials = USUAL if options.trials is None and options.until is None else options.trials

    result = simulate(
        model,
        estimator,
        trials,
        options.seed or 0,
        options.threads,
        False if options.quiet else None,
        first_trial=options.first_trial,
        until=options.until,
        device=options.device,
    )
    _keep_and_print(options, result)
    if result.interrupted:
        _say_how_to_go_on(options, result, trials)
    elif options.until is not None and result.std_error > options.until["std_error"]:
        shared.note(options, f"warning: --trials ended the run, at a standard error of {result.std_error:.2g}")
    _draw_even_so(options, result, figure)
    return INTERRUPTED if result.interrupted else OK


def merge_command(options: argparse.Namespace) -> int:
    for file in options.results:
        shared.refuse_other(file, shared.RESULT)
    shared.check_figure(options.plot)
    shared.check_apart(options.save, options.plot)
    shared.check_kept(options, options.save)
    parts = [load(file) for file in options.results]
    if len({type(part) for part in parts}) > 1:
        raise ValueError("cannot merge runs by strata of K with runs of plain trials")
    merged = functools.reduce(lambda whole, part: whole.merge(part), parts)
    _keep_and_print(options, merged)
    shared.draw(options, merged, options.plot)
    return OK


def show_command(options: argparse.Namespace) -> int:
    shared.refuse_other(options.result, shared.RESULT)
    shared.check_figure(options.plot)
    found = load(options.result)
    _print_found(options, found)
    shared.draw(options, found, options.plot)
    return OK


def tail_command(options: argparse.Namespace) -> int:
    estimator, model = shared.estimator(options), shared.model(options)
    shared.check_figure(options.plot)
    shared.check_apart(options.save, options.plot)
    shared.check_kept(options, options.save)

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
    _keep_and_print(options, found)
    shared.draw(options, found, options.plot)
    return INTERRUPTED if found.interrupted else OK


def replay_command(options: argparse.Namespace) -> int:
    model, estimator, seed = _replayed(options)
    trial = replay(model, estimator, options.trial, seed)
    numbers = vars(trial) | {"model": model.name, "estimator": label(estimator, "exact")}
    listed = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in numbers.items()}
    width = shared.width()
    head = labelled([("model", model.name), ("estimator", label(estimator))], width)
    shared.output(options, lambda: f"{head}\n{trial_summary(trial, estimator, width)}", lambda: listed)
    return OK


def _replayed(options: argparse.Namespace) -> tuple[Model, Estimator, int]:
    """What to replay: of a result its model, estimator and seed, unless they are given."""
    if not _is_result(options.source):
        if options.model is not None:
            raise ValueError(f"--model is for a result, and {options.source!r} names a model: give one of them")
        options.model = options.source
        return shared.model(options), shared.estimator(options), options.seed or 0

    shared.refuse_other(Path(options.source), shared.RESULT, shared.MODEL)
    if options.params is not None:
        raise ValueError("--params is for models; a result knows its own")
    result = load_result(options.source)
    model = _model_of(result, options)
    own = options.estimator is not None or options.roulette is not None
    estimator = shared.estimator(options) if own else result.provenance.estimator
    seeds = list(result.ranges)
    if options.seed is None and len(seeds) > 1:
        raise ValueError(f"the result has the seeds {', '.join(map(str, seeds))}: say which with --seed")
    seed = seeds[0] if options.seed is None else options.seed
    done = any(low <= options.trial < high for low, high in result.ranges.get(seed, ()))
    if not done and 0 <= options.trial < 2**63:
        shared.note(options, f"warning: trial {options.trial} of seed {seed} is none of those of {options.source}")
    return model, estimator, seed


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


def _draw_even_so(options: argparse.Namespace, result: Result, figure: Path | None) -> None:
    """Draw; a figure that nobody asked for, and that cannot be written, is no reason to fail."""
    try:
        shared.draw(options, result, figure)
    except OSError as error:
        if options.plot is not None:
            raise
        shared.note(options, f"no figure: {error}; --plot FILE writes one elsewhere, --no-plot none")


def _keep_and_print(options: argparse.Namespace, found: Result | Stratified) -> None:
    """Save first, as what is printed to may be gone; and print, be it that there is no room to save."""
    try:
        if options.save is not None:
            found.save(options.save)
            shared.note(options, f"result written to {options.save}")
    finally:
        _print_found(options, found)


def _say_how_to_go_on(options: argparse.Namespace, result: Result, trials: int | None) -> None:
    done = ("" if trials is None else f"{result.trials:,} of ") + counted(trials or result.trials, "trial") + " done"
    if trials is None:
        shared.note(options, f"interrupted: {done}")
        return
    low, high = options.first_trial, options.first_trial + trials
    gaps = rerun.missing(result, options.seed or 0, low, high)
    rest = " and ".join(f"--first-trial {first} --trials {last - first}" for first, last in gaps)
    file = f", then merge both results (fastsumo merge {shlex.quote(str(options.save))} ...)" if options.save else ""
    lost = "" if options.save else "; nothing is kept of them without --save"
    shared.note(options, f"interrupted: {done}{lost}; go on with {rest}{file}")


def _print_found(options: argparse.Namespace, found: Result | Stratified) -> None:
    if isinstance(found, Stratified):
        shared.output(options, lambda: found.text(shared.width(WIDEST)), found.to_dict)
    else:
        shared.output(options, lambda: summary(found, shared.width()), found.to_dict)
