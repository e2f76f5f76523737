"""What theory says of Taylor's series: sums in full, NumPy simulations, and the numbers of MATHS."""

from __future__ import annotations

import math
from typing import Any

import naive_estimators
import numpy as np
import pytest
from zoo import slow

import fastsumo as fs
from fastsumo.estimators.estimators import estimated_center
from fastsumo.theory import centered, predict, tail
from fastsumo.theory._survival import SurvivalFormula
from fastsumo.theory._taylor import _gamma_moment, best_series, square_of, variance

R = fs.roulette
NOTE = fs.models.note()
LAWS = [
    R.Geometric(0.5),
    R.Geometric(0.9),
    R.Geometric(0.3, cap=7),
    R.Geometric(1.0),
    R.PowerLaw(1.5),
    R.Harmonic(),
    R.Harmonic(cap=20),
    R.HarmonicGeometric(5, 0.2),
    R.Table([1.0, 0.5, 0.5, 0.2]),
]


def double_sum(law: Any, mean: float, square: float) -> float:
    """``Var sum_k y_1 ... y_k / (k P_k) 1(k <= K)``, term by term."""
    k = np.arange(1.0, min(law.max_terms, 300) + 1.0)
    p = law.survival(k)
    k, p = k[p > 0.0], p[p > 0.0]
    least, gap = np.minimum(k, k[:, None]), np.abs(k - k[:, None])
    terms = square**least * mean**gap / (k * k[:, None] * p[least.astype(int) - 1])
    return float(terms.sum() - np.sum(mean**k / k) ** 2)


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize(("ratio", "q"), [(1.733, 0.733), (1.0, 0.09), (0.7, 0.02), (1.1, 0.05)])
def test_the_variance_is_its_double_sum(law: Any, ratio: float, q: float) -> None:
    mean, square = 1.0 - 1.0 / ratio, square_of(ratio, q)
    found, error = variance(SurvivalFormula.of(law), mean, square)
    if isinstance(law, R.Geometric) and law.cap is None and law.p < 1.0 and square > 1.0 - law.p:
        assert found == math.inf
    else:
        assert found == pytest.approx(double_sum(law, mean, square), rel=1e-11)
        assert error < 1e-12


def test_near_the_edge_of_a_finite_variance() -> None:
    """At ``E y^2 = r`` terms fall like ``1 / k^2``; a little below, those that are left out are in the error."""
    formula, mean, r = SurvivalFormula.of(R.Geometric(0.4)), 0.3, 0.6
    near, error = variance(formula, mean, r * (1.0 - 1e-9))
    less, _ = variance(formula, mean, r * (1.0 - 1e-4))
    assert less < near < less * 1.01
    assert 0.0 < error < 1e-5 * near
    assert variance(formula, mean, r * (1.0 + 1e-9))[0] == math.inf
    assert math.isnan(variance(formula, mean, r)[0])


@pytest.mark.parametrize(
    ("block", "ratio", "r", "expected", "product"),
    [(1, 1.733, 0.5, 0.689, 1.38), (5, 1.147, 0.2, 0.163, 1.02), (20, 1.037, 0.1, 0.0393, 0.87)],
)
def test_the_numbers_of_the_original_problem(
    block: int, ratio: float, r: float, expected: float, product: float
) -> None:
    found = predict(NOTE, fs.Taylor(R.Geometric(1.0 - r), block, math.log(ratio * 2.0 * math.pi)))
    assert found.mean == found.mean.__class__(NOTE.log_evidence, "exact")
    assert found.variance.value == pytest.approx(expected, rel=3e-3)
    assert found.variance_times_cost.value == pytest.approx(product, rel=6e-3)
    assert {found.variance.kind, found.cost.kind, found.variance_times_cost.kind} == {"exact"}
    assert found.cost.value == pytest.approx(block / (1.0 - r), rel=1e-12)


