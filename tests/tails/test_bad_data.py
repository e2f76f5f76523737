"""Data that say nothing or cannot be read, to every function of `fastsumo.tails`: never a crash or a silent number.

Warnings are errors here, so that any but the one expected fails a test.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastsumo import tails

METHODS = ("hill", "moment", "pickands", "gpd", "gpd-mle")
INTERVALS = ("normal", "median-of-means", "catoni", "trimmed", "self-normalised", "index-2", "subsampling")
Number = Callable[[Any], float]

ANSWERS: dict[str, Number] = {  # these say something of the law that the values come from
    **{f"tail_index, {m}": lambda x, m=m: tails.tail_index(x, method=m).estimate for m in METHODS},
    **{f"mean_interval, {m}": lambda x, m=m: tails.mean_interval(x, m).low for m in INTERVALS},
    "tail_index, bootstrap": lambda x: tails.tail_index(x, k="bootstrap").estimate,
    "hill_path": lambda x: float(np.nansum(tails.hill_path(x).estimate)) or math.nan,
    "choose_k": lambda x: tails.choose_k(x) or math.nan,
    "choose_k, bootstrap": lambda x: tails.choose_k(x, method="bootstrap") or math.nan,
    "pareto_khat": lambda x: tails.pareto_khat(x).khat,
    "diagnose, index": lambda x: tails.diagnose(x).hill.estimate,
    "diagnose, interval": lambda x: tails.diagnose(x).interval.low,
    "mean_excess": lambda x: float(np.max(tails.mean_excess(x).excess, initial=0.0)) or math.nan,
    "tail_qq": lambda x: tails.tail_qq(x, index=2.0, constant=1.0).outside,
    "variance_growth": lambda x: tails.variance_growth(x).power,
    "index_test": lambda x: tails.index_test(x).p_at_most,
    "tail_constant_test": lambda x: tails.tail_constant_test(x, 1.0).p_value,
}
NUMBERS: dict[str, Number] = {  # these describe the values themselves
    "max_to_sum": lambda x: tails.max_to_sum(x).ratios[0, -1],
    "drop_largest": lambda x: tails.drop_largest(x, 1).variance_without,
    "summarize": lambda x: tails.summarize(x).mean,
    "trace": lambda x: tails.trace(x).mean[-1],
    "log_histogram": lambda x: tails.histogram_quantile(tails.log_histogram(x), 0.5),
}
ALL = ANSWERS | NUMBERS

_RNG = np.random.default_rng(0)
SILENT = {
    "constant": np.full(100, 3.0),
    "zeros": np.zeros(100),
    "all the same and negative": np.full(100, -2.0),
    "ten": np.arange(10.0),
    "nineteen": -np.arange(1.0, 20.0),
    "two": np.array([1.0, 2.0]),
    "one": np.array([2.0]),
}
SPEAKING = {
    "negative": -_RNG.pareto(2.0, 300) - 1.0,
    "ties": np.floor(3.0 * _RNG.pareto(1.0, 300)),
    "whole numbers": _RNG.integers(-50, 50, 300).astype(float),
    "zeros and ones": np.repeat([0.0, 1.0], [80, 20]),
    "smallest": 5e-324 * np.arange(60),
}


def quietly(function: Number, values: Any) -> tuple[float, list[str]]:
    """The number and the messages of the warnings that came with it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        number = function(values)
    assert {each.category for each in caught} <= {tails.TailWarning}
    return number, [str(each.message) for each in caught]


@pytest.mark.parametrize("data", SILENT)
@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_is_said_of_data_that_say_nothing(name: str, data: str) -> None:
    number, messages = quietly(ANSWERS[name], SILENT[data])
    assert math.isnan(number)
    assert any(message.startswith("no ") for message in messages)


@pytest.mark.parametrize("data", SPEAKING)
@pytest.mark.parametrize("name", ALL)
def test_odd_data_give_a_number_or_a_reason(name: str, data: str) -> None:
    number, messages = quietly(ALL[name], SPEAKING[data])
    assert not math.isnan(number) or messages


@pytest.mark.parametrize("name", ALL)
def test_squares_that_overflow_are_an_error_where_they_are_needed(name: str) -> None:
    values = np.repeat([1e308, -1e308, 1e307, 1e306], 25)
    if name.split(",")[0] in ("mean_interval", "diagnose", "variance_growth", "drop_largest", "summarize", "trace"):
        with pytest.raises(ValueError, match="squares of value - center overflow"):
            ALL[name](values)
    else:
        number, messages = quietly(ALL[name], values)
        assert not math.isnan(number) or messages


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ALL)
def test_a_value_that_is_not_finite_is_named(name: str, bad: float) -> None:
    values = np.random.default_rng(1).standard_t(2, 50)
    values[7] = bad
    with pytest.raises(ValueError, match=r"\[7\] is -?(nan|inf)"):
        ALL[name](values)


@pytest.mark.parametrize("name", ALL)
def test_types_and_layouts_of_numbers_do_not_matter(name: str) -> None:
    whole = np.round(1000.0 * np.random.default_rng(2).standard_t(2, 400))
    frozen = whole.copy()
    frozen.flags.writeable = False
    expected, _ = quietly(ALL[name], whole)
    assert not math.isnan(expected)
    for other in (frozen, whole.astype(np.int64), whole.astype(np.float32), np.repeat(whole, 2)[::2], whole.tolist()):
        assert quietly(ALL[name], other)[0] == expected
    assert np.array_equal(frozen, whole)


@pytest.mark.parametrize("bad", [["a", "b"], [True, False], [1j, 2j], [None, 1.0]])
@pytest.mark.parametrize("name", ALL)
def test_what_is_no_number_is_a_type_error(name: str, bad: list[Any]) -> None:
    with pytest.raises(TypeError, match="real numbers"):
        ALL[name](bad)


@pytest.mark.parametrize("bad", [np.ones((5, 5)), np.array([]), np.array(3.0)], ids=["matrix", "empty", "scalar"])
@pytest.mark.parametrize("name", ALL)
def test_what_is_no_vector_is_an_error(name: str, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="one-dimensional|empty"):
        ALL[name](bad)


def test_a_warning_names_the_line_of_the_caller() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tails.tail_index([1.0, 2.0])
    assert [Path(each.filename).name for each in caught] == [Path(__file__).name]


def test_a_center_far_from_all_values_is_told() -> None:
    values = 1e5 + np.random.default_rng(3).standard_t(3.0, 500)
    with pytest.warns(tails.TailWarning, match="far from the center 0.* try center=1000"):
        assert tails.tail_index(values).estimate > 100.0
    assert tails.tail_index(values, center=float(np.median(values))).estimate < 6.0


@pytest.mark.parametrize("offset", [0.0, -1e5, 1e9])
def test_a_trace_is_right_at_any_offset(offset: float) -> None:
    values = offset + np.random.default_rng(4).normal(size=300)
    rows = tails.trace(values)
    expected = [np.var(values[:n], ddof=1) for n in rows.trials]
    np.testing.assert_allclose(rows.variance, expected, rtol=1e-6)
    np.testing.assert_allclose(rows.mean, [np.mean(values[:n]) for n in rows.trials], rtol=1e-14, atol=1e-13)
