"""``python -m bench.published``: published results, redone, their numbers beside ours.

Their numbers were read from the drawn lines of the figures, or from a poster, as each part says. ``--effort 10`` runs
ten times the trials, which divides every error by three; ``--page FILE`` puts the text between the markers,
``--page`` alone prints it with them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, expit, polygamma
from scipy.stats import ncx2

import fastsumo as fs
from bench.report import publish, table
from fastsumo.estimators.labels import label

Floats = NDArray[np.float64]

MARKERS = "<!-- published results -->", "<!-- end of published results -->"
PAPER = fs.roulette.HarmonicGeometric(alpha=80, rate=0.1)
SEED = 2021


class Number(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float = 0.0

    def __str__(self) -> str:
        if not self.error > 1e-9 * abs(self.value):
            return f"{self.value:.3g}"
        digits = max(0, math.floor(math.log10(abs(self.value) / self.error)) + 1) if self.value else 0
        return f"{self.value:.{min(digits, 5)}e} ± {self.error:.0e}" if _small(self) else _plain(self)


def _small(number: Number) -> bool:
    return abs(number.value) < 0.01 or abs(number.value) >= 1e5


def _plain(number: Number) -> str:
    places = max(0, 1 - math.floor(math.log10(number.error)))
    return f"{number.value:.{places}f} ± {number.error:.{places}f}"


def average(values: ArrayLike, errors: ArrayLike) -> Number:
    """The mean of independent numbers."""
    own = np.asarray(errors, np.float64)
    return Number(float(np.mean(values)), float(np.sqrt(np.sum(own**2)) / own.size))


# ---- 1 and 2: Shi & Cornish (AISTATS 2021), the linear Gaussian example ----------------------------------------------

DIM, R = 20, 0.6  # of their geometric law, P(level = k) = R (1 - R)^k
COSTS = (6, 24, 96, 384)
FIGURE_1 = {  # k = 0 .. 10: E[(L(2^(k+1)) - L(2^k))^2], and of antithetic differences
    "plain": (0.938, 0.395, 0.179, 0.0837, 0.0404, 0.0195, 0.00978, 0.00483, 0.00243, 0.00121, 6.06e-4),
    "antithetic": (0.210, 0.0598, 0.0162, 0.00425, 0.00110, 2.79e-4, 7.11e-5, 1.77e-5, 4.41e-6, 1.09e-6, 2.74e-7),
}
FIGURE_2 = {  # at the costs: squared bias, variance
    "IWAE": ((9.88e-3, 6.25e-4, 4.01e-5, 2.45e-6), (2.03e-4, 4.91e-5, 1.23e-5, 3.09e-6)),
    "SUMO": ((1.51e-4, 7.93e-5, 1.04e-5, 5.13e-6), (0.189, 0.0709, 7.95e-4, 4.11e-3)),
    "ML-SS": ((1.44e-5, 4.88e-6, 2.03e-7, 3.73e-8), (0.0423, 2.66e-3, 1.84e-4, 1.53e-5)),
    "ML-RR": ((1.32e-4, 3.30e-5, 1.42e-6, 4.04e-8), (0.312, 0.0206, 1.45e-3, 8.87e-5)),
}
BATCH = 1000  # realisations that their means are over
_TOTAL = 0.5 * DIM * math.log(4.0 / 3.0)  # of log densities, the part that is no square
_NODES = 6  # of the interpolation in |row|^2
_LEVELS = 12  # whose means are taken as they are
_SIMULATED = 16  # K up to which a run can see a bias


def _log_weight_along(z, params):  # type: ignore[no-untyped-def]
    """`_log_weight` of a row as long as ``params[2]``, along the first axis: the law is that of any such row."""
    total = params[0]
    for i in range(len(z)):
        away = params[1] * z[i] + (params[2] if i == 0 else 0.0)
        total += 0.5 * z[i] * z[i] - away * away
    return total


def _log_weight(z, row, params):  # type: ignore[no-untyped-def]
    """Over the evidence: posterior ``N(m, I / 2)``, proposal ``N(m + row, 2 I / 3)``."""
    total = params[0]
    for i in range(z.size):
        away = row[i] + params[1] * z[i]
        total += 0.5 * z[i] * z[i] - away * away
    return total


def linear_gaussian(perturbations: int, observations: int, size: float = 0.01) -> fs.Model:
    """Rows are how far the proposal's mean is off, of pairs of a perturbation of ``(A, b)`` and an ``x``.

    ``theta ~ N(0, I)``, ``x ~ N(theta, 2 I)``; about the best ``A = I / 2``, ``b = theta / 2`` with normal
    perturbations of standard deviation ``size``. Log weights are over ``p(x)``, so that the log evidence is 0.
    """
    random = np.random.default_rng(SEED)
    theta = random.standard_normal(DIM)
    x = theta + math.sqrt(2.0) * random.standard_normal((observations, DIM))
    off = [
        x @ (size * random.standard_normal((DIM, DIM))).T + size * random.standard_normal(DIM)
        for _ in range(perturbations)
    ]
    return fs.Model(
        _log_weight,
        DIM,
        [_TOTAL, math.sqrt(2.0 / 3.0)],
        log_evidence=lambda rows, params: np.zeros(len(rows)),
        data=np.concatenate(off),
        name="linear_gaussian_20",
    )


def chi_square(rows: ArrayLike) -> Floats:
    """Of each row: ``((2/3) / sqrt(5/12))^20 exp(6 |row|^2 / 5) - 1``, the Gaussian integral of ``p^2 / q``."""
    off = np.atleast_2d(np.asarray(rows, np.float64))
    return np.asarray(((2.0 / 3.0) / math.sqrt(5.0 / 12.0)) ** DIM * np.exp(1.2 * np.sum(off**2, axis=1)) - 1.0)


def with_transform(square: float) -> fs.Model:
    """The weights of a row with ``|row|^2 = square``, and their Laplace transform.

    ``log w = log(4/3) DIM / 2 + 3 |row|^2 - Q / 6``, ``Q = |z + 6 sqrt(2/3) row|^2`` of the noncentral chi-square law
    with DIM degrees and ``24 |row|^2``, so that the transform is an integral over ``sqrt(Q)``.
    """
    x, share = np.polynomial.legendre.leggauss(400)
    root = 11.0 * (x + 1.0)  # from 0 to 22
    mass = 22.0 * share * root * ncx2.pdf(root**2, DIM, 24.0 * square)
    weight = np.exp(_TOTAL + 3.0 * square - root**2 / 6.0)
    return fs.Model(
        _log_weight_along,
        DIM,
        [_TOTAL, math.sqrt(2.0 / 3.0), math.sqrt(square)],
        log_evidence=0.0,
        chi_square=float(chi_square([math.sqrt(square)])[0]),
        laplace=lambda t: np.exp(-np.asarray(t)[..., None] * weight) @ mass,
        weight_tail_index=math.inf,
        weight_zero_index=math.inf,
    )


class Exact:
    """Means over rows of what theory knows: interpolated in ``|row|^2``, of which alone it is a function."""

    def __init__(self, rows: ArrayLike) -> None:
        self.squares = np.sum(np.asarray(rows, np.float64) ** 2, axis=1)
        self.low, self.high = float(self.squares.min()), float(self.squares.max())
        nodes = np.polynomial.chebyshev.chebpts1(_NODES)
        self.models = [with_transform(0.5 * (self.low + self.high + x * (self.high - self.low))) for x in nodes]

    def mean(self, at_nodes: Sequence[float]) -> Number:
        """Over the rows; the error is what the last two terms of the interpolation come to."""
        fitted = np.polynomial.Chebyshev(
            np.polynomial.chebyshev.chebfit(np.polynomial.chebyshev.chebpts1(_NODES), at_nodes, _NODES - 1),
            domain=[self.low, self.high],
        )
        return Number(float(fitted(self.squares).mean()), float(np.abs(fitted.coef[-2:]).sum()))

    def bias(self, k: int) -> float:
        """Of IWAE(k)."""
        return self.mean([fs.theory.iwae(model, k) for model in self.models]).value

    def variance(self, estimator: fs.estimators.Estimator) -> Number:
        """Of a trial."""
        found = [fs.theory.predict(model, estimator).variance for model in self.models]
        if any(math.isinf(each.value) for each in found):
            return Number(math.inf)
        value, error = self.mean([each.value for each in found])
        return Number(value, error + max(each.error for each in found))


def level_moments(model: fs.Model, top: int, samples: int) -> list[fs.levels.Levels]:
    """Levels of every row of the model, each from random numbers of its own."""
    assert model.data is not None
    return [fs.levels(model.at_row(i), 2**top - 1, samples, seed=SEED + i) for i in range(len(model.data))]


def squares(levels: Sequence[fs.levels.Levels]) -> tuple[list[Number], list[Number]]:
    """Second moments of antithetic differences and of plain ones, ``k = 0, 1, ...``, over all rows.

    With the halves ``A, B`` of a level, ``L - L_A = D + (L_B - L_A) / 2``, whose parts are uncorrelated: its second
    moment is that of ``D`` plus half the variance of ``L_A``.
    """
    antithetic, plain = [], []
    for level in range(1, len(levels[0].dyadic)):
        own = np.array([found.dyadic[level] for found in levels])
        half = np.array([found.dyadic[level - 1] for found in levels])
        second, error = own["mean"] ** 2 + own["variance"], own["variance_error"]
        antithetic.append(average(second, np.hypot(error, 2.0 * own["mean"] * own["mean_error"])))
        more = 0.5 * half["fine_variance"]
        own_error = np.sqrt(2.0 / levels[0].samples) * more  # of a normal law; halves are near one
        plain.append(average(second + more, np.hypot(error, own_error)))
    return antithetic, plain


def slope(numbers: Sequence[Number], first: int = 4) -> Number:
    """Powers of 2 that a level loses, from ``k = first`` on."""
    values = np.log2([number.value for number in numbers[first:]])
    errors = np.array([number.error / number.value for number in numbers[first:]]) / math.log(2.0)
    place = np.arange(values.size) - 0.5 * (values.size - 1.0)
    share = place / float(place @ place)
    return Number(float(share @ values), float(np.sqrt(np.sum((share * errors) ** 2))))


def figure_1(levels: Sequence[fs.levels.Levels], chi2: float) -> str:
    antithetic, plain = squares(levels)
    rows = [["k", "plain, ours", "theirs", "antithetic, ours", "theirs"]]
    for k, (first, second) in enumerate(zip(plain, antithetic, strict=True)):
        rows.append([f"{k}", f"{first}", _theirs("plain", k), f"{second}", _theirs("antithetic", k)])
    best = float(chi_square(np.zeros(DIM))[0])
    return (
        "**Shi & Cornish (AISTATS 2021), figure 1.** `z ~ N(θ, I₂₀)`, `x | z ~ N(z, I)`, `q = N(Ax + b, ⅔ I)`, `(A, "
        f"b)` perturbed by 0.01, {len(levels)} pairs of a perturbation and an x: `E[(L(2^(k+1)) − L(2^k))²]`, and of "
        f"antithetic differences. Ours fall like `2^(s k)` from k = 4 on, with s = {slope(plain)} and "
        f"{slope(antithetic)}; they say −1 and −2, which agrees. χ² at the optimum is {best:.7f}, of these rows "
        f"{chi2:.3f} on average, so that χ²/2^(k+1) and χ⁴/(2·4^(k+1)) are the limits; theirs, read from the lines of "
        "the figure, are larger and fit a mean χ² of 1.24: their θ, x and perturbations are not published, so that the "
        "sizes cannot agree to the digit."
        f"\n\n{table(rows)}"
    )


def _theirs(name: str, k: int) -> str:
    return f"{FIGURE_1[name][k]:.3g}" if k < len(FIGURE_1[name]) else ""


def estimators_at(cost: int) -> dict[str, fs.estimators.Estimator]:
    """Their four estimators at an expected cost; ML-SS with a level 0 of its own costs a sixth more."""
    base = cost // 6
    return {
        "IWAE": fs.IWAE(cost),
        "SUMO": fs.SUMO(PAPER, minimum=max(1, round(cost - PAPER.expected_terms()))),
        "ML-SS": fs.MLMC(ratio=1.0 - R, base=base),
        "ML-RR": fs.MLMC(ratio=1.0 - R, base=2 * base, first=False, kind="sum"),
    }


def moments(model: fs.Model, estimator: fs.estimators.Estimator, samples: float) -> tuple[Number, Number]:
    """Squared bias of the mean over rows, freed of its own noise, and the mean variance of a trial."""
    assert model.data is not None
    trials = max(2, int(samples / estimator.expected_cost() / len(model.data)))
    found = fs.evaluate(model, estimator, trials, seed=SEED, progress=False)
    bias = average(found.mean, found.std_error)
    square = Number(bias.value**2 - bias.error**2, 2.0 * abs(bias.value) * bias.error + math.sqrt(2.0) * bias.error**2)
    spread = np.std(found.variance, ddof=1) / math.sqrt(found.rows)  # between rows, which holds that within
    return square, Number(float(found.variance.mean()), float(spread))


def one_for_all(exact: Exact, cost: int) -> dict[str, float]:
    """Variance of the mean of ever more trials that share one `K`: that of ``E[S | K]``.

    For SUMO it is infinite too: ``P(K >= k) E[S | k]^2`` grows, with ``E Delta_k ~ k^-2`` and a geometric survival.
    """
    biases = np.array([exact.bias(cost // 6 * 2**level) for level in range(_LEVELS)])
    d = np.append(np.diff(biases), -biases[-1] * 0.5 ** np.arange(1.0, 60.0))  # E D falls by half from level to level
    above = (1.0 - R) ** np.arange(d.size)
    return {
        "IWAE": 0.0,
        "SUMO": math.inf,
        "ML-SS": float(np.sum(d**2 / (R * above)) - np.sum(d) ** 2),
        "ML-RR": _of_sums(d, above),
    }


def _of_sums(increments: Floats, survival: Floats) -> float:
    """``Var(M_K)``, ``M_k`` the sum of increments over their survival up to ``k``."""
    sums = np.cumsum(increments / survival)
    return float(np.sum(survival * np.diff(np.append(0.0, sums) ** 2)) - np.sum(increments) ** 2)


def figure_2(model: fs.Model, samples: float) -> str:
    assert model.data is not None
    exact = Exact(model.data)
    head = ["cost", "estimator", "bias², ours", "exact", "theirs", "variance of a trial, ours", "exact"]
    rows = [[*head, "one K for 1000, exact", "theirs"]]
    gaps, above, worst = [], [], 0.0
    for place, cost in enumerate(COSTS):
        shared, own = one_for_all(exact, cost), {}
        for name, estimator in estimators_at(cost).items():
            square, variance = moments(model, estimator, samples)
            theirs, known = (FIGURE_2[name][0][place], FIGURE_2[name][1][place]), exact.variance(estimator)
            bias = exact.bias(cost) ** 2 if name == "IWAE" else 0.0
            above += [theirs[0] / bias - 1.0] if bias else []
            batch = shared[name] + (known.value - shared[name]) / BATCH if math.isfinite(known.value) else math.inf
            own[name], worst = known.value, max(worst, known.error / known.value)
            told = [f"{square}", f"{bias:.4g}", f"{theirs[0]:.3g}", f"{variance}", f"{known.value:.4g}"]
            rows.append([f"{cost}", name, *told, f"{batch:.3g}", f"{theirs[1]:.3g}"])
        gaps.append(f"{own['ML-SS'] / own['IWAE']:.2g} and {own['ML-RR'] / own['IWAE']:.2g} times")
    most, fewest = (f"{samples / cost:,.0f}" for cost in (COSTS[0], COSTS[-1]))
    return (
        "**Shi & Cornish, figure 2**, the log likelihood: their estimators at r = 0.6. A cell of theirs has 1000 "
        f"realisations; “ours” has {most} (cost {COSTS[0]}) to {fewest} (cost {COSTS[-1]}). A million times theirs "
        "would be 10⁹ a cell, 2·10¹² weights in all. “Exact” says as much, with no random numbers: a log weight is a "
        "constant less a sixth of a noncentral χ² variable, so that its Laplace transform is one integral, and mean "
        "and variance of each estimator follow from it (`Model(laplace=...)` and `fs.theory.predict`), for the same "
        f"{len(model.data)} rows as “ours”; its variances are right to {worst:.0e} of themselves, a bound, where 10⁹ "
        "realisations would leave 4·10⁻⁵ for the normal law, and 10⁻⁴ and more for ML-SS and ML-RR, whose tails are "
        "heavier.\n\n"
        "Squared bias is that of the mean over all rows, in “ours” less its own noise: 0 for the unbiased ones, so "
        f"that what they drew is the noise of 1000 realisations; of IWAE theirs is {100.0 * min(above):.0f} to "
        f"{100.0 * max(above):.0f} % above the exact one, as a larger χ² has it. Their variance fits none of a single "
        "trial, but that of a mean of 1000 trials that share one K, `Var E[S | K] + E Var[S | K] / 1000`, the column "
        "before theirs; so it is the sharing that puts IWAE a hundred times and more below the unbiased ones at the "
        "least cost. Where every trial has a K of its own, "
        f"ML-SS and ML-RR have {gaps[0]} the variance of IWAE at cost {COSTS[0]}, {gaps[-1]} at cost {COSTS[-1]}. SUMO "
        "here has the law of Luo et al. behind as many samples as the cost leaves (theirs is not told), of infinite "
        "variance, shared or not: the numbers of “ours” are those of a run, and grow with it, and their ± means "
        "nothing. ML-SS here has a level 0 of its own, for 7/6 of the cost."
        f"\n\n{table(rows)}"
    )


# ---- 3: Ishikawa & Goda (UAI 2021), the random effects logistic model ------------------------------------------------

TOP = 12
POSTER = {"nested": (3.6e-5, 1.4e-4, 3.4e-2), "MLMC": (3.7e-5, 1.5e-4, 2.4e-4)}  # at levels 0, 4 and 12
FIRST = 1.0 - 2.0**-1.5  # of individuals at level 0; those at the others fall by 2^-1.5 a level
SLOPES = np.array([0.25, 0.5, 0.75])
WIDER = 2.0  # than Laplace's is the proposal of their figure
VARIED, TIMED = 4000, 20_000  # individuals of their variances, and of their run times


def allocation(top: int) -> Floats:
    """Shares of individuals at the levels 0 to ``top``, as their code has it."""
    if top == 0:
        return np.ones(1)
    shares = 2.0 ** (-1.5 * np.arange(top))
    return np.append(FIRST, (1.0 - FIRST) * shares / shares.sum())


def whole_allocation(top: int, individuals: int) -> Floats:
    """The same of so many individuals, rounded upwards, as their code has it too: no level has less than one."""
    counts = np.ceil(allocation(top) * individuals)
    counts[0] = individuals - counts[1:].sum()
    return np.asarray(counts / individuals)


def multilevel(variances: Sequence[Floats]) -> Floats:
    """Variance times samples of MLMC up to the last of the levels: ``sum V_l / w_l`` times ``sum w_l 2^l``."""
    shares = allocation(len(variances) - 1)
    total = sum(each / share for each, share in zip(variances, shares, strict=True))
    return np.asarray(total * float(shares @ 2.0 ** np.arange(shares.size)))


def over_individuals(model: fs.Model, estimator: fs.estimators.Estimator, samples: float, scale: float = 1.0) -> Floats:
    """What each individual adds to the variance of one trial of an individual drawn at random, within plus between.

    The mean over individuals, times ``scale`` squared, is that variance.
    """
    assert model.data is not None
    rows = len(model.data)
    trials = max(4, int(samples / estimator.expected_cost() / rows))
    found = fs.evaluate(model, estimator, trials, seed=SEED, progress=False)
    deviation = found.mean - found.mean.mean()
    each = found.variance * (1.0 - 1.0 / trials) + deviation**2
    return np.asarray(scale**2 * each * rows / (rows - 1.0))


def mean_of(each: Floats) -> Number:
    """Of independent numbers, with its standard error."""
    return Number(float(each.mean()), float(each.std(ddof=1)) / math.sqrt(each.size))


def ratio_of(above: Floats, below: Floats) -> Number:
    """Of two means over the same individuals."""
    value = float(above.mean() / below.mean())
    return Number(value, mean_of(above - value * below).error / float(below.mean()))


def random_effects(samples: float, individuals: int = 2000, top: int = TOP) -> str:
    model = fs.models.random_effects_logistic(rows=individuals, seed=SEED, coefficients=SLOPES)
    variances, rows, ratios = [], [], []
    for level in range(top + 1):
        part = fs.Stratum(fs.MLMC(first=False), level + 1, level + 1)  # whose trials are D_l / p_l
        variances.append(over_individuals(model, part, samples, part.probability))
        nested = 2.0**level * over_individuals(model, fs.IWAE(2**level), samples)
        law = fs.roulette.Harmonic(cap=2**level)
        sumo = law.expected_terms() * over_individuals(model, fs.SUMO(law, start=0), samples)
        mine = multilevel(variances)
        ratios.append(ratio_of(nested, mine))
        rows.append([f"{level}", *(f"{mean_of(each)}" for each in (nested, sumo, mine)), f"{ratios[-1]}"])
    head = ["level", "nested", "SUMO, K ≤ 2^level", "MLMC", "nested / MLMC"]
    first = next((i for i, ratio in enumerate(ratios) if ratio.value > 1.0 + 4.0 * ratio.error), top)
    return (
        "**Ishikawa & Goda (UAI 2021)**, random effects logistic regression, D = 3, T = 2: variance of the estimate "
        f"of the log evidence of an individual drawn at random, times samples, over {individuals} individuals, whose "
        "own spread is the most of ±, and common to a row of the table; so ratios are known better. MLMC has their "
        f"shares of individuals. Nested Monte Carlo is dearer than MLMC from level {first} on, and {ratios[-1]} times "
        f"at level {top}.\n\n{table([head, *rows])}\n\n{gradients(samples / 5.0, top)}"
    )


def scores(individuals: int, samples: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Gradients in ``(alpha, intercept, slopes)`` of ``L`` of so many weights, and of its antithetic difference.

    Of individuals drawn from the model, ``z ~ N(0, log(1 + exp(alpha)))``; the proposal, `WIDER` than Laplace's, is
    held fixed. A gradient of ``L`` is the mean of the scores of the samples, by their weights.
    """
    variance, of_variance = math.log1p(math.e), 1.0 / (1.0 + math.exp(-1.0))  # at alpha = 1, and its derivative
    x = random.standard_normal((individuals, 2, SLOPES.size))
    offset = x @ SLOPES
    y = random.random(offset.shape) < expit(offset + math.sqrt(variance) * random.standard_normal((individuals, 1)))
    mode = np.zeros((individuals, 1))
    for _ in range(10):  # of Newton's steps
        p = expit(mode + offset)
        curvature = 1.0 / variance + np.sum(p * (1.0 - p), axis=1, keepdims=True)
        mode -= (mode / variance + np.sum(p - y, axis=1, keepdims=True)) / curvature
    noise = random.standard_normal((individuals, samples))
    z = mode + WIDER / np.sqrt(curvature) * noise
    p = expit(z[..., None] + offset[:, None])
    log_weight = np.sum(np.log(np.where(y[:, None], p, 1.0 - p)), axis=2) - 0.5 * z**2 / variance + 0.5 * noise**2
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    missed = y[:, None] - p
    of_alpha = 0.5 * (z**2 / variance - 1.0) / variance * of_variance
    score = np.concatenate([np.stack([of_alpha, missed.sum(axis=2)], axis=2), missed @ x], axis=2)

    def mean(part: slice) -> Floats:
        own = weight[:, part]
        return np.asarray(np.einsum("is,isd->id", own, score[:, part]) / own.sum(axis=1, keepdims=True))

    whole, half = mean(slice(None)), samples // 2
    return whole, whole - 0.5 * (mean(slice(half)) + mean(slice(half, None))) if half else whole


