"""What every kernel is told of a run, and the buffers one worker owns. Plain tuples, made once in Python."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsumo.estimators import PREFIX, Plan
from fastsumo.kernels.weights import CompiledModel
from fastsumo.roulette import Law

TILE = 4096  # trials worked on together; sums are exact between tiles
SHORT = 128  # a trial of at most this many samples runs as one lane among others
BUFFER = 2048  # log weights asked for in one call
LANES = 16  # a long trial runs in this many lanes along its own samples
SEGMENT = 1024  # samples of a long trial between two updates of its base

OK, RAISED, BAD_WEIGHT, STOPPED = 0, 1, 2, 3


class Job(NamedTuple):
    """A run as the kernels see it."""

    address: int  # of the model's compiled log weight
    key: np.uint64
    numbers: NDArray[np.float64]
    row: NDArray[np.float64]
    kind: int
    minimum: int
    law: Law
    product: bool  # interior coefficients are -1 for every trial with K up to the law's head
    longest_short: int  # the largest K that runs as a short trial
    reciprocal: NDArray[np.float64]  # 1 / P(K >= j) for j = 0 .. SHORT + 1
    giant: int  # trials of more samples are left to all threads together
    stop: NDArray[np.int64]  # (1,): not 0 once the run is to end early


class Work(NamedTuple):
    """Scratch space of one worker."""

    terms: NDArray[np.int64]  # K of a tile's trials, by trial
    trial: NDArray[np.uint64]  # trial numbers, in the order they are worked on
    sorted_terms: NDArray[np.int64]
    values: NDArray[np.float64]  # in the same order
    total: NDArray[np.float64]  # sums of weights: mantissas ...
    exponent: NDArray[np.float64]  # ... and exponents of 2
    product: NDArray[np.float64]  # products of prefix means, or sums of weighted logs
    exponents: NDArray[np.float64]  # sums of exponents
    trials: NDArray[np.uint64]  # a buffer of (trial, sample) pairs ...
    samples: NDArray[np.uint64]
    log_weight: NDArray[np.float64]  # ... their log weights ...
    mantissa: NDArray[np.float64]  # ... and weights mantissa * 2**power
    power: NDArray[np.float64]
    offset: NDArray[np.float64]
    partial: NDArray[np.float64]
    pieces: NDArray[np.int64]  # (pieces, 4): what the buffer holds
    report: NDArray[np.int64]  # status, trial of an error


def make_job(model: CompiledModel, plan: Plan, seed: int, row: NDArray[np.float64] | None = None) -> Job:
    """The run of an estimator on a compiled model."""
    law = plan.law
    j = np.arange(SHORT + 2, dtype=np.float64)
    if law.table.size:
        reciprocal = np.ones(SHORT + 2)
        known = min(law.table.size, SHORT + 1)
        reciprocal[1 : known + 1] = 1.0 / law.table[:known]
    else:
        beyond = np.maximum(j - law.head, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            reciprocal = np.minimum(np.maximum(j, 1.0), law.head) ** law.power
            reciprocal = reciprocal * np.exp(np.where(beyond > 0, -beyond * law.log_decay, 0.0))
    product = plan.kind == PREFIX and law.power == 1.0 and law.table.size == 0
    longest_short = SHORT - plan.minimum
    if product:
        longest_short = int(min(longest_short, law.head))
    return Job(
        model.address,
        np.uint64(seed),
        model.numbers,
        np.zeros(1) if row is None else row,
        plan.kind,
        plan.minimum,
        law,
        product,
        longest_short,
        reciprocal,
        2**62,
        np.zeros(1, np.int64),
    )


def make_work() -> Work:
    """Fresh scratch space."""
    i64, u64, f64 = np.int64, np.uint64, np.float64
    tile = [np.zeros(TILE, dtype) for dtype in (i64, u64, i64, f64, f64, f64, f64, f64)]
    slots = BUFFER + LANES
    buffer = [np.zeros(slots, dtype) for dtype in (u64, u64, f64, f64, f64, f64, f64)]
    return Work(*tile, *buffer, np.zeros((BUFFER // LANES + SHORT + 2, 4), i64), np.zeros(2, i64))


