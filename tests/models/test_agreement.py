"""Legal models give, compiled in whatever way, what Python gives: those of `legal.py` and those Hypothesis writes.

Models share compiled code: one function of many, which a parameter chooses among. Python calls libm and NumPy where the
model calls vmath.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import islice
from typing import Any

import expressions
import legal
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from zoo import slow

import fastsumo as fs
from fastsumo.engine.cpu.kernels import weights
from fastsumo.jit.copies import thawed
from fastsumo.models import proof
from fastsumo.trial.lazy_sums import with_lazy_sums

TOGETHER = 15  # models of one function: few enough, as the compiler's time for one grows faster than its length
COSTLY = {  # to compile
    *("spread", "sorted_copy", "where", "numpy_reductions", "quadratic", "dots", "matrix", "cumulated", "clipped"),
    *("arrays_at_once", "comprehension", "generator", "any_all"),
}


def compiled(function: Any, params: int, by_lanes: bool) -> Any:
    """What a function gives at points, compiled in a way that the engine has."""
    shape = weights.Shape("normal", "", 3, 3, params, params, 0)
    with thawed(function) as now:
        made = weights._callback(now, shape, None, by_lanes)
    found = partial(weights._values_at, made.address, shape)
    found.made = made  # type: ignore[attr-defined]  # keeps it alive
    return found


@pytest.fixture(autouse=True)
def each_function_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of one function are read, and copied, once for all."""
    for name in ("check_purity", "plain"):
        monkeypatch.setattr(proof, name, cache(getattr(proof, name)))


def strictly(function: Any, params: Any, *ways: Any) -> float:
    """The share of points where a function agrees with Python to 1e-12; elsewhere it does but for cancellation."""
    model = fs.Model(function, 3, params)
    looked = proof.Proof(model)
    for way in ways:
        looked.compare(way)
    own = [(point, value) for point, value in looked._found if point.params is model.params]
    found = ways[0](np.stack([point.z for point, _ in own]), None, model.params)
    return float(np.mean([proof._agree(value, each, 0.0) for (_, value), each in zip(own, found, strict=True)]))


def batched(texts: Iterable[str]) -> Iterator[list[str]]:
    """Those of one function."""
    left = iter(texts)
    while group := list(islice(left, TOGETHER)):
        yield group


def test_legal_models_agree_with_python() -> None:
    for lines in batched(text for name, text in legal.ONE_LINE.items() if name not in COSTLY):
        chosen = "".join(f" if params[4] == {i}:\n  return 1.0 * ({text})\n" for i, text in enumerate(lines))
        exec(f"def together(z, params):\n{chosen} return z[0]", scope := dict(vars(legal)))
        way = compiled(scope["together"], 5, False)
        for i, text in enumerate(lines):
            assert strictly(scope["together"], np.append(legal.PARAMS, i), way) > 0.9, text


@pytest.mark.slow
@pytest.mark.parametrize("name", legal.MODELS)
def test_a_legal_model_agrees_with_python_as_the_engine_compiles_it(name: str) -> None:
    model = fs.Model(legal.MODELS[name], legal.DIM, legal.PARAMS, name=name)
    found = weights.compiled(model, proof.Proof(model))
    assert found.log_weights_at
    assert fs.sample(model, fs.IWAE(2), 100)[0].size == 100


def agree(written: list[str], lazy: bool, by_lanes: bool) -> None:
    shares = []
    for group in batched(written):
        function = expressions.together(group)
        made = with_lazy_sums(function) if lazy else function
        way = compiled(made, 5, by_lanes)
        shares += [strictly(function, np.append(expressions.PARAMS, i), way) for i in range(len(group))]
    assert np.mean(shares) > 0.97
    assert min(shares) > 0.5, written[int(np.argmin(shares))]


def written(bodies: Any, count: int) -> list[str]:
    """So many different bodies, always the same; they are compiled together, so nothing is shrunk."""
    found: dict[str, None] = {}

    @settings(
        max_examples=2 * count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],  # the machine may be busy
    )
    @given(bodies)
    def collect(body: str) -> None:
        found[body] = None

    collect()
    assert len(found) >= count
    return list(found)[-count:]  # the first are the simplest


taken = pytest.mark.parametrize("which", [slice(0, None, 2), slow(slice(1, None, 2))], ids=["even", "odd"])


@taken
def test_what_hypothesis_writes(which: slice) -> None:
    agree(written(expressions.bodies(1), 60)[which], False, False)


@taken
def test_what_hypothesis_writes_by_lanes(which: slice) -> None:
    agree(written(expressions.bodies_for_lanes(1), 50)[which], False, True)


@taken
def test_what_hypothesis_writes_as_sums(which: slice) -> None:
    agree(written(expressions.bodies_for_sums(1), 90)[which], True, False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bodies", "count", "lazy", "by_lanes"),
    [
        (expressions.bodies(), 1000, False, False),
        (expressions.bodies_for_lanes(), 500, False, True),
        (expressions.bodies_for_sums(), 1000, True, False),
    ],
    ids=["any", "lanes", "sums"],
)
def test_much_more_of_what_hypothesis_writes(bodies: Any, count: int, lazy: bool, by_lanes: bool) -> None:
    texts = written(bodies, count)
    for i in range(0, count, 50):
        agree(texts[i : i + 50], lazy, by_lanes)
