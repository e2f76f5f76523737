"""The commands ``init``, ``doctor``, ``bench`` and ``completion``: a first model, this machine, this shell."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fastsumo.cli import doctor, shared
from fastsumo.cli.exit_codes import OK
from fastsumo.cli.shared import whole
from fastsumo.cli.speed import measure

_TEMPLATE = Path(__file__).with_name("new_model.py")
_SHELLS = """
bash  put this line into ~/.bashrc:  eval "$(fastsumo completion bash)"
zsh   put this line into ~/.zshrc:   eval "$(fastsumo completion zsh)"
fish  fastsumo completion fish > ~/.config/fish/completions/fastsumo.fish

Needs argcomplete beside fastsumo: pip install 'fastsumo[completion]'
"""


def add_init(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo init``."""
    parser.set_defaults(command=_init)
    parser.add_argument("file", type=Path, metavar="FILE.py", help="a file that does not exist yet")
    shared.add_output(parser, json=False)


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo doctor``."""
    parser.set_defaults(command=_doctor)
    shared.add_output(parser)


def add_bench(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo bench``."""
    parser.set_defaults(command=_bench)
    parser.description = "How fast this machine is: fastsumo against plain Numba (prange over trials, scalar math)."
    shared.add_threads(parser)
    parser.add_argument(
        "--rounds", type=whole, default=3, metavar="N", help="laps of each; the best counts (default: 3)"
    )
    shared.add_output(parser)


def add_completion(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo completion``."""
    parser.set_defaults(command=_completion)
    parser.epilog = _SHELLS
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="yours")


def _init(options: argparse.Namespace) -> int:
    file: Path = options.file
    if file.suffix != ".py":
        raise ValueError(f"the name of a model's file must end in .py, got {file}")
    shared.check_file(file)
    text = _TEMPLATE.read_text(encoding="utf-8").replace("my_model.py", file.as_posix())
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise ValueError(f"{file} is there already, and is left as it is") from None
    shared.note(options, f"{file} written; next: fastsumo run {file} --trials 1M")
    return OK


def _doctor(options: argparse.Namespace) -> int:
    facts = doctor.examine()
    shared.output(options, lambda: doctor.text(facts, shared.width()), lambda: facts)
    return OK


def _bench(options: argparse.Namespace) -> int:
    found = measure(options.threads, options.rounds, lambda text: shared.note(options, text))
    shared.output(options, lambda: found.text(shared.width()), found.to_dict)
    return OK


def _completion(options: argparse.Namespace) -> int:
    try:
        import argcomplete
    except ImportError:
        raise ImportError(
            "completion needs argcomplete, which is not installed: pip install 'fastsumo[completion]'"
        ) from None
    sys.stdout.write(argcomplete.shellcode(["fastsumo"], shell=options.shell).strip() + "\n")
    return OK
