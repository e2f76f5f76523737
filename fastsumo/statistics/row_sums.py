"""What is kept of the trials of one row of data: a few sums, as a record with names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FIELDS = (
    "center",  # where deviations are taken
    "finite",  # trials with a finite value
    "zero_weight",  # trials with the value -inf
    "cost",  # importance samples
    "sum",  # of value - center
    "sum_squares",
    "largest",  # |value - center|
    "hill",  # tail index from the largest deviations; NaN where there are too few
    "error",  # of the mean by groups of blocks, NaN where there is one; 0 where trials are not stratified
)
CENTER, FINITE, ZERO_WEIGHT, COST, SUM, SUM_SQUARES, LARGEST, HILL, ERROR = range(len(FIELDS))  # places, for kernels
ROW_SUMS = np.dtype([(name, np.float64) for name in FIELDS])

RowSums = NDArray[Any]  # of dtype ROW_SUMS, one record a row


def no_trials(rows: int) -> RowSums:
    """Records of rows without trials."""
    sums = np.zeros(rows, ROW_SUMS)
    sums["hill"] = np.nan
    return sums
