"""The command ``fastsumo report``: a page of HTML about a result or a study. Options and messages; no computing."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastsumo.cli import completion
from fastsumo.cli.exit_codes import OK
from fastsumo.cli.shared import add_output, check_file, note
from fastsumo.models.parsing import parse_model
from fastsumo.runs.result import load
from fastsumo.study.study import Study

DEFAULT = Path("report.html")


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastsumo report``."""
    parser.set_defaults(command=_report)
    source = "a file of run --save, or a study"
    added = parser.add_argument("source", type=Path, metavar="RESULT_OR_STUDY", help=source)
    completion.attach(added, completion.results_and_studies)
    output = f"the page to write (default: {DEFAULT})"
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT, metavar="FILE", help=output)
    parser.add_argument("--model", metavar="MODEL", help="the model of the result, where it is not found by itself")
    add_output(parser, json=False)


def _report(options: argparse.Namespace) -> int:
    if not options.source.is_file():
        raise ValueError(f"no such file: {options.source}")
    check_file(options.output)
    if _is_study(options.source):
        if options.model is not None:
            raise ValueError("--model is for results; a study knows its models")
        Study(options.source).report(options.output)
    else:
        model = None if options.model is None else parse_model(options.model)
        load(options.source).report(options.output, model=model)
    note(options, f"report written to {options.output}")
    return OK


def _is_study(file: Path) -> bool:
    """Whether the file is a database, as studies are."""
    with file.open("rb") as stream:
        return stream.read(15) == b"SQLite format 3"
