"""The commands ``compare``, ``levels``, ``theory``, ``evaluate`` and ``tune``: estimators and models, measured."""

from __future__ import annotations

import argparse

from fastsumo.base.text import counted
from fastsumo.cli import shared
from fastsumo.cli.arguments import DEFAULT_ESTIMATORS
from fastsumo.cli.exit_codes import INTERRUPTED, OK
from fastsumo.cli.shared import WIDEST
from fastsumo.estimators.parsing import parse_estimator, parse_roulette
from fastsumo.models.proposals import Proposal
from fastsumo.runs.compare import compare
from fastsumo.runs.evaluate import evaluate
from fastsumo.runs.levels import levels
from fastsumo.runs.tune import tune
from fastsumo.theory import predict


def compare_command(options: argparse.Namespace) -> int:
    named = [parse_estimator(text) for text in options.estimator]
    laws = [parse_estimator("sumo", parse_roulette(text)) for text in options.roulette]
    estimators = [*named, *laws] or [parse_estimator(text) for text in DEFAULT_ESTIMATORS]
    model = shared.model(options)
    shared.check_figure(options.plot)

    progress = False if options.quiet else None
    run = options.cost, options.seed or 0, options.threads, progress
    found = compare(model, estimators, *run, device=options.device)
    shared.output(options, lambda: found.text(shared.width(WIDEST)), found.to_dict)
    shared.draw(options, found, options.plot)
    stopped = any(row.result.interrupted for row in found)
    if stopped:
        shared.note(options, f"interrupted: {len(found)} of {len(estimators)} estimators, the last one in part")
    return INTERRUPTED if stopped else OK


def levels_command(options: argparse.Namespace) -> int:
    model = shared.model(options)
    shared.check_figure(options.plot)

    run = options.max_terms, options.samples, options.seed or 0, options.threads
    found = levels(model, *run, device=options.device)
    shared.output(options, lambda: found.text(shared.width()), found.to_dict)
    shared.draw(options, found, options.plot)
    return OK


def theory_command(options: argparse.Namespace) -> int:
    estimator = shared.estimator(options)
    model = shared.model(options)

    found = predict(model, estimator)
    shared.output(options, lambda: found.text(shared.width()), found.to_dict)
    return OK


def evaluate_command(options: argparse.Namespace) -> int:
    estimator, model = shared.estimator(options), shared.model(options)

    progress = False if options.quiet else None
    found = evaluate(model, estimator, options.trials, options.seed or 0, options.threads, progress)
    shared.output(options, lambda: found.text(shared.width()), found.to_dict)
    if found.interrupted:
        done = int((found.trials > 0).sum())
        shared.note(options, f"interrupted: {done:,} of {counted(found.rows, 'row')} done")
    return INTERRUPTED if found.interrupted else OK


def tune_command(options: argparse.Namespace) -> int:
    model = shared.model(options)

    found = tune(
        model,
        options.objective,
        covariance=options.covariance,
        cap=options.cap,
        samples=options.samples,
        seed=options.seed or 0,
    )
    shared.output(options, lambda: f"{found}\n\n{_as_code(found.proposal)}", found.to_dict)
    return OK


def _as_code(proposal: Proposal | None) -> str:
    """A proposal as one writes it in Python, to be copied."""
    if proposal is None:
        return ""
    numbers = [f"    {name}={value.tolist()}," for name, value in proposal.parameters.items()]
    return "\n".join([f"fs.proposals.{type(proposal).__name__}(", *numbers, ")"])
