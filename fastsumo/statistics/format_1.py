"""Reading statistics as fastsumo 0.1 saved them in results: one array for each part. Nothing writes this any more."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from fastsumo.statistics.exact import Digits
from fastsumo.statistics.packed import Parts
from fastsumo.statistics.statistics import COUNTS, LIMITS, SUMS


def parts_of(arrays: dict[str, NDArray[Any]]) -> Parts:
    """Statistics from their arrays; sums come without their empty rows."""
    return Parts(
        [Digits(first + arrays[f"{name}_rows"], 0, arrays[name]) for name, (first, _) in SUMS.items()],
        {name: arrays[name] for name in COUNTS},
        arrays["period_largest"],
        arrays["bins"],
        arrays["bin_counts"],
        {name: arrays[name].item() for name in LIMITS},
        arrays["extremes"],
    )
