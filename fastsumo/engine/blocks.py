"""Blocks of consecutive trials, the unit that engines hand out and studies cut their chunks by."""

from __future__ import annotations

import math
import threading
from functools import lru_cache

from fastsumo.estimators.estimators import Estimator
from fastsumo.models.model import Model

BLOCK = 65_536  # trials, for the cheapest estimators
_BLOCK_WORK = 2**22  # numbers drawn in a block, for the dearest estimators
_SHORT_WORK = 2**18  # numbers drawn in a run that needs no thread of its own ...
_LONGEST_OF_SHORT = 2**14  # ... and samples of its longest trial
_ROWS = 256  # of data in a block ...
_ROWS_WORK = 2**23  # ... or as many as draw so many numbers
_BATCH = 1 << 20  # weights of a batch of sequences
_BATCHES = 16  # of a vectorised model in a block at least, if trials or rows are so many: the last may be small
_TYPICAL_COST = 40.0  # terms of a trial whose expected cost is infinite


class Blocks:
    """Hands out blocks, aligned to multiples of their size; any thread may take one."""

    def __init__(self, first: int, count: int, size: int) -> None:
        self._first, self._stop, self._size = first, first + count, size
        self.trials = count
        self._next = first // size
        self.total = -(-self._stop // size) - self._next
        self._lock = threading.Lock()

    def take(self) -> tuple[int, int] | None:
        """The next block as (first trial, trials), or None."""
        with self._lock:
            number = self._next
            self._next += 1
        low, high = max(number * self._size, self._first), min((number + 1) * self._size, self._stop)
        return (low, high - low) if low < high else None


def block_size(estimator: Estimator, model: Model) -> int:
    """Trials of a block: a power of two that depends on the estimator and on the model's dimension and batch only."""
    return _power_of_two(min(BLOCK, _work(_BLOCK_WORK, model) / _numbers_of_a_trial(estimator, model)))


def is_short(estimator: Estimator, model: Model, trials: int) -> bool:
    """Whether trials take some milliseconds, as a rule and at most a second."""
    few = trials * _numbers_of_a_trial(estimator, model) <= _SHORT_WORK
    return few and _longest_trial(estimator) <= _LONGEST_OF_SHORT


def rows_of_block(estimator: Estimator, model: Model, trials: int) -> int:
    """Rows of data in a block, where each row has so many trials: a power of two."""
    return _power_of_two(min(_ROWS, _work(_ROWS_WORK, model) / (trials * _numbers_of_a_trial(estimator, model))))


def sequences_of_batch(n: int) -> int:
    """Trials of a batch of `Engine.increments` along ``n`` weights of each."""
    return max(2, min(4096, _BATCH // n))


def _work(numbers: int, model: Model) -> int:
    """Numbers drawn in a block, or as many as make some batches of a vectorised model."""
    return max(numbers, _BATCHES * (model.batch or 0) * max(model.noise_dim, 2))


def _numbers_of_a_trial(estimator: Estimator, model: Model) -> float:
    return _samples_of_a_trial(estimator) * max(model.noise_dim, 2)


@lru_cache(maxsize=256)
def _samples_of_a_trial(estimator: Estimator) -> float:
    """Expected, or typical ones."""
    cost = estimator.expected_cost()
    if not math.isfinite(cost):
        plan = estimator.plan()
        return plan.minimum + plan.block * _TYPICAL_COST
    return min(cost, 1e15)


@lru_cache(maxsize=256)
def _longest_trial(estimator: Estimator) -> int:
    """Samples of the longest one."""
    plan = estimator.plan()
    return plan.samples(plan.largest)


def _power_of_two(size: float) -> int:
    return 2 ** int(math.log2(max(1.0, size)))