@pytest.mark.parametrize(
    "estimator",
    [
        fs.Taylor(log_center=0.7),
        fs.Taylor(R.Geometric(0.7), 4),
        fs.Taylor(R.Geometric(0.5, cap=3), 2),
        fs.Taylor(R.Harmonic(cap=50), 3, 0.1),
        fs.Taylor(R.Table([1.0, 0.6, 0.1]), 2, -0.4),
    ],
    ids=repr,
)
def test_moments_of_gamma_weights(estimator: fs.Taylor) -> None:
    model, trials = fs.models.gamma(2.0), 200_000
    found, estimator = predict(model, estimator), centered(model, estimator)  # type: ignore[assignment]
    capped = estimator.plan().law._replace(cap=min(estimator.plan().law.cap, 60))
    law = R.Table(R.Table(capped.table).survival_table if capped.table.size else survival_of(estimator, capped.cap))
    values, costs = naive_estimators.simulate(fs.Taylor(law, estimator.block, estimator.log_center), 2.0, trials, 3)
    assert (found.mean.kind, found.variance.kind) == ("exact", "exact")
    assert abs(values.mean() - found.mean.value) < 4.5 * values.std() / math.sqrt(trials)
    spread = np.std((values - values.mean()) ** 2) / math.sqrt(trials)
    assert abs(values.var() - found.variance.value) < 5.0 * spread
    assert abs(costs.mean() - found.cost.value) < 4.5 * costs.std() / math.sqrt(trials) + 1e-9


def survival_of(estimator: fs.Taylor, cap: int) -> np.ndarray:
    return np.asarray(estimator.roulette.survival(np.arange(1, cap + 1)))


@pytest.mark.parametrize(("shape", "block", "p", "ratio"), [(1.0, 1, 0.3, 2.0), (0.5, 4, 0.6, 1.4), (2.0, 1, 0.8, 1.1)])
def test_the_index_solves_its_equation(shape: float, block: int, p: float, ratio: float) -> None:
    """``E |y|^a = (1 - p)^(a - 1)``, the left side by simulation."""
    index = predict(fs.models.gamma(shape), fs.Taylor(R.Geometric(p), block, math.log(ratio))).tail_index.value
    weights = np.random.default_rng(5).standard_gamma(shape * block, 1_000_000) / (shape * block)
    powers = np.abs(1.0 - weights / ratio) ** index
    assert abs(powers.mean() - (1.0 - p) ** (index - 1.0)) < 5.0 * powers.std() / 1000.0


@pytest.mark.parametrize(("sigma", "p"), [(0.6, 0.4), (0.9, 0.3), (0.3, 0.5)])
def test_the_index_of_one_weight_is_by_quadrature(sigma: float, p: float) -> None:
    """``E |y|^a = (1 - p)^(a - 1)``, the left side by the trapezoidal rule in the normal behind the weight."""
    found = predict(fs.models.lognormal(sigma), fs.Taylor(R.Geometric(p)))
    z = np.linspace(-12.0, 20.0, 200_001)
    factor = np.abs(-np.expm1(sigma * z - 0.5 * sigma**2 - found.estimator.log_center))  # type: ignore[attr-defined]
    left = np.trapezoid(factor**found.tail_index.value * np.exp(-0.5 * z * z), z) / math.sqrt(2.0 * math.pi)
    assert left == pytest.approx((1.0 - p) ** (found.tail_index.value - 1.0), rel=1e-4)


@pytest.mark.parametrize("p", [slow(0.1), 0.5, 0.57, slow(0.9)])
def test_index_and_variance_agree(p: float) -> None:
    """The variance is finite just where the index is above 2, whichever is the surer."""
    for model in (NOTE, fs.models.gamma(1.0), fs.models.lognormal(0.9)):
        for distance in (-0.3, 0.6, 3.0):
            estimator = fs.Taylor(R.Geometric(p), log_center=model.log_evidence + distance)
            found = predict(model, estimator)
            assert tail(model, estimator).exists(2.0) is (found.variance.kind != "infinite"), (model, p, distance)


