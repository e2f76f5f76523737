"""What far tails are measured with: strata by octaves, and the growth of the variance with a control variate."""

from __future__ import annotations

import numpy as np
import pytest

import fastsumo as fs
from bench import tails


def test_the_mean_square_of_the_linear_part_is_that_of_its_sum() -> None:
    def by_definition(k: int) -> float:
        parts = np.eye(k + 1)  # of X_n / n in x_1 .. x_(K+1)
        means = [parts[:n].sum(axis=0) / n for n in range(1, k + 2)]
        linear = means[0] + sum(j * (means[j] - means[j - 1]) for j in range(1, k + 1))
        return float(np.sum(np.square(linear)))

    ks = [1, 2, 3, 7, 30, 200]
    np.testing.assert_allclose(tails.linear_square(ks), [by_definition(k) for k in ks], rtol=1e-12)
    far = float(tails.linear_square(2**30))
    assert far / 2**30 == pytest.approx(1.0, abs=1e-6)


def test_its_mean_over_many_terms_is_that_of_all() -> None:
    low, high = 2**16, 2**17 - 1
    k = np.arange(low, high + 1.0)
    whole = np.average(tails.linear_square(k), weights=1.0 / (k * (k + 1.0)))
    assert tails._mean_linear_square(low, high) == pytest.approx(whole, rel=1e-4)


def test_strata_begin_at_octaves() -> None:
    lows = tails.octaves(2**27)
    assert lows == sorted(set(lows))
    assert set(2 ** np.arange(28)) <= set(lows)
    assert tails.octaves(3) == [1, 2, 3]


@pytest.mark.slow
def test_growth_with_a_control_variate_is_that_of_strata() -> None:
    controlled = {last: (variance, error) for last, variance, error in tails.controlled_growth(1e8, 2**14 - 1)}
    growth = fs.stratify(
        fs.models.note(), tails.HARMONIC, 2e8, seed=3, strata=tails.octaves(2**14 - 1, 1), largest_terms=2**14 - 1
    ).growth
    assert [int(terms) for terms in growth["terms"]] == list(controlled)
    for terms, _, variance, error in growth.tolist():
        other, its_error = controlled[terms]
        assert abs(variance - other) < 4.5 * np.hypot(error, its_error)
    assert its_error < 0.8 * error  # at half of the cost
