"""What one trial computes: the estimators, as values that can be compared, printed and stored.

An estimator names its law of `K` and its `Plan` for the kernels; it computes nothing itself. What to expect
of it is in `theory`.
"""

from __future__ import annotations

import inspect
import math
import warnings
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks, exact, words
from fastsumo.estimators.labels import Labelled
from fastsumo.estimators.roulette import Geometric, Harmonic, Roulette, law_that_takes
from fastsumo.trial import kinds
from fastsumo.trial.plan import MAX_STRATIFIED, MAX_TERMS, NO_TABLE, Law, Plan, always
from fastsumo.trial.sizes import CENTER_GRID
from fastsumo.trial.survival import survival

_MOST_JACKKNIFED = 2**24, 2048  # samples, for orders 1 and 2
MOST_OF_BLOCK = 2**30  # weights of a factor of Taylor's series
FURTHEST_CENTER = 2.0**39  # of a log, beyond which its digits are too few for weights relative to it
_MOST_SUMMED = 2**16  # values of K, one by one; and points of an integral over more


@dataclass(frozen=True, repr=False)
class Estimator(Labelled):
    """Base of the estimators. Not used itself."""

    def __new__(cls, *_values: object, **_named: object) -> Self:
        try:
            words.check_names(cls, _named)
        except TypeError as error:
            raise TypeError(f"{error}{_of_a_law(cls, _named)}") from None
        return super().__new__(cls)

    def plan(self) -> Plan:
        """The estimator in the form that the kernels take."""
        raise NotImplementedError

    def expected_cost(self) -> float:
        """Expected importance samples of one trial; may be infinite."""
        raise NotImplementedError


def told(value: Any) -> list[tuple[str, Any]]:
    """What a file has of an estimator or a law: its fields, but for ``stratified=1``, as of old.

    Examples
    --------
    >>> told(MLMC())
    [('ratio', 0.3535533905932738), ('base', 1), ('first', True), ('kind', 'single')]
    """
    own = [(field.name, getattr(value, field.name)) for field in fields(value) if field.init]
    return [each for each in own if each != ("stratified", 1)]


@dataclass(frozen=True, repr=False)
class IWAE(Estimator):
    """``L_k = log((w_1 + ... + w_k) / k)`` (Burda et al., 2016); a lower bound in expectation.

    Parameters
    ----------
    k : int
        Importance samples a trial.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> import fastsumo as fs
    >>> fs.simulate(fs.models.note(), fs.IWAE(5), trials=1000).cost
    5000
    """

    k: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", checks.whole("k", self.k, 1, MAX_TERMS))

    def plan(self) -> Plan:
        return Plan(kinds.IWAE, 0, always(self.k))

    def expected_cost(self) -> float:
        return float(self.k)


@dataclass(frozen=True, repr=False)
class ELBO(IWAE):
    """``L_1 = log w_1``: the evidence lower bound, one importance sample a trial.

    Examples
    --------
    >>> import fastsumo as fs
    >>> fs.ELBO().expected_cost(), fs.ELBO() == fs.ELBO()
    (1.0, True)
    """

    k: int = field(default=1, init=False, repr=False)


