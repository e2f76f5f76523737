"""Which sample a model's function cannot weigh, for the words of an error: found again with the compiled function."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastsumo.engine.cpu.kernels.weights import CompiledModel, first_failure
from fastsumo.models.model import ROW_TRIALS, Model
from fastsumo.trial.sizes import TILE

_ALONG = 2**17  # samples of the trial itself that are looked at, ...
_BESIDE = 64  # ... and of each trial of its tile: the trial that is known may be the first of many weighed together


def culprit(model: Model, compiled: CompiledModel, seed: int, trial: int) -> tuple[int, NDArray[np.float64]] | None:
    """Trial and noise of a sample for which the function raises, or gives no log weight; None if it is not found."""
    row = model.rows(trial // ROW_TRIALS, trial // ROW_TRIALS + 1)[0] if model.data is not None else None
    alone = np.full(_ALONG, trial, np.uint64), np.arange(_ALONG, dtype=np.uint64)
    tile = np.arange(TILE, dtype=np.uint64) + np.uint64(trial - trial % TILE)
    beside = np.tile(tile, _BESIDE), np.repeat(np.arange(_BESIDE, dtype=np.uint64), TILE)
    for trials, samples in (alone, beside):
        found = first_failure(compiled, trials, samples, seed, row)
        if found is not None:
            return int(trials[found[0]]), found[1]
    return None
