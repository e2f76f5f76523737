"""The command ``fastsumo``: run, replay and show. Options, messages and exit codes; no computing.

What names such as ``iwae:k=5`` stand for is in `specs.py`, what is printed in `report.py`. Nothing heavy is
imported before it is needed.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fastsumo import _check
from fastsumo._version import __version__

if TYPE_CHECKING:
    from fastsumo.estimators import Estimator
    from fastsumo.model import Model
    from fastsumo.result import Result

DEFAULT_FIGURE = "fastsumo.png"
OK, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130

_DESCRIPTION = """Runs SUMO trials, unbiased estimates of a log marginal probability, and shows
what their tail does."""
_NAMES = """
MODEL      note (the default), gamma:1.5, lognormal:1, gaussian_scale:0.8,
           path/to/file.py:name or module:name for your own
ESTIMATOR  sumo (the default), sumo:minimum=2, iwae:k=5, elbo, jvi:k=5,
           mlmc, single-term
ROULETTE   harmonic (the default), harmonic:cap=80, power-law:s=1.5,
           harmonic-geometric:alpha=80,rate=0.1, geometric:p=0.1, table:1,0.5
           (brackets do as well, quoted: 'harmonic(cap=80)')
Whole numbers can be written 10000000, 1e7 or 10M.
"""
_EXAMPLES = """
examples:
  fastsumo run                           the note's problem, 10 million trials
  fastsumo run note --roulette harmonic:cap=80 --trials 1e8 --save capped.npz
  fastsumo run my_model.py:posterior --estimator iwae:k=5 --seed 1
  fastsumo show capped.npz --plot capped.pdf
  fastsumo replay note --trial 465596    one trial, with all that went into it
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of this process.

    Returns
    -------
    int
        0; 2 for bad usage or a model that cannot be run; 130 after Ctrl-C; 1 where fastsumo itself failed.

    Examples
    --------
    >>> main(["run", "note", "--trials", "1000", "--threads", "1", "--quiet"])
    0
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return _run_command(given)
    except KeyboardInterrupt:
        return _fail("interrupted before any trial was done", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except MemoryError:
        return _fail("not enough memory", FAILED)
    except (ValueError, TypeError, OSError) as error:
        return _fail(_words(error), BAD_USAGE)
    except Exception as error:
        if os.environ.get("FASTSUMO_TRACEBACK"):
            raise
        return _fail(f"{type(error).__name__}: {_words(error)} (set FASTSUMO_TRACEBACK=1 to see where)", FAILED)


def _run_command(given: list[str]) -> int:
    parser = _parser()
    if not given:
        parser.print_help(sys.stderr)
        return BAD_USAGE
    if not given[0].startswith("-"):
        _check.choice("command", given[0], _COMMANDS)
    try:
        options, unknown = parser.parse_known_args(given)
        if unknown:
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
        sys.exit(_fail(f"{message} (see {self.prog} --help)", BAD_USAGE))


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="fastsumo", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=shape, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"fastsumo {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=_Parser)
    for name, (text, add) in _COMMANDS.items():
        described = text[0].upper() + text[1:] + "."
        add(
            commands.add_parser(
                name,
                help=text,
                description=described,
                epilog=_NAMES,
                formatter_class=shape,
                allow_abbrev=False,
            )
        )
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_run)
    parser.add_argument("model", nargs="?", default="note", metavar="MODEL", help="what to run; see below")
    _add_what(parser)
    parser.add_argument("--trials", type=_whole, default=10_000_000, metavar="N", help="how many (default: 1e7)")
    parser.add_argument("--threads", type=_whole, metavar="N", help="default: the cores this process may use")
    parser.add_argument("--first-trial", type=_whole, default=0, metavar="N", help="to continue an earlier run")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the result, for show and fs.load")
    figure = f"write the figure: .png, .pdf or .svg (default: {DEFAULT_FIGURE}; none with --json or --quiet)"
    parser.add_argument("--plot", type=Path, metavar="FILE", help=figure)
    parser.add_argument("--no-plot", action="store_true", help="write no figure")
    _add_output(parser)


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_replay)
    parser.add_argument("source", metavar="RESULT_OR_MODEL", help="a file of run --save, or a model")
    parser.add_argument("--trial", type=_whole, required=True, metavar="N", help="its number")
    _add_what(parser)
    parser.add_argument("--model", metavar="MODEL", help="the model of the result, where it is not built in")
    _add_output(parser)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_show)
    parser.add_argument("result", type=Path, metavar="RESULT", help="a file of run --save")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the figure: .png, .pdf or .svg")
    _add_output(parser)