@dataclass(frozen=True, repr=False)
class JVI(Estimator):
    """Jackknife of IWAE (Nowozin, ICLR 2018): the bias falls from ``O(1 / k)`` to ``O(k^-(order + 1))``.

    ``sum_{j=0..m} c_j mean(L_{k-j})`` with ``m = order``, ``c_j = (-1)^j (k - j)^m / ((m - j)! j!)``, where
    the mean is over all subsets of ``k - j`` of the ``k`` weights; for order 1, ``k L_k - (k - 1) mean_i
    L_{k-1}^(-i)``. The value is ``-inf`` where some subset has no weight at all.

    Parameters
    ----------
    k : int
        Importance samples a trial, from ``order + 1`` to 2^24, or to 2048 for order 2: a trial is kept in
        memory, and one of order 2 takes time like ``k^2``.
    order : {1, 2}

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> import fastsumo as fs
    >>> ten, jackknifed = (fs.simulate(fs.models.note(), e, 20_000) for e in (fs.IWAE(10), fs.JVI(10)))
    >>> abs(jackknifed.mean - 1.837877) < abs(ten.mean - 1.837877)
    True
    """

    k: int
    order: int = 1

    def __post_init__(self) -> None:
        order = checks.whole("order", self.order, 1, 2)
        object.__setattr__(self, "order", order)
        object.__setattr__(self, "k", checks.whole("k", self.k, 1, MAX_TERMS))
        if self.k <= order:
            raise ValueError(
                f"a jackknife of order {order} leaves out up to {order} of k samples, so k must be at least "
                f"{order + 1}, got {self.k}"
            )
        if self.k > _MOST_JACKKNIFED[order - 1]:
            raise ValueError(
                f"a jackknife of order {order} takes at most {_MOST_JACKKNIFED[order - 1]} samples, got {self.k}; "
                "its bias is far below what a simulation can see long before"
            )

    def plan(self) -> Plan:
        return Plan(kinds.JVI, 0, always(self.k), order=self.order)

    def expected_cost(self) -> float:
        return float(self.k)

    def coefficients(self) -> tuple[float, ...]:
        """``c_0, ..., c_order``: what means over subsets of ``k, k - 1, ...`` samples count; they sum to 1.

        Examples
        --------
        >>> JVI(4, order=2).coefficients()
        (8.0, -9.0, 2.0)
        """
        m = self.order
        return tuple(
            (-1) ** j * float(self.k - j) ** m / (math.factorial(m - j) * math.factorial(j)) for j in range(m + 1)
        )


class _Roulette(Estimator):
    """Base of the estimators of a random `K` whose draws can be stratified."""

    stratified: int

    def _check_stratified(self) -> None:
        size = checks.whole("stratified", self.stratified, 1, MAX_STRATIFIED)
        if size & (size - 1):
            raise ValueError(f"stratified must be a power of two from 1 to {MAX_STRATIFIED}, got {size}")
        object.__setattr__(self, "stratified", size)


@dataclass(frozen=True, repr=False)
class SUMO(_Roulette):
    """Russian roulette over the increments of IWAE (Luo et al., ICLR 2020); unbiased for `log Z`, but for a cap.

    ``L_m + sum_{j=1..K} (L_{m+j} - L_{m+j-1}) / P(K >= j)`` with ``m = minimum``, ``m + K`` samples; the value is
    ``-inf`` where the first ``m`` weights are all zero. Under a law with cap ``C`` the mean is that of ``L_{m+C}``.
    Without one the variance may be infinite, and under a geometric tail there is no mean: `fs.theory.predict` says so.

    Parameters
    ----------
    roulette : Roulette
        The law of `K`.
    minimum : int
        Samples that every trial begins with.
    start : {1, 0}
        0 for the convention of Ishikawa & Goda (UAI 2021), which counts ``L_m`` itself as the first of the
        `K` terms: ``L_m + sum_{j=2..K} (L_{m+j-1} - L_{m+j-2}) / P(K >= j)``, ``m + K - 1`` samples, with
        the mean of ``L_{m+C-1}`` under a cap ``C``. The same increments with the weights ``2, 3, ...`` instead of
        ``1, 2, ...`` under the harmonic law.
    stratified : int
        Trials of a block over which the uniforms that draw `K` are stratified, a power of two up to 65536; 1 for
        independent trials. See Notes.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Notes
    -----
    With ``stratified=B`` the trials ``i B, ..., i B + B - 1`` have one `K` from each of ``B`` equally likely parts of
    its law, in an order of their own (Vihola, Operations Research 2018). Each trial still has the law, so that any mean
    is unbiased, and remains a function of its number; but the trials of a block are not independent. The mean of whole
    blocks has at most the variance of that of independent trials: what `K` itself makes of the variance is gone but for
    what is left within a part. Standard errors and intervals of means, and those of rows in `fs.evaluate`, are from the
    means of blocks; NaN, unknown, where there is one block only. Errors of variances, quantiles and tails are as of
    independent trials, since of blocks only the sums of values are kept. They are never too small: given their parts of
    the law the trials of a block are independent, so that the mean of any function of trials over whole blocks has at
    most the variance that it has for independent ones. In runs, errors of variances were up to a fifth too large.

    `fs.stratify` and `Stratum` refuse it, since they spend trials on strata of their choice: within one of these `K` is
    nearly the same, so that nothing would be gained, and a stratum of sixteen trials is no block that an error could be
    told from.

    Examples
    --------
    >>> import fastsumo as fs
    >>> estimator = fs.SUMO(fs.roulette.Harmonic(cap=80))
    >>> estimator, round(estimator.expected_cost(), 3)
    (SUMO(Harmonic(cap=80)), 5.965)
    >>> fs.simulate(fs.models.note(), estimator, trials=1000).largest_terms
    80
    """

    roulette: Roulette = field(default_factory=Harmonic)
    minimum: int = 1
    start: int = 1
    stratified: int = 1

    def __post_init__(self) -> None:
        check_roulette(self.roulette)
        self._check_stratified()
        object.__setattr__(self, "minimum", checks.whole("minimum", self.minimum, 1, MAX_TERMS))
        object.__setattr__(self, "start", checks.whole("start", self.start, 0, 1))

    def plan(self) -> Plan:
        """With ``start=0``, one sample less before the first increment; none at all for ``minimum=1``.

        As ``P(K >= 1) = 1``, ``L_{m-1} + (L_m - L_{m-1}) / P(K >= 1) = L_m``, whatever ``L_{m-1}`` is, which may
        be -inf or, for ``L_0``, anything.
        """
        first, law = self.minimum + self.start - 1, self.roulette.law()
        return Plan(kinds.SUMO, first, law, alive=self.minimum, stratified=self.stratified)

    def expected_cost(self) -> float:
        return self.minimum + self.start - 1 + self.roulette.expected_terms()


