"""``python -m bench.tails``: far tails by strata of `K`, beside theory and beside what plain trials would cost.

The note's problem, whose log evidence and chi-square divergence are known. With ``--cost`` more samples say more; every
number has its error.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import erfc

import fastsumo as fs
from bench.report import publish, table
from fastsumo.base.text import short
from fastsumo.theory import tail_survival

MARKERS = "<!-- tails table -->", "<!-- end of tails table -->"
SEED = 1
PAPER = fs.SUMO(fs.roulette.HarmonicGeometric())
HARMONIC = fs.SUMO(fs.roulette.Harmonic())
DISTANCES = {"paper": 10.0 ** np.arange(1, 16), "harmonic": np.array([10.0, 31.6, 100.0, 316.0, 1e3, 3e3, 1e4])}
_ONE_BY_ONE = 16  # terms that are a stratum each


def tail_table(found: fs.Stratified, distances: Any, square: bool) -> str:
    """The tail at each distance; with ``x^2 P`` where that has a limit; and the plain trials that would say as much."""
    tail = found.tail(distances)
    seen = tail[(tail["probability"] > 0.0) & (tail["missing"] < 0.1 * tail["probability"])]
    theory = tail_survival(found.provenance, seen["x"])
    mean_cost = float(found.strata["probability"] @ (found.strata["cost"] / found.strata["trials"]))
    rows = []
    for row, first in zip(seen, [math.nan] * seen.size if theory is None else theory, strict=True):
        p, error = float(row["probability"]), float(row["std_error"])
        plain = (1.0 - p) * p / error**2 * mean_cost if error else math.nan
        scaled = [f"{p * row['x'] ** 2:.4f} ± {error * row['x'] ** 2:.4f}"] if square else []
        cells = [f"{row['x']:g}", f"{p:.4g} ± {error:.2g}", *scaled, f"{row['missing']:.1g}", f"{p / first:.3f}"]
        rows.append([*cells, f"{plain / found.cost:.2g}"])
    head = ["x", "P(\\|S − log Z\\| > x)", *(["x² P"] if square else []), "out of reach", "over first order"]
    return table([[*head, "samples of plain trials for that error, over ours"], *rows])


def growth_table(found: fs.Stratified) -> str:
    """The variance of a plain trial up to octaves of `K`, and what each octave adds."""
    growth, chi2 = found.growth, found.provenance.chi_square or math.nan
    ends = 2 ** np.arange(2, 60, 4)
    rows, before = [], None
    for end in ends[ends <= growth["terms"][-1] + 1]:
        row = growth[np.searchsorted(growth["terms"], end - 1)]
        added = "" if before is None else f"{(row['variance'] - before) / 4:.4f}"
        rows.append([short(float(end)), f"{row['variance']:.4f} ± {row['variance_error']:.4f}", added])
        before = row["variance"]
    head = ["K below", "variance", f"an octave adds (first order: χ² log 2 = {chi2 * math.log(2.0):.4f})"]
    return table([head, *rows])


def octaves(largest: int) -> list[int]:
    """Strata of the harmonic law: single terms, quarters of an octave, and from 2^24 on octaves."""
    low, lows = 1, []
    while low <= largest:
        lows.append(low)
        low = low + 1 if low < _ONE_BY_ONE else math.ceil(low * (2.0**0.25 if low < 2**24 else 2.0))
    return lows


def trials_at(x: float, cost: float, lows: list[int], largest: int, chi2: float) -> list[int]:
    """Trials of strata for the least error of ``P(|S - log Z| > x)`` at a cost (Neyman), by first-order theory.

    Given `K` a value is about normal with the variance ``chi2 K``, so that the tail is decided around ``K = x^2 /
    chi2``: strata far below hardly reach ``x``, those far above nearly always do. The relative error is some ``2.2 x /
    sqrt(cost)``.

    Examples
    --------
    >>> trials_at(100.0, 1e6, [1, 1000, 10_000, 100_000], 10**6, 1.0)
    [4, 183, 10, 4]
    """
    low, after = np.array(lows, float), np.array([*lows[1:], largest + 1], float)
    terms = np.sqrt(low * after)
    beyond = erfc(x / np.sqrt(2.0 * chi2 * terms))
    weights = (1.0 / low - 1.0 / after) * np.sqrt(beyond * (1.0 - beyond) * terms)
    return np.maximum(cost * weights / weights.sum() / terms, 4).astype(int).tolist()


def harmonic(cost: float, largest: int, device: str | None, at: float | None = None) -> fs.Stratified:
    """The harmonic law, each stratum with its share of the cost, or with what says most of the tail at one distance."""
    lows = octaves(largest)
    if at is None:
        trials = [int(min(max(cost / len(lows) / (1.1 * low), 4), 200_000)) for low in lows]
    else:
        trials = trials_at(at, cost, lows, largest, fs.models.note().chi_square or math.nan)
    return fs.stratify(
        fs.models.note(), HARMONIC, seed=SEED, strata=lows, largest_terms=largest, allocation=trials, device=device
    )


def report(cost: float, largest: int, device: str | None, at: float | None = None) -> str:
    """All tables, as Markdown; of the harmonic law's tail alone where it is aimed at one distance."""
    parts = []
    began = time.perf_counter()
    if at is not None:
        aimed = harmonic(cost, largest, device, at)
        title = f"The harmonic law at x = {at:g}: {short(aimed.cost)} samples up to K = {short(largest)}"
        return f"{title}, {time.perf_counter() - began:.0f} s.\n\n{tail_table(aimed, np.array([at]), True)}"
    paper = fs.stratify(fs.models.note(), PAPER, cost=7.3e7, seed=SEED, device=device)
    title = f"The paper's law, `HarmonicGeometric(80, 0.1)`: {short(paper.cost)} samples in {len(paper.strata)} strata"
    parts.append(f"{title}, {time.perf_counter() - began:.0f} s.\n\n{tail_table(paper, DISTANCES['paper'], False)}")
    began = time.perf_counter()
    plain = harmonic(cost, largest, device)
    title = f"The harmonic law: {short(plain.cost)} samples in {len(plain.strata)} strata up to K = {short(largest)}"
    parts.append(f"{title}, {time.perf_counter() - began:.0f} s.\n\n{tail_table(plain, DISTANCES['harmonic'], True)}")
    parts.append(growth_table(plain))
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tails", description=__doc__)
    parser.add_argument("--cost", type=float, default=4e9, help="importance samples for the harmonic law")
    parser.add_argument("--largest-terms", type=int, default=2**26, help="its largest K")
    parser.add_argument("--at", type=float, metavar="X", help="only the harmonic law's tail at this distance, well")
    parser.add_argument("--device")
    parser.add_argument("--page", type=Path, help="put the tables between the markers of this file")
    options = parser.parse_args(arguments)
    if options.at is not None and options.page is not None:
        parser.error("--at makes no table for a page: leave out --page")
    text = report(options.cost, options.largest_terms, options.device, options.at)
    publish(text, options.page, MARKERS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
