"""What the whole suite shares: how it is spread over cores; garbage, figures closed, compilations counted, compiled
code for children.

The twins are in `naive.py`, the models of the tests in `zoo.py`.
"""

from __future__ import annotations

import gc
import shutil
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from numba.core import event

import fastsumo as fs
from fastsumo.base.machine import available_threads
from fastsumo.engine.devices import cards
from fastsumo.jit import cache


def pytest_configure(config: pytest.Config) -> None:
    """Leave out the slow tests, and those that need a GPU, unless ``-m`` says something else."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a shell runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not config.option.markexpr:
        config.option.markexpr = "not slow and not gpu"
    elif config.option.markexpr == "slow":
        config.option.markexpr = "slow and not gpu"


HERE = Path(__file__).parent
_FIRST = ("engine/test_digests.py", "engine/cpu/test_feed.py", "engine", "runs")  # the first two compile most kernels
_WITHOUT_ENGINE = ("tails", "vmath", "models/test_agreement.py", "jit/test_lanes.py")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """With ``-n``, workers take long stretches, so that fixtures of a file are made once, and end together."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What ``-n auto`` stands for: the cores that there are, but each worker compiles what all take."""
    return min(available_threads(), 8)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers begin at the start and in the middle, where nothing is compiled.

    So one begins with what compiles the kernels, which take far less time together than one by one, as they share much;
    and the other with what needs none of them. Examples of docstrings, which take some of everything, come last.
    """

    def place(item: pytest.Item, among: tuple[str, ...]) -> int:
        return next((i for i, each in enumerate(among) if item.path.is_relative_to(HERE / each)), len(among))

    items.sort(key=lambda item: (place(item, _FIRST), item.path.is_relative_to(HERE / "package")))
    middle, with_engine, without = len(items) // 2, list[pytest.Item](), list[pytest.Item]()
    for item in items:
        (with_engine if place(item, _WITHOUT_ENGINE) == len(_WITHOUT_ENGINE) else without).append(item)
    items[:] = [*with_engine[:middle], *without, *with_engine[middle:]]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What there is when all tests are found stays: it is not searched for garbage again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def keep_what_is_compiled() -> Iterator[None]:
    """The models of the suite are more than the cache keeps for a user, and would drive out the engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "MAX_CACHE_FILES", 100_000)
        yield


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Figures that pyplot holds are gone after each test."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


class Compilations(event.Listener):
    """Counts the passes of Numba's compiler: none at all where everything comes from the cache."""

    def __init__(self) -> None:
        self.passes = 0

    def on_start(self, event: event.Event) -> None:
        self.passes += 1

    def on_end(self, event: event.Event) -> None:
        pass


@pytest.fixture
def compilations() -> Iterator[Compilations]:
    """What is compiled while the test runs."""
    listener = Compilations()
    event.register("numba:run_pass", listener)
    yield listener
    event.unregister("numba:run_pass", listener)


@pytest.fixture(scope="session")
def gpu() -> str:
    """The name of a GPU; the test is skipped, with the reason, where there is none."""
    try:
        cards()
    except fs.DeviceError as error:
        pytest.skip(str(error))
    return "cuda"


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the engine and the built-in models in it, to be copied, not to be written to."""
    everything = fs.SUMO(fs.roulette.Harmonic(cap=5))
    fs.simulate(fs.models.note(), everything, 100)
    fs.replay(fs.models.note(), everything, 0)
    fs.simulate(fs.models.gamma(0.5), everything, 100)
    folder = tmp_path_factory.mktemp("engine")
    shutil.copytree(str(cache.cache_folder()), folder, dirs_exist_ok=True)
    return folder
