"""fastsumo: enormous numbers of SUMO trials, and what their heavy tail says.

Begin with

>>> import fastsumo as fs
>>> r = fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), trials=10_000, seed=1)
>>> print(f"{r.mean:.2f} ± {r.std_error:.2f}")
1.85 ± 0.02

Where things are:

- models: `model` makes one of a log weight, `importance` of a log density and one of `proposals`; `models` has
  built-in ones; `tune` improves a proposal. `Model` is what all of them are, `ModelError` what is raised where one
  cannot be run.
- estimators: `ELBO`, `IWAE`, `JVI`, `SUMO`, `SingleTerm`, `MLMC`, `Taylor`, and in `roulette` the laws of the number
  of terms.
- runs: `simulate` keeps statistics, a `Result`; `sample` gives the values one by one, `replay` one `Trial` whole;
  `load` reads what `Result.save` wrote; `evaluate` goes through data, row by row, and gives an `Evaluation`.
  `stratify` runs by strata of `K`, each a `Stratum`, and gives the far tail, a `Stratified`. ``device="cuda"`` runs
  trials on a GPU, and raises `DeviceError` where it cannot.
- studies: `compare` sets estimators side by side at equal cost, `levels` measures increments, `theory` predicts,
  `taylor_law` finds the best `Taylor` for a cost; `Study` keeps a grid of runs in one file, and raises `StudyError`.
- tails: `tails` has tail indices, intervals that hold without a variance, tests; `plot` the figures.
- elsewhere: `sumo`, `iwae`, `jvi`, `taylor`, `cumulative_iwae`, `draw_terms`, and for gradients `sumo_coefficients`
  and `taylor_coefficients`, take log weights that were computed elsewhere; `audit` finds mistakes in a SUMO that was
  written elsewhere, and gives an `Audit`.
- functions: `vmath` has the functions to write models with: exp, log and their kin, as SIMD code.

`Tuned` is what `tune` returns; ``help(fs.simulate)`` and so on say more. On the command line: ``fastsumo --help``, and
``fastsumo guide`` for pages with examples.
`show_versions` prints what a bug report needs. Long runs tell `logging` how they are getting on, under the name
``fastsumo``: ``logging.basicConfig(level="INFO")`` shows it.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from fastsumo._version import __version__

if TYPE_CHECKING:
    from fastsumo import models, plot, tails, theory, vmath
    from fastsumo.errors import DeviceError, ModelError, StudyError
    from fastsumo.estimators.estimators import ELBO, IWAE, JVI, MLMC, SUMO, SingleTerm, Stratum, Taylor
    from fastsumo.models import proposals
    from fastsumo.models.model import Model, importance, model
    from fastsumo.report.versions import show_versions
    from fastsumo.runs import roulette
    from fastsumo.runs.audit import Audit, audit
    from fastsumo.runs.compare import compare
    from fastsumo.runs.evaluate import Evaluation, evaluate
    from fastsumo.runs.given_log_weights import (
        cumulative_iwae,
        draw_terms,
        iwae,
        jvi,
        sumo,
        sumo_coefficients,
        taylor,
        taylor_coefficients,
    )
    from fastsumo.runs.levels import levels
    from fastsumo.runs.loading import load
    from fastsumo.runs.replay import Trial, replay
    from fastsumo.runs.result import Result
    from fastsumo.runs.simulate import sample, simulate
    from fastsumo.runs.stratified import Stratified
    from fastsumo.runs.stratify import stratify
    from fastsumo.runs.taylor_law import taylor_law
    from fastsumo.runs.tune import Tuned, tune
    from fastsumo.study.study import Study

# Where a name lives: nothing is imported before it is asked for.
_MODULES = {
    "models": "models",
    "plot": "plot",
    "proposals": "models.proposals",
    "roulette": "runs.roulette",
    "tails": "tails",
    "theory": "theory",
    "vmath": "vmath",
}
_NAMES = {
    "errors": ("DeviceError", "ModelError", "StudyError"),
    "estimators.estimators": ("ELBO", "IWAE", "JVI", "MLMC", "SUMO", "SingleTerm", "Stratum", "Taylor"),
    "models.model": ("Model", "importance", "model"),
    "report.versions": ("show_versions",),
    "runs.audit": ("Audit", "audit"),
    "runs.compare": ("compare",),
    "runs.evaluate": ("Evaluation", "evaluate"),
    "runs.given_log_weights": (
        "cumulative_iwae",
        "draw_terms",
        "iwae",
        "jvi",
        "sumo",
        "sumo_coefficients",
        "taylor",
        "taylor_coefficients",
    ),
    "runs.levels": ("levels",),
    "runs.replay": ("Trial", "replay"),
    "runs.loading": ("load",),
    "runs.result": ("Result",),
    "runs.simulate": ("sample", "simulate"),
    "runs.stratified": ("Stratified",),
    "runs.stratify": ("stratify",),
    "runs.taylor_law": ("taylor_law",),
    "runs.tune": ("Tuned", "tune"),
    "study.study": ("Study",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "ELBO",
    "IWAE",
    "JVI",
    "MLMC",
    "SUMO",
    "Audit",
    "DeviceError",
    "Evaluation",
    "Model",
    "ModelError",
    "Result",
    "SingleTerm",
    "Stratified",
    "Stratum",
    "Study",
    "StudyError",
    "Taylor",
    "Trial",
    "Tuned",
    "__version__",
    "audit",
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
    "show_versions",
    "simulate",
    "stratify",
    "sumo",
    "sumo_coefficients",
    "tails",
    "taylor",
    "taylor_coefficients",
    "taylor_law",
    "theory",
    "tune",
    "vmath",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"fastsumo.{_MODULES[name]}")
    if name in _HOME:
        found = globals()[name] = getattr(importlib.import_module(f"fastsumo.{_HOME[name]}"), name)
        return found
    raise AttributeError(f"module 'fastsumo' has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return __all__
