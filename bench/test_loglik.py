"""Log weights a second for rows from elsewhere, by row length, beside scipy's logsumexp and PyTorch's logcumsumexp.

Run with ``pytest bench/test_loglik.py --benchmark-only``; as tests, each runs once on few weights. What is measured is
in ``extra_info["weights"]`` a round. Models with data are elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp

import fastsumo as fs
from fastsumo.estimators.roulette import Harmonic, PowerLaw

LENGTHS = [2, 3, 10, 100, 1000, 10_000, 1_000_000]
LAW = Harmonic(cap=1000)


@pytest.fixture
def weights(benchmark: Any) -> int:
    """How many log weights to work on."""
    return 2**21 if benchmark.disabled else 2**25


def matrix(weights: int, length: int, dtype: Any = np.float64) -> np.ndarray:
    rows = max(2, weights // length)
    return np.random.default_rng(0).standard_normal((rows, length), dtype=np.float32).astype(dtype)


def measure(benchmark: Any, size: int, function: Any, *arguments: Any, **options: Any) -> Any:
    benchmark.extra_info["weights"] = size
    return benchmark.pedantic(function, arguments, options, rounds=1 if benchmark.disabled else 7, warmup_rounds=1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("length", LENGTHS)
def test_sumo(benchmark: Any, weights: int, length: int, dtype: str) -> None:
    x = matrix(weights, length, dtype)
    assert np.isfinite(measure(benchmark, x.size, fs.sumo, x, length - 1)).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_sumo_of_a_power_law(benchmark: Any, weights: int, length: int) -> None:
    x = matrix(weights, length)
    assert np.isfinite(measure(benchmark, x.size, fs.sumo, x, length - 1, PowerLaw(1.2))).all()


@pytest.mark.parametrize("function", ["sumo", "sumo_coefficients"])
def test_rows_of_drawn_lengths(benchmark: Any, weights: int, function: str) -> None:
    terms = fs.draw_terms(int(weights / (1 + LAW.expected_terms())), LAW, seed=1)
    offsets = np.concatenate([[0], np.cumsum(terms + 1)])
    values = np.random.default_rng(0).standard_normal(int(offsets[-1]))
    found = measure(benchmark, values.size, getattr(fs, function), values, terms, LAW, offsets=offsets)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("function", ["iwae", "jvi", "cumulative_iwae"])
def test_iwae(benchmark: Any, weights: int, function: str, length: int) -> None:
    x = matrix(weights, length)
    assert np.isfinite(measure(benchmark, x.size, getattr(fs, function), x)).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_coefficients(benchmark: Any, weights: int, length: int) -> None:
    x = matrix(weights, length)
    assert np.isfinite(measure(benchmark, x.size, fs.sumo_coefficients, x, length - 1)).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_peer_scipy_logsumexp(benchmark: Any, weights: int, length: int) -> None:
    """What `fs.iwae` does."""
    x = matrix(weights // 4, length)
    found = measure(benchmark, x.size, lambda: logsumexp(x, axis=1) - np.log(length))
    np.testing.assert_allclose(found, fs.iwae(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("length", LENGTHS)
def test_peer_torch_logcumsumexp(benchmark: Any, weights: int, length: int) -> None:
    """What `fs.cumulative_iwae` does, on all cores too."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = matrix(weights // 4, length)
    counts = torch.log(torch.arange(1, length + 1, dtype=torch.float64))
    found = measure(benchmark, x.size, lambda: torch.logcumsumexp(torch.from_numpy(x), dim=1) - counts)
    np.testing.assert_allclose(found.numpy(), fs.cumulative_iwae(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("length", LENGTHS)
def test_peer_torch_sumo(benchmark: Any, weights: int, length: int) -> None:
    """What `fs.sumo` does, by parts, on all cores too."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = matrix(weights // 4, length)
    counts = torch.log(torch.arange(1, length + 1, dtype=torch.float64))

    def sumo() -> Any:
        path = torch.logcumsumexp(torch.from_numpy(x), dim=1) - counts
        return (length - 1) * path[:, -1] - path[:, 1:-1].sum(1)

    found = measure(benchmark, x.size, sumo)
    np.testing.assert_allclose(found.numpy(), fs.sumo(x, length - 1), rtol=1e-8, atol=1e-6)
