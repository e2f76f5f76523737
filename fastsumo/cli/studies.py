"""The command ``fastsumo study``: run, status, show, extend and export. Options and messages; no computing."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fastsumo.cli.exit_codes import INTERRUPTED, OK
from fastsumo.cli.shared import output, width
from fastsumo.errors import CellsFailedError
from fastsumo.study.executors import named
from fastsumo.study.study import Study
from fastsumo.study.toml import study_path

if TYPE_CHECKING:
    from fastsumo.study.study import Study

_PIPE = 160  # columns where there is no terminal


def _study(options: argparse.Namespace, declare: bool = False) -> Study:
    """The study of a file; a TOML file adds its cells only where they are to be run."""
    if options.file.suffix != ".toml":
        return Study(options.file)

    return Study.from_toml(options.file, anew=options.anew) if declare else Study(study_path(options.file))


def run_command(options: argparse.Namespace) -> int:
    study = _study(options, declare=True)
    try:
        with named(options.executor, options.workers) as executor:
            study.run(
                executor,
                options.threads,
                False if options.quiet or options.json else None,
                workers=options.workers if executor is not None else None,
                chunk_seconds=options.chunk_seconds,
                anew=options.anew,
                devices=options.devices,
            )
    except KeyboardInterrupt:
        print("fastsumo: interrupted: all finished chunks are stored; run again to continue", file=sys.stderr)
        return INTERRUPTED
    except CellsFailedError:
        _print_status(options, study)
        raise
    _print_status(options, study)
    return OK


def status_command(options: argparse.Namespace) -> int:
    _print_status(options, _study(options))
    return OK


def _print_status(options: argparse.Namespace, study: Study) -> None:
    status = study.status()
    output(options, lambda: status.text(width(_PIPE)), status.to_dict)


def show_command(options: argparse.Namespace) -> int:
    try:
        result = _study(options)[options.cell]
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    output(options, lambda: str(result), result.to_dict)
    return OK


def extend_command(options: argparse.Namespace) -> int:
    _study(options).extend(options.trials)
    return OK


def export_command(options: argparse.Namespace) -> int:
    _study(options).export(options.csv or options.parquet)
    return OK
