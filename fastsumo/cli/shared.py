"""What several commands do alike: read an estimator, check the files they will write, print and draw."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastsumo.base.text import WIDTH
from fastsumo.estimators.parsing import parse_estimator, parse_roulette
from fastsumo.report.summary import to_json

if TYPE_CHECKING:
    from fastsumo.estimators.estimators import Estimator

WIDEST = 132  # columns of a table that nobody's terminal limits


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
        shown.plot().figure.savefig(file)
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
