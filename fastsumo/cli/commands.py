"""The commands, how their arguments are read, and what ``--help`` says. What a command does is elsewhere."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection
from typing import Any, NamedTuple, NoReturn

from fastsumo._version import __version__
from fastsumo.base import checks
from fastsumo.cli import arguments
from fastsumo.cli.exit_codes import BAD_USAGE


class Command(NamedTuple):
    """A word in ``fastsumo --help``, the module of this package that does it; ``named``: it takes models."""

    help: str
    module: str
    named: bool = True


# `arguments` has the function ``add_COMMAND``. The module has ``COMMAND_command`` (of a command with actions
# ``ACTION_command``), which takes the arguments and returns the exit code; it is imported when the command runs.
COMMANDS: dict[str, Command] = {
    "run": Command("run trials, print what they say, draw the figure", "trials"),
    "tail": Command("the far tail, by strata of the number of terms", "trials"),
    "show": Command("print a saved result, draw its figure", "trials", named=False),
    "merge": Command("saved results together, as one run", "trials", named=False),
    "replay": Command("one trial again, with all that went into it", "trials"),
    "report": Command("write a page of HTML about a result or a study", "pages", named=False),
    "study": Command("large runs in a file: stored, resumable, on any cluster", "studies", named=False),
    "compare": Command("estimators side by side, at equal cost", "estimators"),
    "levels": Command("how fast the increments shrink, level by level", "estimators"),
    "theory": Command("what theory says of an estimator, without a run", "estimators"),
    "evaluate": Command("the log evidence of every row of data", "estimators"),
    "tune": Command("a better proposal for a model", "estimators"),
    "guide": Command("how to do things: pages here, or a site of them", "guide", named=False),
    "examples": Command("scripts to start from", "guide", named=False),
    "init": Command("write a commented model to start from", "setting_up", named=False),
    "doctor": Command("what this machine will do, and what to mend", "doctor", named=False),
    "bench": Command("how fast this machine is, in under a minute", "setting_up", named=False),
    "completion": Command("the lines that make a shell complete all this", "setting_up", named=False),
}

_DESCRIPTION = "Runs SUMO trials, unbiased estimates of a log marginal probability, and shows what their tail does."
_START = """
Start here:
  fastsumo run                      ten million trials of a known problem
  fastsumo init my_model.py         a commented model of your own ...
  fastsumo run my_model.py          ... which runs at once
  fastsumo guide                    how to do things, page by page

Then, for instance:
  fastsumo run my_model.py --roulette harmonic:cap=80 --trials 1e8 --save a.npz
  fastsumo tail my_model.py --cost 1e9 --plot tail.png
  fastsumo show a.npz --plot a.pdf
  fastsumo replay a.npz --model my_model.py --trial 465596
  fastsumo compare note --estimator iwae:k=100 --estimator mlmc --cost 1e9
  fastsumo theory gamma:1.5 --roulette power-law:s=0.75

