"""The commands ``compare``, ``levels`` and ``theory``: estimators side by side, and what is known of them."""

from __future__ import annotations

import argparse

from fastsumo.cli import shared
from fastsumo.cli.arguments import DEFAULT_ESTIMATORS
from fastsumo.cli.exit_codes import INTERRUPTED, OK
from fastsumo.cli.shared import WIDEST
from fastsumo.estimators.parsing import parse_estimator, parse_roulette
from fastsumo.models.parsing import parse_model
from fastsumo.runs.compare import compare
from fastsumo.runs.levels import levels
from fastsumo.theory import predict


def compare_command(options: argparse.Namespace) -> int:
    named = [parse_estimator(text) for text in options.estimator]
    laws = [parse_estimator("sumo", parse_roulette(text)) for text in options.roulette]
    estimators = [*named, *laws] or [parse_estimator(text) for text in DEFAULT_ESTIMATORS]
    model = parse_model(options.model)
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
    model = parse_model(options.model)
    shared.check_figure(options.plot)

    run = options.max_terms, options.samples, options.seed or 0, options.threads
    found = levels(model, *run, device=options.device)
    shared.output(options, lambda: found.text(shared.width()), found.to_dict)
    shared.draw(options, found, options.plot)
    return OK


def theory_command(options: argparse.Namespace) -> int:
    estimator = shared.estimator(options)
    model = parse_model(options.model)

    found = predict(model, estimator)
    shared.output(options, lambda: found.text(shared.width()), found.to_dict)
    return OK
