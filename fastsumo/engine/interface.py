"""What an engine is: opened for a model, an estimator, a seed and a centre, it runs trials. How one is opened is in
`devices.py`; what it tells meanwhile goes to a `Watcher`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsumo.estimators.estimators import Estimator
from fastsumo.models.model import Model
from fastsumo.statistics.row_sums import RowSums
from fastsumo.statistics.snapshot import Snapshot
from fastsumo.statistics.spans import Spans
from fastsumo.statistics.statistics import Statistics

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Look = Callable[[], Snapshot | None]  # at the run so far


class Wanted(NamedTuple):
    """What an engine is opened for."""

    model: Model
    estimator: Estimator
    seed: int
    threads: int
    center: float | None  # by default the model's log evidence, or an estimate that is a function of the model alone
    card: int  # of the devices of one kind
    on_cpu: Callable[[float | None], Engine]  # opens the same on the CPU, with a centre
    trials: int = 0  # that will be run next, as far as is known


class Watcher(Protocol):
    """Who is told how a run is getting on."""

    def stage(self, name: str) -> None:
        """A new stage begins, "compiling" or "running"."""

    def update(self, done: int, look: Look) -> None:
        """So many trials are done; called often. An exception raised here ends the run as Ctrl-C does.

        ``look`` is for now: once the run has ended, its memory is another one's.
        """


class Unwatched:
    """A watcher that does not look."""

    def stage(self, name: str) -> None:
        return None

    def update(self, done: int, look: Look) -> None:
        return None


class Tallied(NamedTuple):
    """Statistics of trials, the spans of trial numbers that are done, and whether Ctrl-C ended it early."""

    statistics: Statistics
    spans: Spans
    interrupted: bool


class RowsDone(NamedTuple):
    """Sums of each row of data, threads used, and whether Ctrl-C ended it early; rows not done have no trials."""

    sums: RowSums
    threads: int
    interrupted: bool


class Engine(Protocol):
    """One model, estimator, seed and centre on a device. Nothing that it gives depends on the device or its threads."""

    @property
    def center(self) -> float:
        """Where powers of ``value - center`` are taken: that given, the known log evidence, or a pilot's estimate."""

    @property
    def elapsed(self) -> float:
        """Seconds that the trials of the last call took, without what was compiled for them."""

    def tally(self, first: int, count: int, watcher: Watcher) -> Tallied:
        """Statistics of trials; after Ctrl-C, of those done, and KeyboardInterrupt where none is."""

    def sample(self, first: int, count: int) -> tuple[Floats, Ints]:
        """Values and `K` of trials."""

    def terms(self, trial: int) -> int:
        """`K` of one trial."""

    def log_weights(self, trial: int, count: int) -> Floats:
        """The first log weights of one trial, NaN where the model gives NaN or +inf."""

    def increments(self, marks: Ints, n: int, count: int) -> Iterator[Floats]:
        """Batches of rows, one for each of ``count`` trials, made of its first ``n`` weights; in order.

        A row is ``L_{k+1} - L_k`` at the ``marks``; ``L_1``; and for each level ``l >= 1`` with ``2^l <= n`` the
        antithetic difference ``D_l``, ``L`` of all ``2^l`` and half the difference of its halves; NaN for what is
        not finite.
        """


class RowEngine(Protocol):
    """One model with data, estimator and seed on a device."""

    @property
    def elapsed(self) -> float:
        """Seconds, as of `Engine`."""

    def evaluate(self, trials: int, watcher: Watcher) -> RowsDone:
        """So many trials of every row; KeyboardInterrupt where Ctrl-C came before a row was done."""
