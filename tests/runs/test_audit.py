"""`audit`: right implementations pass, and each mistake, written by a hand of its own, is named."""

from __future__ import annotations

import math
import re
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from complaints import fails
from zoo import slow, thinned

import fastsumo as fs
from fastsumo.runs import audit as module

HARMONIC, PAPER = fs.roulette.Harmonic(), fs.roulette.HarmonicGeometric(4, 0.3)
LAWS = [HARMONIC, PAPER, fs.roulette.PowerLaw(1.5), fs.roulette.Harmonic(cap=5), fs.roulette.Table([1.0, 0.6, 0.2])]
Row = Callable[..., float]


def by_rows(row: Row, law: fs.roulette.Roulette = HARMONIC, minimum: int = 1, start: int = 1) -> Any:
    """A function of all rows from one of a row: log weights, K, P(K >= j) as a function, m."""

    def function(log_weights: Any, terms: Any) -> Any:
        return np.array(
            [row(w, int(k), lambda j: float(law.survival(j)), minimum) for w, k in zip(log_weights, terms, strict=True)]
        )

    return function


def by_paths(law: fs.roulette.Roulette, dtype: Any) -> Any:
    """A function of all rows that is right, in one precision or another."""

    def function(log_weights: Any, terms: Any) -> Any:
        w = log_weights.astype(dtype)
        path = np.logaddexp.accumulate(w, axis=1) - np.log(np.arange(1, w.shape[1] + 1, dtype=dtype))
        with np.errstate(invalid="ignore"):
            step = np.diff(path, axis=1)
        j = np.arange(1, step.shape[1] + 1)
        inverse = (1.0 / law.survival(j)).astype(dtype)
        return path[:, 0] + np.where(j <= terms[:, None], step * inverse, dtype(0)).sum(axis=1)

    return function


def iwae(w: Any, k: int) -> float:
    """``log((w_1 + ... + w_k) / k)``"""
    top = w[:k].max()
    return -math.inf if top == -math.inf else float(top + np.log(np.exp(w[:k] - top).sum() / k))


def difference(w: Any, k: int) -> float:
    """``L_{k+1} - L_k``"""
    return iwae(w, k + 1) - iwae(w, k)


def right(w: Any, k: int, p: Any, m: int) -> float:
    return iwae(w, m) + sum(difference(w, m + j - 1) / p(j) for j in range(1, k + 1))


def of_start_0(w: Any, k: int, p: Any, m: int) -> float:
    return iwae(w, m) + sum(difference(w, m + j - 2) / p(j) for j in range(2, k + 1))


