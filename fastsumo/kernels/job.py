"""What every kernel is told of a run (`Job`), and the scratch memory of one worker (`Work`), laid out by hand.

Kernels get plain numbers and addresses only: passing them costs nothing and the compiler has little to read.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsumo.estimators import JACKKNIFE, LEVELS, PREFIX, Plan
from fastsumo.kernels.weights import CompiledModel

TILE = 4096  # trials worked on together; sums are exact between tiles
SHORT = 128  # a trial of at most this many samples runs as one lane among others
BUFFER = 2048  # log weights asked for in one call
LANES = 16  # a long trial runs in this many lanes along its own samples
SEGMENT = 1024  # samples of a long trial between two updates of its base

OK, RAISED, BAD_WEIGHT, STOPPED, WIDE = 0, 1, 2, 3, 4

_ROW = 8 * (TILE + 2 * LANES)  # bytes of one array of scratch memory; no multiple of 4096, which caches dislike
(
    TERMS,  # int64: K of a tile's trials, by trial
    TRIAL,  # uint64: trial numbers, in the order they are worked on; the next five are in that order too
    ORDERED_TERMS,  # int64
    VALUES,
    TOTAL,  # sums of weights: mantissas ...
    EXPONENT,  # ... and exponents of 2
    PRODUCT,  # products of prefix means, or sums of weighted logs
    EXPONENTS,  # sums of exponents
    TRIALS,  # uint64: a buffer of (trial, sample) pairs ...
    SAMPLES,  # uint64
    MANTISSA,  # ... their weights mantissa * 2**power ...
    POWER,
    WEIGHT,  # ... and as plain numbers, relative to 2**shift
    OFFSET,
    PREFIX_SUM,
    PIECES,  # int64, four to a piece: what the buffer holds
    PLACES,  # int64: where trials of each K go
    SUMS,  # partial sums of a tile
    STATE,  # of a long trial
    REPORT,  # int64: trial of an error, stop flag
    STORE,  # mantissas and then powers of a long trial of the jackknife; as much room as that needs
) = (row * _ROW for row in range(21))
_ROWS = 20
_ALIGNMENT = 64  # bytes: a vector that lies across two cache lines costs two accesses


class Job(NamedTuple):
    """A run as the kernels see it; ``*_at`` are addresses."""

    address: int  # of the model's compiled plain weights
    any_address: int  # of its weights of any scale; 0 as long as there was no need to compile them
    key: np.uint64
    numbers_at: int
    row_at: int
    kind: int
    minimum: int
    power: float  # the law of K, see `roulette.Law`
    head: float
    log_decay: float
    cap: int
    table_at: int
    table_size: int
    product: bool  # interior coefficients are -1 up to the law's head
    longest_short: int  # the largest K that runs as a short trial
    reciprocal_at: int  # 1 / P(K >= j) for j = 0 .. SHORT + 1; factors of the levels, see `_reciprocals`
    giant: int  # trials of more samples are left to all threads together
    shift: float  # plain weights are relative to 2**shift
    order: int  # of the jackknife
    base: int  # samples of level 0
    first: int  # 1 if a trial has a level 0 of its own
    single: bool  # whether only the level that is drawn counts


class OwnedJob(NamedTuple):
    """A job with the arrays it points into."""

    job: Job
    owned: tuple[object, ...]


class Work:
    """Scratch memory of one worker."""

    def __init__(self, job: Job | None = None) -> None:
        stored = job.cap if job is not None and job.kind == JACKKNIFE and job.cap > SHORT else 0
        self._memory = np.zeros(_ROWS * _ROW // 8 + 2 * stored + _ALIGNMENT // 8)
        unaligned = -self._memory.ctypes.data % _ALIGNMENT
        self._memory = self._memory[unaligned // 8 :]
        self.address = self._memory.ctypes.data
        self.report = self._memory[REPORT // 8 :][:2].view(np.int64)

    def stop(self) -> None:
        """Ask the kernel that uses this memory to end early."""
        self.report[1] = 1


def make_job(
    model: CompiledModel | None,
    plan: Plan,
    seed: int,
    center: float = 0.0,
    any_scale: bool = False,
) -> OwnedJob:
    """The run of an estimator on a compiled model; without a model, only `K` can be drawn.

    ``center`` is where log weights are expected, so that their exponentials can be plain numbers; with ``any_scale``
    they need not be.
    """
    law = plan.law
    reciprocal = _reciprocals(plan)
    product = plan.kind == PREFIX and law.power == 1.0 and law.table.size == 0
    longest_short = SHORT - plan.minimum
    if plan.kind == LEVELS:
        longest_short = sum(plan.samples(k) <= SHORT for k in range(1, law.cap + 1))
    row = model.row if model is not None else np.zeros(1)
    job = Job(
        0 if model is None else model.address,
        0 if model is None or not any_scale else model.any_address,
        np.uint64(seed),
        0 if model is None else model.numbers.ctypes.data,
        row.ctypes.data,
        plan.kind,
        plan.minimum,
        float(law.power),
        float(law.head),
        float(law.log_decay),
        int(law.cap),
        law.table.ctypes.data,
        law.table.size,
        product,
        longest_short,
        reciprocal.ctypes.data,
        2**62,
        shift_of(center),
        plan.order,
        plan.base,
        int(plan.first),
        plan.single,
    )
    return OwnedJob(job, (model, row, law.table, reciprocal))


def shift_of(center: float) -> float:
    """The power of 2 that weights are relative to where log weights are expected around ``center``."""
    return float(round(center / math.log(2.0)))


def _reciprocals(plan: Plan) -> NDArray[np.float64]:
    """``1 / P(K >= j)`` for the `K` of short trials; 1 for ``j = 0``.

    For levels, what the difference that `K` stands for counts: ``1 / P(K >= j)``, or ``1 / P(K = j)`` where
    only one level counts; 0 for ``j = 0``.
    """
    law = plan.law
    reciprocal = np.ones(SHORT + 2)
    if plan.kind == LEVELS:
        level = np.arange(law.cap)
        reciprocal[0], reciprocal[1 : law.cap + 1] = 0.0, np.exp(-level * law.log_decay)
        if plan.single:
            reciprocal[1 : law.cap] /= -math.expm1(law.log_decay)
        return reciprocal
    if law.table.size:
        known = min(law.table.size, SHORT + 1)
        reciprocal[1 : known + 1] = 1.0 / law.table[:known]
        return reciprocal
    j = np.arange(SHORT + 2, dtype=np.float64)
    beyond = np.maximum(j - law.head, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        tail = np.exp(np.where(beyond > 0, -beyond * law.log_decay, 0.0))
        return np.minimum(np.maximum(j, 1.0), law.head) ** law.power * tail
