"""The kernels and the host's part on a card that is simulated: values and statistics have the bits of the CPU.

Slow, as every thread is one of Python; `test_gpu.py` runs the same on a card.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import simulated
from bits import same_bits
from zoo import slow

import fastsumo as fs
from fastsumo.engine.cuda import engine, programs
from fastsumo.engine.cuda.kernels import tiles
from fastsumo.trial.philox import uniform_pair

HARMONIC = fs.roulette.Harmonic
NOTE = fs.models.note()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A simulated card under the name of the first."""
    card, stand_in = simulated.SimulatedCard(), simulated.make_cuda()
    of_model = programs.TILES, programs.WEIGH, programs.ALONE

    def make(model: Any, kind: Any, long: bool, capability: Any) -> dict[str, Any]:
        found = {}
        for name, forms in programs.sources(model, kind, long).items():
            more = {"pair": uniform_pair} if name in of_model else {}
            found[name] = forms[0].make(cuda=stand_in, **more)
        return found

    monkeypatch.setattr(engine, "card", lambda number: card)
    monkeypatch.setattr(programs, "compile_all", make)
    for name, value in (("_TILES", 4), ("_ROWS", 1 << 14), ("_FEWEST_ROWS", 1 << 10), ("_COPIES", 2)):
        monkeypatch.setattr(engine, name, value)
    before = threading.stack_size(512 * 1024)
    yield "cuda"
    threading.stack_size(before)


def compare(model: fs.Model, estimator: fs.Estimator, trials: int, first: int, device: str) -> np.ndarray:
    what: dict[str, Any] = {"seed": 3, "first_trial": first}
    (here, terms), (there, drawn) = (fs.sample(model, estimator, trials, device=d, **what) for d in ("cpu", device))
    assert np.array_equal(terms, drawn)
    assert here.tobytes() == there.tobytes()
    results = [fs.simulate(model, estimator, trials, device=d, progress=False, **what) for d in ("cpu", device)]
    assert same_bits(*results)
    return terms


@pytest.mark.slow
def test_short_trials(cuda: str) -> None:
    compare(NOTE, fs.SUMO(HARMONIC(cap=80)), 300, 8000, cuda)  # young trials, and others


@pytest.mark.slow
def test_giants_are_shared_out(cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "GIANT", 600)
    monkeypatch.setattr(engine, "GIANT", 600)
    monkeypatch.setattr(engine, "_FEWEST_ROWS", 1 << 7)
    monkeypatch.setattr(engine, "_ROWS", 1 << 7)
    terms = compare(NOTE, fs.SUMO(HARMONIC(cap=6000)), 150, 21_900, cuda)
    assert terms.max() > 2100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "trials"),
    [
        (fs.IWAE(150), 40),
        (fs.SUMO(fs.roulette.HarmonicGeometric(20, 0.02), minimum=3), 400),
        (fs.SUMO(fs.roulette.Table([1.0, 0.5, 0.2, 0.1] + [0.04] * 300)), 300),
        (fs.SingleTerm(fs.roulette.PowerLaw(1.1, cap=2000)), 400),
        (fs.MLMC(base=4, first=False, kind="sum"), 300),
        (fs.JVI(140), 20),
        (fs.Taylor(HARMONIC()), 400),
        (fs.Taylor(block=3), 300),
        (fs.Taylor(block=150), 30),
    ],
    ids=repr,
)
def test_every_kind(cuda: str, estimator: fs.Estimator, trials: int) -> None:
    compare(NOTE, estimator, trials, 20_000, cuda)


@pytest.mark.slow
@pytest.mark.parametrize("size", [4, 64, 8192])
def test_stratified_trials(cuda: str, size: int) -> None:
    estimator = fs.SUMO(HARMONIC(cap=300), stratified=size)
    compare(NOTE, estimator, 290, 8150, cuda)  # from the midst of a block, over the end of a tile


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "trials"),
    [(fs.SUMO(HARMONIC(cap=20)), 300), (fs.SUMO(HARMONIC(cap=300), minimum=128), 40), (fs.JVI(140), 20)],
    ids=repr,
)
def test_what_a_model_raises_is_said_as_on_the_cpu(cuda: str, estimator: fs.Estimator, trials: int) -> None:
    def rare(z, params):  # type: ignore[no-untyped-def]
        x = abs(z[0])
        return params[int(x + 0.2) if 2.8 < x < 2.97 else 1]

    model, said = fs.Model(rare, 1, [1.0, 2.0, 3.0], log_evidence=2.0), []
    for device in ("cpu", cuda):
        with pytest.raises(fs.ModelError, match="raised IndexError: index 3 is out of bounds") as found:
            fs.simulate(model, estimator, trials, seed=3, progress=False, device=device, threads=1)
        said.append((str(found.value), found.value.trial))
    assert said[0] == said[1]


@pytest.mark.slow
def test_a_block_takes_several_tiles(cuda: str) -> None:
    compare(fs.models.gamma(64.0), fs.IWAE(100), 256 * 6 + 50, 20_000, cuda)  # tiles of 256 trials, for four blocks


@pytest.mark.parametrize("name", [slow("steep"), slow("zeros")])
def test_weights_of_any_size(cuda: str, name: str) -> None:
    def steep(z, params):  # type: ignore[no-untyped-def]
        return 100.0 * z[0]

    def zeros(z, params):  # type: ignore[no-untyped-def]
        return z[0] if z[0] > -0.7 else -np.inf

    model = fs.Model({"steep": steep, "zeros": zeros}[name], 1, log_evidence=0.0)
    compare(model, fs.SUMO(HARMONIC(cap=300)), 200, 20_000, cuda)
