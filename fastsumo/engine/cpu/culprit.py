"""Which sample a model's function cannot weigh, for the words of an error: found again with the compiled function."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastsumo.engine.cpu.kernels.weights import CompiledModel, first_failure
from fastsumo.models.model import ROW_TRIALS, Model
from fastsumo.trial.draw import draw_terms
from fastsumo.trial.params import KernelParams
from fastsumo.trial.plan import Plan
from fastsumo.trial.sizes import TILE

_ALONE = 2**20  # samples of the trial itself that are looked at, ...
_BESIDE = 64  # ... and of each trial of its tile: the one that is known may be the first of many weighed together


def culprit(
    model: Model, compiled: CompiledModel, params: KernelParams, plan: Plan, trial: int
) -> tuple[int, NDArray[np.float64]] | None:
    """Trial and noise of a sample for which the function raises, or gives no log weight; None if it is not found."""
    row = model.rows(trial // ROW_TRIALS, trial // ROW_TRIALS + 1)[0] if model.data is not None else None
    tile = np.arange(trial - trial % TILE, trial - trial % TILE + TILE, dtype=np.uint64)
    terms = np.empty(TILE, np.int64)
    draw_terms(params, tile[0], terms.ctypes.data, TILE)
    counts = np.array([plan.samples(int(k)) for k in terms])
    own = min(int(counts[trial % TILE]), _ALONE)
    alone = np.full(own, trial, np.uint64), np.arange(own, dtype=np.uint64)
    beside = np.tile(tile, _BESIDE), np.repeat(np.arange(_BESIDE, dtype=np.uint64), TILE)
    inside = beside[1] < np.tile(counts, _BESIDE)
    for trials, samples in (alone, (beside[0][inside], beside[1][inside])):
        found = first_failure(compiled, trials, samples, int(params.key), row)
        if found is not None:
            return int(trials[found[0]]), found[1]
    return None