def test_a_centre_that_is_too_low() -> None:
    low = fs.Taylor(log_center=1.0)
    found = predict(NOTE, low)
    assert (found.mean.kind, found.variance.kind) == ("infinite", "infinite")
    assert "the series has no mean" in str(found).replace("\n    ", " ")
    with pytest.raises(ValueError, match=r"log_center=1 lies 0\.8379 below the log evidence of model 'note'"):
        fs.simulate(NOTE, low, 10)
    with pytest.raises(ValueError, match="the series diverges|series diverges"):
        fs.stratify(NOTE, low, 1e4)
    assert predict(NOTE, fs.Taylor(R.Geometric(0.5, cap=4), log_center=1.0)).mean.kind == "exact"


@pytest.mark.parametrize("distance", [30.0, 37.0, 250.0, 340.0, 5000.0])
def test_a_centre_far_too_high_has_the_mean_and_an_index_of_one(distance: float) -> None:
    """``E y = 1 - Z / c`` is 1 to what floats see, but below 1: ``P(|S| > x) ~ P(K >= k)`` where ``r^-k = k x``."""
    for model in (fs.models.gamma(1.0), fs.models.lognormal(0.5)):
        for block in (1, 4):
            said = predict(model, fs.Taylor(R.Geometric(0.5), block, distance))
            assert (said.mean.value, said.mean.kind) == (0.0, "exact")
            assert said.variance.kind == "infinite"
            assert said.tail_index.value == pytest.approx(1.0, abs=1e-6)
            assert "half of Z" not in " ".join(said.notes)


def test_what_a_cap_does() -> None:
    capped = predict(fs.models.gamma(1.0), fs.Taylor(R.Geometric(0.5, cap=2), log_center=math.log(2.0)))
    assert capped.mean.value == pytest.approx(math.log(2.0) - 0.5 - 0.125, abs=1e-15)
    assert predict(fs.models.gamma(1.0), fs.Taylor(log_center=math.log(2.0))).mean.value == 0.0


def test_heavy_weights() -> None:
    found = predict(fs.models.gaussian_scale(0.5), fs.Taylor(log_center=1.0))
    assert found.variance.kind == "infinite"
    assert found.tail_index.value <= 4.0 / 3.0 + 1e-12
    capped = tail(fs.models.gaussian_scale(0.5), fs.Taylor(R.Geometric(0.5, cap=9), log_center=1.0))
    assert capped.index == pytest.approx(4.0 / 3.0)


def test_the_centre() -> None:
    """Of what the model declares; else of weights that depend on the model alone; on a grid."""
    best = NOTE.log_evidence + math.log1p(NOTE.chi_square / 3)
    assert centered(NOTE, fs.Taylor(block=3)).log_center == round(best * 256.0) / 256.0
    exact, rounded = (predict(NOTE, fs.Taylor(block=3, log_center=c)).variance.value for c in (best, None))
    assert rounded == pytest.approx(exact, rel=2e-3)
    bare = fs.Model(fs.models.lognormal(1.0).function, 1, [1.0])
    for block in (1, 10):
        center = centered(bare, fs.Taylor(block=block)).log_center
        assert (center * 256.0).is_integer()
        assert center == pytest.approx(math.log1p((math.e - 1.0) / block), abs=0.1)
    known = fs.Model(bare.function, 1, [1.0], log_evidence=0.0)
    assert abs(centered(known, fs.Taylor(block=10**6)).log_center) <= 1.0 / 256.0
    part = centered(NOTE, fs.Stratum(fs.Taylor(), 2, 5))
    assert part.estimator == centered(NOTE, fs.Taylor())
    assert centered(NOTE, fs.IWAE(3)) == fs.IWAE(3)
    assert math.isnan(estimated_center(np.full(3, -np.inf), 1))


