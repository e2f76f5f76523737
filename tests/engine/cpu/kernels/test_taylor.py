"""Kernels of Taylor's series against its definition in 40 digits, on the log weights that `replay` shows."""

from __future__ import annotations

import math
import re

import mpmath
import numpy as np
import pytest
from bits import same_bits
from mpmath import mpf
from zoo import MODELS, shifted, slow

import fastsumo as fs

SEED = 11
HARMONIC, GEOMETRIC = fs.roulette.Harmonic, fs.roulette.Geometric
SERIES = [
    fs.Taylor(GEOMETRIC(0.5)),
    fs.Taylor(GEOMETRIC(0.1), block=3),
    fs.Taylor(HARMONIC()),
    fs.Taylor(fs.roulette.Table([1.0, 1.0, 0.5, 0.1]), block=7),
    fs.Taylor(fs.roulette.PowerLaw(0.7, cap=700), block=20),
    fs.Taylor(fs.roulette.HarmonicGeometric(4, 0.3), block=129),
    fs.Taylor(GEOMETRIC(0.6), block=5000),
]


def series(estimator: fs.Taylor, log_weights: np.ndarray, center: float) -> tuple[mpf, mpf]:
    """``log c - sum_k y_1 ... y_k / (k P_k)``, and the size of the terms, of as many terms as there are weights for."""
    weights = [mpmath.exp(x) if x > -math.inf else mpf(0) for x in log_weights.tolist()]
    c, product, total, size = mpmath.exp(mpf(center)), mpf(1), mpf(0), mpf(1)
    for k in range(1, len(weights) // estimator.block + 1):
        block = weights[(k - 1) * estimator.block : k * estimator.block]
        product *= 1 - mpmath.fsum(block) / len(block) / c
        term = product / (k * mpf(float(estimator.roulette.survival(k))))
        total, size = total + term, size + abs(term)
    return mpf(center) - total, size


@pytest.mark.parametrize("estimator", SERIES, ids=repr)
@pytest.mark.parametrize("name", ["note", *map(slow, ["gamma", "libm", "low", "zeros", "mostly zeros"])])
def test_values(name: str, estimator: fs.Taylor) -> None:
    values, terms = fs.sample(MODELS[name], estimator, 1000, SEED)
    assert np.all(np.isfinite(values))
    found, first = np.unique(terms, return_index=True)
    for trial in first[found * estimator.block <= 5000][-8:].tolist():
        one = fs.replay(MODELS[name], estimator, trial, SEED)
        assert (one.value, one.log_weights.size) == (values[trial], one.terms * estimator.block)
        with mpmath.workdps(40):
            expected, size = series(estimator, one.log_weights, one.log_center)
            assert abs(mpf(one.value) - expected) < 1e-13 * (size + abs(one.log_center)) * (10 + one.terms)
        assert one.log_center + one.increments @ one.roulette_weights == pytest.approx(one.value, rel=1e-11, abs=1e-11)
        assert one.factors.shape == one.increments.shape == one.roulette_weights.shape == (one.terms,)


@pytest.mark.parametrize("block", [1, 3, 200])
def test_a_shift_of_the_log_weights_shifts_the_values(block: int) -> None:
    here, _ = fs.sample(shifted.with_params([0.0, 0.5]), fs.Taylor(block=block, log_center=0.3), 500, SEED)
    for shift in (1e5, -1e5, 7e8):
        estimator = fs.Taylor(block=block, log_center=0.3 + shift)
        there, _ = fs.sample(shifted.with_params([shift, 0.5]), estimator, 500, SEED)
        assert np.all(np.abs(there - shift - here) < 1e-12 * abs(shift))


def test_weights_of_zero_make_factors_of_one() -> None:
    empty, law = MODELS["all zeros"], GEOMETRIC(0.3)
    values, terms = fs.sample(empty, fs.Taylor(law, log_center=2.0), 500, SEED)
    k = np.arange(1, terms.max() + 1)
    sums = np.cumsum(1.0 / (k * law.survival(k)))
    assert np.allclose(values, 2.0 - sums[terms - 1], rtol=1e-13)
    with pytest.raises(ValueError, match="are all zero: give Taylor a log_center"):
        fs.sample(empty, fs.Taylor(), 10)


@pytest.mark.parametrize("block", [1, 150])
def test_weights_far_above_the_centre_end_the_run(block: int) -> None:
    model, estimator = shifted.with_params([0.0, 1.0]), fs.Taylor(GEOMETRIC(0.2), block, log_center=-300.0)
    with pytest.raises(fs.ModelError, match="is too large for float64: .* take a larger log_center") as found:
        fs.simulate(model, estimator, 1000, SEED, progress=False)
    trial = int(re.search(r"trial=(\d+)", str(found.value))[1])  # type: ignore[index]
    one = fs.replay(model, estimator, trial, SEED)
    assert math.isnan(one.value)
    assert np.log2(np.abs(one.factors)).sum() > 490.0


def test_a_product_that_has_vanished_ends_a_giant_trial() -> None:
    law = HARMONIC()
    trial = int(np.argmax(law.sample(3_000_000, SEED)))
    value, terms = fs.sample(MODELS["note"], fs.Taylor(law), 1, SEED, first_trial=trial)
    assert terms[0] > 500_000
    one = fs.replay(MODELS["note"], fs.Taylor(law), trial, SEED, max_samples=20_000)
    assert np.prod(one.factors) == 0.0
    assert one.log_center + one.increments @ one.roulette_weights == pytest.approx(value[0], abs=1e-12)


@pytest.mark.parametrize("estimator", [fs.Taylor(), fs.Taylor(HARMONIC(), block=40)], ids=repr)
def test_values_do_not_depend_on_their_neighbours_or_on_threads(estimator: fs.Taylor) -> None:
    model = MODELS["note"]
    values, terms = fs.sample(model, estimator, 9000, SEED, threads=3)
    part, part_terms = fs.sample(model, estimator, 2001, SEED, threads=1, first_trial=3333)
    assert np.array_equal(part, values[3333:5334])
    assert np.array_equal(part_terms, terms[3333:5334])
    one, three = (fs.simulate(model, estimator, 9000, SEED, threads=n, progress=False) for n in (1, 3))
    assert same_bits(one, three)
    assert one.cost == estimator.block * int(terms.sum())
    assert one.mean == pytest.approx(float(values.mean()), abs=1e-12)
