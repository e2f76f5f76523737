"""fastsumo: enormous numbers of SUMO trials, and what their heavy tail says.

Define a model (`model`, `importance`, or one of `models`), choose an estimator (`ELBO`, `IWAE`, `SUMO`) with a law of
`roulette`, and `simulate`. `sample` gives the values one by one, `replay` one trial whole, `load` reads what
`Result.save` wrote.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastsumo import proposals, roulette
from fastsumo._version import __version__
from fastsumo.errors import ModelError
from fastsumo.estimators import ELBO, IWAE, SUMO
from fastsumo.model import Model, model
from fastsumo.proposals import importance
from fastsumo.result import Result, load
from fastsumo.simulate import Trial, replay, sample, simulate

if TYPE_CHECKING:
    from fastsumo import models, plot, tails, vmath

_LAZY = ("models", "plot", "tails", "vmath")  # modules that import more than NumPy

__all__ = [
    "ELBO",
    "IWAE",
    "SUMO",
    "Model",
    "ModelError",
    "Result",
    "Trial",
    "__version__",
    "importance",
    "load",
    "model",
    "models",
    "plot",
    "proposals",
    "replay",
    "roulette",
    "sample",
    "simulate",
    "tails",
    "vmath",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"fastsumo.{name}")
    raise AttributeError(f"module 'fastsumo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
