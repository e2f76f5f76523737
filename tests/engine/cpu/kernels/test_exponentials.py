"""Weights from log weights against their definition, at the edges of the linear range and beyond."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest

from fastsumo.engine.cpu.kernels.exponentials import extended_weights, linear_weights
from fastsumo.engine.cpu.kernels.log_weights import ONE, TWO
from fastsumo.engine.status import EXTENDED, OK
from fastsumo.trial.ranges import LOG_2, RANGE

SHIFT = -7.0
NONE = [math.nan, math.inf, 2.0**501, -(2.0**501)]  # what is no log weight
POWERS = [
    *np.linspace(0.1 - RANGE, RANGE - 0.1, 41),
    -254.9,
    255.1,
    256.9,
    257.1,
    -0.0,
    1e-9,
]  # inside the range, of 2**SHIFT
OUTSIDE = [-RANGE - 0.01, RANGE + 0.01, -2000.0, 2000.0]


@numba.njit
def linear(first_at, second_at, terms, n, shift):
    return linear_weights(first_at, second_at, terms, n, shift)


@numba.njit
def extended(first_at, second_at, terms, n, shift):
    return extended_weights(first_at, second_at, terms, n, shift)


def called(to_weights, first, second=None):
    """Status, and what becomes of the two arrays."""
    one = np.array(first, dtype=float)
    two = np.full(one.size, 7.5) if second is None else np.array(second, dtype=float)
    terms = ONE if second is None else TWO
    return to_weights(one.ctypes.data, two.ctypes.data, terms, one.size, SHIFT), one, two


def log_weight(power):
    return (power + SHIFT) * LOG_2


@pytest.mark.parametrize("count", [1, 3, 4, 64, 1000])
def test_linear_weights(count):
    powers = np.resize(POWERS, count)
    status, weights, _ = called(linear, log_weight(powers))
    assert status == OK
    np.testing.assert_allclose(weights, 2.0**powers, rtol=1e-13)
    powers_too = np.resize(POWERS[::-1], count)
    status, weights, _ = called(linear, log_weight(powers), log_weight(powers_too))
    assert status == OK
    np.testing.assert_allclose(weights, 2.0**powers + 2.0**powers_too, rtol=1e-13)


@pytest.mark.parametrize("place", [0, 5, 40])
@pytest.mark.parametrize("others", [POWERS, [0.0]], ids=["all over the range", "in its midst"])
def test_one_weight_outside_is_enough(place, others):
    for each in (*map(log_weight, OUTSIDE), *NONE):
        first, second = np.resize(log_weight(np.array(others)), 41), np.full(41, -math.inf)
        first[place] = each
        assert called(linear, first)[0] == EXTENDED, each
        assert called(linear, second, first)[0] == EXTENDED, each
    assert called(linear, [-math.inf, log_weight(3.0)])[0] == OK


def test_no_weight_is_zero_and_a_sum_with_it_is_the_other():
    first = [-math.inf, log_weight(-299.0), -math.inf, log_weight(2.0)]
    second = [log_weight(-299.0), -math.inf, -math.inf, log_weight(-2000.0)]
    status, weights, _ = called(linear, first, second)
    alone = called(linear, [log_weight(-299.0), log_weight(2.0)])[1]
    assert status == OK
    assert weights.tolist() == [alone[0], alone[0], 0.0, alone[1]]


def test_extended_weights_have_the_digits_of_linear_ones():
    x, y = log_weight(np.array(POWERS)), log_weight(np.array(POWERS[::-1]))
    for given in ((x,), (x, y)):
        weights = called(linear, *given)[1]
        status, mantissa, power = called(extended, *given)
        assert status == OK
        assert np.array_equal(np.ldexp(mantissa, (power - SHIFT).astype(int)), weights)


def test_extended_weights_beyond():
    x = np.array([-1e12, -800.0, 800.0, 1e12, -math.inf, *NONE])
    _, mantissa, power = called(extended, x)
    np.testing.assert_allclose(np.log(mantissa[:4]) + power[:4] * math.log(2.0), x[:4], rtol=1e-15)
    assert mantissa[4] == 0.0
    assert np.isnan(mantissa[5:]).all()
    _, both, power_of_both = called(extended, x, np.full(x.size, -math.inf))
    assert np.array_equal(both, mantissa, equal_nan=True)
    assert np.array_equal(power_of_both[:4], power[:4])