def test_without_declared_truth() -> None:
    """Two dimensions are integrated; of ten there is a pilot, which is said."""
    note = fs.Model(NOTE.function, 2, proposal=NOTE.proposal)
    found = predict(note, fs.Taylor(block=5))
    assert found.mean.value == pytest.approx(NOTE.log_evidence, abs=1e-6)
    assert found.variance.kind == "exact"

    def many(z, params):  # type: ignore[no-untyped-def]
        total = 0.0
        for i in range(10):
            total += 0.3 * z[i] - 0.045
        return total

    found = predict(fs.Model(many, 10), fs.Taylor(block=5))
    assert (found.mean.kind, found.variance.kind) == ("unknown", "first-order")
    assert "are a pilot's" in str(found)
    assert found.variance.value == pytest.approx((math.exp(0.9) - 1.0) / 5.0, rel=0.3)


# --- the best law ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [NOTE, fs.models.gamma(0.5), slow(fs.models.gamma(20.0))], ids=lambda m: m.name)
@pytest.mark.parametrize("cost", [None, slow(6.0), slow(40.0)])
def test_the_best_law_is_better_than_its_neighbours(model: fs.Model, cost: float | None) -> None:
    best = fs.taylor_law(model, cost)
    found = predict(model, best)
    spent = 32.0 * (1.0 + model.chi_square) if cost is None else cost
    assert found.cost.value == pytest.approx(spent, rel=1e-12)
    for block, center in [(best.block + d, best.log_center + e) for d in (-1, 0, 1) for e in (-0.02, 0.0, 0.02)]:
        if 1 <= block < spent:
            other = predict(model, fs.Taylor(R.Geometric(block / spent), block, center))
            assert found.variance.value <= other.variance.value * (1.0 + 1e-6)
    assert model.chi_square < found.variance_times_cost.value


def test_what_has_no_best_law() -> None:
    with pytest.raises(ValueError, match=r"cost must be above 3, which is 1 \+ chi_square of model 'gamma\(0.5\)'"):
        fs.taylor_law(fs.models.gamma(0.5), 3.0)
    with pytest.raises(ValueError, match="needs a finite chi-square"):
        fs.taylor_law(fs.models.gaussian_scale(0.5))
    with pytest.raises(TypeError, match="model must be a fastsumo Model"):
        fs.taylor_law(fs.Taylor())  # type: ignore[arg-type]
    table = fs.Model(lambda z, row, params: z[0] * row[0], 1, data=[[1.0]])
    with pytest.raises(ValueError, match="has data"):
        fs.taylor_law(table)
    assert best_series(1.0, 0.5) == (math.inf, pytest.approx(math.nan, nan_ok=True))
    flat = fs.Model(lambda z, params: 2.0 + 0.0 * z[0], 1, log_evidence=2.0, chi_square=0.0)
    assert predict(flat, fs.taylor_law(flat)).variance.value == 0.0


