"""Seconds that the proof of a model takes, once for each code: under 0.3, beside the compiler's own.

Run with ``pytest bench/test_proof.py --benchmark-only``; as tests, each runs once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import fastsumo as fs
from fastsumo.engine.cpu.kernels import weights
from fastsumo.models.model import Model
from fastsumo.models.proof import Proof
from fastsumo.vmath import exp, log


def two_scales(z, params):  # type: ignore[no-untyped-def]
    return log(0.5 * exp(params[0] * z[0]) + 0.5 * exp(2.0 * params[0] * z[1]))


def _regression() -> Model:
    """A plain call takes milliseconds: so many rows of data are in it."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((200, 10))
    return fs.models.logistic_regression(rows, (generator.random(200) < 0.5) * 1.0, 1.0)


MODELS = {
    "user's model": lambda: Model(two_scales, 2, [0.7]),
    "note": fs.models.note,
    "gamma(64)": lambda: fs.models.gamma(64),
    "funnel(10)": lambda: fs.models.funnel(10),
    "logistic regression, 200 rows": _regression,
}


@pytest.mark.parametrize("name", MODELS)
def test_proof(benchmark: Any, name: str) -> None:
    model = MODELS[name]()
    found = weights.compiled(model, Proof(model))
    values = partial(weights._values_at, found.log_weights_at, found.shape)

    def prove() -> int:
        proof = Proof(model)
        proof.look()
        proof.compare(values)
        return len(proof._found)

    assert benchmark.pedantic(prove, rounds=1 if benchmark.disabled else 5, warmup_rounds=1) > 0
