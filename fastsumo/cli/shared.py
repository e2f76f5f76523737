"""What several commands share: options, numbers, files that will be written, and how something is printed."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastsumo.base import words
from fastsumo.base.text import WIDTH
from fastsumo.cli import completion
from fastsumo.estimators.parsing import parse_estimator, parse_roulette
from fastsumo.report.summary import to_json

if TYPE_CHECKING:
    from fastsumo.estimators.estimators import Estimator

WIDEST = 132  # columns of a table that nobody's terminal limits


def add_model(parser: argparse.ArgumentParser, default: str = "note") -> None:
    """The model, where there is a usual one."""
    text = f"built in, or your own; see below (default: {default})"
    added = parser.add_argument("model", nargs="?", default=default, metavar="MODEL", help=text)
    completion.attach(added, completion.models)


def add_estimator(parser: argparse.ArgumentParser, *, several: str = "") -> None:
    """The estimator and its law of `K`; of both as many as one likes, where ``several`` says what is run by default."""
    what, law = "what one trial computes (default: sumo)", "law of K, the number of terms (default: harmonic)"
    more: dict[str, Any] = {}
    if several:
        what = f"what to compare; give it as often as you like (default: {several})"
        law = "SUMO under this law of K, beside the estimators; give it as often as you like"
        more = {"action": "append", "default": []}
    added = parser.add_argument("--estimator", metavar="ESTIMATOR", help=what, **more)
    completion.attach(added, completion.estimators)
    added = parser.add_argument("--roulette", metavar="ROULETTE", help=law, **more)
    completion.attach(added, completion.roulettes)


def add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=whole, metavar="N", help="default: 0")


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=whole, metavar="N", help="default: the cores this process may use")


def add_plot(parser: argparse.ArgumentParser, more: str = "") -> None:
    parser.add_argument("--plot", type=Path, metavar="FILE", help=f"write the figure: .png, .pdf or .svg{more}")


def add_output(parser: argparse.ArgumentParser, json: bool = True) -> None:
    """``--json`` and ``--quiet``."""
    if json:
        text = 'print JSON instead of a table; NaN is null, infinities are "Infinity" and "-Infinity"'
        parser.add_argument("--json", action="store_true", help=text)
    parser.add_argument("--quiet", action="store_true", help="no progress, no notes, no table")


def whole(text: str) -> int:
    """A whole number of the command line: 10000000, 1e7 or 10M."""
    try:
        return words.number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def estimator(options: argparse.Namespace, default: str = "sumo") -> Estimator:
    """The estimator that was asked for, with its law of `K`."""
    law = None if options.roulette is None else parse_roulette(options.roulette)
    return parse_estimator(options.estimator or default, law)


def check_file(file: Path | None) -> None:
    """Before a long run: whether the file can be written there."""
    if file is None:
        return
    folder = file.parent
    if not folder.is_dir():
        raise ValueError(f"cannot write {file}: there is no folder {folder}")
    if file.is_dir() or not os.access(file if file.exists() else folder, os.W_OK):
        raise ValueError(f"cannot write {file}")


def check_figure(file: Path | None) -> None:
    """Before a long run: whether the figure can be written, in that format."""
    if file is None:
        return
    check_file(file)
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if file.suffix.lower().lstrip(".") not in known:
        raise ValueError(f"cannot draw {file}: the name must end in .png, .pdf, .svg or another of {', '.join(known)}")


def draw(options: argparse.Namespace, shown: Any, file: Path | None) -> None:
    """Write the figure of something that has ``plot``, if there is a file for it."""
    if file is not None:
        shown.plot().savefig(file)
        note(options, f"figure written to {file}")


def output(options: argparse.Namespace, text: Callable[[], str], numbers: Callable[[], dict[str, Any]]) -> None:
    """Print the table, or the JSON."""
    if options.json:
        print(to_json(numbers()))
    elif not options.quiet:
        print(text())
    sys.stdout.flush()


def note(options: argparse.Namespace, text: str) -> None:
    """A word beside the results, on standard error."""
    if not options.quiet:
        sys.stdout.flush()
        print(f"fastsumo: {text}", file=sys.stderr)


def width(most: int = WIDTH) -> int:
    """Columns of the terminal that is written to, where they are fewer than a table would like."""
    return min(most, shutil.get_terminal_size().columns) if sys.stdout.isatty() else most
