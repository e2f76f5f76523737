"""fastsumo: enormous numbers of SUMO trials, and what their heavy tail says.

Begin with

>>> import fastsumo as fs
>>> r = fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), trials=10_000, seed=1)
>>> print(f"{r.mean:.2f} ± {r.std_error:.2f}")
1.85 ± 0.02

Where things are:

models       `model` makes one of a log weight, `importance` of a log density and one of `proposals`; `models` has
             built-in ones; `tune` improves a proposal. `Model` is what all of them are, `ModelError` what is raised
             where one cannot be run.
estimators   `ELBO`, `IWAE`, `JVI`, `SUMO`, `SingleTerm`, `MLMC`, and in `roulette` the laws of the number of terms.
runs         `simulate` keeps statistics, a `Result`; `sample` gives the values one by one, `replay` one `Trial` whole;
             `load` reads what `Result.save` wrote; `evaluate` goes through data, row by row, and gives an `Evaluation`.
studies      `compare` sets estimators side by side at equal cost, `levels` measures increments, `theory` predicts;
             `Study` keeps a grid of runs in one file, and raises `StudyError`.
tails        `tails` has tail indices, intervals that hold without a variance, tests; `plot` the figures.
elsewhere    `sumo`, `iwae`, `jvi`, `cumulative_iwae`, `draw_terms` and `sumo_coefficients` (the gradient) take log
             weights that were computed elsewhere.
functions    `vmath` has the functions to write models with: exp, log and their kin, as SIMD code.

`Tuned` is what `tune` returns; ``help(fs.simulate)`` and so on say more. On the command line: ``fastsumo --help``.
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