MISTAKES: dict[str, tuple[Row, str]] = {
    "times": (
        lambda w, k, p, m: iwae(w, m) + sum(difference(w, m + j - 1) * p(j) for j in range(1, k + 1)),
        "multiplied",
    ),
    "none": (lambda w, k, p, m: iwae(w, m + k), "not divided by"),
    "floor": (
        lambda w, k, p, m: iwae(w, m) + sum(difference(w, m + j - 1) / p(j + 1) for j in range(1, k + 1)),
        r"P\(K >= j \+ 1\) in place",
    ),
    "early": (
        lambda w, k, p, m: iwae(w, m) + sum(difference(w, m + j - 1) / p(j - 1) for j in range(1, k + 1)),
        r"P\(K >= j - 1\) in place",
    ),
    "mass": (
        lambda w, k, p, m: iwae(w, m) + sum(difference(w, m + j - 1) / (p(j) - p(j + 1)) for j in range(1, k + 1)),
        r"P\(K = j\) in place",
    ),
    "single": (lambda w, k, p, m: iwae(w, m) + difference(w, m + k - 1) / (p(k) - p(k + 1)), "SingleTerm"),
    "mean": (
        lambda w, k, p, m: iwae(w, m) + sum(difference(w, m + j - 1) / p(j) for j in range(1, k + 1)) / k,
        "averaged",
    ),
    "late": (lambda w, k, p, m: iwae(w, m) + sum(difference(w, m + j) / p(j) for j in range(1, k + 1)), "one late"),
    "short": (lambda w, k, p, m: iwae(w, m) + sum(difference(w, m + j - 1) / p(j) for j in range(1, k)), "left out"),
    "times later": (
        lambda w, k, p, m: iwae(w, m) + sum(difference(w, m + j - 1) * p(j + 1) for j in range(1, k + 1)),
        r"multiplied by P\(K >= j \+ 1\)",
    ),
    "from the first": (
        lambda w, k, p, m: iwae(w, m) + sum((iwae(w, m + j) - iwae(w, m)) / p(j) for j in range(1, k + 1)),
        "in place of the prefix before",
    ),
    "not put back": (lambda w, k, p, m: right(w, k, p, m) - max(w), "not put back"),
    "headless": (
        lambda w, k, p, m: sum(difference(w, m + j - 1) / p(j) for j in range(1, k + 1)),
        "first term is missing",
    ),
    "sums": (
        lambda w, k, p, m: (
            iwae(w, m)
            + math.log(m)
            + sum((difference(w, m + j - 1) + math.log1p(1 / (m + j - 1))) / p(j) for j in range(1, k + 1))
        ),
        "sums of weights in place of means",
    ),
    "logs": (
        lambda w, k, p, m: (
            np.mean(w[:m]) + sum((np.mean(w[: m + j]) - np.mean(w[: m + j - 1])) / p(j) for j in range(1, k + 1))
        ),
        "means of log weights",
    ),
    "convention": (of_start_0, "start=0"),
    "loss": (lambda w, k, p, m: -right(w, k, p, m), "times -1"),
    "anything": (lambda w, k, p, m: right(w, k, p, m) + (0.1 if k > 1 else 0.0), "K = 1 are right, all others wrong"),
    "no number": (lambda w, k, p, m: math.nan if k < 3 else right(w, k, p, m), "K up to 2 are wrong.* nan in place"),
    "cut": (lambda w, k, p, m: right(w, min(k, 5), p, m), r"sum ends at j = 5 .* law with K <= 5"),
    "clipped": (
        lambda w, k, p, m: iwae(w, m) + sum(difference(w, m + j - 1) / p(min(j, 6)) for j in range(1, k + 1)),
        r"all divided by P\(K >= 6\)",
    ),
    "last": (lambda w, k, p, m: iwae(w, m) + difference(w, m + k - 1) / p(k), r"only the last .*P\(K >= K\)"),
    "of the last": (lambda w, k, p, m: iwae(w, m) + (iwae(w, m + k) - iwae(w, m)) / p(k), "that of the last"),
    "sign": (lambda w, k, p, m: 2 * iwae(w, m) - right(w, k, p, m), "subtracted"),
    "over K": (lambda w, k, p, m: right(w, k, p, m) / k, "divided by K:"),
    "over K + 1": (lambda w, k, p, m: right(w, k, p, m) / (k + 1), r"divided by K \+ 1"),
    "IWAE(K)": (lambda w, k, p, m: iwae(w, m + k - 1), "IWAE of K samples"),
    "energy": (lambda w, k, p, m: right(-w, k, p, m), "log p - log q"),
    "minus energy": (lambda w, k, p, m: -right(-w, k, p, m), "of 1 / w"),
    "backwards": (lambda w, k, p, m: right(w[::-1], k, p, m), "backwards"),
    "ascending": (lambda w, k, p, m: right(np.sort(w[: m + k]), k, p, m), "the smallest weight first"),
    "descending": (lambda w, k, p, m: right(-np.sort(-w[: m + k]), k, p, m), "the largest weight first"),
    "fewer": (
        lambda w, k, p, m: (
            iwae(w, m)
            + sum(
                (difference(w, i) + math.log1p(1 / i) - (math.log1p(1 / (i - 1)) if i > 1 else 0.0)) / p(i - m + 1)
                for i in range(m, m + k)
            )
        ),
        r"log\(k - 1\) is taken off",
    ),
}


@pytest.mark.parametrize("law", thinned(LAWS, 2), ids=repr)
@pytest.mark.parametrize(("minimum", "start"), [(1, 1), (3, 1), (1, 0), (2, 0)])
def test_what_is_right_passes(law: fs.roulette.Roulette, minimum: int, start: int) -> None:
    found = fs.audit(by_rows(right if start else of_start_0, law, minimum), law, minimum, start, draw=law.sample)
    assert found.passed, found.text
    assert found.text.startswith("passed: values of 64 rows, zero weights, log weights of 800 and more,")
    if start:
        assert fs.audit(lambda w, k: fs.sumo(w, k, law, minimum), law, minimum).passed


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("law", [HARMONIC, slow(PAPER)], ids=repr)
def test_mistakes_are_named(name: str, law: fs.roulette.Roulette) -> None:
    row, words = MISTAKES[name]
    found = fs.audit(by_rows(row, law), law)
    assert not found.passed
    assert len(found.findings) == 1
    (said,) = found.findings
    assert re.search(words, said), said
    assert str(found) == found.text
    assert max(map(len, found.words(50).splitlines())) <= 50


