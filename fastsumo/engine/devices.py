"""Engines by the name of their device. One that is not asked for is not imported."""

from __future__ import annotations

import importlib
import re
from typing import Any

from fastsumo.engine.interface import Engine, RowEngine, Wanted
from fastsumo.estimators.estimators import Estimator
from fastsumo.models.model import Model

_ENGINES = {"cpu": "fastsumo.engine.cpu.engine", "cuda": "fastsumo.engine.cuda.engine"}  # modules with `open_trials`


def open_engine(
    model: Model,
    estimator: Estimator,
    seed: int,
    *,
    threads: int,
    center: float | None = None,
    device: str = "cpu",
    trials: int = 0,
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
    device : str
        "cpu"; or "cuda", "cuda:1", ... for an NVIDIA GPU.
    trials : int
        How many will be run next, if that is known: what they take may be compiled beside the model.

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled.
    fastsumo.DeviceError
        If the device cannot be used.
    ValueError
        If there is no such device, or it does not have the estimator.
    """
    kind, number = check_device(device)
    if kind != "cpu" and model.vectorized:
        raise ValueError(
            f"model {model.name!r} is vectorised: its trials run with device='cpu', whatever its function itself uses"
        )

    def on_cpu(center: float | None) -> Engine:
        return open_engine(model, estimator, seed, threads=threads, center=center)

    module = importlib.import_module(_ENGINES[kind])
    engine: Engine = module.open_trials(Wanted(model, estimator, seed, threads, center, number, on_cpu, trials))
    return engine


def open_row_engine(model: Model, estimator: Estimator, seed: int, *, threads: int) -> RowEngine:
    """An engine for the rows of a model with data, on the CPU; see `open_engine`."""
    module = importlib.import_module(_ENGINES["cpu"])
    engine: RowEngine = module.open_rows(model, estimator, seed, threads)
    return engine


def require_device(device: Any) -> None:
    """Look for a device, before anything runs on it.

    Raises
    ------
    fastsumo.DeviceError
        If it cannot be used.
    ValueError
        If there is no such device.
    """
    kind, number = check_device(device)
    importlib.import_module(_ENGINES[kind]).require(number)


def cards() -> list[dict[str, Any]]:
    """The NVIDIA GPUs that can run trials, each with ``name``, ``capability``, ``memory`` in bytes and ``processors``.

    Raises
    ------
    fastsumo.DeviceError
        If there is none, or one of them cannot be used.
    """
    found: list[dict[str, Any]] = importlib.import_module(_ENGINES["cuda"]).cards()
    return found


def check_device(device: Any) -> tuple[str, int]:
    """The kind of a device and its number among those of the kind.

    Examples
    --------
    >>> check_device("cpu"), check_device("cuda"), check_device("cuda:1")
    (('cpu', 0), ('cuda', 0), ('cuda', 1))
    """
    found = re.fullmatch(r"(cpu)|cuda(?::(\d{1,4}))?", device) if isinstance(device, str) else None
    if found is None:
        raise ValueError(f"device must be 'cpu', 'cuda' or the likes of 'cuda:1', got {device!r}")
    return ("cpu", 0) if found[1] else ("cuda", int(found[2] or 0))
