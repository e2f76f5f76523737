"""Engines by the name of their device. One that is not asked for is not imported."""

from __future__ import annotations

import importlib

from fastsumo.base import checks
from fastsumo.engine.interface import Engine, RowEngine
from fastsumo.estimators.estimators import Estimator
from fastsumo.models.model import Model

_ENGINES = {"cpu": "fastsumo.engine.cpu.engine"}  # modules with `open_trials` and `open_rows`


def open_engine(
    model: Model, estimator: Estimator, seed: int, *, threads: int, center: float | None = None, device: str = "cpu"
) -> Engine:
    """An engine with the model compiled.

    Parameters
    ----------
    model : Model
        Without data.
    estimator : Estimator
    seed, threads : int
    center : float, optional
        By default the model's log evidence, or an estimate of it that is a function of the model alone.
    device : {"cpu"}

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled.
    ValueError
        If there is no such device.
    """
    module = importlib.import_module(_ENGINES[checks.choice("device", device, _ENGINES)])
    engine: Engine = module.open_trials(model, estimator, seed, threads, center)
    return engine


def open_row_engine(model: Model, estimator: Estimator, seed: int, *, threads: int, device: str = "cpu") -> RowEngine:
    """An engine for the rows of a model with data; see `open_engine`."""
    module = importlib.import_module(_ENGINES[checks.choice("device", device, _ENGINES)])
    engine: RowEngine = module.open_rows(model, estimator, seed, threads)
    return engine
