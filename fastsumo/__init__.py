"""fastsumo: enormous numbers of SUMO trials, and what their heavy tail says.

Define a model (`model`, `importance`, or one of `models`), choose an estimator (`ELBO`, `IWAE`, `JVI`,
`SUMO`, `SingleTerm`, `MLMC`) with a law of `roulette`, and `simulate`. `sample` gives the values one by one,
`replay` one trial whole, `load` reads what `Result.save` wrote. `theory` predicts, `levels` measures
increments, `compare` puts estimators side by side. `Study` keeps large grids of runs in a file.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastsumo import proposals, roulette
from fastsumo._version import __version__
from fastsumo.compare import compare
from fastsumo.errors import ModelError
from fastsumo.estimators import ELBO, IWAE, JVI, MLMC, SUMO, SingleTerm
from fastsumo.evaluate import Evaluation, evaluate
from fastsumo.levels import levels
from fastsumo.loglik import cumulative_iwae, draw_terms, iwae, jvi, sumo, sumo_coefficients
from fastsumo.model import Model, model
from fastsumo.proposals import importance
from fastsumo.result import Result, load
from fastsumo.simulate import Trial, replay, sample, simulate
from fastsumo.tune import Tuned, tune

if TYPE_CHECKING:
    from fastsumo import models, plot, tails, theory, vmath
    from fastsumo.study import Study, StudyError

_LAZY = ("models", "plot", "tails", "theory", "vmath")  # modules that import more than NumPy
_LAZY_NAMES = {"Study": "study", "StudyError": "study"}  # and what is in others that do, by module

__all__ = [
    "ELBO",
    "IWAE",
    "JVI",
    "MLMC",
    "SUMO",
    "Evaluation",
    "Model",
    "ModelError",
    "Result",
    "SingleTerm",
    "Study",
    "StudyError",
    "Trial",
    "Tuned",
    "__version__",
    "compare",
    "cumulative_iwae",
    "draw_terms",
    "evaluate",
    "importance",
    "iwae",
    "jvi",
    "levels",
    "load",
    "model",
    "models",
    "plot",
    "proposals",
    "replay",
    "roulette",
    "sample",
    "simulate",
    "sumo",
    "sumo_coefficients",
    "tails",
    "theory",
    "tune",
    "vmath",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"fastsumo.{name}")
    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(f"fastsumo.{_LAZY_NAMES[name]}"), name)
    raise AttributeError(f"module 'fastsumo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
