"""The random models that are timed: of the operations that they should be, and legal."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from bench.test_compiling import SHAPES, random_model, source
from fastsumo.models.plain import plain


@pytest.mark.parametrize("shape", SHAPES)
def test_random_models_give_numbers(shape: str) -> None:
    """In plain Python, which compiles nothing, and where a call that does not fit its function raises."""
    sources = {source(shape, seed) for seed in range(20)}
    assert len(sources) == 20
    for seed in range(20):
        model = random_model(shape, seed)
        with np.errstate(all="ignore"), suppress(ZeroDivisionError):
            assert isinstance(plain(model.function)(np.array([0.3, -1.2]), *model.arguments(None)), float)
