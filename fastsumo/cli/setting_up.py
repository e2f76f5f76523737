"""The commands ``init``, ``bench`` and ``completion``: a first model, this machine, this shell."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from fastsumo.base.files import written_whole
from fastsumo.cli import shared
from fastsumo.cli.exit_codes import OK
from fastsumo.cli.speed import measure

_TEMPLATE = Path(__file__).with_name("new_model.py")


def init_command(options: argparse.Namespace) -> int:
    file: Path = options.file
    if file.suffix != ".py":
        raise ValueError(f"the name of a model's file must end in .py, got {file}")
    shared.refuse_old(file)
    text = _TEMPLATE.read_text(encoding="utf-8").replace("my_model.py", file.as_posix())
    with written_whole(file) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
    shared.note(options, f"{file} written; next: fastsumo run {shlex.quote(str(file))} --trials 1M")
    return OK


def bench_command(options: argparse.Namespace) -> int:
    found = measure(options.threads, options.rounds, lambda text: shared.note(options, text))
    shared.output(options, lambda: found.text(shared.width()), found.to_dict)
    return OK


def completion_command(options: argparse.Namespace) -> int:
    try:
        import argcomplete
    except ImportError:
        raise ImportError(
            "completion needs argcomplete, which is not installed: pip install 'fastsumo[completion]'"
        ) from None
    sys.stdout.write(argcomplete.shellcode(["fastsumo"], shell=options.shell).strip() + "\n")
    return OK
