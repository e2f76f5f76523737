"""The command ``fastsumo study``: run, status, show, extend and export. Options and messages; no computing."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from fastsumo.base.text import short
from fastsumo.cli import shared
from fastsumo.cli.exit_codes import INTERRUPTED, OK
from fastsumo.errors import CellsFailedError
from fastsumo.report.summary import summary
from fastsumo.study.executors import named
from fastsumo.study.study import Study
from fastsumo.study.toml import study_path

_PIPE = 160  # columns where there is no terminal


def study_of(file: Path) -> Study:
    """The study of a file, or that which a TOML file declares."""
    shared.refuse_other(file, shared.STUDY, shared.DECLARATION)
    if file.suffix != ".toml":
        return Study(file)

    path = study_path(file)
    if not path.exists():
        begin = f"fastsumo study run {shlex.quote(str(file))}"
        raise ValueError(f"no such study: {path}, which {file} declares: {begin} begins it")
    return Study(path)


def run_command(options: argparse.Namespace) -> int:
    declares = options.file.suffix == ".toml"
    study = Study.from_toml(options.file, anew=options.anew) if declares else study_of(options.file)
    if declares:
        _say_what_else_is_run(options, study)
    try:
        with named(options.executor, options.workers) as executor:
            study.run(
                executor,
                options.threads,
                False if options.quiet or options.json else None,
                workers=options.workers,
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


def _say_what_else_is_run(options: argparse.Namespace, study: Study) -> None:
    """A note where the study asks for more than its declaration, as after `extend`, or another declaration."""
    more = [
        cell for cell in study.status().cells if cell.target > study.asked.get(cell.cell, 0) and cell.state != "done"
    ]
    if more:
        others = f" and {len(more) - 1} more" if len(more) > 1 else ""
        shared.note(
            options,
            f"{study.path.name} asks for more than {options.file}, and that is run: {short(more[0].target)} trials of "
            f"cell {more[0].cell}{others}",
        )


def status_command(options: argparse.Namespace) -> int:
    _print_status(options, study_of(options.file))
    return OK


def _print_status(options: argparse.Namespace, study: Study) -> None:
    status = study.status()
    shared.output(options, lambda: status.text(shared.width(_PIPE)), status.to_dict)


def show_command(options: argparse.Namespace) -> int:
    shared.check_figure(options.plot)
    try:
        result = study_of(options.file)[options.cell]
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    shared.output(options, lambda: summary(result, shared.width()), result.to_dict)
    shared.draw(options, result, options.plot)
    return OK


def extend_command(options: argparse.Namespace) -> int:
    study_of(options.file).extend(options.trials)
    return OK


def export_command(options: argparse.Namespace) -> int:
    target = options.csv or options.parquet
    study_of(options.file).export(target)
    shared.note(options, f"table written to {target}")
    return OK