@dataclass(frozen=True, repr=False)
class SingleTerm(_Roulette):
    """``L_1 + (L_{K+1} - L_K) / P(K = K)``: one increment over its probability (Rhee & Glynn, 2015).

    Unbiased for `log Z` where its mean exists: ``E |L_{k+1} - L_k|`` falls like ``1 / k``, so that without
    a cap the value has no mean, whatever the law (see `theory`). The value is ``-inf`` where ``w_1`` is
    zero.

    Parameters
    ----------
    roulette : Roulette
        The law of `K`; every `K` up to its cap must have a positive probability.
    stratified : int
        As of `SUMO`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> import fastsumo as fs
    >>> values, terms = fs.sample(fs.models.note(), fs.SingleTerm(fs.roulette.Harmonic(cap=20)), trials=1000)
    >>> values.shape, int(terms.max())
    ((1000,), 20)
    """

    roulette: Roulette = field(default_factory=Harmonic)
    stratified: int = 1

    def __post_init__(self) -> None:
        check_roulette(self.roulette)
        self._check_stratified()
        table = self.roulette.law().table
        flat = np.flatnonzero(table[1:] == table[:-1])
        if flat.size:
            k = int(flat[0]) + 1
            raise ValueError(
                f"SingleTerm needs P(K = k) > 0 for every k up to the cap, but P(K >= {k}) = P(K >= {k + 1})"
                f" = {table[k]:g}: increment {k} would never be drawn"
            )

    def plan(self) -> Plan:
        return Plan(kinds.SINGLE_TERM, 1, self.roulette.law(), stratified=self.stratified)

    def expected_cost(self) -> float:
        return 1.0 + self.roulette.expected_terms()


