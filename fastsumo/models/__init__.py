"""Models: what one is, proposals, how models are written down; and, as `fs.models`, those that are built in.

The built-in models are compiled code; they are imported when one is asked for.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastsumo.models.builtin import funnel as funnel
    from fastsumo.models.builtin import gamma as gamma
    from fastsumo.models.builtin import gaussian_scale as gaussian_scale
    from fastsumo.models.builtin import lognormal as lognormal
    from fastsumo.models.builtin import note as note
    from fastsumo.models.data import linear_gaussian as linear_gaussian
    from fastsumo.models.data import logistic_regression as logistic_regression
    from fastsumo.models.data import random_effects_logistic as random_effects_logistic

_HOME = {
    "funnel": "builtin",
    "gamma": "builtin",
    "gaussian_scale": "builtin",
    "linear_gaussian": "data",
    "logistic_regression": "data",
    "lognormal": "builtin",
    "note": "builtin",
    "random_effects_logistic": "data",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return __all__