def _add_study(parser: argparse.ArgumentParser) -> None:
    from fastsumo.study_cli import add

    add(parser)


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--estimator", metavar="ESTIMATOR", help="what one trial computes (default: sumo)")
    parser.add_argument("--roulette", metavar="ROULETTE", help="law of K, the number of terms (default: harmonic)")
    parser.add_argument("--seed", type=_whole, metavar="N", help="default: 0")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quiet", action="store_true", help="no progress, no notes, no table")


def _run(options: argparse.Namespace) -> int:
    from fastsumo import specs

    estimator = _estimator(options)
    model = specs.model(options.model)
    figure = _figure_file(options)
    _check_figure(figure)
    _check_folder(options.save)
    from fastsumo.simulate import simulate

    result = simulate(
        model,
        estimator,
        options.trials,
        options.seed or 0,
        options.threads,
        False if options.quiet else None,
        first_trial=options.first_trial,
    )
    if options.save is not None:
        result.save(options.save)
        _note(options, f"result written to {options.save}")
    _print_result(options, result)
    if result.interrupted:
        _note(options, f"interrupted: {result.trials:,} of {options.trials:,} trials done")
    if figure is not None:
        _write_figure(result, figure)
        _note(options, f"figure written to {figure}")
    return INTERRUPTED if result.interrupted else OK


def _replay(options: argparse.Namespace) -> int:
    from fastsumo._text import labelled
    from fastsumo.report import trial_summary
    from fastsumo.simulate import replay
    from fastsumo.specs import compact

    model, estimator, seed = _replayed(options)
    trial = replay(model, estimator, options.trial, seed)
    numbers = vars(trial) | {"model": model.name, "estimator": repr(estimator)}
    listed = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in numbers.items()}
    width = _width()
    head = labelled([("model", model.name), ("estimator", compact(repr(estimator)))], width)
    _print(options, lambda: f"{head}\n{trial_summary(trial, estimator, width)}", lambda: listed)
    return OK


def _show(options: argparse.Namespace) -> int:
    from fastsumo.result import load

    _check_figure(options.plot)
    result = load(options.result)
    _print_result(options, result)
    if options.plot is not None:
        _write_figure(result, options.plot)
        _note(options, f"figure written to {options.plot}")
    return OK


def _estimator(options: argparse.Namespace, default: str = "sumo") -> Estimator:
    from fastsumo import specs

    law = None if options.roulette is None else specs.roulette(options.roulette)
    return specs.estimator(options.estimator or default, law)


def _replayed(options: argparse.Namespace) -> tuple[Model, Estimator, int]:
    """What to replay: of a result its model, estimator and seed, unless they are given."""
    from fastsumo import specs

    if not _is_result(options.source):
        return specs.model(options.model or options.source), _estimator(options), options.seed or 0
    from fastsumo.result import load

    result = load(options.source)
    model = _model_of(result, options)
    own = options.estimator is not None or options.roulette is not None
    if "..." in result.provenance.estimator and not own:
        raise ValueError("the result does not hold the whole table of its law: give it with --roulette table:1,...")
    estimator = _estimator(options) if own else specs.estimator(result.provenance.estimator)
    seeds = list(result.ranges)
    if options.seed is None and len(seeds) > 1:
        raise ValueError(f"the result has the seeds {', '.join(map(str, seeds))}: say which with --seed")
    return model, estimator, seeds[0] if options.seed is None else options.seed


