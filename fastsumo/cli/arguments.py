"""What may be typed after ``fastsumo COMMAND``: the arguments of every command, and no more than a parser needs.

What a command does with them is in `trials`, `estimators`, `pages`, `studies`, `guide` and `setting_up`, which are
imported once a command runs: help needs no compiler.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastsumo.base import words
from fastsumo.cli import completion

DEFAULT_FIGURE = Path("fastsumo.png")
DEFAULT_PAGE = Path("report.html")
DEFAULT_ESTIMATORS = (
    "iwae:k=100",
    "jvi:k=100",
    "sumo:harmonic",
    "sumo:harmonic:cap=1000",
    "sumo:harmonic-geometric",
    "mlmc",
)
_SHELLS = """
bash  put this line into ~/.bashrc:  eval "$(fastsumo completion bash)"
zsh   put this line into ~/.zshrc:   eval "$(fastsumo completion zsh)"
fish  fastsumo completion fish > ~/.config/fish/completions/fastsumo.fish

Needs argcomplete beside fastsumo: pip install 'fastsumo[completion]'
"""
_STUDY_FILE = "a study, or the TOML file that declares it"


def add_run(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo run``."""
    add_model(parser)
    add_estimator(parser)
    trials = "how many (default: 1e7); with --until the most that may be run"
    parser.add_argument("--trials", type=whole, metavar="N", help=trials)
    until = "run until the standard error is that small, as in --until std_error=1e-4"
    parser.add_argument("--until", type=target, metavar="TARGET", help=until)
    add_seed(parser)
    add_threads(parser)
    add_device(parser)
    parser.add_argument("--first-trial", type=whole, default=0, metavar="N", help="to go on with an earlier run")
    add_save(parser)
    add_plot(parser, f" (default: {DEFAULT_FIGURE}; none with --json or --quiet)")
    parser.add_argument("--no-plot", action="store_true", help="write no figure")
    add_output(parser)


