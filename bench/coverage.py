"""``python -m bench.coverage FOLDER``: how often 95 % intervals hold their mean, on the heavy tails of SUMO.

A repetition of ``n`` trials is ``n`` consecutive trials of one seed, and ten of them make one repetition of ``10 n``:
repetitions of one size share nothing, those of different sizes share trials. Every repetition of the largest size is a
file of the folder, written whole, so that a run goes on where the last one stopped; the table says how many there are.
With ``--part 3/16`` a run takes every sixteenth of them, so that several processes or machines share the work.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fastsumo as fs
from bench.report import publish, table

Rows = NDArray[np.void]
Floats = NDArray[np.float64]

MARKERS = "<!-- coverage table -->", "<!-- end of coverage table -->"
LAWS = {"harmonic": fs.roulette.Harmonic(), "paper": fs.roulette.HarmonicGeometric(alpha=80, rate=0.1)}
TITLES = {
    "harmonic": "`Harmonic()`, tail index 2",
    "paper": "`HarmonicGeometric(80, 0.1)`, tail index 1 up to a logarithm",
}
METHODS = ("normal", "median-of-means", "catoni", "trimmed", "self-normalised", "index-2", "subsampling")
SIZES = (10**4, 10**5, 10**6, 10**7)
REPETITIONS = 2000
SEED = 20
ONE_SIDED_MARKERS = "<!-- one-sided coverage table -->", "<!-- end of one-sided coverage table -->"
ONE_SIDED: dict[str, tuple[Callable[[np.random.Generator, int], Floats], float]] = {  # draws, and their mean
    "Pareto 1.2": (lambda random, size: random.pareto(1.2, size) + 1.0, 6.0),
    "Pareto 1.5": (lambda random, size: random.pareto(1.5, size) + 1.0, 3.0),
    "Lomax 1.5": (lambda random, size: random.pareto(1.5, size), 2.0),
    "Lomax 2": (lambda random, size: random.pareto(2.0, size), 1.0),
    "Lomax 3": (lambda random, size: random.pareto(3.0, size), 0.5),
    "Fréchet 1.5": (lambda random, size: random.exponential(size=size) ** (-1.0 / 1.5), math.gamma(1.0 / 3.0)),
    "inverse gamma 2.5": (lambda random, size: 1.0 / random.gamma(2.5, size=size), 1.0 / 1.5),
    "lognormal 2": (lambda random, size: np.exp(2.0 * random.standard_normal(size)), math.exp(2.0)),
    "exponential": (lambda random, size: random.exponential(size=size), 1.0),
}
ROW = np.dtype([("size", "i8"), ("repetition", "i8"), ("low", "f8", len(METHODS)), ("high", "f8", len(METHODS))])


# ---- what is run ----


def bounds(result: fs.Result) -> tuple[list[float], list[float]]:
    """Low and high ends by all methods; NaN where a method gives no interval."""
    summary = result.summary()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fs.tails.TailWarning)
        found = [fs.tails.mean_interval(summary, method) for method in METHODS]
    return [each.low for each in found], [each.high for each in found]


def block(law: fs.roulette.Roulette, number: int, sizes: Sequence[int], repetitions: int) -> Rows:
    """Repetition ``number`` of the largest size, with those of the smaller sizes inside it that are wanted."""
    model, estimator, rows = fs.models.note(), fs.SUMO(law), []

    def run(level: int, number: int) -> fs.Result:
        size = sizes[level]
        parts = size // sizes[level - 1] if level else 0
        if parts and number * parts < repetitions:
            pieces = [run(level - 1, number * parts + part) for part in range(parts)]
            result = functools.reduce(fs.Result.merge, pieces)
        else:
            result = fs.simulate(model, estimator, size, SEED, first_trial=number * size, progress=False)
        if number < repetitions:
            rows.append((size, number, *bounds(result)))
        return result

    run(len(sizes) - 1, number)
    return np.array(rows, ROW)


def study(
    folder: Path,
    minutes: float,
    sizes: Sequence[int] = SIZES,
    repetitions: int = REPETITIONS,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Run blocks of both laws in turn until all are there or time is up. Time alone decides, never what was found.

    Of ``part = i, n`` parts, the blocks ``i - 1, i - 1 + n, ...``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60.0 * minutes
    for number in range(part[0] - 1, repetitions, part[1]):
        for name, law in LAWS.items():
            path = folder / f"{name}-{number:04d}.npz"
            if path.exists():
                continue
            if time.monotonic() >= end:
                return
            draft = path.with_suffix(".part")
            with draft.open("wb") as file:
                np.savez(file, rows=block(law, number, sizes, repetitions))
            os.replace(draft, path)


def collected(folder: Path, name: str) -> Rows:
    """All rows of a law."""
    found = []
    for path in sorted(folder.glob(f"{name}-*.npz")):
        with np.load(path) as stored:
            found.append(stored["rows"])
    return np.concatenate(found) if found else np.zeros(0, ROW)


# ---- what is told ----


def coverage(rows: Rows, truth: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each method: the share of intervals that hold the truth, the median half width, the share without interval.

    A repetition without an interval does not hold the truth.
    """
    low, high = rows["low"], rows["high"]
    missing = np.isnan(low)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a method that never gave an interval
        width = np.nanmedian(0.5 * (high - low), axis=0)
    return np.mean((low <= truth) & (truth <= high), axis=0), width, missing.mean(axis=0)