def trace(values: Floats) -> Number:
    """The trace of the covariance matrix of rows, with its standard error."""
    return mean_of(np.sum((values - values.mean(axis=0)) ** 2, axis=1))


def gradients(samples: float, top: int) -> str:
    """Their figure: variance times samples of gradients."""
    random = np.random.default_rng(SEED)
    rows, ratios, variances, lines = [], [], [], []
    for level in range(top + 1):
        size = max(2000, int(min(samples / 2**level, 1e5)))
        parts = [scores(min(size, max(1, 2**18 // 2**level)), 2**level, random) for _ in range(_parts(size, level))]
        whole, difference = (trace(np.concatenate(each)) for each in zip(*parts, strict=True))
        variances.append(difference)
        shares = whole_allocation(level, VARIED)
        cost = float(whole_allocation(level, TIMED) @ 2.0 ** np.arange(level + 1))
        value = sum(each.value / share for each, share in zip(variances, shares, strict=True))
        error = math.hypot(*(each.error / share for each, share in zip(variances, shares, strict=True)))
        nested, mine = Number(*(2.0**level * part for part in whole)), Number(cost * value, cost * error)
        ratio = nested.value / mine.value
        spread = math.hypot(nested.error / nested.value, mine.error / mine.value) if level else 0.0
        ratios.append(Number(ratio, ratio * spread))
        lines.append((nested.value, cost))
        rows.append([f"{level}", f"{nested}", f"{mine}", f"{ratios[-1]}", _poster(level)])
    cross = max(i for i, ratio in enumerate(ratios) if i == 0 or ratio.value < 1.0 + 4.0 * ratio.error)
    rise, theirs = lines[-1][0] / lines[0][0], POSTER["nested"][-1] / POSTER["nested"][0]
    more = 2.0**top * (rise - theirs) / (2.0**top * theirs - rise)
    timed = ratios[-1].value * (1.0 + more / 2.0**top) / (1.0 + more / lines[-1][1])
    return (
        "On their poster the lines cross near level 4 and end 140 apart. By their code that figure is another "
        "quantity: the trace of the covariance matrix of the gradient in `(α, β₀, β)`, times run time, with a proposal "
        f"twice as wide as Laplace's, over {VARIED:,} individuals, of which every level has one at least; run times "
        f"are those of {TIMED:,}. So followed (with samples in place of run time, and `β` itself where they draw it "
        f"from a fitted normal), the lines cross at level {cross}, {ratios[cross]} there, and end {ratios[-1]} apart "
        f"at level {top}. Their nested line rises {theirs:.0f} times from level 0 to {top}, ours {rise:.0f}: as if an "
        f"individual took {more:.2f} samples beside its own, with which ours end {timed:.0f} apart. So their figure is "
        "found again."
        f"\n\n{table([['level', 'nested', 'MLMC', 'nested / MLMC', 'theirs, read from the poster'], *rows])}"
    )


def _parts(size: int, level: int) -> int:
    """Batches of individuals, of 2^18 samples each."""
    return math.ceil(size / max(1, 2**18 // 2**level))


def _poster(level: int) -> str:
    if level not in (0, 4, TOP):
        return ""
    place = (0, 4, TOP).index(level)
    ratio = POSTER["nested"][place] / POSTER["MLMC"][place]
    return f"{round(ratio, 1 - math.floor(math.log10(ratio))):g}"


# ---- 4: Luo et al. (ICLR 2020), the law of K -------------------------------------------------------------------------


def law_of_the_paper(trials: float) -> str:
    k = fs.draw_terms(1_000_000, PAPER, seed=SEED)
    mean = Number(float(k.mean()), float(k.std(ddof=1)) / 1000.0)
    found = fs.simulate(fs.models.note(), fs.SUMO(PAPER), max(int(trials), 1000), seed=SEED, progress=False)
    index = found.tail_index()
    rows = [["trials", "mean", "sample variance", "largest"]]
    wanted = 10.0 ** np.arange(3.0, math.log10(found.trials) + 0.01)
    for at in np.unique(np.searchsorted(found.trace["trials"], wanted * 0.999).clip(max=found.trace.size - 1)):
        row = found.trace[at]
        rows.append(
            [f"{row['trials']:,}", f"{row['mean']:.4f}", f"{row['variance']:.4g}", f"{abs(row['largest']):.4g}"]
        )
    return (
        f"**Luo et al. (ICLR 2020)**, `P(K ≥ k) = 1/k` below 80, then times 0.9 a step: expected terms "
        f"{PAPER.expected_terms():.4f}, which agrees with their 5, rounded; a million draws have {mean}. A trial costs "
        f"{fs.SUMO(PAPER).expected_cost():.2f} samples. On the note's problem the sample variance does not settle "
        f"(theory: infinite, tail index 1 up to a logarithm; Hill {index.estimate:.2f}, {index.low:.2f} to "
        f"{index.high:.2f}), and most of it is the largest trial's:\n\n{table(rows)}"
    )


# ---- 5: Nowozin (ICLR 2018), the bias of jackknives ------------------------------------------------------------------


def jackknife_bias(k: int, order: int, shape: float = 1.0) -> float:
    """Of weights ``Gamma(shape) / shape``: ``sum_j c_j E L_{k-j}``, ``E L_n = digamma(n a) - log(n a)``."""
    if order == 0:
        return float(digamma(k * shape) - math.log(k * shape))
    n = shape * (k - np.arange(order + 1.0))
    return float(np.dot(fs.JVI(k, order).coefficients(), digamma(n) - np.log(n)))


def jackknives(trials: float) -> str:
    gamma, sizes = fs.models.gamma(1.0), (4, 8, 16, 32, 64, 128)
    rows = [["K", *(name for order in range(3) for name in (f"order {order}, Gamma(1)", "simulated", "note"))]]
    others = {(k, order): note_bias(k, order) for k in sizes for order in range(3)}
    for k in sizes:
        row = [f"{k}"]
        for order in range(3):
            other = others[k, order]
            seen = f"{other.value:.3g}" if abs(other.value) > 4.0 * other.error else ""
            row += [f"{jackknife_bias(k, order):.4g}", "", seen]
            if k <= _SIMULATED:
                run = fs.simulate(gamma, _jackknife(k, order), max(int(trials / k), 1000), seed=SEED, progress=False)
                row[-2] = f"{Number(run.mean, run.std_error)}"
        rows.append(row)
    rates = [math.log2(jackknife_bias(64, order) / jackknife_bias(128, order)) for order in range(3)]
    last = [max(k for k in sizes if abs(others[k, order].value) > 4.0 * others[k, order].error) for order in range(3)]
    rates += [math.log2(others[k // 2, order].value / others[k, order].value) for order, k in enumerate(last)]
    first, second = (", ".join(f"`K^-{rate:.2f}`" for rate in part) for part in (rates[:3], rates[3:]))
    return (
        "**Nowozin (ICLR 2018)**: bias of IWAE (order 0) and of jackknives, `O(K^-(order + 1))` in the paper. For "
        f"weights Gamma(1), where it has a closed form, it falls from K = 64 to 128 like {first}: order 2 gains one "
        "more there, since `ψ(n) − log n` has no term in `n^-3`. The weights of the note, by quadrature, have one: "
        f"over the last doubling that is seen like {second}, so that the orders agree. Empty where a run, or the "
        "quadrature, cannot see it; the runs of one K share their random numbers, so that ± goes the same way along a "
        f"row.\n\n{table(rows)}"
    )


def _jackknife(k: int, order: int) -> fs.estimators.Estimator:
    return fs.JVI(k, order) if order else fs.IWAE(k)


def note_bias(k: int, order: int) -> Number:
    """Of the note's weights, and the error of the quadrature."""
    model = fs.models.note()
    mean = fs.theory.predict(model, _jackknife(k, order)).mean
    assert model.log_evidence is not None
    return Number(mean.value - model.log_evidence, mean.error)


# ---- and Vihola (Operations Research, 2018): stratified uniforms -----------------------------------------------------


def proper(level: int = 40) -> float:
    """Variance times cost of the best MLMC of weights Gamma(1), ``(sum sqrt(V_l c_l))^2``, level 0 of one sample."""
    n = 2.0 ** np.arange(level)
    spread = np.append(polygamma(1, 1.0), 0.5 * polygamma(1, n) - polygamma(1, 2.0 * n))
    return float(np.sum(np.sqrt(np.maximum(spread, 0.0)[:24] * np.append(1.0, 2.0 * n)[:24])) ** 2)


def blocks(samples: float) -> str:
    model, size, largest = fs.models.gamma(1.0), 64, 65536
    rows = [["variance × cost", "independent", f"blocks of {size}", "simulated", f"blocks of {largest}"]]
    for estimator in (
        fs.SUMO(fs.roulette.Harmonic(cap=80)),
        fs.MLMC(),
        fs.MLMC(first=False),
        fs.MLMC(first=False, kind="sum"),
    ):
        known = {b: fs.theory.predict(model, replace(estimator, stratified=b)) for b in (1, size, largest)}
        cost = estimator.expected_cost()
        trials = size * max(int(samples / cost / size), 2)
        values, _ = fs.sample(model, replace(estimator, stratified=size), trials, seed=SEED)
        squares = size * (values.reshape(-1, size).mean(axis=1) - known[1].mean.value) ** 2
        seen = Number(cost * float(squares.mean()), cost * float(squares.std()) / math.sqrt(squares.size))
        told = [f"{known[b].variance_times_cost.value:.4g}" for b in (1, size, largest)]
        rows.append([f"`{label(estimator)}`", *told[:2], f"{seen}", told[2]])
    return (
        "**Vihola (Operations Research 2018)**, stratified uniforms (`stratified=B`): weights Gamma(1), where the mean "
        "of whole blocks is known exactly. It never has more variance than that of independent trials; MLMC with a "
        f"level 0 of one sample and the best number of trials at each level has {proper():.4g}.\n\n{table(rows)}"
    )


# ---- what is told ----------------------------------------------------------------------------------------------------


def linear_gaussian_parts(effort: float, perturbations: int = 10, observations: int = 10, top: int = 11) -> str:
    """Both figures of Shi & Cornish, from one model."""
    model = linear_gaussian(perturbations, observations)
    levels = level_moments(model, top, max(int(1000 * effort), 100))
    first = figure_1(levels, float(chi_square(model.data).mean()))
    return f"{first}\n\n{figure_2(model, 2e7 * effort)}"


PARTS: dict[str, Callable[[float], str]] = {
    "shi-cornish": linear_gaussian_parts,
    "ishikawa-goda": lambda effort: random_effects(2e7 * effort),
    "luo": lambda effort: law_of_the_paper(1e8 * effort),
    "nowozin": lambda effort: jackknives(1e8 * effort),
    "vihola": lambda effort: blocks(2e7 * effort),
}


def report(effort: float, parts: Sequence[str] = tuple(PARTS)) -> str:
    """All that goes between the markers."""
    how = (
        "Published numbers beside ours; ± is one standard error. "
        f"From `python -m bench.published --effort {effort:g}`, fastsumo {fs.__version__}."
    )
    return "\n\n".join([how, *(PARTS[name](effort) for name in parts)])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.published", description="Published results, redone.")
    parser.add_argument("--effort", type=float, default=1.0, help="times the usual number of trials")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one; may be given again")
    parser.add_argument("--page", type=Path, nargs="?", const=Path(), help="a file with the markers; or print them")
    options = parser.parse_args(arguments)
    text = report(options.effort, options.part or tuple(PARTS))
    if options.page == Path():
        text = f"{MARKERS[0]}\n\n{text}\n\n{MARKERS[1]}"
    publish(text, options.page if options.page != Path() else None, MARKERS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
