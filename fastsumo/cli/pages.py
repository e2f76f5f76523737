"""The command ``fastsumo report``: a page of HTML about a result or a study. Options and messages; no computing."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastsumo.cli.exit_codes import OK
from fastsumo.cli.shared import check_file, note
from fastsumo.models.parsing import parse_model
from fastsumo.runs.loading import load_result
from fastsumo.study.study import Study


def report_command(options: argparse.Namespace) -> int:
    if not options.source.is_file():
        raise ValueError(f"no such file: {options.source}")
    check_file(options.output)
    if _is_study(options.source):
        if options.model is not None:
            raise ValueError("--model is for results; a study knows its models")
        Study(options.source).report(options.output)
    else:
        model = None if options.model is None else parse_model(options.model)
        load_result(options.source).report(options.output, model=model)
    note(options, f"report written to {options.output}")
    return OK


def _is_study(file: Path) -> bool:
    """Whether the file is a database, as studies are."""
    with file.open("rb") as stream:
        return stream.read(15) == b"SQLite format 3"