def test_the_best_law_is_nearer_to_iwae_the_more_it_may_cost() -> None:
    gamma = fs.models.gamma(1.0)
    found = [predict(gamma, fs.taylor_law(gamma, cost)).variance_times_cost.value for cost in (64.0, 1e5)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1.003


@pytest.mark.parametrize("shape", [1e6, 1e9, 1e11])
@pytest.mark.parametrize("ratio", [1.0, 1.3])
def test_moments_of_factors_of_large_blocks_are_those_of_normal_ones(shape: float, ratio: float) -> None:
    from scipy.special import gammaln

    spread, mean = 1.0 / math.sqrt(shape) / ratio, 1.0 - 1.0 / ratio
    for p in (1.0, 3.0, 8.0):
        of_normal = p * math.log(spread) + 0.5 * p * math.log(2.0) + gammaln(0.5 * (p + 1.0)) - gammaln(0.5)
        wanted = of_normal if mean == 0.0 else p * math.log(mean)
        assert _gamma_moment(shape, ratio)(p) == pytest.approx(wanted, abs=2e-3)


def test_an_index_that_is_not_found_is_not_called_infinite() -> None:
    """Means of many weights have light tails, and no bound: some moment of a trial does not exist."""
    found = predict(fs.models.gamma(1.0), fs.Taylor(fs.roulette.Geometric(0.5), block=10**6))
    assert found.tail_index.kind == "unknown"
    assert any("above 30" in note for note in found.notes)


def test_log_weights_that_are_none_are_no_weights_of_zero() -> None:
    """A run has to say so, at its first trial; what is wrong is not that all weights are zero."""
    assert centered(fs.Model(lambda z, params: math.nan, 1), fs.Taylor()).log_center == 0.0
    with pytest.raises(ValueError, match="are all zero"):
        centered(fs.Model(lambda z, params: -math.inf, 1), fs.Taylor())


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, slow(3.5), 5.0])
@pytest.mark.parametrize("block", [1, 2, slow(8), 40])
def test_bounds_of_a_pilot_hold_the_index(shape: float, block: int) -> None:
    """Of gamma weights as somebody's own model, against what is exact for them; and where a pilot can tell, it does."""
    dim = int(2 * shape)

    def own(z: Any, params: Any) -> float:
        total = 0.0
        for i in range(dim):
            total += z[i] * z[i]
        return math.log(total / dim)  # type: ignore[no-any-return]

    for p in (0.1, 0.3, 0.5, 0.8):
        for ratio in (1.0, 1.0 + 1.0 / (shape * block), 1.7):
            estimator = fs.Taylor(R.Geometric(p), block, math.log(ratio))
            exact, found = tail(fs.models.gamma(shape), estimator), tail(fs.Model(own, dim), estimator)
            assert found.low <= exact.high * (1.0 + 1e-9), (p, ratio)
            assert exact.low <= found.high * (1.0 + 1e-9), (p, ratio)
            assert math.isnan(found.index) == (found.high > 1.3 * found.low)
            if exact.high < 4.0:
                assert found.high < 2.5 * found.low, (p, ratio)


def test_a_pilot_does_not_guess_beyond_what_it_drew() -> None:
    """The mean of a few heavy weights is that of the largest drawn; their true index is about 2.6."""
    model = fs.Model(lambda z, params: z[0] + z[1] + z[2] - 1.5, 3)
    found = tail(model, fs.Taylor(R.Geometric(0.1), block=20))
    assert math.isnan(found.index)
    assert found.low < 2.573 < found.high
    assert "as far as a pilot shows" in found.note


@pytest.mark.parametrize("shape", [1.5, 2.0, 5.0])
def test_a_pilot_says_what_is_beyond_doubt_of_a_variance(shape: float) -> None:
    """Near the edge of a finite variance a pilot's error decides; away from it the error holds the truth."""
    dim, q = int(2 * shape), 1.0 / shape

    def own(z: Any, params: Any) -> float:
        total = 0.0
        for i in range(dim):
            total += z[i] * z[i]
        return math.log(total / dim)  # type: ignore[no-any-return]

    kinds = set()
    for share in (0.8, 0.97, 0.99, 1.003, 1.02, 1.05, 1.2, 2.0):
        estimator = fs.Taylor(R.Geometric(1.0 - share * q / (1.0 + q)), log_center=math.log1p(q))
        exact = predict(fs.models.gamma(shape), estimator).variance
        found = predict(fs.Model(own, dim), estimator).variance
        kinds.add(found.kind)
        if found.kind != "unknown":
            assert (found.kind == "infinite") == (exact.kind == "infinite"), share
        if found.kind == "first-order":
            assert abs(found.value - exact.value) < 4.0 * found.error, share
    assert kinds == {"infinite", "unknown", "first-order"}


@pytest.mark.parametrize("far", [1e13, -1e300])
def test_a_centre_that_nobody_gave_is_not_complained_of(far: float) -> None:
    bare = fs.Model(lambda z, params: z[0] + params[0], 1, [far])
    declared = fs.Model(bare.function, 1, [far], log_evidence=far, chi_square=1.7)
    for model in (bare, declared):
        with pytest.raises(ValueError, match="the log evidence of model .* is near .*: take a constant off"):
            fs.simulate(model, fs.Taylor(), 10)
