"""The commands ``compare``, ``levels`` and ``theory``: estimators side by side, and what is known of them."""

from __future__ import annotations

import argparse

from fastsumo.cli import shared
from fastsumo.cli.exit_codes import INTERRUPTED, OK
from fastsumo.cli.shared import WIDEST, whole
from fastsumo.estimators.parsing import parse_estimator, parse_roulette
from fastsumo.models.parsing import parse_model
from fastsumo.runs.compare import compare
from fastsumo.runs.levels import levels
from fastsumo.theory import predict

DEFAULT_ESTIMATORS = (
    "iwae:k=100",
    "jvi:k=100",
    "sumo:harmonic",
    "sumo:harmonic:cap=1000",
    "sumo:harmonic-geometric",
    "mlmc",
)


def add_compare(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo compare``."""
    parser.set_defaults(command=_compare)
    shared.add_model(parser)
    shared.add_estimator(parser, several=", ".join(DEFAULT_ESTIMATORS))
    samples = "importance samples that each may spend (default: 1e8)"
    parser.add_argument("--cost", type=whole, default=10**8, metavar="N", help=samples)
    shared.add_seed(parser)
    shared.add_threads(parser)
    shared.add_plot(parser)
    shared.add_output(parser)


def add_levels(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo levels``."""
    parser.set_defaults(command=_levels)
    shared.add_model(parser)
    largest = "largest k of the increments, and 2^level at most one more (default: 1023)"
    parser.add_argument("--max-terms", type=whole, default=1023, metavar="N", help=largest)
    sequences = "independent sequences of importance samples (default: 10k)"
    parser.add_argument("--samples", type=whole, default=10_000, metavar="N", help=sequences)
    shared.add_seed(parser)
    shared.add_threads(parser)
    shared.add_plot(parser)
    shared.add_output(parser)


def add_theory(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo theory``."""
    parser.set_defaults(command=_theory)
    shared.add_model(parser)
    shared.add_estimator(parser)
    shared.add_output(parser)


def _compare(options: argparse.Namespace) -> int:
    named = [parse_estimator(text) for text in options.estimator]
    laws = [parse_estimator("sumo", parse_roulette(text)) for text in options.roulette]
    estimators = [*named, *laws] or [parse_estimator(text) for text in DEFAULT_ESTIMATORS]
    model = parse_model(options.model)
    shared.check_figure(options.plot)

    progress = False if options.quiet else None
    found = compare(model, estimators, options.cost, options.seed or 0, options.threads, progress)
    shared.output(options, lambda: found.text(shared.width(WIDEST)), found.to_dict)
    shared.draw(options, found, options.plot)
    stopped = any(row.result.interrupted for row in found)
    if stopped:
        shared.note(options, f"interrupted: {len(found)} of {len(estimators)} estimators, the last one in part")
    return INTERRUPTED if stopped else OK


def _levels(options: argparse.Namespace) -> int:
    model = parse_model(options.model)
    shared.check_figure(options.plot)

    found = levels(model, options.max_terms, options.samples, options.seed or 0, options.threads)
    shared.output(options, lambda: found.text(shared.width()), found.to_dict)
    shared.draw(options, found, options.plot)
    return OK


def _theory(options: argparse.Namespace) -> int:
    estimator = shared.estimator(options)
    model = parse_model(options.model)

    found = predict(model, estimator)
    shared.output(options, lambda: found.text(shared.width()), found.to_dict)
    return OK
