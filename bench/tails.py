"""``python -m bench.tails``: far tails by strata of `K`, beside theory and beside what plain trials would cost.

The note's problem, whose log evidence and chi-square divergence are known. With ``--cost`` more samples say more; every
number has its error.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, erfc

import fastsumo as fs
from bench.report import publish, table
from fastsumo.base.text import short
from fastsumo.models.builtin import _note_log_density
from fastsumo.theory import tail_survival
from fastsumo.vmath import expm1, log1p

Floats = NDArray[np.float64]

MARKERS = "<!-- tails table -->", "<!-- end of tails table -->"
SEED = 1
PAPER = fs.SUMO(fs.roulette.HarmonicGeometric())
HARMONIC = fs.SUMO(fs.roulette.Harmonic())
DISTANCES = {"paper": 10.0 ** np.arange(1, 16), "harmonic": np.array([10.0, 31.6, 100.0, 316.0, 1e3, 3e3, 1e4])}
_ONE_BY_ONE = 16  # terms that are a stratum each
_FEWEST, _MOST = 2, 2_000_000  # trials of a stratum
_EPSILON = 2.0**-10


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


def growth_table(found: fs.Stratified, controlled: Sequence[tuple[int, float, float]]) -> str:
    """The variance of a plain trial up to octaves of `K`, by strata and with a control variate; what an octave adds."""
    growth, chi2 = found.growth, found.provenance.chi_square or math.nan
    rows: list[list[str]] = []
    before: tuple[float, float] | None = None
    for last, variance, error in controlled:
        if math.log2(last + 1) % 4 != 2:
            continue
        at = np.searchsorted(growth["terms"], last)
        known = at < growth.size and growth["terms"][at] == last
        plain = f"{growth['variance'][at]:.4f} ± {growth['variance_error'][at]:.4f}" if known else ""
        added = (
            ""
            if before is None
            else f"{(variance - before[0]) / 4:.4f} ± {math.sqrt(error**2 - before[1] ** 2) / 4:.1g}"
        )
        rows.append(
            [short(float(last + 1)), plain, f"{variance:.{-math.floor(math.log10(error))}f} ± {error:.1g}", added]
        )
        before = variance, error
    head = ["K below", "variance, by strata", "with a control variate"]
    return table([[*head, f"an octave adds (first order: χ² log 2 = {chi2 * math.log(2.0):.4f})"], *rows])


_log_density = numba.njit(_note_log_density)


def _near_one(z, params):  # type: ignore[no-untyped-def]
    """``log(1 + epsilon (w - 1))``, ``w`` the note's weight over the evidence: values are nearly linear in ``w``."""
    x = (params[1] * z[0], params[1] * z[1])
    away = _log_density(x, params) + 0.5 * (z[0] * z[0] + z[1] * z[1]) + params[2]
    return log1p(params[0] * expm1(away))


def linear_square(k: ArrayLike) -> Floats:
    """``a(K)``: the mean square of a value's linear part is ``chi2 a(K)``, for SUMO with ``P(K >= k) = 1/k``.

    With ``x_i = w_i / Z - 1`` and ``X_n`` their sum, the linear part of ``L_n - log Z`` is ``X_n / n``, and that of a
    value ``X_1 + sum_(k=1)^K k (X_(k+1) / (k+1) - X_k / k) = sum_i x_i (1 - H_(K+1) + H_(max(i, 2) - 1))``, of
    independent ``x_i``. Squares are summed by ``sum_(i<=n) H_i = (n+1) H_n - n`` and
    ``sum_(i<=n) H_i^2 = (n+1) H_n^2 - (2n+1) H_n + 2n``.

    Examples
    --------
    >>> linear_square([1, 2, 3]).round(6)
    array([0.5 , 0.5 , 0.75])
    """
    n = np.asarray(k, np.float64)
    harmonic = digamma(n + 1.0) + np.euler_gamma
    b = 1.0 - harmonic - 1.0 / (n + 1.0)
    sums, squares = (n + 1.0) * harmonic - n, (n + 1.0) * harmonic**2 - (2.0 * n + 1.0) * harmonic + 2.0 * n
    return np.asarray((b + 1.0) ** 2 + n * b**2 + 2.0 * b * sums + squares)


def _mean_linear_square(low: int, high: int) -> float:
    """``E[a(K) | low <= K <= high]``, ``P(K = k) = 1/(k (k+1))``; for many `K` that differ little by an integral."""
    if high < 2**16:
        k = np.arange(low, high + 1.0)
        return float(np.average(linear_square(k), weights=1.0 / (k * (k + 1.0))))
    x, share = np.polynomial.legendre.leggauss(40)
    k = low * (high / low) ** (0.5 * (x + 1.0))
    return float(np.average(linear_square(k), weights=share / (k + 1.0)))


