"""The command ``fastsumo study``: run, status, show, extend and export. Options and messages; no computing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fastsumo.cli.exit_codes import INTERRUPTED, OK
from fastsumo.cli.shared import add_output, output, whole, width
from fastsumo.errors import CellsFailedError
from fastsumo.study.executors import named
from fastsumo.study.study import Study
from fastsumo.study.toml import study_path

if TYPE_CHECKING:
    from fastsumo.study.study import Study

_PIPE = 160  # columns where there is no terminal
_FILE = "a study, or the TOML file that declares it"


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands to the parser of ``fastsumo study``."""
    commands = parser.add_subparsers(metavar="ACTION", title="actions", required=True, parser_class=type(parser))
    run = commands.add_parser("run", help="run what is not stored yet", allow_abbrev=False)
    run.add_argument("--executor", default="threads", help="threads (the default), processes, loky, mpi, dask:ADDRESS")
    run.add_argument("--workers", type=whole, metavar="N", help="how many, where the executor does not know")
    run.add_argument(
        "--threads", type=whole, metavar="N", help="chunks at a time; with an executor, threads of a chunk"
    )
    run.add_argument("--chunk-seconds", type=float, default=5.0, metavar="S", help="length of a chunk (default: 5)")
    run.add_argument("--anew", action="store_true", help="begin cells again whose model was edited")
    add_output(run)
    run.set_defaults(command=_run)
    status = commands.add_parser("status", help="how far every cell is", allow_abbrev=False)
    add_output(status)
    status.set_defaults(command=_status)
    show = commands.add_parser("show", help="print the result of a cell", allow_abbrev=False)
    show.add_argument("--cell", type=whole, default=0, metavar="N", help="its number (default: 0)")
    add_output(show)
    show.set_defaults(command=_show)
    extend = commands.add_parser("extend", help="ask for more trials a cell", allow_abbrev=False)
    extend.add_argument("--trials", type=whole, required=True, metavar="N", help="those done included")
    extend.set_defaults(command=_extend)
    export = commands.add_parser("export", help="write a table, one row a cell", allow_abbrev=False)
    kind = export.add_mutually_exclusive_group(required=True)
    kind.add_argument("--csv", type=Path, metavar="FILE", help="as comma-separated values")
    kind.add_argument("--parquet", type=Path, metavar="FILE", help="as Parquet")
    export.set_defaults(command=_export)
    for command in (run, status, show, extend, export):
        command.add_argument("file", type=Path, metavar="FILE", help=_FILE)


def _study(options: argparse.Namespace, declare: bool = False) -> Study:
    """The study of a file; a TOML file adds its cells only where they are to be run."""
    if options.file.suffix != ".toml":
        return Study(options.file)

    return Study.from_toml(options.file, anew=options.anew) if declare else Study(study_path(options.file))


def _run(options: argparse.Namespace) -> int:
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
            )
    except KeyboardInterrupt:
        print("fastsumo: interrupted: all finished chunks are stored; run again to continue", file=sys.stderr)
        return INTERRUPTED
    except CellsFailedError:
        _print_status(options, study)
        raise
    _print_status(options, study)
    return OK


def _status(options: argparse.Namespace) -> int:
    _print_status(options, _study(options))
    return OK


def _print_status(options: argparse.Namespace, study: Study) -> None:
    status = study.status()
    output(options, lambda: status.text(width(_PIPE)), status.to_dict)


def _show(options: argparse.Namespace) -> int:
    try:
        result = _study(options)[options.cell]
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    output(options, lambda: str(result), result.to_dict)
    return OK


def _extend(options: argparse.Namespace) -> int:
    _study(options).extend(options.trials)
    return OK


def _export(options: argparse.Namespace) -> int:
    _study(options).export(options.csv or options.parquet)
    return OK