@dataclass(frozen=True, repr=False)
class MLMC(_Roulette):
    """Randomised multilevel Monte Carlo over dyadic, antithetic levels; unbiased for `log Z`.

    Level ``l`` takes ``n = base * 2^l`` samples and has the difference ``D_l = L(all n) - [L(first half) +
    L(second half)] / 2``, level 0 the value ``D_0 = L_base``; the level drawn has a probability
    ``p_l`` proportional to ``ratio^l`` (Blanchet & Glynn, WSC 2015; Ishikawa & Goda, UAI 2021). Variance
    and cost are both finite for ratios in ``(1/4, 1/2)`` where the weights have a finite variance, and ``base`` times
    their `Model.weight_zero_index` is above 2. One of

    - ``first=True, kind="single"``: ``L_base + D_l / p_l``, ``l >= 1``, ``base + base 2^l`` samples:
      the first ``base`` are for ``L_base`` alone;
    - ``first=False, kind="single"``: ``D_l / p_l``, ``l >= 0``, ``base 2^l`` samples;
    - ``first=True, kind="sum"``: ``L_base + sum_{j=1..l} D_j / P(l >= j)``, each ``D_j`` of the first
      ``base 2^j`` of the level's samples;
    - ``first=False, kind="sum"``: ``sum_{j=0..l} D_j / P(l >= j)``, likewise.

    The value is ``-inf`` where a half that is used has no weight at all. `K` is ``l`` where ``first``, else
    ``l + 1``.

    Parameters
    ----------
    ratio : float
        Of the probabilities of neighbouring levels, in (0, 1); outside (1/4, 1/2) there is a warning.
    base : int
        Samples of level 0.
    first : bool
        Whether every trial begins with a level 0 of its own.
    kind : {"single", "sum"}
    stratified : int
        As of `SUMO`; whole blocks are near MLMC proper with ``n p_l`` trials at each level ``l``.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> import fastsumo as fs
    >>> round(fs.MLMC().expected_cost(), 3)
    5.414
    >>> values, levels = fs.sample(fs.models.note(), fs.MLMC(), trials=1000)
    >>> int(levels.min())
    1
    """

    ratio: float = math.sqrt(0.125)  # 2**-1.5
    base: int = 1
    first: bool = True
    kind: str = "single"
    stratified: int = 1

    def __post_init__(self) -> None:
        self._check_stratified()
        object.__setattr__(self, "ratio", checks.real("ratio", self.ratio, 0.0, 1.0))
        object.__setattr__(self, "base", checks.whole("base", self.base, 1, 2**40))
        if not isinstance(self.first, bool):
            raise TypeError(f"first must be True or False, got {self.first!r}")
        checks.choice("kind", self.kind, ("single", "sum"))
        if not 0.25 < self.ratio < 0.5:
            infinite = "variance" if self.ratio <= 0.25 else "expected cost"
            warnings.warn(
                f"the {infinite} of MLMC is infinite for ratio {self.ratio:g}; both are finite in (1/4, 1/2)",
                RuntimeWarning,
                stacklevel=3,
            )

    def plan(self) -> Plan:
        cap = 52 - (self.base - 1).bit_length()
        law = Law(0.0, 1.0, exact.log(self.ratio), cap, NO_TABLE)
        single = self.kind == "single"
        return Plan(kinds.MLMC, 0, law, base=self.base, first=self.first, single=single, stratified=self.stratified)

    def expected_cost(self) -> float:
        if self.ratio >= 0.5:
            return math.inf
        mean_power = (1.0 - self.ratio) / (1.0 - 2.0 * self.ratio)  # E[2^l] for l >= 0
        return self.base * (1.0 + 2.0 * mean_power if self.first else mean_power)


