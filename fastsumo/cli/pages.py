"""The command ``fastsumo report``: a page of HTML about a result or a study. Options and messages; no computing."""

from __future__ import annotations

import argparse

from fastsumo.base.files import readable
from fastsumo.cli import shared
from fastsumo.cli.exit_codes import OK
from fastsumo.cli.studies import study_of
from fastsumo.models.parsing import parse_model
from fastsumo.runs.loading import load_result


def report_command(options: argparse.Namespace) -> int:
    readable(options.source)
    shared.refuse_other(options.source, shared.RESULT, shared.STUDY, shared.DECLARATION)
    shared.check_page(options, options.output)
    if shared.kind_of(options.source) in (shared.STUDY, shared.DECLARATION):
        if options.model is not None:
            raise ValueError("--model is for results; a study knows its models")
        study_of(options.source).report(options.output)
    else:
        model = None if options.model is None else parse_model(options.model)
        load_result(options.source).report(options.output, model=model)
    shared.note(options, f"report written to {options.output}")
    return OK
