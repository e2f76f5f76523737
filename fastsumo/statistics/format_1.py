"""Reading statistics as fastsumo 0.1 saved them in results: one array for each part. Nothing writes this any more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.statistics.statistics import LIMITS, SUMS, Statistics


def statistics_of(arrays: dict[str, NDArray[Any]]) -> Statistics:
    """Statistics from their arrays; sums come without their empty rows."""
    values: dict[str, Any] = {"kept": arrays["extremes"]}
    for name in Statistics.__dataclass_fields__.keys() - {"kept", "unsorted_around"}:
        value: Any = arrays[name]
        if name in SUMS:
            full = np.zeros((int(np.prod(SUMS[name])), value.shape[-1]), np.int64)
            full[arrays[name + "_rows"]] = value
            value = full.reshape(*SUMS[name], -1)
        elif name in LIMITS:
            value = value.item()
        values[name] = value
    return Statistics(**values)
