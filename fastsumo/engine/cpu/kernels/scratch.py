"""The scratch memory of one worker: what lies where, in one table, and the only way to it for kernels.

Kernels get its address. ``totals_in(scratch, at, n)`` is an array of the ``n`` totals from number ``at`` on,
``totals_at(scratch, at)`` the address of that number. Nothing is computed here; only the tests check bounds.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import types
from numpy.typing import NDArray

from fastsumo.engine.cpu.kernels.look_up import RECORD
from fastsumo.jit.memory import LINE, address_past, numbers_past
from fastsumo.trial import kinds
from fastsumo.trial.params import KernelParams
from fastsumo.trial.sizes import LANES, SHORT, TILE

BUFFER = 2048  # log weights asked for in one call
NUMBERS = TILE + 2 * LANES  # in one region, 8 bytes each: no multiple of 4096 bytes, which caches dislike

_FLOAT, _INT, _WORD = types.float64, types.int64, types.uint64


# What lies where: one dict a region, which has room for `NUMBERS` numbers; its uses by name, with their types.
#
# Uses share a region where they are never there together. A run has trials of one kind: so what short.py with
# extended.py keeps of a tile, what mlmc.py keeps and what jackknife.py keeps exclude each other. "Columns" are trials
# side by side in the buffer (columns.py); they are finished before some of them, or longer ones, are run one at a time,
# "alone".
LAYOUT: tuple[dict[str, Any], ...] = (
    # A tile, from its draw to its tally. Nothing else is ever kept there.
    {"drawn_terms": _INT},  # block.py: K by trial
    {"trial_numbers": _WORD},  # block.py: in the order that trials are worked on, like the next two
    {"terms": _INT},  # block.py: K
    {"values": _FLOAT},  # whoever runs the trials
    # Trials that are under way: by trial, or by column.
    {
        "totals": _FLOAT,  # short.py, extended.py: the sum of weights so far
        "sums_before": _FLOAT,  # mlmc.py, columns: the sum of the parts before
        "rests": _FLOAT,  # jackknife.py, columns: the sum of all but the largest weights
        "scaled": _FLOAT,  # mlmc.py, jackknife.py, one trial alone: some of its weights, over a power of 2
        "series": _FLOAT,  # taylor.py: the sum of weighted products so far
    },
    {
        "total_powers": _FLOAT,  # extended.py: powers of 2 that go with totals
        "part_sums": _FLOAT,  # mlmc.py, columns: the sum of the part at hand
        "block_sums": _FLOAT,  # taylor.py: the sum of the block at hand
        "column_sums": _FLOAT,  # jackknife.py, columns, order 2: the sum of all weights
    },
    {
        "products": _FLOAT,  # short.py, extended.py: of prefix means, as long as the law is harmonic there; then ...
        "log_sums": _FLOAT,  # ... or from the start, of any other law: the sum of weighted logs, turned in place
        "first_logs": _FLOAT,  # extended.py, single terms, which have neither: the log of the first weight
        "column_products": _FLOAT,  # jackknife.py, columns: of shares that are left
        "factors": _FLOAT,  # jackknife.py, one trial alone: of a product that is being taken
        "series_products": _FLOAT,  # taylor.py: of factors so far
    },
    {
        "product_powers": _FLOAT,  # extended.py: powers of 2 that go with products
        "logs_before": _FLOAT,  # extended.py, single terms, which have none: the log of the last prefix but one
        "sums_without": _FLOAT,  # jackknife.py, columns, order 2: the sum without one weight
    },
    # The buffer, filled by all and weighed by buffer.py. What it holds is used up before it is filled again.
    {"pair_trials": _WORD},  # trials of the pairs (trial, sample)
    {"pair_samples": _WORD},
    {"mantissas": _FLOAT},  # weights in the extended range ...
    {"powers": _FLOAT},  # second terms of log weights before, in either range
    {
        "weights": _FLOAT,  # ... and in the linear range
        "lane_sums": _FLOAT,  # long.py: weights of a segment, summed down its lanes in place
    },
    # One segment, or one set of columns.
    {
        "lane_offsets": _FLOAT,  # long.py: sums before each lane, used up when all prefix means are formed; then ...
        "reciprocals": _FLOAT,  # ... of a law that is not harmonic: 1 / P(K >= j)
        "inverses": _FLOAT,  # jackknife.py, columns: of sums
        "column_mantissas": _FLOAT,  # columns.py: one column, to be run alone
    },
    {
        "ratios": _FLOAT,  # long.py, a harmonic law: what is multiplied
        "prefix_means": _FLOAT,  # long.py, any other: prefix means, turned in place into what is added
        "column_powers": _FLOAT,  # columns.py: powers of 2 that go with column_mantissas
    },
    {"pieces": _INT},  # short.py, then long.py: what the buffer holds, four numbers a piece
    # Small things, each alone.
    {"places": _INT},  # block.py: where trials of each K go while a tile is ordered
    {"group_sums": _FLOAT},  # tallying.py: partial sums of a tile
    {
        "state": _FLOAT,  # long.py: of a long trial
        "mlmc_state": _FLOAT,  # mlmc.py: of a trial that runs alone
        "taylor_state": _FLOAT,  # taylor.py: likewise
    },
    {"noise_place": _INT},  # buffer.py: the address of the chunk of noise, whose size is the model's
    {"report": _INT},  # buffer.py: trial of an error, stop flag
    {"store": _FLOAT},  # jackknife.py: mantissas and then powers of a long trial; last, with as much room as that needs
)
_OFFSETS = {use: 8 * NUMBERS * i for i, uses in enumerate(LAYOUT) for use in uses}  # in bytes
_TYPES = {use: dtype for uses in LAYOUT for use, dtype in uses.items()}


def _numbers(use: str) -> Any:
    return numbers_past(_TYPES[use], _OFFSETS[use])


def _address(use: str) -> Any:
    return address_past(_OFFSETS[use])


drawn_terms_in, drawn_terms_at = _numbers("drawn_terms"), _address("drawn_terms")
trial_numbers_in, trial_numbers_at = _numbers("trial_numbers"), _address("trial_numbers")
terms_in = _numbers("terms")
values_in = _numbers("values")

totals_in = _numbers("totals")
sums_before_in, sums_before_at = _numbers("sums_before"), _address("sums_before")
rests_in, rests_at = _numbers("rests"), _address("rests")
scaled_in, scaled_at = _numbers("scaled"), _address("scaled")
series_in = _numbers("series")
total_powers_in = _numbers("total_powers")
part_sums_in, part_sums_at = _numbers("part_sums"), _address("part_sums")
block_sums_in = _numbers("block_sums")
column_sums_in = _numbers("column_sums")
products_in = _numbers("products")
log_sums_in = _numbers("log_sums")
first_logs_in = _numbers("first_logs")
column_products_in = _numbers("column_products")
factors_in = _numbers("factors")
series_products_in = _numbers("series_products")
product_powers_in = _numbers("product_powers")
logs_before_in = _numbers("logs_before")
sums_without_in = _numbers("sums_without")

pair_trials_in, pair_trials_at = _numbers("pair_trials"), _address("pair_trials")
pair_samples_in, pair_samples_at = _numbers("pair_samples"), _address("pair_samples")
mantissas_in, mantissas_at = _numbers("mantissas"), _address("mantissas")
powers_in, powers_at = _numbers("powers"), _address("powers")
weights_in, weights_at = _numbers("weights"), _address("weights")

lane_sums_in, lane_sums_at = _numbers("lane_sums"), _address("lane_sums")
lane_offsets_in = _numbers("lane_offsets")
reciprocals_in = _numbers("reciprocals")
inverses_in = _numbers("inverses")
column_mantissas_in, column_mantissas_at = _numbers("column_mantissas"), _address("column_mantissas")
ratios_in = _numbers("ratios")
prefix_means_in = _numbers("prefix_means")
column_powers_in, column_powers_at = _numbers("column_powers"), _address("column_powers")

pieces_in = _numbers("pieces")
places_in = _numbers("places")
group_sums_in = _numbers("group_sums")
state_in = _numbers("state")
mlmc_state_in, mlmc_state_at = _numbers("mlmc_state"), _address("mlmc_state")
taylor_state_in = _numbers("taylor_state")
noise_place_in = _numbers("noise_place")
report_in = _numbers("report")
store_in, store_at = _numbers("store"), _address("store")


_MOST_IDLE, _LARGEST_IDLE = 64, 1 << 18  # scratch memories that are kept for later, and numbers in one
_idle: dict[tuple[int, int], list[Scratch]] = {}  # some that were used, by size: new memory costs its first touch


def _aligned(size: int) -> NDArray[np.float64]:
    """Memory that begins a cache line."""
    memory = np.zeros(size + LINE // 8)
    return memory[-memory.ctypes.data % LINE // 8 :][:size]


class Work(NamedTuple):
    """What a kernel is called for: trials, of rows of data if there are any, under a key.

    With rows, ``first`` and ``stop`` are rows, ``trials`` those of each, and ``rows`` the rows themselves.
    """

    key: int
    first: int
    stop: int
    samples: int | None = None  # of every trial; else what its estimator takes
    strict: bool = True  # whether a log weight that is none is an error
    trials: int = 0
    rows: NDArray[np.float64] | None = None


class Feeding(Protocol):
    """Who gives log weights to kernels that ask for them (`engine/cpu/feed.py`)."""

    def serving(self, work: Work) -> AbstractContextManager[None]: ...


class Scratch:
    """Scratch memory of one worker."""

    feed: Feeding | None = None

    def __init__(self, params: KernelParams) -> None:
        self._sizes = stored, size = _sizes(params)
        self._memory = _aligned(_OFFSETS["store"] // 8 + 2 * stored)
        self._noise = _aligned(size + RECORD)
        self.record = self._noise[size:].view(np.uint64)  # behind the noise, see look_up.py
        self.address = self._memory.ctypes.data
        self._ints("noise_place", 1)[0] = self._noise.ctypes.data
        self.report = self._ints("report", 2)
        self.report[:] = 0

    @classmethod
    def taken(cls, params: KernelParams) -> Scratch:
        """Memory for a run, of those that were given back if there is one; for any thread."""
        try:
            found = _idle[_sizes(params)].pop()
        except (KeyError, IndexError):
            return cls(params)
        found.report[:] = 0
        return found

    def _ints(self, use: str, n: int) -> NDArray[np.int64]:
        return self._memory[_OFFSETS[use] // 8 :][:n].view(np.int64)

    def hold(self, trial: int, terms: int, value: float) -> None:
        """Let a single trial lie where a tile's trials do."""
        self._ints("trial_numbers", 1).view(np.uint64)[0] = trial
        self._ints("terms", 1)[0] = terms
        self._ints("values", 1).view(np.float64)[0] = value

    def serving(self, work: Work) -> AbstractContextManager[None]:
        """While a kernel is called; raises what a vectorised model raised meanwhile."""
        return nullcontext() if self.feed is None else self.feed.serving(work)

    def stop(self) -> None:
        """Ask the kernel that uses this memory to end early."""
        self.report[1] = 1

    def give_back(self) -> None:
        """Keep it for `taken`. It must not be used afterwards."""
        self.feed = None
        if sum(map(len, list(_idle.values()))) >= _MOST_IDLE:
            _idle.clear()
        if self._memory.size + self._noise.size <= _LARGEST_IDLE:
            _idle.setdefault(self._sizes, []).append(self)


def _sizes(params: KernelParams) -> tuple[int, int]:
    """Numbers of the store, and of the noise: what memories differ in."""
    stored = params.cap if params.kind == kinds.JVI and params.cap > SHORT else 0
    return stored, params.noise_dim * params.chunk