"fastsumo COMMAND --help" lists the options of a command, and the models, estimators and laws of K that there are.
Results go to standard output, all else to standard error.
Exit code 0: done; 1: the run failed; 2: bad usage; 130: interrupted, by Ctrl-C or SIGTERM.
"""
_NAMES = (
    "\n"
    "MODEL      note, gamma:1.5, lognormal:1, gaussian_scale:0.8 and others of fastsumo.models; "
    "path/to/file.py:name or module:name for your own (file.py alone, where it has one model)\n"
    "ESTIMATOR  sumo, sumo:minimum=2, iwae:k=5, elbo, jvi:k=5, mlmc, single-term, taylor, "
    "sumo:harmonic:cap=80 (brackets do as well: 'sumo(harmonic(cap=80))')\n"
    "ROULETTE   harmonic, harmonic:cap=80, harmonic-geometric:alpha=80,rate=0.1, "
    "power-law:s=1.5, geometric:p=0.1, table:1,0.5\n"
    "Whole numbers can be written 10000000, 1e7 or 10M."
)


def run(given: list[str], own_process: bool = False) -> int:
    """Read the arguments and do what they say; the exit code."""
    if "_ARGCOMPLETE" in os.environ:
        _complete(make_parser(COMMANDS))
    parser = make_parser(set(given) & set(COMMANDS))
    if not given:
        parser.print_help(sys.stderr)
        return BAD_USAGE
    if not given[0].startswith("-"):
        checks.choice("command", given[0], COMMANDS)
    try:
        options, unknown = parser.parse_known_args(given)
        if unknown:
            used = _used(parser, given)
            parser.prog = used.prog
            parser.error(_unknown(unknown, used))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    module = importlib.import_module(f"fastsumo.cli.{COMMANDS[options.command].module}")
    quietly = options.command == "doctor"  # which must run where nothing can be compiled
    shared = None if quietly else importlib.import_module("fastsumo.cli.shared")
    with contextlib.nullcontext() if shared is None else shared.compiling(options, own_process):
        code: int = getattr(module, f"{getattr(options, 'action', options.command)}_command")(options)
    sys.stdout.flush()
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and to which ``-1,2`` is no option."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._negative_number_matcher = re.compile(r"^-\.?\d")

    def error(self, message: str) -> NoReturn:
        print(f"fastsumo: error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(BAD_USAGE)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in at most 80 columns; texts around the options are laid out by hand, and only made to fit."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=26, width=min(80, shutil.get_terminal_size().columns), **options)
        self._action_max_length = 14  # of a command, with its indent, which argparse forgets

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(fitted(line, self._width) for line in text.splitlines())


def fitted(line: str, width: int) -> str:
    """A line of a hand-made layout, wrapped where it is too long: what goes on stands below its second column.

    Examples
    --------
    >>> print(fitted("LAW  harmonic or geometric", 24))
    LAW  harmonic or
         geometric
    """
    if len(line) <= width:
        return line
    columns = re.match(r" *\S.*?\s{2,}(?=\S)", line)
    indent = len(line) - len(line.lstrip())
    hang = len(columns[0]) if columns else indent + 4 if indent else 0
    hang = hang if hang < width // 2 else indent + 4
    return textwrap.fill(line, width, subsequent_indent=" " * hang, break_on_hyphens=False, drop_whitespace=True)


def make_parser(used: Collection[str]) -> argparse.ArgumentParser:
    """The parser of the command line, which knows the arguments of the commands that are used."""
    parser = _Parser(
        prog="fastsumo",
        usage="fastsumo COMMAND [ARGUMENTS]",
        description=_DESCRIPTION,
        epilog=_START,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fastsumo {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", prog="fastsumo", parser_class=_Parser
    )
    for name, (text, _, named) in COMMANDS.items():
        described = text[0].upper() + text[1:] + "."
        options: dict[str, Any] = {"help": text, "description": described, "epilog": _NAMES if named else None}
        added = commands.add_parser(name, formatter_class=_Formatter, allow_abbrev=False, **options)
        if name in used:
            _add_arguments(name, added)
    return parser


def _add_arguments(command: str, parser: argparse.ArgumentParser) -> None:
    getattr(arguments, f"add_{command}")(parser)


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks how a line may go on, and leave."""
    try:
        import argcomplete
    except ImportError:
        sys.exit(BAD_USAGE)
    argcomplete.autocomplete(parser, always_complete_options=False)


def _unknown(words: list[str], parser: argparse.ArgumentParser) -> str:
    """Arguments that nobody asked for, with the nearest options."""
    known = list(parser._option_string_actions)
    near = [found for word in words for found in difflib.get_close_matches(word.split("=")[0], known, n=1)]
    hint = f"; did you mean {' '.join(near)}?" if near else ""
    return f"unknown argument {' '.join(words)}{hint}"


def _used(parser: argparse.ArgumentParser, given: list[str]) -> argparse.ArgumentParser:
    """The parser of the command that was given, or of its action."""
    for word in given:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction) and word in action.choices:
                parser = action.choices[word]
    return parser
