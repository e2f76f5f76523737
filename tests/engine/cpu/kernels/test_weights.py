"""How a model is compiled where the fast way is barred: in silence if the model asks too much, else with a warning."""

from __future__ import annotations

from typing import Any

import pytest

import fastsumo as fs
from fastsumo.engine.cpu.kernels import weights
from fastsumo.errors import SlowModelWarning


def chain(z, params):  # type: ignore[no-untyped-def]
    state, total = 0.0, 0.0
    for v in z:
        state = 0.5 * state + v
        total -= 0.1 * state * state
    return total


def branching_chain(z, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for v in z:
        total -= 0.1 * v if v > 0.0 else 0.2 * v
    return total


def test_what_breaks_on_the_way_is_told_and_the_trials_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_weights = weights._callback

    def faulty(function: Any, shape: Any, digest: Any, by_lanes: bool, proof: Any) -> Any:
        if by_lanes:
            raise KeyError("a fault of ours")
        return compile_weights(function, shape, None, by_lanes, proof)

    expected = fs.sample(fs.Model(chain, 3), fs.IWAE(5), 100)
    weights._compile.cache_clear()
    monkeypatch.setattr(weights, "_callback", faulty)
    with pytest.warns(SlowModelWarning, match="'chain' failed .*a fault of ours"):
        found = fs.sample(fs.Model(chain, 3), fs.IWAE(5), 100)
    weights._compile.cache_clear()
    assert [each.tobytes() for each in found] == [each.tobytes() for each in expected]


@pytest.mark.slow
def test_what_lanes_cannot_do_goes_without_a_word() -> None:
    """Warnings are errors in these tests."""
    assert fs.sample(fs.Model(branching_chain, 3), fs.IWAE(5), 100)[0].size == 100
