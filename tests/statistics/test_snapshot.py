"""A look at a run that is under way: at its end it is the result."""

from __future__ import annotations

import math

import numpy as np
import pytest
from watching import Watcher
from zoo import constant

import fastsumo as fs
from fastsumo.report.progress import lines
from fastsumo.statistics.snapshot import snapshot_of
from fastsumo.statistics.tally import Tally

NOTE = fs.models.note()


@pytest.mark.parametrize("estimator", [fs.SUMO(), fs.IWAE(5), fs.MLMC()], ids=repr)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_last_glance_is_the_result(estimator: fs.SUMO, threads: int) -> None:
    watcher = Watcher()
    r = fs.simulate(NOTE, estimator, 300_000, seed=2, threads=threads, progress=watcher)
    last = watcher.seen[-1]
    assert last.trials == r.trials
    assert last.mean == pytest.approx(r.mean, rel=1e-12)
    assert last.std_error == pytest.approx(r.std_error, rel=1e-12)
    assert last.largest == r.extremes["value"][0]
    assert last.share == pytest.approx((last.largest - r.center) ** 2 / r.by_terms["sum_squares"].sum())
    distance = np.abs(fs.sample(NOTE, estimator, 300_000, seed=2)[0] - r.center)
    beyond = [int(np.count_nonzero(distance >= 2.0 ** (last.first_octave + j))) for j in range(len(last.beyond))]
    assert list(last.beyond) == beyond


def test_the_hill_index_of_a_glance_is_that_of_the_trials() -> None:
    watcher = Watcher()
    r = fs.simulate(NOTE, fs.SUMO(), 1_000_000, seed=3, progress=watcher)
    last = watcher.seen[-1]
    distance = np.sort(np.abs(fs.sample(NOTE, fs.SUMO(), 1_000_000, seed=3)[0] - r.center))[::-1]
    exact = 1.0 / np.mean(np.log(distance[:2500] / distance[2500]))
    assert last.hill == pytest.approx(exact, rel=0.02)
    assert last.hill_error == pytest.approx(last.hill / math.sqrt(2500), rel=0.02)


def test_a_glance_at_next_to_nothing() -> None:
    assert snapshot_of([Tally()], 0.0) is None
    watcher = Watcher()
    fs.simulate(NOTE, fs.ELBO(), 1, progress=watcher)
    last = watcher.seen[-1]
    assert (last.trials, last.std_error) == (1, 0.0)
    assert math.isnan(last.hill)
    assert "Hill index ?" in lines(last)[1]

    fs.simulate(constant, fs.SUMO(fs.roulette.Harmonic(cap=3)), 1000, progress=watcher)
    assert watcher.seen[-1].mean == pytest.approx(2.0)
    assert lines(watcher.seen[-1])[0].startswith("estimate  2")