def _is_result(source: str) -> bool:
    return source.endswith(".npz") or (Path(source).is_file() and not source.endswith(".py"))


def _model_of(result: Result, options: argparse.Namespace) -> Model:
    """The model of a result: built in, or named by --model; a note where it is not what was run."""
    from fastsumo import specs
    from fastsumo.model import source_hash

    run = result.provenance
    try:
        model = specs.model(options.model or run.model)
    except ValueError as error:
        if options.model:
            raise
        raise ValueError(f"{run.model!r} is not built in: say where it is with --model FILE.py:NAME") from error
    if model.params.size == len(run.params):
        model = model.with_params(run.params)
    if source_hash(model) != run.source:
        _note(options, f"warning: model {model.name!r} is not the one that was run; its trials may differ")
    return model


def _whole(text: str) -> int:
    from fastsumo import specs

    try:
        return specs.number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _figure_file(options: argparse.Namespace) -> Path | None:
    if options.no_plot:
        if options.plot is not None:
            raise ValueError("--plot and --no-plot exclude one another")
        return None
    if options.plot is None and not (options.json or options.quiet):
        return Path(DEFAULT_FIGURE)
    return options.plot


def _check_folder(file: Path | None) -> None:
    """Before a long run: whether the file can be written there."""
    if file is None:
        return
    folder = file.parent
    if not folder.is_dir():
        raise ValueError(f"cannot write {file}: there is no folder {folder}")
    if file.is_dir() or not os.access(file if file.exists() else folder, os.W_OK):
        raise ValueError(f"cannot write {file}")


def _check_figure(file: Path | None) -> None:
    """Before a long run: whether the figure can be written, in that format."""
    if file is None:
        return
    _check_folder(file)
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if file.suffix.lower().lstrip(".") not in known:
        raise ValueError(f"cannot draw {file}: the name must end in .png, .pdf, .svg or another of {', '.join(known)}")


def _write_figure(result: Result, file: Path) -> None:
    result.plot().savefig(file)


def _print_result(options: argparse.Namespace, result: Result) -> None:
    from fastsumo.report import summary

    _print(options, lambda: summary(result, _width()), result.to_dict)


def _print(options: argparse.Namespace, text: Callable[[], str], numbers: Callable[[], dict[str, Any]]) -> None:
    """The table, or the JSON."""
    from fastsumo.report import to_json

    if options.json:
        print(to_json(numbers()))
    elif not options.quiet:
        print(text())
    sys.stdout.flush()


def _width() -> int:
    """Columns of the terminal that is written to, where they are fewer than a table would like."""
    from fastsumo._text import WIDTH

    return min(WIDTH, shutil.get_terminal_size().columns) if sys.stdout.isatty() else WIDTH


def _note(options: argparse.Namespace, text: str) -> None:
    if not options.quiet:
        sys.stdout.flush()
        print(f"fastsumo: {text}", file=sys.stderr)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"fastsumo: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _unknown(words: list[str], command: str) -> str:
    """Arguments that nobody asked for, with the nearest options."""
    known = _options_of(command)
    near = [found for word in words for found in difflib.get_close_matches(word.split("=")[0], known, n=1)]
    hint = f"; did you mean {' '.join(near)}?" if near else ""
    return f"unknown argument {' '.join(words)}{hint}"


def _options_of(command: str) -> list[str]:
    parser = argparse.ArgumentParser()
    if command in _COMMANDS:
        _COMMANDS[command][1](parser)
    return list(parser._option_string_actions)


def _words(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "run": ("run trials, print what they say, draw the figure", _add_run),
    "replay": ("one trial again, with all that went into it", _add_replay),
    "show": ("print a saved result", _add_show),
    "study": ("large runs in a file: stored, resumable, on any cluster", _add_study),
}


def _fail(message: str, code: int) -> int:
    print(f"fastsumo: error: {message}" if code != INTERRUPTED else f"fastsumo: {message}", file=sys.stderr)
    return code
