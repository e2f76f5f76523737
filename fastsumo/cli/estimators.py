"""The commands ``compare``, ``levels`` and ``theory``: estimators side by side, and what is known of them."""

from __future__ import annotations

import argparse

from fastsumo.cli import _options
from fastsumo.cli._options import INTERRUPTED, OK, WIDEST, whole

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
    _options.add_model(parser)
    _options.add_estimator(parser, several=", ".join(DEFAULT_ESTIMATORS))
    samples = "importance samples that each may spend (default: 1e8)"
    parser.add_argument("--cost", type=whole, default=10**8, metavar="N", help=samples)
    _options.add_seed(parser)
    _options.add_threads(parser)
    _options.add_plot(parser)
    _options.add_output(parser)


def add_levels(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo levels``."""
    parser.set_defaults(command=_levels)
    _options.add_model(parser)
    largest = "largest k of the increments, and 2^level at most one more (default: 1023)"
    parser.add_argument("--max-terms", type=whole, default=1023, metavar="N", help=largest)
    sequences = "independent sequences of importance samples (default: 10k)"
    parser.add_argument("--samples", type=whole, default=10_000, metavar="N", help=sequences)
    _options.add_seed(parser)
    _options.add_threads(parser)
    _options.add_plot(parser)
    _options.add_output(parser)


def add_theory(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo theory``."""
    parser.set_defaults(command=_theory)
    _options.add_model(parser)
    _options.add_estimator(parser)
    _options.add_output(parser)


def _compare(options: argparse.Namespace) -> int:
    from fastsumo import specs

    named = [specs.estimator(text) for text in options.estimator]
    laws = [specs.estimator("sumo", specs.roulette(text)) for text in options.roulette]
    estimators = [*named, *laws] or [specs.estimator(text) for text in DEFAULT_ESTIMATORS]
    model = specs.model(options.model)
    _options.check_figure(options.plot)
    from fastsumo.compare import compare

    progress = False if options.quiet else None
    found = compare(model, estimators, options.cost, options.seed or 0, options.threads, progress)
    _options.output(options, lambda: found.text(_options.width(WIDEST)), found.to_dict)
    _options.draw(options, found, options.plot)
    stopped = any(row.result.interrupted for row in found)
    if stopped:
        _options.note(options, f"interrupted: {len(found)} of {len(estimators)} estimators, the last one in part")
    return INTERRUPTED if stopped else OK


def _levels(options: argparse.Namespace) -> int:
    from fastsumo import specs

    model = specs.model(options.model)
    _options.check_figure(options.plot)
    from fastsumo.levels import levels

    found = levels(model, options.max_terms, options.samples, options.seed or 0, options.threads)
    _options.output(options, lambda: found.text(_options.width()), found.to_dict)
    _options.draw(options, found, options.plot)
    return OK


def _theory(options: argparse.Namespace) -> int:
    from fastsumo import specs

    estimator = _options.estimator(options)
    model = specs.model(options.model)
    from fastsumo.theory import predict

    found = predict(model, estimator)
    _options.output(options, lambda: found.text(_options.width()), found.to_dict)
    return OK
