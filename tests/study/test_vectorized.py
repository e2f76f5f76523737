"""Studies of vectorised models: in this process, and in others by factories; what resumes them on another day."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastsumo as fs

ESTIMATOR = fs.SUMO(fs.roulette.Harmonic(cap=100))


class Network:
    """Stands for a network: no pickle takes it, and nothing tells it from another."""

    def __init__(self, slope: float) -> None:
        self.slope, self.device = slope, threading.Lock()

    def __call__(self, z: np.ndarray) -> Any:
        assert self.device.acquire(blocking=False), "two threads at a time"
        try:
            return self.slope * z[:, 0]
        finally:
            self.device.release()


def made_anywhere() -> Any:
    import numpy as np

    slope = np.array([0.5])
    return lambda z: z @ slope


def expected(trials: int) -> float:
    return fs.simulate(fs.Model(lambda z, params: 0.5 * z[0], 1), ESTIMATOR, trials).mean


def test_a_version_names_a_network_from_day_to_day(tmp_path: Path) -> None:
    study = fs.Study(tmp_path / "one.study")
    study.add(fs.Model(Network(0.5), 1, vectorized=True, version="net-1", name="net"), ESTIMATOR, 150_000)
    study.run(progress=False)
    again = fs.Study(tmp_path / "one.study")
    kept = fs.Model(Network(0.5), 1, vectorized=True, version="net-1", name="net")
    assert again.add(kept, ESTIMATOR, 150_000) == [0]
    assert again[0].mean == pytest.approx(expected(150_000), abs=1e-12)
    with pytest.raises(fs.StudyError, match="'net' is not the one"):
        again.add(fs.Model(Network(0.7), 1, vectorized=True, version="net-2", name="net"), ESTIMATOR, 150_000)


@pytest.mark.slow
def test_factories_make_models_in_other_processes(tmp_path: Path) -> None:
    study = fs.Study(tmp_path / "two.study")
    study.add(fs.Model(None, 1, vectorized=True, factory=made_anywhere, name="net"), ESTIMATOR, 150_000)
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        study.run(executor, progress=False)
    assert study[0].mean == pytest.approx(expected(150_000), abs=1e-12)


@pytest.mark.slow
def test_a_network_without_a_factory_stays_where_it_is(tmp_path: Path) -> None:
    study = fs.Study(tmp_path / "three.study")
    kept = fs.Model(Network(0.5), 1, vectorized=True, version="net-3", name="net")
    study.add(kept, ESTIMATOR, 150_000)
    with (
        concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor,
        pytest.raises(fs.StudyError, match="'net-3' is not in this process, .*factory="),
    ):
        study.run(executor, progress=False)