def test_one_k_for_all_rows_is_named() -> None:
    for pick, words in ((lambda terms: terms[0], "of the first"), (max, "the largest")):
        found = fs.audit(lambda w, k, pick=pick: by_rows(right)(w, np.full(len(k), pick(k))))  # type: ignore[misc]
        assert words in found.text
    for pick in (lambda terms: terms[-1], lambda terms: np.roll(terms, 1)):  # type: ignore[assignment, misc]
        found = fs.audit(lambda w, k, pick=pick: by_rows(right)(w, np.full(len(k), pick(k))))  # type: ignore[misc]
        assert "changes with the other rows" in found.text
    drawn = np.random.default_rng(4).integers(1, 12, 64)
    assert "makes no difference" in fs.audit(lambda w, k: by_rows(right)(w, drawn)).text
    assert "the smallest K" in fs.audit(lambda w, k: by_rows(right)(w, np.full(len(k), k.min()))).text
    assert "sum of all rows" in fs.audit(lambda w, k: by_rows(right)(w, k).sum()).text
    assert "minus the sum of all rows" in fs.audit(lambda w, k: -by_rows(right)(w, k).sum()).text
    assert "mean of all rows" in fs.audit(lambda w, k: by_rows(right)(w, k).mean()).text
    assert "minus the mean of all rows" in fs.audit(lambda w, k: -by_rows(right)(w, k).mean()).text
    assert "K is not used" in fs.audit(lambda w, k: by_rows(right)(w, np.full(len(k), w.shape[1] - 1))).text


def test_a_function_may_write_into_what_it_is_given() -> None:
    def function(log_weights: Any, terms: Any) -> Any:
        found = by_rows(right)(log_weights, terms)
        log_weights[:], terms[:] = 0.0, 1
        return found

    assert fs.audit(function).passed


def test_what_is_drawn_inside_is_told() -> None:
    random = np.random.default_rng(4)
    found = fs.audit(lambda w, k: by_rows(right)(w, random.permutation(k)))
    assert "two calls with the same arguments" in found.text


@pytest.mark.parametrize("law", [HARMONIC, PAPER, fs.roulette.PowerLaw(1.5)], ids=repr)
def test_single_precision_passes_at_any_scale(law: fs.roulette.Roulette) -> None:
    function = by_paths(law, np.float32)
    assert function(np.zeros((2, 3)), np.array([1, 2])).dtype == np.float32
    assert fs.audit(function, law).passed


def test_single_precision_of_a_step_passes_and_is_told() -> None:
    """As in PyTorch, where the log of whole numbers is float32."""

    def function(log_weights: Any, terms: Any) -> Any:
        counts = np.log(np.arange(1, log_weights.shape[1] + 1, dtype=np.float32)).astype(np.float64)
        step = np.diff(np.logaddexp.accumulate(log_weights, axis=1) - counts, axis=1)
        j = np.arange(1, step.shape[1] + 1)
        return log_weights[:, 0] + np.where(j <= terms[:, None], step * j, 0.0).sum(axis=1)

    assert fs.audit(function).text.startswith("passed: values of 64 rows to single precision,")
    assert "single" not in fs.audit(by_paths(HARMONIC, np.float64)).text


