"""What several commands do alike: read a model and an estimator, look at the files they will write, print and draw."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fastsumo.base.files import is_database, writable, written_whole
from fastsumo.base.text import WIDTH
from fastsumo.estimators.parsing import parse_estimator, parse_roulette
from fastsumo.jit.beside import two_may_compile
from fastsumo.jit.cache import told_of_compiling
from fastsumo.models.parsing import parse_model
from fastsumo.report.progress import on_terminal
from fastsumo.report.summary import to_json

if TYPE_CHECKING:
    from fastsumo.estimators.estimators import Estimator
    from fastsumo.models.model import Model

_WATCHED = ("run", "tail", "compare", "evaluate")  # commands whose progress shows that they compile
WIDEST = 132  # columns of a table that nobody's terminal limits


class Kind(NamedTuple):
    """A kind of file that commands take, and what one does with it."""

    what: str
    use: str


RESULT = Kind("a result", "fastsumo show {file}")
STUDY = Kind("a study", "fastsumo study show {file}")
DECLARATION = Kind("a declaration of a study", "fastsumo study run {file}")
MODEL = Kind("a file of models", "fastsumo run {file}")


def kind_of(file: Path) -> Kind | None:
    """What a file is, by its first bytes and its name; None for what no command takes, or is not there."""
    if not file.is_file():
        return None
    if is_database(file):
        return STUDY
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return RESULT if "header.npy" in archive.namelist() else None
    return {".py": MODEL, ".toml": DECLARATION}.get(file.suffix)


def refuse_other(file: Path, *wanted: Kind) -> None:
    """Raise ValueError where a file is of a kind that another command takes, and say which."""
    found = kind_of(file)
    if found is not None and found not in wanted:
        raise ValueError(
            f"{file} is {found.what}, not {' or '.join(kind.what for kind in wanted)}: {_use(found, file)}"
        )


def _use(kind: Kind, file: Path) -> str:
    return kind.use.format(file=shlex.quote(str(file)))


def model(options: argparse.Namespace) -> Model:
    """The model that was asked for, at the parameters that were."""
    refuse_other(Path(options.model), MODEL)
    made = parse_model(options.model)
    return made if options.params is None else made.with_params(options.params)


def estimator(options: argparse.Namespace, default: str = "sumo") -> Estimator:
    """The estimator that was asked for, with its law of `K`."""
    law = None if options.roulette is None else parse_roulette(options.roulette)
    return parse_estimator(options.estimator or default, law)


def check_kept(options: argparse.Namespace, file: Path | None) -> None:
    """Before a long run: whether a result can be written there; what is there is replaced only by --force, or a yes.

    Raises
    ------
    OSError
        If it cannot be written, or is not to be replaced.
    """
    if file is None:
        return
    there = writable(file)
    if options.force or not there.exists() or there.stat().st_size == 0:
        return
    if not options.quiet and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        print(f"fastsumo: {file} is there already: replace it? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
        raise FileExistsError(f"{file} is left as it is")
    raise FileExistsError(f"{file} is there already: take another name, or replace it with --force")


def refuse_old(file: Path, but: str = "") -> None:
    """Raise FileExistsError where something has that name already, be it a link to nowhere."""
    if os.path.lexists(file):
        raise FileExistsError(f"{file} is there already, and is left as it is{but}")


def check_apart(result: Path | None, figure: Path | None) -> None:
    """Raise ValueError where a figure would take the place of the result that was just saved."""
    if result is not None and figure is not None and os.path.realpath(result) == os.path.realpath(figure):
        raise ValueError(f"the result and the figure cannot both be {figure}: take another name with --save or --plot")


def check_page(options: argparse.Namespace, file: Path) -> None:
    """Whether a page can be written there; another page is replaced, as it is made again at any time."""
    if file.suffix.lower() in (".html", ".htm"):
        writable(file)
    else:
        check_kept(options, file)


def check_figure(file: Path | None) -> None:
    """Before a long run: whether the figure can be written, in that format, and not in the place of something else."""
    if file is None:
        return
    writable(file)
    found = kind_of(file)
    if found is not None:
        raise FileExistsError(f"{file} is {found.what}, and is left as it is: take another name for the figure")
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if file.suffix.lower().lstrip(".") not in known:
        raise ValueError(f"cannot draw {file}: the name must end in .png, .pdf, .svg or another of {', '.join(known)}")


def draw(options: argparse.Namespace, shown: Any, file: Path | None) -> None:
    """Write the figure of something that has ``plot``, if there is a file for it."""
    if file is not None:
        with written_whole(file) as temporary:
            shown.plot().figure.savefig(temporary, format=file.suffix.lower().lstrip("."))
        note(options, f"figure written to {file}")


@contextmanager
def compiling(options: argparse.Namespace, own_process: bool) -> Iterator[None]:
    """Say so, once, where something has to be compiled, and no progress on a terminal does.

    A process of our own may have a second one beside it that compiles too.
    """
    watched = on_terminal() and options.command in _WATCHED
    said = told_of_compiling(lambda: note(options, "compiling, which takes some seconds the first time"))
    with two_may_compile() if own_process else nullcontext(), nullcontext() if watched else said:
        yield


def output(options: argparse.Namespace, text: Callable[[], str], numbers: Callable[[], dict[str, Any]]) -> None:
    """Print the table, or the JSON."""
    if options.json:
        print(to_json(numbers()))
    elif not options.quiet:
        print(text())
    sys.stdout.flush()


def note(options: argparse.Namespace, text: str) -> None:
    """A word beside the results, on standard error."""
    if not getattr(options, "quiet", False):
        sys.stdout.flush()
        print(f"fastsumo: {text}", file=sys.stderr)


def width(most: int = WIDTH) -> int:
    """Columns of the terminal that is written to, where they are fewer than a table would like."""
    return min(most, shutil.get_terminal_size().columns) if sys.stdout.isatty() else most