@dataclass(frozen=True, repr=False)
class Taylor(Estimator):
    """Russian roulette over Taylor's series of the log around a number (Chopin, Crucinio & Singh, arXiv 2403.20313).

    ``log c - sum_{k=1..K} y_1 ... y_k / (k P(K >= k))`` with ``log c = log_center``, ``y_i = 1 - (mean of the i-th
    `block` weights) / c``, each weight used once: ``K * block`` samples a trial, so under ``Geometric(p)``
    ``block / p`` on average. Unbiased for `log Z` where ``E |y| < 1`` and nothing caps `K`; never ``-inf``: a weight of
    zero makes ``y`` larger, no more.

    With ``q = chi_square / block`` and ``c = g Z``, ``E y^2 = 1 - 2 / g + (1 + q) / g^2`` is least for ``g = 1 + q``,
    where it is ``q / (1 + q)``. Under ``Geometric(p)`` the variance is finite where ``E y^2 < 1 - p``, so that with a
    finite chi-square, variance and cost can both be; `fs.taylor_law` finds a law, a block and a centre for a cost. A
    centre at or below ``Z / 2`` has ``|E y| >= 1``: the series diverges, and a run refuses it where the model knows
    its log evidence.

    Parameters
    ----------
    roulette : Roulette
        The law of `K`. A cap ends the series, and the mean is ``log c - sum_{k <= cap} (E y)^k / k``.
    block : int
        Samples of a factor.
    log_center : float, optional
        By default, whatever runs it takes ``log Z + log(1 + q)``, rounded to a multiple of 2^-8: from the log evidence
        and the chi-square that the model declares, or else from 16 384 weights of their own that are a function of the
        model alone. The rounding leaves the mean as it is, as any centre would, and changes the variance by 0.2 % at
        most, up or down, while a number of few digits can be read; it is in the result. In `fs.evaluate` every row has
        one of its own.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> import fastsumo as fs
    >>> run = fs.simulate(fs.models.note(), fs.Taylor(), trials=100_000)
    >>> round(run.provenance.estimator.log_center, 6), bool(abs(run.mean - run.log_evidence) < 5 * run.std_error)
    (2.386719, True)
    """

    roulette: Roulette = field(default_factory=lambda: Geometric(0.5))
    block: int = 1
    log_center: float | None = None

    def __post_init__(self) -> None:
        check_roulette(self.roulette)
        object.__setattr__(self, "block", checks.whole("block", self.block, 1, MOST_OF_BLOCK))
        if self.log_center is not None:
            limit = FURTHEST_CENTER
            object.__setattr__(self, "log_center", checks.real("log_center", self.log_center, -limit, limit))

    def plan(self) -> Plan:
        center = math.nan if self.log_center is None else self.log_center
        return Plan(kinds.TAYLOR, 0, self.roulette.law(), block=self.block, log_center=center)

    def expected_cost(self) -> float:
        return self.block * self.roulette.expected_terms()


def best_center(log_evidence: float, chi_square: float, block: int) -> float:
    """``log Z + log(1 + chi_square / block)``, around which ``E y^2`` of `Taylor` is least, to a multiple of 2^-8.

    On that grid labels are short, and the last bits of an estimate do not matter. No centre near it is biased.

    Examples
    --------
    >>> best_center(0.0, 1.0, 1), math.log(2.0)
    (0.69140625, 0.6931471805599453)
    """
    center = log_evidence + exact.log1p(chi_square / block)
    return math.floor(center * CENTER_GRID + 0.5) / CENTER_GRID


def estimated_center(log_weights: NDArray[np.float64], block: int, log_evidence: float | None = None) -> float:
    """`best_center` as weights show it.

    Parameters
    ----------
    log_weights : ndarray
        -inf are weights of zero.
    block : int
    log_evidence : float, optional
        Where it is known.

    Returns
    -------
    float
        NaN where no weight is positive.

    Examples
    --------
    >>> estimated_center(np.array([0.0, 0.0, -np.inf, -np.inf]), 1)
    0.0
    """
    top = float(np.max(log_weights, initial=-np.inf))
    if not math.isfinite(top):
        return math.nan
    weights = np.exp(log_weights - top)
    mean = float(weights.mean())
    chi_square = max(float(np.mean(weights**2)) / mean**2 - 1.0, 0.0)
    return best_center(top + math.log(mean) if log_evidence is None else log_evidence, chi_square, block)


def law_with_strata(estimator: Estimator) -> Law:
    """The law of the random `K` of an estimator, which strata part.

    Raises
    ------
    TypeError, ValueError
        If its `K` is not random, it is a stratum itself, or its trials are stratified.

    Examples
    --------
    >>> law_with_strata(SUMO(Harmonic(cap=80))).cap
    80
    """
    if not isinstance(estimator, (SUMO, SingleTerm, MLMC, Taylor)):
        raise TypeError(f"only estimators of a random K have strata: SUMO, SingleTerm, MLMC, Taylor; got {estimator!r}")
    plan = estimator.plan()
    if plan.stratified > 1:
        raise ValueError(f"strata are of independent trials: leave out stratified={plan.stratified}")
    return plan.law


def probability_of(law: Law, low: int, high: int) -> float:
    """``P(low <= K <= high)``.

    Examples
    --------
    >>> probability_of(Harmonic().law(), 4, 7)
    0.125
    """
    return float(-np.diff(survival(law, [low, high + 1]))[0])