def controlled_growth(cost: float, largest: int, device: str = "cpu") -> list[tuple[int, float, float]]:
    """Last `K` of strata, and what all up to it add to the variance of the note's harmonic SUMO, with its error.

    At a large `K` a value is nearly linear in the weights, and the mean square of its linear part is known. So only the
    mean of ``(S - log Z)^2 - linear^2`` is estimated, whose spread falls like ``log(K) / sqrt(K)`` of the whole. The
    linear part comes from trials of the same numbers, whose samples and `K` are thus the same, with the weights
    ``1 ± epsilon (w - 1)``: half of the difference, over epsilon, is right to ``epsilon^2``.
    """
    note = fs.models.note()
    near = [
        fs.Model(_near_one, 2, [sign * _EPSILON, math.sqrt(5.0), math.log(5.0)], log_evidence=0.0, name="near_one")
        for sign in (1.0, -1.0)
    ]
    lows = octaves(largest, 1)
    rows, total, square = [], 0.0, 0.0
    for low, after in itertools.pairwise([*lows, largest + 1]):
        stratum = fs.Stratum(HARMONIC, low, after - 1)
        trials = int(np.clip(cost / len(lows) / 3.0 / stratum.expected_cost(), _FEWEST, _MOST))
        values, plus, minus = (fs.sample(model, stratum, trials, SEED, device=device)[0] for model in (note, *near))
        rest = (values - note.log_evidence) ** 2 - ((plus - minus) / (2.0 * _EPSILON)) ** 2
        linear = (note.chi_square or math.nan) * _mean_linear_square(low, after - 1)
        total += stratum.probability * (linear + float(rest.mean()))
        square += stratum.probability**2 * float(rest.var(ddof=1)) / trials
        rows.append((after - 1, total, math.sqrt(square)))
    return rows


def octaves(largest: int, parts: int = 4) -> list[int]:
    """The smallest `K` of strata: single terms, parts of an octave, and from 2^24 on octaves.

    Examples
    --------
    >>> octaves(64)[14:]
    [15, 16, 20, 23, 27, 32, 39, 46, 54, 64]
    """
    lows = list(range(1, min(_ONE_BY_ONE, largest + 1)))
    for octave in range(_ONE_BY_ONE.bit_length() - 1, largest.bit_length()):
        part = parts if octave < 24 else 1
        lows += [math.ceil(2.0 ** (octave + i / part)) for i in range(part)]
    return [low for low in lows if low <= largest]


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


def report(cost: float, largest: int, growth_to: int, device: str | None, at: float | None = None) -> str:
    """All tables, as Markdown; of the harmonic law's tail alone where it is aimed at one distance."""
    parts = []
    if at is not None:
        aimed = harmonic(cost, largest, device, at)
        title = f"The harmonic law at x = {at:g}: {short(aimed.cost)} samples up to K = {short(largest)}"
        return f"{title}.\n\n{tail_table(aimed, np.array([at]), True)}"
    paper = fs.stratify(fs.models.note(), PAPER, cost=7.3e7, seed=SEED, device=device)
    title = f"The paper's law, `HarmonicGeometric(80, 0.1)`: {short(paper.cost)} samples in {len(paper.strata)} strata"
    parts.append(f"{title}.\n\n{tail_table(paper, DISTANCES['paper'], False)}")
    plain = harmonic(cost, largest, device)
    title = f"The harmonic law: {short(plain.cost)} samples in {len(plain.strata)} strata up to K = {short(largest)}"
    parts.append(f"{title}.\n\n{tail_table(plain, DISTANCES['harmonic'], True)}")
    growth = growth_table(plain, controlled_growth(cost, growth_to - 1, device or "cpu"))
    parts.append(f"How the variance of a plain trial grows with the largest `K`.\n\n{growth}")
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tails", description=__doc__)
    parser.add_argument("--cost", type=float, default=4e9, help="importance samples for the harmonic law")
    parser.add_argument("--largest-terms", type=int, default=2**26, help="its largest K")
    parser.add_argument("--growth-to", type=int, default=2**30, help="largest K of the growth of the variance")
    parser.add_argument("--at", type=float, metavar="X", help="only the harmonic law's tail at this distance, well")
    parser.add_argument("--device")
    parser.add_argument("--page", type=Path, help="put the tables between the markers of this file")
    options = parser.parse_args(arguments)
    if options.at is not None and options.page is not None:
        parser.error("--at makes no table for a page: leave out --page")
    text = report(options.cost, options.largest_terms, options.growth_to, options.device, options.at)
    publish(text, options.page, MARKERS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
