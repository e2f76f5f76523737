"""Sums are rounded once, whatever the numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastsumo.base import exact


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0, 200.0])
@pytest.mark.parametrize("size", [1, 2, 63, 64, 4096])
def test_a_total_is_rounded_once(spread: float, size: int) -> None:
    generator = np.random.default_rng(size)
    weights = np.exp(spread * generator.standard_normal(size).clip(-3.5, 3.3))
    signed = weights * generator.choice([-1.0, 1.0], size)
    for numbers in (weights, signed, np.append(signed, -signed[::-1]), np.append(signed, [1e16, 1.0, -1e16])):
        assert exact.total(numbers) == math.fsum(numbers)


def test_totals_of_nothing_and_of_the_smallest_numbers() -> None:
    assert exact.total(np.empty(0)) == 0.0
    assert exact.total(np.zeros(3)) == 0.0
    assert exact.total(np.full(5, 5e-324)) == 5 * 5e-324
    assert exact.total(np.array([1.0, 2.0**-53, 2.0**-106])) == 1.0 + 2.0**-52  # half an ulp and a little
