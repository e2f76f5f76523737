"""Scratch memory: every use has the room that it may need, and no kernel writes, or believes, what is not its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import fastsumo as fs
from fastsumo.engine.cpu import engine
from fastsumo.engine.cpu.kernels import block, long, mlmc, scratch, taylor
from fastsumo.estimators.estimators import _MOST_JACKKNIFED
from fastsumo.statistics.tally import GROUPS
from fastsumo.trial.params import KernelParams
from fastsumo.trial.sizes import LANES, SEGMENT, SHORT, TILE

BUFFER = scratch.BUFFER
COLUMNS = BUFFER  # a column has one sample at least
SLOTS = LANES * -(-SEGMENT // LANES)  # of a segment
PIECES = max(SHORT, BUFFER // LANES)  # in a buffer: one of each sample of short trials, or stretches of whole lanes
MOST = {
    "drawn_terms": TILE,
    "trial_numbers": TILE,
    "terms": TILE,
    "values": TILE,
    "totals": TILE,
    "sums_before": COLUMNS,
    "rests": COLUMNS,
    "scaled": max(BUFFER, _MOST_JACKKNIFED[1]),  # all of a trial of order 2, which is why there is a limit
    "total_powers": TILE,
    "part_sums": COLUMNS,
    "column_sums": COLUMNS,
    "products": TILE,
    "log_sums": TILE,
    "first_logs": TILE,
    "column_products": COLUMNS,
    "factors": max(BUFFER, _MOST_JACKKNIFED[1]),
    "product_powers": TILE,
    "logs_before": TILE,
    "sums_without": COLUMNS,
    "pair_trials": BUFFER,
    "pair_samples": BUFFER,
    "mantissas": BUFFER,
    "powers": BUFFER,
    "weights": BUFFER,
    "lane_sums": BUFFER,
    "lane_offsets": SLOTS,
    "reciprocals": SLOTS + LANES,
    "inverses": COLUMNS,
    "column_mantissas": SHORT,
    "ratios": SLOTS,
    "prefix_means": SLOTS,
    "column_powers": SHORT,
    "pieces": 4 * PIECES,
    "places": block.QUARTERS * (SHORT + 2),
    "group_sums": GROUPS,
    "state": long.STATE_SIZE,
    "mlmc_state": mlmc._STATE_SIZE,
    "series": TILE,
    "block_sums": TILE,
    "series_products": TILE,
    "taylor_state": taylor._STATE_SIZE,
    "noise_place": 1,
    "report": 2,
}
CANARY = np.float64("nan").view(np.int64) + 0x5CA7  # a NaN that nothing computes: who reads it shows it


def stretches(most: dict[str, int]) -> dict[str, tuple[int, int]]:
    """First and last byte but one that a use may touch, counted from the address that kernels get."""
    return {use: (scratch._OFFSETS[use], scratch._OFFSETS[use] + 8 * n) for use, n in most.items()}


def too_full(most: dict[str, int]) -> list[str]:
    """Uses that may reach beyond their region, into the next."""
    begins = sorted(set(scratch._OFFSETS.values()))
    after = dict(pairwise(begins))
    return [use for use, (begin, end) in stretches(most).items() if end > after[begin]]


def test_every_use_is_known_and_has_room() -> None:
    assert MOST.keys() | {"store"} == {use for uses in scratch.LAYOUT for use in uses}
    assert sum(map(len, scratch.LAYOUT)) == len(MOST) + 1
    assert too_full(MOST) == []


@pytest.mark.parametrize("use", ["values", "pair_trials", "pieces"])
def test_a_use_that_grows_would_be_seen(use: str) -> None:
    assert too_full(MOST | {use: scratch.NUMBERS + 1}) == [use]


def test_uses_overlap_only_where_the_table_says_so() -> None:
    for mine, (begin, end) in stretches(MOST).items():
        for other, (its_begin, its_end) in stretches(MOST).items():
            share = any({mine, other} <= uses.keys() for uses in scratch.LAYOUT)
            assert share or end <= its_begin or its_end <= begin, (mine, other)


def test_accessors_go_where_the_table_says() -> None:
    names = [name for name in vars(scratch) if name.endswith(("_in", "_at")) and not name.startswith("_")]
    assert {name.removesuffix("_in") for name in names if name.endswith("_in")} == scratch._OFFSETS.keys()
    assert {name.removesuffix("_at") for name in names if name.endswith("_at")} <= scratch._OFFSETS.keys()


class Guarded(scratch.Scratch):
    """Scratch memory with canaries in all that no use may touch; they and the rest of the memory begin as NaN."""

    made: list[Guarded]
    most: dict[str, int]

    def __init__(self, params: KernelParams) -> None:
        super().__init__(params)
        self.numbers = self._memory.view(np.int64)
        self.numbers[:] = CANARY
        self.report[:] = 0
        self.noise = scratch._aligned(params.noise_dim * params.chunk + LANES).view(np.int64)
        self.noise[:] = CANARY
        self._ints("noise_place", 1)[0] = self.noise.ctypes.data
        self.guarded = np.ones(self.numbers.size, bool)
        for begin, end in stretches(self.most).values():
            self.guarded[begin // 8 : end // 8] = False
        store = scratch._OFFSETS["store"] // 8
        self.guarded[store : store + (2 * params.cap if params.cap > SHORT else 0)] = False
        self.made.append(self)

    @classmethod
    def taken(cls, params: KernelParams) -> Guarded:
        return cls(params)

    def give_back(self) -> None:
        """Keep it, to be looked at."""

    @property
    def gone(self) -> int:
        """Canaries that are no more."""
        return int(
            np.count_nonzero(self.numbers[self.guarded] != CANARY) + np.count_nonzero(self.noise[-LANES:] != CANARY)
        )


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> type[Guarded]:
    """Runs get guarded memory."""
    Guarded.made, Guarded.most = [], MOST
    for module in (engine,):
        monkeypatch.setattr(module, "Scratch", Guarded)
    return Guarded


harmonic = fs.roulette.Harmonic
ESTIMATORS = [
    fs.IWAE(SHORT),
    fs.IWAE(2 * SEGMENT + 1),
    fs.JVI(2),
    fs.JVI(SHORT),
    fs.JVI(3 * BUFFER + 1),
    fs.JVI(_MOST_JACKKNIFED[1], order=2),
    fs.SUMO(harmonic(cap=5000)),
    fs.SUMO(fs.roulette.HarmonicGeometric(8, 0.01)),
    fs.SUMO(fs.roulette.PowerLaw(1.2, cap=3000), minimum=5),
    fs.SUMO(fs.roulette.Table([1.0] * 300)),
    fs.SingleTerm(harmonic(cap=300)),
    fs.MLMC(),
    fs.MLMC(first=False, kind="sum"),
    fs.Taylor(harmonic(cap=500), block=3, log_center=4000.0),
]


def steep(z: Any, params: Any) -> Any:
    return 400.0 * z[0]


MODELS = {"linear": fs.models.note(), "extended": fs.Model(steep, 1)}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_kernels_keep_to_their_memory_and_read_what_they_wrote(
    model: fs.Model, estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = max(2, min(2 * TILE, 200_000 // (estimator.k if hasattr(estimator, "k") else 10)))
    expected, terms = fs.sample(model, estimator, trials, seed=3, threads=1)
    Guarded.made, Guarded.most = [], MOST
    with monkeypatch.context() as patch:
        for module in (engine,):
            patch.setattr(module, "Scratch", Guarded)
        values, same_terms = fs.sample(model, estimator, trials, seed=3, threads=1)
    assert values.tobytes() == expected.tobytes()
    assert terms.tobytes() == same_terms.tobytes()
    assert Guarded.made
    assert [each.gone for each in Guarded.made] == [0] * len(Guarded.made)


@pytest.mark.slow
def test_tallies_and_rows_of_data_keep_to_their_memory(guarded: type[Guarded]) -> None:
    fs.simulate(MODELS["linear"], fs.SUMO(harmonic(cap=300)), 2 * TILE, threads=1, progress=False)
    fs.evaluate(fs.models.random_effects_logistic(rows=3), fs.SUMO(harmonic(cap=300)), 300, threads=1, progress=False)
    fs.levels(MODELS["linear"], 300, 50, threads=1)
    assert len(guarded.made) >= 3
    assert [each.gone for each in guarded.made] == [0] * len(guarded.made)


@pytest.mark.parametrize("use", ["values", "pair_samples", "places"])
def test_a_bound_that_is_too_small_is_seen(use: str, guarded: type[Guarded]) -> None:
    guarded.most = MOST | {use: MOST[use] // 2}
    fs.simulate(MODELS["linear"], fs.SUMO(harmonic(cap=SHORT - 1)), 2 * TILE, threads=1, progress=False)
    assert sum(each.gone for each in guarded.made) > 0