def law_table(rows: Rows, truth: float) -> str:
    """Methods by sizes; the head says how many repetitions there are."""
    sizes = np.unique(rows["size"])
    columns = [rows[rows["size"] == size] for size in sizes]
    head = [f"{_power(size)} trials, {len(own)} times" for size, own in zip(sizes, columns, strict=True)]
    cells = [["coverage, half width", *head]]
    found = [coverage(own, truth) for own in columns]
    for place, method in enumerate(METHODS):
        row = [method]
        for share, width, missing in found:
            none = f", none in {100 * missing[place]:.2g} %" if missing[place] else ""
            row.append(f"{100 * share[place]:.1f} %, {width[place]:.2g}{none}")
        cells.append(row)
    return table(cells)


def report(folder: Path) -> str:
    """All that goes between the markers."""
    from fastsumo.jit.machine import cpu_name

    truth = fs.models.note().log_evidence
    parts = [
        "How often 95 % intervals for the mean of the note's SUMO hold `log 2π`, and their median half width, by "
        "method and number of trials. Repetitions of one size are independent; those of different sizes share trials. "
        "The standard error of a coverage near 95 % is 0.5 % over 2000 repetitions. Where a method gives no interval, "
        "it does not hold the truth.",
        f"Run on {cpu_name()}, fastsumo {fs.__version__}, "
        "with `python -m bench.coverage coverage --page fastsumo/guide/tails.md`.",
    ]
    for name, title in TITLES.items():
        rows = collected(folder, name)
        if len(rows):
            parts += [f"{title}:", law_table(rows, truth)]
    return "\n\n".join(parts)


def one_sided(repetitions: int, size: int) -> str:
    """A table of how often intervals hold the mean of laws with one heavy tail, and what `diagnose` chooses."""
    columns = ("normal", "median-of-means", "one-sided")
    cells = [["coverage, half width", *columns, "chosen by diagnose"]]
    for name, (draw, mean) in ONE_SIDED.items():
        random, held, widths = np.random.default_rng(SEED), np.zeros(len(columns) + 1), []
        for _ in range(repetitions):
            summary = fs.tails.summarize(draw(random, size))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", fs.tails.TailWarning)
                found = [fs.tails.mean_interval(summary, method) for method in columns]
                found.append(fs.tails.diagnose(summary).interval)
            held += [each.low <= mean <= each.high for each in found]
            widths.append([each.half_width for each in found])
        width = np.median(widths, axis=0)
        cells.append(
            [name, *(f"{share:.1f} %, {half:.2g}" for share, half in zip(100 * held / repetitions, width, strict=True))]
        )
    told = (
        f"How often 95 % intervals from {size:,} values of laws with one heavy tail hold the mean, over {repetitions} "
        "repetitions, and their median half width (infinite where the index may be 1, so that there may be no mean). "
        "The number after a law is its tail index; "
        "`python -m bench.coverage --one-sided --page fastsumo/guide/tails.md`."
    )
    return f"{told}\n\n{table(cells)}"


def _power(number: int) -> str:
    """10000 as 10⁴."""
    digits = len(str(number)) - 1
    return f"10{str(digits).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _part(text: str) -> tuple[int, int]:
    """3/16 as (3, 16)."""
    first, _, second = text.partition("/")
    number, parts = int(first), int(second)
    if not 1 <= number <= parts:
        raise ValueError(text)
    return number, parts


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.coverage", description="Coverage of intervals for a mean.")
    parser.add_argument(
        "folder", type=Path, nargs="?", help="where repetitions are kept; a run goes on with those that are there"
    )
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long (default: run all)")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="of each size (default: %(default)s)")
    parser.add_argument("--largest", type=float, default=SIZES[-1], help="trials of the largest size (default: 1e7)")
    parser.add_argument(
        "--part", type=_part, default=(1, 1), metavar="I/N", help="only part I of N of the work, I from 1 to N"
    )
    parser.add_argument("--page", type=Path, help="put the tables between the markers of this file")
    parser.add_argument("--one-sided", action="store_true", help="the table of laws with one heavy tail, in a minute")
    options = parser.parse_args(arguments)
    if options.one_sided:
        publish(one_sided(min(options.repetitions, 500), 10_000), options.page, ONE_SIDED_MARKERS)
        return 0
    if options.folder is None:
        parser.error("give a folder, or --one-sided")
    sizes = [size for size in SIZES if size <= options.largest]
    study(options.folder, options.minutes, sizes, options.repetitions, options.part)
    publish(report(options.folder), options.page, MARKERS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