@pytest.mark.parametrize("last", [13, 80, 1000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_that_end_far_on_are_told(last: int, dtype: Any) -> None:
    function = by_paths(HARMONIC, dtype)
    said = fs.audit(lambda w, k: function(w, np.minimum(k, last))).text
    assert f"sum ends at j = {last}" in said
    assert fs.audit(lambda w, k: function(w, np.minimum(k, last)), fs.roulette.Harmonic(cap=last)).passed
    said = " ".join(fs.audit(lambda w, k: function(w, k) + 9e4 * (k > 500)).text.split())
    assert "rows of more terms than 12 give other values" in said
    assert "up to 366 are right" in said


def test_rows_of_scales_far_apart_are_told() -> None:
    def function(w: Any, terms: Any) -> Any:
        j = np.arange(1, w.shape[1])
        with np.errstate(all="ignore"):
            path = np.log(np.cumsum(np.exp(w - w.max()), axis=1) / np.arange(1, w.shape[1] + 1)) + w.max()
            return path[:, 0] + np.where(j <= terms[:, None], np.diff(path, axis=1) * j, 0.0).sum(axis=1)

    (said,) = fs.audit(function).findings
    assert "of each row before exp, not that of all" in said


def test_what_a_function_raises_says_what_it_was_given() -> None:
    def function(log_weights: Any, terms: Any) -> Any:
        if not np.isfinite(log_weights).all():
            raise FloatingPointError
        return fs.sumo(log_weights, terms)

    with pytest.raises(FloatingPointError) as caught:
        fs.audit(function)
    assert "weights of zero" in caught.value.__notes__[0]


def test_weights_that_overflow_are_told() -> None:
    def naive(w: Any, k: int, p: Any, m: int) -> float:
        with np.errstate(all="ignore"):
            path = np.log(np.cumsum(np.exp(w)) / np.arange(1, len(w) + 1))
            return float(path[m - 1] + sum((path[m + j - 1] - path[m + j - 2]) / p(j) for j in range(1, k + 1)))

    found = fs.audit(by_rows(naive))
    assert [word in found.text for word in ("overflow", "vanish", "zero, give")] == [True, True, False]


def test_zero_weights_are_told() -> None:
    found = fs.audit(by_rows(lambda w, k, p, m: right(w, k, p, m) if np.isfinite(w).all() else math.nan))
    assert "weights of zero" in found.text


@pytest.mark.parametrize("law", [HARMONIC, slow(PAPER)], ids=repr)
def test_draws_of_another_law_are_told(law: fs.roulette.Roulette) -> None:
    rng = np.random.default_rng(5)

    def stepwise(n: int, ahead: int) -> Any:
        k = np.ones(n, np.int64)
        going = np.ones(n, bool)
        while going.any():
            going &= rng.random(n) < law.survival(k + ahead)
            k += going
        return k

    wrong = {
        "floor in place of ceil": lambda n: law.sample(n, 3) - 1,
        "one too large": lambda n: law.sample(n, 3) + 1,
        r"with probability P(K >= k + 1)": lambda n: stepwise(n, 1),
        r"with probability P(K >= k),": lambda n: stepwise(n, 0),
        "P(K >= 2) is 0.": lambda n: np.maximum(law.sample(n, 3) - 5, 1),
        "neighbours are equal": lambda n: np.repeat(law.sample(n // 10, 3), 10),
        "or they are in order": lambda n: np.sort(law.sample(n, 3)),
        "after 10,000 of them the same come again": lambda n: np.tile(law.sample(n // 10, 3), 10),
        "antithetic": lambda n: np.floor(1.0 / np.stack([u := rng.random(n // 2), 1.0 - u], axis=1).ravel()),
        "some K are infinite": lambda n: np.append(law.sample(n - 1, 3), np.inf),
        "n times": lambda n: np.full(n, law.sample(1, 3)[0]),
        "does not follow the law": lambda n: rng.geometric(0.9, n),
    }
    for words, draw in wrong.items():
        found = fs.audit(by_paths(law, np.float64), law, draw=draw)
        assert words in " ".join(found.text.split()), found.text
    function = by_paths(law, np.float64)
    assert sum(fs.audit(function, law, draw=lambda n, s=s: law.sample(n, s)).passed for s in range(20)) == 20  # type: ignore[misc]


def test_tensors_are_given_to_those_who_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for PyTorch: what it makes has `detach` and `cpu`, and no function of NumPy takes it."""

    class Tensor:
        def __init__(self, array: Any) -> None:
            self.array = array

        def detach(self) -> Tensor:
            return self

        def cpu(self) -> Any:
            return self.array

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(as_tensor=Tensor))

    def function(log_weights: Any, terms: Any) -> Tensor:
        return Tensor(by_rows(right)(log_weights.array, terms.array).astype(np.float32))

    assert fs.audit(function).passed


@pytest.mark.parametrize("law", [fs.roulette.Harmonic(cap=1), fs.roulette.Geometric(1.0)], ids=repr)
def test_a_law_of_one_k_may_draw_one(law: Any) -> None:
    assert fs.audit(by_rows(right, law), law, draw=law.sample).passed
    assert "n times" in fs.audit(by_rows(right, law), law, draw=lambda n: np.full(n, 2)).text


def test_bad_arguments_are_told() -> None:
    fails(lambda: fs.audit(3), TypeError, "function must")  # type: ignore[arg-type]
    fails(lambda: fs.audit(by_rows(right), 3), TypeError, "roulette must")  # type: ignore[arg-type]
    fails(lambda: fs.audit(by_rows(right), minimum=0), ValueError, "minimum")
    fails(lambda: fs.audit(by_rows(right), start=2), ValueError, "start")
    fails(lambda: fs.audit(lambda w, k: w), ValueError, "one value a row")
    fails(lambda: fs.audit(lambda w, k: (w, k)), TypeError, "float32 or float64")  # of several lengths
    fails(lambda: fs.audit(lambda w: w), TypeError, "and return values, but its signature is")  # type: ignore[arg-type, misc]
    fails(lambda: fs.audit(lambda w, k: None), TypeError, "but returned None")  # type: ignore[arg-type, return-value]
    for returned in (None, "text", 1, 1j, np.float16(1.0)):
        fails(lambda returned=returned: fs.audit(lambda w, k: returned), TypeError, "float32 or float64")  # type: ignore[misc]
    fails(lambda: fs.audit(by_paths(HARMONIC, np.float64), draw=lambda n: None), ValueError, "n whole numbers")
    fails(
        lambda: fs.audit(by_paths(HARMONIC, np.float64), draw=lambda n: np.full(n, np.nan)),
        ValueError,
        "n whole numbers",
    )
    fails(lambda: fs.audit(by_paths(HARMONIC, np.float64), draw=lambda n: np.ones(3)), ValueError, "n whole numbers")
    fails(
        lambda: fs.audit(by_paths(HARMONIC, np.float64), draw=lambda n: np.full(n, 1.5)),
        ValueError,
        "n whole numbers, got 1.5",
    )
    fails(lambda: fs.audit(by_paths(HARMONIC, np.float64), draw=3), TypeError, "draw must take a number n")  # type: ignore[arg-type]
    fails(lambda: fs.audit(by_paths(HARMONIC, np.float64), draw=lambda: 3), TypeError, "its signature is")  # type: ignore[arg-type, misc]
    with pytest.raises(ZeroDivisionError):
        fs.audit(lambda w, k: 1 / 0)


@pytest.mark.parametrize("law", [fs.roulette.Geometric(1.0), fs.roulette.Table([1.0, 0.5, 0.0])], ids=repr)
def test_no_terms_are_asked_for_that_the_law_never_draws(law: Any) -> None:
    assert fs.audit(lambda w, k: fs.sumo(w, k, law), law).passed


def test_ours_is_named_where_the_other_convention_is_wanted() -> None:
    assert "that of start=1" in fs.audit(by_rows(right), start=0).text


@pytest.mark.parametrize("nothing", [math.nan, -math.inf])
def test_values_that_are_all_no_numbers_are_told(nothing: float) -> None:
    said = fs.audit(lambda w, k: np.full(len(k), nothing)).text
    assert f"no value is a number: that of row 0 is {nothing}" in said
    assert "single" not in said


@pytest.mark.parametrize("m", [1, 2])
def test_another_minimum_is_named(m: int) -> None:
    assert f"that of minimum={m}" in fs.audit(by_rows(right, HARMONIC, m), HARMONIC, minimum=4).text


def test_increments_that_are_not_added_are_told() -> None:
    assert "the value is L_m alone" in fs.audit(lambda w, k: w[:, 0]).findings[0]


def test_the_definition_is_that_of_the_library() -> None:
    for law in LAWS:
        case = module._case(law, 2, 1)
        np.testing.assert_allclose(module.value(case), fs.sumo(case.log_weights, case.terms, law, 2), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_functions_of_frameworks_are_called_with_their_arrays(framework: str) -> None:
    pytest.importorskip(framework)
    if framework == "torch":
        import torch

        def function(w: Any, terms: Any, short: int = 0) -> Any:
            path = torch.logcumsumexp(w, 1) - torch.log(torch.arange(1, w.shape[1] + 1, dtype=w.dtype))
            j = torch.arange(1, w.shape[1])
            return path[:, 0] + torch.where(j <= terms[:, None] - short, torch.diff(path, dim=1) * j, 0.0).sum(1)
    else:
        import jax
        from jax import numpy as jnp

        @jax.jit
        def function(w: Any, terms: Any, short: int = 0) -> Any:
            path = jax.lax.cumlogsumexp(w, axis=1) - jnp.log(jnp.arange(1, w.shape[1] + 1))
            j = jnp.arange(1, w.shape[1])
            return path[:, 0] + jnp.where(j <= terms[:, None] - short, jnp.diff(path, axis=1) * j, 0.0).sum(1)

    assert fs.audit(function).passed
    assert "the sum ends at K - 1" in fs.audit(lambda w, k: function(w, k, 1)).text
