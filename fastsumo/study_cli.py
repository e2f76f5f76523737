"""The command ``fastsumo study``: run, status, show, extend and export. Options and messages; no computing."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fastsumo.errors import CellsFailedError

if TYPE_CHECKING:
    from fastsumo.study import Study

_OK, _INTERRUPTED = 0, 130
_PIPE = 160  # columns where there is no terminal
_FILE = "a study, or the TOML file that declares it"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands to the parser of ``fastsumo study``."""
    commands = parser.add_subparsers(metavar="ACTION", title="actions", required=True, parser_class=type(parser))
    run = commands.add_parser("run", help="run what is not stored yet", allow_abbrev=False)
    run.add_argument("--executor", default="threads", help="threads (the default), processes, loky, mpi, dask:ADDRESS")
    run.add_argument("--workers", type=_whole, metavar="N", help="how many, where the executor does not know")
    run.add_argument(
        "--threads", type=_whole, metavar="N", help="chunks at a time; with an executor, threads of a chunk"
    )
    run.add_argument("--chunk-seconds", type=float, default=5.0, metavar="S", help="length of a chunk (default: 5)")
    run.add_argument("--anew", action="store_true", help="begin cells again whose model was edited")
    run.add_argument("--quiet", action="store_true", help="no progress, no notes, no table")
    run.set_defaults(command=_run)
    status = commands.add_parser("status", help="how far every cell is", allow_abbrev=False)
    status.set_defaults(command=_status)
    show = commands.add_parser("show", help="print the result of a cell", allow_abbrev=False)
    show.add_argument("--cell", type=_whole, default=0, metavar="N", help="its number (default: 0)")
    show.set_defaults(command=_show)
    extend = commands.add_parser("extend", help="ask for more trials a cell", allow_abbrev=False)
    extend.add_argument("--trials", type=_whole, required=True, metavar="N", help="those done included")
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
    from fastsumo.study import Study

    if options.file.suffix != ".toml":
        return Study(options.file)
    from fastsumo.study_toml import study_path

    return Study.from_toml(options.file, anew=options.anew) if declare else Study(study_path(options.file))


def _run(options: argparse.Namespace) -> int:
    from fastsumo.executors import named

    study = _study(options, declare=True)
    try:
        with named(options.executor, options.workers) as executor:
            study.run(
                executor,
                options.threads,
                False if options.quiet else None,
                workers=options.workers if executor is not None else None,
                chunk_seconds=options.chunk_seconds,
                anew=options.anew,
            )
    except KeyboardInterrupt:
        print("fastsumo: interrupted: all finished chunks are stored; run again to continue", file=sys.stderr)
        return _INTERRUPTED
    except CellsFailedError:
        if not options.quiet:
            print(study.status().text(_width()), flush=True)
        raise
    if not options.quiet:
        print(study.status().text(_width()))
    return _OK


def _status(options: argparse.Namespace) -> int:
    print(_study(options).status().text(_width()))
    return _OK


def _show(options: argparse.Namespace) -> int:
    try:
        print(_study(options)[options.cell])
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    return _OK


def _extend(options: argparse.Namespace) -> int:
    _study(options).extend(options.trials)
    return _OK


def _export(options: argparse.Namespace) -> int:
    _study(options).export(options.csv or options.parquet)
    return _OK


def _width() -> int:
    """Columns to write in: those of the terminal, and many in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE


def _whole(text: str) -> int:
    from fastsumo import specs

    try:
        return specs.number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
