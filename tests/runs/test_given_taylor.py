"""`fs.taylor` and its derivatives on log weights from elsewhere: definitions, finite differences, what is refused."""

from __future__ import annotations

import math
import types
from typing import Any

import naive_estimators
import numpy as np
import pytest

import fastsumo as fs

R = fs.roulette
LAWS = [R.Geometric(0.5), R.Harmonic(cap=2000), R.Table([1.0, 0.5, 0.5, 0.1])]
CENTER = 0.4


def rows_for(law: Any, block: int, rows: int = 60, more: int = 2) -> tuple[np.ndarray, list[np.ndarray]]:
    rng, terms = np.random.default_rng(7), fs.draw_terms(rows, law, seed=4)
    return terms, [rng.normal(0.0, 0.8, k * block + more) for k in terms.tolist()]


def twin(law: Any, block: int, row: np.ndarray, terms: int, center: float = CENTER) -> float:
    return naive_estimators.value(fs.Taylor(law, block, center), row[: terms * block], terms)


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("block", [1, 3, 200])
def test_values_and_derivatives(law: Any, block: int) -> None:
    terms, rows = rows_for(law, block)
    values = fs.taylor(rows, roulette=law, block=block, log_center=CENTER, seed=4)
    assert np.allclose(values, [twin(law, block, *each) for each in zip(rows, terms.tolist(), strict=True)], rtol=1e-12)
    found = fs.taylor_coefficients(rows, terms, law, block, CENTER)
    for r in np.argsort(terms)[[0, 30, -8]].tolist():
        row, k = rows[r], int(terms[r])
        assert np.all(found[r][k * block :] == 0.0)
        for i in {0, k * block // 2, k * block - 1}:
            step = 1e-5 * (np.arange(row.size) == i)
            slope = (twin(law, block, row + step, k) - twin(law, block, row - step, k)) / 2e-5
            assert found[r][i] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_every_form_and_one_centre_for_each_row() -> None:
    rng = np.random.default_rng(1)
    matrix, centers = rng.normal(size=(50, 12)) + 1e5 * (-1.0) ** np.arange(50)[:, None], rng.random(50)
    centers += 1e5 * (-1.0) ** np.arange(50)
    what: dict[str, Any] = {"terms": 4, "block": 3, "log_center": centers}
    values, slopes = fs.taylor(matrix, **what), fs.taylor_coefficients(matrix, **what)
    offsets = np.arange(0, 601, 12)
    for form, more in ((list(matrix), {}), (matrix.reshape(-1), {"offsets": offsets}), (np.asfortranarray(matrix), {})):
        assert np.array_equal(fs.taylor(form, **what, **more), values)
        assert np.array_equal(
            np.concatenate(fs.taylor_coefficients(form, **what, **more), axis=None), slopes.reshape(-1)
        )
    assert np.allclose(fs.taylor(matrix.astype(np.float32), **what), values, rtol=0.1)
    assert np.array_equal(fs.taylor(matrix, **what, threads=3), values)
    for r in (0, 1, 49):
        one = twin(R.Geometric(0.5), 3, matrix[r] - centers[r], 4, 0.0)
        assert values[r] - centers[r] == pytest.approx(one, abs=1e-9)


def test_the_values_are_those_of_the_engine() -> None:
    model, estimator = fs.models.note(), fs.Taylor(block=2)
    values, terms = fs.sample(model, estimator, 40, seed=9)
    trials = [fs.replay(model, estimator, t, seed=9) for t in range(40)]
    rows = [one.log_weights for one in trials]
    assert np.array_equal(fs.draw_terms(40, R.Geometric(0.5), seed=9), terms)
    assert np.allclose(fs.taylor(rows, block=2, log_center=trials[0].log_center, seed=9), values, rtol=1e-12)


def test_zero_weights_and_zero_slopes() -> None:
    rows = [[-math.inf, 0.0], [-math.inf, -math.inf]]
    assert np.allclose(fs.taylor(rows, terms=2, log_center=0.0), [0.0 - 1.0 - 0.0, -2.0])
    assert np.array_equal(fs.taylor_coefficients(rows, terms=2, log_center=0.0), [[0.0, 1.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({}, TypeError, "needs log_center, one number or one for each row"),
        ({"log_center": [1.0, 2.0]}, ValueError, "one number or one for each of 3 rows, got shape"),
        ({"log_center": math.nan}, ValueError, "log_center must be finite, got nan"),
        ({"log_center": "a"}, TypeError, "log_center must be"),
        ({"log_center": 0.0, "block": 0}, ValueError, "block must be a whole number"),
        ({"log_center": 0.0, "block": 3}, ValueError, "row 0 has 4 log weights and needs 6"),
        ({"log_center": 0.0, "roulette": 3}, TypeError, "roulette must be a law"),
        ({"log_center": 0.0, "terms": 0}, ValueError, "terms must be at least 1"),
        ({"log_center": -800.0}, ValueError, "the value of row 0 is too large for float64: .* larger log_center"),
    ],
)
@pytest.mark.parametrize("function", [fs.taylor, fs.taylor_coefficients], ids=["values", "slopes"])
def test_what_is_refused(function: Any, more: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        function(np.zeros((3, 4)), **{"terms": 2, **more})


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("samples", [4, 3000])
def test_a_row_that_is_no_row_is_named(bad: float, samples: int) -> None:
    rows = np.zeros((3, samples))
    rows[1, samples - 2] = bad
    for function in (fs.taylor, fs.taylor_coefficients):
        with pytest.raises(ValueError, match=f"row 1 of log_weights holds {bad} at place {samples - 2}"):
            function(rows, terms=samples, roulette=R.Harmonic(), log_center=0.1)


def test_the_same_kind_comes_out() -> None:
    class Array:
        """What a framework's array must have."""

        def __init__(self, values: np.ndarray) -> None:
            self.values, self.dtype, self.device = values, values.dtype, "somewhere"

        def __array__(self, *_: Any, **__: Any) -> np.ndarray:
            return self.values

        def __array_namespace__(self) -> Any:
            return types.SimpleNamespace(asarray=lambda found, dtype, device: ("made", found, dtype, device))

    given = Array(np.zeros((2, 3), np.float32))
    for function in (fs.taylor, fs.taylor_coefficients):
        made, _, dtype, device = function(given, terms=2, log_center=0.2)
        assert (made, dtype, device) == ("made", np.float32, "somewhere")
