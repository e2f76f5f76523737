"""Seconds that each tail estimator, interval and diagnostic takes of a million values: under one, on one core.

Run with ``pytest bench/test_tails.py --benchmark-only``; as tests, each runs once on few values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastsumo import tails

Call = Callable[[np.ndarray], Any]

INDICES: dict[str, Call] = {
    f"tail_index, {method}": lambda x, method=method: tails.tail_index(x, method=method).estimate
    for method in ("hill", "moment", "pickands", "gpd", "gpd-mle")
}
INDICES_OF_ALL: dict[str, Call] = {
    f"tail_index, {method}, all order statistics": lambda x, method=method: (
        tails.tail_index(x, method=method, k=x.size - 1).estimate
    )
    for method in ("hill", "moment", "pickands", "gpd", "gpd-mle")
}
INTERVALS: dict[str, Call] = {
    f"mean_interval, {method}": lambda x, method=method: tails.mean_interval(x, method).half_width
    for method in ("normal", "median-of-means", "catoni", "trimmed", "self-normalised", "index-2", "subsampling")
}
OTHERS: dict[str, Call] = {
    "tail_index, k by the double bootstrap": lambda x: tails.tail_index(x, k="bootstrap").estimate,
    "choose_k": tails.choose_k,
    "hill_path, every k": lambda x: tails.hill_path(x, points=None).estimate[-1],
    "pareto_khat": lambda x: tails.pareto_khat(x).khat,
    "summarize": lambda x: tails.summarize(x).variance,
    "max_to_sum": lambda x: tails.max_to_sum(x).ratios[-1, -1],
    "mean_excess": lambda x: tails.mean_excess(x).excess[0],
    "tail_qq": lambda x: tails.tail_qq(x, index=2.0, constant=1.0).outside,
    "variance_growth": lambda x: tails.variance_growth(x).power,
    "index_test": lambda x: tails.index_test(x).p_at_most,
    "tail_constant_test": lambda x: tails.tail_constant_test(x, 1.0).p_value,
    "drop_largest": lambda x: tails.drop_largest(x).share,
    "log_histogram": lambda x: tails.log_histogram(x).counts.sum(),
    "diagnose": lambda x: tails.diagnose(x).trials_needed,
}
CALLS = INDICES | INDICES_OF_ALL | INTERVALS | OTHERS


@pytest.mark.parametrize("name", CALLS)
def test_a_million_values(benchmark: Any, name: str) -> None:
    values = np.random.default_rng(0).standard_t(2, 5_000 if benchmark.disabled else 1_000_000)
    benchmark.extra_info["values"] = values.size
    found = benchmark.pedantic(CALLS[name], (values,), rounds=1 if benchmark.disabled else 5, warmup_rounds=1)
    assert not math.isnan(found)
