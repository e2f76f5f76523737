"""How trials are shared out among threads; which runs need none, and that these end as the others do."""

from __future__ import annotations

import sys
import threading

import pytest
from bits import same_bits

import fastsumo as fs
from fastsumo.engine.blocks import Blocks, is_short
from fastsumo.engine.cpu.workers import Worker
from fastsumo.statistics.spans import joined

NOTE = fs.models.note()


def test_no_trial_is_handed_out_twice_whoever_comes_between() -> None:
    """Another thread may go on as soon as a lock is free: here it does each time, and takes a block."""
    blocks, taken = Blocks(50, 1000, 100), []

    class Busy:
        entered = 0

        def __enter__(self) -> None:
            self.entered += 1

        def __exit__(self, *_: object) -> None:
            if self.entered % 2:
                taken.append(blocks.take())

    blocks._lock = Busy()  # type: ignore[assignment]
    while None not in taken:
        taken.append(blocks.take())
    found = sorted(block for block in taken if block is not None)
    assert found == [(50, 50), *((first, 100) for first in range(100, 1000, 100)), (1000, 50)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "trials"), [(fs.ELBO(), 24 * 65_536), (fs.IWAE(64), 24 * 32_768), (fs.SUMO(), 300_000)], ids=repr
)
def test_threads_that_give_way_at_any_place_have_the_same_bits(
    estimator: fs.ELBO | fs.IWAE | fs.SUMO, trials: int
) -> None:
    """Python takes turns after ten thousand times less than usual."""
    alone = fs.simulate(NOTE, estimator, trials, threads=1)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    try:
        for _ in range(20):
            assert same_bits(fs.simulate(NOTE, estimator, trials, threads=16), alone)
    finally:
        sys.setswitchinterval(usual)


def test_trials_that_were_run_twice_are_an_error() -> None:
    assert joined([(4, 6), (0, 2), (2, 3)]) == [(0, 3), (4, 6)]
    with pytest.raises(AssertionError, match="trial 2 was run twice"):
        joined([(0, 3), (2, 4)])


@pytest.mark.parametrize(
    ("estimator", "trials", "short"),
    [
        (fs.SUMO(fs.roulette.Harmonic(cap=80)), 10_000, True),
        (fs.SUMO(fs.roulette.Harmonic(cap=80)), 100_000, False),
        (fs.SUMO(), 1, False),  # one trial can be a thousand times as long as all others
        (fs.IWAE(10**6), 1, False),
    ],
    ids=repr,
)
def test_short_runs(monkeypatch: pytest.MonkeyPatch, estimator: fs.SUMO | fs.IWAE, trials: int, short: bool) -> None:
    assert is_short(estimator, NOTE, trials) == short
    seen = []
    block = Worker._block

    def noted(self: Worker, first: int, count: int) -> None:
        seen.append(threading.current_thread() is threading.main_thread())
        block(self, first, count)

    monkeypatch.setattr(Worker, "_block", noted)
    assert fs.simulate(NOTE, estimator, trials, threads=1).trials == trials
    assert set(seen) == {short}


def test_ctrl_c_in_a_short_run_leaves_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(self: Worker, first: int, count: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "_block", pressed)
    with pytest.raises(KeyboardInterrupt):
        fs.simulate(NOTE, fs.IWAE(5), 10)
    monkeypatch.undo()
    assert fs.simulate(NOTE, fs.IWAE(5), 10).trials == 10


def test_memory_is_used_again() -> None:
    """With what another run left in it, a run gives what it gives in fresh memory."""
    first = fs.simulate(NOTE, fs.IWAE(5), 3000, seed=1)
    fs.simulate(fs.models.gaussian_scale(0.9), fs.IWAE(5), 5000, seed=2)
    assert same_bits(first, fs.simulate(NOTE, fs.IWAE(5), 3000, seed=1))