@dataclass(frozen=True, repr=False)
class Stratum(Estimator):
    """A part of another estimator: its trials given that ``low <= K <= high``, weighted as they always are.

    Estimates of an estimator are those of its strata, each times its `probability` (`fs.stratify`).

    Parameters
    ----------
    estimator : SUMO, SingleTerm, MLMC or Taylor
    low, high : int
        The least and the largest `K`; ``high`` is brought down to the cap of the law, where it has one.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> import fastsumo as fs
    >>> part = fs.Stratum(fs.SUMO(), 4, 7)
    >>> part.probability, set(fs.sample(fs.models.note(), part, 100)[1].tolist()) == {4, 5, 6, 7}
    (0.125, True)
    """

    estimator: Estimator
    low: int
    high: int

    def __post_init__(self) -> None:
        cap = law_with_strata(self.estimator).cap
        object.__setattr__(self, "low", checks.whole("low", self.low, 1, cap))
        object.__setattr__(self, "high", min(checks.whole("high", self.high, self.low, MAX_TERMS), cap))
        if not self.probability > 0.0:
            raise ValueError(f"no K of the law lies from {self.low} to {self.high}, as far as float64 can tell")

    def plan(self) -> Plan:
        return self.estimator.plan()._replace(low=self.low, high=self.high)

    @property
    def probability(self) -> float:
        """``P(low <= K <= high)``."""
        return probability_of(self.plan().law, self.low, self.high)

    def expected_cost(self) -> float:
        """The mean of `Plan.samples`: a sum over all `K`, or where they are many an integral, good to eight digits."""
        plan, beyond = self.plan(), float(survival(self.plan().law, self.high + 1))
        few = self.high - self.low < _MOST_SUMMED
        terms = np.arange(self.low, self.high + 1) if few else np.geomspace(self.low, self.high, _MOST_SUMMED)
        more = (
            np.diff([plan.samples(k) for k in range(self.low, self.high + 1)])
            if plan.kind == kinds.MLMC
            else plan.block
        )
        above = survival(plan.law, terms) - beyond
        total = (above[1:] * more).sum() if few else np.trapezoid(above, terms) + 0.5 * (above[-1] - above[0])
        return plan.samples(self.low) + float(total) / self.probability


def whole_of(estimator: Estimator) -> Estimator:
    """What a stratum is a part of; any other estimator is itself.

    Examples
    --------
    >>> whole_of(Stratum(SUMO(), 4, 7)), whole_of(ELBO())
    (SUMO(Harmonic()), ELBO())
    """
    return estimator.estimator if isinstance(estimator, Stratum) else estimator


def check_roulette(roulette: object) -> None:
    """Raise TypeError where something is no law of `K`, and say what was meant."""
    if isinstance(roulette, Roulette):
        return
    hint = ""
    if isinstance(roulette, type) and issubclass(roulette, Roulette):
        hint = f"; did you mean {roulette.__name__}(...)?"
    elif isinstance(roulette, int) and roulette > 0:
        hint = f"; did you mean Harmonic(cap={roulette})?"
    elif isinstance(roulette, str):
        hint = "; words such as 'sumo:harmonic:cap=80' stand for the whole estimator"
    raise TypeError(f"roulette must be a law such as fs.roulette.Harmonic(), got {roulette!r}{hint}")


def _of_a_law(kind: type[Estimator], named: dict[str, object]) -> str:
    """A hint where what an estimator was given are parameters of a law of `K`."""
    own = inspect.signature(kind).parameters
    rest = {name: value for name, value in named.items() if name not in own}
    law = law_that_takes(rest)
    if law is not None and "roulette" in own:
        said = ", ".join(f"{name}={value!r}" for name, value in rest.items())
        return f"; did you mean {kind.__name__}({law.__name__}({said}))?"
    return ""


ESTIMATORS: tuple[type[Estimator], ...] = (
    IWAE,
    ELBO,
    JVI,
    SUMO,
    SingleTerm,
    MLMC,
    Taylor,
    Stratum,
)  # all that there are
