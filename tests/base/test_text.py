"""Numbers and tables in words."""

from __future__ import annotations

import math

import pytest

from fastsumo.base.text import Column, table, with_error


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.837908848, 0.0009975, "1.83791 ± 0.00100"),
        (1.8379, 0.00123, "1.8379 ± 0.0012"),
        (-1234.5678, 12.0, "-1235 ± 12"),
        (142.438, 174.9, "140 ± 170"),
        (-0.4, 250.0, "0 ± 250"),
        (1e9, 1e5, "1.00000e+09 ± 1.0e+05"),
        (3.0, 1e300, "3.0e+00 ± 1.0e+300"),
        (2.5, math.inf, "2.5 ± inf"),
        (2.0, 0.0, "2 ± 0"),
        (2.5, math.nan, "2.5"),
        (-math.inf, math.nan, "-inf"),
    ],
)
def test_errors_have_two_digits(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


def test_tables_leave_out_the_least_important() -> None:
    columns = [
        Column("name", ["a", "b"], left=True),
        Column("kept", ["1", "22"]),
        Column("dropped", ["x", "y"], rank=1),
    ]
    assert table(columns, 80).splitlines() == [
        "name  kept  dropped",
        "a        1        x",
        "b       22        y",
    ]
    assert table(columns, 12).splitlines() == ["name  kept", "a        1", "b       22"]


def test_a_long_column_is_cut_where_that_makes_the_rest_fit() -> None:
    columns = [
        Column("cell", ["0", "1"]),
        Column("estimator", ["SUMO(Harmonic(cap=1000))", "ELBO()"], 2, True, least=8),
        Column("seed", ["3", "4"], 3),
    ]
    assert table(columns, 40).splitlines()[1] == "   0  SUMO(Harmonic(cap=1000))     3"
    assert table(columns, 24) == "cell  estimator     seed\n   0  SUMO(Harmon…     3\n   1  ELBO()           4"
    assert table(columns, 18) == "cell  estimator\n   0  SUMO(Harmon…\n   1  ELBO()"
    assert table(columns, 8) == "cell\n   0\n   1"