def add_tail(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo tail``."""
    add_model(parser)
    add_estimator(parser)
    samples = "importance samples to use (default: 1e9)"
    parser.add_argument("--cost", type=whole, default=10**9, metavar="N", help=samples)
    largest = "largest K (default: the cap of the law, or what the cost allows)"
    parser.add_argument("--largest-terms", type=whole, metavar="N", help=largest)
    what = "what has the least error: tail (the default), mean or variance"
    parser.add_argument("--allocation", default="tail", metavar="WHAT", help=what)
    add_seed(parser)
    add_threads(parser)
    add_device(parser)
    add_save(parser)
    add_plot(parser)
    add_output(parser)


def add_merge(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo merge``."""
    parser.description = (
        "Results of the same model and estimator together, as if they had been one run: to its bits, if trials are cut "
        "at multiples of 4096."
    )
    added = parser.add_argument("results", type=Path, nargs="+", metavar="RESULT", help="files of run --save, or tail")
    completion.attach(added, "results")
    add_save(parser)
    add_plot(parser)
    add_output(parser)


def add_show(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo show``."""
    added = parser.add_argument("result", type=Path, metavar="RESULT", help="a file of run --save")
    completion.attach(added, "results")
    add_plot(parser)
    add_output(parser)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo replay``."""
    added = parser.add_argument("source", metavar="RESULT_OR_MODEL", help="a file of run --save, or a model")
    completion.attach(added, "models_and_results")
    parser.add_argument("--trial", type=whole, required=True, metavar="N", help="its number")
    add_params(parser)
    add_estimator(parser)
    add_seed(parser)
    added = parser.add_argument(
        "--model", metavar="MODEL", help="the model of the result, where it is not found by itself"
    )
    completion.attach(added, "models")
    add_output(parser)


def add_report(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo report``."""
    source = f"a file of run --save, or {_STUDY_FILE}"
    added = parser.add_argument("source", type=Path, metavar="RESULT_OR_STUDY", help=source)
    completion.attach(added, "results_and_studies")
    output = f"the page to write (default: {DEFAULT_PAGE})"
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_PAGE, metavar="FILE", help=output)
    add_force(parser)
    added = parser.add_argument(
        "--model", metavar="MODEL", help="the model of the result, where it is not found by itself"
    )
    completion.attach(added, "models")
    add_output(parser, json=False)


def add_study(parser: argparse.ArgumentParser) -> None:
    """The actions of ``fastsumo study``, and their arguments."""
    commands = parser.add_subparsers(metavar="ACTION", title="actions", required=True, parser_class=type(parser))
    run = commands.add_parser("run", help="run what is not stored yet", allow_abbrev=False)
    run.add_argument("--executor", default="threads", help="threads (the default), processes, loky, mpi, dask:ADDRESS")
    run.add_argument("--workers", type=whole, metavar="N", help="how many, where the executor does not know")
    run.add_argument(
        "--threads", type=whole, metavar="N", help="chunks at a time; with an executor, threads of a chunk"
    )
    devices = "where chunks run, a worker for each, such as cuda:0,cuda:1,cpu (default: the CPU, by threads)"
    run.add_argument("--devices", type=lambda text: text.split(","), metavar="LIST", help=devices)
    run.add_argument("--chunk-seconds", type=float, default=5.0, metavar="S", help="length of a chunk (default: 5)")
    run.add_argument("--anew", action="store_true", help="begin cells again whose model was edited")
    add_output(run)
    run.set_defaults(action="run")
    status = commands.add_parser("status", help="how far every cell is", allow_abbrev=False)
    add_output(status)
    status.set_defaults(action="status")
    show = commands.add_parser("show", help="print the result of a cell", allow_abbrev=False)
    show.add_argument("--cell", type=whole, default=0, metavar="N", help="its number (default: 0)")
    add_plot(show)
    add_output(show)
    show.set_defaults(action="show")
    extend = commands.add_parser("extend", help="ask for more trials a cell", allow_abbrev=False)
    extend.add_argument("--trials", type=whole, required=True, metavar="N", help="those done included")
    extend.set_defaults(action="extend")
    export = commands.add_parser("export", help="write a table, one row a cell", allow_abbrev=False)
    kind = export.add_mutually_exclusive_group(required=True)
    kind.add_argument("--csv", type=Path, metavar="FILE", help="as comma-separated values")
    kind.add_argument("--parquet", type=Path, metavar="FILE", help="as Parquet")
    export.set_defaults(action="export")
    for command in (run, status, show, extend, export):
        added = command.add_argument("file", type=Path, metavar="FILE", help=_STUDY_FILE)
        completion.attach(added, "studies")


def add_compare(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo compare``."""
    add_model(parser)
    add_estimator(parser, several=", ".join(DEFAULT_ESTIMATORS))
    samples = "importance samples that each may spend (default: 1e8)"
    parser.add_argument("--cost", type=whole, default=10**8, metavar="N", help=samples)
    add_seed(parser)
    add_threads(parser)
    add_device(parser)
    add_plot(parser)
    add_output(parser)


def add_levels(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo levels``."""
    add_model(parser)
    largest = "largest k of the increments, and 2^level at most one more (default: 1023)"
    parser.add_argument("--max-terms", type=whole, default=1023, metavar="N", help=largest)
    sequences = "independent sequences of importance samples (default: 10k)"
    parser.add_argument("--samples", type=whole, default=10_000, metavar="N", help=sequences)
    add_seed(parser)
    add_threads(parser)
    add_device(parser)
    add_plot(parser)
    add_output(parser)


def add_theory(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo theory``."""
    add_model(parser)
    add_estimator(parser)
    add_output(parser)


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo evaluate``."""
    parser.description = "The log evidence of every row of a model's data, with its error, and their sum."
    add_model(parser, default=None)
    add_estimator(parser)
    each = "trials of each row (default: 10k)"
    parser.add_argument("--trials", type=whole, default=10_000, metavar="N", help=each)
    add_seed(parser)
    add_threads(parser)
    add_output(parser)


def add_tune(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo tune``."""
    parser.description = "Mean and covariance of the model's proposal that make its weights better, to be copied."
    add_model(parser)
    what = "what is made least: auto (the default), hellinger, chi-square, sumo-variance or elbo"
    parser.add_argument("--objective", default="auto", metavar="WHAT", help=what)
    shape = "of the proposal: full or diagonal (default: full up to 32 dimensions)"
    parser.add_argument("--covariance", metavar="SHAPE", help=shape)
    cap = "of the SUMO whose variance is measured (default: 64)"
    parser.add_argument("--cap", type=whole, default=64, metavar="N", help=cap)
    samples = "points of one evaluation of the objective (default: 65536)"
    parser.add_argument("--samples", type=whole, default=2**16, metavar="N", help=samples)
    add_seed(parser)
    add_output(parser)


def add_guide(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo guide``."""
    added = parser.add_argument("page", nargs="?", default="index", metavar="PAGE", help="default: the list of pages")
    completion.attach(added, "pages_of_the_guide")
    site = "write all pages and a reference as a site into this folder, running their code for figures"
    parser.add_argument("--html", type=Path, metavar="DIR", help=site)
    add_output(parser, json=False)


def add_examples(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo examples``."""
    added = parser.add_argument("name", nargs="?", metavar="NAME", help="the script to write; default: list them")
    completion.attach(added, "examples")
    parser.add_argument("--force", action="store_true", help="replace a file of that name")
    add_output(parser, json=False)


def add_init(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo init``."""
    parser.add_argument("file", type=Path, metavar="FILE.py", help="a file that does not exist yet")
    add_output(parser, json=False)


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo doctor``."""
    add_output(parser)


def add_bench(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo bench``."""
    parser.description = "How fast this machine is: fastsumo against plain Numba (prange over trials, scalar math)."
    add_threads(parser)
    parser.add_argument(
        "--rounds", type=whole, default=3, metavar="N", help="laps of each; the best counts (default: 3)"
    )
    add_output(parser)


def add_completion(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fastsumo completion``."""
    parser.epilog = _SHELLS
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="yours")


def add_model(parser: argparse.ArgumentParser, default: str | None = "note") -> None:
    """The model, and its params."""
    text = "built in, or your own; see below"
    usual: dict[str, Any] = {"nargs": "?", "default": default, "help": f"{text} (default: {default})"}
    added = parser.add_argument("model", metavar="MODEL", **(usual if default else {"help": text}))
    completion.attach(added, "models")
    add_params(parser)


def add_params(parser: argparse.ArgumentParser) -> None:
    text = "params of the model in place of its own, such as 0.5,2"
    parser.add_argument("--params", type=vector, metavar="LIST", help=text)


def add_save(parser: argparse.ArgumentParser) -> None:
    """``--save`` and ``--force``."""
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the result, for show and fs.load")
    add_force(parser)


def add_force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def add_estimator(parser: argparse.ArgumentParser, *, several: str = "") -> None:
    """The estimator and its law of `K`; of both as many as one likes, where ``several`` says what is run by default."""
    what, law = "what one trial computes (default: sumo)", "law of K, the number of terms (default: harmonic)"
    more: dict[str, Any] = {}
    if several:
        what = f"what to compare; give it as often as you like (default: {several})"
        law = "SUMO under this law of K, beside the estimators; give it as often as you like"
        more = {"action": "append", "default": []}
    added = parser.add_argument("--estimator", metavar="ESTIMATOR", help=what, **more)
    completion.attach(added, "estimators")
    added = parser.add_argument("--roulette", metavar="ROULETTE", help=law, **more)
    completion.attach(added, "roulettes")


def add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=whole, metavar="N", help="default: 0")


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=whole, metavar="N", help="default: the cores this process may use")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu (the default), cuda, cuda:1, ...")


def add_plot(parser: argparse.ArgumentParser, more: str = "") -> None:
    parser.add_argument("--plot", type=Path, metavar="FILE", help=f"write the figure: .png, .pdf or .svg{more}")


def add_output(parser: argparse.ArgumentParser, json: bool = True) -> None:
    """``--json`` and ``--quiet``."""
    if json:
        text = 'print JSON instead of a table; NaN is null, infinities are "Infinity" and "-Infinity"'
        parser.add_argument("--json", action="store_true", help=text)
    parser.add_argument("--quiet", action="store_true", help="no progress, no notes, no table")


def vector(text: str) -> list[float]:
    """Numbers with commas between them."""
    try:
        return words.numbers(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def target(text: str) -> dict[str, float]:
    """When a run is to end: ``std_error=1e-4``."""
    name, _, value = text.partition("=")
    try:
        return {name.strip(): float(value)}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form std_error=1e-4") from None


def whole(text: str) -> int:
    """A whole number of the command line: 10000000, 1e7 or 10M."""
    try:
        return words.number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
