"""The commands, how their arguments are read, and what ``--help`` says. What a command does is elsewhere."""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from fastsumo import _check
from fastsumo._version import __version__
from fastsumo.cli import estimators, trials
from fastsumo.cli._options import BAD_USAGE

Adder = Callable[[argparse.ArgumentParser], None]


class Command(NamedTuple):
    """A word in ``fastsumo --help``, and the function that adds its arguments; ``named``: it takes models and laws."""

    help: str
    add: Adder
    named: bool = True


COMMANDS: dict[str, Command] = {
    "run": Command("run trials, print what they say, draw the figure", trials.add_run),
    "show": Command("print a saved result, draw its figure", trials.add_show, named=False),
    "replay": Command("one trial again, with all that went into it", trials.add_replay),
    "compare": Command("estimators side by side, at equal cost", estimators.add_compare),
    "levels": Command("how fast the increments shrink, level by level", estimators.add_levels),
    "theory": Command("what theory says of an estimator, without a run", estimators.add_theory),
}

_DESCRIPTION = "Runs SUMO trials, unbiased estimates of a log marginal probability, and shows what their tail does."
_START = """
Start here:
  fastsumo run                      ten million trials of a known problem
  fastsumo run my_model.py          a model of your own

Then, for instance:
  fastsumo run my_model.py --roulette harmonic:cap=80 --trials 1e8 --save a.npz
  fastsumo show a.npz --plot a.pdf
  fastsumo replay a.npz --model my_model.py --trial 465596
  fastsumo compare note --estimator iwae:k=100 --estimator mlmc --cost 1e9
  fastsumo theory gamma:1.5 --roulette power-law:s=0.75

"fastsumo COMMAND --help" lists a command's options, the models, estimators and
laws of K. Results go to standard output, all else to standard error. Exit code
0: done; 1: the run failed; 2: bad usage; 130: interrupted with Ctrl-C.
"""
_NAMES = """
MODEL      note, gamma:1.5, lognormal:1, gaussian_scale:0.8 and others of
           fastsumo.models; path/to/file.py:name or module:name for your own
           (file.py alone, where it has one model)
ESTIMATOR  sumo, sumo:minimum=2, iwae:k=5, elbo, jvi:k=5, mlmc, single-term,
           sumo:harmonic:cap=80 (brackets do as well: 'sumo(harmonic(cap=80))')
ROULETTE   harmonic, harmonic:cap=80, harmonic-geometric:alpha=80,rate=0.1,
           power-law:s=1.5, geometric:p=0.1, table:1,0.5
Whole numbers can be written 10000000, 1e7 or 10M.
"""


def run(given: list[str]) -> int:
    """Read the arguments and do what they say; the exit code."""
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        _complete(parser)
    if not given:
        parser.print_help(sys.stderr)
        return BAD_USAGE
    if not given[0].startswith("-"):
        _check.choice("command", given[0], COMMANDS)
    try:
        options, unknown = parser.parse_known_args(given)
        if unknown:
            parser.prog = f"fastsumo {given[0]}"
            parser.error(_unknown(unknown, given[0]))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    command: Callable[[argparse.Namespace], int] = options.command
    code = command(options)
    sys.stdout.flush()
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        print(f"fastsumo: error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(BAD_USAGE)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in at most 80 columns, whatever the terminal; the texts below it are laid out by hand."""

    def __init__(self, prog: str, **options: Any) -> None:
        columns = min(80, shutil.get_terminal_size().columns)
        super().__init__(prog, max_help_position=26, width=columns, **options)


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = _Parser(
        prog="fastsumo",
        usage="fastsumo COMMAND [ARGUMENTS]",
        description=textwrap.fill(_DESCRIPTION, min(78, shutil.get_terminal_size().columns - 2)),
        epilog=_START,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fastsumo {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=_Parser)
    for name, (text, add, named) in COMMANDS.items():
        described = text[0].upper() + text[1:] + "."
        options: dict[str, Any] = {"help": text, "description": described, "epilog": _NAMES if named else None}
        add(commands.add_parser(name, formatter_class=_Formatter, allow_abbrev=False, **options))
    return parser


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks how a line may go on, and leave."""
    try:
        import argcomplete
    except ImportError:
        sys.exit(BAD_USAGE)
    argcomplete.autocomplete(parser, always_complete_options=False)


def _unknown(words: list[str], command: str) -> str:
    """Arguments that nobody asked for, with the nearest options."""
    known = _options_of(command)
    near = [found for word in words for found in difflib.get_close_matches(word.split("=")[0], known, n=1)]
    hint = f"; did you mean {' '.join(near)}?" if near else ""
    return f"unknown argument {' '.join(words)}{hint}"


def _options_of(command: str) -> list[str]:
    parser = argparse.ArgumentParser()
    if command in COMMANDS:
        COMMANDS[command].add(parser)
    return list(parser._option_string_actions)
